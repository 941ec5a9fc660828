"""Declared parameters are read without running them, and given ones are refused if wrong."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import data
from helpers.batch.ask.parameters import Parameter, parse_parameters, read_parameters
from helpers.batch.ask.validation import validate
from helpers.batch.drive.data import DATASETS
from helpers.batch.errors import NotebookError, ParameterError

FIXTURES = Path(__file__).parent / "fixtures"
DECLARED = read_parameters(FIXTURES / "succeeds.ipynb")


def check(name, value):
    """Return one value as the fixture notebook would have it."""
    return validate({name: value}, DECLARED)[name]


def test_a_notebook_declares_names_defaults_types_and_meanings():
    expected = [
        Parameter("dataset", "digits", "data set: digits, mnist, fashion_mnist or cifar10"),
        Parameter("seed", 42, "of every random number, in [0, 4_000_000_000]"),
        Parameter("replicas", 2, "independent trainings, at least 1"),
        Parameter("learning_rate", 0.1, "step size"),
        Parameter("train_size", None, "int: images to train on, at least 1"),
        Parameter("depths", [2, 4], "numbers of layers, at least 1, not empty"),
    ]
    assert expected == DECLARED
    names = [parameter.type_name for parameter in DECLARED]
    assert names == ["str", "int", "int", "float", "int or null", "list of int"]


@pytest.mark.parametrize(
    ("comment", "name"),
    [
        ("int: images", "int or null"),
        ("a float in [0, 1]", "float or null"),
        ("int or str", "int or str or null"),
        ("list of int: widths", "list of int or null"),
        ("a list", "list or null"),
        ("printed", "anything"),
        ("images to draw from, int or None", "int or null"),
        ("widths (list of int), not empty", "list of int or null"),
        ("int | str, at least 2", "int or str or null"),
        ("int, str or list: columns", "int or str or list or null"),
        ("int or list of int", "int or list of int or null"),
        ("str, or a list", "str or list or null"),
        ("a name, or a list", "anything"),
        ("name of a list in data.json", "anything"),
        ("an int or a name of a float", "anything"),
        ("what to do in list (see above list)", "anything"),
    ],
)
def test_the_comment_says_what_none_may_become(comment, name):
    assert Parameter("x", None, comment).type_name == name


@pytest.mark.parametrize(
    "code",
    [
        "x = 1 + 1",
        "x: int",
        "x = y = 1",
        "x, y = 1, 2",
        "print(1)",
        "x = 1\nx = 2",
        "x = {[]}",
        "x = {f(): 2}",
        "x = {1}\nx = 2",
        "x = f()",
        "%%time\nx = 1",
        "x = !ls",
        "x =",
    ],
)
def test_anything_but_literals_is_refused(code):
    with pytest.raises(ValueError, match="Received"):
        parse_parameters(code)


@pytest.mark.parametrize(
    "literal", ["{1}", "{0: 'cat'}", "b'1'", "1j", "...", "1e999", "[-1e999]", r"'\ud800'"]
)
def test_a_literal_that_json_cannot_tell_is_the_notebooks_own(literal):
    """papermill runs such a notebook; nothing can be given for it here."""
    declared = parse_parameters(f"x = {literal}  # one of a or b\nn: int = 1")
    assert [(one.name, one.default) for one in declared] == [("n", 1)]
    with pytest.raises(ParameterError, match=r"^NAME must be a declared parameter\. Received: x\."):
        validate({"x": 1}, declared)


def test_a_comment_belongs_to_the_last_of_a_line():
    first, second = parse_parameters("a = 1; b = 2  # of b, at least 1")
    assert (first.comment, second.comment) == ("", "of b, at least 1")
    assert validate({"a": 0}, [first, second]) == {"a": 0}


def test_lines_for_ipython_and_imports_are_passed_over():
    literal = "# how much\nx = '''a\\n%b\\n'''  # one\n"
    code = f"import os\n%matplotlib inline\n!date\n{literal}%autoreload 2"
    (found,) = parse_parameters(code)
    assert (found.name, found.default, found.comment) == ("x", "a\n%b\n", "one")


def test_several_mistakes_are_told_at_once():
    code = "a = 1\nb = f()\nc = [\n  g(),\n]\na = 2\n"
    with pytest.raises(ValueError) as caught:
        parse_parameters(code)
    rule = "parameters must be `name = literal`, once. Received:"
    assert str(caught.value).splitlines() == [
        f"line 2: {rule} b = f()",
        f"line 3: {rule} c = [ g(), ]",
        f"line 6: {rule} a = 2",
    ]


# The forms of papermill's own documentation and tests, and what annotations say.
@pytest.mark.parametrize(
    ("code", "name", "comment"),
    [
        ("x: float = 2.25 # Variable a", "float", "Variable a"),
        ("x: float = 1", "float", ""),
        ("x: int = 2.5", "int or float", ""),
        ("x = [\n 'a', # first\n 'b'\n] # type: List[str] Nice list", "list of str", "Nice list"),
        ("x = None # type: int", "int or null", ""),
        ('x: "NoneType" = None', "null", ""),
        ("x: int | None = None  # width", "int or null", "width"),
        ("x: Optional[List[float]] = None", "list of float or null", ""),
        ("x: typing.Union[int, str] = 1", "int or str", ""),
        ("x: list[list[int]] = []", "list of list of int", ""),
        ("x: Tuple[int, ...] = (1, 2)", "list of int", ""),
        ("x: Path = 'a'", "str", ""),
        ("x: dict[str, int] = {'a': 1}", "mapping", ""),
        ('"What it does."\nx = [[1], []]', "list of list of int", ""),
        ("y = 1  # of y\n# Of x,\n# in two lines.\nx = []", "list", "Of x, in two lines."),
        ("# of x\n\nx = []", "list", ""),
        ("x = [1, 2.5, None]", "list of int or float or null", ""),
    ],
)
def test_annotations_and_defaults_say_what_is_taken(code, name, comment):
    *_, found = parse_parameters(code)
    assert (found.type_name, found.comment) == (name, comment)


literal = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(literal, st.sampled_from(["", "int: at least 3", "one of a, b or c", "not empty"]))
def test_every_default_can_be_given(value, comment):
    """As the notebook has it, and as a file or a command line would."""
    (declared,) = parse_parameters(f"x = {value!r}  # {comment}")
    assert repr(validate({"x": value}, [declared])["x"]) == repr(value)
    read = json.loads(json.dumps(value))
    assert json.dumps(validate({"x": read}, [declared])["x"]) == json.dumps(value)


def test_a_cell_over_several_lines_keeps_its_comments():
    code = 'names = [\n    "a",\n    "b # c",\n]  # which\nrate = -1e-3  # step'
    names, rate = parse_parameters(code)
    assert names == Parameter("names", ["a", "b # c"], "which")
    assert rate == Parameter("rate", -1e-3, "step")


def test_a_notebook_without_a_parameters_cell_declares_nothing():
    assert read_parameters(FIXTURES / "declares_nothing.ipynb") == []
    with pytest.raises(ParameterError, match=r"Received: x. No cell tagged `parameters`"):
        validate({"x": 1}, [])


def test_a_tag_at_a_text_is_refused(tmp_path):
    """papermill would put values behind it, before the cell that declares them."""
    path = tmp_path / "n.ipynb"
    text = new_markdown_cell("# Parameters", metadata={"tags": ["parameters"]})
    path.write_text(json.dumps(new_notebook(cells=[text, new_code_cell("a = 1")])))
    message = "n.ipynb must have the tag `parameters` at a cell of code. Received: one of markdown"
    with pytest.raises(NotebookError, match=f"^{message}$"):
        read_parameters(path)


def test_what_is_no_declaration_is_named_with_its_file(tmp_path):
    with pytest.raises(NotebookError, match=r"^computes_its_parameter.*Received: seed = 1 \+ 1"):
        read_parameters(FIXTURES / "computes_its_parameter.ipynb")
    content = json.loads((FIXTURES / "succeeds.ipynb").read_text())
    content["cells"].append(content["cells"][1])
    (tmp_path / "two.ipynb").write_text(json.dumps(content))
    with pytest.raises(NotebookError, match=r"two.ipynb must have at most one .* Received: 2"):
        read_parameters(tmp_path / "two.ipynb")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"cells": 1}', '{"cells": [1]}', '{"cells": [{"cell_type": "code"}, {}]}'],
)
def test_a_damaged_notebook_is_refused(tmp_path, content):
    notebook = tmp_path / "x.ipynb"
    notebook.write_text(content)
    with pytest.raises(NotebookError, match="must be a notebook"):
        read_parameters(notebook)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("seed", 0, 0),
        ("seed", 8.0, 8),
        ("seed", 1e3, 1000),
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
        ("seed", 1.5, "`seed` must be int. Received: seed=1.5"),
        ("seed", 1e300, "`seed` must be int"),
        ("seed", "1", '`seed` must be int. Received: seed="1"'),
        ("seed", None, "`seed` must be int"),
        ("seed", [1], "`seed` must be int"),
        ("seed", -1, r"`seed` must be in \[0, 4_000_000_000\]. Received: seed=-1"),
        ("replicas", 0, "`replicas` must be at least 1. Received: replicas=0"),
        ("train_size", 0, "`train_size` must be at least 1"),
        ("train_size", 0.5, "`train_size` must be int or null"),
        ("depths", [2, 0], r"`depths` must be at least 1. Received: depths=\[2, 0\]"),
        ("depths", [], r"`depths` must be not empty. Received: depths=\[\]"),
        ("depths", 2, "`depths` must be list of int"),
        ("depths", [2, "3"], "`depths` must be list of int"),
        ("depths", [[2]], "`depths` must be list of int"),
        ("learning_rate", math.nan, "`learning_rate` must be finite. Received: learning_rate=NaN"),
        ("learning_rate", math.inf, "`learning_rate` must be finite"),
        ("learning_rate", 10**400, "`learning_rate` must be finite"),
        ("dataset", "digit", 'dataset="digit". Did you mean digits?'),
        ("dataset", "\ud800", "`dataset` must be Unicode text"),
        ("dataset", "x" * 5000, "`dataset` must be digits, mnist, fashion_mnist or cifar10"),
        ("dataset", 1.5, r"must be str. Received: dataset=1.5. .* quoted: '\"1.5\"' on"),
        ("dataset", None, r"must be str. Received: dataset=null. .* quoted: '\"None\"' on"),
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


# What a comment declares, and what it does not: a name means nothing, nor do words in passing.
@pytest.mark.parametrize(
    ("code", "right", "wrong"),
    [
        ("x = 5  # draws, at least 2", [2, 9], [1, -3]),
        ("x = 5  # at least 2 and at most 7: draws", [2, 7], [1, 8]),
        ("x = 0.5  # share (above 0, below 1)", [0.1], [0.0, 1.0]),
        ("x = 0.5  # share of units, in [0, 1)", [0.0, 0.9], [1.0, -0.1]),
        ("x = [1]  # widths, in (0, 1e3]", [[1], [1, 1000]], [[0], [1, 1001]]),
        ("x = [1]  # widths, not empty", [[-1]], [[]]),
        ("x = [1, 2]  # widths, two or more", [[3, 4]], [[], [3]]),
        ("x = 'adam'  # adam, sgd or lion", ["sgd"], ["ada", ""]),
        ("x = 'adam'  # `adam` or `sgd`.", ["sgd"], ["lion"]),
        ("x = ['a']  # of a or b", [["b"], ["c"]], []),
        ("x = ['a']  # names: a or b", [["b"], []], [["c"]]),
        ("x = 8  # bits: one of 8, 16 or 32", [16], [12]),
        ("x: Literal['a', 'b'] = 'a'", ["b"], ["c"]),
        ("x: Annotated[int, 'at least 2'] = 3", [2], [1]),
        ("n_jobs = -1  # processes", [-1, 0, 4], []),
        ("seed = -1", [-5], []),
        ("train_size = 0.8", [0.1, 5.0], []),
        ("dataset = 'sales.csv'  # data set", ["digits", "no such"], []),
        ("epochs = 5  # use at least 2 for stable results", [1], []),
        ("noise = 3.0  # on pixels in [0, 1]", [2.0], []),
        ("x = 'relu'  # by Keras' name: relu, tanh, ...", ["elu"], []),
        ("x = 'red'  # a colour: blue or green", ["yellow"], []),  # then no list of names
        ("x = 2  # 1 or 2", [3], []),
    ],
)
def test_ranges_and_names_are_declared(code, right, wrong):
    declared = parse_parameters(code)
    name = declared[0].name
    for value in right:
        assert validate({name: value}, declared) == {name: value}
    for value in wrong:
        with pytest.raises(ParameterError, match=f"`{name}` must"):
            validate({name: value}, declared)


@pytest.mark.parametrize("text", ["a\tb", "two\nlines", "a\0b", "é\u2028", ""])
def test_any_text_is_a_text(text):
    assert validate({"x": text}, [Parameter("x", "")]) == {"x": text}


def test_a_tuple_stays_one():
    (declared,) = parse_parameters("shape = (3, [1, 2])")
    assert validate({"shape": [4, [5]]}, [declared]) == {"shape": (4, [5])}


@given(st.integers() | st.floats() | st.text() | st.booleans() | st.none())
def test_what_passes_has_the_type_of_the_default(value):
    for parameter in DECLARED:
        try:
            passed = validate({parameter.name: value}, DECLARED)[parameter.name]
        except ParameterError:
            continue
        assert type(passed) in (*parameter.kind.scalars, type(parameter.default))


def test_the_known_data_sets_are_those_of_the_helpers():
    assert data.pool_names() == DATASETS
    assert set(data.names()) <= set(DATASETS)
