"""Declared parameters are read without running them, and given ones are refused if wrong."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import data
from helpers.batch.errors import NotebookError, ParameterError
from helpers.batch.parameters import (
    DATASETS,
    Parameter,
    parse_parameters,
    parse_value,
    read_parameters,
    validate,
)

FIXTURES = Path(__file__).parent / "fixtures"
DECLARED = read_parameters(FIXTURES / "succeeds.ipynb")


def check(name, value):
    """Return one value as the fixture notebook would have it."""
    return validate({name: value}, DECLARED)[name]


def test_a_notebook_declares_names_defaults_types_and_meanings():
    expected = [
        Parameter("dataset", "digits", "data set"),
        Parameter("seed", 42, "of every random number"),
        Parameter("replicas", 2, "independent trainings"),
        Parameter("learning_rate", 0.1, "step size"),
        Parameter("train_size", None, "int: images to train on"),
        Parameter("depths", [2, 4], "numbers of layers"),
    ]
    assert expected == DECLARED
    names = [parameter.type_name for parameter in DECLARED]
    assert names == ["str", "int", "int", "float", "int or null", "list of int"]


@pytest.mark.parametrize(
    ("comment", "types"),
    [
        ("int: images", (int,)),
        ("a float in [0, 1]", (float,)),
        ("int or str", (int, str)),
        ("printed", (int, float, str)),
    ],
)
def test_the_comment_says_what_none_may_become(comment, types):
    assert Parameter("x", None, comment).types == types


@pytest.mark.parametrize(
    "code",
    [
        "x = 1 + 1",
        "x: int = 1",
        "x = y = 1",
        "x, y = 1, 2",
        "print(1)",
        "x = 1\nx = 2",
        "x = {}",
        "x = [[1]]",
        "x = (1, 2)",
        "x = f()",
        "import os",
        "x =",
    ],
)
def test_anything_but_literals_is_refused(code):
    with pytest.raises(ValueError, match="Received"):
        parse_parameters(code)


def test_a_cell_over_several_lines_keeps_its_comments():
    code = 'names = [\n    "a",\n    "b # c",\n]  # which\nrate = -1e-3  # step'
    names, rate = parse_parameters(code)
    assert names == Parameter("names", ["a", "b # c"], "which")
    assert rate == Parameter("rate", -1e-3, "step")


def test_a_notebook_without_a_parameters_cell_is_refused():
    with pytest.raises(NotebookError, match=r"one cell tagged `parameters`. Received: 0"):
        read_parameters(FIXTURES / "declares_nothing.ipynb")
    with pytest.raises(NotebookError, match=r"Received: seed = 1 \+ 1"):
        read_parameters(FIXTURES / "computes_its_parameter.ipynb")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 1}'])
def test_a_damaged_notebook_is_refused(tmp_path, content):
    notebook = tmp_path / "x.ipynb"
    notebook.write_text(content)
    with pytest.raises(NotebookError, match="must be a notebook"):
        read_parameters(notebook)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("seed", 0, 0),
        ("learning_rate", 1, 1.0),
        ("train_size", None, None),
        ("train_size", 100, 100),
        ("depths", [1], [1]),
        ("dataset", "cifar10", "cifar10"),
    ],
)
def test_a_right_value_is_passed_on(name, value, expected):
    received = check(name, value)
    assert received == expected
    assert type(received) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", True, "`seed` must be int. Received: seed=true"),
        ("seed", 1.0, "`seed` must be int"),
        ("seed", "1", '`seed` must be int. Received: seed="1"'),
        ("seed", None, "`seed` must be int"),
        ("seed", [1], "`seed` must be int"),
        ("seed", -1, r"`seed` must be in \[0, 2\*\*32\)"),
        ("replicas", 0, "`replicas` must be at least 1. Received: replicas=0"),
        ("train_size", 0, "`train_size` must be at least 1"),
        ("train_size", 0.5, "`train_size` must be int or null"),
        ("depths", [2, 0], r"`depths` must be at least 1. Received: depths=\[2, 0\]"),
        ("depths", [], "`depths` must be a list of int and not empty"),
        ("depths", 2, "`depths` must be a list of int"),
        ("depths", [2, "3"], "`depths` must be list of int"),
        ("learning_rate", math.nan, "`learning_rate` must be finite. Received: learning_rate=NaN"),
        ("learning_rate", math.inf, "`learning_rate` must be finite"),
        ("learning_rate", 10**400, "`learning_rate` must be finite"),
        ("dataset", "digit", 'dataset="digit". Did you mean digits?'),
        ("dataset", "\ud800", "`dataset` must be printable text"),
        ("dataset", "a\0b", "`dataset` must be printable text"),
        ("dataset", "x" * 5000, "`dataset` must be a known data set"),
        ("replica", 3, "Received: replica. Did you mean replicas?"),
        ("x=1\nprint(1)\ny", 1, "NAME must be a declared parameter"),
    ],
)
def test_a_wrong_value_is_named(name, value, message):
    with pytest.raises(ParameterError, match=message):
        check(name, value)


def test_names_of_code_are_refused_even_if_declared():
    with pytest.raises(ParameterError, match="NAME"):
        validate({"lambda": 1}, [Parameter("lambda", 1)])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0123", "0123"),
        ("True", "True"),
        ("true", True),
        ("1e-3", 1e-3),
        ('"8"', "8"),
        ('["a", 1]', ["a", 1]),
        ("../x", "../x"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_values_of_the_command_line_are_json_else_text(text, value):
    assert parse_value(text) == value


def test_an_object_is_no_value():
    with pytest.raises(ParameterError, match="scalar or a list"):
        parse_value('{"a": 1}')


@given(st.integers() | st.floats() | st.text() | st.booleans() | st.none())
def test_what_passes_has_the_type_of_the_default(value):
    for parameter in DECLARED:
        try:
            passed = validate({parameter.name: value}, DECLARED)[parameter.name]
        except ParameterError:
            continue
        assert type(passed) in (*parameter.types, type(parameter.default))


def test_the_known_data_sets_are_those_of_the_helpers():
    assert data.pool_names() == DATASETS
    assert set(data.names()) <= set(DATASETS)
