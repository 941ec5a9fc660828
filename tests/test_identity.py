"""A run's identity changes with all that its result depends on, and with nothing else."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.batch.ask.environment import variables_read
from helpers.batch.ask.identity import (
    PACKAGE,
    data_digests,
    digest,
    installed,
    notebook_identity,
    rests_on,
    run_id,
    with_parameters,
)
from helpers.batch.ask.imported import imported_files, imported_packages
from helpers.batch.ask.parameters import read_parameters
from helpers.batch.ask.run import make_run, make_runs, seen_helpers, seen_imports
from helpers.batch.ask.validation import validate
from helpers.batch.book import chapters
from helpers.batch.notebook import Notebook, read, read_notebook, source
from tests.running import FIXTURES

ROOT = Path(__file__).parents[1]
CHAPTERS = chapters(ROOT)
MODULES = {
    "__init__.py": "",
    "direct.py": "import numpy\nfrom helpers import indirect\n",
    "indirect.py": "def f():\n    from helpers.nested.deep import g\n    return g\n",
    "nested/__init__.py": "",
    "nested/deep.py": "def g(): pass\n",
    "nested/other.py": "",
    "lazy.py": "",
    "unrelated.py": "",
    "book.mplstyle": "lines.linewidth: 2\n",
    "batch/__init__.py": "",
    "batch/cli.py": "",
    "batch/page.html": "",
}
CELLS = [
    ("markdown", "# Title"),
    ("code", "rate = 0.1"),
    ("code", "%matplotlib inline\nimport helpers.direct as d\n!ls"),
    ("code", "def f():\n    from helpers import lazy\n    return lazy"),
]
PARAMETERS = {"rate": 0.1, "dataset": "digits"}


@pytest.fixture
def package(tmp_path):
    """Return a small package `helpers`, with a lock file beside it."""
    return make_package(tmp_path / "one")


def make_package(root):
    for name, text in MODULES.items():
        path = root / "helpers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "requirements.lock").write_text("# made by uv\nnumpy==2.0\n    # via keras\n")
    return root / "helpers"


def notebook(cells=CELLS):
    return {
        "cells": [
            {"cell_type": kind, "source": text, "metadata": {}, "outputs": []}
            for kind, text in cells
        ]
    }


def run_identity(content, parameters, *, package=PACKAGE):
    """Return the identity of a notebook's run, as `make_runs` takes it, with another package."""
    notebook = Notebook(Path("/no such folder/n.ipynb"), content)
    shared = notebook_identity(notebook, rests_on(notebook, package=package))
    return with_parameters(shared, parameters, data_digests(parameters))


def identity(package, content=None, **parameters):
    return run_identity(content or notebook(), PARAMETERS | parameters, package=package)


def changed(package, tmp_path, name, text):
    """Say whether the identity is another in a copy in which a file has been changed."""
    copy = tmp_path / "copy" / "helpers"
    shutil.copytree(package.parent, copy.parent)
    assert identity(copy) == identity(package)  # it does not depend on the place
    shutil.rmtree(copy.parent)
    shutil.copytree(package.parent, copy.parent.with_name("changed"))
    path = copy.parent.with_name("changed") / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return identity(copy.parent.with_name("changed") / "helpers") != identity(package)


@pytest.mark.parametrize(
    "name",
    [
        "helpers/__init__.py",
        "helpers/direct.py",
        "helpers/indirect.py",
        "helpers/nested/__init__.py",
        "helpers/nested/deep.py",
        "helpers/lazy.py",
        "helpers/book.mplstyle",
    ],
)
def test_a_file_on_which_a_run_depends_changes_it(package, tmp_path, name):
    assert changed(package, tmp_path, name, "x = 1\n")


@pytest.mark.parametrize(
    "name",
    [
        "helpers/unrelated.py",
        "helpers/nested/other.py",
        "helpers/batch/cli.py",
        "helpers/batch/page.html",
        "helpers/nested/__pycache__/deep.cpython-311.pyc.1234",
        "README.md",
        "requirements.lock",  # what is installed counts, not what should be
    ],
)
def test_another_file_does_not(package, tmp_path, name):
    (package / "nested" / "__pycache__").mkdir()
    assert not changed(package, tmp_path, name, "x = 1\n")


@pytest.mark.parametrize("kind", ["dist-info", "egg-info"])
def test_an_installed_version_counts_whether_a_lock_lists_it_or_not(
    package, tmp_path, monkeypatch, kind
):
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(site)
    found = {identity(package)}
    for version in ("1.0", "1.1"):
        shutil.rmtree(site, ignore_errors=True)
        (site / f"unlisted-{version}.{kind}").mkdir(parents=True)
        assert installed()[f"unlisted-{version}"] == str(site / f"unlisted-{version}.{kind}")
        found.add(identity(package))
    assert len(found) == 3
    first = identity(package)
    (site / "without_version.egg-info").touch()
    site.rename(tmp_path / "moved")
    monkeypatch.syspath_prepend(tmp_path / "moved")
    assert identity(package) == first  # wherever it lies


BESIDE = {
    "direct.py": "import indirect\n",
    "indirect.py": "from pkg import part\n",
    "pkg/__init__.py": "from . import inner\n",
    "pkg/inner.py": "",
    "pkg/part.py": "from .deep.er import x\n",
    "pkg/deep/er.py": "",
    "script.py": "",
    "unrelated.py": "",
    "pkg/unrelated.py": "",
    "data.txt": "",
}


@pytest.mark.parametrize("name", BESIDE)
def test_modules_beside_the_notebook_count_as_far_as_it_imports_them(name, tmp_path):
    for file, text in BESIDE.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    cells = [("code", "import direct, numpy"), ("code", "%run script\n!ls")]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(notebook(cells) | {"metadata": {}}))
    before = make_run(path, {}).identity
    assert make_run(path, {}).identity == before
    (tmp_path / name).write_text("x = 1\n")
    counts = "unrelated" not in name and name != "data.txt"
    assert (make_run(path, {}).identity != before) == counts


@pytest.mark.parametrize(
    ("file", "cell"),
    [
        ("mod.py", "%time import mod"),
        ("mod.py", "%load_ext autoreload\n%aimport mod"),
        ("mod.py", "%load_ext mod"),
        ("mod.py", "%run -m mod"),
        ("mod.py", "%%memit\nimport mod"),
        ("mod.py", "__import__('mod')"),
        ("mod.py", "import importlib\nif True:\n    m = importlib.import_module('mod')"),
        ("mod.py", "exec(open('mod.py').read())"),
        ("mod.py", "!{sys.executable} mod.py --fast"),
        ("mod.py", "%%bash\npython ./mod.py"),
        ("mod.py", "!python -m mod"),
        ("mod.py", "!{sys.executable} -um mod --fast"),
        ("pkg/mod.py", "subprocess.run([sys.executable, '-m', 'pkg.mod'])"),
        ("pkg/__main__.py", "!python -m pkg"),
        ("mod.py", "import runpy\nrunpy.run_module('mod')"),
        ("mod.py", "for i in range(1):\n    !echo hi\nimport mod"),
        ("my mod.py", "%run 'my mod.py'"),
        ("sub/mod.py", "%run -i sub/mod"),
        ("pkg/mod.py", "for i in range(1):\n    !echo hi\nfrom pkg import mod"),
        ("pkg/mod.py", "x = = 1"),
        ("matplotlibrc", "x = 1"),
    ],
)
def test_a_file_counts_however_it_is_imported_or_named(file, cell, tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("x = 1\n")
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(notebook([("code", cell)]) | {"metadata": {}}))
    assert file in make_run(path, {}).beside


@pytest.mark.parametrize("cell", ["%%writefile mod.py\nx = 1", "open('" + "x" * 9_000 + ".py')"])
def test_what_a_notebook_writes_and_what_is_no_file_does_not_count(cell, tmp_path):
    (tmp_path / "mod.py").touch()
    path = tmp_path / "n.ipynb"
    content = notebook([("code", cell), ("code", "import mod" if "%%" in cell else "1")])
    path.write_text(json.dumps(content | {"metadata": {}}))
    assert make_run(path, {}).beside == {}


def test_a_script_in_another_folder_reads_what_lies_beside_it(tmp_path):
    for file, text in {"src/main.py": "import util\n", "src/util.py": "", "util.py": ""}.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    path = tmp_path / "n.ipynb"
    content = notebook([("code", "!python src/main.py")])
    path.write_text(json.dumps(content | {"metadata": {}}))
    assert "src/util.py" in make_run(path, {}).beside


def test_modules_that_were_seen_in_a_kernel_are_held_as_far_as_nothing_else_holds_them(tmp_path):
    for name in ("known.py", "unseen.py", "late.py", "written.py", "site-packages/there.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    path = tmp_path / "n.ipynb"
    cells = [("code", "import known"), ("code", "%%writefile written.py\n")]
    path.write_text(json.dumps(notebook(cells) | {"metadata": {}}))
    files = [
        *tmp_path.rglob("*.py"),
        Path(json.__file__),
        PACKAGE / "quiet.py",
        tmp_path / "gone.py",
    ]
    for file, when in ((tmp_path / "unseen.py", 1), (tmp_path / "late.py", 3)):
        os.utime(file, (when, when))
    seen = seen_imports(make_run(path, {}), map(str, files), since=2)
    assert seen == {"unseen.py": digest(tmp_path / "unseen.py"), "late.py": ""}


def test_a_module_in_an_archive_is_held_by_the_archive(tmp_path):
    path, archive = tmp_path / "n.ipynb", tmp_path / "lib" / "modules.zip"
    path.write_text(json.dumps(notebook([("code", "1")]) | {"metadata": {}}))
    archive.parent.mkdir()
    archive.touch()
    files = [str(archive / name) for name in ("one.py", "two/__init__.py")]
    seen = seen_imports(make_run(path, {}), files, since=float("inf"))
    assert seen == {"lib/modules.zip": digest(archive)}


def test_modules_of_helpers_that_were_seen_are_held_as_far_as_the_code_does_not_name_them(tmp_path):
    path = tmp_path / "n.ipynb"
    content = notebook([("code", "import helpers.checks\nhelpers.diagnose(m, x, y)")])
    path.write_text(json.dumps(content | {"metadata": {}}))
    names = ["__init__.py", "checks.py", "batch/cli.py", "diagnosis/guard.py", "gone.py"]
    files = [str(PACKAGE / name) for name in names] + [json.__file__, str(path)]
    run = make_run(path, {})
    text = digest(PACKAGE / "diagnosis" / "guard.py")
    assert seen_helpers(run, files, since=float("inf")) == {"diagnosis/guard.py": text}
    assert seen_helpers(run, files, since=0) == {"diagnosis/guard.py": ""}


def test_the_place_of_a_notebook_counts(tmp_path):
    runs = set()
    for folder in ("north", "south"):
        (tmp_path / folder).mkdir()
        shutil.copy(FIXTURES / "succeeds.ipynb", tmp_path / folder / "train.ipynb")
        runs.add(make_run(tmp_path / folder / "train.ipynb", {}).id)
    (tmp_path / "east").mkdir()
    (tmp_path / "east" / "train.ipynb").symlink_to(tmp_path / "south" / "train.ipynb")
    runs.add(make_run(tmp_path / "east" / "train.ipynb", {}).id)
    assert len(runs) == 3


def test_named_files_count(tmp_path):
    file, content = tmp_path / "data.txt", read(FIXTURES / "succeeds.ipynb")
    found = set()
    for text in ("1", "2"):
        file.write_text(text)
        (run,) = make_runs([(content, {})], files=[file])
        assert list(run.beside) == [Path(os.path.relpath(file, FIXTURES)).as_posix()]
        found.add(run.id)
    assert len(found | {make_run(FIXTURES / "succeeds.ipynb", {}).id}) == 3


def test_how_a_cell_is_shown_does_not_count(package):
    shown, run = notebook(), notebook()
    shown["cells"][1]["metadata"]["tags"] = ["hide-input", "remove-output"]
    run["cells"][1]["metadata"]["tags"] = ["skip-execution"]
    assert identity(package, shown) == identity(package) != identity(package, run)


def test_code_its_order_and_its_tags_change_a_run(package):
    first = identity(package)
    code = notebook([*CELLS[:1], ("code", "rate = 0.2"), *CELLS[2:]])
    order = notebook([*CELLS[:2], CELLS[3], CELLS[2]])
    tags = notebook()
    tags["cells"][1]["metadata"]["tags"] = ["raises-exception"]
    others = {identity(package, content) for content in (code, order, tags)}
    assert len(others | {first}) == 4


def test_prose_outputs_and_captions_do_not(package):
    other = notebook([("markdown", "# Another"), *CELLS[1:], ("markdown", "the end")])
    other["metadata"] = {"kernelspec": {"name": "other"}}
    for cell in other["cells"]:
        cell.update(execution_count=5, outputs=[{"output_type": "stream"}], id="x")
        cell["metadata"]["mystnb"] = {"figure": {"caption": "Another."}}
        cell["source"] = cell["source"].splitlines(keepends=True)  # as files have it
    assert identity(package, other) == identity(package)


@pytest.mark.parametrize("value", [0.2, 1, "0.1", None, [0.1], True])
def test_a_parameter_changes_a_run(package, value):
    assert identity(package, rate=value) != identity(package)


def test_the_order_of_parameters_does_not(package):
    swapped = dict(reversed(PARAMETERS.items()))
    assert run_identity(notebook(), swapped, package=package) == identity(package)


def test_a_data_file_changes_the_runs_that_read_it(package, tmp_path, monkeypatch):
    without = identity(package, dataset="cifar10")
    monkeypatch.setenv("DNNBOOK_DATA", str(tmp_path))
    assert identity(package, dataset="cifar10") == without  # there is no such file yet
    digits, found = identity(package), set()
    for content in (b"one", b"another"):
        (tmp_path / "cifar10.npz").write_bytes(content)
        found |= {identity(package, dataset="cifar10"), identity(package, datasets=["cifar10"])}
    assert len(found | {without}) == 5
    assert identity(package) == digits


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["import os\nprint(os.environ['A'], os.getenv('B'), os.environ.get('C', 1))"], "ABC"),
        (["from os import environ as e, environ, getenv\n'A' in environ or getenv('B')"], "AB"),
        (["os.environ.pop('A')", "os.environ.setdefault('B', 'x')"], "AB"),
        (["def f():\n    return f'{os.environ[\"A\"]}'", "os.environ['A'] = 'x'"], "A"),
        (["os.environ['A'] = 'x'\nprint(os.environ['A'])", "os.getenv('A')"], ""),
        (["%env A=x\n%set_env B x", "os.getenv('A'), os.getenv('B'), os.getenv('C')"], "C"),
        (["os.getenv('A')\n%env A=x"], "A"),
        (["%env A\n%env\nB = 1", "os.getenv('A'), os.getenv('B')"], "AB"),
        (["if late:\n    os.environ['A'] = 'x'", "os.getenv('A')"], "A"),
        (["os.environ['A'] = os.environ['A'] + 'x'", "os.environ['B'] += 'x'"], "AB"),
        (["d['A'], d.get('B'), 'C' in d, os.environ[D], os.environ.copy()"], ""),
        (["%%time\nos.getenv('A')", "x = = os.getenv('B')", "%%bash\nos.getenv('C')"], "A"),
    ],
)
def test_variables_that_cells_read_before_they_set_them(cells, expected):
    assert variables_read(cells) == set(expected)


def test_a_variable_that_a_cell_reads_changes_its_runs(package, monkeypatch):
    reads = notebook([*CELLS, ("code", "size = int(os.environ.get('SIZE', 0))")])
    without, found = identity(package), set()
    for value in (None, "", "1", "2"):
        monkeypatch.delenv("SIZE", raising=False)
        if value is not None:
            monkeypatch.setenv("SIZE", value)
        found.add(identity(package, reads))
        assert identity(package) == without
    assert len(found) == 4
    own = notebook([("code", "os.environ['SIZE'] = '0'"), *CELLS, ("code", "os.environ['SIZE']")])
    first = identity(package, own)
    skipped = notebook([("code", "os.environ['SIZE'] = '0'"), ("code", "os.environ['SIZE']")])
    skipped["cells"][0]["metadata"]["tags"] = ["skip-execution"]
    before = identity(package, skipped)
    monkeypatch.setenv("SIZE", "3")
    assert identity(package, own) == first
    assert identity(package, skipped) != before


def test_the_value_of_a_variable_is_no_part_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("A_TOKEN", "very secret")
    path = tmp_path / "n.ipynb"
    content = notebook([("code", "import os\ntoken = os.environ['A_TOKEN']")])
    path.write_text(json.dumps(content | {"metadata": {}}))
    run = make_run(path, {})
    assert b"very secret" not in pickle.dumps(run)
    assert "very secret" not in repr(run) + json.dumps(run.planned())
    monkeypatch.setenv("A_TOKEN", "another")
    assert make_run(path, {}).identity != run.identity


def test_equal_values_are_one_run():
    path = FIXTURES / "succeeds.ipynb"
    declared = read_parameters(path)
    runs = {make_run(path, validate({"learning_rate": rate}, declared)).id for rate in (1, 1.0)}
    assert len(runs) == 1
    default = make_run(path, {})
    assert make_run(path, {"learning_rate": 0.1}).identity == default.identity
    assert make_run(path, {"seed": 1}).identity != default.identity


# Imports


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os.path as p, sys", ["os", "sys"]),
        ("def f():\n    from keras.layers import Dense", ["keras"]),
        ("from . import near\nfrom .far import away", []),
        ("%matplotlib inline\n!pip list\nimport numpy", ["numpy"]),
        ("%%time\nimport numpy", ["numpy"]),
        ("%%bash\nimport x", []),
        ("import = x", []),
    ],
)
def test_packages_that_code_imports(code, expected):
    assert imported_packages([code]) == expected


def names(*cells, package):
    found = imported_files(cells, package)
    return {file.relative_to(package).as_posix() for file in found if file.suffix == ".py"}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("import numpy", set()),
        ("import helpersome, x.helpers", set()),
        ("import helpers", {"__init__.py"}),
        ("import helpers.unrelated", {"__init__.py", "unrelated.py"}),
        ("from helpers import unrelated as u, missing", {"__init__.py", "unrelated.py"}),
        ("from helpers.unrelated import x", {"__init__.py", "unrelated.py"}),
        (
            "from helpers.nested.deep import g",
            {"__init__.py", "nested/__init__.py", "nested/deep.py"},
        ),
        ("%run x\n  !ls\nimport helpers", {"__init__.py"}),
        ("files = !ls\nos.getcwd?\nimport helpers", {"__init__.py"}),
        ("%%bash\nls | head; x = = 1", set()),
        ("if True:\n    try:\n        import helpers\n    finally:\n        pass", {"__init__.py"}),
    ],
)
def test_imports_are_found(package, cell, expected):
    assert names(cell, package=package) == expected


def test_a_cell_that_cannot_be_read_imports_everything(package):
    everything = {name for name in MODULES if name.endswith(".py")}
    assert names("x = = 1", package=package) == everything


@pytest.mark.parametrize("topic", ["gradients", "initialization", "activations"])
def test_a_topic_changes_exactly_the_chapters_that_import_it(topic, tmp_path):
    """The oracle looks for the words; of this package only `diagnosis` imports a topic."""
    copy = tmp_path / "helpers"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    shutil.copytree(ROOT / "results", tmp_path / "results")
    before = {path: run_identity(read_notebook(path), {}, package=copy) for path in CHAPTERS}
    assert before == {path: run_identity(read_notebook(path), {}) for path in CHAPTERS}
    module = next(
        path for path in (copy / topic / "__init__.py", copy / f"{topic}.py") if path.exists()
    )
    module.write_text(module.read_text() + "\n# changed\n")
    after = {path: run_identity(read_notebook(path), {}, package=copy) for path in CHAPTERS}
    diagnosis = "".join(file.read_text() for file in (PACKAGE / "diagnosis").glob("*.py"))
    names = rf"({topic}|diagnosis)" if f"helpers.{topic}" in diagnosis else topic
    pattern = rf"^\s*(from helpers import .*\b{names}\b|(from|import) helpers\.{names}\b)"
    importing = {
        path
        for path in CHAPTERS
        for cell in read_notebook(path)["cells"]
        if cell["cell_type"] == "code" and re.search(pattern, source(cell), re.MULTILINE)
    }
    assert {path for path in CHAPTERS if before[path] != after[path]} == importing
    assert importing


def test_every_chapter_depends_on_the_style_and_none_on_what_runs_it():
    for chapter in CHAPTERS:
        cells = [source(c) for c in read_notebook(chapter)["cells"] if c["cell_type"] == "code"]
        files = imported_files(cells, PACKAGE)
        assert any(file.suffix == ".mplstyle" for file in files)
        assert not any(file.is_relative_to(PACKAGE / "batch") for file in files)


# Names of folders

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "name", ["../../x", "a\0b", "x" * 5000, "CON", "", "..", "<b>", "é", "-rf"]
)
def test_a_name_is_harmless(name):
    assert_harmless(run_id(name, HEX))


@given(st.text(max_size=200))
def test_every_name_is_harmless(name):
    assert_harmless(run_id(name, HEX))


def assert_harmless(name):
    assert re.fullmatch(r"[A-Za-z0-9_]{1,40}-[0-9a-f]{12}", name)
    assert not PureWindowsPath(name).is_reserved()


@given(st.text(max_size=200))
def test_values_are_no_part_of_a_name(value):
    identity = run_identity(notebook(CELLS[:2]), {"text": value})
    assert run_id("chapter", identity) == f"chapter-{identity[:12]}"
    assert json.dumps(identity).isascii()


def test_what_confirmed_the_claims_of_a_notebook_is_part_of_it(package):
    results = package.parent / "results"
    results.mkdir()
    notebook = {"cells": [{"cell_type": "code", "source": 'compare("small-a", x)'}]}
    alone = run_identity(notebook, {}, package=package)
    (results / "other.json").write_text("{}")
    assert run_identity(notebook, {}, package=package) == alone
    (results / "small.json").write_text("{}")
    confirmed = run_identity(notebook, {}, package=package)
    (results / "small.json").write_text('{"data": {}}')
    assert len({alone, confirmed, run_identity(notebook, {}, package=package)}) == 3
