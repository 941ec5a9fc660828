"""Puts the pages of a built site together to one page, as it is to be printed.

Paper has no clicks. So what is folded on the site stands open here: cells, dropdowns, the evidence
of verdicts, tabs one below the other. Only a quiz stays closed, whose answers stand below it. Links
from page to page lead to places in the one page.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from helpers.batch.errors import UsageError

# Attributes that name places of their own page, all but links.
NAMING = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
IN_STYLE = re.compile(r"url\(#([^)]+)\)")
UNPRINTED = ".headerlink, script, .toctree-wrapper, .dnnbook-state, .controls, .sd-tab-set > input"


@dataclass(frozen=True)
class Heading:
    """A line of the table of contents: a page, or a section of one."""

    title: str
    place: str  # its name in the one page
    is_page: bool


@dataclass(frozen=True)
class OnePage:
    """A site's pages put together.

    Attributes:
        title: of the book.
        headings: of the pages after the first, each followed by those of its sections.
    """

    title: str
    headings: tuple[Heading, ...]
    _head: str
    _articles: str

    def html(self) -> str:
        """Return the whole: cover, contents with room for numbers, pages."""
        hidden = "<style>nav b { visibility: hidden }</style>"
        return self._page(hidden + self._contents({}), self._articles)

    def numbers(self, sheets: Mapping[str, int]) -> str:
        """Return cover and contents with sheet numbers by place, and all else invisible."""
        hidden = "<style>* { visibility: hidden } nav b { visibility: visible }</style>"
        return self._page(hidden + self._contents(sheets), "")

    def _page(self, contents: str, articles: str) -> str:
        title = escape(self.title)
        return (
            f'<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
            f"<title>{title}</title>{self._head}</head><body>"
            f'<div class="dnnbook-cover"><p>{title}</p></div>{contents}{articles}</body></html>'
        )

    def _contents(self, sheets: Mapping[str, int]) -> str:
        rows = [
            f'<li class="{"page" if line.is_page else "section"}">'
            f'<a href="#{line.place}">{escape(line.title)}</a>'
            f"<b>{sheets.get(line.place, 0)}</b></li>"
            for line in self.headings
        ]
        return f'<nav class="dnnbook-contents"><p>Contents</p><ol>{"".join(rows)}</ol></nav>'


def one_page(site: Path, names: Iterable[str]) -> OnePage:
    """Put several pages of a site together.

    Args:
        site: the site's folder; the page's links to styles and images are seen from there.
        names: of the pages in their order, such as "book/01_gradients.html".

    Raises:
        UsageError: The site lacks one of the pages.
    """
    names, soups = list(names), []
    for name in names:
        file = site / name
        if not file.is_file():
            raise UsageError(f"the site must have all pages of the book. Received: none at {file}")
        soups.append(BeautifulSoup(file.read_text("utf-8"), "html.parser"))
    title = _text(soups[0].select_one("article h1"))
    head = _head(zip(names, soups, strict=True))
    articles = [_article(soup, name, set(names)) for name, soup in zip(names, soups, strict=True)]
    headings = [line for one in zip(names, articles, strict=True) for line in _headings(*one)]
    pages = "".join(f'<div class="bd-content">{article}</div>' for article in articles)
    first = len(list(_headings(names[0], articles[0])))
    return OnePage(title, tuple(headings[first:]), head, pages)


def place(name: str, anchor: str = "") -> str:
    """Return the name in the one page of a place in a page.

    >>> place("book/01_gradients.html", "exercises")
    'book-01_gradients--exercises'
    """
    page = name.removesuffix(".html").replace("/", "-")
    return f"{page}--{anchor}" if anchor else page


def _text(tag: Tag) -> str:
    return " ".join(tag.get_text().replace("#", "").split())


def _head(pages: Iterable[tuple[str, BeautifulSoup]]) -> str:
    """Return the styles of all pages, and what typesets their mathematics, each once."""
    kept: dict[str, None] = {}
    for name, soup in pages:
        for tag in soup.head.find_all(["link", "script"]):
            is_style = tag.name == "link" and "stylesheet" in tag.get("rel", ())
            is_mathematics = tag.name == "script" and (
                "mathjax" in tag.get("src", "") or "window.MathJax" in tag.get_text()
            )
            for key in ("href", "src"):
                if tag.has_attr(key):
                    tag[key] = _seen_from_root(name, tag[key].partition("?")[0])
            if is_style or is_mathematics:
                kept[str(tag)] = None
    style = Path(__file__).with_name("print.css").read_text("utf-8")
    return "".join(kept) + f"<style>{style}</style>"


def _headings(name: str, article: Tag) -> Iterator[Heading]:
    for tag in article.select("h1, h2"):
        is_page = tag.name == "h1"
        where = place(name) if is_page else tag.find_parent("section")["id"]
        yield Heading(_text(tag), where, is_page)


def _article(soup: BeautifulSoup, name: str, names: set[str]) -> Tag:
    """Return a page's text, opened, with its names made its own."""
    article = soup.select_one("article.bd-article")
    for tag in article.select(UNPRINTED):
        tag.extract()
    for details in article.select("details"):
        if details.find_parent(class_="dnnbook-quiz") is None:
            _open(soup, details)
    for tag in article.find_all(True):
        _rename(tag, name, names)
    article["id"], article["class"] = place(name), ["bd-article"]
    return article


def _open(soup: BeautifulSoup, details: Tag) -> None:
    """Open what is folded; its title loses what asks for a click."""
    details["open"] = ""
    for tag in details.select("summary > .expanded, summary > .sd-summary-state-marker"):
        tag.extract()
    for tag in details.select("summary > .collapsed"):
        tag.string = re.sub(r"^Show (?=\w)", "", tag.get_text()).strip().capitalize()


def _rename(tag: Tag, name: str, names: set[str]) -> None:
    if tag.has_attr("id"):
        tag["id"] = place(name, tag["id"])
    for key in NAMING:
        if tag.has_attr(key):
            tag[key] = " ".join(place(name, one) for one in tag[key].split())
    for key, value in tag.attrs.items():
        if isinstance(value, str) and "url(#" in value:
            tag[key] = IN_STYLE.sub(lambda found: f"url(#{place(name, found[1])})", value)
    for key in ("href", "xlink:href"):
        if tag.has_attr(key):
            _lead(tag, key, name, names)
    if tag.name == "img":
        tag["src"] = _seen_from_root(name, tag["src"])
        tag.attrs.pop("loading", None)


def _lead(tag: Tag, key: str, name: str, names: set[str]) -> None:
    """Have a link lead to a place in the one page, or to another host, or nowhere."""
    link = tag[key]
    if re.match(r"[a-z]+:", link):
        return
    path, _, anchor = link.partition("#")
    page = _seen_from_root(name, path) if path else name
    if page in names:
        tag[key] = f"#{place(page, anchor)}"
    else:
        del tag[key]


def _seen_from_root(name: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
