"""Figures of a kept run on a page: beside figures from elsewhere, in a table, or in the prose.

    ```{headlines} results/kept/headlines.json
    validation accuracy | .7479 | headlines-ten-validation
    exercise 8: accuracy | .4510 | accuracy of notes-plain at full size
    ```

Each line is what was measured, the figure from elsewhere, and the name of ours; or what an arm of
`results/full_size/capstone.json` has. In the prose the role
{kept}`headlines: headlines-ten-validation` puts a figure of `results/kept/headlines.json`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers.batch.errors import BatchError, NotebookError, nearest
from helpers.batch.report.page import duration_text
from helpers.batch.results.confirmed import FOLDER
from helpers.batch.results.kept import read_kept
from helpers.batch.site.roles import Role
from helpers.claims import mean_interval
from helpers.claims.claim import number_text

AT_FULL_SIZE = re.compile(r"(?P<what>\w+) of (?P<arm>[\w-]+) at full size")
FULL_SIZE = f"{FOLDER}/full_size/capstone.json"
SHARES = {"accuracy"}  # kept in percent, shown as the notes have them
DIGITS = 4  # in the table, as accuracies are given; in the prose fewer
PROSE_DIGITS = 2


class Headlines(SphinxDirective):
    """A table of figures from elsewhere and ours."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the table and a line on the run; what is wrong is reported at its line."""
        root = Path(self.env.srcdir)
        file = root / self.arguments[0]
        for one in (file, root / FULL_SIZE):
            self.env.note_dependency(str(one))
        try:
            kept = read_kept(file)
            full = read_full_size(root / FULL_SIZE)
            lines = table_lines(self.content, kept, full)
        except BatchError as error:
            raise self.error(str(error)) from error
        return self.parse_text_to_nodes("\n".join([*lines, "", about(kept), about_full_size(full)]))


class Kept(Role):
    """A figure of a kept run in the prose; its text is `file: name`."""

    def fill(self) -> list[nodes.Node]:
        """Return the figure."""
        stem, _, name = self.text.partition(": ")
        file = Path(self.env.srcdir, FOLDER, "kept", f"{stem}.json")
        self.env.note_dependency(str(file))
        return [nodes.Text(figure_text(find_figure(name, read_kept(file)), PROSE_DIGITS))]


def find_figure(name: str, kept: Mapping) -> Mapping:
    """Return the figure of a name.

    Raises:
        NotebookError: There is none.
    """
    figures = {one["name"]: one for one in kept["records"] if one["kind"] == "figure"}
    if name not in figures:
        raise NotebookError(f"there is no figure {name}. {nearest(name, figures)}")
    return figures[name]


def read_full_size(file: Path) -> Mapping:
    """Return what `examples/full_size.py` left: nothing where there is no file.

    Raises:
        NotebookError: It cannot be read.
    """
    if not file.is_file():
        return {"arms": {}}
    try:
        full = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise NotebookError(f"{file.name} must be JSON. {error}") from error
    if not isinstance(full, dict) or not isinstance(full.get("arms"), dict):
        raise NotebookError(f"{file.name} must hold `arms`")
    return full


def table_lines(content: Iterable[str], kept: Mapping, full: Mapping) -> list[str]:
    """Return the lines of a table in Markdown.

    Args:
        content: a line for each figure.
        kept: what the run left that has ours.
        full: what the run at full size left, as `read_full_size` gives it.

    Raises:
        NotebookError: A line has not three parts, or names a figure or an arm that there is not.
    """
    spreads = {
        one["name"].removesuffix("-range"): one["value"]
        for one in kept["records"]
        if one.get("name", "").endswith("-range")
    }
    lines = ["| what | in the notes, one run | ours | from run to run |", "|---|---|---|---|"]
    for line in filter(None, map(str.strip, content)):
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 3:
            raise NotebookError(
                f"a line must be `what | a figure | the name of ours`. Received: {line}"
            )
        what, theirs, name = parts
        found = AT_FULL_SIZE.fullmatch(name)
        if found:
            ours, spread = full_size_texts(full["arms"], **found.groupdict())
        else:
            ours, spread = figure_text(find_figure(name, kept)), spreads.get(name, "")
        lines.append(f"| {what} | {theirs} | {ours} | {spread} |")
    return lines


def full_size_texts(arms: Mapping, what: str, arm: str) -> tuple[str, str]:
    """Return what an arm has over its replicas: the mean with its interval, and the range.

    Raises:
        NotebookError: There is no such arm, or it has no such values.

    >>> full_size_texts({"plain": {"accuracy": [48.0, 50.0, 52.0]}}, "accuracy", "plain")
    ('0.5000 [0.4503, 0.5497]', '0.4800 to 0.5200')
    """
    if arm not in arms:
        raise NotebookError(f"there is no arm {arm} at full size. {nearest(arm, arms)}")
    lists = {name: values for name, values in arms[arm].items() if isinstance(values, list)}
    if what not in lists:
        raise NotebookError(f"{arm} has no {what} at full size. {nearest(what, lists)}")
    values = [value / 100 if what in SHARES else value for value in lists[what]]
    value, low, high = mean_interval(values)
    ours = figure_text({"value": value, "low": low, "high": high})
    return ours, f"{figure_text(_single(min(values)))} to {figure_text(_single(max(values)))}"


def _single(value: float) -> dict:
    return {"value": value, "low": None, "high": None}


def figure_text(figure: Mapping, digits: int = DIGITS) -> str:
    """Return a figure as it is read: with its interval, if it is a mean over replicas.

    >>> figure_text({"value": 0.75, "low": 0.7, "high": 0.8, "replicas": 8})
    '0.7500 [0.7000, 0.8000]'
    >>> figure_text({"value": 271346, "low": None, "high": None, "replicas": 0})
    '271,346'
    """
    if isinstance(figure["value"], str):
        return figure["value"]
    if isinstance(figure["value"], int):
        return f"{figure['value']:,}"
    value, low, high = (
        number_text(figure[key], digits) if figure[key] is not None else ""
        for key in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]" if low else value


def about(kept: Mapping) -> str:
    """Return a sentence on the run: what it was given, how long it took, on what."""
    given = ", ".join(f"`{name}` {value}" for name, value in sorted(kept["parameters"].items()))
    machine = kept["machine"]
    return (
        f"Made by `{kept['notebook']}.ipynb` with {given}; {duration_text(machine['seconds'])} by "
        f"the clock on {machine['processor']}, beside other work."
    )


def about_full_size(full: Mapping) -> str:
    """Return a sentence on the run at full size; nothing where there is none."""
    if not full["arms"]:
        return ""
    return (
        f"At full size: `{full['made by']}`, {full['replicas']} replicas on {full['data']}; "
        f"{full['machine']}."
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register directive and role with Sphinx."""
    app.add_directive("headlines", Headlines)
    app.add_role("kept", Kept())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
