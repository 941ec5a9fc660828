"""Tests of helpers.claims and its boxes: SciPy as the oracle, HTML and JSON read back."""

import ast
import builtins
import json
import math
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from scipy import stats
from traitlets.config import Config

from helpers import claims
from helpers.claims import box, check, compare, mean_interval, publishing, record, summary
from helpers.claims.claim import number_text

T_ONE = math.tan(0.475 * math.pi)  # the 97.5% point of Student's t with 1 degree of freedom: 12.7
T_TWO = 0.95 * math.sqrt(2 / (1 - 0.95**2))  # and with 2: q √(2 / (1 - q²)) for coverage q, 4.30
# Backticks and dollars aside, which mark code and mathematics.
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="`$"), min_size=1
).filter(str.strip)
QUANTITY = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
PAIRS = st.lists(st.tuples(QUANTITY, QUANTITY), min_size=2, max_size=12)
POSITIVE_PAIRS = st.lists(
    st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)), min_size=2, max_size=12
)
VERDICTS = claims.HOLDS, claims.CONTRADICTED, claims.INCONCLUSIVE, claims.SAME
OPPOSITE = {"holds": "contradicted", "contradicted": "holds", "inconclusive": "inconclusive"}


@pytest.fixture(autouse=True)
def ledger(monkeypatch):
    """Give each test a ledger of its own: the module's is that of the running notebook."""
    monkeypatch.setattr(publishing, "ledger", publishing.Ledger())


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Return a function that runs another as a cell would, and returns the cell's displays."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

    def run_cell(cell, *args, **kwargs):
        with capture_output() as captured:
            cell(*args, **kwargs)
        assert captured.stdout == captured.stderr == ""
        return [
            SimpleNamespace(data=output.data, metadata=output.metadata)
            for output in captured.outputs
        ]

    yield run_cell
    shell.restore_sys_module_state()
    InteractiveShell.clear_instance()
    for name in ("display", "__IPYTHON__"):  # a shell leaves them behind
        vars(builtins).pop(name, None)


def refused(message, error=ValueError):
    """Expect an error whose whole message is this one."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def compared(larger, smaller, **options):
    """Compare under one id: the same statement again is the same cell run again."""
    return compare("a-b", "x exceeds y.", larger, smaller, **options)


def columns(pairs):
    return [list(column) for column in zip(*pairs, strict=True)]


class TestMeanInterval:
    def test_three_values_by_hand(self):
        # mean 2, s² = (1 + 0 + 1) / 2 = 1, s / √3 times t(0.975; 2)
        reach = T_TWO / math.sqrt(3)
        assert mean_interval([1, 2, 3]) == pytest.approx((2, 2 - reach, 2 + reach), rel=1e-12)

    def test_two_values_by_hand(self):
        # mean 1, s² = 1 + 1 = 2, s / √2 = 1: the interval reaches t(0.975; 1)
        assert mean_interval([0.0, 2.0]) == pytest.approx((1, 1 - T_ONE, 1 + T_ONE), rel=1e-9)

    @pytest.mark.parametrize("n", [2, 3, 8, 100])
    @pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
    def test_equals_scipy(self, n, confidence):
        values = np.random.default_rng(n).standard_normal(n)
        expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
        mean, low, high = mean_interval(values, confidence=confidence)
        assert mean == pytest.approx(values.mean(), rel=1e-12)
        assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-10)

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
    @settings(max_examples=50)
    def test_contains_the_mean_which_lies_in_the_range(self, values):
        mean, low, high = mean_interval(values)
        assert low <= mean <= high
        slack = 1e-15 * max(map(abs, values))  # rounding of the sum
        assert min(values) - slack <= mean <= max(values) + slack

    @given(st.lists(QUANTITY, min_size=2, max_size=20))
    @settings(max_examples=50)
    def test_of_negated_values_is_mirrored_exactly(self, values):
        mean, low, high = mean_interval(values)
        assert mean_interval([-value for value in values]) == (-mean, -high, -low)

    @pytest.mark.parametrize("exponent", [-1050, -600, -540, 0, 520, 600, 1000])
    def test_any_magnitude(self, exponent):
        # Powers of two scale exactly, but for numbers below 2^-1022, which keep few bits: the last
        # of them is 2^-1074, so at 2^-1050 there are 24
        values = np.array([1.0, 1.5, -0.5])
        unit = math.ldexp(1, exponent)
        expected = [unit * end for end in mean_interval(values)]
        assert mean_interval(values * unit) == pytest.approx(expected, rel=1e-6, abs=0)

    def test_ends_beyond_the_largest_number_are_infinite(self):
        assert mean_interval([1.7e308, -1.7e308]) == (0, -math.inf, math.inf)

    def test_small_spread_of_large_values(self):
        # 1e8 + (1, 2, 3): the spread is eight digits below the mean, and float64 has sixteen
        mean, low, high = mean_interval(1e8 + np.array([1.0, 2.0, 3.0]))
        assert mean == 1e8 + 2
        assert high - low == pytest.approx(2 * T_TWO / math.sqrt(3), rel=1e-7)

    @pytest.mark.parametrize("value", [0.1, -0.1, 0.0, 1e-300, 1e300])
    def test_no_spread_is_an_interval_without_width(self, value):
        # 0.1 + 0.1 + 0.1 is not 0.3: no rounding may pass for spread
        assert mean_interval([value] * 3) == (value, value, value)

    def test_more_confidence_is_a_wider_interval(self):
        widths = [
            high - low
            for _, low, high in (
                mean_interval([1, 2, 4], confidence=c) for c in (0.01, 0.5, 0.95, 0.999999)
            )
        ]
        assert widths == sorted(widths)
        assert math.isfinite(widths[-1])

    def test_covers_the_true_mean_as_often_as_it_says(self):
        # 1,000 samples of 4 normal numbers of mean 0: the share covered is 0.95 with a standard
        # deviation of √(0.95 · 0.05 / 1000) = 0.007
        samples = np.random.default_rng(0).standard_normal((1000, 4))
        covered = [low <= 0 <= high for _, low, high in map(mean_interval, samples)]
        assert np.mean(covered) == pytest.approx(0.95, abs=3 * 0.007)

    def test_errors(self):
        with refused("`values` must hold at least 2 replicas: one has no spread. Received: 1"):
            mean_interval([1.0])
        with refused("`values` must have shape (replicas,). Received: shape=(0,)"):
            mean_interval([])
        with refused("`values` must have shape (replicas,). Received: shape=(2, 2)"):
            mean_interval(np.eye(2))
        with refused("`values` must have shape (replicas,). Received: shape=()"):
            mean_interval(1.0)
        with refused("`values` must be finite. Received: [ 1. nan]"):
            mean_interval([1.0, math.nan])

    @pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, math.nan])
    def test_confidence_out_of_range(self, confidence):
        with refused(f"`confidence` must be in (0, 1). Received: confidence={confidence}"):
            mean_interval([1.0, 2.0], confidence=confidence)
        with refused(f"`confidence` must be in (0, 1). Received: confidence={confidence}"):
            compared([1.0, 2.0], [0.0, 0.0], confidence=confidence)


class TestCompare:
    def test_difference_by_hand(self):
        # d = (2, 2, 3): mean 7/3, s² = (1/9 + 1/9 + 4/9) / 2 = 1/3, s / √3 = 1/3
        claim = compared([3, 4, 5], [1, 2, 2])
        assert claim.effect == pytest.approx(7 / 3)
        assert (claim.low, claim.high) == pytest.approx(((7 - T_TWO) / 3, (7 + T_TWO) / 3))
        assert (claim.verdict, claim.replicas, claim.method) == ("holds", 3, "paired t")
        assert (claim.scale, claim.confidence, claim.observed) == ("difference", 0.95, None)

    def test_ratio_by_hand(self):
        # log ratios log 2 and 3 log 2: mean 2 log 2, s = √2 log 2, s / √2 = log 2. The geometric
        # mean is 2² = 4 (the arithmetic would be 5), its interval 2^(2 ± t).
        claim = compared([2, 8], [1, 1], scale="ratio")
        assert claim.effect == pytest.approx(4)
        assert (claim.low, claim.high) == pytest.approx((2 ** (2 - T_ONE), 2 ** (2 + T_ONE)))
        assert claim.verdict == "inconclusive"  # 2^-10.7 is below 1

    @given(PAIRS, st.sampled_from([0.5, 0.95, 0.99]))
    @settings(max_examples=50)
    def test_equals_the_paired_t_test_of_scipy(self, pairs, confidence):
        larger, smaller = (np.array(column) for column in columns(pairs))
        difference = larger - smaller
        assume(np.ptp(difference) > 1e-6 * np.abs(difference).max())  # else SciPy warns of rounding
        claim = compared(larger, smaller, confidence=confidence)
        test = stats.ttest_rel(larger, smaller)
        expected = test.confidence_interval(confidence)
        close = 1e-9 * np.abs(difference).max()
        assert (claim.low, claim.high) == pytest.approx((expected.low, expected.high), abs=close)
        if abs(test.pvalue - (1 - confidence)) > 1e-6:  # an end of the interval at 0 may round
            significant = test.pvalue < 1 - confidence
            sides = {True: "holds", False: "contradicted"}
            assert claim.verdict == (
                sides[bool(difference.mean() > 0)] if significant else "inconclusive"
            )

    @given(PAIRS)
    @settings(max_examples=50)
    def test_swapped_samples_swap_the_verdict(self, pairs):
        larger, smaller = columns(pairs)
        claim, swapped = compared(larger, smaller), compared(smaller, larger)
        assert swapped.verdict == OPPOSITE[claim.verdict]
        assert (swapped.effect, swapped.low, swapped.high) == (
            -claim.effect,
            -claim.high,
            -claim.low,
        )

    @given(POSITIVE_PAIRS)
    @settings(max_examples=50)
    def test_swapped_ratio_is_the_inverse(self, pairs):
        larger, smaller = columns(pairs)
        claim = compared(larger, smaller, scale="ratio")
        swapped = compared(smaller, larger, scale="ratio")
        assert swapped.verdict == OPPOSITE[claim.verdict]
        assert swapped.effect == pytest.approx(1 / claim.effect)

    @given(POSITIVE_PAIRS)
    @settings(max_examples=50)
    def test_ratio_is_the_difference_of_logarithms(self, pairs):
        larger, smaller = (np.array(column) for column in columns(pairs))
        ratio = compared(larger, smaller, scale="ratio")
        logs = compared(np.log(larger), np.log(smaller))
        assert ratio.verdict == logs.verdict
        assert ratio.effect == pytest.approx(math.exp(logs.effect))
        gmean = stats.gmean(larger) / stats.gmean(smaller)
        assert ratio.effect == pytest.approx(gmean, rel=1e-9)

    @given(PAIRS, st.randoms(use_true_random=False))
    @settings(max_examples=50)
    def test_order_of_the_replicas_does_not_matter(self, pairs, random):
        claim = compared(*columns(pairs))
        random.shuffle(pairs)
        shuffled = compared(*columns(pairs))
        size = max(abs(value) for pair in pairs for value in pair)
        assert (shuffled.low, shuffled.high) == pytest.approx(
            (claim.low, claim.high), rel=1e-9, abs=1e-12 * size
        )

    def test_pairing_counts(self):
        # Each pair differs by 1 to 2, the seeds by 100: unpaired, nothing could be seen
        base = np.array([0.0, 100.0, 200.0, 300.0])
        larger = base + np.array([1, 2, 1, 2])
        assert compared(larger, base).verdict == "holds"
        assert compared(larger, base[::-1]).verdict == "inconclusive"

    def test_zero_spread(self):
        claim = compared([2, 3, 4], [1, 2, 3])
        assert (claim.verdict, claim.effect, claim.low, claim.high) == ("holds", 1, 1, 1)
        assert compared([1, 2], [2, 3]).verdict == "contradicted"

    def test_equal_samples_are_inconclusive(self):
        claim = compared([1.5, 2.5], [1.5, 2.5])
        assert (claim.verdict, claim.effect, claim.low, claim.high) == ("inconclusive", 0, 0, 0)
        assert compared([1.5, 2.5], [1.5, 2.5], scale="ratio").effect == 1

    def test_interval_that_holds_zero_is_inconclusive_at_any_magnitude(self):
        # (1, 1.5, -0.5): mean 2/3, reach over 2. At 1e-170 its squares vanish in float64, and
        # without spread the smallest difference would seem certain.
        for unit in (1e-170, 1, 1e170):
            larger = np.array([1.0, 1.5, -0.5]) * unit
            assert compared(larger, np.zeros(3)).verdict == "inconclusive"

    def test_confidence_decides(self):
        samples = [3.0, 4.0, 5.0], [1.0, 2.0, 2.0]
        assert compared(*samples, confidence=0.95).verdict == "holds"
        assert compared(*samples, confidence=0.999).verdict == "inconclusive"

    def test_factor_of_ten(self):
        # "At least ten times" is the ratio to ten times the smaller: 12 and 13 over 10, and 9 not
        assert compared([12.0, 12.0], [10.0, 10.0], scale="ratio").effect == pytest.approx(1.2)
        assert compared([9.0, 9.0], [10.0, 10.0], scale="ratio").verdict == "contradicted"

    def test_ratio_beyond_all_numbers_is_infinite_in_the_text_and_none_in_the_record(self):
        claim = compared([1e200, 1e201], [1e-200, 1e-201], scale="ratio")
        assert claim.effect_text.startswith("× inf [")
        assert claim.to_record()["effect"] is None

    def test_ratio_of_the_smallest_numbers(self):
        # 2^-1074 is the smallest of all; 2^-1000 is 2^74 times larger
        claim = compared([2.0**-1000] * 2, [2.0**-1074] * 2, scale="ratio")
        assert claim.effect == pytest.approx(2.0**74)

    @pytest.mark.parametrize("kind", [list, tuple, np.float32, np.array])
    def test_kinds_of_samples(self, kind):
        larger, smaller = kind([3, 4, 5]), kind([1, 2, 2])
        assert compared(larger, smaller).effect == pytest.approx(7 / 3)

    def test_prints_one_line(self, capsys):
        compared([3, 4, 5], [1, 2, 2])
        compared([1.5, 2.5], [1.5, 2.5])
        assert (
            capsys.readouterr().out == "a-b: holds (3 replicas)\na-b: inconclusive (2 replicas)\n"
        )

    @pytest.mark.parametrize("sample", ["larger", "smaller"])
    def test_bad_samples(self, sample):
        def with_bad(values):
            good = {"larger": [1.0, 2.0], "smaller": [1.0, 2.0]}
            return compare("a-b", "x exceeds y.", **{**good, sample: values})

        with refused(f"`{sample}` must have shape (replicas,). Received: shape=(0,)"):
            with_bad([])
        with refused(f"`{sample}` must have shape (replicas,). Received: shape=(1, 2)"):
            with_bad([[1.0, 2.0]])
        with refused(f"`{sample}` must have shape (replicas,). Received: shape=()"):
            with_bad(1.0)
        with refused(f"`{sample}` must be finite. Received: [ 1. nan]"):
            with_bad([1.0, math.nan])
        with refused(f"`{sample}` must be finite. Received: [inf  1.]"):
            with_bad([math.inf, 1.0])

    def test_bad_pairs(self):
        with refused(
            "`larger` and `smaller` must be equally long, a pair for each replica. "
            "Received: lengths 3 and 2"
        ):
            compared([1.0, 2.0, 3.0], [1.0, 2.0])
        with refused("a comparison needs at least 2 replicas: one has no spread. Received: 1"):
            compared([2.0], [1.0])

    def test_bad_scale(self):
        with refused('`scale` must be "difference" or "ratio". Received: scale=\'log\''):
            compared([1.0, 2.0], [1.0, 2.0], scale="log")
        with refused("a ratio needs positive values. Received: smallest 0 and 1"):
            compared([0.0, 2.0], [1.0, 2.0], scale="ratio")
        with refused("a ratio needs positive values. Received: smallest 1 and -2.5"):
            compared([1.0, 2.0], [1.0, -2.5], scale="ratio")

    def test_nothing_is_kept_or_shown_of_a_refused_claim(self, capsys):
        with pytest.raises(ValueError, match="at least 2"):
            compared([2.0], [1.0])
        assert not publishing.ledger.claims
        assert capsys.readouterr().out == ""


class TestCheck:
    @pytest.mark.parametrize("true", [True, np.True_, np.float64(2) > 1])
    def test_holds(self, true, capsys):
        claim = check("a-b", "2 exceeds 1.", true)
        assert (claim.verdict, claim.method, claim.replicas) == ("holds", "exact", 0)
        assert (claim.effect, claim.low, claim.high, claim.scale) == (None, None, None, None)
        assert claim.effect_text == ""
        assert capsys.readouterr().out == "a-b: holds\n"

    @pytest.mark.parametrize("false", [False, np.False_])
    def test_contradicted(self, false, capsys):
        assert check("a-b", "1 exceeds 2.", false).verdict == "contradicted"
        assert capsys.readouterr().out == "a-b: contradicted\n"

    @pytest.mark.parametrize("neither", [1, 0, "yes", None, [True], np.array([True])])
    def test_no_truth_value(self, neither):
        with refused(f"`holds` must be True or False. Received: holds={neither!r}", TypeError):
            check("a-b", "Is it?", neither)

    @pytest.mark.parametrize(
        ("observed", "kept", "text"),
        [
            (36, 36, "36"),
            (1234567, 1234567, "1234567"),  # integers in full
            (10**30, 10**30, "1" + 30 * "0"),
            (np.int64(7), 7, "7"),
            (0.123456, 0.123456, "0.123"),  # others to three digits
            (np.float32(0.5), 0.5, "0.500"),
            (np.array(2.5), 2.5, "2.50"),
            (True, True, "True"),
            (np.True_, True, "True"),
            ("18 of 20", "18 of 20", "18 of 20"),
            (-math.inf, -math.inf, "-inf"),
            (0, 0, "0"),
        ],
    )
    def test_observed_is_kept_as_pythons_own(self, observed, kept, text):
        claim = check("a-b", "It is so.", True, observed=observed)
        assert claim.observed == kept
        assert type(claim.observed) is type(kept)
        assert claim.effect_text == text

    def test_bad_observed(self):
        with refused("`observed` must not be NaN. Received: array(nan)"):
            check("a-b", "It is so.", True, observed=math.nan)
        with refused("`observed` must be a number or a text. Received: array([1, 2])"):
            check("a-b", "It is so.", True, observed=[1, 2])
        with refused("`observed` must be a number or a text. Received: array(1.+2.j)"):
            check("a-b", "It is so.", True, observed=1 + 2j)


class TestNames:
    @pytest.mark.parametrize(
        "bad",
        ["", "-", "a-", "-a", "a--b", "A-b", "a b", "a_b", "a-b\n", "a-<b>", 'a-"', "a.b", None, 7],
    )
    def test_malformed(self, bad):
        with refused(f"`id` must be lower-case words joined by hyphens. Received: id={bad!r}"):
            check(bad, "It is so.", True)
        with refused(f"`name` must be lower-case words joined by hyphens. Received: name={bad!r}"):
            record(bad, 1.0)

    def test_claim_without_a_chapter(self):
        with refused("`id` must begin with its chapter's name and a hyphen. Received: id='norms'"):
            check("norms", "It is so.", True)

    @pytest.mark.parametrize("good", ["a-b", "gradients-logistic-vanishes", "a-1", "adam-2x-lr"])
    def test_well_formed(self, good):
        assert check(good, "It is so.", True).id == good

    @pytest.mark.parametrize("empty", ["", "  \n", None, 3])
    def test_no_statement(self, empty):
        with refused(f"`statement` must be a sentence. Received: statement={empty!r}"):
            check("a-b", empty, True)
        with refused(f"`statement` must be a sentence. Received: statement={empty!r}"):
            compare("a-b", empty, [1, 2], [1, 2])

    def test_taken_by_another_statement(self, capsys):
        check("a-b", "One.", True)
        message = "`id` must be unique. Received: id='a-b' for 'Two.', but it already stands for "
        with refused(message + "'One.'"):
            check("a-b", "Two.", True)
        with refused(message + "'One.'"):
            compare("a-b", "Two.", [1, 2], [1, 2])
        assert capsys.readouterr().out == "a-b: holds\n"

    def test_same_statement_again_replaces(self):
        check("a-b", "One.", True)
        check("a-b", "One.", False)
        assert [claim.verdict for claim in publishing.ledger.claims.values()] == ["contradicted"]


class TestRecord:
    def one(self, notebook, value, **options):
        (output,) = notebook(record, "a-figure", value, **options)
        return output

    @pytest.mark.parametrize(
        ("value", "kept"),
        [(3, 3), (2.5, 2.5), (np.float32(0.5), 0.5), ("adam", "adam"), (True, True), (0, 0)],
    )
    def test_single_value(self, notebook, value, kept):
        output = self.one(notebook, value)
        assert output.metadata["scrapbook"]["name"] == "a-figure"
        body = output.data[claims.GLUE_PREFIX + claims.MIME]
        assert body == {
            "schema": 1,
            "kind": "figure",
            "name": "a-figure",
            "value": kept,
            "low": None,
            "high": None,
            "replicas": 0,
            "unit": "",
            "tolerance": 0.1,
        }
        assert type(body["value"]) is type(kept)

    def test_replicas_become_mean_and_interval(self, notebook):
        body = self.one(notebook, np.array([1.0, 2.0, 3.0]), tolerance=0.2).data[
            claims.GLUE_PREFIX + claims.MIME
        ]
        reach = T_TWO / math.sqrt(3)  # as for the interval of 1, 2, 3 above
        assert body["value"] == 2
        assert (body["low"], body["high"]) == pytest.approx((2 - reach, 2 + reach))
        assert (body["replicas"], body["tolerance"]) == (3, 0.2)

    def test_one_replica_has_no_interval(self, notebook):
        body = self.one(notebook, [0.25]).data[claims.GLUE_PREFIX + claims.MIME]
        assert (body["value"], body["low"], body["high"], body["replicas"]) == (0.25, None, None, 1)

    def test_mean_of_the_largest_numbers(self, notebook):
        body = self.one(notebook, [1.5e308, 1.7e308]).data[claims.GLUE_PREFIX + claims.MIME]
        assert body["value"] == pytest.approx(1.6e308)

    @pytest.mark.parametrize("value", [2.5, 3, "it's", [1.0, 2.0]])
    def test_text_is_a_literal_for_the_prose(self, notebook, value):
        # myst-nb evaluates the literal before it formats it: quotes must not reach the page
        text = self.one(notebook, value).data[claims.GLUE_PREFIX + "text/plain"]
        assert ast.literal_eval(text) == (1.5 if isinstance(value, list) else value)

    @pytest.mark.parametrize("value", [math.inf, -math.inf])
    def test_infinity_is_none_in_the_record_and_named_in_the_prose(self, notebook, value):
        data = self.one(notebook, value).data
        assert data[claims.GLUE_PREFIX + claims.MIME]["value"] is None
        assert float(data[claims.GLUE_PREFIX + "text/plain"]) == value

    def test_nothing_is_printed(self, capsys):
        assert record("a", 1.0) is None
        assert capsys.readouterr().out == ""

    def test_bad_values(self):
        with refused("`value` must be a number, a text, or numbers. Received: value=None"):
            record("a", None)
        with refused("`value` must not be NaN. Received: array(nan)"):
            record("a", math.nan)
        with refused("`value` must have shape (replicas,). Received: shape=(0,)"):
            record("a", [])
        with refused("`value` must have shape (replicas,). Received: shape=(2, 2)"):
            record("a", np.eye(2))
        with refused("`value` must be finite. Received: [ 1. inf]"):
            record("a", [1.0, math.inf])
        with refused("`value` must be a number or a text. Received: array(0.+1.j)"):
            record("a", 1j)

    @pytest.mark.parametrize("tolerance", [-0.1, math.nan, math.inf, "0.1", None])
    def test_bad_tolerance(self, tolerance):
        wanted = r"`tolerance` must be (0 or more and finite|a number)\. Received: tolerance="
        with pytest.raises((TypeError, ValueError), match=wanted + re.escape(f"{tolerance!r}")):
            record("a", 1.0, tolerance=tolerance)

    def test_a_tolerance_of_numpy_is_kept_as_pythons_own(self, notebook):
        (output,) = notebook(record, "a", 1.0, tolerance=np.float32(0.5))
        assert (
            json.loads(json.dumps(output.data[claims.GLUE_PREFIX + claims.MIME]))["tolerance"]
            == 0.5
        )


class TestNotebook:
    def test_claim_displays_a_box_a_line_and_a_record(self, notebook):
        shown, verdict, effect = notebook(compared, [3, 4, 5], [1, 2, 2], unit="points")
        assert set(shown.data) == {"text/plain", "text/html", claims.MIME}
        assert shown.data["text/plain"] == "a-b: holds (3 replicas)"
        assert shown.data["text/html"].startswith('<div class="dnnbook-claim" id="claim-a-b"')
        assert shown.data[claims.MIME] == publishing.ledger.claims["a-b"].to_record()
        assert "scrapbook" not in shown.metadata
        for part, output in (("verdict", verdict), ("effect", effect)):
            assert set(output.data) == {
                "application/papermill.record/text/plain",
                "application/papermill.record/application/vnd.dnnbook.record+json",
            }
            assert output.metadata["scrapbook"] == {
                "name": f"a-b-{part}",
                "mime_prefix": "application/papermill.record/",
            }
            body = output.data[claims.GLUE_PREFIX + claims.MIME]
            assert body == {"schema": 1, "kind": "part", "of": "a-b", "part": part}
        glued = [o.data[claims.GLUE_PREFIX + "text/plain"] for o in (verdict, effect)]
        assert list(map(ast.literal_eval, glued)) == ["holds", "2.33 [0.899, 3.77] points"]

    @pytest.mark.parametrize(
        ("larger", "phrase"),
        [
            ([2, 3], "holds"),
            ([0, 1], "is contradicted"),
            ([1, 2], "is inconclusive"),
        ],
    )
    def test_verdicts_fit_into_a_sentence(self, notebook, larger, phrase):
        _, verdict, _ = notebook(compared, larger, [1, 2])
        assert verdict.data[claims.GLUE_PREFIX + "text/plain"] == repr(phrase)

    def test_exact_fact_glues_what_was_observed(self, notebook):
        names = [
            output.metadata.get("scrapbook", {}).get("name")
            for output in notebook(check, "a-b", "Six.", True, observed=6)
        ]
        assert names == [None, "a-b-verdict", "a-b-effect"]

    def test_nothing_observed_glues_no_effect(self, notebook):
        assert len(notebook(check, "a-b", "Six.", True)) == 2

    def test_every_record_is_strict_json(self, notebook):
        def cell():
            check("a-exact", "<b>é</b>", np.True_, observed=math.inf)
            compare("a-ratio", "×", [1e200, 1e201], [1e-200, 1e-201], scale="ratio")
            compare("a-wide", "±", [1.7e308, -1.7e308], [0, 0])
            record("a-scalar", -math.inf)
            record("a-array", np.float32([1.7e38, -1.7e38]))
            summary("a")

        outputs = notebook(cell)
        kinds = []
        for output in outputs:
            body = output.data.get(claims.MIME, output.data.get(claims.GLUE_PREFIX + claims.MIME))
            assert json.loads(json.dumps(body, allow_nan=False)) == body
            kinds.append(body["kind"])
        assert kinds == [*["claim", "part", "part"] * 3, "figure", "figure", "summary"]


class TestSummary:
    def test_counts_and_order(self, notebook, capsys):
        check("b-first", "One.", True)
        check("b-second", "Two.", False)
        compare("b-third", "Three.", [1, 2], [1, 2])
        check("a-other", "Another chapter's.", True)
        check("b-fourth", "Four.", True)
        check("b-first", "One.", True)  # its cell run again: its place stays
        capsys.readouterr()
        (output,) = notebook(summary, "b")
        assert set(output.data) == {"text/plain", "text/html", claims.MIME}
        assert output.data["text/plain"] == "b: 2 holds, 1 contradicted, 1 inconclusive"
        ids = ["b-first", "b-second", "b-third", "b-fourth"]
        assert output.data[claims.MIME] == {
            "schema": 1,
            "kind": "summary",
            "chapter": "b",
            "claims": ids,
        }
        assert re.findall(r"href='#claim-([^']*)'", output.data["text/html"]) == ids

    def test_prints_its_line_outside_of_a_notebook(self, capsys):
        check("b-first", "One.", True)
        summary("b")
        assert (
            capsys.readouterr().out.splitlines()[-1] == "b: 1 holds, 0 contradicted, 0 inconclusive"
        )

    def test_chapter_whose_name_begins_alike_is_another(self):
        check("optimizers-first", "One.", True)
        with refused("No claim of this chapter was measured. Received: chapter='optim'"):
            summary("optim")


class Page(HTMLParser):
    """Read HTML back: its tags, attributes and text, refusing what is not well-formed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), f"an attribute twice: {attrs}"
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"closed but never opened: {tag}"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def luminance(colour):
    """Return WCAG's relative luminance of a colour #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class TestBox:
    def test_contrast_formula_by_hand(self):
        # White has luminance 1 and black 0: 1.05 / 0.05 = 21, the largest contrast there is
        assert (luminance("#ffffff") + 0.05) / (luminance("#000000") + 0.05) == pytest.approx(21)

    @pytest.mark.parametrize("verdict", box.LOOKS)
    def test_badge_is_legible(self, verdict):
        _, colour = box.LOOKS[verdict]
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5

    def test_every_verdict_has_a_look_of_its_own(self):
        assert set(box.LOOKS) == {*VERDICTS}
        symbols, colours = zip(*box.LOOKS.values(), strict=True)
        assert len(set(symbols)) == len(set(colours)) == len(VERDICTS)

    def test_comparison_by_hand(self):
        claim = compared([3, 4, 5], [1, 2, 2], unit="points")
        assert Page(box.claim_box(claim)).text == (
            "✓ holds\u2002x exceeds y."
            "difference 2.33 [0.899, 3.77] points, 95% interval, 3 paired replicas · a-b"
        )

    def test_ratio_by_hand(self):
        claim = compared([4, 4], [1, 1], scale="ratio", confidence=0.999)
        assert Page(box.claim_box(claim)).text == (
            "✓ holds\u2002x exceeds y."
            "ratio × 4.00 [4.00, 4.00], 99.9% interval, 2 paired replicas · a-b"
        )

    def test_exact_facts_by_hand(self):
        page = Page(box.claim_box(check("a-b", "Six.", True, observed=6)))
        assert page.text == "✓ holds\u2002Six.observed: 6 · a-b"
        page = Page(box.claim_box(check("a-c", "Six.", False)))
        assert page.text == "✗ contradicted\u2002Six.exact · a-c"

    def test_table_by_hand(self):
        first = check("a-b", "Six.", True, observed=6)
        second = compare("a-c", "More.", [2, 3], [1, 2])
        page = Page(box.claims_table([first, second]))
        assert page.text == (
            "ClaimVerdictMeasuredReplicasSix.✓ holds6exactMore.✓ holds1.00 [1.00, 1.00]2"
        )
        links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
        boxes = [Page(box.claim_box(claim)).tags[0][1]["id"] for claim in (first, second)]
        assert links == [f"#{name}" for name in boxes]

    def test_backticks_mark_code(self):
        claim = check("a-b", "The next `fit` of `a < b` trains; a lone ` stays.", True)
        for html in (box.claim_box(claim), box.claims_table([claim])):
            assert "next <code>fit</code> of <code>a &lt; b</code> trains; a lone ` stays" in html

    def test_script_is_escaped(self):
        hostile = "<script>alert('x')</script>"
        exact = check("a-b", hostile, True, observed=f'"{hostile}')
        measured = compare("a-c", hostile, [2, 3], [1, 2], unit=hostile)
        for html in (
            box.claim_box(exact),
            box.claim_box(measured),
            box.claims_table([exact, measured]),
        ):
            assert "<script" not in html
            assert hostile in Page(html).text

    @given(TEXT, TEXT, TEXT)
    @settings(max_examples=50)
    def test_any_text_gives_well_formed_html_that_reads_back(self, statement, observed, unit):
        exact = claims.Claim(
            id="a-b", statement=statement, verdict="holds", method="exact", observed=observed
        )
        measured = claims.Claim(
            id="a-c",
            statement=statement,
            verdict="contradicted",
            method="paired t",
            scale="difference",
            effect=1.0,
            low=0.5,
            high=1.5,
            confidence=0.95,
            replicas=2,
            unit=unit,
        )
        alone = [tag for tag, _ in Page(box.claim_box(exact)).tags]
        assert alone == ["div", "div", "span", "strong", "div", "code"]
        for html in (box.claim_box(exact), box.claims_table([exact])):
            assert statement in Page(html).text
            assert observed in Page(html).text
        assert f"[0.500, 1.50] {unit}".rstrip() in Page(box.claim_box(measured)).text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (6.81e-13, 2, "6.8 × 10⁻¹³"),
        (-2.0e7, 1, "-2 × 10⁷"),
        (14561.2, 3, "14,600"),
        (0.0306, 3, "0.0306"),
        (9.999, 3, "10.0"),  # rounded up into the next decade
        (0.0, 3, "0.00"),
        (float("inf"), 3, "inf"),
        (7, 3, "7"),
        ("none", 3, "none"),
    ],
)
def test_number_text(value, digits, text):
    assert number_text(value, digits) == text


def test_a_recorded_figure_can_reach_the_prose_ready_to_read(notebook):
    (output,) = notebook(record, "tiny-figure", 6.81e-13, digits=2)
    assert output.data["application/papermill.record/text/plain"] == "'6.8 × 10⁻¹³'"


@pytest.mark.parametrize(
    ("digits", "message"),
    [
        (0, r"`digits` must be at least 1\. Received: digits=0"),
        (2.5, r"`digits` must be an integer\. Received: digits=2\.5"),
        ("2", r"`digits` must be an integer\. Received: digits='2'"),
    ],
)
def test_record_refuses_no_digits(digits, message):
    with pytest.raises((TypeError, ValueError), match=message):
        record("some-figure", 1.0, digits=digits)


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (["a", "b"], "`values` must hold real numbers. Received: an array of type <U1"),
        ("abc", "`values` must hold real numbers. Received: an array of type <U3"),
        (
            [[1.0, 2.0], [3.0]],
            "`values` must hold real numbers. Received: values=[[1.0, 2.0], [3.0]",
        ),
        ({"a": 1.0}, "`values` must hold real numbers. Received: values={'a': 1.0}"),
        (None, "`values` must hold real numbers. Received: values=None"),
        ((one for one in [1.0, 2.0]), "`values` must hold real numbers. Received: values=<gener"),
        (np.ma.array([1, 2, 999], mask=[0, 0, 1]), "`values` must have no mask, which would be"),
    ],
)
def test_a_sample_that_is_none_is_named(sample, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        mean_interval(sample)


def test_an_array_whose_mask_hides_nothing_is_a_sample():
    assert mean_interval(np.ma.array([1.0, 3.0]))[0] == 2.0


@pytest.mark.parametrize("confidence", ["95", None, [0.9]])
def test_a_confidence_that_is_no_number_is_named(confidence):
    with pytest.raises(TypeError, match=r"`confidence` must be a number. Received: confidence="):
        mean_interval([1.0, 2.0], confidence=confidence)


def test_figures_that_are_ragged_are_named():
    with pytest.raises(TypeError, match=r"`value` must hold real numbers. Received: value="):
        record("some-figure", [[1.0], [1.0, 2.0]])
