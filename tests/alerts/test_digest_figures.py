"""Figures of digests: by hand, and by the metrics themselves."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest

from alerts.digest.figures import Kpi
from metrics import maturity, windows
from metrics.compute import evaluate
from metrics.model import load
from tests.alerts.digest_kit import LAST, NOW, figures


def test_a_day_is_told_beside_its_week_and_its_month(usual):
    found = figures(usual)
    spend = found.kpis["spend"]
    assert (found.first, found.last, found.currency) == (LAST, LAST, "EUR")
    assert spend.value == pytest.approx(260)
    assert spend.before == pytest.approx(150)
    assert spend.change == pytest.approx(260 / 150 - 1)
    assert (spend.low, spend.high) == (pytest.approx(150), pytest.approx(150))
    assert spend.usual is False


def test_ratios_are_of_settled_sums(usual):
    """As the metrics themselves have it, asked for one window each."""
    found = figures(usual)
    known = windows.accounts(usual.warehouse)
    mature = maturity.learned(usual.warehouse, known, NOW.astimezone(UTC))

    def asked(first, last):
        metrics = [load()[n] for n in ("settled_roas", "settled_cpa", "settled_conversions")]
        window = windows.days(known, first, last)
        return evaluate(usual.warehouse, metrics, window, relations=mature.relations).to_pylist()[0]

    day, week = asked(LAST, LAST), asked(LAST - timedelta(days=7), LAST - timedelta(days=1))
    assert found.kpis["roas"].value == pytest.approx(day["settled_roas"])
    assert found.kpis["roas"].before == pytest.approx(week["settled_roas"])
    assert found.kpis["cpa"].value == pytest.approx(day["settled_cpa"])
    assert found.kpis["cpa"].before == pytest.approx(week["settled_cpa"])
    assert found.kpis["conversions"].value == pytest.approx(day["settled_conversions"])
    assert found.known == pytest.approx(10 / day["settled_conversions"])
    assert found.kpis["roas"].state == "bad"  # worse than on any day of the month before


def test_what_moved_is_ranked_by_its_result(usual):
    found = figures(usual)
    assert found.result == "revenue"
    assert [m.name for m in found.up] == ["Generic", "Fresh"]
    assert [m.name for m in found.down] == ["Brand"]
    (brand,) = found.down
    assert (brand.spend, brand.spend_before) == (pytest.approx(200), pytest.approx(100))
    assert brand.before == pytest.approx(400, rel=0.05)
    assert found.up[1].before == 0


def test_a_week_is_told_beside_the_week_before(usual):
    found = figures(usual, "weekly")
    assert (found.first, found.last) == (date(2026, 11, 17), LAST)
    assert found.kpis["spend"].value == pytest.approx(6 * 150 + 260)
    assert found.kpis["spend"].before == pytest.approx(7 * 150)
    # Six weeks of data: five whole ones before this.
    assert found.kpis["spend"].low == pytest.approx(7 * 150)


def test_young_accounts_have_no_usual(shop):
    shop.days("brand", cost=100, conversions=10, value=400, back=range(1, 5))
    shop.stored()
    found = figures(shop)
    assert found.kpis["spend"].value == pytest.approx(100)
    assert (found.kpis["spend"].low, found.kpis["spend"].usual) == (None, None)


def test_without_data_there_is_no_digest(shop):
    assert figures(shop) is None


def test_an_account_whose_money_has_no_rate_is_left_out_and_named(usual):
    usual.account("google_ads", "yen", currency="JPY", zone="Asia/Tokyo")
    usual.days("kumo", cost=9000, conversions=1, value=0)
    usual.stored("yen")
    found = figures(usual)
    assert list(found.left_out) == ["google_ads yen"]
    assert found.kpis["spend"].value == pytest.approx(260)


def test_a_day_that_is_not_over_somewhere_is_named(usual):
    usual.account("google_ads", "west", zone="America/Los_Angeles")
    usual.days("surf", cost=10, conversions=1, value=10)
    usual.stored("west")
    (name, at), *rest = figures(usual).incomplete.items()
    # Eight in Berlin is eleven in the evening of the day before in Los Angeles.
    assert (name, at.hour, at.day, rest) == ("google_ads west", 23, 23, [])


@pytest.mark.parametrize(
    ("kpi", "state"),
    [
        (Kpi("roas", 3.0, 3.0, 2.5, 3.5, "higher"), "good"),
        (Kpi("roas", 4.0, 3.0, 2.5, 3.5, "higher"), "good"),
        (Kpi("roas", 2.4, 3.0, 2.5, 3.5, "higher"), "warn"),
        (Kpi("roas", 1.0, 3.0, 2.5, 3.5, "higher", worst=True), "bad"),
        (Kpi("cpa", 40.0, 30.0, 25.0, 35.0, "lower"), "warn"),
        (Kpi("cpa", 20.0, 30.0, 25.0, 35.0, "lower"), "good"),
        (Kpi("spend", 99.0, 30.0, 25.0, 35.0), "none"),
        (Kpi("roas", None, 3.0, 2.5, 3.5, "higher"), "none"),
    ],
)
def test_a_figure_is_judged_by_its_usual_range(kpi, state):
    assert kpi.state == state
