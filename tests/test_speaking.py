"""Claims speak in the prose: sentences in roles, paragraphs for each verdict, on rendered pages."""

import json
import re

import pytest

from helpers.batch.errors import NotebookError
from helpers.batch.site import speaking
from helpers.batch.site.sentences import LABELS, paragraphs_of, split_role, with_sentences
from helpers.claims import MIME
from tests import small_books
from tests.small_books import make_book

INDEX = "# Book\n\nOn the first page: {says}`small-a`.\n"
VARIANTS = {
    "holds": "A ends a *quarter* below B",
    "contradicted": "A ends above B",
    "no difference": "A and B end alike",
    "inconclusive": "Nobody can tell",
}
PARAGRAPHS = "".join(f":::{{{name}}}\nSo {name}, as $a < b$.\n:::\n" for name in LABELS)
PAGE = f"""# Small

{{says}}`Something old <small-a>`.

::::{{verdicts}} small-a
{PARAGRAPHS}::::
"""


def record(verdict="holds"):
    return {
        "kind": "claim", "id": "small-a", "verdict": verdict, "statement": "A is below B.",
        "sentence": VARIANTS[verdict], "variants": VARIANTS,
    }  # fmt: skip


def notebook(verdict="holds", text=PAGE, claim=None):
    data = {MIME: claim or record(verdict)}
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    cells = [
        {"cell_type": "markdown", "id": "top", "metadata": {}, "source": text},
        {"cell_type": "code", "id": "one", "execution_count": 1, "metadata": {}, "source": "",
         "outputs": [output]},
    ]  # fmt: skip
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class TestText:
    def test_roles_hold_the_sentence_of_their_own_execution(self):
        for verdict, sentence in VARIANTS.items():
            text = with_sentences(notebook(verdict))["cells"][0]["source"]
            assert f"{{says}}`{sentence} <small-a>`." in text
        bare = with_sentences(notebook(text="{says}`small-a`."))["cells"][0]["source"]
        assert bare == "{says}`A ends a *quarter* below B <small-a>`."

    def test_it_changes_nothing_twice(self):
        once = with_sentences(notebook())
        assert with_sentences(once) == once

    def test_an_unknown_claim_is_refused(self):
        with pytest.raises(NotebookError, match="Received: small-b"):
            with_sentences(notebook(text="{says}`small-b`"))

    def test_a_claim_of_another_chapter_stays_as_it_is_written(self):
        text = "{says}`small-a` and {says}`B wins <large-b>`"
        assert with_sentences(notebook(text=text))["cells"][0]["source"].endswith(
            "and {says}`B wins <large-b>`"
        )

    @pytest.mark.parametrize("text", ["no id", "Text <no id>", "a `b` <small-a>"])
    def test_what_is_no_role_is_refused(self, text):
        with pytest.raises(NotebookError, match="a `says` role must hold"):
            split_role(text)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (PARAGRAPHS.replace(":::{same}\nSo same, as $a < b$.\n:::\n", ""), "none for same"),
            (PARAGRAPHS.replace("So unclear, as $a < b$.", " "), "none for unclear"),
            (PARAGRAPHS + ":::{holds}\nAgain.\n:::\n", "each once. Received: holds"),
            (PARAGRAPHS + ":::{maybe}\nWhat?\n:::\n", "must be one of .* Received: maybe"),
            (PARAGRAPHS + "Outside.", "paragraphs alone. Received: 'Outside.'"),
            (PARAGRAPHS.removesuffix(":::\n"), "each ended by"),
        ],
    )
    def test_paragraphs_that_do_not_fit_are_refused(self, text, message):
        with pytest.raises(NotebookError, match=message):
            paragraphs_of(text.splitlines())


@pytest.fixture
def book(tmp_path):
    """Return a small book with the real one's configuration and one chapter."""
    return make_book(tmp_path, "01_small", index=INDEX)


def render(book, verdict="holds", text=PAGE, claim=None, **environment):
    """Render as a build does; return what it says, and the text of a page by its name."""
    (book / "book" / "01_small.ipynb").write_text(json.dumps(notebook(verdict, text, claim)))
    done, site = small_books.render(book, **environment)

    def page(name):
        text = (site / "book" / f"{name}.html").read_text()
        article = re.search(r"<article.*?</article>", text, re.DOTALL)[0]
        return re.sub(r"\s+", " ", article)

    return done, page


@pytest.mark.parametrize("verdict", VARIANTS)
def test_the_page_says_what_was_found_and_leads_to_the_evidence(book, verdict):
    done, page = render(book, verdict)
    assert done.returncode == 0, done.stdout
    chapter = page("01_small")
    said = VARIANTS[verdict].replace("*quarter*", "<em>quarter</em>")
    assert said in chapter
    assert "Something old" not in chapter
    name = next(name for name, label in LABELS.items() if label == verdict)
    assert f"So {name}, as" in chapter
    assert chapter.count("So ") == 1
    assert 'href="#claim-small-a"' in chapter
    assert f'title="{verdict}: A is below B."' in chapter
    first = page("index")
    assert said in first
    assert 'href="01_small.html#claim-small-a"' in first


@pytest.mark.parametrize(
    ("verdict", "text"),
    [("holds", "✓"), ("contradicted", "✗ not as asked"), ("no difference", "="),
     ("inconclusive", "?")],
)  # fmt: skip
def test_a_sign_has_words_where_it_would_be_misread(verdict, text):
    assert speaking.sign(record(verdict), "").astext() == text


@pytest.mark.slow
def test_what_a_second_run_found_has_a_sign_of_its_own(book):
    aside = "; a second run found the opposite: B is a *tenth* lower"
    turned = record("holds")
    turned |= {
        "sentence": turned["sentence"] + aside,
        "status": "not confirmed",
        "repeated": {"verdict": "contradicted", "effect": 0.9, "low": 0.8, "high": 0.95},
    }
    done, page = render(book, claim=turned)
    assert done.returncode == 0, done.stdout
    said = re.sub(r"<(?!em|/em)[^>]*>", "", page("01_small")).replace(
        "\N{NARROW NO-BREAK SPACE}", " "
    )
    first = VARIANTS["holds"].replace("*quarter*", "<em>quarter</em>")
    assert (
        f"{first} ✓; a second run found the opposite: B is a <em>tenth</em> lower ✗ not as" in said
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "signs"),
    [
        ({}, "Look: ✓."),
        ({"status": "confirmed", "repeated": {"verdict": "holds"}}, "Look: ✓."),
        ({"status": "not confirmed", "repeated": {"verdict": "inconclusive"}}, "Look: ✓ ?."),
    ],
)
def test_a_table_may_hold_the_signs_alone(book, changes, signs):
    text = PAGE + "\nLook: {verdict}`small-a`.\n"
    done, page = render(book, text=text, claim=record("holds") | changes)
    assert done.returncode == 0, done.stdout
    chapter = page("01_small")
    assert 'href="#claim-small-a"' in chapter
    assert signs in re.sub(r"<[^>]*>", "", chapter).replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.slow
def test_all_variants_are_shown_where_they_are_to_be_read(book):
    done, page = render(book, DNNBOOK_VARIANTS="1")
    assert done.returncode == 0, done.stdout
    chapter = page("01_small")
    for verdict, sentence in VARIANTS.items():
        assert sentence.replace("*quarter*", "<em>quarter</em>") in chapter
        assert chapter.count(f"[{verdict}]") == 2
    for name in LABELS:
        assert f"So {name}, as" in chapter


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PAGE.replace("small-a>", "small-b>"), "there is no claim that speaks as 'small-b'"),
        (PAGE.replace("verdicts} small-a", "verdicts} small-b"), "speaks as 'small-b'"),
        (PAGE + "\nLook: {verdict}`small-b`.\n", "speaks as 'small-b'"),
        (PAGE.replace(":::{same}", ":::{sane}"), "Received: sane"),
    ],
)
def test_a_mistake_fails_the_build(book, text, message):
    done, _ = render(book, text=text)
    assert done.returncode != 0
    assert message in done.stdout
