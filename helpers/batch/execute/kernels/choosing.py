"""Which kind of kernel serves a notebook.

A warm kernel has imported TensorFlow and its kin before the notebook speaks. To a notebook that
sets the environment first, has modules of those names beside it, or looks for modules where nobody
can look in advance, this makes a difference: it is given an ordinary kernel, so that every kind
gives one answer.
"""

import ast
import os
import re
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

from helpers.batch.ask.identity import is_local
from helpers.batch.ask.imported import imported_packages
from helpers.batch.ask.syntax import parsed, python_of

READS = {"get", "items", "keys", "values", "copy"}  # methods of `os.environ`
MAGICS = re.compile(
    r"^\s*%+\s*(env\s+\S+[\s=]|set_env\b|dotenv\b|load_ext\s+dotenv|cd\b|pushd\b)", re.MULTILINE
)
# What says where modules are looked for; the first place is the current folder.
PLACES = {"path", "meta_path", "path_hooks"}


def default_kind() -> str:
    """Return "warm" where forking is safe: on Linux, as long as no GPU is used."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    gpu = not hidden and any(Path("/dev").glob("nvidia[0-9]*"))
    return "warm" if sys.platform == "linux" and not gpu else "spawn"


def needs_ordinary(codes: Iterable[str], files: Iterable[str] = ()) -> bool:
    """Return whether code may tell a kernel that has imported much from one that has not.

    Args:
        codes: the code of cells and of the modules that they import.
        files: those modules and what else lies beside the notebook and is read.

    >>> needs_ordinary(["os.environ['KERAS_BACKEND'] = 'jax'"])
    True
    >>> needs_ordinary(["print(os.environ['HOME'], os.environ.get('USER'))"])
    False
    """
    codes, files = list(codes), list(files)
    if "matplotlibrc" in files or any(map(_changes_imports, codes)):
        return True
    beside = {name.partition("/")[0].removesuffix(".py") for name in files}
    if any(map(PathFinder.find_spec, beside)):  # they come before installed ones
        return True
    return not all(map(_is_installed, set(imported_packages(codes)) - beside))


def _is_installed(name: str) -> bool:
    """Say whether a package is there for all, or for none: nobody else's code is read by it."""
    if name in sys.builtin_module_names or name in sys.stdlib_module_names:
        return True
    spec = PathFinder.find_spec(name)
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    return not any(is_local(Path(place)) for place in places if place)


def _changes_imports(code: str) -> bool:
    if MAGICS.search(code):
        return True
    plain = python_of(code)
    if plain is None:
        return bool(re.search(r"environ|putenv|dotenv|sys\.path|addsitedir|chdir", code))
    tree = parsed(plain)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return any(_may_set(node, parents.get(node)) for node in ast.walk(tree))


def _may_set(node: ast.AST, parent: ast.AST | None) -> bool:
    match node:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            modules = [getattr(node, "module", None), *(alias.name for alias in names)]
            if modules[0] == "sys" and PLACES & set(modules):
                return True
            return any(name and name.split(".")[0] == "dotenv" for name in modules)
        case ast.Attribute(attr="putenv" | "unsetenv") | ast.Name(id="putenv" | "unsetenv"):
            return True
        case ast.Attribute(value=ast.Name(id="sys"), attr=attr) if attr in PLACES:
            return not _only_reads(node, parent)
        case ast.Attribute(attr="addsitedir" | "chdir"):
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
