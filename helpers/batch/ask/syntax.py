"""Code is read as Python by one thread at a time.

Before 3.11.8 and 3.12.2 Python counts in one place for all threads how deep it is in a tree; where
one thread waits in the middle, as for the collection of garbage, another one's `ast.parse` fails
with a SystemError (python/cpython issue 106905). The threads of a worker serve a run each.
"""

import ast
import re
import threading
from contextlib import suppress
from functools import lru_cache

_READING = threading.Lock()
# Cell magics that hand the whole cell to something else than this Python.
FOREIGN = {
    *("!", "bash", "cmd", "cython", "file", "html", "HTML", "javascript", "js", "julia", "latex"),
    *("markdown", "perl", "R", "ruby", "script", "sh", "sql", "svg", "SVG", "sx", "system"),
    "writefile",
}
PYTHON = {"time", "timeit", "capture", "prun"}  # those whose cell is surely Python
OPTIONS = r"(?:-\w+(?:\s+\d+)?\s+)*"
MAGIC = re.compile(rf"(\s*)(?:%+(\w*)\s*{OPTIONS}(.*)|!.*)")
IMPORTING = ("load_ext", "reload_ext", "aimport")  # magics that import what they name


def parsed(code: str, mode: str = "exec") -> ast.AST:
    """Return code as a tree, as `ast.parse` does.

    Args:
        code: Python.
        mode: "exec" for statements, "eval" for one expression.

    Raises:
        SyntaxError: It is no Python.
        ValueError: It holds a character that Python refuses.
    """
    with _READING:
        return ast.parse(code, mode=mode)


def as_python(cell: str) -> str:
    r"""Return a cell as Python: what only IPython reads becomes the call that it stands for.

    >>> as_python("%matplotlib inline\nrate = 0.1\n")
    "get_ipython().run_line_magic('matplotlib', 'inline')\nrate = 0.1\n"
    """
    try:
        parsed(cell)
    except SyntaxError:  # as of `files = !ls`
        from IPython.core.inputtransformer2 import TransformerManager

        with suppress(SyntaxError):
            return TransformerManager().transform_cell(cell)
    return cell


@lru_cache(maxsize=2_000)
def python_of(cell: str) -> str | None:
    r"""Return a cell's Python, with that which its lines for IPython hold.

    Returns:
        Code that can be parsed; nothing of a cell that is for another language as a whole; None if
        it is no Python.

    >>> python_of("%time import numpy\n%load_ext memory_profiler\nx = 1")
    'import numpy\nimport memory_profiler\nx = 1'
    """
    magic = re.match(r"\s*%%(\S+).*", cell)
    if magic and magic[1] in FOREIGN:
        return ""
    lines = (cell[magic.end() :] if magic else cell).splitlines()
    is_plain = [not re.match(r"\s*[%!]", line) for line in lines]
    held = [line if plain else _held(line) for line, plain in zip(lines, is_plain, strict=True)]
    kept = [line for line, plain in zip(lines, is_plain, strict=True) if plain]
    for text in ("\n".join(held), "\n".join(kept)):
        code = as_python(text)
        if _is_python(code):
            return code
    return "" if magic and magic[1] not in PYTHON else None


def _held(line: str) -> str:
    """Return the Python in a line for IPython, as deep as that stands; `pass` if there is none."""
    indent, name, rest = MAGIC.match(line).groups()
    if name in IMPORTING:
        rest = f"import {rest}"
    elif name == "run" and (module := re.search(r"-m\s+([\w.]+)", line)):
        rest = f"import {module[1]}"
    return indent + (rest if rest and _is_python(rest) else "pass")


def _is_python(code: str) -> bool:
    try:
        parsed(code)
    except (SyntaxError, ValueError):
        return False
    return True
