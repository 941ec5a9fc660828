"""The small book is built with the project's own configuration: strictly, and never in place."""

import base64
import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.batch.ask.run import make_run
from helpers.batch.book import chapters, find_chapter, find_root, read_toc
from helpers.batch.commit import refresh as refresh_module
from helpers.batch.commit.refresh import normalize, refresh
from helpers.batch.drive.batch import BatchOptions
from helpers.batch.drive.progress import Watcher
from helpers.batch.errors import (
    BatchError,
    ConfigurationError,
    ExecutionError,
    ParameterError,
    RenderError,
    UnknownChapterError,
    UsageError,
)
from helpers.batch.execute.execution import Outcome, execute
from helpers.batch.notebook import source
from helpers.batch.site import build as build_module
from helpers.batch.site import sources as sources_module
from helpers.batch.site.build import assign, build
from helpers.batch.site.configuration import read_configuration
from helpers.batch.site.publishing import IDENTITY, UNFINISHED, one_build
from helpers.batch.site.rendering import Rendering
from helpers.batch.site.sources import merge, renderer_digests, site_identity, source_files

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
SPAWN = BatchOptions(kernel="spawn")  # one chapter needs no server of warm kernels


@pytest.fixture
def book(tmp_path):
    """Return a copy of the small book with the configuration of the real one."""
    root = tmp_path / "a book"
    shutil.copytree(FIXTURES / "small_book", root)
    shutil.copy(ROOT / "_config.yml", root)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    shutil.copy(ROOT / "book" / "references.bib", root / "book")
    return root


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make(book, **parameters):
    """Build the small book; return the site and the lines of progress."""
    lines = []
    site = book / "_build" / "html"
    build(book, site=site, parameters=parameters, options=SPAWN, say=lines.append)
    return site, lines


@pytest.fixture
def prepared(monkeypatch):
    """Give chapters as if they had been executed; return the ids of those that were."""
    asked = []

    def execute_without_kernel(runs, *_):
        asked.extend(run.id for run in runs)
        return {run.id: json.loads(run.notebook.path.read_text()) for run in runs}

    monkeypatch.setattr(build_module, "_executed", execute_without_kernel)
    return asked


def append(book, page, text):
    path = book / "book" / page
    path.write_text(path.read_text() + text)


@pytest.mark.slow
def test_a_book_is_built_beside_its_sources(book):
    before = contents(book)
    site, lines = make(book, seed=7)
    page = (site / "book" / "01_small.html").read_text()
    assert {
        path: data for path, data in contents(book).items() if "_build" not in str(path)
    } == before
    assert lines[0].startswith("[1/1] done 01_small-")
    assert "# Parameters" in page  # the injected cell, so that a reader sees what was asked for
    for expected in ('alt="A rising line."', "Figure 1.1", "(1.1)", "2 of 3", "Show the solution"):
        assert expected in page
    assert "https://" not in page.replace("https://github.com/executablebooks", "")
    assert "_static/mathjax/tex-chtml.js" in page
    assert (site / "_static" / "mathjax" / "tex-chtml.js").is_file()
    assert (site / "_sources" / "book" / "01_small.ipynb").is_file()
    assert "01_small" in (site / "searchindex.js").read_text()


BROKEN = {
    "{doc}`nowhere`": "unknown document",
    "{ref}`nowhere`": "undefined label",
    "{term}`nowhere`": "term not in glossary",
    "{cite}`nobody1900`": "could not find bibtex key",
    "{py:func}`helpers.nowhere`": "reference target not found: helpers.nowhere",
    "{glue:text}`nothing`": "nothing",
    "```{nonsense}\n```": "Unknown directive type",
    "[link](#nowhere)": "cross-reference target not found",
    "#### Too deep": "Non-consecutive header level",
}


@pytest.mark.slow
def test_warnings_fail_the_first_build_and_the_second_alike(book, prepared):
    (book / "book" / "01_small.ipynb").write_text(executed(book).notebook)
    append(book, "index.md", "\n\n".join(BROKEN))
    for _ in range(2):
        with pytest.raises(RenderError) as failure:
            make(book)
        missed = {text for text, said in BROKEN.items() if said not in str(failure.value)}
        assert missed == set()
    assert not (book / "_build" / "html").exists()


def executed(book, **parameters):
    """Return what comes of the small chapter, to render it without running it again."""
    chapter = book / "book" / "01_small.ipynb"
    outcome = execute(make_run(chapter, parameters), kernel="spawn")
    assert not outcome.error
    return outcome


@pytest.mark.slow
def test_a_failing_cell_leaves_the_earlier_site_alone(book):
    site = book / "_build" / "html"
    site.mkdir(parents=True)
    for name in ("searchindex.js", IDENTITY):
        (site / name).write_text("earlier")
    shutil.copy(FIXTURES / "raises.ipynb", book / "book" / "01_small.ipynb")
    for _ in range(2):
        with pytest.raises(ExecutionError) as failure:
            make(book)
        assert "01_small failed: cell 4, section 'A section that fails'" in str(failure.value)
        assert "ZeroDivisionError: division by zero" in str(failure.value)
        assert sorted(path.name for path in site.iterdir()) == [IDENTITY, "searchindex.js"]
        left = sorted(path.name for path in site.parent.iterdir())
        assert left == [".html-runs", ".html.lock", "html"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("titel: x", "Received: titel. Did you mean title?"),
        ("html:\n  favico: x", "Received: html/favico. Did you mean html/favicon?"),
        ("execute:\n  timeout: soon", "not of type 'number'"),
        ("sphinx: [", "must be valid"),
    ],
)
def test_a_key_that_jupyter_book_does_not_read_is_refused(tmp_path, key, message):
    path = tmp_path / "_config.yml"
    path.write_text(key)
    with pytest.raises(ConfigurationError) as error:
        read_configuration(path)
    assert message in str(error.value)


def test_a_key_that_sphinx_does_not_read_is_refused(book, prepared):
    path = book / "_config.yml"
    path.write_text(path.read_text() + "    html_titel: x\n")
    with pytest.raises(ConfigurationError, match=r"Received: sphinx/config/html_titel. Did"):
        make(book)


def test_a_parameter_reaches_the_chapters_that_declare_it(book):
    assert [given for _, given in assign(book, {"seed": 1})] == [{"seed": 1}]
    with pytest.raises(ParameterError, match=r"Received: sede. Did you mean seed?"):
        assign(book, {"sede": 1})
    with pytest.raises(ParameterError, match="`seed` must be int"):
        assign(book, {"seed": "x"})


@pytest.mark.parametrize(
    "files",
    [
        ["letter.txt"],
        ["searchindex.js", "index.html", ".nojekyll"],  # of any project's Sphinx
        ["searchindex.js", IDENTITY, ".git/HEAD"],  # a clone to publish the book from
        ["searchindex.js", UNFINISHED, ".git"],  # a worktree
    ],
)
def test_only_what_a_build_wrote_is_replaced(book, files):
    site = book / "_build" / "html"
    for name in files:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("keep me")
    before = contents(site)
    with pytest.raises(UsageError, match=r"must be new, empty, or one that .* hold no `\.git`"):
        make(book)
    assert contents(book / "_build") == before


def test_a_site_needs_a_folder(book):
    with pytest.raises(UsageError, match="must be writable"):
        build(book, site=book / "_config.yml" / "html", parameters={})


def test_what_a_killed_build_left_is_removed_and_what_it_took_away_is_put_back(book):
    others = book / "_build" / ".html-more-staging" / "new"
    old, new = (book / "_build" / ".html-staging" / name for name in ("old", "new"))
    for folder in (others, old, new):
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(folder.name)
    site = book / "_build" / "html"
    for _ in range(2):  # the second time there is a site
        with one_build(site):
            assert (site / "index.html").read_text() == "old"
            assert not old.parent.exists()
            new.mkdir(parents=True)
    assert others.exists()


def test_one_build_at_a_time(book):
    (book / "_build").mkdir()
    with FileLock(book / "_build" / ".html.lock"), pytest.raises(UsageError, match="one build"):
        make(book)
    assert [path.name for path in (book / "_build").iterdir()] == [".html.lock"]


def test_data_that_cannot_be_loaded_stops_a_build_before_it_starts(book, monkeypatch):
    monkeypatch.setenv("DNNBOOK_DATA", str(book))
    add_chapter(book, "02_loads", "from helpers import data")
    with pytest.raises(UsageError, match="cifar10"):
        make(book, dataset="cifar10")
    assert not (book / "_build").exists()


# What has not changed is not done again


def edit(book, old, new, chapter="01_small"):
    """Change a chapter's text."""
    path = book / "book" / f"{chapter}.ipynb"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def add_chapter(book, name, code):
    """Add a chapter of a title, no parameters to speak of, and one cell."""
    notebook = json.loads((book / "book" / "01_small.ipynb").read_text())
    title, parameters = notebook["cells"][:2]
    cell = {**parameters, "id": "its-own", "source": code, "metadata": {}}
    notebook["cells"] = [{**title, "source": f"# {name}"}, parameters, cell]
    (book / "book" / f"{name}.ipynb").write_text(json.dumps(notebook))
    toc = (book / "_toc.yml").read_text()
    (book / "_toc.yml").write_text(
        toc.replace("book/01_small\n", f"book/01_small\n      - file: book/{name}\n")
    )
    assert [path.stem for path in chapters(book)] == ["01_small", name]


class Notes(Watcher):
    """Notes how many runs were kept, and which chapters ran."""

    def __init__(self):
        self.ran, self.kept = [], None

    def begin(self, total, kept):
        self.kept = kept

    def ended(self, result, running):
        self.ran.append(result.chapter)


def watched(book, *, fresh=False, again=frozenset()):
    """Build and return what was executed and what was not."""
    notes, options = Notes(), BatchOptions(kernel="spawn", fresh=fresh, again=again)
    site = book / "_build" / "html"
    build(book, site=site, parameters={}, options=options, say=lambda _: None, watcher=notes)
    return sorted(notes.ran), notes.kept


@pytest.mark.slow
def test_only_what_has_changed_is_executed_and_rendered(book, monkeypatch):
    add_chapter(book, "02_other", "1 / 0")
    with pytest.raises(ExecutionError, match=r"^02_other failed: cell 3(?s:.*)ZeroDivisionError"):
        watched(book)

    # The other chapter went well and is kept; so it is when a cell of this one is changed.
    edit(book, "1 / 0", "print('changed')", chapter="02_other")
    assert watched(book) == (["02_other"], 1)
    site = book / "_build" / "html"
    assert "changed" in (site / "book" / "02_other.html").read_text()

    before = contents(site)
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "run_batch", lambda *_, **__: pytest.fail("executed"))
        patch.setattr(Rendering, "render", lambda *_: pytest.fail("rendered"))
        lines = make(book)[1]
    assert lines == [f"nothing has changed: {site / 'index.html'}"]
    assert contents(site) == before

    edit(book, "Is it small?", "Is it really small?")
    assert watched(book) == ([], 2)
    page = (site / "book" / "01_small.html").read_text()
    assert "Is it really small?" in page
    assert "small-less: holds" in page  # the output of the first build


@pytest.mark.slow
def test_a_chapter_can_be_forced_though_nothing_has_changed(book, monkeypatch):
    assert watched(book) == (["01_small"], 0)
    assert watched(book) == ([], None)
    assert watched(book, again=frozenset([book / "book" / "01_small.ipynb"])) == (["01_small"], 0)


@pytest.mark.slow
def test_a_page_that_an_earlier_execution_left_behind_is_built(book):
    """papermill's own output, committed: its values hold neither here nor in the record."""
    path = book / "book" / "01_small.ipynb"
    notebook = json.loads(path.read_text())
    old = dict(notebook["cells"][1], id="old", source="seed = 666")
    old["metadata"] = {"tags": ["injected-parameters"]}
    notebook["cells"].insert(2, old)
    path.write_text(json.dumps(notebook))
    site, _ = make(book)
    page = (site / "book" / "01_small.html").read_text()
    assert "666" not in page
    assert "42" in page


PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def someones_book(root):
    """Write a book as people have them, with nothing of this project's."""
    for name in ("logo.png", "images/a-picture.png", "images/icon.png", "deep/near.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PIXEL)
    (root / "_config.yml").write_text(
        "title: A book\nlogo: logo.png\nexecute: {execute_notebooks: force}\n"
        "html: {favicon: images/icon.png}\n"
    )
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: intro\nchapters:\n- file: page\n- glob: deep/*\n"
    )
    picture = "![a](images/a-picture.png)\n\nInline <img src='images/icon.png' alt='b'>."
    (root / "intro.md").write_text(f"# Intro\n\n{picture}\n")
    (root / "page.rst").write_text("A page\n======\n\n.. image:: logo.png\n   :alt: c\n")
    attached = new_markdown_cell("# One\n\n![d](attachment:x%20y.png) ![e](near.png)")
    attached["attachments"] = {"x y.png": {"image/png": base64.b64encode(PIXEL).decode()}}
    cells = [
        attached,
        new_code_cell("files = !echo listed\n%pwd\nfiles"),
        new_code_cell("%%bash\necho $((6 * 7)) from bash"),
        new_code_cell("import os\nos.getcwd?"),
    ]
    nbformat.write(new_notebook(cells=cells), root / "deep" / "one.ipynb")
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), root / "deep" / "not_a_page.txt")


@pytest.mark.slow
def test_somebodys_book_is_built_strictly(tmp_path):
    root = tmp_path / "somebody's"
    someones_book(root)
    assert [page.name for page in read_toc(root)] == ["intro.md", "page.rst", "one.ipynb"]
    site, _ = make(root)
    page = (site / "deep" / "one.html").read_text()
    for expected in ("listed", "42 from bash", "data:image/png;base64,iVBO", "_images/near.png"):
        assert expected in page
    intro = (site / "intro.html").read_text()
    for picture in re.findall(r'<img[^>]*src="([^"]*)"', intro + (site / "page.html").read_text()):
        assert (site / unquote(picture)).is_file()
    assert intro.count("<img") == 4  # the logo twice, and two pictures
    before = make(root)[1]
    assert before == [f"nothing has changed: {site / 'index.html'}"]
    (root / "images" / "icon.png").write_bytes(PIXEL + b"0")
    assert make(root)[1] != before


def test_what_the_site_is_made_of_is_its_identity(book, monkeypatch):
    def identity():
        return site_identity(book, [make_run(path, {}) for path in chapters(book)])

    first = identity()
    path = book / "book" / "01_small.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "old"}]
    path.write_text(json.dumps(notebook))
    (book / "book" / ".hidden").touch()
    assert identity() == first
    seen = {first}
    for page in ("book/index.md", "_config.yml", "book/references.bib", "_toc.yml"):
        (book / page).write_text((book / page).read_text() + "\n")
        seen.add(identity())
    edit(book, "Is it small?", "Is it?")
    seen.add(identity())
    monkeypatch.setattr(sources_module, "renderer_digests", lambda: ["another renderer"])
    seen.add(identity())
    assert len(seen) == 7


def test_every_file_of_the_helpers_belongs_to_the_renderer(tmp_path):
    seen = set()
    for name in ("site.py", "site/matrix.html.j2", "site/matrix.js", "site/print.css"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        for text in ("one", "two"):
            (tmp_path / name).write_text(text)
            seen.add(tuple(renderer_digests(tmp_path)))
    assert len(seen) == 8
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "site.pyc").write_text("compiled")
    assert tuple(renderer_digests(tmp_path)) in seen


def cell(kind, text, *tags, outputs=(), count=None):
    made = {"cell_type": kind, "source": text, "metadata": {"tags": list(tags)}}
    return made | ({"outputs": list(outputs), "execution_count": count} if kind == "code" else {})


def test_outputs_go_to_their_cells_and_prose_stays():
    notebook = {
        "metadata": {"now": True},
        "cells": [
            cell("markdown", "new prose"),
            cell("code", "n = 1", "parameters", outputs=["old"]),
            cell("code", "a", "hide-input", count=9),
            cell("markdown", "a new cell"),
            cell("code", "b"),
        ],
    }
    injected = cell("code", "n = 2", "injected-parameters", count=2)
    executed = {
        "metadata": {"then": True},
        "cells": [
            cell("markdown", "old prose"),
            cell("code", "n = 1", "parameters", count=1),
            injected,
            cell("code", "a", outputs=["A"], count=3),
            cell("code", "b", outputs=["B1", "B2"], count=4),
        ],
    }
    before = json.dumps(notebook)
    assert merge(notebook, executed) == {
        "metadata": {"now": True},
        "cells": [
            cell("markdown", "new prose"),
            cell("code", "n = 1", "parameters", count=1),
            injected,
            cell("code", "a", "hide-input", outputs=["A"], count=3),
            cell("markdown", "a new cell"),
            cell("code", "b", outputs=["B1", "B2"], count=4),
        ],
    }
    assert json.dumps(notebook) == before
    del executed["cells"][2]  # nothing was given
    assert [
        c["source"] for c in merge(notebook, executed)["cells"] if c["cell_type"] == "code"
    ] == [
        "n = 1",
        "a",
        "b",
    ]


def test_an_executed_chapter_merges_into_itself(book):
    """What papermill wrote, on the notebook that it was made from, is what papermill wrote."""
    written = json.loads(executed(book, seed=7).notebook)
    merged = merge(json.loads((book / "book" / "01_small.ipynb").read_text()), written)

    def seen(notebook):
        names = ("cell_type", "source", "outputs", "execution_count")
        cells = [dict(cell, source=source(cell)) for cell in notebook["cells"]]
        return [[cell.get(name) for name in names] for cell in cells]

    assert seen(merged) == seen(written)
    assert any("seed = 7" in source(cell) for cell in merged["cells"])


def test_old_runs_are_forgotten(book, monkeypatch):
    monkeypatch.setattr(build_module, "KEPT", 2)
    store = build_module.Folder(book)
    for number in range(5):
        (book / "runs" / str(number)).mkdir(parents=True)
        os.utime(book / "runs" / str(number), (number, number))
    build_module._forget(store, {"0"})
    assert sorted(path.name for path in (book / "runs").iterdir()) == ["0", "3", "4"]


def test_a_book_of_texts_alone_is_built(book, monkeypatch):
    def render(rendering, pages, others):
        rendering.pages.mkdir(parents=True)
        (rendering.pages / "index.html").write_text(" ".join(map(str, pages)))

    monkeypatch.setattr(Rendering, "render", render)
    (book / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    site, _ = make(book)
    assert (site / "index.html").read_text() == "book/index.md"


def test_hidden_files_are_not_part_of_a_book(book):
    hidden = book / "book" / ".ipynb_checkpoints" / "01_small-checkpoint.ipynb"
    hidden.parent.mkdir()
    shutil.copy(book / "book" / "01_small.ipynb", hidden)
    files = source_files(book)
    names = {path.name for path in files}
    assert {"_config.yml", "_toc.yml", "01_small.ipynb", "references.bib"} <= names
    assert hidden not in files


def test_chapters_are_found_by_name_number_and_file(book):
    small = book / "book" / "01_small.ipynb"
    for text in ("small", "1", "01", "01_small", "01_small.ipynb", str(small)):
        assert find_chapter(text, root=book) == small
    assert chapters(book) == [small]
    assert find_root(book / "book") == book
    assert find_root(Path("/")) == ROOT
    for text in ("smal", "book/01_smal.ipynb"):
        with pytest.raises(UnknownChapterError, match=r"Did you mean small\?"):
            find_chapter(text, root=book)


@pytest.mark.parametrize(
    ("toc", "rule"),
    [
        (b"format: [", "be YAML"),
        (b"root: \xff", "be YAML"),
        (b"root: book/none", "name pages that exist"),
        (None, "be a readable file. Received: .*_toc.yml: No such file"),
    ],
)
def test_a_broken_table_of_contents_is_refused(tmp_path, toc, rule):
    if toc is not None:
        (tmp_path / "_toc.yml").write_bytes(toc)
    with pytest.raises(ConfigurationError, match=f"^`_toc.yml` must {rule}"):
        read_toc(tmp_path)


def test_a_refreshed_notebook_is_the_same_the_second_time(book):
    chapter = book / "book" / "01_small.ipynb"
    refresh(chapter)
    first = chapter.read_text()
    refresh(chapter)
    assert chapter.read_text() == first
    notebook = nbformat.reads(first, as_version=4)
    nbformat.validate(notebook)
    assert [cell.id for cell in notebook.cells][:2] == [
        "a-small-chapter",
        "dataset-digits-data-set-digits-mnist",
    ]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert "papermill" not in json.dumps([cell.metadata for cell in notebook.cells])
    assert [path.name for path in chapter.parent.glob(".*")] == []


def test_a_notebook_that_fails_is_not_refreshed(tmp_path):
    chapter = tmp_path / "raises.ipynb"
    shutil.copy(FIXTURES / "raises.ipynb", chapter)
    before = chapter.read_bytes()
    with pytest.raises(ExecutionError):
        refresh(chapter)
    assert chapter.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["raises.ipynb"]


@pytest.mark.parametrize("saved", ["01_small.ipynb", "tool.py"])
def test_what_is_saved_while_a_notebook_runs_is_not_replaced(tmp_path, monkeypatch, saved):
    chapter = tmp_path / "01_small.ipynb"
    chapter.write_text(json.dumps(new_notebook(cells=[new_code_cell("import tool")])))
    (tmp_path / "tool.py").write_text("x = 1\n")

    def execute(run, **_):
        text = (tmp_path / saved).read_text()
        (tmp_path / saved).write_text(f"{text}\n")
        return Outcome("done", run.notebook.text, 1.0)

    monkeypatch.setattr(refresh_module, "execute", execute)
    before = contents(tmp_path)
    before[tmp_path / saved] += b"\n"
    with pytest.raises(BatchError, match=f"01_small.ipynb is not refreshed, .*: {saved}"):
        refresh(chapter)
    assert contents(tmp_path) == before


def test_normalizing_twice_changes_nothing():
    notebook = json.loads((FIXTURES / "succeeds.ipynb").read_text())
    notebook["metadata"]["papermill"] = {"duration": 1.5}
    notebook["cells"][0]["metadata"]["tags"] = []
    once = normalize(notebook)
    assert normalize(once) == once
    assert "tags" not in once["cells"][0]["metadata"]
    assert "papermill" not in once["metadata"]
