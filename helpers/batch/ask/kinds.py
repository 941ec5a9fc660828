"""Which kinds of values a parameter takes: told by its annotation, else by its default.

A kind speaks of JSON's values: scalars, null, lists of a kind, mappings. A tuple stays a tuple in
the notebook and is a list everywhere else.
"""

import ast
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce

from helpers.batch.ask.syntax import parsed

Scalar = bool | int | float | str | None
Value = Scalar | list["Value"] | tuple["Value", ...] | dict[str, "Value"]

SCALARS = {"int": int, "float": float, "str": str, "bool": bool}
LISTS = {"list": list, "List": list, "Sequence": list, "Iterable": list, "tuple": tuple}
LISTS |= {"Tuple": tuple}
MAPPINGS = ("dict", "Dict", "Mapping")


class MisfitError(Exception):
    """A value is not of the kind."""


@dataclass(frozen=True)
class Kind:
    """Values of several sorts.

    Attributes:
        scalars: types of scalars, exactly: a truth value is no number.
        none: whether None is one.
        items: the kind of a list's elements; None if no list is one.
        container: `list` or `tuple`, as which a list goes to the notebook.
        mapping: whether mappings from text to anything are.
    """

    scalars: tuple[type, ...] = ()
    none: bool = False
    items: "Kind | None" = None
    container: type = list
    mapping: bool = False

    def __or__(self, other: "Kind") -> "Kind":
        if ANYTHING in (self, other):
            return ANYTHING
        lists = [kind for kind in (self, other) if kind.items is not None]
        all_tuples = lists and all(kind.container is tuple for kind in lists)
        return Kind(
            tuple(dict.fromkeys(self.scalars + other.scalars)),
            self.none or other.none,
            reduce(Kind.__or__, (kind.items for kind in lists)) if lists else None,
            tuple if all_tuples else list,
            self.mapping or other.mapping,
        )

    def __str__(self) -> str:
        if self == ANYTHING:
            return "anything"
        names = [kind.__name__ for kind in self.scalars]
        if self.items is not None:
            names.append(f"list of {self.items}" if self.items != ANYTHING else "list")
        names += ["mapping"] * self.mapping + ["null"] * self.none
        return " or ".join(names)

    def convert(self, value: Value) -> Value:
        """Return a value as the notebook is to have it, converted where nothing is lost.

        Raises:
            MisfitError: The value is not of this kind.
        """
        if self == ANYTHING:
            return value
        if isinstance(value, list | tuple) and self.items is not None:
            container = tuple if isinstance(value, tuple) else self.container
            return container(map(self.items.convert, value))
        if isinstance(value, dict) and self.mapping:
            return value
        if type(value) is int and float in self.scalars and int not in self.scalars:
            return float(value) if abs(value) < 2**1023 else float("inf")
        is_whole = type(value) is float and value.is_integer() and abs(value) <= 2**53
        if is_whole and int in self.scalars and float not in self.scalars:
            return int(value)
        if type(value) in self.scalars or (value is None and self.none):
            return value
        raise MisfitError


ANYTHING = Kind((int, float, str, bool), True, Kind(), list, True)


def kind_of(value: Value) -> Kind:
    """Return the kind that a default stands for.

    >>> str(kind_of([1, 2.5])), str(kind_of([])), str(kind_of([[1], []]))
    ('list of int or float', 'list', 'list of list of int')
    """
    if value is None:
        return Kind(none=True)
    if isinstance(value, dict):
        return Kind(mapping=True)
    if not isinstance(value, list | tuple):
        return Kind((type(value),))
    kinds = [kind_of(element) for element in value]
    if any(kind.items not in (None, ANYTHING) for kind in kinds):
        # What an empty list may hold is told by the lists beside it.
        kinds = [replace(kind, items=Kind()) if kind.items == ANYTHING else kind for kind in kinds]
    return Kind(items=reduce(Kind.__or__, kinds) if kinds else ANYTHING, container=type(value))


def is_value(value: object) -> bool:
    """Return whether a literal is made of what JSON has; a number or text of it may yet be none."""
    if isinstance(value, list | tuple):
        return all(map(is_value, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(is_value, value.values()))
    return value is None or type(value) in SCALARS.values()


def can_be_told(value: object) -> bool:
    """Whether strict JSON in UTF-8 can tell a literal."""
    return is_value(value) and not any(map(flaw, parts(value)))


def parts(value: Value) -> Iterator[Value]:
    """Give all scalars, and all keys, that a value holds."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if not isinstance(value, list | tuple):
        yield value
        return
    for element in value:
        yield from parts(element)


def flaw(part: Value) -> str:
    """Return what a scalar must be, where it is not; such a one is not to be told in JSON."""
    if isinstance(part, float) and not math.isfinite(part):
        return "must be finite"
    if isinstance(part, str) and not part.isascii():
        try:
            part.encode("utf-8")
        except UnicodeEncodeError:  # half of a pair
            return "must be Unicode text"
    return ""


def equal(one: Value, other: Value) -> bool:
    """Return whether a run with the one value is a run with the other: True is not 1, nor is 1.0.

    >>> equal([1], (1,)), equal(True, 1), equal(1, 1.0)
    (True, False, False)
    """
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def annotated_kind(node: ast.expr) -> Kind | None:
    """Return the kind that an annotation names; None if it is not one of these.

    >>> str(annotated_kind(ast.parse("Optional[list[int]]", mode="eval").body))
    'list of int or null'
    """
    match node:
        case ast.Constant(value=None):
            return Kind(none=True)
        case ast.Constant(value=str() as text):
            return parsed_kind(text)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _named(name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _either([left, right])
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            return _subscripted(name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
    return None


def parsed_kind(text: str) -> Kind | None:
    """Return the kind that an annotation's text names; None if it is not one of these."""
    try:
        return annotated_kind(parsed(text.strip(), mode="eval").body)
    except SyntaxError:
        return None


def literals(node: ast.expr) -> list[Scalar]:
    """Return what `Literal` in an annotation names; nothing if it has none."""
    return [
        element.value
        for part in ast.walk(node)
        if isinstance(part, ast.Subscript) and ast.unparse(part.value).endswith("Literal")
        for element in ast.walk(part.slice)
        if isinstance(element, ast.Constant)
    ]


def _named(name: str) -> Kind | None:
    if name in SCALARS:
        return Kind((SCALARS[name],))
    if name in LISTS:
        return Kind(items=ANYTHING, container=LISTS[name])
    if name == "NoneType":
        return Kind(none=True)
    return Kind(mapping=True) if name in MAPPINGS else None


def _subscripted(name: str, inner: list[ast.expr]) -> Kind | None:
    if name in LISTS:
        inner = [node for node in inner if not _is_ellipsis(node)]
        return Kind(items=_either(inner) or ANYTHING, container=LISTS[name])
    if name in MAPPINGS:
        return Kind(mapping=True)
    if name == "Optional":
        return _either([*inner, ast.Constant(None)])
    if name == "Union":
        return _either(inner)
    if name == "Annotated":
        return annotated_kind(inner[0])
    if name == "Literal":
        values = [element.value for element in inner if isinstance(element, ast.Constant)]
        return reduce(Kind.__or__, map(kind_of, values)) if values else None
    return None


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _either(nodes: list[ast.expr]) -> Kind | None:
    """Return the union of the kinds; None if one of them is not known."""
    kinds = [annotated_kind(node) for node in nodes]
    return reduce(Kind.__or__, kinds) if kinds and None not in kinds else None
