"""Figures from elsewhere beside ours: what a run keeps, and the table that the page makes of it."""

import json

import pytest
from click.testing import CliRunner

from helpers.batch.cli import main
from helpers.batch.errors import NotebookError
from helpers.batch.results.kept import read_kept
from helpers.batch.site.headlines import about, about_full_size, read_full_size, table_lines
from tests.running import FIXTURES
from tests.small_books import make_book, render

FIGURES = [
    {"name": "net-accuracy", "value": 0.75, "low": 0.7, "high": 0.8, "replicas": 8},
    {"name": "net-accuracy-range", "value": "0.6800 to 0.8100"},
    {"name": "net-parameters", "value": 271346, "low": None, "high": None, "replicas": 0},
    {"name": "net-clipped", "value": "[0.9, 1]"},
]
KEPT = {
    "schema": 1,
    "notebook": "nets",
    "parameters": {"seed": 100, "images": None},
    "machine": {"processor": "An old one", "seconds": 75.0, "versions": {}},
    "records": [{"kind": "figure", **one} for one in FIGURES] + [{"kind": "claim", "id": "a-b"}],
}


FULL = {
    "arms": {"deep": {"accuracy": [44.0, 45.0, 46.0], "epochs": [7, 8, 9], "rate": 0.1}},
    "replicas": 3,
    "data": "copies",
    "machine": "a large one",
    "made by": "examples/full_size.py",
}


def test_ours_stand_beside_the_others():
    content = [
        "accuracy | .74 | net-accuracy",
        "",
        "parameters | 271,346 | net-parameters",
        "clipped | [0.9, 1.0] | net-clipped",
        "deep | .4510 | accuracy of deep at full size",
        "epochs | 37 | epochs of deep at full size",
    ]
    # Student's interval of three: 4.303 / sqrt(3) = 2.484 deviations of 1 to either side
    assert table_lines(content, KEPT, FULL)[2:] == [
        "| accuracy | .74 | 0.7500 [0.7000, 0.8000] | 0.6800 to 0.8100 |",
        "| parameters | 271,346 | 271,346 |  |",
        "| clipped | [0.9, 1.0] | [0.9, 1] |  |",
        "| deep | .4510 | 0.4500 [0.4252, 0.4748] | 0.4400 to 0.4600 |",
        "| epochs | 37 | 8.000 [5.516, 10.48] | 7 to 9 |",
    ]


def test_the_run_at_full_size_is_told(tmp_path):
    told = "At full size: `examples/full_size.py`, 3 replicas on copies; a large one."
    assert about_full_size(FULL) == told
    assert about_full_size(read_full_size(tmp_path / "none.json")) == ""


@pytest.mark.parametrize("text", ["", "[]", '{"arms": 1}'])
def test_a_damaged_file_of_full_size_is_named(tmp_path, text):
    file = tmp_path / "capstone.json"
    file.write_text(text)
    with pytest.raises(NotebookError, match=r"capstone\.json must"):
        read_full_size(file)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("accuracy | net-accuracy", r"must be `what \| a figure \| the name of ours`"),
        ("accuracy | .74 | net-acuracy", r"no figure net-acuracy. Did you mean net-accuracy\?"),
        ("deep | .4 | loss of dep at full size", r"no arm dep at full size. Did you mean deep\?"),
        ("deep | .4 | loss of deep at full size", r"deep has no loss at full size.*accuracy"),
        ("deep | .4 | rate of deep at full size", r"deep has no rate at full size"),
    ],
)
def test_what_does_not_stand_is_refused(line, message):
    with pytest.raises(NotebookError, match=message):
        table_lines([line], KEPT, FULL)


def test_the_run_is_told():
    told = "Made by `nets.ipynb` with `images` None, `seed` 100; 1 min 15 s by the clock on An old"
    assert about(KEPT).startswith(told)


def test_a_run_keeps_what_it_found_and_nothing_of_the_machine_s_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "index.md").write_text("# A book\n")
    notebook = str(FIXTURES / "succeeds.ipynb")
    run = ["run", notebook, "-p", "seed", "7", "-o", "runs", "--keep", "kept/found.json"]
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "kept" / "found.json").read_text()
    kept = read_kept(tmp_path / "kept" / "found.json")
    assert (kept["notebook"], kept["parameters"]["seed"]) == ("succeeds", 7)
    assert kept["machine"]["seconds"] > 0
    assert str(tmp_path) not in text
    assert str(FIXTURES) not in text
    CliRunner().invoke(main, run)  # it is there already, and kept again
    assert (tmp_path / "kept" / "found.json").read_text() == text


DAMAGED = [{"schema": 2}, {"parameters": []}, {"machine": 1}, {"records": [{"kind": ""}]}]


@pytest.mark.parametrize(
    "text",
    [None, "", "[]", '{"records": [{}]}', *(json.dumps(KEPT | change) for change in DAMAGED)],
)
def test_a_damaged_file_is_named(tmp_path, text):
    file = tmp_path / "found.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(NotebookError, match=r"found\.json must hold what `dnnbook run --keep`"):
        read_kept(file)


def test_the_page_has_the_table(tmp_path):
    table = "```{headlines} results/kept/found.json\naccuracy | .74 | net-accuracy\n```\n"
    index = f"# A book\n\nWe found {{kept}}`found: net-accuracy`!\n\n{table}"
    root = make_book(tmp_path, "01_more", index=index)
    (root / "book" / "01_more.md").write_text("# More\n\nThere is.\n")
    (root / "results" / "kept").mkdir(parents=True)
    (root / "results" / "kept" / "found.json").write_text(json.dumps(KEPT))
    done, site = render(root)
    assert done.returncode == 0, done.stdout
    page = (site / "book" / "index.html").read_text()
    assert "0.7500 [0.7000, 0.8000]" in page
    assert "We found 0.75 [0.70, 0.80]!" in page
    assert "An old one" in page
