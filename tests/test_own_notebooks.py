"""Notebooks of anybody's, in a batch: no number of another notebook, day or file."""

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook

from helpers.batch.ask.run import make_run
from helpers.batch.cli import main
from helpers.batch.drive.progress import KNOWN
from helpers.batch.execute.execution import execute
from helpers.batch.notebook import read
from tests.running import code_cells, printed, tagged

RECORD = """\
record = {"schema": 1, "kind": "figure", "name": "seen", "value": seen, "low": None, "high": None,
          "replicas": 0, "unit": "", "tolerance": 0.0}
display({"application/vnd.dnnbook.record+json": record, "text/plain": "seen"}, raw=True)
"""


class Project:
    """A folder of notebooks and a grid, and what batches of it tell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, **texts: str) -> None:
        """Write files by their names, in which two underscores stand for a slash or a dot."""
        for name, text in texts.items():
            path = self.folder / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def notebook(self, name: str, *cells) -> Path:
        """Write a notebook whose cells make `seen`, which it records."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [
            new_code_cell(cell) if isinstance(cell, str) else cell for cell in (*cells, RECORD)
        ]
        path.write_text(json.dumps(new_notebook(cells=cells)))
        return path

    def batch(self, *options: str) -> tuple[str, dict[str, list]]:
        """Run the grid; return what it says, and the values seen by the notebooks' places."""
        grid, output = str(self.folder / "grid.yml"), str(self.folder / "out")
        command = ["batch", grid, "-o", output, "--kernel", "spawn", *options]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        table = CliRunner().invoke(main, ["report", output, "--json"])
        seen: dict[str, list] = {}
        for run in json.loads(table.stdout)["runs"]:
            place = str(Path(run["notebook"]).relative_to(self.folder.resolve()))
            seen.setdefault(place, []).extend(record["value"] for record in run["records"])
        return done.stderr, seen


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.mark.slow
def test_two_notebooks_of_one_name_give_two_numbers(project):
    for place, number in (("north", "1"), ("south", "2")):
        project.notebook(f"{place}/train.ipynb", "seen = int(open('data.txt').read())")
        (project.folder / place / "data.txt").write_text(number)
    project.write(grid_dot_yml="chapters: [north/train.ipynb, south/train.ipynb]")
    assert project.batch()[1] == {"north/train.ipynb": [1], "south/train.ipynb": [2]}


@pytest.mark.slow
def test_what_a_result_rests_on_is_looked_at_again(project):
    """A module beside the notebook, a named file, and by force what nobody has named."""
    cells = ["import part\nseen = [part.number]", "seen += map(int, open('a.txt').read().split())"]
    project.notebook("n.ipynb", *cells, "seen += [int(open('b.txt').read())]", "seen = str(seen)")
    project.notebook("other.ipynb", "seen = 0")
    grid = "chapters: [n.ipynb, other.ipynb]\nfiles: ['a*.txt']"
    project.write(grid_dot_yml=grid, part_dot_py="number = 1", a_dot_txt="1", b_dot_txt="1")

    def seen(*options):
        said, found = project.batch(*options)
        ran = [line for line in said.splitlines() if line.startswith("[")]
        return found["n.ipynb"], len(ran), KNOWN in said

    assert seen() == (["[1, 1, 1]"], 2, False)
    assert seen() == (["[1, 1, 1]"], 0, True)
    project.write(part_dot_py="number = 2")
    assert seen() == (["[2, 1, 1]"], 1, True)
    project.write(a_dot_txt="2")
    assert seen() == (["[2, 2, 1]"], 2, False)
    project.write(b_dot_txt="2")
    assert seen() == (["[2, 2, 1]"], 0, True)  # which `KNOWN` says
    assert seen("--again", "n") == (["[2, 2, 2]"], 1, True)
    done = CliRunner().invoke(main, ["batch", str(project.folder / "grid.yml"), "--again", "othr"])
    assert (done.exit_code, "Did you mean other?" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_notebook_that_is_saved_while_it_runs_is_run_again(project):
    """The kept notebook is the one that ran."""
    path = project.notebook("n.ipynb", "seen = 1")
    changes = f"import pathlib\nfile = pathlib.Path({str(path)!r})\n"
    changes += "text = file.read_text()\n_ = file.write_text(text.replace('seen = 1', 'seen = 2'))"
    project.notebook("n.ipynb", "seen = 1", changes)
    project.write(grid_dot_yml="chapters: [n.ipynb]")
    assert project.batch()[1] == {"n.ipynb": [1]}
    assert project.batch()[1] == {"n.ipynb": [2]}


@pytest.mark.slow
def test_the_values_of_an_earlier_execution_are_gone(project):
    declared = tagged("number = 1\nother = 1", "parameters")
    old = tagged("number = 2\nother = 2", "injected-parameters")
    project.notebook("n.ipynb", declared, old, "seen = 10 * number + other")
    project.write(grid_dot_yml="chapters: [n.ipynb]\nparameters: {number: [1, 3]}")
    assert project.batch()[1] == {"n.ipynb": [11, 31]}
    done = CliRunner().invoke(main, ["run", str(project.folder / "n.ipynb"), "--json"])
    assert json.loads(done.stdout)["records"][0]["value"] == 11


# What papermill's own examples have: magics, displays that change, streams, tags, languages within.
TRAITS = [
    tagged("%matplotlib inline\nimport os\nwords: list[str] = ['a']  # what is said", "parameters"),
    "%%bash\necho from bash",
    "%%capture out\nprint('hidden')",
    "listed = !echo shell\nprint(out.stdout, listed, words)",
    "shown = display('before', display_id='one')",
    "from IPython.display import clear_output, update_display",
    "update_display('b', display_id='one')",
    "print('gone')\nclear_output(wait=True)\nprint('kept')",
    "import sys, warnings\nprint('out', file=sys.stderr)\nprint('p\\rq')\nwarnings.warn('w')",
    "print(__name__, type(get_ipython()).__name__, sys.argv[-1])",
    "6 * 7",
    "_ + 1;",
    "display({'text/html': '<i>x</i>', 'text/plain': 'x'}, raw=True)",
    tagged("print('never')", "skip-execution"),
    tagged("print('always')", "skip", "report_mode", "remove-cell"),
    "import asyncio\nawait asyncio.sleep(0)\nprint(words)",
    "%env A_NEW=3",
    "import subprocess\nsubprocess.run('echo $A_NEW', shell=True, capture_output=True).stdout",
    "",
]


def outputs(notebook) -> list:
    """Return what each cell of code showed, without the names of passing files."""
    shown = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return json.loads(re.sub(r"ipykernel_\d+/\d+", "", json.dumps(shown)))


@pytest.mark.slow
def test_cells_show_what_they_show_under_papermill(tmp_path):
    """In the file format that needs no ids of cells, and with a kernel of a general name."""
    import papermill

    path, values = tmp_path / "n.ipynb", {"words": ["b", "c"]}
    cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in TRAITS]
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    notebook["nbformat_minor"] = 0
    for cell in notebook["cells"]:
        del cell["id"]
    path.write_text(json.dumps(notebook))
    theirs = papermill.execute_notebook(path, None, values, progress_bar=False)
    for kind in ("spawn", "warm") if sys.platform == "linux" else ("spawn",):
        outcome = execute(make_run(path, values), kernel=kind)
        assert outcome.error == ""
        assert outputs(nbformat.reads(outcome.notebook, as_version=4)) == outputs(theirs)


@pytest.mark.slow
def test_a_kernel_of_another_name_is_not_looked_for(tmp_path):
    """papermill ends with `NoSuchKernel`; without any name, too."""
    for name, kernel in (("a", {"name": "python2", "display_name": "x"}), ("b", {})):
        metadata = {"kernelspec": kernel} if kernel else {}
        notebook = new_notebook(cells=[new_code_cell("print(1)")], metadata=metadata)
        path = tmp_path / f"{name}.ipynb"
        path.write_text(json.dumps(notebook))
        outcome = execute(make_run(path, {}))
        assert printed(code_cells(outcome)[0]) == "1\n"


def test_what_was_injected_where_nothing_is_declared_belongs_to_the_notebook(tmp_path):
    """papermill injects into a notebook without a parameters cell; it is declared nowhere else."""
    path, old = tmp_path / "n.ipynb", tagged("number = 2", "injected-parameters")
    for declared, expected in (([], 2), ([tagged("number = 1", "parameters")], 1)):
        path.write_text(json.dumps(new_notebook(cells=[*declared, old])))
        assert read(path).code == [f"number = {expected}"]
