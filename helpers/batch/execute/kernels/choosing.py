"""Which kind of kernel serves a notebook.

A warm kernel has imported TensorFlow and its kin before the notebook speaks. To a notebook that
sets the environment first, or has modules of those names beside it, this makes a difference: it is
given an ordinary kernel, so that every kind gives one answer.
"""

import ast
import os
import re
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

READS = {"get", "items", "keys", "values", "copy"}  # methods of `os.environ`
MAGICS = re.compile(r"^\s*%+\s*(env\s+\S+[\s=]|set_env\b|dotenv\b|load_ext\s+dotenv)", re.MULTILINE)


def default_kind() -> str:
    """Return "warm" where forking is safe: on Linux, as long as no GPU is used."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    gpu = not hidden and any(Path("/dev").glob("nvidia[0-9]*"))
    return "warm" if sys.platform == "linux" and not gpu else "spawn"


def needs_ordinary(codes: Iterable[str], modules: Iterable[str] = ()) -> bool:
    """Return whether code may tell a kernel that has imported much from one that has not.

    Args:
        codes: the code of cells and of the modules that they import.
        modules: names of modules beside the notebook, which come before installed ones.

    >>> needs_ordinary(["os.environ['KERAS_BACKEND'] = 'jax'"])
    True
    >>> needs_ordinary(["print(os.environ['HOME'], os.environ.get('USER'))"])
    False
    """
    return any(map(_sets_environment, codes)) or any(map(PathFinder.find_spec, modules))


def _sets_environment(code: str) -> bool:
    if MAGICS.search(code):
        return True
    plain = "\n".join(line for line in code.splitlines() if not re.match(r"\s*[%!]", line))
    try:
        tree = ast.parse(plain)
    except (SyntaxError, ValueError):
        return bool(re.search(r"environ|putenv|dotenv", plain))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return any(_may_set(node, parents.get(node)) for node in ast.walk(tree))


def _may_set(node: ast.AST, parent: ast.AST | None) -> bool:
    match node:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            modules = [getattr(node, "module", None), *(alias.name for alias in names)]
            return any(name and name.split(".")[0] == "dotenv" for name in modules)
        case ast.Attribute(attr="putenv" | "unsetenv") | ast.Name(id="putenv" | "unsetenv"):
            return True
        case ast.Attribute(attr="environ" | "environb") | ast.Name(id="environ" | "environb"):
            return not _only_reads(node, parent)
    return False


def _only_reads(node: ast.AST, parent: ast.AST | None) -> bool:
    match parent:
        case ast.Subscript(ctx=ast.Load()) | ast.Compare() | ast.Dict() | ast.For():
            return True
        case ast.Attribute(attr=attr):
            return attr in READS
        case ast.Call(func=ast.Name(id="dict" | "len" | "sorted" | "print" | "list")):
            return True
    return False
