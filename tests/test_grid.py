"""A grid file becomes the right runs, or a list of its mistakes, each with its line."""

import itertools
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.batch.ask.grid.file import NODE_LIMIT, SIZE_LIMIT, GridError
from helpers.batch.ask.grid.points import RUN_LIMIT, SEED_STEP, Plan, plan
from helpers.batch.ask.grid.schema import read_grid
from helpers.batch.ask.parameters import read_parameters
from helpers.batch.ask.validation import validate
from helpers.batch.errors import ConfigurationError, UsageError

ROOT = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures"
SMALL_BOOK = FIXTURES / "small_book"
EXAMPLES = sorted((ROOT / "examples").glob("*.yml"))


def write_notebook(path, parameters):
    """Write a notebook that declares the given lines and does nothing."""
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": parameters}
    path.write_text(json.dumps({"cells": [cell], "metadata": {}}), "utf-8")


@pytest.fixture
def folder(tmp_path):
    """A folder with `succeeds.ipynb` and three small notebooks beside the grid file."""
    shutil.copy(FIXTURES / "succeeds.ipynb", tmp_path)
    write_notebook(
        tmp_path / "a.ipynb",
        "seed = 1\ndepth = 2  # at least 1\nwidth = 8  # at least 1\nrate = 0.5",
    )
    write_notebook(tmp_path / "b.ipynb", "seed = 1\ndepth = 2  # at least 1\nname = 'x'")
    write_notebook(tmp_path / "c.ipynb", "depth = 2\nsize = None  # int")
    return tmp_path


def plan_of(folder, text) -> Plan:
    """Return the plan of a grid file with this text."""
    path = folder / "grid.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return plan(path, root=SMALL_BOOK)


def given_of(folder, text):
    """Return what each run of a grid is given, with its notebook's name."""
    return [(run.notebook.name, run.given) for run in plan_of(folder, text).runs]


def mistakes_of(folder, text):
    """Return the lines of the error, each without the file's name."""
    with pytest.raises(GridError) as caught:
        plan_of(folder, text)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(("grid.yml", "... and")) for line in lines)
    return [line.removeprefix("grid.yml").removeprefix(", ") for line in lines]


def test_a_grid_is_the_product_of_its_lists_the_last_fastest(folder):
    text = "chapters: [a.ipynb, b.ipynb]\nparameters: {depth: [3, 4], rate: [0.1, 1], seed: 7}"
    # b declares no rate, so that it has a run for each depth.
    assert given_of(folder, text) == [
        ("a", {"depth": 3, "rate": 0.1, "seed": 7}),
        ("a", {"depth": 3, "rate": 1.0, "seed": 7}),
        ("a", {"depth": 4, "rate": 0.1, "seed": 7}),
        ("a", {"depth": 4, "rate": 1.0, "seed": 7}),
        ("b", {"depth": 3, "seed": 7}),
        ("b", {"depth": 4, "seed": 7}),
    ]


def test_a_point_has_an_absolute_path_and_all_parameters(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "grid.v2.yml").write_text("chapters: [a.ipynb]\nparameters: {rate: 1}")
    found = plan(Path("grid.v2.yml"), root=SMALL_BOOK)
    assert found.name == "grid.v2"
    (run,) = found.runs
    assert run.notebook.path == (folder / "a.ipynb").resolve()
    assert run.parameters == {"seed": 1, "depth": 2, "width": 8, "rate": 1.0}
    assert type(run.given["rate"]) is float


@pytest.mark.parametrize(
    "chapter", ["small", "1", "01", '"01"', "01_small", "01_small.ipynb", "all", "../book"]
)
def test_a_chapter_goes_by_name_number_or_file(chapter, folder):
    if chapter == "../book":
        shutil.copytree(SMALL_BOOK / "book", folder.parent / f"{folder.name}-book")
        chapter = f"../{folder.name}-book/01_small.ipynb"
    (run,) = plan_of(folder, f"chapters: [{chapter}]").runs
    assert run.notebook.path.name == "01_small.ipynb"
    assert run.notebook.path.is_absolute()
    assert run.given == {}


def test_all_are_the_chapters_of_the_book(folder):
    (run,) = plan_of(folder, "chapters: all").runs
    assert run.notebook.path == (SMALL_BOOK / "book" / "01_small.ipynb").resolve()


def test_paths_are_seen_from_the_grid_file_not_from_the_current_folder(folder, monkeypatch):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    write_notebook(elsewhere / "only_there.ipynb", "seed = 1")
    monkeypatch.chdir(elsewhere)
    (mistake,) = mistakes_of(folder, "chapters: [only_there.ipynb]")
    assert mistake == (
        "line 1: each entry of `chapters` must be a chapter's name or number, or a notebook's path "
        'from the grid file. Received: "only_there.ipynb". Possible: small.'
    )


def test_a_list_parameter_takes_a_list_of_lists(folder):
    text = "chapters: [succeeds.ipynb]\nparameters: {depths: [[5, 10], [20]]}"
    assert [given["depths"] for _, given in given_of(folder, text)] == [[5, 10], [20]]
    text = text.replace("[[5, 10], [20]]", "[5, 10]")
    assert mistakes_of(folder, text) == [
        "line 2: `depths` takes a list, and a list is swept: write [[5, 10]] for one run with "
        "this list."
    ]


# GitHub's documented example, whose outcome its documentation gives:
# color green goes to all four combinations; color pink replaces it where the animal is cat, for
# added values may be replaced; the circle goes to both apples; banana contradicts every fruit, so
# it is a combination of its own, which the last entry does not extend: it is no original one.
FRUITS = """\
chapters: [fruits.ipynb]
parameters:
  fruit: [apple, pear]
  animal: [cat, dog]
include:
  - color: green
  - color: pink
    animal: cat
  - fruit: apple
    shape: circle
  - fruit: banana
  - fruit: banana
    animal: cat
"""


def test_include_does_what_github_documents(folder):
    write_notebook(folder / "fruits.ipynb", "fruit = '-'\nanimal = '-'\ncolor = '-'\nshape = '-'\n")
    assert [given for _, given in given_of(folder, FRUITS)] == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_exclude_comes_first_and_a_partial_match_is_enough(folder):
    text = """\
chapters: [a.ipynb, b.ipynb]
parameters: {depth: [3, 4], rate: [0.5, 1]}
exclude:
  - {depth: 3, rate: 1}
  - {chapter: b.ipynb, depth: 4}
  - {chapter: a.ipynb, depth: 4}
include:
  - {chapter: a.ipynb, depth: 4, rate: 1}
"""
    # The first leaves b alone, which has no rate. The last is no longer there to be extended.
    expected = [
        ("a", {"depth": 3, "rate": 0.5}),
        ("b", {"depth": 3}),
        ("a", {"depth": 4, "rate": 1.0}),
    ]
    assert given_of(folder, text) == expected


def test_a_chapter_can_be_excluded_as_a_whole(folder):
    text = "chapters: [a.ipynb, b.ipynb]\nexclude: [{chapter: a.ipynb}]"
    assert given_of(folder, text) == [("b", {})]


def test_what_include_adds_goes_to_every_chapter_that_declares_it(folder):
    text = "chapters: [a.ipynb, b.ipynb, c.ipynb]\nparameters: {depth: [3], seed: 5}\ninclude:\n"
    # c has no seed. What is fixed holds in a run of its own too, unless the entry says otherwise.
    assert given_of(folder, text + "- {depth: 9}")[3:] == [
        ("a", {"seed": 5, "depth": 9}),
        ("b", {"seed": 5, "depth": 9}),
        ("c", {"depth": 9}),
    ]
    assert given_of(folder, text + "- {depth: 9, width: 1, seed: 6}")[3:] == [
        ("a", {"depth": 9, "width": 1, "seed": 6})
    ]
    assert given_of(folder, text + "- {width: 1}") == [
        ("a", {"depth": 3, "seed": 5, "width": 1}),
        ("b", {"depth": 3, "seed": 5}),
        ("c", {"depth": 3}),
    ]


def test_include_may_name_a_chapter_that_is_not_swept(folder):
    text = "chapters: [a.ipynb]\nparameters: {depth: [3, 4], seed: 5}\n"
    text += "include: [{chapter: b.ipynb, name: y}]"
    assert given_of(folder, text)[2:] == [("b", {"seed": 5, "name": "y"})]


def test_values_of_exclude_and_include_are_not_swept(folder):
    text = "chapters: [succeeds.ipynb]\nparameters: {depths: [[5, 10], [20]]}\n"
    assert len(plan_of(folder, text + "exclude: [{depths: [5, 10]}]").runs) == 1
    text += "include: [{depths: [7, 8]}]"
    assert given_of(folder, text)[2] == ("succeeds", {"depths": [7, 8]})


def test_replicates_have_seeds_so_far_apart_that_no_replica_is_shared(folder):
    text = "chapters: [a.ipynb]\nparameters: {depth: [3, 4]}\nreplicates: 3"
    assert [given for _, given in given_of(folder, text)] == [
        {"depth": 3},
        {"depth": 3, "seed": 1 + SEED_STEP},
        {"depth": 3, "seed": 1 + 2 * SEED_STEP},
        {"depth": 4},
        {"depth": 4, "seed": 1 + SEED_STEP},
        {"depth": 4, "seed": 1 + 2 * SEED_STEP},
    ]
    seeded = plan_of(folder, "chapters: [a.ipynb]\nparameters: {seed: 7}\nreplicates: 2").runs
    assert [run.parameters["seed"] for run in seeded] == [7, 7 + SEED_STEP]


@pytest.mark.parametrize("seed", [0, 42, 9_999, 10_000, 99_999])
def test_no_replicate_has_a_seed_that_confirming_runs_take(folder, seed):
    """They begin at 10,000, and those of the book below 100,000."""
    text = f"chapters: [a.ipynb]\nparameters: {{seed: {seed}}}\nreplicates: 3"
    _, *others = [run.parameters["seed"] for run in plan_of(folder, text).runs]
    assert min(others) >= 1_000_000


def test_equal_runs_are_done_once(folder):
    # 1 and 1.0 are one rate; 0.5 is the default, as is a depth of 2 in the included run.
    text = "chapters: [a.ipynb]\nparameters: {rate: [1, 1.0, 0.5, 5e-1]}\n"
    text += "include: [{rate: 2.0}, {depth: 2, rate: 2}]"
    found = plan_of(folder, text)
    assert [run.given["rate"] for run in found.runs] == [1.0, 0.5, 2.0]
    assert found.merged == 3


def test_true_is_not_one(folder):
    write_notebook(folder / "any.ipynb", "x = None\nflag = False")
    text = "chapters: [any.ipynb]\nparameters: {x: [1, 1.5, '1', null]}"
    assert [given["x"] for _, given in given_of(folder, text)] == [1, 1.5, "1", None]
    text = "chapters: [any.ipynb]\nparameters: {flag: [yes, 'no']}"
    assert mistakes_of(folder, text) == [
        'line 2: `flag` must be bool. Received: flag="no". Write true or false.'
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1E3", 1000.0), ("-2.5e+1", -25.0), (".5e1", 5.0), ("1.", 1.0)],
)
def test_numbers_are_read_as_python_reads_them(text, value, folder):
    grid = f"chapters: [a.ipynb]\nparameters: {{rate: [{text}]}}"
    assert given_of(folder, grid) == [("a", {"rate": value})]


def test_what_python_writes_is_read_as_on_the_command_line(folder):
    write_notebook(folder / "d.ipynb", "x = None\nname = 'a'")
    text = "chapters: d.ipynb\nparameters:\n  x: [0o17, +.5, 0x10, '0o17', [.5, 1_0]]\n  name: nan"
    given = given_of(folder, text)
    assert [values["x"] for _, values in given] == [15, 0.5, 16, "0o17", [0.5, 10]]
    assert given[0][1]["name"] == "nan"
    text = "chapters: d.ipynb\nparameters:\n  x: (1, 2)"
    assert given_of(folder, text) == [("d", {"x": [1, 2]})]


def test_exclude_and_include_tell_true_from_one(folder):
    write_notebook(folder / "d.ipynb", "x = None\ny = 0")
    text = "chapters: d.ipynb\nparameters: {x: [1, true, 1.0, '1', [1]]}\n"
    left = [values["x"] for _, values in given_of(folder, text + "exclude: [{x: 1}]")]
    assert json.dumps(left) == '[true, 1.0, "1", [1]]'
    extended = given_of(folder, text + "include: [{x: true, y: 3}]")
    assert [values.get("y", 0) for _, values in extended] == [0, 3, 0, 0, 0]


def test_what_is_left_empty_is_as_if_it_were_not_there(folder):
    keys = ("parameters", "include", "exclude", "files", "replicates")
    text = "chapters: a.ipynb\n" + "\n".join(f"{key}:\n  # - none" for key in keys)
    assert given_of(folder, text) == [("a", {})]


def test_a_folder_is_named_by_a_pattern(folder):
    (folder / "out").mkdir()
    (folder / "out" / "a.csv").touch()
    (mistake,) = mistakes_of(folder, "chapters: a.ipynb\nfiles: [out/]")
    assert mistake.endswith('seen from the grid file. Received: "out/". Write "out/**"')
    (run,) = plan_of(folder, "chapters: a.ipynb\nfiles: out/**").runs
    assert list(run.beside) == ["out/a.csv"]


def test_none_is_what_python_writes_unless_it_is_quoted(folder):
    write_notebook(folder / "d.ipynb", "weights = None")
    text = "chapters: [d.ipynb]\nparameters: {weights: [None, null, ~, 'None', none, imagenet]}"
    given = [values["weights"] for _, values in given_of(folder, text)]
    assert given == [None, "None", "none", "imagenet"]  # equal ones are one run


def test_a_word_that_yaml_takes_for_a_truth_value_is_what_its_parameter_takes(folder):
    write_notebook(folder / "d.ipynb", "country = 'de'\nflag = False\nx = None")
    text = "chapters: d.ipynb\nparameters: {country: [no, on, 'off'], flag: yes}"
    given = given_of(folder, text)
    assert [values["country"] for _, values in given] == ["no", "on", "off"]
    assert {type(values["country"]) for _, values in given} == {str}
    assert [values["flag"] for _, values in given] == [True] * 3
    for value in ("[se, no]", "{a: no}", "[[no]]"):
        (mistake,) = mistakes_of(folder, f"chapters: d.ipynb\nparameters:\n  x: {value}")
        assert mistake.endswith("YAML reads no as false: write that, or quote it."), mistake


def test_a_mapping_is_a_value(folder):
    write_notebook(folder / "d.ipynb", "options = {'a': 1}")
    text = "chapters: [d.ipynb]\nparameters: {options: [{a: 2}, {b: [x]}]}"
    assert [g["options"] for _, g in given_of(folder, text)] == [{"a": 2}, {"b": ["x"]}]


def test_files_are_seen_from_the_grid_file(folder):
    (folder / "data").mkdir()
    for name in ("data/1.csv", "data/2.csv", "[x].txt"):
        (folder / name).touch()
    text = "chapters: [a.ipynb]\nfiles: ['[x].txt', data/*.csv, data/1.csv]"
    (run,) = plan_of(folder, text).runs
    assert list(run.beside) == ["[x].txt", "data/1.csv", "data/2.csv"]


def test_a_name_of_two_chapters_is_refused_with_both(folder, tmp_path):
    book = tmp_path / "book"
    book.mkdir()
    for name in ("03_train", "04_train"):
        write_notebook(book / f"{name}.ipynb", "seed = 1")
    toc = "format: jb-book\nroot: 03_train\nchapters:\n- file: 04_train\n"
    (book / "_toc.yml").write_text(toc)
    path = folder / "grid.yml"
    path.write_text("chapters: [train]")
    with pytest.raises(
        GridError, match=r"line 1: .*train, that is .*03_train.ipynb, .*04_train.ipynb"
    ):
        plan(path, root=book)
    for name in ("03", "3", "03_train", "03_train.ipynb"):
        path.write_text(f"chapters: ['{name}']")
        assert plan(path, root=book).runs[0].notebook.name == "03_train"


def test_anchors_and_aliases_are_followed(folder):
    text = "chapters: [&one a.ipynb, b.ipynb]\nparameters: {depth: &depths [3, 4], seed: *depths}\n"
    text += "exclude: [{chapter: *one}]"
    assert len(plan_of(folder, text).runs) == 4


@pytest.mark.parametrize("value", ["../x", "CON", "<script>", "=cmd()", "x" * 5000, "é"])
def test_odd_text_is_just_a_value(value, folder):
    text = f"chapters: [b.ipynb]\nparameters: {{name: [{json.dumps(value)}]}}"
    assert given_of(folder, text) == [("b", {"name": value})]


GOOD = "chapters: [a.ipynb, b.ipynb]\n"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        # what the file is
        ("", "must be a mapping with the key `chapters`. Received: an empty file"),
        ("# nothing\n", "must be a mapping with the key `chapters`. Received: an empty file"),
        ("- 1", "line 1: must be a mapping with the key `chapters`. Received: [1]"),
        (b"chapters: all\n# \xff", "line 2: must be UTF-8. Received: "),
        ("a: [1\n", "line 2: must be YAML. Received: while parsing a flow sequence, expected"),
        ("a: 1\n---\nb: 2", "line 2: must be YAML. Received: expected a single document"),
        ("a:\n\t- b", "line 2: must be YAML. Received: while scanning for the next token"),
        ("\na: \0", "line 2: must be YAML. Received: special characters are not allowed"),
        ("a: *b", "line 1: must be YAML. Received: found undefined alias"),
        # how it is written
        (GOOD + "replicates: 1\nreplicates: 2", "line 3: `replicates` stands twice, first in li"),
        (GOOD + "parameters:\n  a: 1\n  a: 2", "line 4: `a` stands twice, first in line 3."),
        (GOOD + "on: 1", "line 2: a key must be text. Received: on"),
        (GOOD + "[1]: 1", "line 2: a key must be text. Received: a list or mapping"),
        (GOOD + "<<: {}", "line 2: `<<` is not supported: write the keys out."),
        (GOOD + "x:\n- 2026-01-01", "line 3: YAML reads 2026-01-01 as a date: quote it."),
        (GOOD + "x: 010", "line 2: YAML reads 010 as 8: write that, or quote it."),
        (GOOD + "x: 1:30", "line 2: YAML reads 1:30 as 90: write that, or quote it."),
        (GOOD + "x: [08]", "line 2: YAML reads 08 as a text: write 8, or quote it."),
        (
            GOOD + "x: [(1, 2)]",
            "line 2: YAML ends a value at a comma. Received: (1. Write (1, 2) as",
        ),
        (GOOD + "x: !!int five", "line 2: must be of its type, int. Received: five"),
        (GOOD + "x: !!bool 7", "line 2: must be of its type, bool. Received: 7"),
        (GOOD + f"x: {'9' * 5000}", "line 2: must be of its type, int. Received: 999"),
        (GOOD + "x: !!set {a}", "line 2: the tag `!!set` is not allowed: a grid holds plain"),
        (GOOD + "x: !!binary YQ==", "line 2: the tag `!!binary` is not allowed"),
        (GOOD + "x: !mine 3", "line 2: the tag `!mine` is not allowed"),
        (GOOD + "x: &x [*x]", "line 2: must have at most 100,000 values and 10 levels, aliases"),
        ("x: " + 5000 * "[", "must have at most 100,000 values and 10 levels."),
        # the schema
        ("parameters: {}", "`chapters` must be given."),
        ("chapters: {a: 1}", 'line 1: `chapters` must be a list. Received: {"a": 1}'),
        ("chapters: yes", "line 1: each entry of `chapters` must be a chapter's name or number"),
        ("chapters: no.ipynb", "line 1: each entry of `chapters` must be a chapter's name or num"),
        ("chapters:", "line 1: `chapters` must be a list. Received: null"),
        ("chapters: []", "line 1: `chapters` must not be empty. Received: []"),
        ("chapters:\n- 1\n- no", "line 3: each entry of `chapters` must be a chapter's name or nu"),
        (GOOD + "paramters: {}", "line 2: `paramters` is not a key of a grid. Did you mean para"),
        (GOOD + "paramters:", "line 2: `paramters` is not a key of a grid. Did you mean para"),
        (GOOD + "parameters: 3", "line 2: `parameters` must be a mapping. Received: 3"),
        (GOOD + "parameters:\n depth: []", "line 3: `depth` must have at least one value. Recei"),
        (GOOD + "exclude: {a: 1}", 'line 2: `exclude` must be a list. Received: {"a": 1}'),
        (GOOD + "include:\n- 5", "line 3: each entry of `include` must be a mapping. Received: 5"),
        (GOOD + "exclude: [{}]", "line 2: each entry of `exclude` must not be empty. Received: {}"),
        (GOOD + "include: [{chapter: }]", "line 2: `chapter` must be a chapter's name or number"),
        (GOOD + "replicates: 0", "line 2: `replicates` must be at least 1. Received: 0"),
        (GOOD + "replicates: 1001", "line 2: `replicates` must be at most 1000. Received: 1001"),
        (GOOD + "replicates: 2.0", "line 2: `replicates` must be a whole number. Received: 2.0"),
        (GOOD + "replicates: yes", "line 2: `replicates` must be a whole number. Received: "),
        # what the notebooks say
        (
            "chapters:\n- smal",
            "line 2: each entry of `chapters` must be a chapter's name or number, or a",
        ),
        ("chapters: [a.ipynb, ./a.ipynb]", "line 1: a is among `chapters` already."),
        ("chapters: [r.ipynb]", "line 1: r.ipynb must be a notebook of Python. Received: R"),
        ("chapters: [two.ipynb]", "line 1: two.ipynb: line 1: parameters must be `name = literal`"),
        (GOOD + "files: {}", "line 2: `files` must be a list. Received: {}"),
        (GOOD + "files: no.txt", "line 2: each entry of `files` must be a file, or a pattern"),
        (GOOD + "files: [1]", "line 2: each entry of `files` must be text. Received: 1"),
        (GOOD + "files:\n- no.txt", "line 3: each entry of `files` must be a file, or a pattern"),
        (GOOD + "files: [.]", "line 2: each entry of `files` must be a file, or a pattern"),
        (f"chapters: [{'x' * 5000}.ipynb]", "line 1: each entry of `chapters` must be a chap"),
        (GOOD + "parameters:\n depht: 1", "line 3: `depht` must be a declared parameter. Did you"),
        (GOOD + "parameters:\n rate:\n - 1\n - x", "line 5: `rate` must be float. Received: rate"),
        (GOOD + "parameters: {depth: 0}", "line 2: `depth` must be at least 1. Received: depth=0"),
        (GOOD + "parameters: {depth: [[1]]}", "line 2: `depth` must be int. Received: depth=[1]"),
        (GOOD + "parameters: {depth: {a: 1}}", "line 2: `depth` must be int. Received: depth={"),
        (GOOD + "parameters: {rate: .nan}", "line 2: `rate` must be finite. Received: rate=NaN"),
        (GOOD + "parameters: {rate: [-.inf]}", "line 2: `rate` must be finite. Received: rate=-"),
        (GOOD + "parameters: {rate: 1e999}", "line 2: `rate` must be finite. Received: rate=Inf"),
        (GOOD + r'parameters: {name: "\ud800"}', "line 2: `name` must be Unicode text. Received:"),
        (GOOD + "parameters: {name: None}", "line 2: `name` must be str. Received: name=null."),
        (GOOD + "parameters: {nothing: 1}", "line 2: `nothing` must be a declared parameter."),
        (GOOD + 'parameters: {"x=1\\ny": 1}', r"line 2: `x=1\ny` must be a declared parameter."),
        (GOOD + r'parameters: {"\ud800": 1}', r"line 2: `\ud800` must be a declared parameter."),
        (GOOD + "parameters: {chapter: a}", "line 2: `chapter` must be a declared parameter."),
        # exclude and include
        (GOOD + "exclude:\n- {depth: 3}", "line 3: this entry of `exclude` matches no combinati"),
        (GOOD + "exclude: [{depth: x}]", "line 2: `depth` must be int. Received: depth="),
        (GOOD + "exclude:\n- dept: 3", "line 3: `dept` must be a declared parameter. Did you mea"),
        (GOOD + "exclude:\n- chapter: c.ipynb", "line 3: `chapter` must be among `chapters`. Re"),
        (GOOD + "exclude:\n- chapter: x", "line 3: `chapter` must be a chapter's name or number"),
        (GOOD + "exclude:\n- chapter: a.ipynb\n- chapter: b.ipynb", "a grid must ask for at leas"),
        (GOOD + "include: [{rate: 1, name: x}]", "line 2: no chapter of the grid declares all of"),
        (GOOD + "include:\n- chapter: a.ipynb\n  name: x", "line 4: `name` must be a declared pa"),
        (GOOD + "include: [{size: 1}]", "line 2: `size` must be a declared parameter."),
        (GOOD + "include: [{chapter: r.ipynb}]", "line 2: r.ipynb must be a notebook of Python"),
        # replicates
        ("chapters: [c.ipynb]\nreplicates: 2", "line 2: `replicates` above 1 needs a parameter `s"),
        ("chapters: [text.ipynb]\nreplicates: 2", "line 2: `replicates` above 1 needs a paramete"),
        (GOOD + "parameters: {seed: 4294967295}\nreplicates: 2", "line 3: `replicates` must keep"),
        (
            "chapters: [few.ipynb]\nreplicates: 2",
            "line 2: `replicates` must keep every seed at mo",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_line(text, mistake, folder):
    write_notebook(folder / "text.ipynb", "seed = 'x'")
    write_notebook(folder / "few.ipynb", "seed = 1  # at most 99")
    write_notebook(folder / "two.ipynb", "seed = f()")
    kernel = {"name": "ir", "language": "R"}
    (folder / "r.ipynb").write_text(json.dumps({"cells": [], "metadata": {"kernelspec": kernel}}))
    (found,) = mistakes_of(folder, text)
    found = found.removeprefix(": ")  # of a mistake that no line has
    assert found.startswith(mistake)
    assert found.isprintable()
    assert len(found) < 600


def test_a_tag_of_python_is_refused_and_does_nothing(folder):
    made = folder / "made"
    text = f"{GOOD}x: !!python/object/apply:os.mkdir ['{made}']\ny: !!python/name:os.system ''"
    assert mistakes_of(folder, text) == [
        "line 2: the tag `!!python/object/apply:os.mkdir` is not allowed: a grid holds plain "
        "values.",
        "line 3: the tag `!!python/name:os.system` is not allowed: a grid holds plain values.",
    ]
    assert not made.exists()


def test_all_mistakes_are_listed_in_the_order_of_the_file(folder):
    text = """\
chapters: [a.ipynb, b.ipynb]
replicates: 0
parameters:
  depht: [1]
  rate: [0.1, fast]
  width: 0
inclde: []
exclude:
  - {width: wide}
"""
    assert mistakes_of(folder, text) == [
        "line 2: `replicates` must be at least 1. Received: 0",
        "line 4: `depht` must be a declared parameter. Did you mean depth?",
        'line 5: `rate` must be float. Received: rate="fast".',
        "line 6: `width` must be at least 1. Received: width=0.",
        "line 7: `inclde` is not a key of a grid. Did you mean include?",
        'line 9: `width` must be int. Received: width="wide".',
    ]


def test_a_wrong_part_is_not_held_against_the_others(folder):
    text = GOOD + "parameters: {depth: [], width: 9}\nexclude: [{depth: 3}]"
    assert mistakes_of(folder, text) == [
        "line 2: `depth` must have at least one value. Received: []"
    ]
    text = "chapters: [a.ipynb, x.ipynb]\nparameters: {depth: 0, name: y}\nexclude: [{name: y}]"
    assert [line[:13] for line in mistakes_of(folder, text)] == ["line 1: each ", "line 2: `dept"]


def test_a_mistake_of_two_chapters_is_listed_once_and_many_are_cut(folder):
    assert len(mistakes_of(folder, GOOD + "parameters: {depth: [0]}")) == 1
    lines = mistakes_of(
        folder, "chapters: [a.ipynb]\nparameters:\n" + "".join(f" x{k}: 1\n" for k in range(60))
    )
    assert len(lines) == 51
    assert lines[-1] == "... and 10 more mistakes"


def test_aliases_that_multiply_are_refused_at_once(folder):
    letters = "abcdefghij"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, letter in itertools.pairwise(letters):
        lines.append(f"{letter}: &{letter} [{', '.join(['*' + before] * 10)}]")
    (mistake,) = mistakes_of(folder, "\n".join(lines))
    assert f"{NODE_LIMIT:,} values" in mistake


def test_a_grid_of_too_many_runs_is_refused_with_their_number(folder):
    axis = list(range(1, 101))
    text = f"chapters: [a.ipynb]\nparameters: {{depth: {axis}, width: {axis}, seed: [1]}}\n"
    assert len(plan_of(folder, text).runs) == RUN_LIMIT
    rule = ": a grid must ask for at most 10,000 runs, with those that it excludes. Received: "
    assert mistakes_of(folder, text + "include: [{depth: 101}]") == [rule + "10,001"]
    assert mistakes_of(folder, text + "replicates: 3") == [rule + "30,000"]
    wide = text.replace("[1]", str(axis))
    assert mistakes_of(folder, wide) == [rule + "1,000,000"]


@pytest.mark.parametrize("name", ["missing.yml", "."])
def test_a_file_that_cannot_be_read_is_named(name, folder):
    with pytest.raises(GridError, match=r"GRID must be a readable file\. Received: .*: (No|Is)"):
        plan(folder / name, root=SMALL_BOOK)


def test_a_large_file_is_refused_unread(folder):
    with pytest.raises(GridError, match="must have at most 1,000,000 bytes"):
        plan_of(folder, "#" * (SIZE_LIMIT + 1))


def test_errors_are_usage_errors_and_the_books_own_stay(folder):
    assert GridError.exit_code == UsageError.exit_code == 2
    (folder / "grid.yml").write_text("chapters: all")
    with pytest.raises(ConfigurationError):
        plan(folder / "grid.yml", root=folder)


def test_a_grid_knows_the_lines_of_its_keys_and_values(folder):
    path = folder / "grid.yml"
    path.write_text("chapters:\n- small\nparameters:\n  depth:\n  - 5\n  - 10\nreplicates: 2\n")
    file = read_grid(path)
    assert file.grid.chapters == ["small"]
    assert file.grid.parameters == {"depth": [5, 10]}
    assert file.grid.replicates == 2
    assert file.keys["parameters", "depth"] == 4
    assert file.values["parameters", "depth", 1] == 6
    path.write_text("chapters: all\nreplicates: x")
    with pytest.raises(GridError, match="line 2: `replicates` must be a whole number"):
        read_grid(path)


AXES = {
    "seed": st.integers(0, 2**32 - 1),
    "replicas": st.integers(1, 10**6),
    "learning_rate": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    "train_size": st.none() | st.integers(1, 10**6),
    "dataset": st.sampled_from(["digits", "fashion_mnist", "cifar10"]),
    "depths": st.lists(st.integers(1, 9), min_size=1, max_size=3),
}
SWEPT = {
    name: st.lists(values, min_size=1, max_size=3, unique_by=json.dumps)
    for name, values in AXES.items()
}


@given(axes=st.fixed_dictionaries({}, optional=SWEPT), replicates=st.sampled_from([1, 2]))
def test_the_number_of_runs_is_the_product(axes, replicates, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    shutil.copy(FIXTURES / "succeeds.ipynb", folder)
    axes["seed"] = [seed % 2**31 for seed in axes.get("seed", [42])]
    grid = {"chapters": ["succeeds.ipynb"], "parameters": axes, "replicates": replicates}
    found = plan_of(folder, json.dumps(grid))
    expected = replicates
    for values in axes.values():
        expected *= len(values)
    assert len(found.runs) + found.merged == expected
    declared = read_parameters(FIXTURES / "succeeds.ipynb")
    for run in found.runs:
        assert validate(run.given, declared) == run.given
        assert list(run.parameters) == [parameter.name for parameter in declared]
        assert run.parameters | run.given == run.parameters
    texts = [json.dumps(run.parameters) for run in found.runs]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_grid_of_the_book(path):
    found = plan(path, root=ROOT)
    assert found.name == path.stem
    assert found.merged == 0
    assert len(found.runs) >= 9


def test_the_examples_are_those_that_the_page_lists():
    page = (ROOT / "examples" / "README.md").read_text("utf-8")
    names = {file.name for file in (ROOT / "examples").iterdir() if file.is_file()}
    assert names >= {"depth_by_activation.yml", "learning_rate_search.yml"}
    assert all(f"`{name}`" in page for name in names - {"README.md"})
