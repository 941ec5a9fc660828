"""Prints the built book to one PDF, with Debian's Chromium.

Chromium, and not LaTeX: it prints the very pages that readers of the site see, mathematics,
evidence and folded cells included. Jupyter Book's LaTeX builder leaves folded cells out.

Nothing is asked of a network, not even of this machine's own: what the page loads is handed to the
browser from the site's folder.
"""

import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from helpers.batch.book import CHECKOUT, read_toc
from helpers.batch.errors import BatchError, UsageError
from helpers.batch.site.onepage import OnePage, one_page
from helpers.batch.site.publishing import is_site

if TYPE_CHECKING:
    from pypdf import PdfWriter

HOST = "http://book.invalid"  # by its definition the name of no host
PAGE = "print.html"
FOOTER = (
    '<div style="font-size: 8pt; width: 100%; text-align: center">'
    '<span class="pageNumber"></span></div>'
)
LEFT_OUT = {"api"}
PATIENCE = 600_000  # milliseconds for the whole book


def print_book(root: Path, site: Path, target: Path) -> Path:
    """Print the book that was built into `site`.

    The reference of the helpers is left out: it is there to be searched.

    Args:
        root: the book's folder, with `_toc.yml`.
        site: the folder of the site.
        target: the PDF's file.

    Raises:
        UsageError: There is no site, or no Chromium.
    """
    if not is_site(site):
        raise UsageError(f"the site must be built before it is printed. Received: none in {site}")
    pages = [page.relative_to(root).with_suffix("") for page in read_toc(root.resolve())]
    book = one_page(
        site, [f"{page.as_posix()}.html" for page in pages if page.name not in LEFT_OUT]
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder, _browser() as browser:
        whole, numbers = Path(folder, "whole.pdf"), Path(folder, "numbers.pdf")
        _print(browser, site, book.html(), whole)
        sheets = beginnings(whole)
        _print(browser, site, book.numbers(sheets), numbers)
        finished = Path(folder, "finished.pdf")
        finish(whole, numbers, book, sheets).write(finished)
        finished.replace(target)
    return target


def beginnings(pdf: Path) -> dict[str, int]:
    """Return on which sheet of a PDF each named place is, counted from 1."""
    from pypdf import PdfReader

    reader = PdfReader(pdf)
    return {
        name.removeprefix("/"): reader.get_destination_page_number(where) + 1
        for name, where in reader.named_destinations.items()
    }


def finish(whole: Path, numbers: Path, book: OnePage, sheets: Mapping[str, int]) -> "PdfWriter":
    """Return the printed book with numbers in its contents, and with bookmarks.

    Args:
        whole: the book as it was printed.
        numbers: its cover and contents, of which the numbers alone are visible.
        book: what was printed.
        sheets: on which sheet each place is.
    """
    from pypdf import PdfReader, PdfWriter

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # Chromium counts its objects too low
    writer, parent = PdfWriter(clone_from=whole), None
    for printed, sheet in zip(writer.pages, PdfReader(numbers).pages, strict=False):
        printed.merge_page(sheet)
    for line in book.headings:
        bookmark = writer.add_outline_item(
            title=line.title,
            page_number=sheets[line.place] - 1,
            parent=None if line.is_page else parent,
        )
        parent = bookmark if line.is_page else parent
    writer.add_metadata({"/Title": book.title})
    return writer


@contextmanager
def _browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        raise UsageError("Chromium must be installed, or CHROMIUM name it. Received: none")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def _print(browser, site: Path, text: str, target: Path) -> None:
    """Print a page whose links are seen from the site's folder."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    root = site.resolve()

    def hand_over(route) -> None:
        url = urlsplit(route.request.url)
        file = (root / unquote(url.path).lstrip("/")).resolve()
        if url.hostname != urlsplit(HOST).hostname:
            route.abort()
        elif url.path == f"/{PAGE}":
            route.fulfill(body=text, content_type="text/html; charset=utf-8")
        elif file.is_file() and root in file.parents:
            route.fulfill(path=file)
        else:
            route.fulfill(status=404, body="")

    page.route("**/*", hand_over)
    page.emulate_media(media="print", color_scheme="light")
    page.goto(f"{HOST}/{PAGE}", wait_until="load")
    page.evaluate("() => window.MathJax?.startup?.promise.then(() => document.fonts.ready)")
    page.pdf(
        path=target, prefer_css_page_size=True, print_background=True,
        display_header_footer=True, header_template="<span></span>", footer_template=FOOTER,
    )  # fmt: skip
    page.close()


def main() -> int:
    """Print the book of this checkout into `_build`; return the exit code."""
    begun, build = time.monotonic(), CHECKOUT / "_build"
    try:
        target = print_book(CHECKOUT, build / "html", build / "dnnbook.pdf")
    except BatchError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"the book is printed after {time.monotonic() - begun:.0f} s: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
