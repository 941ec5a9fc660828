"""Old calls and new ones, run side by side: what is raised, warned of, or quietly different."""

import ast
import html
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

PLAIN = bool | int | float | str | tuple  # values that say something in a table
LONGEST = 96  # characters of a message that a table shows


class Answer(NamedTuple):
    """What came of some code.

    Attributes:
        kind: ``"raises"``, ``"warns"``, ``"gives"`` or ``"runs"``.
        words: the exception's or warning's type and first words, or the value; empty if there is
            none.
    """

    kind: str
    words: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.words}".rstrip()


class Call(NamedTuple):
    """A call of Keras 2, and what takes its place."""

    old: str
    new: str


def ask(code: str, names: Mapping[str, object]) -> Answer:
    """Run some code and return what comes of it.

    Where the last line is an expression, its value is the answer, if it is plain and there is no
    warning.

    Args:
        code: Python, one line or several. It is run as it stands: only your own, never foreign
            code.
        names: What it may use; it stays as it is.

    Returns:
        An `Answer`.

    Raises:
        SyntaxError: The code is no Python.

    Example:
        >>> ask("1 / 0", {}), ask("x + 1", {"x": 1}), ask("y = 2", {})
        (Answer(kind='raises', words='ZeroDivisionError: division by zero'),
         Answer(kind='gives', words='2'), Answer(kind='runs', words=''))
    """
    body = ast.parse(code).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    names, value = dict(names), None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)  # as Python itself: not the caller's
        try:
            exec(compile(ast.Module(body, []), "call", "exec"), names)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "call", "eval"), names)
        except Exception as error:  # of any kind: it is the answer
            return Answer("raises", first_words(error))
    if caught:
        return Answer("warns", first_words(caught[0].message))
    return Answer("gives", str(value)) if isinstance(value, PLAIN) else Answer("runs")


def first_words(error: Warning | Exception) -> str:
    """Return the type of an exception or warning, and its first line as far as a table has room."""
    text = " ".join(str(error).strip().split("\n")[0].split())
    text = text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"
    return f"{type(error).__name__}: {text}"


class Migration:
    """A table of calls: the old one, what comes of it, the new one, what comes of that.

    Args:
        calls: Pairs of old and new code.
        names: A function that returns what they may use, made anew for each.

    Attributes:
        rows: for each call ``(call, old answer, new answer)``.
    """

    def __init__(self, calls: Sequence[Call], names: Callable[[], Mapping[str, object]]) -> None:
        self.rows = [(call, ask(call.old, names()), ask(call.new, names())) for call in calls]

    def __repr__(self) -> str:
        return "\n".join(
            f"{call.old}\n  {old}\n{call.new}\n  {new}" for call, old, new in self.rows
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{text}</th>" for text in ("Keras 2", "Keras 3 answers", "Keras 3"))
        body = "".join(
            f"<tr><td>{_code(call.old)}</td><td>{_words(old)}</td>"
            f"<td>{_code(call.new)}{_after(new)}</td></tr>"
            for call, old, new in self.rows
        )
        return (
            '<table class="dnnbook-claims dnnbook-calls table"><thead><tr>'
            f"{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _code(code: str) -> str:
    lines = (f"<code>{html.escape(line)}</code>" for line in code.splitlines())
    return "<br>".join(lines)


def _words(answer: Answer) -> str:
    kind = f"<strong>{answer.kind}</strong>" if answer.kind in ("raises", "warns") else answer.kind
    return f"{kind} {html.escape(answer.words)}".rstrip()


def _after(answer: Answer) -> str:
    return "" if answer.kind == "runs" else f"<br>{_words(answer)}"
