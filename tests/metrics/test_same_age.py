"""Windows of two ages made comparable."""

from datetime import date, timedelta

import numpy as np
import pytest

from connectors.contract import Window
from metrics import windows
from metrics.compare import Comparison
from metrics.explain import explain
from metrics.maturity import learned
from metrics.same_age import arrived
from tests.metrics.conftest import hour, midnight, named

DAY = midnight(date(2026, 11, 3))
TODAY = Window(DAY, DAY + timedelta(hours=12))
YESTERDAY = Window(DAY - timedelta(days=1), DAY - timedelta(hours=12))


@pytest.fixture
def accounts(store):
    """Two accounts: g1 with 100 clicks at 9 and 300 at 11 on both days, m1 with 50 at 10; cost 10, a tenth converts."""
    for source, account in (("google_ads", "g1"), ("meta_ads", "m1")):
        store.account(source, account)
        store.campaign(source, account, named("1", f"{account} one", channel="search"))
        rows = [
            hour(
                "1",
                f"2026-11-0{day}T{h:02d}:00",
                impressions=1000,
                clicks=clicks,
                cost=10,
                conversions=clicks / part,
                value=clicks,
            )
            for day, part in ((2, 10), (3, 20))
            for h, clicks in (((9, 100), (11, 300)) if account == "g1" else ((10, 50),))
        ]
        store.reply(source, account, rows)
    return store


def complete(key, hours):
    """Of g1 half is known of today's nine o'clock and a quarter of eleven's; yesterday is known but for a tenth."""
    if key[1] == "m1":
        return np.ones(len(hours))
    return np.array([0.9 if at < DAY else 0.5 if at.hour < 9 else 0.25 for at in hours])


def test_hours_count_by_their_clicks(accounts):
    found = arrived(accounts.warehouse, complete, TODAY, YESTERDAY)
    # (100 * 0.5 + 300 * 0.25) / 400 today; 0.9 yesterday
    assert found == {("google_ads", "g1"): pytest.approx(0.3125 / 0.9), ("meta_ads", "m1"): 1}
    assert arrived(accounts.warehouse, complete, TODAY, Comparison.YESTERDAY) == pytest.approx(found)
    each = dict.fromkeys([("google_ads", "g1")], TODAY)
    assert arrived(accounts.warehouse, complete, each, Comparison.YESTERDAY).keys() == each.keys()


def test_without_clicks_an_account_is_taken_as_it_is(accounts):
    later = Window(DAY + timedelta(days=30), DAY + timedelta(days=31))
    assert set(arrived(accounts.warehouse, complete, later, Comparison.PRIOR).values()) == {1.0}


@pytest.mark.parametrize("by", ["campaign", "account", "source", "channel"])
def test_the_earlier_side_is_cut_to_the_age_of_the_later(accounts, book, by):
    share = arrived(accounts.warehouse, complete, TODAY, YESTERDAY)
    found = explain(accounts.warehouse, book["conversions"], TODAY, YESTERDAY, by=by, arrived=share)

    # 40 of g1 cut by its share, 5 of m1 as they are; today 20 and 2.5
    assert found.before == pytest.approx(40 * 0.3125 / 0.9 + 5)
    assert found.now == 22.5
    assert sum(m.amount for m in found.movers) == pytest.approx(found.delta)
    assert sum(e.amount for e in found.effects) == pytest.approx(found.delta)
    assert len(found.movers) == (1 if by == "channel" else 2)
    assert found.label.endswith("at the same age")
    cpa = explain(accounts.warehouse, book["cpa"], TODAY, YESTERDAY, by=by, arrived=share)
    assert cpa.before == pytest.approx(30 / found.before)
    assert cpa.mix + cpa.rate == pytest.approx(cpa.delta)


def test_spend_is_not_cut(accounts, book):
    share = arrived(accounts.warehouse, complete, TODAY, YESTERDAY)
    found = explain(accounts.warehouse, book["spend"], TODAY, YESTERDAY, arrived=share)
    assert (found.before, found.now) == (30, 30)
    assert "age" not in found.label


def test_settled_figures_are_explained_along_their_own_funnel(accounts, book):
    known = windows.accounts(accounts.warehouse)
    mature = learned(accounts.warehouse, known, TODAY.end)
    found = explain(accounts.warehouse, book["settled_cpa"], TODAY, YESTERDAY, relations=mature.relations)

    assert [e.name for e in sorted(found.effects, key=lambda e: e.name)] == [
        "cost per click",
        "settled conversion rate",
    ]
    assert sum(e.amount for e in found.effects) == pytest.approx(found.delta)
    assert sum(m.amount for m in found.movers) == pytest.approx(found.delta)
    # nothing but conversions differs
    assert next(e for e in found.effects if e.name == "cost per click").amount == pytest.approx(0)
