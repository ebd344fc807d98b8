"""The platforms' limits by hand."""

from datetime import date

import numpy as np
import pytest

from metrics.caps import RULES, allowance, blocks, overspend, starts

GOOGLE, META = RULES["google_ads"], RULES["meta_ads"]
TUESDAY = date(2026, 11, 24)


def test_a_month_and_a_week_from_sunday():
    assert starts(GOOGLE, TUESDAY) == date(2026, 11, 1)
    assert starts(META, TUESDAY) == date(2026, 11, 22)
    assert starts(META, date(2026, 11, 22)) == date(2026, 11, 22)
    # Wednesday to Saturday are still this week; then two of the next.
    assert blocks(META, TUESDAY, 6).tolist() == [0, 0, 0, 0, 1, 1]
    assert blocks(GOOGLE, TUESDAY, 8).tolist() == [0] * 6 + [1, 1]


def test_an_unchanged_budget_may_spend_the_rules_multiple():
    assert allowance(GOOGLE, TUESDAY, np.full(40, 100.0)) == pytest.approx(3040)
    assert allowance(META, TUESDAY, np.full(40, 100.0)) == pytest.approx(700)


def test_after_a_change_each_day_counts_its_own():
    budgets = np.array([50.0] * 30 + [100.0] * 10)
    # Fourteen November days at 50, ten at 100, six to come at 100.
    assert allowance(GOOGLE, TUESDAY, budgets) == pytest.approx(14 * 50 + 16 * 100)
    # Sunday 80, Monday and Tuesday 100, four days to come.
    assert allowance(META, TUESDAY, np.array([80.0, 100, 100])) == pytest.approx(680)


@pytest.mark.parametrize(
    ("rule", "today", "said"),
    [
        (GOOGLE, 100, None),
        (GOOGLE, 180, "allowed by the platform (1.8× of 2× a day)"),
        (GOOGLE, 260, "unexplained (2.6× of 2× a day)"),
        (META, 170, "allowed by the platform (1.7× of 1.75× a day)"),
        (META, 190, "unexplained (1.9× of 1.75× a day)"),
    ],
)
def test_a_day_over_its_budget(rule, today, said):
    found = overspend(rule, TUESDAY, np.full(40, 100.0), np.array([90.0] * 39 + [today]))
    assert (str(found) if found else None) == said


def test_a_week_past_its_limit_is_unexplained_whatever_the_day():
    found = overspend(META, TUESDAY, np.full(9, 100.0), np.array([90.0] * 6 + [300, 350, 100]))
    assert str(found) == "unexplained (7.5× of 7× a week)"


def test_a_budget_that_was_lowered_today_is_measured_by_the_higher_one():
    budgets = np.array([100.0] * 39 + [50])
    assert overspend(GOOGLE, TUESDAY, budgets, np.array([50.0] * 39 + [90])) is None
