"""The house stands: who may import whom, and what costs nothing to import."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BATCH = sorted((ROOT / "helpers" / "batch").rglob("*.py"))
HELPERS = sorted(set((ROOT / "helpers").rglob("*.py")) - set(BATCH))
CHAPTERS = sorted((ROOT / "book").glob("*.ipynb"))
GATHERING = {"measurement", "capstone", "guidelines"}  # of what services and other topics teach
TOPICS = {re.sub(r"^\d+_", "", chapter.stem) for chapter in CHAPTERS} - GATHERING
ABOVE = ROOT / "helpers" / "diagnosis"  # may import topics; only its readers import it
FOR_TOPICS = {
    "helpers.checks",
    "helpers.numerics",
    "helpers.replicas",
}  # the services that a topic may import
ENGINE = ROOT / "helpers" / "replicas"
PARTS = {module.stem for module in ENGINE.glob("*.py")} - {"__init__"}
OUTSIDE = [
    *(module for module in HELPERS if module.parent != ENGINE),
    *sorted((ROOT / "benchmarks").glob("*.py")),
    *sorted((ROOT / "examples").rglob("*.ipynb")),
    *CHAPTERS,
]


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


def side_doors(code):
    """Return the engine's modules that the code reaches, by an import or as attributes."""
    engine = [*ENGINE.relative_to(ROOT).parts]
    parts = [name.split(".") for name in imports(code)]
    found = {part[2] for part in parts if part[:2] == engine and len(part) > 2}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("replicas"):
            found.add(node.attr)
    return found & PARTS


def code_of(path):
    """Return the Python code of a module or of a notebook's cells."""
    if path.suffix == ".py":
        return path.read_text("utf-8")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


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
def test_no_helper_imports_batch_and_no_topic_another(module):
    found = own(module.read_text("utf-8"))
    assert "helpers.batch" not in found
    if module.parent == ABOVE or dotted(module) == "helpers":
        return
    assert "helpers.diagnosis" not in found
    topic = dotted(module).split(".")[1:2]
    others = {f"helpers.{name}" for name in TOPICS - set(topic)}
    assert not found & others
    if TOPICS & set(topic):  # itself: a package's modules import each other
        assert found <= {f"helpers.{topic[0]}"} | FOR_TOPICS


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.stem)
def test_nothing_enters_the_engine_by_a_side_door(path):
    assert side_doors(code_of(path)) == set()


def test_side_doors_are_found_wherever_they_stand():
    front = "from helpers.replicas import fit_replicas\nfrom helpers import replicas\n"
    assert side_doors(front + "replicas.fit_replicas\nreplicas = 8\n") == set()
    for code, found in (
        ("def f():\n    from helpers.replicas.training import train", "training"),
        ("import helpers.replicas.fitting as f", "fitting"),
        ("from helpers.replicas import program", "program"),
        ("from helpers import replicas\nreplicas.stepping.Stepper", "stepping"),
    ):
        assert side_doors(code) == {found}


def test_the_map_of_the_engine_names_its_modules():
    text = ast.get_docstring(ast.parse((ENGINE / "__init__.py").read_text("utf-8")))
    _, _, modules = text.partition("`fitting`")
    assert set(re.findall(r"`(\w+)`", modules)) | {"fitting"} == PARTS


def test_every_module_of_a_topic_is_looked_at():
    names = {dotted(module) for module in HELPERS}
    assert names >= {f"helpers.{topic}" for topic in TOPICS}
    assert names >= {"helpers", "helpers.diagnosis", "helpers.models", "helpers.gradients.monitor"}
    assert not any(name.startswith("helpers.batch") for name in names)


def test_the_package_itself_imports_nothing_but_what_it_is_asked_for():
    tree = ast.parse((ROOT / "helpers" / "__init__.py").read_text("utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in found] == ["from importlib import import_module"]


@pytest.mark.parametrize("module", BATCH, ids=lambda path: path.stem)
def test_batch_imports_claims_and_nothing_else_of_the_helpers(module):
    assert own(module.read_text("utf-8")) <= {"helpers.batch", "helpers.claims"}


# Each room, and each module beside them, imports from those before it alone.
ROOMS = [
    *("errors", "notebook", "book", "ask", "execute", "results"),
    *("drive", "report", "site", "commit", "cli"),
]


def rooms_entered(code):
    """Return the rooms of the runner that the code imports from."""
    parts = [name.split(".") for name in imports(code)]
    return {part[2] for part in parts if part[:2] == ["helpers", "batch"] and len(part) > 2}


@pytest.mark.parametrize("module", BATCH, ids=dotted)
def test_arrows_between_the_rooms_run_one_way(module):
    own_room = (*dotted(module).split("."), "")[2]
    entered = rooms_entered(module.read_text("utf-8")) - {own_room}
    assert entered <= set(ROOMS[: ROOMS.index(own_room)] if own_room else [])


def test_the_map_of_the_runner_names_its_rooms_in_their_order():
    package = ROOT / "helpers" / "batch"
    there = {path.stem for path in package.iterdir() if not path.name.startswith("__")}
    assert there == set(ROOMS)
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8")))
    heads = "".join(line.partition(":")[0] for line in text.splitlines())
    assert re.findall(r"`(\w+)`", heads) == ROOMS


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_no_chapter_imports_batch(chapter):
    assert "helpers.batch" not in own(code_of(chapter))


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_chapter_its_topic_and_its_tests_have_one_name(topic):
    assert is_module(f"helpers.{topic}")
    assert (ROOT / "tests" / f"test_{topic}.py").is_file()


FREE = {
    "import helpers": "import helpers",
    "dnnbook --help": "import sys; sys.argv = ['dnnbook', '--help']; "
    "from helpers.batch.cli import main; main(standalone_mode=False)",
    "dnnbook build --help": "import sys; sys.argv = ['dnnbook', 'build', '--help']; "
    "from helpers.batch.cli import main; main(standalone_mode=False)",
}
LOADED = """\
import sys
before = set(sys.modules)
{code}
print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""


@pytest.mark.parametrize("code", FREE.values(), ids=FREE)
def test_what_costs_nothing_loads_nothing(code):
    """What is loaded says it on every machine; how long that takes depends on what else runs."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    modules = done.stderr.split()
    assert "helpers" in modules
    foreign = {module.split(".")[0] for module in modules} - sys.stdlib_module_names
    assert foreign <= {"click", "helpers"}
    assert len(modules) < 100  # click and the parts of the standard library it needs: some 50
