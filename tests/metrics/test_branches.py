"""A view is cut down to what a question needs, and the figures stay the same."""

from datetime import date, timedelta

import pytest

from connectors.contract import Window
from metrics import windows
from metrics.branches import pruned, summed, tables
from metrics.compute import evaluate
from metrics.maturity import learned
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


@pytest.mark.parametrize(
    ("used", "read"),
    [
        ({"cost"}, {"cost"}),
        ({"settled_conversions", "cost"}, {"conversions", "clicks", "cost"}),
        ({"settled_value", "late"}, {"conversion_value", "clicks"}),
        ({"settled_leads"}, {"leads", "clicks"}),
        ({"hour_of_day"}, None),  # no measure: a row that has it is a row more
    ],
)
def test_what_stands_on_delivery_needs_of_it_what_its_sums_are_made_of(used, read):
    found = summed(views()["settled"], frozenset(used), DELIVERY)
    assert found == (None if read is None else frozenset(read))


def test_settled_figures_without_leads_place_no_leads(store, book):
    store.account("google_ads", "g1")
    store.reply("google_ads", "g1", [hour("1", "2026-11-02T09:00", clicks=1, conversions=2)])
    store.reply("google_ads", "g1", [total("1", "2026-11-02", 2, 60)])
    known = learned(store.warehouse, windows.accounts(store.warehouse), DAY + timedelta(days=1))

    def rows(*names: str) -> str:
        question = Question(tuple(book[n] for n in names), relations=known.relations)
        plan = Plan(store.warehouse, question, [[WHOLE]])
        for view in plan.views():
            plan.sums(view)
        return plan.relations["delivery_rows"]

    assert "day_totals" not in rows("settled_cpa", "settled_roas")
    assert "day_totals" not in rows("settled_cpa", "cpa")
    assert "day_totals" in rows("settled_cpl")
    assert "day_totals" in rows("settled_cpa", "average_order_value")
    assert "day_totals" in rows("average_order_value", "settled_cpa")
