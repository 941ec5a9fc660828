"""The small book is built with the project's own configuration: strictly, and never in place."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from helpers.batch import build as build_module
from helpers.batch.build import assign, build, copy_sources
from helpers.batch.chapters import chapters, find_chapter, find_root, read_toc
from helpers.batch.errors import (
    ConfigurationError,
    ExecutionError,
    ParameterError,
    RenderError,
    UnknownChapterError,
    UsageError,
)
from helpers.batch.execution import execute
from helpers.batch.refresh import normalize, refresh
from helpers.batch.render import read_configuration

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"


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
    build(book, site=site, parameters=parameters, say=lines.append)
    return site, lines


def append(book, page, text):
    path = book / "book" / page
    path.write_text(path.read_text() + text)


def test_a_book_is_built_beside_its_sources(book):
    before = contents(book)
    site, lines = make(book, seed=7)
    page = (site / "book" / "01_small.html").read_text()
    assert {
        path: data for path, data in contents(book).items() if "_build" not in str(path)
    } == before
    assert lines[0].startswith("[1/1] executed 01_small in ")
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


def test_warnings_fail_the_first_build_and_the_second_alike(book, monkeypatch):
    monkeypatch.setattr(build_module, "_execute_all", lambda *_, **__: None)
    shutil.copy(executed(book), book / "book" / "01_small.ipynb")
    append(book, "index.md", "\n\n".join(BROKEN))
    for _ in range(2):
        with pytest.raises(RenderError) as failure:
            make(book)
        missed = {text for text, said in BROKEN.items() if said not in str(failure.value)}
        assert missed == set()
    assert not (book / "_build" / "html").exists()


def executed(book):
    """Return the small chapter executed, to render it without running it again."""
    target = book / "executed.ipynb"
    assert not execute(book / "book" / "01_small.ipynb", target, parameters={}).error
    return target


def test_a_failing_cell_leaves_the_earlier_site_alone(book):
    site = book / "_build" / "html"
    site.mkdir(parents=True)
    (site / "searchindex.js").write_text("earlier")
    shutil.copy(FIXTURES / "raises.ipynb", book / "book" / "01_small.ipynb")
    for _ in range(2):
        with pytest.raises(ExecutionError) as failure:
            make(book)
        assert "01_small failed: cell 4, section 'A section that fails'" in str(failure.value)
        assert "ZeroDivisionError: division by zero" in str(failure.value)
        assert [path.name for path in site.iterdir()] == ["searchindex.js"]
        assert sorted(path.name for path in site.parent.iterdir()) == [".html.lock", "html"]


@pytest.mark.parametrize(
    ("name", "error"),
    [("kills_its_kernel", "kernel died"), ("hangs", "a cell took more than 2 s")],
)
def test_a_kernel_that_dies_or_hangs_is_a_failure(tmp_path, name, error):
    notebook = FIXTURES / f"{name}.ipynb"
    outcome = execute(notebook, tmp_path / "x.ipynb", parameters={}, cell_timeout=2)
    assert outcome.error == error


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


def test_a_key_that_sphinx_does_not_read_is_refused(book, monkeypatch):
    monkeypatch.setattr(build_module, "_execute_all", lambda *_, **__: None)
    path = book / "_config.yml"
    path.write_text(path.read_text() + "    html_titel: x\n")
    with pytest.raises(ConfigurationError, match=r"Received: sphinx/config/html_titel. Did"):
        make(book)


def test_a_parameter_reaches_the_chapters_that_declare_it(book):
    assert list(assign(book, {"seed": 1}).values()) == [{"seed": 1}]
    with pytest.raises(ParameterError, match=r"Received: sede. Did you mean seed?"):
        assign(book, {"sede": 1})
    with pytest.raises(ParameterError, match="`seed` must be int"):
        assign(book, {"seed": "x"})


def test_only_a_site_is_replaced(book):
    site = book / "_build" / "html"
    site.mkdir(parents=True)
    (site / "letter.txt").write_text("keep me")
    with pytest.raises(UsageError, match="must be new, empty or a site"):
        make(book)
    assert (site / "letter.txt").read_text() == "keep me"


def test_a_site_needs_a_folder(book):
    with pytest.raises(UsageError, match="must be writable"):
        build(book, site=book / "_config.yml" / "html", parameters={})


def test_what_a_killed_build_left_is_removed(book):
    left = book / "_build" / ".staging-html-x"
    left.mkdir(parents=True)
    (left / "big").write_text("x")
    shutil.copy(FIXTURES / "raises.ipynb", book / "book" / "01_small.ipynb")
    with pytest.raises(ExecutionError):
        make(book)
    assert not left.exists()


def test_one_build_at_a_time(book):
    (book / "_build").mkdir()
    with FileLock(book / "_build" / ".html.lock"), pytest.raises(UsageError, match="one build"):
        make(book)
    assert [path.name for path in (book / "_build").iterdir()] == [".html.lock"]


def test_data_that_cannot_be_loaded_stops_a_build_before_it_starts(book, monkeypatch):
    monkeypatch.setenv("DNNBOOK_DATA", str(book))
    with pytest.raises(UsageError, match="cifar10"):
        make(book, dataset="cifar10")
    assert not (book / "_build").exists()


def test_hidden_files_are_not_part_of_a_book(book, tmp_path):
    (book / "book" / ".ipynb_checkpoints").mkdir()
    (tmp_path / "copy").mkdir()
    copy_sources(book, tmp_path / "copy")
    names = {path.name for path in (tmp_path / "copy").rglob("*")}
    assert {"_config.yml", "_toc.yml", "book", "01_small.ipynb", "references.bib"} <= names
    assert ".ipynb_checkpoints" not in names


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


@pytest.mark.parametrize("toc", ["format: [", "root: book/none"])
def test_a_broken_table_of_contents_is_refused(tmp_path, toc):
    (tmp_path / "_toc.yml").write_text(toc)
    with pytest.raises(ConfigurationError, match=r"`_toc.yml` must"):
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
        "dataset-digits-data-set",
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


def test_normalizing_twice_changes_nothing():
    notebook = json.loads((FIXTURES / "succeeds.ipynb").read_text())
    notebook["metadata"]["papermill"] = {"duration": 1.5}
    notebook["cells"][0]["metadata"]["tags"] = []
    once = normalize(notebook)
    assert normalize(once) == once
    assert "tags" not in once["cells"][0]["metadata"]
    assert "papermill" not in once["metadata"]
