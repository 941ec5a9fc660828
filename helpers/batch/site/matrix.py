"""A Sphinx extension that shows what confirming runs found on all data sets, from `results/`.

The directive `replication` is the matrix of claims and sets, `replication-runs` lists the runs
behind it, and the role `found` puts a cell of it into the prose, `found-sign` its sign alone. The
boxes of claims in the chapters show the same signs.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from html import escape
from pathlib import Path

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx

from helpers.batch.book import chapter_name, chapters
from helpers.batch.errors import NotebookError, nearest
from helpers.batch.report.page import FOLDER as REPORT
from helpers.batch.report.page import duration_text, template
from helpers.batch.results.confirmed import DATASETS, read_confirmed, results_of
from helpers.batch.site.directives import Overview
from helpers.batch.site.overview import title
from helpers.batch.site.replication import ONCE, PATTERNS, Cell, Row, counted, rows_of
from helpers.batch.site.roles import Role
from helpers.claims import CONTRADICTED, HOLDS, INCONCLUSIVE, SAME
from helpers.claims.box import LOOKS, marked

HERE = Path(__file__).parent
WORDS = {
    HOLDS: "holds",
    CONTRADICTED: "contradicted",
    INCONCLUSIVE: "cannot tell",
    SAME: "no difference",
}
MARKS = {
    "confirmed": "confirmed",
    "not confirmed": "not confirmed",
    "open twice": "open twice",
    ONCE: "run once",
}
PLACE = re.compile(r"(?:1 / )?(?P<id>[a-z0-9-]+) @ (?P<data>\w+): (?P<verdict>[a-z ]+)")
BOX = re.compile(r'(<details class="dnnbook-claim" id="claim-(?P<id>[^"]+)".*?)(</summary>)', re.S)


class Replication(Overview):
    """The matrix: a row for each claim, a column for each data set; it sorts and filters."""

    def fill(self, notebooks: list[Path]) -> list[nodes.Node]:
        """Return the table, and the script that serves it."""
        rows = _rows_now(Path(self.env.srcdir), tuple(notebooks))
        table = template(HERE, "matrix.html.j2").render(
            rows=[self.row(row) for row in rows],
            chapters=list(dict.fromkeys(_short(row.title) for row in rows)),
            counts=counted(rows),
            datasets=DATASETS,
            looks=LOOKS,
            words=WORDS,
            marks=MARKS,
            patterns=PATTERNS,
        )
        files = REPORT / "table.js", HERE / "matrix.js"
        scripts = "\n".join(f"<script>{file.read_text('utf-8')}</script>" for file in files)
        return [nodes.raw("", f"{table}{scripts}", format="html")]

    def row(self, row: Row) -> dict:
        """Return a row as the template wants it."""
        cells = [
            _cell(row, row.cells[data]) if data in row.cells else _absent(data, row.absent[data])
            for data in DATASETS
        ]
        return {
            "id": row.id,
            "chapter": _short(row.title),
            "page": self.uri(row.notebook),
            "pattern": row.pattern,
            "statement": Markup(marked(row.statement)),
            "cells": cells,
        }


class Runs(Overview):
    """The runs behind the matrix: what each was given, how long it took, and where."""

    def fill(self, notebooks: list[Path]) -> list[nodes.Node]:
        """Return the table of runs, with a line for what was not run."""
        root, found = Path(self.env.srcdir), []
        for notebook in notebooks:
            if runs := read_confirmed(root, chapter_name(notebook)):
                found += [_run(notebook, data, runs.get(data)) for data in DATASETS]
        return [
            nodes.raw("", template(HERE, "runs.html.j2").render(**_totals(found)), format="html")
        ]


class Found(Role):
    """A cell of the matrix in the prose: sign, effect, a link to the claim.

    Its text is `claim-id @ data: verdict`. The verdict is what the sentence around speaks of; if
    the results say another, the page is wrong and is not rendered. With `1 / ` before
    it the ratio is turned round, for a table that has all ratios in one direction; the sign stays.
    """

    def fill(self) -> list[nodes.Node]:
        """Return the cell."""
        root = Path(self.env.srcdir)
        row, cell = find_cell(self.text, _rows_now(root, tuple(chapters(root))))
        shown = self.shown(cell).replace(" ", "\N{NO-BREAK SPACE}")
        shown = shown.replace("\N{NO-BREAK SPACE}[", " [")  # an interval may begin a line
        for file in (row.notebook, *results_of(root)):
            self.env.note_dependency(str(file))
        page = row.notebook.relative_to(root).with_suffix("").as_posix()
        uri = self.env.app.builder.get_relative_uri(self.env.docname, page)
        link = nodes.reference(
            "",
            shown,
            internal=True,
            refuri=f"{uri}#claim-{row.id}",
            reftitle=_title(row, cell),
            classes=["dnnbook-sign", _kind(cell.verdict)],
        )
        return [link]

    def shown(self, cell: Cell) -> str:
        """Return what the prose shows of a cell."""
        effect = cell.inverse if self.text.startswith("1 / ") else cell.effect
        return f"{LOOKS[cell.verdict][0]} {effect}"


class FoundSign(Found):
    """The sign of a cell alone, for tables."""

    def shown(self, cell: Cell) -> str:
        """Return the sign."""
        return LOOKS[cell.verdict][0]


class Signs(Role):
    """What was found of a claim on all data sets: their names and signs, in brackets, in the prose.

    Its text is the claim's id. The sentence around must be true whatever the signs are.
    """

    def fill(self) -> list[nodes.Node]:
        """Return the signs."""
        root = Path(self.env.srcdir)
        rows = {row.id: row for row in _rows_now(root, tuple(chapters(root)))}
        if self.text not in rows:
            raise NotebookError(f"there is no claim {self.text!r}. {nearest(self.text, rows)}")
        for file in (rows[self.text].notebook, *results_of(root)):
            self.env.note_dependency(str(file))
        html = f'<span class="dnnbook-inline">({signs(rows[self.text])})</span>'
        return [nodes.raw("", html, format="html")]


def _rows_now(root: Path, notebooks: tuple[Path, ...]) -> list[Row]:
    """Return what runs found, read once for a page that asks often."""
    files = (*notebooks, *results_of(root))
    return _rows_of(root, notebooks, tuple(file.stat().st_mtime_ns for file in files))


@lru_cache(maxsize=32)
def _rows_of(root: Path, notebooks: tuple[Path, ...], changed: tuple[int, ...]) -> list[Row]:
    return rows_of(root, notebooks)


def find_cell(text: str, rows: Iterable[Row]) -> tuple[Row, Cell]:
    """Return the cell that a role names, which must have the verdict that the role states.

    Raises:
        NotebookError: There is none, or it has another verdict.
    """
    found = PLACE.fullmatch(text)
    if found is None:
        raise NotebookError(
            f"a `found` role must hold `claim-id @ data: verdict`. Received: {text!r}"
        )
    known = {row.id: row for row in rows}
    if found["id"] not in known:
        raise NotebookError(f"there is no claim {found['id']!r}. {nearest(found['id'], known)}")
    row = known[found["id"]]
    if found["data"] not in row.cells:
        why = row.absent.get(found["data"], nearest(found["data"], DATASETS))
        raise NotebookError(f"{row.id} has no result on {found['data']!r}: {why}")
    cell = row.cells[found["data"]]
    if cell.verdict != found["verdict"]:
        raise NotebookError(
            f"the text speaks of {row.id} on {cell.data} as {found['verdict']!r}, which the "
            f"results call {cell.verdict!r}: write the sentence anew"
        )
    return row, cell


def _cell(row: Row, cell: Cell) -> dict:
    return {
        "data": cell.data,
        "label": DATASETS[cell.data],
        "verdict": cell.verdict,
        "mark": cell.mark,
        "order": list(LOOKS).index(cell.verdict),
        "effect": cell.effect,
        "sentence": Markup(marked(cell.record.get("sentence") or "")),
        "title": _title(row, cell),
        "run": _run_id(row.notebook, cell.data),
    }


def _absent(data: str, why: str) -> dict:
    return {"data": data, "label": DATASETS[data], "verdict": "", "sentence": "", "absent": why}


def _title(row: Row, cell: Cell) -> str:
    first = {
        "": "the first run of this claim on this set",
        cell.verdict: "two runs, one verdict",
    }.get(cell.first, f"the run before: {WORDS.get(cell.first, '')}")
    return f"{DATASETS[cell.data]}, {cell.record['replicas']} replicas, {first}: {row.statement}"


def _run(notebook: Path, data: str, run: Mapping | None) -> dict:
    found = {
        "id": _run_id(notebook, data),
        "chapter": _short(title(notebook)),
        "label": DATASETS[data],
        "is_there": run is not None,
    }
    if run is None:
        return found
    given = {name: value for name, value in run["parameters"].items() if name != "dataset"}
    machine = run.get("machine", {})
    return found | {
        "given": ", ".join(f"{name} {json.dumps(value)}" for name, value in given.items()),
        "claims": len(run["claims"]),
        "seconds": f"{machine['seconds']:.0f}" if machine else "not noted",
        "clock": machine.get("seconds", 0),
        "processor": machine.get("processor", "not noted"),
        "versions": machine.get("versions", {}),
    }


def _totals(runs: list[dict]) -> dict:
    """Return the runs with a sentence on all of them."""
    there = [run for run in runs if run["is_there"]]
    timed = [run["clock"] for run in there if run["clock"]]
    versions: dict[str, set[str]] = {}
    for run in there:
        for name, version in run["versions"].items():
            versions.setdefault(name, set()).add(version)
    with_them = ", ".join(f"{name} {' and '.join(sorted(versions[name]))}" for name in versions)
    total = (
        f"{len(there)} of {len(runs)} runs have been made. The {len(timed)} whose time was noted "
        f"took {duration_text(sum(timed))} by the clock, beside other work on the same machine"
    )
    return {"runs": runs, "total": total + (f", with {with_them}." if with_them else ".")}


def _run_id(notebook: Path, data: str) -> str:
    return f"run-{chapter_name(notebook)}-{data}".replace("_", "-")


def _kind(verdict: str) -> str:
    return f"dnnbook-{verdict.replace(' ', '-')}"


def _short(heading: str) -> str:
    return heading.partition(":")[0]


def mark_boxes(app: Sphinx, doctree: nodes.document) -> None:
    """Let each box of a claim in a chapter show the signs of all data sets."""
    source = Path(app.env.doc2path(app.env.docname))
    if source.suffix != ".ipynb":
        return
    root = Path(app.srcdir)
    rows = {row.id: row for row in _rows_now(root, (source,))}
    for file in results_of(root):
        if file.stem == chapter_name(source):
            app.env.note_dependency(str(file))
    for raw in doctree.findall(nodes.raw):
        if "dnnbook-claim" in raw.rawsource or "dnnbook-claim" in raw.astext():
            raw.children = [nodes.Text(with_signs(raw.astext(), rows))]


def with_signs(html: str, rows: Mapping[str, Row]) -> str:
    """Return boxes in HTML that show in their first line what was found on which data set."""

    def signed(found: re.Match) -> str:
        row = rows.get(found["id"])
        return found[0] if row is None else f"{found[1]}{signs(row)}{found[3]}"

    return BOX.sub(signed, html)


def signs(row: Row) -> str:
    """Return what was found of a claim on which data set: its name and a sign, as HTML.

    Where there is nothing a dash says so. One set alone says no more than the box itself.
    """
    if len(row.cells) < 2:
        return ""
    found = [
        f'<span title="{escape(_title(row, row.cells[data]))}">{DATASETS[data]} '
        f"{LOOKS[row.cells[data].verdict][0]}</span>"
        if data in row.cells
        else f'<span title="{row.absent[data]}">{DATASETS[data]} –</span>'
        for data in DATASETS
    ]
    return f'<span class="dnnbook-sets">{" &middot; ".join(found)}</span>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Register directives, role and boxes with Sphinx."""
    app.add_directive("replication", Replication)
    app.add_directive("replication-runs", Runs)
    app.add_role("found", Found())
    app.add_role("signs", Signs())
    app.add_role("found-sign", FoundSign())
    app.connect("doctree-read", mark_boxes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
