"""Terms of the glossary: linked at their first use in a chapter, with their definition to see."""

import json
import re

import pytest

from helpers.batch.site.terms import EVERYDAY, pattern_of
from tests import small_books

GLOSSARY = """# Glossary

```{glossary}
dropout
  Silencing *units* at random.

Monte Carlo dropout
  Dropout that stays on, "sampled".

draw
  A way of splitting a pool.

seed
  What fixes {doc}`chance <index>`.
```
"""
PAGE = """# Dropout

## Dropout here

`dropout`, $x$ and [dropout](index.md) are closed. Dropouts are open, dropout is known by now.
A second draw, and {term}`seed`. Monte Carlo
dropout, at last.
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Batch normalization, batch.", ["Batch normalization", "batch"]),
        ("Adam adam AdamW Adam's", ["Adam", "Adam"]),
        ("mini-batch batch-wise batches batchs", ["batch"]),
        ("batch\nnormalization", ["batch\nnormalization"]),
    ],
)
def test_what_is_a_use_of_a_term(text, found):
    assert pattern_of(["batch", "batch normalization", "Adam"]).findall(text) == found


def test_without_terms_nothing_is_found():
    assert pattern_of([]).findall("a text") == []


@pytest.fixture
def render(tmp_path):
    """Return a function that renders a chapter and gives what was said, and its article."""
    book = small_books.make_book(tmp_path, "01_small", "glossary", index="# Book\n\nDropout.\n")

    def rendered(glossary=GLOSSARY, page=PAGE):
        cells = [{"cell_type": "markdown", "id": "top", "metadata": {}, "source": page}]
        notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (book / "book" / "01_small.ipynb").write_text(json.dumps(notebook))
        (book / "book" / "glossary.md").write_text(glossary)
        done, site = small_books.render(book)
        assert done.returncode == 0, done.stdout
        return {
            path.stem: re.sub(r"\s+", " ", re.search(r"<article.*</article>", text, re.S)[0])
            for path in (site / "book").glob("*.html")
            for text in [path.read_text()]
        }

    return rendered


def test_a_chapter_links_each_term_once_and_shows_its_definition(render):
    pages = render()
    links = re.findall(
        r'<a class="dnnbook-term[^"]*" href="glossary.html#([^"]*)" title="([^"]*)">(.*?)</a>',
        pages["01_small"],
    )
    assert [(anchor, title, re.sub("<[^>]*>", "", text)) for anchor, title, text in links] == [
        ("term-dropout", "Silencing units at random.", "Dropout"),
        ("term-seed", "What fixes chance.", "seed"),
        (
            "term-Monte-Carlo-dropout",
            "Dropout that stays on, “sampled”.",
            "Monte Carlo dropout",
        ),
    ]
    assert "draw" in EVERYDAY
    assert "dnnbook-term" not in pages["index"]  # only chapters are linked by themselves
    assert "dnnbook-term" not in pages["glossary"]


@pytest.mark.slow
def test_a_changed_definition_is_seen_in_the_chapter(render):
    render()
    assert (
        'title="Another."'
        in render(GLOSSARY.replace("Silencing *units* at random", "Another"))["01_small"]
    )
