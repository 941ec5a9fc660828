"""Which variables of the environment a notebook's cells read by a name that stands in them.

What a cell hands to another program, reads in a module, or asks for by a computed name is not seen.
"""

import ast
import re
from collections.abc import Iterable, Iterator

from helpers.batch.ask.syntax import parsed, python_of

SETTING = re.compile(r"^%(?:env|set_env)[ \t]+(\w+)[ \t]*[= \t][ \t]*\S", re.MULTILINE)


def variables_read(cells: Iterable[str]) -> set[str]:
    """Return the variables that cells read before they have surely set them.

    Args:
        cells: sources of code cells, in their order.

    >>> variables_read(["os.environ['A'] = 'x'", "print(os.environ['A'], os.getenv('B'))"])
    {'B'}
    """
    read: set[str] = set()
    own: set[str] = set()
    for cell in cells:
        for statement in parsed(python_of(cell) or "").body:
            read |= {name for node in ast.walk(statement) for name in _read_by(node)} - own
            own |= set(_set_by(statement))
        own |= set(SETTING.findall(cell))  # what the same cell reads may stand before it
    return read


def _read_by(node: ast.AST) -> Iterator[str]:
    match node:
        case (
            ast.Subscript(value=place, slice=ast.Constant(str(name)), ctx=ast.Load())
            | ast.AugAssign(target=ast.Subscript(value=place, slice=ast.Constant(str(name))))
            | ast.Compare(left=ast.Constant(str(name)), comparators=[place])
            | ast.Call(
                func=ast.Attribute(value=place, attr="get" | "pop" | "setdefault"),
                args=[ast.Constant(str(name)), *_],
            )
        ) if _is("environ", place):
            yield name
        case ast.Call(func=call, args=[ast.Constant(str(name)), *_]) if _is("getenv", call):
            yield name


def _set_by(statement: ast.stmt) -> Iterator[str]:
    """Give the variables that a statement sets; one within another may not be run."""
    for target in statement.targets if isinstance(statement, ast.Assign) else ():
        match target:
            case ast.Subscript(value=place, slice=ast.Constant(str(name))) if _is("environ", place):
                yield name


def _is(name: str, node: ast.AST) -> bool:
    """Say whether an expression is a name, or a dotted one that ends with it."""
    return name in (getattr(node, "attr", None), getattr(node, "id", None))
