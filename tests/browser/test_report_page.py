"""Headless Chromium opens a batch's report as a file, in both themes.

`CHROMIUM` names another browser than Debian's.
"""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from helpers.batch.report.writing import collect, write_report
from tests.test_report import (
    claim,
    figure,
    finished,
    planned,
    verdicts_by_seed,
    write_batch,
    write_demo,
    write_many,
)
from tests.waiting import LIMIT

# An SVG's point lies at its shape's middle; an interval's bar spans its ends.
BOXES = """(selector) => [...document.querySelectorAll(selector)]
    .map(e => { const box = e.getBBox(); return [box.x + box.width / 2, box.y, box.height]; })"""


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
def open_report(browser):
    """Return a function that opens the report of a store; at the end nothing has gone wrong."""
    contexts, complaints = [], []

    def opener(store, *, theme="light", scripts=True, by="dataset"):
        write_report(store, collect(store), by=by)
        context = browser.new_context(
            viewport={"width": 1280, "height": 900}, color_scheme=theme, java_script_enabled=scripts
        )
        context.set_default_timeout(1000 * LIMIT)
        contexts.append(context)
        page = context.new_page()
        address = f"file://{store.address}/report/index.html"
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.on(
            "request",
            lambda request: request.url in (address, "data:,") or complaints.append(request.url),
        )
        page.goto(address, wait_until="networkidle")
        return page

    yield opener
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def demo(tmp_path):
    return write_demo(tmp_path)


def column(page, number):
    """Return the texts of a column of the table of runs, from those rows that are shown."""
    cells = page.locator(f"#table tbody tr:visible td:nth-child({number})")
    return [text.split("\n")[0] for text in cells.all_inner_texts()]


def matrix(page):
    """Return the matrix of claims as lists of texts, what is folded with it."""
    rows = page.locator("#matrix tr")
    return rows.evaluate_all(
        "rows => rows.map(row => [...row.cells].map("
        "cell => cell.textContent.replace(/\\\\s+/g, ' ').trim()))".replace("\\\\", "\\")
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_opens_without_a_complaint(open_report, demo, theme):
    page = open_report(demo, theme=theme)
    assert page.title() == "demo: report"
    colours = page.evaluate(
        "() => { const style = getComputedStyle(document.body);"
        "return [style.color, style.backgroundColor].map(c => c.match(/\\d+/g).map(Number)[1]); }"
    )
    assert (colours[0] < colours[1]) == (theme == "light")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_a_value_is_not_executed(open_report, demo):
    page = open_report(demo)
    for option in range(page.locator("#by option").count()):
        page.locator("#by").select_option(index=option)
    for name in ("#plot-x", "#plot-group", "#plot-y"):
        for option in range(page.locator(f"{name} option").count()):
            page.locator(name).select_option(index=option)
    assert page.evaluate("window.stolen") is None
    assert page.locator("#table td", has_text="<script>window.stolen").count() == 6


def test_no_name_stands_twice_and_every_control_has_a_label(open_report, demo):
    page = open_report(demo)
    ids = page.locator("[id]").evaluate_all("all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))
    controls = page.locator("select, input")
    assert controls.evaluate_all("all => all.every(e => e.labels.length === 1)")


def test_the_select_changes_the_matrix(open_report, demo):
    page = open_report(demo)
    before = matrix(page)
    assert before[0][1].startswith("digits")
    assert page.locator("#by option").all_inner_texts() == [
        "dataset",
        "depth",
        "seed",
        "all runs",
    ]
    page.locator("#by").select_option("depth")
    after = matrix(page)
    assert [text.split("✓")[0].strip() for text in after[0]] == [
        "Claimby depth",
        "5",
        "10",
        "1000",
        "(not declared)",
    ]
    assert after[3][1].startswith("✓ holds 1✗ contradicted 1? inconclusive 1")
    page.locator("#by").select_option("all runs")
    assert [len(row) for row in matrix(page)] == [2, 1, 2, 2, 1, 2]
    # The scripts and the template must say the same.
    page.locator("#by").select_option("dataset")
    assert matrix(page) == before


def test_every_verdict_has_a_colour_of_its_own(open_report, tmp_path):
    page = open_report(verdicts_by_seed(tmp_path), by="seed")
    colours = "all => all.map(e => getComputedStyle(e).backgroundColor)"
    before = page.locator(".verdict").evaluate_all(colours)
    assert len(set(before)) == 4
    assert "rgba(0, 0, 0, 0)" not in before
    page.locator("#by").select_option("all runs")  # the scripts and the template say the same
    assert set(page.locator(".verdict").evaluate_all(colours)) == set(before)


def test_only_claims_whose_verdict_changes(open_report, demo):
    page = open_report(demo)
    assert page.locator("#matrix tr.claim:visible").count() == 3
    page.get_by_label("only claims whose verdict changes (1)").check()
    assert page.locator("#matrix tr.claim:visible").count() == 1
    assert page.locator("#matrix .chapter:visible").count() == 1  # the other one is left empty


def test_cells_lead_to_the_notebooks(open_report, demo):
    page = open_report(demo)
    cells = page.locator("#matrix tr[data-claim='second-ratio'] td")
    assert (
        cells.locator("a").get_attribute("href") == "../runs/02_second-000000000063/notebook.ipynb"
    )
    cell = page.locator("#matrix tr[data-claim='first-deeper'] td").first
    cell.locator("summary").focus()
    page.keyboard.press("Enter")
    assert cell.locator("a:visible").count() == 5
    assert cell.locator("a").first.inner_text() == "depth 5, seed 1"


def test_the_table_is_sorted_by_mouse_and_keys(open_report, demo):
    page = open_report(demo)
    head = page.locator("#table th", has_text="depth")
    assert head.get_attribute("aria-sort") == "none"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    ascending = ["5"] * 4 + ["10"] * 4 + ["1000"] * 4  # as numbers
    assert column(page, 5) == [*ascending, ""]
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, 5) == [*reversed(ascending), ""]  # what is empty stays last
    page.locator("#table th", has_text="status").get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert column(page, 3) == ["done"] * 11 + ["failed", "missing"]
    page.locator("#table th", has_text="run").first.get_by_role("button").click()
    assert column(page, 1)[-1] == "02_second-000000000063"  # the order of the plan again


def test_the_filter_and_the_traceback(open_report, demo):
    page = open_report(demo)
    assert page.locator("#shown").inner_text() == "13 of 13 runs"
    page.get_by_label("Filter").fill("zerodivision DIGITS")
    assert column(page, 3) == ["failed"]
    assert page.locator("#shown").inner_text() == "1 of 13 runs"
    trace = page.locator("#table pre:visible")
    assert trace.count() == 0
    page.locator("#table tr:visible summary").click()
    assert "Traceback" in trace.inner_text()


def choose(page, y, x, group="nothing"):
    page.locator("#plot-y").select_option(y)
    page.locator("#plot-x").select_option(x)
    page.locator("#plot-group").select_option(group)


def test_the_plot_has_a_point_with_an_interval_for_each_run(open_report, demo):
    page = open_report(demo)
    choose(page, "first-accuracy (%)", "depth")
    points, bars = page.evaluate(BOXES, "#plot .point"), page.evaluate(BOXES, "#plot .bar")
    assert len(points) == len(bars) == 10
    for point, bar in zip(points, bars, strict=True):
        assert bar[0] == pytest.approx(point[0], abs=0.1)
        assert bar[1] < point[1] < point[1] + point[2] < bar[1] + bar[2]
    assert len({round(bar[2]) for bar in bars}) == 1  # each interval spans four points
    assert len({round(point[0], 1) for point in points}) == 10  # none hides another
    assert page.locator("#plot .mean").count() == 3
    assert page.locator("#plot svg").text_content().count("first-accuracy (%)") == 1
    assert page.locator("#numbers tbody tr").count() == 10
    assert "80" in page.locator("#plot .tick").all_text_contents()


def test_groups_differ_in_colour_marker_and_dash(open_report, demo):
    page = open_report(demo)
    choose(page, "first-deeper (points)", "depth", "dataset")
    groups = page.locator("#plot .group")
    assert groups.count() == 2
    styles = [
        groups.nth(k).evaluate(
            """e => [getComputedStyle(e.querySelector('.point')).fill,
                e.querySelector('.point').getAttribute('d').replace(/^M\\S+ \\S+?(?=[a-z])/, ''),
                e.querySelector('.line').getAttribute('stroke-dasharray')]"""
        )
        for k in range(2)
    ]
    assert all(a != b for a, b in zip(*styles, strict=True))
    legend = page.locator("#legend li").all_inner_texts()
    assert legend == ["dataset digits", "dataset <script>window.stolen = 1</script>"]
    assert "What first-deeper states." in page.locator("#caption").inner_text()
    assert page.locator("#plot .none").count() == 1  # no difference


def test_axes_are_logarithmic_where_numbers_span_decades(open_report, demo):
    page = open_report(demo)
    log_x, log_y = page.get_by_label("log x"), page.get_by_label("log y")
    choose(page, "first-loss", "depth")
    assert log_x.is_checked()
    assert log_y.is_checked()
    assert "10⁻²⁰" in page.locator("#plot .tick").all_text_contents()
    places = sorted({round(x) for x, _, _ in page.evaluate(BOXES, "#plot .mean")})
    assert (places[2] - places[1]) / (places[1] - places[0]) == pytest.approx(6.64, abs=0.2)
    log_x.uncheck()  # 990 and 5 apart, not log2 of 100 and of 2
    places = sorted({round(x) for x, _, _ in page.evaluate(BOXES, "#plot .mean")})
    assert (places[2] - places[1]) / (places[1] - places[0]) > 50
    choose(page, "first-deeper (points)", "dataset")
    assert log_x.is_disabled()
    assert log_y.is_disabled()  # some effects are negative
    assert not log_y.is_checked()


def test_what_is_not_finite_is_named(open_report, tmp_path):
    runs = [planned(number, {"rate": 10.0**-number}) for number in range(3)]
    values = [1.0, float("nan"), 3.0]
    results = [
        finished(run, figure("a", v), claim("b")) for run, v in zip(runs, values, strict=True)
    ]
    page = open_report(write_batch(tmp_path, runs, results))
    assert page.locator("#plot .point").count() == 2
    assert (
        "Not drawn, as not finite: 01_first-000000000001." in page.locator("#caption").inner_text()
    )
    assert "not finite" in page.locator("#numbers").text_content()


def test_without_scripts_matrix_and_table_are_there(open_report, demo):
    page = open_report(demo, scripts=False, by="depth")
    assert page.locator("#matrix tr.claim").count() == 3
    assert page.locator("#matrix thead th").count() == 5
    assert page.locator("#table tbody tr").count() == 13
    for name in ("select", "input", "#plots", "nav"):
        assert page.locator(name).first.is_hidden()


def test_a_page_without_results_opens(open_report, tmp_path):
    page = open_report(write_batch(tmp_path, [planned(1, {"dataset": "digits"})]))
    assert page.locator("#table tbody tr").count() == 1
    assert page.locator("#matrix").count() == 0


def test_many_runs_can_be_used(open_report, tmp_path):
    page = open_report(write_many(tmp_path))
    took = page.evaluate(
        """() => { const start = performance.now();
            for (const [id, value] of [['by', '1'], ['plot-x', '1'], ['plot-y', '30']]) {
                const field = document.getElementById(id);
                field.value = value;
                field.dispatchEvent(new Event('change'));
            }
            document.querySelector('#table th button').click();
            document.body.getBoundingClientRect();
            return performance.now() - start; }"""
    )
    assert page.locator("#plot .point").count() == 600
    # About half a second here, most of it for a matrix of 200 columns.
    assert took < 10_000
