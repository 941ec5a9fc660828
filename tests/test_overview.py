"""The first page says what the chapters have measured: no number and no picture of its own."""

import base64
import json
from pathlib import Path

import pytest

from helpers.batch.errors import NotebookError
from helpers.batch.site import overview
from helpers.batch.site.overview import find_picture, standing, title
from helpers.claims import MIME
from tests.small_books import make_book, render

ROOT = Path(__file__).parents[1]
PNG = (  # one transparent pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def claim(verdict, number=0):
    record = {"kind": "claim", "id": f"small-{number}", "verdict": verdict}
    return {
        "output_type": "display_data",
        "data": {MIME: {**record, "statement": f"Statement {number} is < 1."}},
        "metadata": {},
    }


def drawing():
    return {"output_type": "display_data", "data": {"image/png": PNG}, "metadata": {}}


def code(outputs, **metadata):
    return {
        "cell_type": "code",
        "id": f"cell{abs(hash(str(metadata)))}",
        "execution_count": 1,
        "metadata": metadata,
        "source": "",
        "outputs": outputs,
    }


FIGURE = {"figure": {"name": "fig-small", "caption": "It rises."}, "image": {"alt": "A line."}}


def write_notebook(path, verdicts, *, pictures=1, heading="# Small: what is it?"):
    """Write an executed chapter with a claim of each verdict, and a figure."""
    claims = [claim(verdict, number) for number, verdict in enumerate(verdicts)]
    cells = [
        {"cell_type": "markdown", "id": "top", "metadata": {}, "source": f"{heading}\n\nWhy?"},
        code(claims),
        code([drawing()] * pictures, mystnb=FIGURE),
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))
    return path


def test_a_standing_counts_each_verdict(tmp_path):
    verdicts = ["holds", "contradicted", "holds", "inconclusive", "holds"]
    found = standing(write_notebook(tmp_path / "01_small.ipynb", verdicts))
    assert found.title == "Small: what is it?"
    counts = {verdict: found.count(verdict) for verdict in sorted(set(verdicts))}
    assert counts == {"contradicted": 1, "holds": 3, "inconclusive": 1}
    assert [record["id"] for record in found.claims] == [f"small-{i}" for i in range(5)]


def test_a_chapter_without_claims_stands_at_nothing(tmp_path):
    found = standing(write_notebook(tmp_path / "01_small.ipynb", []))
    assert found.claims == ()
    assert found.count("holds") == 0


def test_an_unknown_verdict_is_refused(tmp_path):
    notebook = write_notebook(tmp_path / "01_small.ipynb", ["maybe"])
    with pytest.raises(NotebookError, match=r"must be one of holds, .*Received: maybe of small-0"):
        standing(notebook)


def test_a_chapter_without_heading_has_its_files_name(tmp_path):
    assert title(write_notebook(tmp_path / "01_small.ipynb", [], heading="text")) == "01_small"


def test_a_chapter_is_read_again_when_its_file_has_changed(tmp_path, monkeypatch):
    notebook, reads = tmp_path / "01_small.ipynb", []
    read = overview.read_notebook
    monkeypatch.setattr(overview, "read_notebook", lambda file: reads.append(file) or read(file))
    for verdict in ("holds", "contradicted"):
        write_notebook(notebook, [verdict])
        counts = [standing(notebook).count(verdict) for _ in range(3)]
        assert counts == [1, 1, 1]
    assert reads == [notebook, notebook]
    notebook.unlink()
    for _ in range(2):
        with pytest.raises(NotebookError, match=r"01_small.ipynb must be a notebook"):
            standing(notebook)


def test_a_picture_is_found_with_its_text(tmp_path):
    notebook = write_notebook(tmp_path / "01_small.ipynb", [])
    picture = find_picture("fig-small", [notebook])
    assert picture.png == base64.b64decode(PNG)
    assert (picture.alt, picture.title) == ("A line.", "Small: what is it?")


@pytest.mark.parametrize(
    ("name", "pictures", "message"),
    [
        ("fig-smal", 1, "Received: fig-smal. Did you mean fig-small?"),
        ("fig-small", 0, "must put out a PNG. Received: none from fig-small"),
    ],
)
def test_a_picture_that_is_not_there_is_an_error(tmp_path, name, pictures, message):
    notebook = write_notebook(tmp_path / "01_small.ipynb", [], pictures=pictures)
    with pytest.raises(NotebookError, match=message.replace("?", r"\?")):
        find_picture(name, [notebook])


INDEX = """# A small book

:::{picture} fig-small
It is *small*.
:::

```{gallery}
fig-small: Is it small?
```

```{scoreboard}
```
"""


@pytest.fixture
def book(tmp_path):
    """Return a small book with the real one's configuration and two chapters."""
    root = make_book(tmp_path, "01_small", "02_more", index=INDEX)
    write_notebook(root / "book" / "01_small.ipynb", ["holds", "contradicted", "holds"])
    more = write_notebook(root / "book" / "02_more.ipynb", ["inconclusive"], heading="# More")
    more.write_text(more.read_text().replace("fig-small", "fig-more"))
    return root


def test_the_first_page_counts_the_claims_and_shows_the_figures(book):
    done, site = render(book)
    assert done.returncode == 0, done.stdout
    page = (site / "book" / "index.html").read_text()
    assert "Of the 4 measured claims of this book" in page
    assert "2 hold, 1 are contradicted, and 1 remain inconclusive" in page
    assert 'href="01_small.html#claim-small-1"' in page
    assert "Statement 1 is &lt; 1." in page
    assert "Statement 0" not in page
    assert page.count('alt="A line."') == 2
    picture = page[page.index("dnnbook-picture") :]
    assert 'href="01_small.html#fig-small"' in picture
    assert "<p>It is <em>small</em>.</p>" in picture
    assert (site / "_images" / "fig-small.png").read_bytes() == base64.b64decode(PNG)


def test_facts_are_counted_apart(book):
    chapter = book / "book" / "01_small.ipynb"
    notebook = json.loads(chapter.read_text())
    notebook["cells"][1]["outputs"][0]["data"][MIME]["method"] = "exact"
    chapter.write_text(json.dumps(notebook))
    assert standing(chapter).facts == 1
    assert standing(chapter).count("holds") == 1
    done, site = render(book)
    assert done.returncode == 0, done.stdout
    page = " ".join((site / "book" / "index.html").read_text().split())
    assert "Of the 3 measured claims of this book" in page
    assert "Facts checked besides: 1." in page


def test_the_first_page_says_which_share_was_confirmed(book):
    chapter = book / "book" / "01_small.ipynb"
    notebook = json.loads(chapter.read_text())
    states = ["confirmed", "not confirmed", "open twice"]
    for output, status in zip(notebook["cells"][1]["outputs"], states, strict=True):
        output["data"][MIME]["status"] = status
    chapter.write_text(json.dumps(notebook))
    done, site = render(book)
    assert done.returncode == 0, done.stdout
    page = " ".join((site / "book" / "index.html").read_text().split())
    assert "3 of them are judged over draws" in page
    assert "3 of these were frozen" in page
    told = "1 came to the same verdict again (33 %), 1 to another, and 1 could not be told"
    assert told in page
    assert "data sets" not in page  # nothing was run on others


@pytest.mark.slow
@pytest.mark.parametrize(("directive", "line"), [("fig-small\n", 3), ("fig-small:", 7)])
def test_a_misspelled_figure_fails_the_build(book, directive, line):
    wrong = directive.replace("small", "smal")
    (book / "book" / "index.md").write_text(INDEX.replace(directive, wrong))
    done, _ = render(book)
    assert done.returncode != 0
    assert f"index.md:{line}" in done.stdout
    assert "Received: fig-smal. Did you mean fig-small?" in done.stdout
