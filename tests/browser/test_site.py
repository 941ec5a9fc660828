"""Headless Chromium opens every page of the built site in both themes.

Run `make book` first, then `make browser`. `DNNBOOK_SITE` names another site than `_build/html`,
`CHROMIUM` another browser than Debian's.
"""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.waiting import LIMIT

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("DNNBOOK_SITE", ROOT / "_build" / "html"))
PAGES = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html") if path.parts)
PAGES = [page for page in PAGES if not page.startswith(("_static", "_sources"))]
REDIRECTS = {page for page in PAGES if 'http-equiv="Refresh"' in (SITE / page).read_text("utf-8")}
READ = [page for page in PAGES if page not in REDIRECTS]
THEMES = ["light", "dark"]

# Each returns a list of complaints, as the page itself sees them.
CHECKS = {
    "mathematics is typeset": """() => [...document.querySelectorAll('.math')]
        .filter(e => !e.querySelector('mjx-container') || e.querySelector('mjx-merror') ||
                     e.querySelector('mjx-mtext[style*="color: red"]'))
        .map(e => e.textContent.slice(0, 80))""",
    "images have sizes": """() => [...document.images]
        .filter(e => e.naturalWidth === 0 || e.naturalHeight === 0).map(e => e.src)""",
    "images have alt texts": """() => [...document.querySelectorAll('article img, main img')]
        .filter(e => !e.alt.trim() || /\\.(png|svg|jpe?g)$/.test(e.alt)).map(e => e.src)""",
    "links in the page lead somewhere": """() => [...document.querySelectorAll('main a[href^="#"]')]
        .map(e => decodeURIComponent(e.getAttribute('href').slice(1)))
        .filter(id => id && !document.getElementById(id))""",
    "no name stands twice": """() => [...document.querySelectorAll('main [id]')].map(e => e.id)
        .filter((id, place, all) => all.indexOf(id) !== place)""",
    "the page does not scroll sideways": """() => {
        const wide = document.documentElement.scrollWidth - window.innerWidth;
        return wide > 0 ? [`${wide} px too wide`] : []; }""",
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serve files without writing a line for each."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    """Serve the site on a free port of this machine alone."""
    handler = functools.partial(Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium must be installed, or CHROMIUM name it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"], timeout=1000 * LIMIT
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Return a function that opens a page in a theme and gives it with what went wrong."""
    contexts = []

    def opener(name: str, theme: str) -> tuple[Page, list[str]]:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(1000 * LIMIT)
        contexts.append(context)
        context.add_init_script(
            f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')"
        )
        page, complaints = context.new_page(), []
        listen(page, address, complaints)
        page.goto(f"{address}/{name}", wait_until="networkidle")
        page.evaluate("() => window.MathJax?.startup?.promise.then(() => true)")
        return page, complaints

    yield opener
    for context in contexts:
        context.close()


def listen(page: Page, address: str, complaints: list[str]) -> None:
    """Collect script errors, and requests that fail or go to another host."""

    def on_request(request):
        if not request.url.startswith((f"{address}/", "data:", "blob:")):
            complaints.append(f"asks another host: {request.url}")

    def on_response(response):
        if response.status >= 400 and not response.url.endswith("/favicon.ico"):
            complaints.append(f"{response.status}: {response.url}")

    def on_console(message):
        # A page without an icon is none of the book's errors; every other 404 is seen above.
        if message.type == "error" and "favicon" not in str(message.location):
            complaints.append(f"{message.type}: {message.text}")

    page.on("request", on_request)
    page.on("response", on_response)
    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))


def test_the_book_is_built():
    assert READ, f"there must be a site in {SITE}: run `make book` first"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", READ)
def test_a_page_is_sound(open_page, name, theme):
    page, complaints = open_page(name, theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    complaints += [
        f"{what}: {found}" for what, script in CHECKS.items() for found in page.evaluate(script)
    ]
    assert complaints == []


@pytest.mark.parametrize("name", sorted(REDIRECTS))
def test_a_redirection_arrives(open_page, address, name):
    page, complaints = open_page(name, "light")
    page.wait_for_url(f"{address}/book/index.html")
    assert complaints == []


def test_a_sign_in_the_prose_opens_the_evidence(open_page):
    page, complaints = open_page("book/00_measurement.html", "light")
    sign = page.locator("a.dnnbook-sign").first
    evidence = page.locator(f"details{sign.get_attribute('href')}")
    assert evidence.get_attribute("open") is None
    sign.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(f"details[open]{sign.get_attribute('href')}")
    assert "Matters from" in evidence.inner_text()
    assert complaints == []


def test_search_finds_pages(open_page):
    page, complaints = open_page("search.html?q=claim", "light")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li").count() > 0
    assert complaints == []


def test_a_chapter_can_be_downloaded_as_a_notebook(open_page):
    notebooks = {path.stem for path in (SITE / "_sources").rglob("*.ipynb")}
    chapters = [name for name in READ if Path(name).stem in notebooks]
    assert chapters
    for name in chapters:
        page, _ = open_page(name, "light")
        links = page.locator("a.btn-download-source-button")
        assert (SITE / name).parent.joinpath(links.first.get_attribute("href")).is_file()


@pytest.mark.parametrize("way", ["hover", "focus"])
def test_a_term_shows_its_definition(open_page, way):
    page, complaints = open_page("book/01_gradients.html", "light")
    term = page.locator('a.dnnbook-term[href$="#term-Jacobian"]').first
    getattr(term, way)()
    page.wait_for_selector(".tooltip.show")
    assert "partial derivatives" in page.locator(".tooltip.show").inner_text()
    assert complaints == []


def test_a_quiz_opens_by_the_keyboard(open_page):
    page, complaints = open_page("book/01_gradients.html", "dark")
    choice = page.locator(".dnnbook-quiz details.dnnbook-right").first
    assert not choice.locator("p").last.is_visible()
    choice.locator("summary").focus()
    page.keyboard.press("Enter")
    assert choice.locator("p").last.inner_text().startswith("Right.")
    assert not page.locator(".dnnbook-answers").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".dnnbook-answers").is_visible()
    assert not choice.locator("p").last.is_visible()
    assert complaints == []
