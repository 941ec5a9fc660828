"""Tests of claims over draws: verdicts with a margin, coverage, sentences, confirmation."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers import claims
from helpers.claims import Says, confirming, judge, kept_after_correction, publishing
from helpers.claims import resampled_interval as interval
from helpers.claims.box import claim_box
from helpers.claims.confirming import design_of
from helpers.claims.judged import decide
from helpers.claims.sentences import effect_words, share_text
from helpers.claims.simulating import simulated_differences

SAYS = Says(
    holds="A ends {less} below B",
    contradicted="A ends above B, {times} as high",
    same="A and B end alike",
    unclear="Whether A ends below B cannot be told",
)

OPEN = Says(
    holds="{difference} more", contradicted="{difference} less", same="alike", unclear="open"
)


@pytest.fixture(autouse=True)
def ledger(monkeypatch, tmp_path):
    """Give each test a ledger of its own, and no results but its own."""
    monkeypatch.setattr(publishing, "ledger", publishing.Ledger())
    monkeypatch.setattr(confirming, "RESULTS", tmp_path)
    return tmp_path


class Draws:
    """The least that `judge` asks of draws: two images that judge, of ten."""

    name, x, y, judge_share = "boxes", np.zeros((10, 1)), np.zeros(10), 0.2

    def __init__(self, replicas=4):
        self.replicas, self.opened = replicas, 0

    def __len__(self):
        return self.replicas

    def __repr__(self):
        return f"{self.replicas} draws"

    def open_judge(self):
        self.opened += 1
        return np.tile([8, 9], (self.replicas, 1))


class Trained:
    """Replicas that report what they are told to."""

    def __init__(self, losses, **others):
        self.losses = {"loss": np.asarray(losses, float), **others}
        self.history = dict.fromkeys(self.losses)

    def __len__(self):
        return len(self.losses["loss"])

    def evaluate(self, x, y, *, rows):
        assert rows.shape == (len(self), 2)
        return self.losses


def judged(**arms):
    count = len(next(iter(arms.values())))
    trained = {name: Trained(losses) for name, losses in arms.items()}
    return judge(Draws(count), trained, scope="two made-up arms")


def compared(larger, smaller, *, margin=1.1, says=SAYS, **options):
    return judged(b=larger, a=smaller).compare(
        "made-a-below-b", "A ends below B.", larger="b", smaller="a", margin=margin, says=says,
        **options,
    )  # fmt: skip


class TestInterval:
    def test_three_values_by_hand(self):
        # s = 1; 1/3 + 0.2 / 0.8 = 7/12; t(0.975; 2) = 4.3027
        found = interval([1, 2, 3], judge_share=0.2)
        reach = 0.95 * math.sqrt(2 / (1 - 0.95**2)) * math.sqrt(7 / 12)
        assert found[:3] == pytest.approx((2, 2 - reach, 2 + reach), rel=1e-9)

    @given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
    @settings(max_examples=40)
    def test_without_overlap_it_is_student_s(self, values):
        values = [round(value, 3) for value in values]
        found = interval(values, judge_share=0)
        assert found[:3] == pytest.approx(claims.mean_interval(values), rel=1e-9, abs=1e-9)
        if len(set(values)) > 1:
            expected = stats.ttest_1samp(values, 0).pvalue
            assert found.p_value == pytest.approx(expected, rel=1e-6, abs=1e-12)

    @given(st.floats(0, 0.45), st.floats(0.01, 0.5))
    def test_more_overlap_makes_it_wider(self, share, more):
        values = [1.0, 2.0, 4.0]
        narrow, wide = (
            interval(values, judge_share=share),
            interval(values, judge_share=share + more),
        )
        assert wide.low < narrow.low < narrow.high < wide.high
        assert wide.p_value > narrow.p_value

    def test_values_without_spread(self):
        assert interval([3.0, 3.0], judge_share=0.2) == (3.0, 3.0, 3.0, 0.0)
        assert interval([0.0, 0.0], judge_share=0.2).p_value == 1

    @pytest.mark.parametrize(
        ("values", "options", "message"),
        [
            ([1.0], {}, "at least 2 replicas"),
            ([1.0, np.nan], {}, "must be finite"),
            ([1.0, 2.0], {"confidence": 1}, "`confidence` must be in"),
            ([1.0, 2.0], {"judge_share": 1}, "`judge_share` must be in"),
            ([1.0, 2.0], {"judge_share": -0.1}, "`judge_share` must be in"),
        ],
    )
    def test_errors(self, values, options, message):
        with pytest.raises(ValueError, match=message):
            interval(values, **{"judge_share": 0.2} | options)


class TestCoverage:
    """Simulated, with fixed seeds: 3,000 pools give an interval of 0.8 % for a share of 95 %."""

    POOLS = 3000

    def differences(self, better=0.0, replicas=8, sizes=(180, 60)):
        rng = np.random.default_rng(0)
        options = {"draws": replicas, "better": better, "sizes": sizes}
        return [simulated_differences(rng, **options) for _ in range(self.POOLS)]

    @pytest.mark.parametrize(
        ("replicas", "sizes"), [(8, (180, 60)), (16, (180, 60)), (8, (120, 120))]
    )
    def test_the_interval_covers_no_difference_as_often_as_it_says(self, replicas, sizes):
        found = [
            interval(values, judge_share=sizes[1] / 300)
            for values in self.differences(replicas=replicas, sizes=sizes)
        ]
        covered = np.mean([one.low <= 0 <= one.high for one in found])
        assert 0.93 <= covered <= 0.97

    def test_student_s_interval_over_the_same_draws_does_not(self):
        found = [interval(values, judge_share=0) for values in self.differences()]
        assert np.mean([one.low <= 0 <= one.high for one in found]) < 0.85

    def test_it_finds_a_difference_that_is_there(self):
        # The second learner's classes lie half as far again apart: 0.18 less loss, where the mean
        # over eight draws has a spread of 0.05: it is found in three pools of four.
        found = [interval(values, judge_share=0.2) for values in self.differences(better=0.175)]
        power = np.mean([one.low > 0 for one in found])
        assert 0.7 < power < 0.95
        assert np.mean([one.high < 0 for one in found]) < 0.001


class TestVerdicts:
    def test_each_by_hand(self):
        assert compared([2.0, 2.1, 2.2, 2.1], [1.0, 1.0, 1.1, 1.0]).verdict == "holds"
        assert compared([1.0, 1.0, 1.1, 1.0], [2.0, 2.1, 2.2, 2.1]).verdict == "contradicted"
        assert compared([1.0, 1.01, 1.0, 1.0], [1.0, 1.0, 1.01, 1.0]).verdict == "no difference"
        assert compared([1.0, 2.0, 1.0, 1.0], [1.0, 1.0, 2.0, 1.0]).verdict == "inconclusive"

    def test_a_difference_that_is_certain_and_small_does_not_matter(self):
        # Two per cent more in each replica: Student would call it decided.
        claim = compared([1.02, 1.021, 1.02, 1.0201], [1.0, 1.0, 1.0, 1.0])
        assert (claim.low, claim.verdict) == (pytest.approx(1.019, abs=2e-3), "no difference")

    @given(
        st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=2, max_size=9),
        st.floats(1.01, 3),
    )
    @settings(max_examples=60)
    def test_swapped_arms_turn_the_verdict_round(self, pairs, margin):
        publishing.ledger.claims.clear()
        one, other = (list(column) for column in zip(*pairs, strict=True))
        opposite = {"holds": "contradicted", "contradicted": "holds"}
        there = compared(one, other, margin=margin)
        back = compared(other, one, margin=margin)
        assert back.verdict == opposite.get(there.verdict, there.verdict)
        assert back.effect == pytest.approx(1 / there.effect)

    @given(st.floats(-5, 5), st.floats(0, 5), st.floats(0.01, 3), st.floats(0, 3))
    def test_a_wider_margin_decides_no_more(self, low, width, margin, more):
        narrow, wide = decide(low, low + width, margin), decide(low, low + width, margin + more)
        assert wide in (narrow, "no difference")

    def test_differences_in_units(self):
        claim = compared([92.0, 93.0, 92.5, 92.5], [90.0, 90.5, 90.0, 90.2], margin=1.0,
                         scale="difference", unit="points",
                         says=Says(holds="{difference} more", contradicted="less: {difference}",
                                   same="alike", unclear="open"))  # fmt: skip
        assert claim.verdict == "holds"
        assert claim.sentence == f"{claim.effect:.1f} points more"


class TestErrors:
    @pytest.mark.parametrize(
        ("margin", "scale"),
        [(1.0, "ratio"), (0.9, "ratio"), (0, "difference"), (-1, "difference"), ("2", "ratio"),
         (math.inf, "ratio"), (math.nan, "ratio"), (True, "difference")],
    )  # fmt: skip
    def test_margin(self, margin, scale):
        with pytest.raises(ValueError, match=r"`margin` must be above [01]: the least"):
            compared([1.0, 2.0], [1.0, 1.0], margin=margin, scale=scale)

    def test_unknown_arms(self):
        with pytest.raises(ValueError, match=r"`smaller` must be one of 'b', 'a'"):
            judged(b=[1.0, 2.0], a=[1.0, 1.0]).compare(
                "made-x", "X.", larger="b", smaller="c", margin=1.1, says=SAYS
            )

    def test_an_arm_with_itself(self):
        with pytest.raises(ValueError, match="not compared with itself"):
            judged(b=[1.0, 2.0]).compare(
                "made-x", "X.", larger="b", smaller="b", margin=1.1, says=SAYS
            )

    @pytest.mark.parametrize(
        ("sentence", "message"),
        [
            ("", "finished sentence"),
            ("TODO", "finished sentence"),
            ("A ends ...", "finished sentence"),
            ("`a` ends", "without backticks"),
            ("A ends {fewer} below", r"may name \{effect\}"),
            ("A ends { below", r"may name \{effect\}"),
            ("A and B end alike", "something else for each verdict"),
        ],
    )
    def test_sentences(self, sentence, message):
        says = Says(holds=sentence, contradicted="x", same="A and B end alike", unclear="y")
        with pytest.raises(ValueError, match=message):
            compared([1.0, 2.0], [1.0, 1.0], says=says)

    def test_a_sentence_may_not_name_an_effect_of_the_other_scale(self):
        with pytest.raises(ValueError, match=r"may name \{effect\}, \{difference\}"):
            compared([1.0, 2.0], [1.0, 1.0], scale="difference", margin=0.1)

    def test_a_sentence_is_missing(self):
        with pytest.raises(TypeError, match="unclear"):
            Says(holds="a", contradicted="b", same="c")

    def test_arms_and_measures_are_checked_before_the_judge_sets_open(self):
        draws = Draws(2)
        for arms, options, message in (
            ({}, {}, "at least one arm"),
            ({"a": Trained([1.0])}, {}, "a replica for each of 2 draws"),
            (
                {"a": Trained([1.0, 2.0])},
                {"measure": "accuracy"},
                "`measure` must be one of 'loss'",
            ),
            ({"a": Trained([1.0, 2.0])}, {"scope": " "}, "`scope` must say"),
        ):
            with pytest.raises(ValueError, match=message):
                judge(draws, arms, **{"scope": "made up"} | options)
        assert draws.opened == 0


class TestArms:
    def test_arms_may_have_draws_of_their_own(self):
        draws = {"a": Draws(2), "b": Draws(2)}
        found = judge(draws, {"a": Trained([1.0, 2.0]), "b": Trained([3.0, 4.0])}, scope="apart")
        assert found["b"].tolist() == [3.0, 4.0]
        assert [one.opened for one in draws.values()] == [1, 1]

    def test_draws_of_other_arms_are_refused(self):
        with pytest.raises(ValueError, match=r"must name the arms \['a'\]. Received: \['b'\]"):
            judge({"b": Draws(1)}, {"a": Trained([1.0])}, scope="apart")

    def test_what_was_measured_elsewhere_stands_beside(self):
        found = judged(a=[1.0, 1.1, 1.0, 1.1])
        claim = found.beside(tuned=np.array([0.5, 0.5, 0.6, 0.5])).compare(
            "made-x", "X.", larger="a", smaller="tuned", margin=1.1, says=SAYS
        )
        assert claim.verdict == "holds"
        assert list(found) == ["a"]
        for values in ([1.0], [1.0, 1.0, 1.0, np.nan]):
            with pytest.raises(ValueError, match="tuned"):
                found.beside(tuned=values)
        with pytest.raises(ValueError, match="a new name"):
            found.beside(a=[1.0] * 4)

    def test_the_arrays_that_come_out_are_copies(self):
        found = judged(a=[1.0, 2.0])
        found["a"][0] = 9
        assert found["a"].tolist() == [1.0, 2.0]


class TestObserved:
    """What was measured outside of the judge sets."""

    def seen(self, arms, on="boxes", **options):
        return claims.observe(arms, on=on, scope="made up", frozen={"depth": 2}, **options)

    def test_independent_replicas_have_student_s_interval(self):
        seen = self.seen({"a": [1.0, 1.0, 1.0], "b": [2.0, 3.0, 4.0]})
        claim = seen.compare("made-x", "X.", larger="b", smaller="a", margin=0.1, says=OPEN,
                             scale="difference")  # fmt: skip
        assert (claim.effect, claim.low, claim.high) == pytest.approx(
            claims.mean_interval([1.0, 2.0, 3.0])
        )

    def test_draws_widen_it(self):
        arms = {"a": [1.0, 1.0, 1.0], "b": [2.0, 3.0, 4.0]}
        options = {"larger": "b", "smaller": "a", "margin": 0.1, "says": OPEN}
        apart = self.seen(arms).compare("made-x", "X.", scale="difference", **options)
        drawn = self.seen(arms, on=Draws(3)).compare("made-y", "Y.", scale="difference", **options)
        assert drawn.low < apart.low

    def test_what_is_frozen_and_what_was_tried_belong_to_the_design(self):
        options = {"larger": "b", "smaller": "a", "margin": 1.1, "says": SAYS}
        designs = set()
        for frozen, grid in (({"n": 1}, ()), ({"n": 2}, ()), ({"n": 1}, [0.1]), ({"n": 1}, [0.2])):
            publishing.ledger.claims.clear()
            arms = {"a": [1.0, 2.0], "b": [3.0, 3.0]}
            seen = claims.observe(arms, on="boxes", scope="s", frozen=frozen, grid=grid)
            designs.add(seen.compare("made-x", "X.", **options).design)
        assert len(designs) == 4

    def test_seconds_say_that_a_clock_took_them_and_keep_their_design(self):
        arms = {"a": [1.0, 2.0], "b": [3.0, 3.0]}
        options = {"larger": "b", "smaller": "a", "margin": 1.1, "says": SAYS}
        plain = self.seen(arms).compare("made-x", "X.", **options)
        timed = self.seen(arms, clock=True)
        claim = timed.compare("made-y", "X.", **options)
        beside = timed.beside(c=np.array([4.0, 4.0]))
        other = beside.compare("made-z", "X.", larger="c", smaller="a", margin=1.1, says=SAYS)
        assert (plain.method, claim.method, other.method) == ("resampled t", "clock", "clock")
        assert claim.design == plain.design

    def test_the_box_lists_what_was_tried(self):
        arms = {"a": [1.0, 2.0], "b": [3.0, 3.0]}
        seen = self.seen(arms, grid={"a": [0.1, 0.2], "b": [1 / 3]})
        claim = seen.compare("made-x", "X.", larger="b", smaller="a", margin=1.1, says=SAYS)
        assert "b: 0.333; a: 0.1, 0.2" in claim_box(claim)

    def test_the_box_of_two_arms_says_nothing_of_a_third(self):
        arms = {"a": [1.0, 2.0], "b": [3.0, 3.0], "c": [1.0, 1.0]}
        seen = self.seen(arms, grid={"c": [0.1, 0.2]})
        claim = seen.compare("made-x", "X.", larger="b", smaller="a", margin=1.1, says=SAYS)
        other = seen.compare("made-y", "X.", larger="b", smaller="c", margin=1.1, says=SAYS)
        assert "Tried" not in claim_box(claim)
        assert "c: 0.1, 0.2" in claim_box(other)

    def test_what_a_search_added_is_told_and_does_not_belong_to_the_design(self):
        arms = {"a": [1.0, 2.0], "b": [3.0, 3.0]}
        options = {"larger": "b", "smaller": "a", "margin": 1.1, "says": SAYS}
        plain = self.seen(arms, grid=[0.1]).compare("made-x", "X.", **options)
        tried = {"a": np.array([0.1, 0.2]), "b": np.array([0.05, 0.1])}
        wide = self.seen(arms, grid=[0.1], tried=tried).compare("made-x", "X.", **options)
        assert plain.design == wide.design
        assert "b: 0.05, 0.1; a: 0.1, 0.2" in claim_box(wide)
        json.dumps(wide.to_record(), allow_nan=False)

    @pytest.mark.parametrize(
        ("arms", "message"),
        [({}, "at least one arm"), ({"a": [1.0], "b": [1.0, 2.0]}, "a value for each replica"),
         ({"a": [1.0, math.nan]}, "must be finite"), ({"a": [1.0, -math.inf]}, "must be finite")],
    )  # fmt: skip
    def test_errors(self, arms, message):
        with pytest.raises(ValueError, match=message):
            self.seen(arms)

    def test_times_that_did_not_come_are_no_numbers_to_average(self):
        seen = self.seen({"a": [1.0, 2.0], "b": [3.0, math.inf]})
        with pytest.raises(ValueError, match="must be finite"):
            seen.compare("made-x", "X.", larger="b", smaller="a", margin=1.1, says=SAYS)


class TestTimes:
    """Ratios of times of which some did not come within the horizon."""

    def ratio(self, later, sooner, **options):
        return claims.time_ratio(later, sooner, **{"horizon": 20} | options)

    def test_a_target_by_hand(self):
        losses = [[0.9, 0.5, 0.6], [0.9, 0.8, math.nan], [0.1, 0.2, 0.3]]
        assert claims.first_at_most(losses, 0.5).tolist() == [2, math.inf, 1]

    def test_twice_as_long_is_found(self):
        sooner = np.array([4.0, 5, 6, 7, 8, 5, 6, 7])
        found = np.exp(self.ratio(2 * sooner, sooner)[:3])
        assert found[0] == pytest.approx(2, rel=0.05)
        assert 1 < found[1] < 2 < found[2]

    def test_those_that_never_arrive_count_as_waiting_not_as_the_last_epoch(self):
        never = self.ratio([5.0, 6, 7] + [math.inf] * 5, [5.0, 6, 7, 6, 5, 7, 6, 5], horizon=9)
        made_up = self.ratio([5.0, 6, 7] + [9.0] * 5, [5.0, 6, 7, 6, 5, 7, 6, 5], horizon=9)
        assert never.high == pytest.approx(np.log(9 / 5))  # the horizon can tell no more
        assert made_up.high < never.high

    @given(st.lists(st.integers(1, 12), min_size=3, max_size=8), st.integers(0, 10**6))
    @settings(max_examples=15)
    def test_swapped_arms_turn_the_ratio_round(self, times, seed):
        one = np.asarray(times, float)
        other = np.random.default_rng(seed).integers(1, 13, len(one)).astype(float)
        one, other = (np.where(arm > 10, math.inf, arm) for arm in (one, other))
        if np.isinf(np.r_[one, other]).all():
            return
        there, back = self.ratio(one, other, horizon=10), self.ratio(other, one, horizon=10)
        assert there.p_value == pytest.approx(back.p_value)
        turned = (-back.mean, -back.high, -back.low)
        assert (there.mean, there.low, there.high) == pytest.approx(turned, abs=1e-9)

    @pytest.mark.parametrize(("horizon", "longer"), [(20, 1.0), (9, 1.0), (20, 1.5)])
    def test_the_interval_covers_as_often_as_it_says(self, horizon, longer):
        rng, covered, pools = np.random.default_rng(0), 0, 150
        for _ in range(pools):
            one, other = np.ceil(rng.gamma(4, 2.0, (2, 10)) * [[longer], [1.0]])
            found = self.ratio(
                *(np.where(arm > horizon, math.inf, arm) for arm in (one, other)), horizon=horizon
            )
            covered += found.low <= math.log(longer) <= found.high
        assert 0.92 <= covered / pools <= 1  # 150 of 95 % give 0.92 or more, 19 times of 20

    def test_overlap_makes_it_wider(self):
        arms = [4.0, 5, 6, 7], [3.0, 4, 5, 6]
        narrow, wide = self.ratio(*arms), self.ratio(*arms, judge_share=0.3)
        assert wide.high - wide.low > narrow.high - narrow.low
        assert wide.p_value > narrow.p_value

    def test_a_claim_on_times(self):
        seen = claims.observe(
            {"b": [8.0, 9, 9, math.inf, 10, 9], "a": [4.0, 4, 5, 5, 4, 3]},
            on="boxes", scope="made up", frozen={},
        )  # fmt: skip
        claim = seen.compare_times("made-x", "X.", later="b", sooner="a", horizon=10, margin=1.2,
                                   says=SAYS)  # fmt: skip
        assert (claim.verdict, claim.method) == ("holds", "log-rank")
        other = seen.compare_times("made-y", "Y.", later="a", sooner="b", horizon=10, margin=1.2,
                                   says=SAYS)  # fmt: skip
        assert other.verdict == "contradicted"

    @pytest.mark.parametrize(
        ("later", "sooner", "options", "message"),
        [([1.0], [1.0], {}, "at least 2"), ([1.0, 2.0], [1.0, 2, 3], {}, "a time for each"),
         ([0.0, 2.0], [1.0, 2.0], {}, "times above 0"),
         ([1.0, 21.0], [1.0, 2.0], {}, "horizon, 20"),
         ([1.0, math.nan], [1.0, 2.0], {}, "times above 0"),
         ([math.inf] * 2, [math.inf] * 2, {}, "at least one replica must have arrived"),
         ([1.0, 2.0], [1.0, 2.0], {"confidence": 1}, "`confidence`"),
         ([1.0, 2.0], [1.0, 2.0], {"judge_share": 1}, "`judge_share`")],
    )  # fmt: skip
    def test_errors(self, later, sooner, options, message):
        with pytest.raises(ValueError, match=message):
            self.ratio(later, sooner, **options)

    def test_errors_of_targets(self):
        with pytest.raises(ValueError, match="shape"):
            claims.first_at_most([1.0, 2.0], 0.5)
        with pytest.raises(ValueError, match="`target` must be finite"):
            claims.first_at_most([[1.0, 2.0]], math.nan)


class TestPredictions:
    """A prediction has to come closer than what one would say without it."""

    def predict(self, values, prediction, rival, **options):
        publishing.ledger.claims.clear()
        seen = claims.observe({"a": values}, on="boxes", scope="made up", frozen={})
        return seen.predict("made-x", "X.", of="a", prediction=prediction, rival=rival,
                            **{"margin": 1.1, "says": SAYS} | options)  # fmt: skip

    def test_by_hand(self):
        # Off by factors of 1 and 4 in both replicas.
        claim = self.predict([4.0, 4.0], prediction=4.0, rival=1.0)
        assert (claim.verdict, claim.effect) == ("holds", pytest.approx(4))
        assert self.predict([4.0, 4.0], prediction=1.0, rival=4.0).verdict == "contradicted"

    def test_differences(self):
        options = {"scale": "difference", "margin": 0.5, "says": OPEN}
        claim = self.predict([4.0, 4.0], prediction=3.0, rival=-1.0, **options)
        assert (claim.verdict, claim.effect) == ("holds", pytest.approx(4))

    def test_one_within_a_tolerance_that_the_rival_meets_too_is_not_confirmed(self):
        values = [1.08, 1.09, 1.07]  # "3 % off 1.1" says little: 1 is nearly as close
        assert self.predict(values, prediction=1.1, rival=1.06).verdict == "no difference"

    @pytest.mark.parametrize(("prediction", "rival"), [(1.0, 1.0), (math.inf, 1.0)])
    def test_errors(self, prediction, rival):
        with pytest.raises(ValueError, match="two finite numbers that differ"):
            self.predict([1.0, 2.0], prediction, rival)


class TestSentences:
    def test_effects_in_words(self):
        words = effect_words(4 / 3, 1.25, 1.6, scale="ratio")
        said = {"less": "a quarter", "more": "a third", "times": "1.3", "range": "1.2 to 1.6"}
        said |= {"less_percent": "25%", "more_percent": "33%"}
        assert words == said | {"effect": "× 1.33 [1.25, 1.60]"}
        turned = effect_words(3 / 4, 0.625, 0.8, scale="ratio")
        assert turned == said | {"effect": "× 0.750 [0.625, 0.800]"}
        far = effect_words(1000.0, 500.0, 2000.0, scale="ratio")
        assert (far["less_percent"], far["more_percent"]) == ("more than 99%", "1,000 times")
        less = effect_words(-2.5, -4.0, -1.0, scale="difference", unit="points")
        assert (less["difference"], less["range"]) == ("2.5 points", "1.0 to 4.0")

    @given(st.floats(0.0075, 0.9925))
    def test_shares_are_said_as_what_is_near_them_and_their_rest(self, share):
        said = {text: value for value, text in claims.sentences.SHARES.items()}
        text = share_text(share)
        value = float(text[:-1]) / 100 if text.endswith("%") else said[text]
        assert abs(value - share) <= 0.065 * share
        assert abs(value - share) <= 0.13 * (1 - share) + 0.005

    @pytest.mark.parametrize(
        ("share", "text"),
        [
            (0.5477, "55%"),
            (0.857, "86%"),
            (0.712, "71%"),
            (0.24, "a quarter"),
            (0.0074, "less than a hundredth"),
            (0.9999, "more than ninety-nine hundredths"),
            (1.0, "more than ninety-nine hundredths"),
        ],
    )
    def test_a_share_that_no_words_fit_is_said_in_percent(self, share, text):
        assert share_text(share) == text

    def test_every_variant_is_kept(self):
        claim = compared([2.0, 2.1], [1.0, 1.0])
        assert set(claim.variants) == {"holds", "contradicted", "no difference", "inconclusive"}
        assert claim.sentence == claim.variants[claim.verdict]
        assert all(claim.variants.values())

    def test_the_box_says_the_sentence_and_opens_to_the_evidence(self):
        box = claim_box(compared([2.0, 2.1], [1.0, 1.0]))
        assert "<summary>" in box
        for part in ("A ends half below B", "two made-up arms", "Matters from", "exploratory"):
            assert part in box

    def test_mathematics_in_a_sentence_is_typeset_in_the_box(self):
        says = Says(holds="$a < b$ by {less}", contradicted="x", same="y", unclear="z")
        box = claim_box(compared([2.0, 2.1], [1.0, 1.0], says=says))
        assert r'<span class="math notranslate nohighlight">\(a &lt; b\)</span>' in box

    def test_a_claim_tells_what_another_processor_found(self, capsys):
        plain = compared([2.0, 2.1], [1.0, 1.0])
        publishing.ledger.claims.clear()
        told = compared([2.0, 2.1], [1.0, 1.0], elsewhere={plain.design: "inconclusive"})
        assert (told.verdict, told.design) == (plain.verdict, plain.design)
        assert told.to_record()["elsewhere"] == "inconclusive"
        assert "? cannot tell</span> had the book's run of this design" in claim_box(told)
        claims.summary("made")
        assert "another kind of processor does, these turned: made-a-below-b" in (
            capsys.readouterr().out
        )

    def test_of_another_design_nothing_is_told(self):
        told = compared([2.0, 2.1], [1.0, 1.0], elsewhere={"0123": "inconclusive"})
        assert "elsewhere" not in told.to_record()
        assert "another kind of processor" not in claim_box(told)

    @pytest.mark.parametrize("wrong", ["holds", ["holds"], {"0123": "true"}])
    def test_elsewhere_holds_verdicts(self, wrong):
        with pytest.raises(ValueError, match=r"`elsewhere` must map designs to verdicts: holds, c"):
            compared([2.0, 2.1], [1.0, 1.0], elsewhere=wrong)

    def test_the_record_is_strict_json(self):
        record = compared([2.0, 2.1], [1.0, 1.0]).to_record()
        assert json.loads(json.dumps(record, allow_nan=False))["margin"] == 1.1
        old = claims.check("made-old", "One is one.", True).to_record()
        assert not {"margin", "variants", "design"} & set(old)


NUMBERS = {"effect": 1.5, "low": 1.25, "high": 2.0}


class TestConfirmation:
    def confirm(self, folder, claim, **changes):
        known = {"design": claim.design, "verdict": claim.verdict, **NUMBERS} | changes
        elsewhere = {"design": "its own", "verdict": "contradicted", **NUMBERS}
        other = {"claims": {claim.id: elsewhere}}
        found = {"boxes": {"claims": {claim.id: known}}, "circles": other}
        (folder / "made.json").write_text(json.dumps({"data": found}))

    def test_a_claim_about_other_data_than_the_chapter_s_finds_its_second_run(self, ledger):
        pair = [2.0, 2.1], [1.0, 1.0]
        self.confirm(ledger, compared(*pair))
        path = ledger / "made.json"
        path.write_text(path.read_text().replace('"boxes"', '"the chapter\'s own"'))
        assert compared(*pair).status == "confirmed"

    def test_of_two_runs_of_one_design_the_first_is_the_second_run(self, ledger):
        pair = [2.0, 2.1], [1.0, 1.0]
        self.confirm(ledger, compared(*pair))
        found = json.loads((ledger / "made.json").read_text())["data"]
        later = {**found["boxes"]["claims"]["made-a-below-b"], "verdict": "contradicted"}
        found |= {"a later one": {"claims": {"made-a-below-b": later}}}
        (ledger / "made.json").write_text(json.dumps({"data": found}))
        assert compared(*pair).status == "confirmed"

    @pytest.mark.parametrize(
        ("tried", "text"),
        [
            ({"a": [0.1, 0.2], "b": [0.1, 0.2]}, "a, b: 0.1, 0.2<"),
            ({"a": [0.1], "b": [0.2], "c": [0.1]}, "a, c: 0.1; b: 0.2<"),
            ({"a<": [0.1]}, "a&lt;: 0.1<"),
        ],
    )
    def test_settings_that_arms_share_are_told_once(self, ledger, tried, text):
        claim = compared([2.0, 2.1], [1.0, 1.0])
        box = claim_box(dataclasses.replace(claim, tried=tried))
        assert f">{text}" in box
        assert ">How many times<" in box

    def test_two_runs_that_cannot_tell_confirm_nothing(self, ledger):
        pair = [2.0, 0.6], [1.0, 1.0]
        self.confirm(ledger, compared(*pair), verdict="inconclusive")
        claim = compared(*pair)
        assert (claim.verdict, claim.status) == ("inconclusive", "open twice")
        assert "could not tell, either" in claim_box(claim)

    def test_a_second_run_that_can_tell_says_what_it_found_itself(self, ledger):
        pair = [2.0, 0.6], [1.0, 1.0]
        numbers = {"effect": 1.5, "low": 1.25, "high": 2.0}
        first = compared(*pair).sentence
        self.confirm(ledger, compared(*pair), verdict="holds", **numbers)
        assert compared(*pair).sentence == f"{first}; a second run found: A ends a third below B"

    def test_the_three_ways_to_stand(self, ledger):
        pair = [2.0, 2.1], [1.0, 1.0]
        claim = compared(*pair)
        assert claim.status == "exploratory"
        self.confirm(ledger, claim)
        confirmed = compared(*pair)
        assert confirmed.status == "confirmed"
        assert confirmed.sentence == claim.sentence
        assert "✓ holds</span> × 1.50 [1.25, 2.00]" in claim_box(confirmed)
        self.confirm(ledger, claim, verdict="inconclusive")
        turned = compared(*pair)
        assert turned.status == "not confirmed"
        assert turned.sentence == "A ends half below B; a second run cannot tell"
        assert "? cannot tell</span> × 1.50 [1.25, 2.00]" in claim_box(turned)
        self.confirm(ledger, claim, verdict="contradicted", effect=0.5, low=0.4, high=0.6)
        opposite = compared(*pair).sentence
        said = claim.variants["contradicted"]
        assert opposite == f"{claim.sentence}; a second run found the opposite: {said}"
        self.confirm(ledger, claim, design="another")
        assert compared(*pair).status == "exploratory"

    def test_a_change_of_the_design_makes_it_exploratory(self, ledger):
        pair = [2.0, 2.1], [1.0, 1.0]
        self.confirm(ledger, compared(*pair))
        assert compared(*pair, margin=1.2).status == "exploratory"
        assert compared(*pair, confidence=0.9).status == "exploratory"

    def test_other_values_do_not(self, ledger):
        self.confirm(ledger, compared([2.0, 2.1], [1.0, 1.0]))
        assert compared([2.5, 2.6], [1.0, 1.0]).status == "confirmed"

    @pytest.mark.parametrize("run", [None, {"claims": {"made-a-below-b": {"design": ""}}}])
    def test_damaged_results_are_named(self, ledger, run):
        (ledger / "made.json").write_text(json.dumps({"data": {"boxes": run}} if run else {}))
        with pytest.raises(ValueError, match=r"made\.json must hold the results of `dnnbook"):
            compared([2.0, 2.1], [1.0, 1.0])

    @given(st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False), max_size=4))
    def test_equal_designs_have_equal_names(self, parts):
        assert design_of(parts) == design_of(dict(reversed(parts.items())))


class TestChance:
    def test_by_hand(self):
        # Sorted p times 4 / rank: 0.004, 0.04, 0.0533, 0.9: two stay at 0.05.
        assert kept_after_correction([0.9, 0.02, 0.001, 0.04]).tolist() == [
            False,
            True,
            True,
            False,
        ]
        assert kept_after_correction([]).tolist() == []

    def test_errors(self):
        with pytest.raises(ValueError, match="each in"):
            kept_after_correction([0.5, 1.5])

    def test_the_summary_says_how_many_fall(self, capsys):
        compared([2.0, 2.1, 2.0, 2.05], [1.0, 1.0, 1.0, 1.0])
        claims.summary("made")
        assert "0 of 1 decided verdicts fall" in capsys.readouterr().out

    def test_questions_that_stayed_open_count_too(self, capsys):
        found = judged(a=[1.0] * 4, b=[1.1, 1.25, 1.19, 1.12], **self.alike())
        found.compare("made-ba", "B.", larger="b", smaller="a", margin=1.01, says=SAYS)
        for name in self.alike():
            id = f"made-{name}"
            found.compare(id, "C.", larger=name, smaller="a", margin=1.01, says=SAYS)
        verdicts = [claim.verdict for claim in publishing.published("made")]
        assert verdicts == ["holds", "inconclusive", "inconclusive"]
        claims.summary("made")
        out = capsys.readouterr().out
        assert "1 of 1 decided verdicts fall when it is counted that 3" in out
        assert "(Benjamini and Hochberg): made-ba" in out

    def test_questions_that_are_asked_no_more_count_as_well(self, capsys):
        found = judged(a=[1.0] * 4, b=[1.1, 1.25, 1.19, 1.12])
        found.compare("made-ba", "B.", larger="b", smaller="a", margin=1.01, says=SAYS)
        claims.summary("made")
        assert "0 of 1 decided verdicts fall" in capsys.readouterr().out
        claims.summary("made", dropped=2)
        out = capsys.readouterr().out
        assert "1 of 1 decided verdicts fall when it is counted that 3 questions were asked" in out
        assert "2 of which are asked no more" in out
        claims.summary("made", dropped=1)
        assert "1 of which is asked no more" in capsys.readouterr().out

    @pytest.mark.parametrize("dropped", [-1, 1.5, True])
    def test_a_count_of_dropped_questions_is_checked(self, dropped):
        compared([2.0, 2.1], [1.0, 1.0])
        with pytest.raises((TypeError, ValueError), match=r"`dropped` must be (at least 0|an int)"):
            claims.summary("made", dropped=dropped)

    def alike(self):
        return {"c": [1.1, 0.9, 1.2, 0.8], "d": [0.9, 1.2, 0.8, 1.1]}


class TestKinds:
    """What is of the wrong kind is named before a judge set opens."""

    @pytest.mark.parametrize(
        ("draws", "arms", "message"),
        [
            (None, [[1.0, 2.0]], "`arms` must be a dictionary, one entry for each arm.*list"),
            ("digits", {"a": None}, r"`draws` must be draws, as `load_pool\(name\).draw\(\)`.*str"),
            (Draws(2), {"a": np.ones(2)}, "of values that were measured, take `observe`.*ndarray"),
        ],
    )
    def test_judge(self, draws, arms, message):
        with pytest.raises(TypeError, match=message):
            claims.judge(draws, arms, scope="made data")

    @pytest.mark.parametrize(
        ("arms", "on", "message"),
        [
            (np.ones(2), "digits", "`arms` must be a dictionary, one entry for each arm.*ndarray"),
            ({"a": np.ones(2)}, 3, "`on` must be draws, as .*Received: int"),
            ({"a": ["x", "y"]}, "digits", "`a` must hold real numbers. Received: an array of type"),
        ],
    )
    def test_observe(self, arms, on, message):
        with pytest.raises(TypeError, match=message):
            claims.observe(arms, on=on, scope="made data", frozen={})

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"larger": ["a"]}, r"`larger` must be one of 'b', 'a'. Received: \['a'\]"),
            ({"says": "It holds."}, "`says` must be a `Says`. Received: says='It holds.'"),
            ({"confidence": "95"}, "`confidence` must be a number. Received: confidence='95'"),
        ],
    )
    def test_compare(self, changes, message):
        options = {"larger": "b", "smaller": "a", "margin": 1.1, "says": SAYS} | changes
        with pytest.raises((TypeError, ValueError), match=message):
            judged(b=[2.0, 2.1], a=[1.0, 1.0]).compare("made-kinds", "b exceeds a.", **options)
