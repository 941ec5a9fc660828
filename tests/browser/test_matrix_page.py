"""Headless Chromium sorts and filters the matrix of claims and sets, as a file, in both themes."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from tests.small_books import make_book, render
from tests.test_replication import INDEX, claim, found, keep, write_chapter
from tests.waiting import LIMIT

VERDICTS = {
    "small-c": {"digits": "inconclusive", "mnist": "holds"},
    "small-a": {"digits": "holds", "mnist": "holds"},
    "small-b": {"digits": "holds", "mnist": "contradicted"},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the page of a small book with three claims on two data sets."""
    root = make_book(tmp_path_factory.mktemp("book"), "01_small", index=INDEX)
    write_chapter(root, [claim(id=id) for id in VERDICTS])
    for number, data in enumerate(["digits", "mnist"]):
        keep(
            root,
            data,
            {
                id: found(verdicts[data], design=["home", "away"][number], effect=1.5 + number)
                for id, verdicts in VERDICTS.items()
            },
        )
    done, site = render(root)
    assert done.returncode == 0, done.stdout
    return site / "book" / "index.html"


@pytest.fixture(params=["light", "dark"])
def page(site, request):
    """Return the page, opened; at the end no script has failed and nothing was asked for."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium must be installed, or CHROMIUM name it"
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"], timeout=1000 * LIMIT
        )
        page = browser.new_page(color_scheme=request.param)
        page.set_default_timeout(1000 * LIMIT)
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.on(
            "request",
            lambda one: one.url.startswith(("file:", "data:")) or complaints.append(one.url),
        )
        page.goto(f"file://{site}")
        yield page
        browser.close()
    assert complaints == []


def claims(page):
    """Return the claims that are shown, in their order."""
    codes = page.locator("#replication-matrix tbody tr:visible td:nth-child(2) code")
    return codes.all_text_contents()


def test_it_sorts_by_keys_as_by_clicks(page):
    assert claims(page) == ["small-c", "small-a", "small-b"]
    head = page.locator("#replication-matrix thead th", has_text="MNIST").first
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert claims(page) == ["small-c", "small-a", "small-b"]  # two hold, then the contradicted
    page.keyboard.press("Enter")
    assert claims(page)[0] == "small-b"
    assert head.get_attribute("aria-sort") == "descending"


def test_it_filters(page):
    shown = page.locator(".shown")
    assert shown.text_content() == "3 of 3 claims"
    page.locator("[data-filter=pattern]").select_option("turns")
    assert claims(page) == ["small-b"]
    page.locator("[data-filter=pattern]").select_option("")
    page.locator("[data-filter=verdict]").select_option("inconclusive")
    assert claims(page) == ["small-c"]
    page.locator("[data-filter=data]").select_option("cifar10")
    assert claims(page) == []
    page.locator("[data-filter=verdict]").select_option("")
    page.locator(".controls input").fill("statement of small-a")
    assert (claims(page), shown.text_content()) == (["small-a"], "1 of 3 claims")


def test_a_cell_leads_to_its_run_and_its_claim(page):
    cell = page.locator("#replication-matrix tbody tr").nth(1).locator("td").nth(3)
    run, box = cell.locator("a.run"), cell.locator("a").first
    assert page.locator(run.get_attribute("href")).locator("td").nth(1).text_content() == "MNIST"
    assert box.get_attribute("href") == "01_small.html#claim-small-a"


def test_in_print_it_is_a_plain_table(page):
    page.locator("[data-filter=pattern]").select_option("")
    page.emulate_media(media="print")
    assert not page.locator(".controls").is_visible()
    assert len(claims(page)) == 3
