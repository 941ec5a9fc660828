"""What is typed means what JSON or Python would mean by it, or is refused with what to write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.batch.ask.kinds import ANYTHING, parsed_kind
from helpers.batch.ask.parameters import parse_parameters
from helpers.batch.ask.validation import validate
from helpers.batch.ask.written import Written, meant, parse_value
from helpers.batch.errors import ParameterError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0123", "0123"),
        ("True", True),
        ("False", False),
        ("None", None),
        ('"None"', "None"),
        ("none", "none"),
        ("true", True),
        ("['a', 1]", ["a", 1]),
        ("(1, 2)", [1, 2]),
        ("(1,)", [1]),
        ("()", []),
        ('{"a": null, "b": (1,)}', {"a": None, "b": [1]}),
        ("[true, None]", [True, None]),
        ("[1, 2", "[1, 2"),
        ("(see below)", "(see below)"),
        ('{"a": 1}', {"a": 1}),
        ("{'a': 1}", {"a": 1}),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("1.", 1.0),
        ("+5", 5),
        ("+.5", 0.5),
        ("1_000", 1000),
        ("0x10", 16),
        ("0o17", 15),
        ('"8"', "8"),
        ("'abc'", "abc"),
        ("'8'", "8"),
        ('["a", 1]', ["a", 1]),
        ("../x", "../x"),
        ("1,5", "1,5"),
        ("a,b", "a,b"),
        ("2026-01-01", "2026-01-01"),
        ("1-1", "1-1"),
        ("if", "if"),
        ("f(1)", "f(1)"),
        ("", ""),
        ("a\0b", "a\0b"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_is_json_or_what_python_writes_else_a_text(text, value):
    found = meant(parse_value(text), ANYTHING)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("str", "nan", "nan"),
        ("str", "2026_01_01", "2026_01_01"),
        ("str", "(1, 2)", "(1, 2)"),
        ("str", "{1, 2}", "{1, 2}"),
        ("str", "'1.10'", "1.10"),
        ("str | None", "inf", "inf"),
        ("list[str]", "['nan']", ["nan"]),
        ("int | str", ".5", ".5"),
        ("int | str", "+5", 5),
        ("list | str", "(1, 2)", [1, 2]),
        ("float", "abc", "abc"),  # `validate` refuses it
    ],
)
def test_where_texts_are_asked_for_they_stay(kind, text, value):
    assert meant(parse_value(text), parsed_kind(kind)) == value


def test_what_is_typed_within_lists_and_mappings_is_read():
    typed = [Written(".5"), [Written("nan")], {"a": Written("0o17")}]
    half, (text,), mapping = meant(typed, parsed_kind("list[float | list[str]]"))
    assert (half, text, mapping) == (0.5, "nan", {"a": 15})


@pytest.mark.parametrize(
    ("code", "text", "message"),
    [
        (
            "x = None",
            "{1, 2}",
            r"`x` must be a value that JSON can tell. Received: x=\"{1, 2}\". A",
        ),
        ("x = None", "{1: 2}", r"quoted: '\"{1: 2}\"' on the command line"),
        ("x = None", "1j", r"must be a value .* quoted: '\"1j\"' on"),
        ("x = None", "b'a'", "must be a value that JSON can tell"),
        ("x = None", "nan", r"`x` must be finite. Received: x=NaN. A text .* '\"nan\"' on"),
        ("x = None", "[1, nan]", "`x` must be finite"),
        ("x = None", "-inf", "`x` must be finite"),
        ("x = 1.0", "inf", "`x` must be finite. Received: x=Infinity"),
        ("x = 1.0", "{1}", "`x` must be float. Received: x="),
        ("x = 1", ".5", "`x` must be int. Received: x=0.5"),
        ("x = 1", "1,5", '`x` must be int. Received: x="1,5"'),
    ],
)
def test_what_cannot_be_given_is_refused_with_what_to_write(code, text, message):
    with pytest.raises(ParameterError, match=message):
        validate({"x": parse_value(text)}, parse_parameters(code))


@pytest.mark.parametrize(
    ("code", "text", "value"),
    [("x = 1", "1_000", 1000), ("x = 1", "1e3", 1000), ("x = .1", ".5", 0.5)],
)
def test_a_number_goes_in_whichever_form_python_has_for_it(code, text, value):
    found = validate({"x": parse_value(text)}, parse_parameters(code))["x"]
    assert (found, type(found)) == (value, type(value))


@given(st.text())
def test_any_text_in_quotes_is_that_text(text):
    assert meant(parse_value(repr(text)), ANYTHING) == text
