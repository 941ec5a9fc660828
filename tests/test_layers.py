"""The house stands: who may import whom, and what costs nothing to import."""

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BATCH = sorted((ROOT / "helpers" / "batch").rglob("*.py"))
HELPERS = sorted(set((ROOT / "helpers").rglob("*.py")) - set(BATCH))
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
TOPICS = {chapter.stem.split("_", 1)[1] for chapter in CHAPTERS}
HEAVY = {"keras", "matplotlib", "nbformat", "numpy", "papermill", "scipy", "sphinx", "tensorflow"}


def imports(code):
    """Return the dotted names of all modules that the code imports, wherever it does."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that this test can read them"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own(code):
    """Return the modules of `helpers` that the code imports, by their first two names."""
    parts = [name.split(".") for name in imports(code)]
    found = {".".join(part[:2]) for part in parts if part[0] == "helpers" and len(part) > 1}
    return {name for name in found if is_module(name)}


def dotted(module):
    """Return the name by which a module is imported; of a package, that of its `__init__`."""
    parts = module.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name):
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_imports_are_found_wherever_they_stand():
    code = "import a.b\nfrom helpers import data\ndef f():\n    from helpers.batch.x import y\n"
    assert imports(code) >= {"a.b", "helpers.data", "helpers.batch.x"}
    assert own(code) == {"helpers.data", "helpers.batch"}


@pytest.mark.parametrize("module", HELPERS, ids=dotted)
def test_no_helper_imports_batch_and_no_topic_any_helper(module):
    found = own(module.read_text("utf-8"))
    assert "helpers.batch" not in found
    topic = dotted(module).split(".")[1:2]
    if TOPICS & set(topic):
        assert found <= {f"helpers.{topic[0]}"}  # itself: a package's modules import each other


def test_every_module_of_a_topic_is_looked_at():
    names = {dotted(module) for module in HELPERS}
    assert names >= {f"helpers.{topic}" for topic in TOPICS - {"measurement"}}
    assert names >= {"helpers", "helpers.models", "helpers.gradients.monitor"}
    assert not any(name.startswith("helpers.batch") for name in names)


def test_the_package_itself_imports_nothing():
    assert imports((ROOT / "helpers" / "__init__.py").read_text("utf-8")) == set()


@pytest.mark.parametrize("module", BATCH, ids=lambda path: path.stem)
def test_batch_imports_claims_and_nothing_else_of_the_helpers(module):
    assert own(module.read_text("utf-8")) <= {"helpers.batch", "helpers.claims"}


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_no_chapter_imports_batch(chapter):
    cells = json.loads(chapter.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell in code:
        assert "helpers.batch" not in own("".join(cell["source"]))


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_chapter_its_topic_and_its_tests_have_one_name(topic):
    if topic != "measurement":  # it teaches what claims and replicas do
        assert is_module(f"helpers.{topic}")
        assert (ROOT / "tests" / f"test_{topic}.py").is_file()


@pytest.mark.parametrize(
    "code",
    [
        "import helpers",
        "from click.testing import CliRunner; from helpers.batch.cli import main; "
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0",
        "from click.testing import CliRunner; from helpers.batch.cli import main; "
        "assert CliRunner().invoke(main, ['build', '--help']).exit_code == 0",
    ],
)
def test_what_costs_nothing_loads_nothing(code):
    code = f"import sys; {code}; print({HEAVY} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("arguments", [["-c", "import helpers"], ["-m", "helpers.batch.cli", "-h"]])
def test_what_costs_nothing_takes_under_half_a_second(arguments):
    def seconds():
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, cwd=ROOT, check=True)
        return time.perf_counter() - started

    # The best of five: other processes on the machine only ever add to it.
    assert min(seconds() for _ in range(5)) < 0.5, os.getloadavg()
