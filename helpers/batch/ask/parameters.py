"""A notebook's declared parameters.

They are declared by the cell tagged `parameters`, one `name = value  # comment` a line, with an
annotation or without. It is parsed and never run.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from helpers.batch.ask.kinds import (
    ANYTHING,
    Kind,
    MisfitError,
    Value,
    annotated_kind,
    can_be_told,
    kind_of,
    literals,
    parsed_kind,
)
from helpers.batch.ask.ranges import Range, declared_kind, declared_range, with_names
from helpers.batch.ask.syntax import as_python, parsed
from helpers.batch.errors import NotebookError
from helpers.batch.notebook import Notebook, read, source, tags

TYPE = re.compile(r"type:\s*(?P<type>[^\s\[]+(?:\[[^#]*\])?)\s*(?P<rest>.*)")  # papermill's comment


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Attributes:
        name: an identifier.
        default: what the notebook uses when nothing is given.
        comment: what it means, the comment behind it.
        kind: the kind of its values; told by the default and the comment if not given.
        range: further conditions, that the comment declares if not given.
    """

    name: str
    default: Value
    comment: str = ""
    kind: Kind = field(default=None, compare=False)
    range: Range = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.kind is None:
            kind = declared_kind(self.comment) if self.default is None else kind_of(self.default)
            object.__setattr__(self, "kind", kind)
        if self.range is None:
            object.__setattr__(self, "range", declared_range(self.comment, self.default))

    @property
    def type_name(self) -> str:
        """The type in words.

        >>> Parameter("depths", [5, 10]).type_name
        'list of int'
        """
        return str(self.kind)


def read_parameters(notebook: Path) -> list[Parameter]:
    """Return the parameters that a notebook's file declares, in their order.

    Raises:
        NotebookError: The file is no notebook of Python, or its parameters are no literals.
    """
    return parameters_of(read(notebook))


def parameters_of(notebook: Notebook) -> list[Parameter]:
    """Return the parameters that a notebook declares; none if no cell is tagged `parameters`.

    Raises:
        NotebookError: Several cells are tagged, one of text, or one that holds more than literals.
    """
    cells = [cell for cell in notebook.content["cells"] if "parameters" in tags(cell)]
    file = notebook.path.name
    if len(cells) > 1:
        raise NotebookError(
            f"{file} must have at most one cell tagged `parameters`. Received: {len(cells)}"
        )
    if cells and cells[0]["cell_type"] != "code":
        rule = "must have the tag `parameters` at a cell of code"
        raise NotebookError(f"{file} {rule}. Received: one of {cells[0]['cell_type']}")
    try:
        return parse_parameters(source(cells[0])) if cells else []
    except ValueError as error:
        lines = str(error).splitlines()
        raise NotebookError("\n".join(f"{file}: {line}" for line in lines)) from error


def parse_parameters(code: str) -> list[Parameter]:
    """Return the parameters that a cell's source declares.

    A literal that JSON cannot tell, as a set, is the notebook's own: nothing can be given for it.

    >>> parse_parameters("replicas: int = 8  # independent trainings")
    [Parameter(name='replicas', default=8, comment='independent trainings', ...)]

    Raises:
        ValueError: A statement is not `name = literal`, or a name stands twice. The message has a
            line for each.
    """
    code = as_python(code)
    try:
        statements = parsed(code).body
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"parameters must be Python. Received: {error}") from error
    comments, mistakes = _comments(code), []
    last = {statement.end_lineno: statement for statement in statements}
    parameters: dict[str, Parameter] = {}
    for statement in statements:
        if _says_nothing(statement):
            continue
        is_last = last[statement.end_lineno] is statement  # of `a = 1; b = 2  # of b`
        try:
            found = _declared(statement, comments.get(statement.end_lineno, "") * is_last)
            if found.name in parameters:
                raise ValueError
            parameters[found.name] = found
        except ValueError:
            text = " ".join(ast.get_source_segment(code, statement).split())
            mistakes.append(
                f"line {statement.lineno}: parameters must be `name = literal`, once. "
                f"Received: {text}"
            )
    if mistakes:
        raise ValueError("\n".join(mistakes))
    return [parameter for parameter in parameters.values() if can_be_told(parameter.default)]


def _says_nothing(statement: ast.stmt) -> bool:
    """Whether it is a text that explains, an import, or a line for IPython."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=asked, attr=name))):
            return ast.unparse(asked) == "get_ipython()" and name in ("run_line_magic", "system")
    return False


def _declared(statement: ast.stmt, comment: str) -> Parameter:
    """Return what a statement declares; raise a ValueError if it declares nothing."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            annotation = None
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            annotation = statement.annotation
        case _:
            raise ValueError
    try:
        default = ast.literal_eval(value)
    except TypeError as error:  # as of a set of lists
        raise ValueError from error
    if not can_be_told(default):
        return Parameter(name, default, comment, ANYTHING, Range())
    kind = None if annotation is None else annotated_kind(annotation)
    typed = TYPE.match(comment)
    if typed and kind is None:
        kind, comment = parsed_kind(typed["type"]), typed["rest"]
    if kind is not None:
        kind = kind if _fits(kind, default) else kind | kind_of(default)
    declared = Parameter(name, default, comment, kind)
    if annotation is None:
        return declared
    words = [text for text in _texts(annotation) if text not in literals(annotation)]
    range_ = declared_range(", ".join([*words, comment]), default)
    return Parameter(name, default, comment, kind, with_names(range_, literals(annotation)))


def _fits(kind: Kind, value: Value) -> bool:
    try:
        kind.convert(value)
    except MisfitError:
        return False
    return True


def _texts(annotation: ast.expr) -> Iterator[str]:
    """Give the texts in an annotation, as in `Annotated[int, "at least 2"]`."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _comments(code: str) -> dict[int, str]:
    """Return the comments by the last line of what they stand behind or, else, right above."""
    tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    texts = {token.start[0]: token.string.lstrip("# ").rstrip() for token in comments}
    alone = {token.start[0] for token in comments if token.line.lstrip().startswith("#")}
    found = {line: text for line, text in texts.items() if line not in alone}
    for statement in parsed(code).body:
        line = first = statement.lineno
        while line - 1 in alone:
            line -= 1
        above = " ".join(texts[number] for number in range(line, first))
        found.setdefault(statement.end_lineno, above)
    return found
