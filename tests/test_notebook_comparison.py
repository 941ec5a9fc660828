"""The plugin must see what matters and nothing else, on outputs tampered with one at a time."""

import copy
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbval.plugin import IPyNbCell, nocolors

from helpers.batch.ask.run import make_run
from helpers.batch.execute.execution import execute
from helpers.batch.results.records import claim_lines, differences, record_of
from helpers.claims import GLUE_PREFIX, MIME
from tests import notebook_comparison

ROOT = Path(__file__).parents[1]
CLAIM = {
    "schema": 1, "kind": "claim", "id": "a-b", "statement": "A beats B.", "verdict": "holds",
    "method": "paired t", "scale": "difference", "effect": 2.0, "low": 1.0, "high": 3.0,
    "confidence": 0.95, "replicas": 8, "unit": "points", "observed": None,
}  # fmt: skip
FIGURE = {
    "schema": 1, "kind": "figure", "name": "share", "value": 10.0, "low": 9.0, "high": 11.0,
    "replicas": 8, "unit": "", "tolerance": 0.1,
}  # fmt: skip
PART = {"schema": 1, "kind": "part", "of": "a-b", "part": "verdict"}
SUMMARY = {"schema": 1, "kind": "summary", "chapter": "a", "claims": ["a-b", "a-c"]}


EDGE = CLAIM | {"low": 0.001, "high": 2.0, "margin": 0.5}
RATIO = EDGE | {"scale": "ratio", "low": 1.0005, "high": 1.4, "margin": 1.1}


@pytest.mark.parametrize(
    ("record", "change", "excused"),
    [
        (EDGE, {"low": -0.001, "verdict": "inconclusive"}, True),
        (EDGE, {"low": -0.001, "high": 2.2, "verdict": "inconclusive"}, False),  # another result
        (EDGE, {"low": -0.1, "verdict": "inconclusive"}, False),  # too far for rounding
        (EDGE, {"verdict": "inconclusive"}, False),  # tampered with: nothing was crossed
        (EDGE, {"low": 0.002, "verdict": "inconclusive"}, False),
        (EDGE, {"low": None, "verdict": "inconclusive"}, False),
        (EDGE, {"low": -0.001, "verdict": "inconclusive", "replicas": 7}, False),
        (EDGE | {"low": 0.2, "high": 0.501}, {"high": 0.499, "verdict": "no difference"}, True),
        (RATIO, {"low": 0.9999, "verdict": "inconclusive"}, True),
        (RATIO, {"low": 0.98, "verdict": "inconclusive"}, False),
        (RATIO | {"low": 0.95, "high": 1.101}, {"high": 1.099, "verdict": "no difference"}, True),
        (RATIO | {"low": 0.0}, {"low": 0.0, "verdict": "inconclusive"}, False),
        (RATIO | {"method": "clock"}, {"low": 0.9999, "verdict": "inconclusive"}, False),
    ],
)
def test_a_verdict_may_turn_where_rounding_moves_an_interval_over_a_border(record, change, excused):
    """Processors round otherwise; what they may not do is find something else."""
    assert (differences(record, record | change) == []) is excused
    assert (differences(record | change, record) == []) is excused


def test_a_verdict_may_be_one_that_the_claim_tells_of_other_processors():
    told = CLAIM | {"elsewhere": "inconclusive"}
    assert differences(told, told | {"low": -1.0, "verdict": "inconclusive"}) == []
    assert differences(CLAIM, told | {"low": -1.0, "verdict": "inconclusive"})  # not committed
    assert differences(told, told | {"low": -1.0, "verdict": "contradicted"})
    apart = told | {"effect": -2.0, "low": -3.0, "high": -1.0, "verdict": "inconclusive"}
    assert "do not overlap" in differences(told, apart)[0]


@pytest.mark.parametrize("record", [CLAIM, FIGURE, PART, SUMMARY])
def test_a_record_equals_itself(record):
    assert differences(record, copy.deepcopy(record)) == []


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (CLAIM, {"id": "a-c"}),
        (CLAIM, {"statement": "B beats A."}),
        (CLAIM, {"verdict": "inconclusive"}),
        (CLAIM, {"method": "exact"}),
        (CLAIM, {"scale": "ratio"}),
        (CLAIM, {"replicas": 7}),
        (CLAIM, {"replicas": 8.0}),
        (CLAIM, {"unit": "%"}),
        (CLAIM, {"schema": 2}),
        (CLAIM, {"effect": 5.0, "low": 4.0, "high": 6.0}),
        (CLAIM, {"low": None}),
        (CLAIM, {"observed": 1}),
        (CLAIM | {"observed": 1}, {"observed": 2}),
        (CLAIM | {"observed": 1}, {"observed": True}),
        (CLAIM | {"observed": "relu"}, {"observed": "elu"}),
        (CLAIM | {"method": "clock"}, {"verdict": "inconclusive"}),
        (CLAIM, {"kind": "part"}),
        (FIGURE, {"name": "loss"}),
        (FIGURE, {"value": 11.1}),
        (FIGURE, {"value": None}),
        (FIGURE, {"value": math.nan}),
        (FIGURE, {"replicas": 4}),
        (FIGURE, {"tolerance": 10.0}),
        (FIGURE | {"tolerance": 0}, {"value": 10.000001}),
        (PART, {"of": "a-c"}),
        (PART, {"part": "effect"}),
        (SUMMARY, {"claims": ["a-c", "a-b"]}),
        (SUMMARY, {"chapter": "b"}),
        ({"kind": "rumour"}, {}),
    ],
)
def test_a_change_that_matters_is_named(record, change):
    assert len(differences(record, record | change)) == 1


@pytest.mark.parametrize(
    ("record", "change"),
    [
        # [1, 3] and [2.5, 4] share [2.5, 3]
        (CLAIM, {"effect": 3.2, "low": 2.5, "high": 4.0}),
        # they miss by 0.002, within 1e-3 of 4: the slack of 0.004
        (CLAIM, {"effect": 3.5, "low": 3.002, "high": 4.0}),
        (CLAIM | {"method": "clock"}, {"effect": 5.0, "low": 4.0, "high": 6.0}),
        (CLAIM, {"confidence": 0.9}),
        (CLAIM | {"observed": 0.25}, {"observed": 0.26}),
        (CLAIM | {"low": None, "high": None}, {}),
        (FIGURE, {"value": 11.0, "low": 0.0, "high": 20.0}),
        (FIGURE | {"value": None}, {}),
        (FIGURE | {"value": math.nan}, {"value": math.nan}),
        (FIGURE | {"value": 0.0, "tolerance": 0}, {}),
    ],
)
def test_a_change_of_another_processor_is_not(record, change):
    assert differences(record, record | change) == []


def test_records_are_found_in_claims_and_in_glue():
    assert record_of({"data": {MIME: CLAIM}}) == CLAIM
    assert record_of({"data": {GLUE_PREFIX + MIME: FIGURE}}) == FIGURE
    assert record_of({"data": {MIME: json.dumps(PART)}}) == PART
    assert record_of({"data": {"text/plain": "1"}}) is None
    assert record_of({"output_type": "stream", "text": "1"}) is None


def test_claims_are_printed_one_line_each():
    exact = CLAIM | {"scale": None, "effect": None, "observed": 3, "verdict": "contradicted"}
    ratio = CLAIM | {"scale": "ratio", "unit": "", "verdict": "inconclusive", "high": None}
    assert claim_lines([CLAIM, FIGURE, exact, ratio]) == [
        "holds          a-b  2.00 [1.00, 3.00] points, 8 replicas",
        "contradicted   a-b  observed 3",
        "inconclusive   a-b  × 2.00 [1.00, not finite], 8 replicas",
    ]


def displayed(record, text="A", *, name=None):
    """Return an output as nbval sees it, of a claim or, with a name, of something glued."""
    prefix = GLUE_PREFIX if name else ""
    metadata = {"scrapbook": {"name": name, "mime_prefix": GLUE_PREFIX}} if name else {}
    data = {prefix + "text/plain": text, prefix + MIME: record}
    return nbformat.from_dict({"output_type": "display_data", "metadata": metadata, "data": data})


def printed(text):
    return nbformat.from_dict({"output_type": "stream", "name": "stdout", "text": text})


class Cell(IPyNbCell):
    """A cell outside of a session; nbval asks the session's plugins how to show a difference."""

    ihook = SimpleNamespace(pytest_assertrepr_compare=lambda **_: [])
    config = None


def compare(ref, test):
    """Compare outputs as the plugin does; return whether they agree, and the report."""
    cell = Cell.__new__(Cell)
    skipped = ("metadata", "output_type", "name", "execution_count", "image/png")
    cell.parent = SimpleNamespace(skip_compare=skipped, sanitize_patterns={})
    cell.colors = nocolors
    same = notebook_comparison.compare_outputs(cell, test, ref)
    return same, "\n".join(cell.comparison_traceback)


def test_renderings_follow_from_the_record():
    assert compare([displayed(CLAIM, "2.0 points")], [displayed(CLAIM, "2.1 points")])[0]
    old, new = displayed(FIGURE, "10.0", name="share"), displayed(FIGURE, "10.1", name="share")
    assert compare([old], [new])[0]


def test_a_flipped_verdict_is_reported():
    flipped = displayed(CLAIM | {"verdict": "contradicted"})
    same, report = compare([displayed(CLAIM)], [flipped])
    assert not same
    assert "a-b: verdict: 'holds' became 'contradicted'" in report


@pytest.mark.parametrize(
    ("ref", "test"),
    [
        ([displayed(CLAIM)], []),
        ([], [displayed(CLAIM)]),
        ([displayed(CLAIM)], [displayed(CLAIM), displayed(CLAIM)]),
        ([displayed(CLAIM), displayed(PART)], [displayed(PART), displayed(CLAIM)]),
        ([displayed(FIGURE, name="share")], [displayed(FIGURE, name="loss")]),
        ([displayed(CLAIM)], [printed("a-b: holds")]),
        ([displayed(CLAIM), printed("1")], [displayed(CLAIM), printed("2")]),
        ([displayed(CLAIM), printed("1")], [displayed(CLAIM)]),
        ([printed("1")], [printed("2")]),
    ],
)
def test_missing_additional_and_moved_outputs_fail(ref, test):
    same, report = compare(ref, test)
    assert not same
    assert report


def test_the_rest_is_compared_by_nbval():
    assert compare([displayed(CLAIM), printed("1")], [displayed(CLAIM), printed("1")])[0]


@pytest.mark.slow
def test_nbval_runs_through_the_plugin(tmp_path):
    """One committed verdict is tampered with: its cell fails, the other cells pass."""
    notebook = tmp_path / "tampered.ipynb"
    run = make_run(ROOT / "tests/fixtures/succeeds.ipynb", {})
    text = execute(run, kernel="spawn").notebook
    assert '"verdict": "holds"' in text
    notebook.write_text(text.replace('"verdict": "holds"', '"verdict": "contradicted"'))
    options = "-q -p no:cacheprovider -p tests.notebook_comparison --nbval --nbval-current-env"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), f"--rootdir={tmp_path}", notebook],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode == 1
    assert "succeeds-less: verdict: 'contradicted' became 'holds'" in done.stdout
    assert "1 failed, 2 passed" in done.stdout
