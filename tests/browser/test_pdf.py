"""The PDF holds what a reader of the site reaches with a click, and its links lead to places in it.

Run `make book` first, then `make browser`. The whole book is printed, which takes minutes;
`DNNBOOK_PDF` names one that `make pdf` has printed from the same site.
"""

import os
import re
import unicodedata
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from helpers.batch.book import chapters
from helpers.batch.site.onepage import place
from helpers.batch.site.pdf import print_book

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("DNNBOOK_SITE", ROOT / "_build" / "html"))
CHAPTERS = [
    path.relative_to(ROOT).with_suffix(".html").as_posix()
    for path in chapters(ROOT)
    if re.match(r"\d\d_", path.name)
]

# What is folded, closed or unprinted on a page, and is text on paper.
FOLDED = {
    "a title": "article h1",
    "a folded cell": "details.hide .cell_input pre",
    "what a folded cell puts out": "details.hide .cell_output pre, details.hide .cell_output td",
    "the evidence of a verdict": "details.dnnbook-claim td",
    "a solution": "section#exercises details.sd-dropdown .sd-summary-content",
    "an answer of the quiz": ".dnnbook-answers li li",
}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Return the printed book."""
    printed = os.environ.get("DNNBOOK_PDF")
    target = tmp_path_factory.mktemp("pdf") / "book.pdf"
    return PdfReader(Path(printed) if printed else print_book(ROOT, SITE, target))


@pytest.fixture(scope="module")
def sheets(book):
    """Return what is written on each sheet; to find that takes long."""
    return [page.extract_text() for page in book.pages]


@pytest.fixture(scope="module")
def text(sheets):
    return letters(" ".join(sheets))


def letters(text: str) -> str:
    """Return letters and digits alone: where lines break is the printer's affair."""
    return re.sub(r"\W", "", unicodedata.normalize("NFKC", text))


@pytest.mark.parametrize("name", CHAPTERS)
def test_nothing_is_missing_that_a_click_reaches(text, name):
    soup = BeautifulSoup((SITE / name).read_text("utf-8"), "html.parser")
    for tag in soup.select(".headerlink, .math, details.hide > summary"):
        tag.extract()  # mathematics is drawn, not written
    for what, selector in FOLDED.items():
        found = soup.select(selector)
        assert found, f"{name} has no {what}"
        for tag in found[:5]:
            lines = [line for line in tag.get_text(" ").splitlines() if len(letters(line)) > 8]
            for line in lines[:2]:
                # A page's number may stand within a line.
                assert letters(line)[:30] in text, f"{name}: {what}: {line}"


def test_links_lead_to_places_in_the_book(book):
    links = [
        link.get_object()
        for page in book.pages
        for link in page.get("/Annots") or ()
        if link.get_object().get("/Subtype") == "/Link"
    ]
    inner = [link for link in links if "/Dest" in link or "/D" in link.get("/A", {})]
    outer = [link["/A"]["/URI"] for link in links if "/URI" in link.get("/A", {})]
    assert len(inner) > 1000
    assert [uri for uri in outer if not uri.startswith("https://")] == []
    known = {name.removeprefix("/") for name in book.named_destinations}
    assert {place(name) for name in CHAPTERS} <= known


def test_bookmarks_lead_to_the_chapters(book):
    marks = [mark for mark in book.outline if not isinstance(mark, list)]
    sheets = [book.get_destination_page_number(mark) for mark in marks]
    assert sheets == sorted(sheets)
    titles = [letters(mark.title) for mark in marks]
    for name in CHAPTERS:
        soup = BeautifulSoup((SITE / name).read_text("utf-8"), "html.parser")
        soup.select_one("article h1 .headerlink").extract()
        assert letters(soup.select_one("article h1").get_text()) in titles


def test_no_mathematics_is_left_as_it_was_written(sheets):
    written = [k for k, sheet in enumerate(sheets, 1) if re.search(r"\\\(\\|\\frac\{", sheet)]
    assert written == []
