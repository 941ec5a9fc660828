"""Directives for a book's first page, filled from the chapters as they have been executed.

A Sphinx extension: `_config.yml` names it. `scoreboard` counts verdicts, `gallery` and `picture`
show figures.
Neither holds a number or a picture of its own, so the page agrees with the chapters on any data.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from helpers.batch.book import chapters
from helpers.batch.errors import BatchError
from helpers.batch.results.confirmed import results_of
from helpers.batch.site.overview import Picture, Standing, find_picture, standing
from helpers.batch.site.replication import NO_IMAGES, Row, counted, rows_of
from helpers.claims.box import LOOKS

Cells = Sequence[nodes.Node | str]


class Overview(SphinxDirective):
    """What such directives share: the book's chapters, and errors as Sphinx reports them."""

    def run(self) -> list[nodes.Node]:
        """Fill the directive; what is wrong with a chapter is reported at its line."""
        try:
            notebooks = chapters(Path(self.env.srcdir))
            for file in [*notebooks, *results_of(Path(self.env.srcdir))]:
                self.env.note_dependency(str(file))  # else the page stays when one of them changes
            return self.fill(notebooks)
        except BatchError as error:
            raise self.error(str(error)) from error

    def fill(self, notebooks: list[Path]) -> list[nodes.Node]:
        """Return what stands in the page in the directive's place."""
        raise NotImplementedError

    def document(self, notebook: Path) -> str:
        """Return the name by which Sphinx knows a chapter."""
        return notebook.relative_to(self.env.srcdir).with_suffix("").as_posix()

    def uri(self, notebook: Path, anchor: str = "") -> str:
        """Return a chapter's address, seen from the page with the directive."""
        page = self.env.app.builder.get_relative_uri(self.env.docname, self.document(notebook))
        return f"{page}#{anchor}" if anchor else page


class Scoreboard(Overview):
    """How many claims hold, are contradicted, are inconclusive: a sentence, a table, a list."""

    def fill(self, notebooks: list[Path]) -> list[nodes.Node]:
        """Count the verdicts in all chapters."""
        standings = [s for s in map(standing, notebooks) if s.claims]  # the errata have none
        totals = {verdict: sum(s.count(verdict) for s in standings) for verdict in LOOKS}
        return [
            nodes.paragraph("", _in_words(totals, sum(s.facts for s in standings))),
            *confirmed_in_words(standings),
            *replicated_in_words(rows_of(Path(self.env.srcdir), notebooks)),
            self.table(standings, totals),
            self.surprises(standings, totals["contradicted"]),
        ]

    def table(self, standings: Sequence[Standing], totals: dict[str, int]) -> nodes.table:
        """Return the table of chapters, with the sums below."""
        head = [
            "Chapter",
            *(f"{symbol} {verdict}" for verdict, (symbol, _) in LOOKS.items()),
            "measured",
            "facts",
        ]
        rows: list[Cells] = [
            [
                _link(self.uri(s.notebook), s.title),
                *(str(s.count(verdict)) for verdict in LOOKS),
                str(len(s.measured)),
                str(s.facts),
            ]
            for s in standings
        ]
        sums = *totals.values(), sum(totals.values()), sum(s.facts for s in standings)
        rows.append(["All", *map(str, sums)])
        return _table(head, rows)

    def surprises(self, standings: Iterable[Standing], count: int) -> nodes.Node:
        """Return the contradicted claims, folded, each linked to its box."""
        links = [
            _link(self.uri(s.notebook, f"claim-{claim['id']}"), claim["statement"])
            for s in standings
            for claim in s.measured
            if claim["verdict"] == "contradicted"
        ]
        items = [nodes.list_item("", nodes.paragraph("", "", link)) for link in links]
        heading = f"What is often said and does not hold here ({count})"
        folded = [nodes.title("", heading), nodes.bullet_list("", *items)]
        return nodes.admonition("", *folded, classes=["admonition", "dropdown"])


class _Pictures(Overview):
    """What directives share that show figures of the chapters."""

    has_content = True

    def write(self, picture: Picture) -> str:
        """Write the image where Sphinx keeps its state; return its place as seen from the root."""
        folder = Path(self.env.app.doctreedir, "gallery")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{picture.name}.png"
        file.write_bytes(picture.png)
        return "/" + Path(os.path.relpath(file, self.env.srcdir)).as_posix()


class Shown(_Pictures):
    """One figure of a chapter, its name as the argument; the content stands below it."""

    required_arguments = 1

    def fill(self, notebooks: list[Path]) -> list[nodes.Node]:
        """Show the figure, as a link to its place."""
        picture = find_picture(self.arguments[0], notebooks)
        lines = [
            f"```{{image}} {self.write(picture)}",
            f":alt: {picture.alt}",
            f":target: {self.uri(picture.notebook, picture.name)}",
            "```",
            "",
            *self.content,
        ]
        shown = nodes.container(classes=["dnnbook-picture"])
        shown += self.parse_text_to_nodes("\n".join(lines))
        return [shown]


class Gallery(_Pictures):
    """Figures of the chapters as cards; each line of the content is `figure: a sentence`."""

    def fill(self, notebooks: list[Path]) -> list[nodes.Node]:
        """Make a card of each line."""
        cards = []
        for line in filter(None, map(str.strip, self.content)):
            name, _, sentence = line.partition(":")
            cards += self.card(find_picture(name.strip(), notebooks), sentence.strip())
        text = ["::::{grid} 1 1 2 2", ":gutter: 3", "", *cards, "::::"]
        return self.parse_text_to_nodes("\n".join(text))

    def card(self, picture: Picture, sentence: str) -> list[str]:
        """Return the lines of one card."""
        return [
            f":::{{grid-item-card}} {picture.title.partition(':')[0]}",
            f":img-top: {self.write(picture)}",
            f":img-alt: {picture.alt}",
            f":link: /{self.document(picture.notebook)}",
            ":link-type: doc",
            "",
            sentence,
            ":::",
        ]


def _in_words(totals: dict[str, int], facts: int) -> str:
    measured = sum(totals.values())
    parts = [f"{totals['holds']} hold", f"{totals['contradicted']} are contradicted"]
    if totals["no difference"]:
        parts.append(f"{totals['no difference']} are no difference that matters")
    parts.append(f"and {totals['inconclusive']} remain inconclusive")
    return (
        f"Of the {measured} measured claims of this book, as it was built for these pages, "
        f"{', '.join(parts)}." + (f" Facts checked besides: {facts}." if facts else "")
    )


def confirmed_in_words(standings: Iterable[Standing]) -> list[nodes.Node]:
    """Say which share of the claims over draws came out again on fresh seeds and draws."""
    states = [claim["status"] for one in standings for claim in one.claims if claim.get("status")]
    frozen = [state for state in states if state != "exploratory"]
    if not states:
        return []
    text = (
        f"{len(states)} of them are judged over draws of the data, on images that nobody tuned on. "
        f"{len(frozen)} of these were frozen and run again on seeds and draws that nobody had "
        f"looked at. {frozen.count('confirmed')} came to the same verdict again"
        f"{_share(frozen.count('confirmed'), len(frozen))}, "
        f"{frozen.count('not confirmed')} to another, and {frozen.count('open twice')} could not "
        "be told in either run."
    )
    return [nodes.paragraph("", text)]


def replicated_in_words(rows: Iterable[Row]) -> list[nodes.Node]:
    """Say which share of the claims comes to one verdict on all data sets, and which holds there.

    Nothing is said where no claim was measured on all of them.
    """
    counts = counted(rows)
    everywhere = counts["everywhere"]
    if not everywhere:
        return []
    text = (
        f"{everywhere} were measured on all four data sets: {counts['same']} come to the same "
        f"verdict on all of them{_share(counts['same'], everywhere)}, and {counts['hold on all']} "
        f"hold on all of them{_share(counts['hold on all'], everywhere)}. {counts['turns']} turn "
        "round: they hold on one set and are contradicted on another."
    )
    if counts[NO_IMAGES] or counts["partly"]:
        text += (
            f" Of the rest, {counts[NO_IMAGES]} look at no images, and {counts['partly']} were "
            "measured on fewer sets."
        )
    return [nodes.paragraph("", text)]


def _share(some: int, whole: int) -> str:
    return f" ({100 * some / whole:.0f} %)" if whole else ""


def _link(uri: str, text: str) -> nodes.reference:
    return nodes.reference("", text, internal=True, refuri=uri)


def _table(head: Cells, rows: Iterable[Cells]) -> nodes.table:
    """Return a table of one line of heads and rows of texts or inline nodes."""
    columns = [nodes.colspec(colwidth=10 if i else 40) for i in range(len(head))]
    group = nodes.tgroup("", *columns, cols=len(head))
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *(_row(row) for row in rows))
    return nodes.table("", group, classes=["dnnbook-scoreboard"])


def _row(cells: Cells) -> nodes.row:
    wrapped = [nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells]
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in wrapped))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives with Sphinx."""
    app.add_directive("scoreboard", Scoreboard)
    app.add_directive("gallery", Gallery)
    app.add_directive("picture", Shown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
