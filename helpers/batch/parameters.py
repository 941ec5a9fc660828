"""A notebook's declared parameters, and strict validation of what it is given.

Parameters are declared by the cell tagged `parameters`, one `name = value  # comment` a line. It
is parsed and never run. papermill itself only warns of an unknown name, and it injects a name as
code, so nothing reaches it that `validate` has not passed.
"""

import ast
import io
import json
import keyword
import math
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.batch.chapters import read_notebook, source, tags
from helpers.batch.errors import NotebookError, ParameterError, nearest

Scalar = bool | int | float | str | None
Value = Scalar | list[Scalar]

DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10")
# Names that count something, so that their values are whole and at least 1.
COUNTS = re.compile(
    r"(^|_)(replicas|epochs|depth|width|length|(batch|train|valid|test)_size|"
    r"n_\w+|layers|units|neurons|steps|repeats)s?$"
)
SCALARS = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Attributes:
        name: an identifier.
        default: what the notebook uses when nothing is given.
        comment: what it means, the comment behind it.
    """

    name: str
    default: Value
    comment: str = ""

    @property
    def types(self) -> tuple[type, ...]:
        """Types that a value, or an element of a list, may have.

        With a default of None the comment says it: `int`, `float` or `str` as words, else all.
        """
        example = self.default[0] if isinstance(self.default, list) else self.default
        if example is not None:
            return (type(example),)
        words = set(re.findall(r"\w+", self.comment))
        named = tuple(SCALARS[word] for word in ("int", "float", "str") if word in words)
        return named or (int, float, str)

    @property
    def type_name(self) -> str:
        """The type in words.

        >>> Parameter("depths", [5, 10]).type_name
        'list of int'
        """
        names = " or ".join(kind.__name__ for kind in self.types)
        if isinstance(self.default, list):
            return f"list of {names}"
        return f"{names} or null" if self.default is None else names


def read_parameters(notebook: Path) -> list[Parameter]:
    """Return the parameters that the notebook declares, in their order.

    Raises:
        NotebookError: No cell is tagged `parameters`, or it holds anything but literals.
    """
    cells = [cell for cell in read_notebook(notebook)["cells"] if "parameters" in tags(cell)]
    if len(cells) != 1:
        raise NotebookError(
            f"{notebook.name} must have one cell tagged `parameters`. Received: {len(cells)}"
        )
    try:
        return parse_parameters(source(cells[0]))
    except ValueError as error:
        raise NotebookError(f"{notebook.name}: {error}") from error


def parse_parameters(code: str) -> list[Parameter]:
    """Return the parameters that a cell's source declares.

    >>> parse_parameters("replicas = 8  # independent trainings")
    [Parameter(name='replicas', default=8, comment='independent trainings')]

    Raises:
        ValueError: A line is not `name = literal`, or a name stands twice.
    """
    try:
        statements = ast.parse(code).body
    except SyntaxError as error:
        raise ValueError(f"parameters must be Python. Received: {error}") from error
    comments = _comments(code)
    parameters: dict[str, Parameter] = {}
    for statement in statements:
        text = ast.get_source_segment(code, statement)
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) if name not in parameters:
                default = _literal(statement.value, text)
            case _:
                raise ValueError(f"parameters must be `name = literal`, once. Received: {text}")
        parameters[name] = Parameter(name, default, comments.get(statement.end_lineno, ""))
    return list(parameters.values())


def _literal(node: ast.expr, text: str) -> Value:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = ()
    elements = value if isinstance(value, list) and value else [value]
    if not all(element is None or type(element) in SCALARS.values() for element in elements):
        raise ValueError(f"defaults must be scalars or lists of them. Received: {text}")
    return value


def _comments(code: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def parse_value(text: str) -> Value:
    """Return what a VALUE of the command line means: a JSON scalar or list, else a string.

    >>> [parse_value(text) for text in ("8", "1e-3", "[1, 2]", "null", "digits")]
    [8, 0.001, [1, 2], None, 'digits']

    Raises:
        ParameterError: It is a JSON object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: ten thousand brackets
        return text
    if isinstance(value, dict):
        raise ParameterError(f"VALUE must be a scalar or a list. Received: {text}")
    return value


def validate(given: Mapping[str, Value], declared: Iterable[Parameter]) -> dict[str, Value]:
    """Return the given values as the notebook is to have them.

    Args:
        given: values by name.
        declared: what the notebook declares.

    Returns:
        The same names; a whole number given for a float has become one.

    Raises:
        ParameterError: A name is not declared, or a value is not what its parameter takes.
    """
    known = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in known or not name.isidentifier() or keyword.iskeyword(name):
            raise ParameterError(
                f"NAME must be a declared parameter. Received: {name}. {nearest(name, known)}"
            )
    return {name: _checked(known[name], value) for name, value in given.items()}


def _checked(parameter: Parameter, value: Value) -> Value:
    """Return the value of one parameter, converted where nothing is lost, or raise."""
    if not isinstance(parameter.default, list):
        return _scalar(parameter, value, value)
    if not isinstance(value, list) or not value:
        _refuse(parameter, f"must be a {parameter.type_name} and not empty", value)
    return [_scalar(parameter, element, value) for element in value]


def _scalar(parameter: Parameter, element: Scalar, value: Value) -> Scalar:
    if element is None and parameter.default is None:
        return None
    if type(element) is int and parameter.types == (float,):
        element = float(element) if abs(element) < 2**1023 else math.inf
    if type(element) not in parameter.types:
        _refuse(parameter, f"must be {parameter.type_name}", value)
    if isinstance(element, float) and not math.isfinite(element):
        _refuse(parameter, "must be finite", value)
    if isinstance(element, str) and not element.isprintable():
        _refuse(parameter, "must be printable text", value)
    if isinstance(element, int | float) and COUNTS.search(parameter.name) and element < 1:
        _refuse(parameter, "must be at least 1", value)
    if parameter.name == "seed" and isinstance(element, int) and not 0 <= element < 2**32:
        _refuse(parameter, "must be in [0, 2**32)", value)
    if parameter.name in ("dataset", "datasets") and element not in DATASETS:
        _refuse(parameter, "must be a known data set", value, nearest(str(element), DATASETS))
    return element


def _refuse(parameter: Parameter, rule: str, value: Value, hint: str = "") -> None:
    received = json.dumps(value, ensure_ascii=True, default=str)[:200]
    message = f"`{parameter.name}` {rule}. Received: {parameter.name}={received}. {hint}"
    raise ParameterError(message.rstrip())
