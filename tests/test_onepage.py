"""Pages of a site become one page to print: open, with links that lead to places in it."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from helpers.batch.errors import UsageError
from helpers.batch.site.onepage import one_page, place
from helpers.batch.site.pdf import print_book

FRAME = """<html><head><link rel="stylesheet" href="../_static/a.css?v=1"/>{head}
<script src="../_static/other.js"></script></head><body><article class="bd-article">{text}
</article></body></html>"""
MATHEMATICS = '<script defer src="../_static/mathjax/tex.js"></script>'
INDEX = '<section id="top"><h1>The book<a class="headerlink" href="#top">#</a></h1></section>'
ONE = """<section id="one"><h1>One</h1>
<section id="fold"><h2>Fold <code>x</code><a class="headerlink" href="#fold">#</a></h2>
<details class="hide"><summary><p class="collapsed">Show the code</p><p class="expanded">Hide</p>
</summary>hidden</details>
<details class="dnnbook-claim" id="claim-a"><summary>holds</summary>evidence</details>
<div class="dnnbook-quiz"><details><summary>A. Four.</summary>Right.</details></div>
<a href="#claim-a">own</a> <a href="02_two.html#fold">other</a> <a href="02_two.html">page</a>
<a href="../_sources/x.ipynb">file</a> <a href="https://a.b/c#d">host</a>
<img src="../_images/a.png" loading="lazy"/><script>move()</script>
<svg aria-labelledby="name text"><clipPath id="frame"></clipPath>
<g clip-path="url(#frame)"></g></svg>
<div class="sd-tab-set"><input id="tab"/><label for="tab">Tab</label></div>
</section></section>"""
TWO = '<section id="two"><h1>Two</h1><section id="fold"><h2>Fold</h2></section></section>'


@pytest.fixture
def site(tmp_path):
    (tmp_path / "book").mkdir()
    pages = {"index": (INDEX, ""), "01_one": (ONE, MATHEMATICS), "02_two": (TWO, "")}
    for name, (text, head) in pages.items():
        (tmp_path / f"book/{name}.html").write_text(FRAME.format(head=head, text=text))
    return tmp_path


@pytest.fixture
def book(site):
    return one_page(site, ["book/index.html", "book/01_one.html", "book/02_two.html"])


@pytest.fixture
def soup(book):
    return BeautifulSoup(book.html(), "html.parser")


def test_what_is_folded_stands_open_but_for_a_quiz(soup):
    opened = {tag.get_text(" ").split()[0]: tag.has_attr("open") for tag in soup.select("details")}
    assert opened == {"The": True, "holds": True, "A.": False}
    assert "Hide" not in soup.get_text()
    assert not soup.select("article script, article input, .headerlink")


def test_links_lead_to_places_in_the_page(soup):
    links = {tag.get_text(): tag.get("href") for tag in soup.select("article a")}
    one, two = "book-01_one", "book-02_two"
    assert links == {
        "own": f"#{one}--claim-a",
        "other": f"#{two}--fold",
        "page": f"#{two}",
        "file": None,
        "host": "https://a.b/c#d",
    }
    names = [tag["id"] for tag in soup.select("[id]")]
    assert len(names) == len(set(names))
    assert {f"{one}--claim-a", f"{two}--fold", two} <= set(names)


def test_a_drawing_keeps_its_parts_together(soup):
    drawing = soup.select_one("svg")
    assert drawing["aria-labelledby"] == "book-01_one--name book-01_one--text"
    assert drawing.select_one("g")["clip-path"] == "url(#book-01_one--frame)"
    assert drawing.select_one("[id]")["id"] == "book-01_one--frame"


def test_styles_mathematics_and_images_are_seen_from_the_site(soup):
    assert [tag["href"] for tag in soup.select("link")] == ["_static/a.css"]
    assert [tag["src"] for tag in soup.select("script")] == ["_static/mathjax/tex.js"]
    assert soup.select_one("img")["src"] == "_images/a.png"


def test_contents_name_pages_and_sections(book, soup):
    assert book.title == "The book"
    assert [(line.title, line.is_page) for line in book.headings] == [
        ("One", True), ("Fold x", False), ("Two", True), ("Fold", False),
    ]  # fmt: skip
    links = [tag["href"] for tag in soup.select(".dnnbook-contents a")]
    assert links == [
        "#book-01_one", "#book-01_one--fold", "#book-02_two", "#book-02_two--fold",
    ]  # fmt: skip
    numbered = BeautifulSoup(book.numbers({"book-02_two": 7}), "html.parser")
    assert [tag.get_text() for tag in numbered.select("nav b")] == ["0", "0", "7", "0"]
    assert not numbered.select("article")


def test_what_is_missing_is_refused(site, tmp_path):
    with pytest.raises(UsageError, match=r"must have all pages of the book\. Received: none at"):
        one_page(site, ["book/03_three.html"])
    with pytest.raises(UsageError, match="must be built before it is printed"):
        print_book(Path("."), tmp_path / "none", tmp_path / "book.pdf")


def test_a_page_has_a_place_too():
    assert place("a/b.html") == "a-b"
