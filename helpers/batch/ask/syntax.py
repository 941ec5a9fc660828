"""Code is read as Python by one thread at a time.

Before 3.11.8 and 3.12.2 Python counts in one place for all threads how deep it is in a tree; where
one thread waits in the middle, as for the collection of garbage, another one's `ast.parse` fails
with a SystemError (python/cpython issue 106905). The threads of a worker serve a run each.
"""

import ast
import threading
from contextlib import suppress

_READING = threading.Lock()


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
