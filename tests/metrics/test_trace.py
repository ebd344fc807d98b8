"""From a number back to its definition, its rows and the fetches that brought them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.contract import Window
from connectors.rows import Auction
from metrics.compute import evaluate
from metrics.model import DEFINITIONS, read_metric, views
from metrics.trace import trace
from tests.metrics.conftest import hour, midnight, total

DAY = midnight(date(2026, 11, 2))
WHOLE = Window(DAY, DAY + timedelta(days=1))


@pytest.fixture
def polled(store):
    """Two polls of a Google account (the second restates one hour) and one of a Meta account, each by its name."""
    store.account("google_ads", "g1")
    store.account("meta_ads", "m1")
    one, two = DAY + timedelta(hours=10), DAY + timedelta(hours=11)
    old = hour("2", "2026-11-02T08:00", clicks=1, cost=1)
    store.reply(
        "google_ads",
        "g1",
        [hour("1", "2026-11-02T09:00", clicks=2, cost=4, conversions=1), old],
        seen_at=one,
        window=WHOLE,
    )
    store.reply(
        "google_ads",
        "g1",
        [hour("1", "2026-11-02T09:00", clicks=2, cost=6, conversions=2), old],
        seen_at=two,
        window=WHOLE,
    )
    store.reply(
        "meta_ads",
        "m1",
        [hour("7", "2026-11-02T09:00", clicks=4, cost=8, conversions=None)],
        seen_at=one,
        window=WHOLE,
    )
    store.reply("meta_ads", "m1", [total("7", "2026-11-02", 3)], seen_at=two, window=WHOLE)
    return store


def polls(found) -> list[tuple]:
    return [(r["source"], r["stream"], r["seen_at"] - DAY) for r in found.fetches.to_pylist()]


ONE, TWO = timedelta(hours=10), timedelta(hours=11)


def test_a_number_leads_to_all_that_it_is_made_of(polled, book):
    found = trace(polled.warehouse, book["cpa"], WHOLE)

    # 6 + 1 of Google and 8 of Meta over 2 + 3 conversions
    assert (found.value, found.currency, found.version) == (15 / 5, "EUR", 1)
    assert found.definition.startswith("-- title:    Cost per acquisition")
    # three delivered hours, and one that Meta's conversions were placed in
    assert found.row_count == 4
    assert sum(r["conversions"] for r in found.rows.to_pylist()) == 5
    assert polls(found) == [
        ("google_ads", "delivery", TWO),
        ("meta_ads", "day_totals", TWO),
        ("google_ads", "delivery", ONE),
        ("meta_ads", "delivery", ONE),
    ]
    assert found.fetches["request_ids"].to_pylist()[0] == ["r1"]
    assert {(m.source, m.stream) for m in found.watermarks} == {
        ("google_ads", "delivery"),
        ("meta_ads", "delivery"),
        ("meta_ads", "day_totals"),
    }


def test_its_sql_gives_it_again(polled, book):
    for name in ("cpa", "spend", "cpl", "impression_share"):
        found = trace(polled.warehouse, book[name], WHOLE, {"account": ["g1", "it's"]})

        assert "$" not in found.sql
        assert polled.warehouse.query(found.sql)[name].to_pylist() == [found.value]


def test_only_the_fetches_of_its_rows_are_named(polled, book):
    spend = trace(polled.warehouse, book["spend"], WHOLE, {"source": "meta_ads"})
    assert polls(spend) == [("meta_ads", "delivery", ONE)]

    one_campaign = trace(polled.warehouse, book["spend"], WHOLE, {"campaign": "2"})
    assert (one_campaign.value, one_campaign.row_count) == (1, 1)
    assert polls(one_campaign) == [("google_ads", "delivery", ONE)]

    before = trace(polled.warehouse, book["spend"], WHOLE, {"source": "google_ads"}, as_of=DAY + ONE)
    assert before.value == 5
    assert polls(before) == [("google_ads", "delivery", ONE)]


def test_rows_are_the_newest_and_as_many_as_asked(polled, book):
    found = trace(polled.warehouse, book["clicks"], WHOLE, limit=2)

    assert found.row_count == 3
    assert found.rows["campaign"].to_pylist() == ["1", "7"]


def test_attributes_are_traced_by_their_history(polled, book):
    polled.reply("google_ads", "g1", [Auction("1", date(2026, 11, 2), 10, 0.5)], seen_at=DAY + ONE)

    found = trace(polled.warehouse, book["impression_share"], WHOLE)

    assert (found.value, found.row_count) == (0.5, 1)
    assert polls(found) == [("google_ads", "auction", ONE)]


def test_arrivals_are_traced_by_when_they_came(polled, book):
    window = Window(DAY + timedelta(hours=11), DAY + timedelta(hours=12))

    found = trace(polled.warehouse, book["conversions_by_arrival"], window)

    assert found.value == 1
    assert ("google_ads", "delivery", TWO) in polls(found)
    assert all(at == TWO for *_, at in polls(found))


def test_the_definition_is_the_one_in_force_whatever_stands_at_its_path_by_now(polled, tmp_path):
    """A state that was kept is read from a folder that is gone; a newer file may have been refused."""
    path = tmp_path / "cpa.sql"
    path.write_text((DEFINITIONS / "cpa.sql").read_text())
    metric = read_metric(path, views())
    path.unlink()

    assert trace(polled.warehouse, metric, WHOLE).definition.startswith("-- title:    Cost per acquisition")


def test_a_number_of_nothing_has_no_rows(polled, book):
    later = Window(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC))

    found = trace(polled.warehouse, book["cpa"], later)

    assert (found.value, found.row_count, found.rows.num_rows, found.fetches.num_rows) == (None, 0, 0, 0)
    assert found.watermarks == ()
    assert evaluate(polled.warehouse, [book["cpa"]], later)["cpa"].to_pylist() == [None]
