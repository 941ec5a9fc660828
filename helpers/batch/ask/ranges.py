"""Ranges, known names and types, as a parameter's comment declares them in words.

A range is a part of the comment that stands by itself, between commas, colons or brackets:
`at least 2`, `at most 10`, `above 0`, `below 1`, `in [0, 1)`; for a list `not empty` and
`two or more`. Known names stand at
the end: `one of adam, sgd or lion`, or for a text the list alone, if the default is in it. Beside
None a type is such a part, too: `int`, `list of str`. Nothing is concluded from a parameter's name.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from helpers.batch.ask.kinds import ANYTHING, SCALARS, Kind, Value
from helpers.batch.errors import nearest

NUMBER = r"[-+]?\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?"
BOUND = {"at least": ">=", "at most": "<=", "above": ">", "below": "<"}
LENGTHS = {"not empty": 1, "two or more": 2, "three or more": 3}
CLAUSE = re.compile(
    rf"(?:^|[,;:(]|\band\b)\s*(?:(?P<word>{'|'.join(BOUND)})\s+(?P<bound>{NUMBER})"
    rf"|in\s+(?P<open>[\[(])\s*(?P<low>{NUMBER})\s*,\s*(?P<high>{NUMBER})\s*(?P<close>[\])])"
    rf"|(?P<length>{'|'.join(LENGTHS)}))(?=\s*(?:$|[,;:).]|\band\b))"
)
NAME = r"(?:\"[^\"]*\"|'[^']*'|`[^`]*`|[\w./+-]+)"
NAMES = re.compile(rf"(?:^|:|\bone of)\s*({NAME}(?:,\s*{NAME})*,?\s+or\s+{NAME})\.?$")
# Where parts of a comment end, and the words of one that declares a type.
PART = re.compile(
    r",(?!\s*(?:or|and)\b)|[;:()\[\]]|\.$"
    r"|\bin(?=\s*[\[(])|\b(?:at least|at most|above|below)(?=\s+[-+\d])"
)
TYPES = {*SCALARS, "list"}
FILLING = {",", "a", "an", "of", "or", "and", "None", "null", "optional"}
TESTS = {
    ">=": lambda number, bound: number >= bound,
    "<=": lambda number, bound: number <= bound,
    ">": lambda number, bound: number > bound,
    "<": lambda number, bound: number < bound,
}


@dataclass(frozen=True)
class Range:
    """What a comment declares of a parameter's values, or of their elements.

    Attributes:
        bounds: pairs of a comparison and a number, with the words that declare them.
        names: the known names; empty if any will do.
        length: how many elements a list must have at least.
    """

    bounds: tuple[tuple[str, str, float], ...] = ()
    names: tuple[str, ...] = ()
    length: int = 0

    def complaint(self, value: Value) -> tuple[str, str]:
        """Return what the value must be, and a hint; nothing if it is that."""
        if isinstance(value, list | tuple):
            if len(value) < self.length:
                words = {number: text for text, number in LENGTHS.items()}
                return f"must be {words[self.length]}", ""
            return next(filter(any, map(self.complaint, value)), ("", ""))
        if isinstance(value, int | float) and not isinstance(value, bool):
            for words, test, bound in self.bounds:
                if not TESTS[test](value, bound):
                    return f"must be {words}", ""
        if self.names and value is not None and _text(value) not in self.names:
            *others, last = self.names
            rule = f"{', '.join(others)} or {last}" if others else last
            return f"must be {rule}", nearest(_text(value), self.names)
        return "", ""


def declared_range(comment: str, default: Value) -> Range:
    """Return what a comment declares; nothing if the default itself contradicts it.

    >>> declared_range("share of units, in [0, 1)", 0.5).bounds
    (('in [0, 1)', '>=', 0.0), ('in [0, 1)', '<', 1.0))
    >>> declared_range("data set: digits or mnist", "digits").names
    ('digits', 'mnist')
    >>> declared_range("noise on pixels in [0, 1]", 3.0)
    Range(bounds=(), names=(), length=0)
    """
    bounds, length = [], 0
    for found in CLAUSE.finditer(comment):
        if found["length"]:
            length = LENGTHS[found["length"]]
        elif found["word"]:
            words = f"{found['word']} {found['bound']}"
            bounds.append((words, BOUND[found["word"]], float(found["bound"])))
        else:
            words = f"in {found['open']}{found['low']}, {found['high']}{found['close']}"
            lower, upper = ">" + "=" * (found["open"] == "["), "<" + "=" * (found["close"] == "]")
            bounds.append((words, lower, float(found["low"])))
            bounds.append((words, upper, float(found["high"])))
    found = Range(tuple(bounds), _names(comment, default), length)
    return Range() if any(found.complaint(default)) else found


def declared_kind(comment: str) -> Kind:
    """Return the kind that a comment beside None declares.

    >>> str(declared_kind("images, list of int or None")), str(declared_kind("a list in the file"))
    ('list of int or null', 'anything')
    """
    found = Kind()
    for part in PART.split(comment):
        words = re.findall(r"\w+|[^\w\s|]", part)
        if set(words) <= TYPES | FILLING and TYPES & set(words):
            end = words.index("list") if "list" in words else len(words)
            found |= Kind(_scalars(words[:end]))
            if end < len(words):
                items = Kind(_scalars(words[end:]))
                found |= Kind(items=items if items.scalars else ANYTHING)
    return found | Kind(none=True) if found != Kind() else ANYTHING


def _scalars(words: list[str]) -> tuple[type, ...]:
    return tuple(kind for word, kind in SCALARS.items() if word in words)


def _names(comment: str, default: Value) -> tuple[str, ...]:
    found = NAMES.search(comment)
    if not found:
        return ()
    names = tuple(name.strip("\"'`") for name in re.findall(NAME, found[1]) if name != "or")
    if found[0].startswith("one of"):
        return names
    examples = default if isinstance(default, list | tuple) else [default]
    is_list_of_names = all(isinstance(one, str) and one in names for one in examples)
    return names if is_list_of_names and examples else ()


def with_names(range_: Range, names: Iterable[Value]) -> Range:
    """Return a range with names that an annotation gives."""
    return Range(range_.bounds, tuple(map(_text, names)) or range_.names, range_.length)


def _text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)
