"""Chapters declare the edges of what their parameters allow, and run there."""

from pathlib import Path

import pytest

from helpers.batch.ask.parameters import Parameter, parameters_of
from helpers.batch.ask.run import make_run
from helpers.batch.ask.validation import validate
from helpers.batch.book import chapters
from helpers.batch.execute.execution import execute
from helpers.batch.notebook import read

ROOT = Path(__file__).parents[1]
CHAPTERS = chapters(ROOT)
MORE_THAN_ALL = 100_000  # examples in a batch; no data set here has as many


def smallest(parameter: Parameter):
    """Return the least that is declared: fewest, smallest and shortest; None if nothing is.

    Of rates they are the largest, at which so few steps learn something.
    """
    least = [bound for _, test, bound in parameter.range.bounds if test == ">="]
    value = parameter.default
    if isinstance(value, list):
        ends = slice(-parameter.range.length, None), slice(parameter.range.length)
        value = value[ends[not isinstance(value[0], float)]] if parameter.range.length else None
    elif least and (value is None or isinstance(value, int)):
        value = int(least[0])
    elif not least:
        value = None
    return value


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_count_of_a_chapter_has_a_least_value(chapter):
    """Without one a sweep would find it in the middle of a run."""
    for parameter in parameters_of(read(chapter)):
        declared = parameter.range
        assert declared.bounds or declared.names or declared.length, parameter.name


@pytest.mark.slow
@pytest.mark.parametrize(
    "chapter", [path for path in CHAPTERS if parameters_of(read(path))], ids=lambda path: path.stem
)
def test_a_chapter_runs_with_the_smallest_values_and_a_batch_larger_than_the_data(chapter):
    declared = parameters_of(read(chapter))
    least = {parameter.name: smallest(parameter) for parameter in declared}
    given = {name: value for name, value in least.items() if value is not None and name != "seed"}
    batch = next(parameter for parameter in declared if parameter.name == "batch_size")
    most = [bound for _, test, bound in batch.range.bounds if test == "<="]
    given["batch_size"] = int(min([MORE_THAN_ALL, *most]))
    outcome = execute(make_run(chapter, validate(given, declared)))
    assert outcome.error == "", outcome.traceback
