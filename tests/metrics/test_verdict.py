"""Verdicts on simulated tests: nothing before it is safe, no winner where there is none."""

import math

import numpy as np
import pytest

from metrics.arms import compare_totals
from metrics.experiments import METRICS
from metrics.verdict import Data, Ratio, Rules, State, judge, path

CVR, CPA, ROAS = METRICS["conversion_rate"], METRICS["cpa"], METRICS["roas"]
DAY = np.clip(1 + np.sin((np.arange(24) - 9) / 24 * 2 * np.pi), 0.1, None)


def arm(rng, days, *, clicks=40.0, rate=0.05, cpc=1.0, lift=1.0):
    """Hours of an arm: the day's shape in traffic and in rate, bursts beyond Poisson in both."""
    shape = np.tile(DAY, days)
    seen = rng.poisson(rng.gamma(20, clicks * shape / 20))
    hourly = rate * lift * (0.8 + 0.4 * shape / shape.max()) * rng.gamma(50, 1 / 50, len(shape))
    bought = rng.binomial(seen, np.minimum(hourly, 1))
    return {
        "impressions": rng.poisson(seen * 30.0).astype(float),
        "units": rng.poisson(seen * 30.0).astype(float),
        "clicks": seen.astype(float),
        "cost": seen * cpc * rng.gamma(30, 1 / 30, len(shape)),
        "conversions": bought.astype(float),
        "revenue": np.array([rng.gamma(2, 40, n).sum() for n in bought]),
    }


def data(seed, days=28, *, over=False, b=None, **shared):
    rng = np.random.default_rng(seed)
    return Data(arm(rng, days, **shared), arm(rng, days, **shared | (b or {})), float(days), over)


def rules(metric=CVR, days=28, **more):
    return Rules(metric=metric, planned=2 * days * 24, **more)


@pytest.mark.parametrize("metric", [CVR, CPA, ROAS], ids=lambda m: m.name)
def test_few_winners_among_equals_however_often_one_looks(metric):
    wrong = 0
    for seed in range(150):
        whole = data(seed)
        looks = range(24 * 7, whole.units + 1, 12)
        wrong += any(valid.p < 0.05 for _, _, valid in path(rules(metric), whole, looks))
    assert wrong / 150 <= 0.05


def test_days_as_units_declare_few_winners_too():
    wrong = 0
    for seed in range(150):
        hours = data(seed, days=42)
        daily = Data(
            *(
                {n: v.reshape(-1, 24).sum(1) for n, v in side.items()}
                for side in (hours.control, hours.treatment)
            ),
            hours.days,
        )
        said = path(Rules(metric=CVR, planned=84), daily, range(7, 43))
        wrong += any(valid.p < 0.05 for _, _, valid in said)
    assert wrong / 150 <= 0.05


def test_a_large_effect_is_found_and_named():
    found = [
        judge(rules(), data(seed, b={"lift": 1.4}), names=("Old page", "New page")) for seed in range(20)
    ]
    assert sum(j.state is State.BETTER for j in found) >= 19
    first = next(j for j in found if j.state is State.BETTER)
    assert first.words.startswith("New page is better than Old page (safe to act)")
    assert first.probability is not None
    assert first.probability > 0.99
    assert first.low < 0.4 < first.high


def test_a_lower_cost_is_the_better_one():
    said = judge(rules(CPA), data(3, b={"cpc": 0.6}), names=("A", "B"))
    assert said.state is State.BETTER
    assert said.effect == pytest.approx(-0.4, abs=0.1)
    assert judge(rules(CPA), data(3, b={"cpc": 1.8})).state is State.WORSE


def test_no_verdict_before_a_whole_week():
    said = judge(rules(), data(1, days=6, b={"lift": 3}))
    assert said.state is State.COLLECTING
    assert "7 whole days (6 so far)" in said.words
    assert said.probability is None


def test_no_verdict_on_a_handful_of_conversions():
    said = judge(rules(), data(1, days=10, clicks=2, rate=0.004))
    assert said.state is State.COLLECTING
    assert "5 conversions in each arm" in said.words


def test_a_chance_to_be_best_is_kept_back_until_it_is_safe():
    said = judge(rules(), data(2, days=8))
    assert said.state is State.RUNNING
    assert said.probability is None
    assert said.days_left is not None
    assert said.words.startswith("Keep running")


def test_equal_arms_are_equal_within_what_matters():
    said = judge(rules(minimum_effect=0.25), data(5, days=28, clicks=200))
    assert said.state is State.SAME
    assert said.words.startswith("No difference larger than 25 %")


def test_a_test_that_ends_unanswered_says_so():
    assert judge(rules(), data(2, days=8, over=True)).state is State.OPEN


def test_a_split_that_is_off_breaks_the_test():
    off = judge(rules(shares=(0.5, 0.5)), data(6, b={"clicks": 60.0, "lift": 2}))
    assert off.state is State.BROKEN
    assert "60 %" in off.words
    assert "50 %" in off.words
    wrong = [judge(rules(shares=(0.5, 0.5)), data(seed)).state for seed in range(60)]
    assert State.BROKEN not in wrong


def test_no_split_is_judged_by_what_an_arm_made_of_its_share():
    """Twice the clicks of the other: where nobody counted what was split, that is the treatment's doing."""
    whole = data(6, b={"clicks": 80.0})
    sides = [{n: v for n, v in s.items() if n != "units"} for s in (whole.control, whole.treatment)]
    said = judge(rules(shares=(0.5, 0.5)), Data(*sides, whole.days))
    assert said.split_p is None
    assert said.state is not State.BROKEN


def test_a_total_is_compared_over_the_shares_hour_beside_hour():
    """Both arms rise and fall with the day; A has two thirds of the traffic, and B brings a tenth more for it."""
    day = np.tile(DAY, 14)
    odd = np.where(np.arange(len(day)) % 2, 1.02, 0.98)
    both = {"conversions": 200 * day * odd}, {"conversions": 110 * day / odd}
    clicks = Ratio("clicks", "conversions", "", higher=True)
    said = judge(rules(clicks, days=14, shares=(2 / 3, 1 / 3)), Data(*both, 14.0))
    totals = [side["conversions"].sum() for side in both]
    assert (said.control, said.treatment) == pytest.approx(tuple(totals))
    assert said.effect == pytest.approx(totals[1] / (totals[0] / 2) - 1)
    # By hand: what an hour adds to the difference of the logs, its sum of squares times n / (n - 1).
    parts = both[1]["conversions"] / totals[1] - both[0]["conversions"] / totals[0]
    error = math.sqrt(sum(p * p for p in parts) * len(parts) / (len(parts) - 1))
    assert compare_totals(*(side["conversions"] for side in both)).error == pytest.approx(error)
    assert said.state is State.BETTER
    few = Ratio("spend", "conversions", "", higher=False)
    assert judge(rules(few, days=14, shares=(2 / 3, 1 / 3)), Data(*both, 14.0)).state is State.WORSE


def test_totals_of_equals_have_few_winners_however_often_one_looks():
    total = Ratio("conversions", "conversions", "", higher=True)
    wrong = 0
    for seed in range(150):
        whole = data(seed)
        looks = range(24 * 7, whole.units + 1, 12)
        wrong += any(valid.p < 0.05 for _, _, valid in path(rules(total), whole, looks))
    assert wrong / 150 <= 0.05


def test_a_guardrail_stops_a_winner():
    said = judge(rules(guardrails=(CPA,)), data(7, b={"lift": 1.4, "cpc": 3.0}))
    assert said.state is State.HARM
    assert said.harmed == ("cpa",)
    quiet = [judge(rules(guardrails=(CPA, ROAS)), data(seed)).harmed for seed in range(60)]
    assert quiet.count(()) >= 57


def test_several_treatments_share_alpha():
    assert rules(treatments=2).level == 0.025


def test_nothing_at_all_is_collecting():
    empty = {name: np.zeros(0) for name in ("impressions", "clicks", "cost", "conversions", "revenue")}
    assert judge(rules(), Data(empty, empty, 0.0)).state is State.COLLECTING
