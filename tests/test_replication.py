"""What confirming runs found on several data sets, as the pages of the book show it."""

import json
import re

import pytest

from helpers.batch.errors import NotebookError
from helpers.batch.results.confirmed import keep_confirmed, read_confirmed
from helpers.batch.site.directives import replicated_in_words
from helpers.batch.site.matrix import find_cell, with_signs
from helpers.batch.site.replication import Cell, counted, looks_at_no_images, rows_of
from helpers.claims import MIME
from tests.small_books import make_book, render

SETS = ["digits", "mnist", "fashion_mnist", "cifar10"]
INDEX = """# A small book

```{scoreboard}
```

## Claim by claim

```{replication}
```

## Run by run

```{replication-runs}
```
"""


def found(verdict="holds", *, design="other", effect=1.5, scope="nets", **more):
    """Return what a run keeps of a claim."""
    numbers = {"effect": effect, "low": effect - 0.25, "high": effect + 0.5, "scale": "ratio"}
    own = {"design": design, "verdict": verdict, "unit": "", "replicas": 8, "scope": scope}
    return own | numbers | {"sentence": f"It is so: {verdict}"} | more


def claim(verdict="holds", *, id="small-a", design="home", **more):
    record = {"kind": "claim", "id": id, "verdict": verdict, "statement": f"Statement of {id}."}
    return record | {"design": design, "method": "resampled t"} | more


def box(id="small-a"):
    return f'<details class="dnnbook-claim" id="claim-{id}"><summary>It is so</summary></details>'


def write_chapter(root, claims, name="01_small"):
    outputs = [
        {
            "output_type": "display_data",
            "data": {MIME: one, "text/html": box(one["id"])},
            "metadata": {},
        }
        for one in claims
    ]
    cells = [
        {"cell_type": "markdown", "id": "top", "metadata": {}, "source": "# Small: is it?\n\nYes."},
        {
            "cell_type": "code",
            "id": "claims",
            "execution_count": 1,
            "metadata": {},
            "source": "judge()",
            "outputs": outputs,
        },
    ]
    metadata = {"language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path = root / "book" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(notebook))
    return path


def keep(root, data, claims, *, seed=90000, **run):
    more = {"parameters": {"dataset": data, "seed": seed}, "claims": claims} | run
    return keep_confirmed(root, "small", data, more)


def row_of(root, claims, *, committed=None):
    """Return the row of one claim, given what was found of it on each data set."""
    for data, record in claims.items():
        keep(root, data, {"small-a": record})
    (row,) = rows_of(root, [write_chapter(root, [committed or claim()])])
    return row


def own(*verdicts):
    """Return a record with effects of its own for each data set in turn."""
    pairs = zip(SETS, verdicts, strict=False)
    return {
        data: found(verdict, design=data, effect=1.5 + number)
        for number, (data, verdict) in enumerate(pairs)
    }


class TestKept:
    def test_the_first_run_stays_the_first(self, tmp_path):
        for data in ("mnist", "digits", "mnist"):
            keep(tmp_path, data, {"small-a": found()})
        assert list(read_confirmed(tmp_path, "small")) == ["mnist", "digits"]

    def test_a_chapter_without_a_file_has_no_runs(self, tmp_path):
        assert read_confirmed(tmp_path, "small") == {}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            '{"schema": 1, "data": {"digits": {}}}',
            '{"schema": 1, "data": []}',
            '{"schema": 2, "data": {}}',
            '{"schema": 1, "data": {"digits": {"parameters": [], "claims": {}}}}',
            '{"schema": 1, "data": {"d": {"parameters": {}, "claims": {"a": {"verdict": ""}}}}}',
        ],
    )
    def test_a_damaged_file_is_named(self, tmp_path, text):
        keep(tmp_path, "digits", {}).write_text(text)
        with pytest.raises(NotebookError, match=r"small\.json must hold the results of `dnnbook c"):
            read_confirmed(tmp_path, "small")


class TestRows:
    @pytest.mark.parametrize(
        ("verdicts", "pattern"),
        [
            (["holds"] * 4, "same"),
            (["holds", "inconclusive", "holds", "holds"], "differs"),
            (["holds", "holds", "no difference", "contradicted"], "turns"),
            (["holds", "holds"], "partly"),
            (["holds", "inconclusive"], "partly"),
            (["holds", "contradicted"], "turns"),
            ([], "partly"),
        ],
    )
    def test_verdicts_have_a_pattern(self, tmp_path, verdicts, pattern):
        row = row_of(tmp_path, own(*verdicts))
        assert row.pattern == pattern
        assert set(row.cells) | set(row.absent) == set(SETS)
        assert [row.absent[data] for data in row.absent] == ["not run"] * (4 - len(verdicts))

    @pytest.mark.parametrize(
        ("verdict", "mark"),
        [
            ("holds", "confirmed"),
            ("contradicted", "not confirmed"),
            ("inconclusive", "not confirmed"),
        ],
    )
    def test_a_run_of_the_committed_design_confirms_or_not(self, tmp_path, verdict, mark):
        row = row_of(tmp_path, {"digits": found(verdict, design="home"), "mnist": found(effect=2)})
        assert (row.cells["digits"].mark, row.cells["digits"].first) == (mark, "holds")
        assert (row.cells["mnist"].mark, row.cells["mnist"].first) == ("once", "")

    def test_two_runs_that_cannot_tell_leave_it_open(self, tmp_path):
        open_twice = {"digits": found("inconclusive", design="home")}
        row = row_of(tmp_path, open_twice, committed=claim("inconclusive"))
        assert row.cells["digits"].mark == "open twice"

    def test_one_design_on_two_sets_looks_at_no_images(self, tmp_path):
        row = row_of(tmp_path, {data: found(design="home") for data in SETS[1:]})
        assert row.pattern == "looks at no images"
        assert list(row.cells) == ["mnist"]  # the first run
        assert set(row.absent.values()) == {"looks at no images"}

    def test_equal_numbers_with_one_seed_look_at_no_images(self):
        one, other = found(design="a") | {"seed": 1}, found(design="b") | {"seed": 1}
        assert looks_at_no_images({"digits": one, "mnist": other})
        assert not looks_at_no_images({"digits": one, "mnist": other | {"seed": 2}})
        assert not looks_at_no_images({"digits": one, "mnist": other | {"effect": 2.0}})

    def test_what_cannot_vary_is_no_sign_of_it(self):
        certain = {"effect": 100.0, "low": 100.0, "high": 100.0, "seed": 1}
        records = {data: found(design=data) | certain for data in SETS}
        assert not looks_at_no_images(records)

    def test_a_claim_may_have_a_data_set_of_its_own(self, tmp_path):
        scope = "a net on mnist, 900 images"
        row = row_of(tmp_path, {data: found(design="home", scope=scope) for data in SETS})
        assert list(row.cells) == ["mnist"]
        assert row.absent == {data: "on MNIST" for data in SETS if data != "mnist"}

    def test_where_both_arms_are_one_there_is_nothing_to_compare(self, tmp_path):
        alike = {"effect": 1.0, "low": 1.0, "high": 1.0}
        row = row_of(tmp_path, own("holds") | {"mnist": found("no difference") | alike})
        assert row.absent["mnist"] == "nothing differs here"
        assert row.pattern == "partly"

    def test_an_effect_may_have_no_end(self, tmp_path):
        row = row_of(tmp_path, {"digits": found(high=None)})
        assert row.cells["digits"].effect == "× 1.50 [1.25, ∞]"

    def test_facts_have_no_row(self, tmp_path):
        chapter = write_chapter(tmp_path, [claim(design="", method="exact")])
        assert rows_of(tmp_path, [chapter]) == []

    def test_patterns_are_counted(self, tmp_path):
        row = row_of(tmp_path, own(*["holds"] * 4))
        counts = counted([row, row])
        assert (counts["same"], counts["hold on all"], counts["turns"]) == (2, 2, 0)


class TestInWords:
    def test_the_first_page_says_which_share_holds_on_all_sets(self, tmp_path):
        row = row_of(tmp_path, own(*["holds"] * 4))
        turns = row_of(tmp_path, own("contradicted", "holds", "holds", "holds"))
        blind = row_of(tmp_path, {data: found(design="home") for data in SETS})
        (paragraph,) = replicated_in_words([row, row, turns, blind])
        text = paragraph.astext()
        assert "3 were measured on all four data sets: 2 come to the same verdict" in text
        assert "2 hold on all of them (67 %)" in text
        assert "1 turn round" in text
        assert "Of the rest, 1 look at no images, and 0 were measured on fewer sets." in text

    def test_what_is_not_there_is_not_spoken_of(self, tmp_path):
        assert replicated_in_words([row_of(tmp_path, own("holds"))]) == []


class TestFound:
    def test_a_cell_is_found(self, tmp_path):
        row = row_of(tmp_path, own("holds", "contradicted"))
        assert find_cell("small-a @ mnist: contradicted", [row]) == (row, row.cells["mnist"])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("small-a", r"must hold `claim-id @ data: verdict`. Received: 'small-a'"),
            ("smal-a @ mnist: holds", r"no claim 'smal-a'. Did you mean small-a\?"),
            ("small-a @ cifar10: holds", r"small-a has no result on 'cifar10': not run"),
            ("small-a @ cifar: holds", r"no result on 'cifar': Did you mean cifar10\?"),
            ("small-a @ mnist: holds", "as 'holds', which the results call 'contradicted'"),
        ],
    )
    def test_what_does_not_stand_is_refused(self, tmp_path, text, message):
        row = row_of(tmp_path, own("holds", "contradicted"))
        with pytest.raises(NotebookError, match=message):
            find_cell(text, [row])

    def test_a_ratio_is_turned_round_with_its_interval(self, tmp_path):
        row = row_of(tmp_path, own("holds", "contradicted"))
        assert find_cell("1 / small-a @ mnist: contradicted", [row]) == (row, row.cells["mnist"])
        ratio = {"scale": "ratio", "unit": "", "effect": 0.5, "low": 0.25, "high": 2.0}
        assert Cell("mnist", ratio, "once").inverse == "× 2.00 [0.500, 4.00]"
        assert Cell("mnist", ratio | {"high": None}, "once").inverse == "× 2.00 [0.00, 4.00]"
        assert Cell("mnist", ratio | {"low": 0.0}, "once").inverse == "× 2.00 [0.500, ∞]"

    def test_a_difference_is_not_turned_round(self):
        points = {"scale": "difference", "unit": "points", "effect": 2.0, "low": 1.0, "high": 3.0}
        with pytest.raises(NotebookError, match=r"must be a ratio\. Received: scale='difference'"):
            _ = Cell("mnist", points, "once").inverse


class TestBoxes:
    def test_a_box_shows_the_signs_of_the_sets_in_its_first_line(self, tmp_path):
        row = row_of(tmp_path, own("holds", "contradicted", "inconclusive"))
        html = with_signs(box() + box("small-b"), {"small-a": row})
        text = re.sub("<[^>]*>", "", html).replace("&middot;", "·")
        assert text == "It is sodigits ✓ · MNIST ✗ · Fashion-MNIST ? · CIFAR-10 –It is so"
        assert 'title="not run"' in html
        assert html.index("dnnbook-sets") < html.index("</summary>")

    def test_one_set_says_no_more_than_the_box(self, tmp_path):
        row = row_of(tmp_path, own("holds"))
        assert with_signs(box(), {"small-a": row}) == box()


@pytest.fixture
def book(tmp_path):
    """Return a small book with results on two data sets."""
    root = make_book(tmp_path, "01_small", index=INDEX)
    write_chapter(root, [claim(), claim(id="small-b")])
    for number, data in enumerate(["digits", "mnist"]):
        verdicts = {"small-a": "holds", "small-b": ["holds", "contradicted"][number]}
        records = {
            id: found(verdict, design=["home", "away"][number], effect=1.5 + number)
            for id, verdict in verdicts.items()
        }
        machine = {"processor": "An old one", "seconds": 75.0, "versions": {"keras": "3.15.0"}}
        keep(root, data, records, machine=machine)
    return root


def test_the_page_shows_what_the_results_hold(book):
    done, site = render(book)
    assert done.returncode == 0, done.stdout
    page = " ".join((site / "book" / "index.html").read_text().split())
    matrix, runs = page[page.index('id="replication-matrix"') :].split('id="run-by-run"')
    assert matrix.count("<tr data-chapter") == 2
    assert 'data-pattern="turns"' in matrix
    assert matrix.count('class="absent">not run') == 4
    assert 'href="01_small.html#claim-small-b"' in matrix
    assert 'href="#run-small-mnist">run once' in matrix
    assert 'href="#run-small-digits">confirmed' in matrix
    assert "function sortable(table)" in page
    assert "MNIST: It is so: contradicted." in matrix
    assert 'id="run-small-mnist"' in runs
    assert "seed 90000" in runs
    assert "An old one" in runs
    assert "2 of 4 runs have been made. The 2 whose time was noted took 2 min 30 s" in runs
    assert "with keras 3.15.0." in runs
    chapter = (site / "book" / "01_small.html").read_text()
    assert chapter.count("dnnbook-sets") == 2
    assert "MNIST ✗" in chapter


@pytest.mark.slow
def test_the_prose_takes_a_cell_and_falls_with_it(book):
    index = book / "book" / "index.md"
    cell = "`small-b @ mnist: contradicted`"
    index.write_text(f"{INDEX}\nBut here {{found}}{cell}, in short {{found-sign}}{cell}.\n")
    done, site = render(book)
    assert done.returncode == 0, done.stdout
    text = (site / "book" / "index.html").read_text()
    assert "✗\N{NO-BREAK SPACE}×" in text
    assert re.search("in short <a [^>]*>✗</a>", text)
    index.write_text(f"{INDEX}\nBut here {{found}}`small-b @ mnist: holds`.\n")
    done, _ = render(book)
    assert done.returncode != 0
    assert "which the results call 'contradicted': write the sentence anew" in done.stdout
