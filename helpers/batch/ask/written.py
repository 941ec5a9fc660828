"""What a value means that somebody typed, on the command line or plainly in a grid.

JSON says most of it. What only Python would write, as `.5`, `(1, 2)` or `'a'`, is read as Python
reads it where the parameter takes that; else, and where it is no literal, it is a text.
"""

import ast
import json
import math
import warnings

from helpers.batch.ask.kinds import ANYTHING, Kind, MisfitError, Value, is_value
from helpers.batch.ask.syntax import parsed

PYTHON = {"None": None, "True": True, "False": False}  # as Python and papermill's `-p` have them
NAMES = {"nan": math.nan, "inf": math.inf, "null": None, "true": True, "false": False}


class Written(str):
    """A text typed without JSON's quotes. What it means depends on the parameter that it is for."""

    __slots__ = ()


class Switch(Written):
    """One of YAML's words for a truth value, as `no`, that may well be a text, as of Norway.

    Attributes:
        meaning: the truth value.
    """

    meaning: bool

    def __new__(cls, text: str, meaning: bool) -> "Switch":
        """Return the word with its meaning."""
        word = super().__new__(cls, text)
        word.meaning = meaning
        return word


class NoValueError(MisfitError):
    """It is a literal of Python that JSON cannot tell, as a set, or a word of two meanings."""


def parse_value(text: str) -> Value:
    """Return what a VALUE of the command line means: JSON, or what is read for its parameter.

    >>> [parse_value(text) for text in ("8", "1e-3", "null", "None", "digits")]
    [8, 0.001, None, None, 'digits']
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: ten thousand brackets
        return PYTHON[text] if text in PYTHON else Written(text)


def meant(value: Value, kind: Kind) -> Value:
    """Return a value in which all that was typed is read as a parameter of a kind takes it.

    >>> [meant(Written(text), ANYTHING) for text in (".5", "(1, 2)", "'8'", "digits")]
    [0.5, [1, 2], '8', 'digits']
    >>> meant(Written("inf"), Kind((str,)))
    'inf'

    Raises:
        NoValueError: Python reads what JSON cannot tell, and no text is asked for.
    """
    if isinstance(value, Switch):
        return _switched(value, kind)
    if isinstance(value, Written):
        return _read(value, kind)
    if isinstance(value, list):
        return [meant(item, kind.items or ANYTHING) for item in value]
    if isinstance(value, dict):
        return {name: meant(item, ANYTHING) for name, item in value.items()}
    return value


def _switched(word: Switch, kind: Kind) -> Value:
    """Return a truth value or a text, whichever of them alone is taken."""
    if (bool in kind.scalars) == (str in kind.scalars):
        raise NoValueError(word)
    return word.meaning if bool in kind.scalars else str(word)


def _read(text: Written, kind: Kind) -> Value:
    try:
        value = _literal(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return str(text)
    may_be_text = str in kind.scalars and kind != ANYTHING
    if not is_value(value):
        if may_be_text:
            return str(text)
        raise NoValueError
    value = json.loads(json.dumps(value))  # a tuple is a list everywhere but in the notebook
    try:
        kind.convert(value)
    except MisfitError:
        return str(text) if may_be_text else value
    return value


def _literal(text: str) -> object:
    """Return what Python reads; raise a ValueError or SyntaxError if that is no literal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an escape in quotes that Python does not know
        tree = parsed(text.strip(), mode="eval")
    if isinstance(tree.body, ast.Tuple) and not text.strip().startswith("("):
        raise ValueError("numbers with commas between them are a text")
    return ast.literal_eval(_Constants().visit(tree))


class _Constants(ast.NodeTransformer):
    """Puts values for the names that JSON, or Python when it prints a float, has for them."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(NAMES[node.id]) if node.id in NAMES else node
