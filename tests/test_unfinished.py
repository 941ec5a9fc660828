"""Where nothing was built, committed outputs are there first, marked, and give way one by one."""

import json
import shutil
import threading
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.batch.ask.parameters import parameters_of
from helpers.batch.ask.run import make_runs
from helpers.batch.drive.batch import BatchOptions
from helpers.batch.drive.progress import Watcher
from helpers.batch.errors import BatchError, ConfigurationError, ExecutionError, RenderError
from helpers.batch.notebook import read
from helpers.batch.results.result import Result
from helpers.batch.site.build import build
from helpers.batch.site.publishing import (
    IDENTITY,
    UNFINISHED,
    State,
    finish,
    is_unfinished,
    marked,
    one_build,
    publish,
)
from helpers.batch.site.rendering import Rendering
from helpers.batch.site.unfinished import Chapters, Unfinished
from tests.small_books import make_book
from tests.waiting import wait_for

NAMES = ("01_one", "02_two")
INDEX = "# A book\n\n```{tableofcontents}\n```\n"


def notebook(code, output, title="One"):
    outputs = [new_output("stream", text=output)] if output else []
    cells = [
        new_markdown_cell(f"# {title}", id="top"),
        new_code_cell(code, id="code", outputs=outputs, execution_count=1 if output else None),
    ]
    language = {"language_info": {"name": "python"}}
    return dict(new_notebook(cells=cells, metadata=language))


@pytest.fixture
def book(tmp_path):
    root = make_book(tmp_path, *NAMES, index=INDEX)
    for name in NAMES:
        (root / "book" / f"{name}.ipynb").write_text(json.dumps(notebook("1", f"old {name}\n")))
    return root


class Shown:
    """An unfinished site of two chapters whose renderer writes their outputs and nothing else."""

    def __init__(self, book, monkeypatch):
        notebooks = [read(book / "book" / f"{name}.ipynb") for name in NAMES]
        assert not any(map(parameters_of, notebooks))
        runs = make_runs((one, {}) for one in notebooks)
        self.ids = [run.id for run in runs]
        self.site, self.lines, self.rendered = book / "site", [], []
        monkeypatch.setattr(Rendering, "render", self.render)
        self.error = None
        rendering = Rendering(book / ".rendering")
        self.pages = rendering.pages
        self.unfinished = Unfinished(
            Chapters(book, runs),
            rendering,
            site=self.site,
            read=lambda id: notebook("1", f"new {id.rpartition('-')[0]}\n"),
            say=self.lines.append,
            watcher=Watcher(),
        )

    def render(self, pages, others):
        if self.error:
            raise self.error
        self.pages.mkdir(parents=True, exist_ok=True)
        (self.pages / "searchindex.js").write_text("")
        (self.pages / "index.html").write_text("<body>first page</body>")
        (self.pages / "book").mkdir(exist_ok=True)
        for place, data in pages.items():
            if place.suffix == ".ipynb":
                outputs = json.loads(data)["cells"][1]["outputs"]
                page = f"<body>{outputs[0]['text'] if outputs else 'nothing'}</body>"
                (self.pages / place.with_suffix(".html")).write_text(page)
        self.rendered.append(len(pages))

    def page(self, name):
        return (self.site / name).read_text()

    def end(self, number, status="done", error=""):
        self.unfinished.ended(Result(self.ids[number], "", "", "", {}, {}, status, error), 0)


@pytest.fixture
def shown(book, monkeypatch):
    return Shown(book, monkeypatch)


def test_each_page_is_replaced_when_its_chapter_has_run(shown):
    shown.unfinished.begin_with({})
    assert "all pages can be read" in shown.lines[0]
    for name in NAMES:
        page = shown.page(f"book/{name}.html")
        assert f"old {name}" in page
        assert State.RUNNING.value in page
    assert State.RUNS_BESIDE.value in shown.page("index.html")
    assert is_unfinished(shown.site)
    with shown.unfinished.at_work():
        shown.end(0)
        wait_for(lambda: "new 01_one" in shown.page("book/01_one.html"))
        assert "dnnbook-state" not in shown.page("book/01_one.html")
        assert State.RUNNING.value in shown.page("book/02_two.html")
        shown.end(1)
    finish(shown.pages, shown.site, "identity")
    assert not is_unfinished(shown.site)


def test_a_failed_chapter_keeps_its_committed_outputs_and_says_so(shown):
    shown.unfinished.begin_with({})
    with shown.unfinished.at_work():
        shown.end(1, "failed", "cell 2: <b> is not defined\nand more")
    page = shown.page("book/02_two.html")
    assert "old 02_two" in page
    assert "could not be executed: cell 2: &lt;b&gt; is not defined<" in page
    assert State.RUNNING.value in shown.page("book/01_one.html")
    assert (shown.site / UNFINISHED).is_file()


def test_what_is_kept_is_shown_at_once(shown):
    kept = {shown.ids[0]: notebook("1", "kept\n")}
    shown.unfinished.begin_with(kept)
    assert "kept" in shown.page("book/01_one.html")
    assert "dnnbook-state" not in shown.page("book/01_one.html")
    assert State.RUNNING.value in shown.page("book/02_two.html")


def test_nothing_is_shown_of_what_has_no_outputs_or_cannot_be_rendered(shown, book):
    shown.error = RenderError("a label is missing\nand more")
    shown.unfinished.begin_with({})
    assert shown.lines == ["not shown before all has run: a label is missing"]
    with shown.unfinished.at_work():
        shown.end(0)
    assert not shown.site.exists()
    assert shown.rendered == []


def test_a_book_without_outputs_is_not_rendered_before_it_has_run(book, monkeypatch):
    for name in NAMES:
        (book / "book" / f"{name}.ipynb").write_text(json.dumps(notebook("1", "")))
    shown = Shown(book, monkeypatch)
    shown.unfinished.begin_with({})
    assert not shown.site.exists()


@pytest.mark.parametrize(
    "error",
    [
        RenderError("a label is missing"),
        ConfigurationError("a key was added meanwhile"),
        BatchError("index.html could not be written: No space left on device"),
        OSError("No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_rendering_that_fails_later_leaves_the_pages_as_they_are(shown, error):
    shown.unfinished.begin_with({})
    with shown.unfinished.at_work():
        shown.error = error
        shown.end(0)
        wait_for(lambda: not shown.unfinished._is_shown)
        shown.end(1)
    assert "old 01_one" in shown.page("book/01_one.html")


def test_a_wrong_configuration_ends_a_build_before_anything_runs(shown):
    shown.error = ConfigurationError("nothing reads `titel`")
    with pytest.raises(ConfigurationError):
        shown.unfinished.begin_with({})


def test_a_chapter_may_fail_while_pages_are_marked(shown):
    class Names(dict):
        def __getitem__(self, id):
            if id == shown.ids[0]:
                shown.end(1, "failed", "late")
            return super().__getitem__(id)

    shown.unfinished.begin_with({})
    shown.end(0, "failed", "early")
    names = shown.unfinished._chapters.names = Names(shown.unfinished._chapters.names)
    marks = shown.unfinished._marks({})
    assert marks[names[shown.ids[0]]] == (State.FAILED, "early")
    assert shown.unfinished._marks({})[names[shown.ids[1]]] == (State.FAILED, "late")


@pytest.mark.parametrize(
    ("page", "place"),
    [
        ('<body class="x"><main id="y">Text', '<main id="y">'),
        ('<body>\n<main><article class="bd-article">Text', '<article class="bd-article">'),
        ("<body>Text", "<body>"),
    ],
)
def test_a_mark_stands_where_the_text_begins(page, place):
    assert f'{place}<div class="admonition note' in marked(page, State.RUNNING)
    assert marked("no page", State.RUNNING) == "no page"


def test_only_what_differs_is_written(tmp_path):
    pages, site = tmp_path / "pages", tmp_path / "site"
    pages.mkdir()
    for name in ("searchindex.js", "a.html", "b.html"):
        (pages / name).write_text(f"<body>{name}")
    publish(pages, site, {})
    before = (site / "b.html").stat().st_ino
    (pages / "a.html").write_text("<body>new")
    publish(pages, site, {"a.html": (State.RUNNING, "")})
    assert "new" in (site / "a.html").read_text()
    assert (site / "b.html").stat().st_ino == before
    assert {path.name for path in tmp_path.iterdir()} == {"pages", "site"}


@pytest.mark.parametrize("error", [OSError("busy"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("stopped_at", [1, 2])
def test_a_site_is_where_it_was_if_its_replacement_is_stopped(
    tmp_path, monkeypatch, error, stopped_at
):
    pages, site = tmp_path / "pages", tmp_path / "site"
    pages.mkdir()
    (pages / "index.html").write_text("a page")
    finish(pages, site, "first")
    rename, calls = Path.rename, []

    def stopped(path, target):
        calls.append(path)
        if len(calls) == stopped_at:
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else BatchError):
        finish(pages, site, "second")
    assert (site / IDENTITY).read_text() == "first"
    assert {path.name for path in tmp_path.iterdir()} == {"pages", "site"}


def test_a_site_that_cannot_be_put_back_is_not_removed(tmp_path, monkeypatch):
    pages, site = tmp_path / "pages", tmp_path / "site"
    pages.mkdir()
    finish(pages, site, "first")
    rename = Path.rename

    def only_away(path, target):
        if target == site:
            raise OSError("not here")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", only_away)
        with pytest.raises(OSError, match="not here"):
            finish(pages, site, "second")
    with one_build(site):
        assert (site / IDENTITY).read_text() == "first"


@pytest.mark.slow
def test_a_build_shows_a_book_before_it_has_run_and_ends_as_if_it_had_not(book):
    """One chapter waits until the site is there; the other fails, and goes well the next time."""
    one, two = (book / "book" / f"{name}.ipynb" for name in NAMES)
    waits = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('new one')"
    one.write_text(json.dumps(notebook(waits, "old one\n")))
    two.write_text(json.dumps(notebook("1 / 0", "old two\n", "Two")))
    site, failures = book / "_build" / "html", []
    options = BatchOptions(kernel="spawn")

    def run():
        try:
            build(book, site=site, parameters={}, options=options, say=lambda _: None)
        except ExecutionError as error:
            failures.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    wait_for((site / "book" / "01_one.html").exists)
    page = (site / "book" / "01_one.html").read_text()
    assert "old one" in page
    assert State.RUNNING.value in page
    (book / "book" / "go").touch()
    thread.join()
    assert "02_two failed: cell 2" in failures[0]
    assert "ZeroDivisionError" in (site / "book" / "02_two.html").read_text()
    two.write_text(json.dumps(notebook("print('new two')", "old two\n", "Two")))
    build(book, site=site, parameters={}, options=options, say=lambda _: None)
    went_on = files(site)
    assert b"new one" in went_on["book/01_one.html"]
    assert not any(b"dnnbook-state" in data for data in went_on.values())
    shutil.rmtree(site)
    shutil.rmtree(site.with_name(".html-rendering"))
    build(book, site=site, parameters={}, options=options, say=lambda _: None)
    assert went_on == files(site)


def files(site: Path) -> dict:
    found = (path for path in site.rglob("*") if path.is_file())
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in found}
