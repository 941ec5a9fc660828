"""Errata: the ledger, calls run side by side, and the page that rests on both."""

import re
import warnings
from pathlib import Path

import pytest

from helpers.batch.notebook import read_notebook, source
from helpers.errata import PROVED, READ, STRUCK, Answer, Call, Ledger, Migration, Verdict, ask
from tests.notebook_reading import code_cells, markdown, records

ROOT = Path(__file__).parents[1]

# The ledger -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "read_in", "verdict"),
    [
        ({"a": True}, "", "✓ proved"),
        ({"a": True, "b": True}, "a paper", "✓ proved, § read"),
        ({}, "a paper", "§ read"),
        ({"a": False}, "", "✗ struck"),
        ({"a": False, "b": True}, "", "✗ struck in part"),
        ({"a": False}, "a paper", "✗ struck in part"),
    ],
)
def test_a_verdict_follows_from_what_was_shown(shown, read_in, verdict):
    assert str(Ledger([7]).settle(7, shown, source=read_in)) == verdict


def test_a_ledger_counts_its_entries_and_their_statements():
    ledger = Ledger([1, 2, 3, 4])
    assert ledger.open == [1, 2, 3, 4]
    assert ledger.statements() == (0, 0)
    ledger.settle(1, {"a": True, "b": True}, source="a paper")
    ledger.settle(2, {"a": True, "b": False})
    ledger.settle(3, source="a paper")
    assert ledger.numbers("proved") == [1]
    assert ledger.numbers("struck") == [2]
    assert ledger.numbers("read") == [1, 3]
    assert ledger.statements() == (3, 1)
    assert ledger.open == [4]


def test_an_entry_may_be_settled_again_as_people_do_in_jupyter():
    ledger = Ledger([1])
    ledger.settle(1, {"a": False})
    assert ledger.settle(1, {"a": True}) == Verdict(1, 0, "")
    assert ledger.statements() == (1, 0)


def test_a_ledger_refuses_what_is_no_verdict():
    ledger = Ledger([1])
    with pytest.raises(KeyError, match=r"`number` must be an entry of the ledger.*number=2"):
        ledger.settle(2, {"a": True})
    with pytest.raises(ValueError, match="must rest on `shown` or on `source`"):
        ledger.settle(1)
    for truth in (1, None, [True]):
        with pytest.raises(TypeError, match=r"must be True or False\. Received: 'a'"):
            ledger.settle(1, {"a": truth})
    assert ledger.open == [1]


# Calls ----------------------------------------------------------------------------------------


def warn():
    warnings.warn("old way\nsecond line", UserWarning, stacklevel=1)


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("1 + 1", Answer("gives", "2")),
        ("y = 2\ny, y", Answer("gives", "(2, 2)")),
        ("y = 2", Answer("runs")),
        ("[object()]", Answer("runs")),  # nothing that a table could show
        ("", Answer("runs")),
        ("nobody", Answer("raises", "NameError: name 'nobody' is not defined")),
        ("warn()\n1", Answer("warns", "UserWarning: old way")),
        ("warn()\n1 / 0", Answer("raises", "ZeroDivisionError: division by zero")),
    ],
)
def test_an_answer_is_what_came_of_the_code(code, answer):
    assert ask(code, {"warn": warn}) == answer


def test_a_deprecation_inside_a_library_is_not_the_callers():
    text = "warnings.warn('soon gone', DeprecationWarning)"
    assert ask(text, {"warnings": warnings}) == Answer("runs")


def test_a_long_message_ends_after_a_whole_word():
    words = ask("raise ValueError('word ' * 50)", {}).words
    assert words.endswith("word …")
    assert len(words) < 120


def test_code_leaves_the_names_as_they_are_and_bad_code_is_refused():
    names = {"x": 1}
    assert ask("x = 2\nx", names) == Answer("gives", "2")
    assert names == {"x": 1}
    with pytest.raises(SyntaxError):
        ask("x = = 1", {})


def test_a_migration_makes_the_names_anew_and_shows_both_answers():
    made = []

    def names():
        made.append(1)
        return {"x": [1]}

    table = Migration([Call("x.push(2)", "x.append(2)\nlen(x)"), Call("x < y", "len(x)")], names)
    assert len(made) == 4
    answers = [(str(old), str(new)) for _, old, new in table.rows]
    assert answers[0] == (
        "raises AttributeError: 'list' object has no attribute 'push'",
        "gives 2",
    )
    assert answers[1][1] == "gives 1"  # not 2: nothing was left over
    page = table._repr_html_()
    assert "<code>x &lt; y</code>" in page
    assert "<code>x.append(2)</code><br><code>len(x)</code><br>gives 2" in page
    assert repr(table).startswith("x.push(2)\n  raises AttributeError")


# The page -------------------------------------------------------------------------------------

ENTRIES = range(1, 46)
VERDICT = re.compile(rf"{PROVED} proved(, {READ} read)?|{READ} read|{STRUCK} struck( in part)?")


@pytest.fixture(scope="module")
def page():
    return read_notebook(ROOT / "book" / "errata.ipynb")


@pytest.fixture(scope="module")
def figures(page):
    return {record["name"]: record["value"] for record in records(page, "figure")}


@pytest.fixture(scope="module")
def rows(page):
    """Return the row of each entry in the tables: its number, what is said, what is so."""
    found = re.findall(
        r"^\* - \*\*\[(\d+)\]\{#erratum-\1\}\*\* \{glue:text\}`erratum-\1-verdict`\n"
        r"  - (.+)\n  - (.+)$",
        markdown(page),
        re.MULTILINE,
    )
    assert len(found) == len(ENTRIES)
    return {int(number): (said, fact) for number, said, fact in found}


def test_every_entry_has_an_anchor_and_a_verdict_of_its_own(rows, figures):
    assert sorted(rows) == list(ENTRIES)
    for number in ENTRIES:
        assert VERDICT.fullmatch(figures[f"erratum-{number}-verdict"])


def test_what_the_page_calls_struck_is_what_the_cells_strike(rows, figures, page):
    said = {number for number, (_, fact) in rows.items() if "**Struck**" in fact}
    found = {n for n in ENTRIES if STRUCK in figures[f"erratum-{n}-verdict"]}
    printed = " ".join(
        "".join(output.get("text", ""))
        for cell in code_cells(page)
        for output in cell["outputs"]
        if output["output_type"] == "stream"
    )
    assert said == found == {int(n) for n in re.findall(rf"{STRUCK} (\d+):", printed)}
    assert found >= {18, 25}  # those that failed before the page was written
    assert figures["errata-struck-numbers"] == ", ".join(map(str, sorted(found)))


def test_the_opening_counts_are_those_of_the_verdicts(figures):
    verdicts = [figures[f"erratum-{number}-verdict"] for number in ENTRIES]
    count = {name: figures[f"errata-{name}"] for name in ("proved", "partly", "read", "struck")}
    assert count["proved"] == sum(PROVED in verdict for verdict in verdicts)
    assert count["partly"] == sum(PROVED in verdict and READ in verdict for verdict in verdicts)
    assert count["read"] == sum(verdict == f"{READ} read" for verdict in verdicts)
    assert count["struck"] == sum(STRUCK in verdict for verdict in verdicts)
    assert count["proved"] + count["read"] + count["struck"] == figures["errata-entries"] == 45


def test_every_entry_that_is_explained_leads_to_a_chapter_or_a_source(rows):
    free = {27, 33, 37, 44}  # what they are about, no section teaches
    for number, (_, fact) in rows.items():
        assert number in free or re.search(r"\.ipynb#[\w-]+\)", fact), number


def test_links_lead_to_headings_of_the_chapters(page):
    for file, anchor in re.findall(r"\((\d\d_\w+)\.ipynb#([^)]+)\)", markdown(page)):
        chapter = read_notebook(ROOT / "book" / f"{file}.ipynb")
        texts = re.findall(r"^#+ (.+)$", markdown(chapter), re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}
        assert anchor in slugs


def test_old_calls_fail_warn_or_differ_and_new_ones_run(page):
    """The table's text has four parts a row: old, answer, new, answer."""
    tables = [
        "".join(output["data"]["text/plain"])
        for cell in code_cells(page)
        for output in cell["outputs"]
        if "dnnbook-calls" in "".join(output.get("data", {}).get("text/html", ""))
    ]
    answers = re.findall(r"^  (raises|warns|gives|runs)\b(.*)$", "\n".join(tables), re.MULTILINE)
    old, new = answers[::2], answers[1::2]
    assert len(old) == len(new) >= 25
    assert {kind for kind, _ in new} <= {"gives", "runs"}
    for (kind, words), after in zip(old, new, strict=True):
        assert kind in ("raises", "warns") or words != after[1]


def test_chapters_lead_here_where_a_reader_of_the_notes_would_stumble():
    for path in sorted((ROOT / "book").glob("0[1-9]_*.ipynb")):
        cells = read_notebook(path)["cells"]
        texts = [source(cell) for cell in cells if cell["cell_type"] == "markdown"]
        found = re.findall(r"\{ref\}`[^`<]+ <erratum-(\d+)>`", "\n".join(texts))
        assert 1 <= len(found) <= 2, path.stem
        assert set(map(int, found)) <= set(ENTRIES)
