"""A notebook is read once, is one of Python, and holds nothing of earlier executions."""

import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.batch import book as chapters
from helpers.batch.ask.parameters import parameters_of, read_parameters
from helpers.batch.ask.run import make_runs
from helpers.batch.book import find_chapter, find_root, home_of
from helpers.batch.errors import NotebookError, UnknownChapterError
from helpers.batch.notebook import read
from tests.running import FIXTURES, tagged

CODE = "print(3^2)"


def write(path, *cells, **metadata):
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))
    return path


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({"kernelspec": {"name": "julia-1.11", "language": "julia"}}, "julia"),
        ({"kernelspec": {"name": "ir", "display_name": "R"}, "language_info": {"name": "R"}}, "R"),
        (
            {"kernelspec": {"name": "ir", "display_name": "R"}},
            'kernel ir, whose language is not .* must say so: "language": "python"',
        ),
        ({"kernelspec": {"name": "conda-env-happy-r"}}, "kernel conda-env-happy-r"),
        ({"language": "Julia"}, "Julia"),
        # SageMath's language is a Python in which 3^2 is 9.
        (
            {
                "kernelspec": {"name": "sagemath", "language": "sage"},
                "language_info": {"name": "python"},
            },
            "sage",
        ),
    ],
)
def test_another_language_is_refused_by_its_name(tmp_path, metadata, language):
    path = write(tmp_path / "n.ipynb", new_code_cell(CODE), **metadata)
    with pytest.raises(NotebookError, match=f"^n.ipynb must be a notebook of Python. .*{language}"):
        read(path)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"kernelspec": {"name": "python3"}},
        {"kernelspec": {"name": "my-environment", "language": "python"}},
        {"kernelspec": {"name": "dev"}, "language_info": {"name": "python"}},
        {"kernelspec": {"name": "conda-env-ml-py"}},
        {"kernelspec": {"name": "xpython"}},
        {"kernelspec": {"name": "Python3"}},
        {"kernelspec": {"name": "ml", "display_name": "Python (ml)"}},
    ],
)
def test_python_is_python_whatever_its_kernel_is_called(tmp_path, metadata):
    assert read(write(tmp_path / "n.ipynb", new_code_cell(CODE), **metadata)).code == [CODE]


def test_what_earlier_executions_left_is_not_read(tmp_path):
    old = tagged("seed = 1", "injected-parameters")
    cells = [tagged("seed = 0", "parameters"), old, new_code_cell("seed", execution_count=3)]
    notebook = read(write(tmp_path / "n.ipynb", *cells, old))
    assert notebook.code == ["seed = 0", "seed"]
    assert notebook.content["cells"][1]["execution_count"] is None


def test_a_mark_of_windows_editors_is_no_text(tmp_path):
    path = write(tmp_path / "n.ipynb", tagged("seed = 1", "parameters"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [parameter.name for parameter in read_parameters(path)] == ["seed"]


@pytest.mark.parametrize(
    "cell",
    [{}, {"id": "same"}, {"id": "no id"}, {"id": 7}, {"id": "cell-1"}, {"metadata": None}],
)
def test_what_the_format_wants_of_a_cell_is_there_without_a_word(tmp_path, cell):
    """nbformat would warn, or fail, without the notebook's name; warnings are errors here."""
    path = tmp_path / "n.ipynb"
    cell = {"cell_type": "code", "source": "1", "metadata": {}} | cell
    if cell["metadata"] is None:
        del cell["metadata"]
    path.write_text(json.dumps({"cells": [cell, cell]}))
    nbformat.validate(nbformat.reads(read(path).text, as_version=4))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"kernelspec": None, "language_info": None},
        {"kernelspec": {"name": None, "language": None}, "language_info": {"name": None}},
    ],
)
@pytest.mark.parametrize("null", ["metadata", "tags", "source"])
def test_null_is_as_good_as_absent(tmp_path, metadata, null):
    cell = {"cell_type": "code", "source": "1", "metadata": {"tags": None}}
    cell |= {null: None} if null in cell else {}
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": [cell], "metadata": metadata}))
    notebook = read(tmp_path / "n.ipynb")
    assert notebook.code == ["" if null == "source" else "1"]
    assert parameters_of(notebook) == []
    nbformat.validate(nbformat.reads(notebook.text, as_version=4))


@pytest.mark.parametrize(
    ("metadata", "cell", "message"),
    [
        ([], {}, r"metadata is \[\]"),
        ({"kernelspec": "python3"}, {}, 'metadata.kernelspec is "python3"'),
        ({"kernelspec": {"language": 3}}, {}, "metadata.kernelspec.language is 3"),
        ({"language_info": {"name": ["R"]}}, {}, r'metadata.language_info.name is \["R"\]'),
        ({}, {"source": [1, 2]}, r"cell 1: source is \[1, 2\]"),
        ({}, {"source": {"a": 1}}, "cell 1: source is"),
        ({}, {"metadata": 3}, "cell 1: metadata is 3"),
        ({}, {"metadata": {"tags": [None]}}, r"cell 1: metadata.tags is \[null\]"),
        ({}, {"cell_type": None}, "cell 1: no mapping with a cell_type"),
        ({"kernelspec": 1}, {"source": 2}, "metadata.kernelspec is 1; cell 1: source is 2$"),
    ],
)
def test_what_is_of_another_form_is_named(tmp_path, metadata, cell, message):
    cells = [{"cell_type": "code", "source": "1", "metadata": {}, **cell}]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": metadata}))
    with pytest.raises(NotebookError, match=f"^n.ipynb must be a notebook. Received: {message}"):
        read(tmp_path / "n.ipynb")


def test_a_text_alone_is_a_tag(tmp_path):
    cell = {"cell_type": "code", "source": "seed = 1", "metadata": {"tags": "parameters"}}
    path = write(tmp_path / "n.ipynb", cell)
    assert [parameter.name for parameter in read_parameters(path)] == ["seed"]
    cell["metadata"]["tags"] = "no-parameters-here"
    assert read_parameters(write(path, cell)) == []


def test_an_old_format_is_read(tmp_path):
    notebook = new_notebook(cells=[new_markdown_cell("# A"), new_code_cell("1 + 1")])
    path = tmp_path / "n.ipynb"
    path.write_text(nbformat.writes(notebook, version=3))
    assert "worksheets" in path.read_text()
    assert read(path).code == ["1 + 1"]


@pytest.mark.parametrize("place", ["the notebook", "a cell"])
def test_an_old_format_of_another_language_is_refused(tmp_path, place):
    path = tmp_path / "n.ipynb"
    old = json.loads(nbformat.writes(new_notebook(cells=[new_code_cell(CODE)]), version=3))
    part = old["metadata"] if place == "the notebook" else old["worksheets"][0]["cells"][0]
    part["language"] = "Julia"
    path.write_text(json.dumps(old))
    with pytest.raises(NotebookError, match=r"must be a notebook of Python\. Received: Julia"):
        read(path)


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("n.Rmd", "```{r}\n3^2\n```\n", "R"),
        ("n.md", "```julia\n3^2\n```\n", "julia"),
        ("n.R", "# %%\n3^2\n", "R"),
    ],
)
def test_so_is_a_text_of_another_language(tmp_path, name, text, language):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(NotebookError, match=f"must be a notebook of Python. Received: {language}$"):
        read(path)


@pytest.mark.parametrize("name", ["python3", "ir"])
def test_a_kernel_in_a_header_needs_no_name_for_people(tmp_path, name):
    path = tmp_path / "n.py"
    header = f"# ---\n# jupyter:\n#   kernelspec:\n#     name: {name}\n# ---\n"
    path.write_text(f"{header}\n# %%\nx = 1\n")
    if name == "python3":
        assert read(path).code == ["x = 1"]
        return
    with pytest.raises(NotebookError, match="kernel ir, whose language"):
        read(path)


def test_what_jupytext_refuses_is_told_in_one_line(tmp_path):
    path = tmp_path / "n.py"
    path.write_text("# ---\n# jupyter:\n#   kernelspec:\n#     display_name: x\n# ---\n\n# %%\n1\n")
    said = r"^n.py must be a notebook\. Received: 'name' .* in metadata\.kernelspec$"
    with pytest.raises(NotebookError, match=said):
        read(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "n.py",
            "# %% [markdown]\n# # Title\n\n# %% tags=['parameters']\nseed = 1\n\n# %%\nseed\n",
        ),
        (
            "n.md",
            "# Title\n\n```python tags=['parameters']\nseed = 1\n```\n\n```python\nseed\n```\n",
        ),
    ],
)
def test_scripts_and_markdown_are_read_through_jupytext(tmp_path, name, text, monkeypatch):
    path = tmp_path / name
    path.write_text(text)
    assert read(find_chapter(str(path), root=tmp_path)).code == ["seed = 1", "seed"]
    assert [parameter.default for parameter in read_parameters(path)] == [1]
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(NotebookError, match="jupytext, which is not installed here: pip install"):
        read(path)


def test_a_run_carries_the_text_that_its_identity_was_taken_from(tmp_path):
    path = tmp_path / "n.ipynb"
    shutil.copy(FIXTURES / "succeeds.ipynb", path)
    notebook = read(path)
    (before,) = make_runs([(notebook, {})])
    shutil.copy(FIXTURES / "raises.ipynb", path)
    (after,) = make_runs([(notebook, {})])
    assert after.id == before.id
    assert after.notebook.code == before.notebook.code == read(FIXTURES / "succeeds.ipynb").code
    assert make_runs([(read(path), {})])[0].id != before.id


@pytest.mark.parametrize(
    ("here", "file", "home"),
    [
        ("book", "book/n.ipynb", "book"),
        ("book/deep", "elsewhere/n.ipynb", "book"),  # whoever works in a book has its folder
        ("elsewhere", "book/deep/n.ipynb", "book"),
        ("elsewhere", "elsewhere/n.ipynb", "elsewhere"),
        ("elsewhere", "book-2/n.ipynb", "elsewhere"),
    ],
)
def test_a_book_takes_no_results_of_others(tmp_path, monkeypatch, here, file, home):
    """As the checkout is no book of theirs, but is found where there is no other."""
    for folder in ("book/deep", "book-2", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / here)
    place = Path(os.path.relpath(tmp_path / file))
    assert home_of(place, root=tmp_path / "book") == tmp_path / home


def test_without_a_book_and_a_checkout_results_lie_where_one_works(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "CHECKOUT", tmp_path / "site-packages")
    assert find_root(tmp_path) == tmp_path
    with pytest.raises(UnknownChapterError, match="There is none"):
        find_chapter("gradients", root=tmp_path)
    path = write(tmp_path / "n.ipynb", new_code_cell(CODE))
    assert find_chapter(str(path), root=tmp_path) == path
