"""Figures of a kept run on a page: beside figures from elsewhere, in a table, or in the prose.

    ```{headlines} results/kept/headlines.json
    validation accuracy | .7479 | headlines-ten-validation
    exercise 8 | test .4510 | run of capstone on cifar10
    ```

Each line is what was measured, the figure from elsewhere, and the name of ours; or the run of a
chapter that has it, to which the table then leads if it was made. In the prose the role
{kept}`headlines: headlines-ten-validation` puts a figure of `results/kept/headlines.json`.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers.batch.book import chapter_name, chapters
from helpers.batch.errors import BatchError, NotebookError, nearest
from helpers.batch.report.page import duration_text
from helpers.batch.results.confirmed import FOLDER, read_confirmed, results_of
from helpers.batch.results.kept import read_kept
from helpers.batch.site.roles import Role
from helpers.claims.claim import number_text

ELSEWHERE = re.compile(r"run of (?P<chapter>\w+) on (?P<data>\w+)")
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
        for one in (file, *results_of(root)):
            self.env.note_dependency(str(one))
        try:
            kept = read_kept(file)
            lines = table_lines(self.content, kept, root)
        except BatchError as error:
            raise self.error(str(error)) from error
        return self.parse_text_to_nodes("\n".join([*lines, "", about(kept)]))


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


def table_lines(content: Iterable[str], kept: Mapping, root: Path) -> list[str]:
    """Return the lines of a table in Markdown.

    Args:
        content: a line for each figure.
        kept: what the run left that has ours.
        root: the book's folder, for those that a chapter has.

    Raises:
        NotebookError: A line has not three parts, or names a figure that there is not.
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
        found = ELSEWHERE.fullmatch(name)
        ours = chapter_text(root, **found.groupdict()) if found else ""
        ours = ours or figure_text(find_figure(name, kept))
        lines.append(f"| {what} | {theirs} | {ours} | {spreads.get(name, '')} |")
    return lines


def chapter_text(root: Path, chapter: str, data: str) -> str:
    """Return a text that leads to a chapter, if it was run on a data set."""
    pages = {chapter_name(notebook): notebook for notebook in chapters(root)}
    if chapter not in pages or data not in read_confirmed(root, chapter):
        return "not run"
    return f"see {{doc}}`/{pages[chapter].relative_to(root).with_suffix('').as_posix()}`"


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


def setup(app: Sphinx) -> dict[str, bool]:
    """Register directive and role with Sphinx."""
    app.add_directive("headlines", Headlines)
    app.add_role("kept", Kept())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
