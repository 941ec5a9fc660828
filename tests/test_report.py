"""A folder of finished runs becomes tables, a page and lines, whatever the runs have left there."""

import csv
import io
import json
import random
import re
import time
from pathlib import Path
from urllib.parse import unquote

import pandas
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from helpers.batch.cli import main
from helpers.batch.errors import UsageError
from helpers.batch.report.collection import NOT_DECLARED, columns_of, distinct, value_text
from helpers.batch.report.data import evidence
from helpers.batch.report.page import page
from helpers.batch.report.tables import FORMULA, csv_text
from helpers.batch.report.writing import (
    claims_matrix,
    collect,
    records_table,
    runs_table,
    summary_lines,
    write_report,
)
from helpers.batch.results.store import Folder, Store, open_store
from helpers.claims.box import LOOKS

VERSIONS = {"python": "3.11.7", "keras": "3.15.1"}
FILES = ["runs.parquet", "runs.csv", "records.parquet", "records.csv", "index.html"]


def claim(name, verdict="holds", effect=None, **more):
    """Return a claim's record: a comparison if there is an effect, else an exact fact."""
    half = None if effect is None else abs(effect) / 4
    record = {
        "schema": 1,
        "kind": "claim",
        "id": name,
        "statement": f"What {name} states.",
        "verdict": verdict,
        "method": "exact" if effect is None else "paired t",
        "scale": None if effect is None else "difference",
        "effect": effect,
        "low": None if effect is None else effect - half,
        "high": None if effect is None else effect + half,
        "confidence": 0.95,
        "replicas": 0 if effect is None else 8,
        "unit": "" if effect is None else "points",
        "observed": None,
    }
    return {**record, **more}


def figure(name, value, low=None, high=None, unit="", **more):
    record = {"schema": 1, "kind": "figure", "name": name, "value": value, "low": low}
    return {**record, "high": high, "replicas": 8, "unit": unit, "tolerance": 0.1, **more}


def planned(number, parameters, chapter="01_first"):
    identity = f"{number:064x}"
    name = f"{chapter}-{number:012x}"
    run = {"id": name, "identity": identity, "chapter": chapter}
    return {**run, "given": parameters, "parameters": parameters}


def finished(run, *records, status="done", **more):
    """Return what `run.json` says of a planned run."""
    result = {
        **run,
        "schema": 1,
        "status": status,
        "error": "",
        "traceback": "",
        "records": list(records),
        "started": "2026-11-22T17:00:00+00:00",
        "seconds": 12.5,
        "cell_seconds": 11.25,
        "worker": "host:7",
        "processor": "AMD EPYC, AVX2",
        "attempts": 1,
        "versions": VERSIONS,
        "notebook_sha256": "0" * 64,
    }
    return {**result, **more}


def write_batch(folder, runs, results=()):
    """Write a batch's files and return its store."""
    store = open_store(folder)
    plan = {"schema": 1, "grid": "demo", "created": "2026-11-22T17:00:00+00:00", "runs": runs}
    store.write_text("batch.json", json.dumps(plan))
    for result in results:
        store.write_text(f"runs/{result['id']}/run.json", json.dumps(result))
    return store


def write_demo(folder):
    """Two data sets, three depths, two seeds, two chapters; one run failed, one is missing."""
    rng = random.Random(0)
    runs, results = [], []
    for dataset in ("digits", "<script>window.stolen = 1</script>"):
        for depth in (5, 10, 1000):
            for seed in (1, 10_001):
                given = {"dataset": dataset, "depth": depth, "seed": seed, "replicas": 8}
                run = planned(len(runs) + 1, given)
                runs.append(run)
                effect = rng.gauss(3, 2) * (1 if dataset == "digits" else -1)
                verdict = "inconclusive" if abs(effect) < 1 else "holds"
                verdict = "contradicted" if effect < -1 else verdict
                records = [
                    claim("first-exact", observed="0 of 51200"),
                    claim("first-deeper", verdict, effect),
                    figure("first-accuracy", 80 + effect, 78 + effect, 82 + effect, "%"),
                    figure("first-loss", 10.0**-depth if depth < 100 else 1e-20),
                ]
                results.append(finished(run, *records, seconds=float(depth)))
    error = "cell 4, section 'A section that fails': ZeroDivisionError: division by zero"
    trace = "Traceback (most recent call last):\nZeroDivisionError: division by zero"
    failed = claim("first-exact", observed="0 of 51200")
    results[4] = finished(runs[4], failed, status="failed", error=error, traceback=trace)
    del results[7]
    other = planned(99, {"dataset": "digits", "rate": 0.1}, "02_second")
    records = [claim("second-ratio", "holds", 2e6, scale="ratio", unit="", statement="A & B")]
    runs.append(other)
    results.append(finished(other, *records))
    return write_batch(folder, runs, results)


@pytest.fixture
def demo(tmp_path):
    return collect(write_demo(tmp_path))


def collection_of(folder, *runs_and_records):
    """Return the collection of finished runs, each given as (parameters, records)."""
    runs = [planned(number, given) for number, (given, _) in enumerate(runs_and_records)]
    pairs = zip(runs, runs_and_records, strict=True)
    results = [finished(run, *records) for run, (_, records) in pairs]
    return collect(write_batch(folder, runs, results))


def strict(text):
    """Read JSON that has no word but those of the standard."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def data_of(html):
    """Return what the page's scripts read."""
    text = html.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    return strict(text)


# Reading


def test_runs_come_in_the_order_of_the_plan(demo):
    assert [run["id"] for run in demo.runs[:2]] == [
        "01_first-000000000001",
        "01_first-000000000002",
    ]
    statuses = [run["status"] for run in demo.runs]
    assert statuses == ["done"] * 4 + ["failed"] + ["done"] * 2 + ["missing"] + ["done"] * 5
    assert (demo.grid, demo.created, demo.left_out) == ("demo", "2026-11-22T17:00:00+00:00", 0)
    missing = demo.runs[7]
    assert missing["parameters"]["depth"] == 5
    assert (missing["records"], missing["seconds"], missing["error"]) == ([], None, "")


@pytest.mark.parametrize("length", [0, 1, 200, -2])
def test_a_cut_off_result_is_missing(tmp_path, length):
    run = planned(1, {})
    store = write_batch(tmp_path, [run], [finished(run)])
    name = f"runs/{run['id']}/run.json"
    store.write_text(name, store.read_text(name)[:length])
    assert [run["status"] for run in collect(store).runs] == ["missing"]


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "1" * 64},
        {"schema": 2},
        {"status": "<b>"},
        {"status": []},
        {"records": None},
        {"records": 3},
    ],
)
def test_a_result_of_something_else_is_missing(tmp_path, change):
    run = planned(1, {})
    store = write_batch(tmp_path, [run], [{**finished(run), **change}])
    assert collect(store).runs[0]["status"] == "missing"


@pytest.mark.parametrize("text", ["[]", "3", "null", '{"schema": 1}', "[" * 100_000])
def test_a_result_that_is_none_is_missing(tmp_path, text):
    store = write_batch(tmp_path, [planned(1, {})])
    store.write_text("runs/01_first-000000000001/run.json", text)
    assert collect(store).runs[0]["status"] == "missing"


def test_fields_of_the_wrong_type_count_as_not_there(tmp_path):
    run = planned(1, {})
    odd = finished(
        run, 3, {"kind": "claim"}, {"kind": []}, seconds="long", error=None, versions=[], started=0
    )
    found = collect(write_batch(tmp_path, [run], [odd])).runs[0]
    assert (found["status"], found["records"], found["seconds"]) == ("done", [], None)
    assert (found["error"], found["versions"], found["started"]) == ("", {}, "")


def test_parts_and_summaries_are_no_results(tmp_path):
    part = {"kind": "part", "of": "a", "part": "verdict"}
    found = collection_of(tmp_path, ({}, [part, claim("a"), {"kind": "summary"}, figure("b", 1)]))
    assert [record["kind"] for record in found.runs[0]["records"]] == ["claim", "figure"]


def test_other_results_are_counted_and_left_out(tmp_path):
    run, other = planned(1, {}), planned(2, {})
    store = write_batch(tmp_path, [run], [finished(run), finished(other)])
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / "a file").write_text("")
    found = collect(store)
    assert len(found.runs) == 1
    assert found.left_out == 1
    assert "1 other result in this folder" in page(found)
    assert summary_lines(found)[1] == "not part of this grid, and left out: 1"


def test_there_must_be_a_batch(tmp_path):
    with pytest.raises(UsageError, match=r"DIR must hold a batch. Received: .*, no batch.json"):
        collect(open_store(tmp_path))


@pytest.mark.parametrize(
    "plan",
    [
        "",
        "[]",
        '{"schema": 2, "runs": []}',
        '{"schema": 1, "runs": [3]}',
        '{"schema": 1, "runs": [{"id": "../a", "chapter": "a", "parameters": {}}]}',
        '{"schema": 1, "runs": [{"id": "a", "chapter": "a", "parameters": []}]}',
    ],
)
def test_the_plan_must_be_one(tmp_path, plan):
    store = open_store(tmp_path)
    store.write_text("batch.json", plan)
    with pytest.raises(UsageError, match=r"batch\.json is no list of planned runs"):
        collect(store)


def test_an_object_store_is_read_and_written():
    store = write_demo("memory://report-test")
    names = write_report(store, collect(store))
    assert names == [f"report/{name}" for name in FILES]
    assert all(store.exists(name) for name in names)
    store.write_text("runs/other/run.json", "{}")
    assert collect(store).left_out == 1


# Numbers that are not finite


def test_what_is_not_finite_becomes_null_and_is_flagged(tmp_path):
    infinite, nan = float("inf"), float("nan")
    records = [
        figure("a", nan),
        figure("b", 1.0, -infinite, 3.0),
        claim("c", "holds", 2.0, high=infinite),
        claim("d", observed=nan),
        figure("e", None),  # made null by whoever wrote the file
        claim("f", scale="difference", unit="points"),
        figure("g", 2.0),
    ]
    found = collection_of(tmp_path, ({"rate": nan}, records))
    flags = [record["not_finite"] for record in found.runs[0]["records"]]
    assert flags == [
        ["value"],
        ["low"],
        ["high"],
        ["observed"],
        ["value"],
        ["effect", "high", "low"],
        [],
    ]
    assert found.runs[0]["parameters"] == {"rate": "nan"}
    json.dumps(found.runs, allow_nan=False)
    html = page(found)
    shown = [record[3] for record in data_of(html)["runs"][0]["records"]]
    assert shown == [
        "not finite",
        "1.00 [not finite, 3.00]",
        "2.00 [1.50, not finite] points",
        "not finite",
        "not finite",
        "not finite [not finite, not finite] points",
        "2.00",
    ]
    table = records_table(found)
    assert list(table["not_finite"]) == [", ".join(flag) for flag in flags]
    assert table["value"].isna().tolist() == [True, False, False, True, True, True, False]


def test_numbers_beyond_floats_are_not_finite(tmp_path):
    found = collection_of(tmp_path, ({}, [figure("a", 10**400)]))
    assert records_table(found)["value"].isna().all()
    assert data_of(page(found))["runs"][0]["records"][0][3] == "not finite"


@given(value=st.floats(), low=st.floats(), high=st.floats())
def test_a_figure_with_any_numbers_can_be_said(value, low, high):
    from helpers.batch.report.collection import _record

    record = _record(figure("a", value, low, high))
    json.dumps(record, allow_nan=False)
    assert ("not finite" in evidence(record)) == bool(record["not_finite"])


# Tables


def test_the_table_of_runs(demo):
    table = runs_table(demo)
    columns = ["id", "chapter", "notebook", "status", "error", "warning"]
    columns += ["seconds", "cell_seconds", "started"]
    parameters = [f"p.{name}" for name in ("dataset", "depth", "seed", "replicas", "rate")]
    columns += ["worker", "processor", "attempts", *parameters, "v.python", "v.keras"]
    assert list(table) == columns
    assert len(table) == 13
    first = table.iloc[0]
    assert (first["id"], first["status"], first["seconds"]) == ("01_first-000000000001", "done", 5)
    assert first["started"] == pandas.Timestamp("2026-11-22T17:00Z")
    assert table["p.depth"].dtype == "Int64"
    assert table["p.depth"].isna().tolist() == [False] * 12 + [True]
    assert table["p.rate"].dropna().tolist() == [0.1]
    assert table["seconds"].isna().tolist() == [False] * 7 + [True] + [False] * 5


def test_the_table_of_records(demo):
    table = records_table(demo)
    assert len(table) == 10 * 4 + 1 + 1  # ten whole runs of the first chapter, a part of one
    last = table.iloc[-1]
    assert (last["run"], last["name"], last["p.rate"]) == (
        "02_second-000000000063",
        "second-ratio",
        0.1,
    )
    assert (last["value"], last["low"], last["high"]) == (2e6, 1.5e6, 2.5e6)
    assert table["observed"].dropna().unique().tolist() == ["0 of 51200"]
    assert table.query("name == 'first-accuracy'")["unit"].unique().tolist() == ["%"]
    assert table.query("kind == 'figure'")["verdict"].isna().all()


def test_parameters_of_mixed_types_go_to_parquet_and_back(tmp_path):
    given = [
        {"a": 1, "b": [5, 10], "c": 1, "d": True, "e": 2**70, "f": None, "g": "x"},
        {"a": "x", "b": None, "c": 2.5, "d": False, "e": 1, "f": None},
    ]
    found = collection_of(tmp_path, *((values, []) for values in given))
    (tmp_path / "t.parquet").write_bytes(runs_table(found).to_parquet(index=False))
    table = pandas.read_parquet(tmp_path / "t.parquet")
    pandas.testing.assert_frame_equal(table, runs_table(found))
    assert table["p.a"].tolist() == ["1", '"x"']
    assert table["p.b"].tolist() == ["[5, 10]", pandas.NA]
    assert table["p.c"].tolist() == [1.0, 2.5]
    assert table["p.d"].tolist() == [True, False]
    assert table["p.e"].tolist() == [str(2**70), "1"]
    assert table["p.f"].isna().all()
    assert table["p.g"].tolist() == ["x", pandas.NA]


@given(st.lists(st.text() | st.sampled_from(["=1+1", "@a", "a\r=b", "\t=b", '"=c', "-1", "+2"])))
def test_no_cell_of_a_csv_is_a_formula(texts):
    table = pandas.DataFrame({"number": -1.5, "text": pandas.array(texts, dtype="string")})
    rows = list(csv.reader(io.StringIO(csv_text(table), newline="")))
    assert [row[0] for row in rows[1:]] == ["-1.5"] * len(texts)
    for row, text in zip(rows[1:], texts, strict=True):
        assert row[1] in (text, f"'{text}")
        assert not FORMULA.match(row[1])


def test_a_formula_as_a_parameter_is_neutralized(tmp_path):
    found = collection_of(tmp_path, ({"name": "=cmd()", "rate": -0.5}, [figure("a", -2.0)]))
    assert ",'=cmd(),-0.5," in csv_text(runs_table(found))
    assert ",'=cmd(),-0.5,figure,a,,,-2.0," in csv_text(records_table(found))


# The matrix of claims


def test_a_cell_counts_the_verdicts_of_several_runs(tmp_path):
    runs = [
        ({"dataset": "digits", "seed": seed}, [claim("a-one", verdict), claim("a-two", "holds")])
        for seed, verdict in enumerate(["inconclusive", "holds", "holds", "holds"])
    ]
    runs.append(({"dataset": "cifar10", "seed": 0}, [claim("a-one", "contradicted")]))
    matrix = claims_matrix(collection_of(tmp_path, *runs))
    assert list(matrix.index) == ["a-one", "a-two"]
    assert list(matrix.columns) == ["digits", "cifar10"]
    assert matrix.to_numpy().tolist() == [
        ["holds 3, inconclusive 1", "contradicted"],
        ["holds 4", ""],
    ]


def test_verdicts_are_counted_in_their_usual_order(tmp_path):
    verdicts = ["an older one", *reversed(LOOKS)]
    runs = [
        ({"dataset": "digits", "seed": seed}, [claim("a", verdict)])
        for seed, verdict in enumerate(verdicts)
    ]
    matrix = claims_matrix(collection_of(tmp_path, *runs))
    counts = [f"{verdict} 1" for verdict in (*LOOKS, "an older one")]
    assert matrix.to_numpy().tolist() == [[", ".join(counts)]]


def test_columns_are_numbers_ascending_then_the_rest(tmp_path):
    values = [10, "x", 2, None, 2.0, True, "10"]
    runs = [({"size": value}, [claim("a")]) for value in values]
    found = collection_of(tmp_path, *runs, ({}, []))
    matrix = claims_matrix(found, by="size")
    assert list(matrix.columns) == [2, 10, "x", True, "10", None, NOT_DECLARED]
    assert matrix.loc["a"].tolist() == ["holds 2", *["holds"] * 5, ""]
    texts = [value_text(value) for value in distinct(found)["size"]]
    assert texts == ["2", "10", "x", "true", '"10"', "null", NOT_DECLARED]


def test_chapters_keep_their_claims_apart(tmp_path):
    runs = [planned(1, {}, "a"), planned(2, {}, "b"), planned(3, {}, "a")]
    records = [claim("one")], [claim("one", "inconclusive")], [claim("one"), claim("two")]
    results = [finished(run, *found) for run, found in zip(runs, records, strict=True)]
    matrix = claims_matrix(collect(write_batch(tmp_path, runs, results)))
    assert list(matrix.index) == ["one (a)", "two", "one (b)"]
    assert matrix["all runs"].tolist() == ["holds 2", "holds", "inconclusive"]


def test_by_must_be_a_parameter(demo, tmp_path):
    message = "`by` must be a parameter of a run. Received: dept. Did you mean depth?"
    for call in (claims_matrix, summary_lines):
        with pytest.raises(UsageError) as caught:
            call(demo, "dept")
        assert str(caught.value) == message
    with pytest.raises(UsageError, match="Did you mean depth"):
        write_report(open_store(tmp_path), demo, by="dept")
    assert not (tmp_path / "report").exists()


def test_two_notebooks_of_one_name_are_told_apart(tmp_path):
    runs = [
        planned(number, {"depth": 5}, "train") | {"notebook": f"/a/{place}/train.ipynb"}
        for number, place in enumerate(["north/x", "south/x", "east"])
    ]
    verdicts = ["holds", "contradicted", "inconclusive"]
    results = [
        finished(run, claim("same", verdict), figure("mean", number))
        for number, (run, verdict) in enumerate(zip(runs, verdicts, strict=True))
    ]
    found = collect(write_batch(tmp_path, runs, results))
    names = ["north/x/train", "south/x/train", "east/train"]
    assert list(runs_table(found)["chapter"]) == names
    assert list(runs_table(found)["notebook"]) == [run["notebook"] for run in runs]
    table = records_table(found)
    values = table[table["kind"] == "figure"].set_index("chapter")["value"]
    assert dict(values) == {"north/x/train": 0, "south/x/train": 1, "east/train": 2}
    matrix = claims_matrix(found)
    assert list(matrix.index) == [f"same ({name})" for name in names]
    assert list(matrix.iloc[:, 0]) == verdicts
    assert [series["chapter"] for series in data_of(page(found))["series"]][::2] == names


def test_two_notebooks_of_one_name_in_one_folder_are_told_apart(tmp_path):
    places = ["/a/train.ipynb", "/a/train.py", "/b/train.py", "/b/sub/other.ipynb"]
    runs = [
        planned(number, {"depth": 5}, Path(place).stem) | {"notebook": place}
        for number, place in enumerate(places)
    ]
    results = [finished(run, claim("same", "holds")) for run in runs]
    found = collect(write_batch(tmp_path, runs, results))
    names = ["a/train.ipynb", "a/train.py", "b/train", "other"]
    assert list(runs_table(found)["chapter"]) == names
    assert list(claims_matrix(found).index) == [f"same ({name})" for name in names]


def test_without_a_data_set_another_parameter_makes_the_columns(tmp_path):
    some = collection_of(
        tmp_path / "a", ({"seed": 1, "rate": 0.1}, []), ({"seed": 1, "rate": 1}, [])
    )
    assert columns_of(some, "dataset") == "rate"
    none = collection_of(tmp_path / "b", ({"seed": 1}, [claim("a")]))
    assert columns_of(none, "dataset") is None
    assert claims_matrix(none).to_dict() == {"all runs": {"a": "holds"}}


# Lines for the terminal


def test_the_summary(demo):
    assert summary_lines(demo, "depth") == [
        "11 done, 1 failed, 1 missing",
        "",
        "claim by depth  5         10        1000   (not declared)",
        "first-exact     ✓3        ✓4        ✓4     .",
        "first-deeper    ✓1 ✗1 ?1  ✓2 ✗1 ?1  ✓1 ✗2  .",
        "second-ratio    .         .         .      ✓",
        "",
        "failed 01_first-000000000005: cell 4, section 'A section that fails': "
        "ZeroDivisionError: division by zero",
    ]


def test_no_text_commands_the_terminal(tmp_path):
    run = planned(1, {"dataset": "\x1b[2J\nx"})
    result = finished(run, claim("a\x07"), status="failed", error="\x1b]0;x\x07\r\nsecond\tline")
    lines = summary_lines(collect(write_batch(tmp_path, [run], [result])))
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == "failed 01_first-000000000001: ]0;x second line"


# The page


def test_the_report_has_its_files(tmp_path):
    store = write_demo(tmp_path)
    assert write_report(store, collect(store)) == [f"report/{name}" for name in FILES]
    assert len(pandas.read_parquet(tmp_path / "report" / "records.parquet")) == 42
    assert len(pandas.read_csv(tmp_path / "report" / "runs.csv")) == 13
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(FILES)


def write_foreign(store, name):
    store.write_text(f"report/{name}", "<p>not ours</p>")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("address", ["{}", "memory://{}"])
def test_a_foreign_file_is_not_replaced(tmp_path, name, address):
    store = write_demo(address.format(tmp_path))
    write_foreign(store, name)
    with pytest.raises(UsageError, match=rf"report must be new or .* Received: report/{name} of s"):
        write_report(store, collect(store))
    assert store.read_text(f"report/{name}") == "<p>not ours</p>"
    assert [other for other in FILES if store.exists(f"report/{other}")] == [name]


def test_another_file_in_the_folder_does_not_matter_and_stays(tmp_path):
    store = write_demo(tmp_path)
    write_foreign(store, "notes.html")
    write_report(store, collect(store))
    assert store.read_text("report/notes.html") == "<p>not ours</p>"


def test_a_folder_in_the_page_s_place_is_no_report(tmp_path):
    store = write_demo(tmp_path)
    (tmp_path / "report" / "index.html").mkdir(parents=True)
    with pytest.raises(UsageError, match="must be new or a report"):
        write_report(store, collect(store))


@pytest.mark.parametrize("whole", range(1, len(FILES)))
def test_a_report_that_was_cut_off_is_written_anew(tmp_path, monkeypatch, whole):
    store, written = write_demo(tmp_path), []

    def write_bytes(name, data):
        if len(written) == whole:
            raise KeyboardInterrupt
        written.append(name)
        Store.write_bytes(store, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_bytes", write_bytes)
        with pytest.raises(KeyboardInterrupt):
            write_report(store, collect(store))
    assert len(list((tmp_path / "report").iterdir())) == whole
    assert len(write_report(store, collect(store))) == len(FILES)


def test_a_report_of_before_is_replaced(tmp_path):
    store = write_demo(tmp_path)
    write_report(store, collect(store))
    page = store.read_text("report/index.html")
    before = re.sub("<meta name=.generator.*>\n", "", page)
    assert before != page
    store.write_text("report/index.html", before)
    write_report(store, collect(store))
    assert store.read_text("report/index.html") == page


def test_the_command_reads_a_batch_once(tmp_path, monkeypatch):
    write_demo(tmp_path)
    readings = []
    read = Folder.read_text
    monkeypatch.setattr(Folder, "read_text", lambda *of: readings.append(of[1]) or read(*of))
    done = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert readings.count("batch.json") == 1


def test_the_page_shows_everything_without_scripts(demo):
    html = page(demo)
    body = html.split("<script type=")[0]
    for text in (
        "<b>11</b> done",
        "<b>1</b> failed",
        "<b>1</b> missing",
        "started 2026-11-22 17:00 UTC",
        "What first-deeper states.",
        "0 of 51200",
        "✓ holds",
        "✗ contradicted 4",
        "× 2.00 × 10⁶ [1.50 × 10⁶, 2.50 × 10⁶]",
        "A &amp; B",
        "../runs/01_first-000000000001/notebook.ipynb",
        "ZeroDivisionError: division by zero</pre>",
        "keras 3.15.1",
    ):
        assert text in body, text
    assert "../runs/01_first-000000000008/" not in html  # the missing run


def verdicts_by_seed(folder):
    """Return the store of a batch in which a claim has each verdict once."""
    runs = [planned(number, {"seed": number}) for number in range(len(LOOKS))]
    results = [
        finished(run, claim("a-one", verdict)) for run, verdict in zip(runs, LOOKS, strict=True)
    ]
    return write_batch(folder, runs, results)


def test_every_verdict_has_its_colour_and_is_explained(tmp_path):
    html = page(collect(verdicts_by_seed(tmp_path)), by="seed")
    legend = ", ".join(f"{symbol} {verdict}" for verdict, (symbol, _) in LOOKS.items())
    assert f">{legend}. A verdict leads" in html
    for verdict, (symbol, colour) in LOOKS.items():
        name = verdict.replace(" ", "-")
        assert f".{name} {{ background: {colour}; }}" in html
        assert f'<span class="verdict {name}">{symbol} {verdict}</span>' in html


def test_text_stays_text(tmp_path):
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"&"
    run = planned(1, {"dataset": bad, bad: bad}, chapter=bad)
    run["id"] = "a-1"
    records = [
        claim(bad, bad, 1.0, statement=bad, unit=bad),
        figure(bad, bad),
        figure("n", 1.0, unit=bad),
    ]
    names = dict.fromkeys(["error", "traceback", "worker", "processor"], bad)
    result = finished(run, *records, **names, versions={bad: bad})
    html = page(collect(write_batch(tmp_path, [run, planned(2, {bad: 1})], [result])))
    assert "<script>alert" not in html
    assert "<img" not in html
    assert html.count("</script>") == 4
    assert data_of(html)["runs"][0]["chapter"] == bad


def test_the_page_says_on_which_processors_it_was_made(tmp_path):
    runs = [planned(number, {"seed": number}) for number in range(4)]
    kinds = ["Xeon, AVX-512", "EPYC, AVX2", "Xeon, AVX-512"]
    results = [finished(run, processor=kind) for run, kind in zip(runs, kinds, strict=False)]
    collection = collect(write_batch(tmp_path, runs, results))
    html = page(collection)
    assert "<b>EPYC, AVX2</b>: 1; <b>Xeon, AVX-512</b>: 2.</p>" in html
    assert html.count("<td>Xeon, AVX-512</td>") == 2
    assert runs_table(collection)["processor"].tolist()[:3] == kinds


def test_text_that_is_no_unicode_can_be_written(tmp_path):
    run = planned(1, {"dataset": "\ud800"})
    store = write_batch(tmp_path, [run], [finished(run, claim("a\udfff"), error="\ud800")])
    write_report(store, collect(store))
    assert collect(store).runs[0]["error"] == "?"


def test_the_page_asks_for_nothing(demo):
    html = page(demo)
    assert "default-src 'none'" in html
    head = html.split("<body>")[0]
    assert "http:" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https:" not in html
    assert "@import" not in head
    assert "url(" not in head


def test_every_link_leads_to_a_planned_notebook(demo):
    names = {f"../runs/{run['id']}/notebook.ipynb" for run in demo.runs}
    links = {part.split('"')[0] for part in page(demo).split('<a href="')[1:]}
    links = {unquote(link) for link in links if link.startswith("..")}
    assert links
    assert links < names


def test_a_batch_without_results_has_a_page(tmp_path):
    store = write_batch(tmp_path, [planned(1, {"dataset": "digits"})])
    write_report(store, collect(store))
    assert summary_lines(collect(store)) == ["1 missing"]
    assert "No run has measured a claim." in page(collect(store))
    empty = write_batch(tmp_path / "empty", [])
    write_report(empty, collect(empty))
    assert summary_lines(collect(empty)) == ["no runs"]


MANY = 600


def write_many(folder, runs=MANY):
    """Write a batch of many runs with 40 records each."""
    plan, results = [], []
    for number in range(runs):
        datasets = ["digits", "fashion_mnist", "cifar10"]
        given = {
            "dataset": datasets[number % 3],
            "seed": number // 3,
            "rate": 10.0 ** -(number % 5),
        }
        given |= {f"other_{k}": k for k in range(12)}
        run = planned(number, given)
        records = [claim(f"many-claim-{k}", "holds", 1.0 + number % 7 + k) for k in range(20)]
        records += [
            figure(f"many-figure-{k}", number + k, number, number + 2 * k) for k in range(20)
        ]
        plan.append(run)
        results.append(finished(run, *records))
    return write_batch(folder, plan, results)


def test_many_runs_take_no_longer_each(tmp_path):
    seconds = {}
    for runs in (MANY // 20, MANY // 20, MANY):  # what is imported at first does not count
        folder = tmp_path / str(runs)
        store = write_many(folder, runs)
        start = time.process_time()
        write_report(store, collect(store))
        seconds[runs] = time.process_time() - start
    # At most 20 times as long is what is due; a step that is quadratic in runs takes 400 times.
    assert seconds[MANY] < 40 * seconds[MANY // 20]
    assert (folder / "report" / "index.html").stat().st_size < 6e6
