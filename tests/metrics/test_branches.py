"""A view is cut down to what a question needs, and the figures stay the same."""

from datetime import date, timedelta

import pytest

from connectors.contract import Window
from metrics.branches import pruned, tables
from metrics.compute import evaluate
from metrics.model import views
from metrics.plan import Plan, Question
from tests.metrics.conftest import hour, midnight, total

DELIVERY = views()["delivery"]
DAY = midnight(date(2026, 11, 2))
WHOLE = Window(DAY, DAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("used", "idle", "read"),
    [
        ({"cost", "clicks"}, "", {"delivery"}),
        ({"cost", "conversions"}, "placed", {"delivery"}),
        ({"cost", "conversions"}, "", {"delivery", "day_totals", "day_totals_ledger"}),
        ({"leads"}, "placed", {"delivery", "day_totals"}),
        (None, "", {"delivery", "day_totals", "day_totals_ledger"}),
    ],
)
def test_only_what_is_needed_is_read(used, idle, read):
    assert tables(pruned(DELIVERY, None if used is None else frozenset(used), idle)) == read


def test_what_needs_all_is_left_as_it_is_written():
    assert pruned(DELIVERY, None) == DELIVERY.sql
    assert pruned(views()["ads"], frozenset({"cost"})) == views()["ads"].sql


def sql(store, book, *names: str) -> str:
    plan = Plan(store.warehouse, Question(tuple(book[n] for n in names)), [[WHOLE]])
    plan.sums(DELIVERY)
    return plan.relations["delivery_rows"]


def test_sources_with_hourly_conversions_cost_no_placing(store, book):
    store.account("google_ads", "g1")
    store.reply("google_ads", "g1", [hour("1", "2026-11-02T09:00", clicks=1, conversions=2)])
    store.reply("google_ads", "g1", [total("1", "2026-11-02", 2, 60)])

    assert "day_totals" not in sql(store, book, "cpa", "roas")
    assert "day_totals" in sql(store, book, "cpa", "average_order_value")
    found = evaluate(store.warehouse, [book["conversions"], book["average_order_value"]], WHOLE)
    assert found.select(["conversions", "average_order_value"]).to_pylist() == [
        {"conversions": 2, "average_order_value": 30}
    ]


def test_one_source_by_the_day_is_enough_for_placing(store, book):
    store.account("meta_ads", "m1")
    store.reply("meta_ads", "m1", [hour("1", "2026-11-02T09:00", clicks=1, conversions=None)])

    assert "day_totals" in sql(store, book, "cpa")
    assert "day_totals" not in sql(store, book, "cpc")
