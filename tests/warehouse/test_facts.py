"""What a reply does to a fact's table and ledger, poll by poll."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from connectors.contract import Window
from connectors.rows import AdDelivery, DayTotal, Delivery
from connectors.schema import to_batch
from tests.warehouse.store_kit import BERLIN, DAY, at, delivery, ok, put, rows
from warehouse.errors import ReplyRefused
from warehouse.ledger import arrivals, as_of, restatements
from warehouse.store import Slice

TABLE = "SELECT campaign, hour_of_day, impressions, conversions FROM delivery ORDER BY campaign, hour"
LEDGER = """SELECT hour_of_day, impressions, conversions, epoch(seen_from) // 60 - epoch($1::TIMESTAMPTZ) // 60,
    epoch(seen_to) // 60 - epoch($1::TIMESTAMPTZ) // 60 FROM delivery_ledger ORDER BY seen_to, hour"""


def ledger(warehouse):
    """(hour, impressions, conversions, seen_from, seen_to), the latter two in minutes since midnight."""
    return rows(warehouse, LEDGER, at(0))


def test_the_first_reply_is_stored_and_noted_as_never_seen_before(warehouse):
    written = put(warehouse, [delivery("a", 1, 100, 1.5), delivery("a", 2, 50)], seen=3)

    assert (written.rows, written.changed, written.newest) == (2, 2, at(2))
    assert rows(warehouse, TABLE) == [("a", 1, 100, Decimal("1.5")), ("a", 2, 50, Decimal(0))]
    assert ledger(warehouse) == [(1, 100, Decimal("1.5"), None, 180), (2, 50, Decimal(0), None, 180)]


def test_the_same_reply_again_changes_nothing(warehouse):
    reply = [delivery("a", 1, 100, None), delivery("a", 2, 50, 2)]
    put(warehouse, reply, seen=3)
    version = warehouse.data_version
    assert put(warehouse, reply, seen=3).changed == 0
    assert put(warehouse, reply, seen=4).changed == 0
    assert len(ledger(warehouse)) == 2
    assert warehouse.data_version == version


def test_a_restatement_is_kept_as_its_difference_since_the_last_look(warehouse):
    put(warehouse, [delivery("a", 1, 100, 1.5), delivery("a", 2, 50, 0)], seen=3)
    put(warehouse, [delivery("a", 1, 100, 1.5), delivery("a", 2, 50, 0)], seen=3.25)
    version = warehouse.data_version
    written = put(warehouse, [delivery("a", 1, 90, 2.75), delivery("a", 2, 50, 0)], seen=3.5)

    assert (written.rows, written.changed) == (2, 1)
    assert warehouse.data_version == version + 1
    assert rows(warehouse, TABLE) == [("a", 1, 90, Decimal("2.75")), ("a", 2, 50, Decimal(0))]
    # 90 - 100 and 2.75 - 1.5, seen between 03:15 and 03:30.
    assert ledger(warehouse)[2:] == [(1, -10, Decimal("1.25"), 195, 210)]


def test_each_hour_was_last_seen_by_the_last_reply_that_spoke_for_it(warehouse):
    put(warehouse, [delivery("a", 1, 1), delivery("a", 20, 1)], seen=21)
    put(warehouse, [delivery("a", 20, 1)], seen=22, hours=(18, 24))
    put(warehouse, [delivery("a", 1, 2), delivery("a", 20, 2)], seen=23)
    assert [r[3:] for r in ledger(warehouse)[2:]] == [(21 * 60, 23 * 60), (22 * 60, 23 * 60)]


def test_a_row_that_the_reply_lacks_is_restated_to_zero_not_erased(warehouse):
    put(warehouse, [delivery("a", 1, 100, 1), delivery("b", 1, 70, None)], seen=3)
    written = put(warehouse, [delivery("c", 1, 5)], seen=4)

    assert written.changed == 3
    assert rows(warehouse, TABLE) == [("a", 1, 0, Decimal(0)), ("b", 1, 0, None), ("c", 1, 5, Decimal(0))]
    assert sorted(r[1] for r in ledger(warehouse)[2:]) == [-100, -70, 5]
    assert put(warehouse, [delivery("c", 1, 5)], seen=5).changed == 0


def test_only_rows_of_the_asked_window_are_restated(warehouse):
    put(warehouse, [delivery("a", 1, 100), delivery("a", 6, 60), delivery("a", 12, 30)], seen=13)
    put(warehouse, [delivery("b", 6, 1)], seen=14, hours=(6, 12))
    assert rows(
        warehouse, "SELECT hour_of_day, impressions FROM delivery WHERE campaign = 'a' ORDER BY 1"
    ) == [
        (1, 100),
        (6, 0),
        (12, 30),
    ]


def test_an_empty_reply_changes_nothing_but_the_journal(warehouse):
    put(warehouse, [delivery("a", 1, 100)], seen=3)
    written = put(warehouse, [], seen=4)
    assert (written.rows, written.changed, written.newest) == (0, 0, None)
    assert rows(warehouse, TABLE) == [("a", 1, 100, Decimal(0))]
    assert rows(warehouse, 'SELECT outcome, "rows" FROM journal ORDER BY started') == [("ok", 1), ("ok", 0)]
    assert warehouse.watermarks()[0].polled_at == at(4)


def test_unknown_and_zero_are_different_and_replayed_exactly(warehouse):
    for seen, conversions in ((2, None), (3, 0.0), (4, 2.0), (5, None), (6, 0.0)):
        assert put(warehouse, [delivery("a", 1, 10, conversions)], seen=seen).changed == 1
    for seen, conversions in ((2, None), (3, 0), (4, 2), (5, None), (6, 0)):
        replayed = warehouse.query(as_of(Delivery, at(seen))).to_pylist()[0]
        assert replayed["conversions"] == conversions
        assert replayed["conversion_value"] == (None if conversions is None else conversions * 5_000_000)
    assert rows(warehouse, "SELECT sum(conversions), sum(impressions) FROM delivery_ledger") == [(0, 10)]


def test_the_replay_has_the_tables_columns_and_types(warehouse):
    put(warehouse, [delivery("a", 1, 100, 1)], seen=3)
    for row in (Delivery, DayTotal, AdDelivery):
        replay = warehouse.query(as_of(row, at(9))).schema
        assert replay == warehouse.query(f"SELECT * FROM {row.table}").schema
    assert warehouse.query(as_of(Delivery, at(3) - timedelta(microseconds=1))).num_rows == 0
    assert warehouse.query(as_of(Delivery, at(3))).num_rows == 1


def test_an_older_look_does_not_rewrite_a_newer_one(warehouse):
    put(warehouse, [delivery("a", 10, 30)], seen=11, hours=(6, 24))
    # Asked at ten, it took an hour to come: what it says about the hours from six on is out of date.
    written = put(warehouse, [delivery("a", 1, 5), delivery("a", 10, 20)], seen=10)
    assert written.changed == 1
    assert rows(warehouse, TABLE) == [("a", 1, 5, Decimal(0)), ("a", 10, 30, Decimal(0))]
    assert warehouse.watermarks()[0].polled_at == at(11)


def test_accounts_sources_and_streams_do_not_touch_each_other(warehouse):
    put(warehouse, [delivery("a", 1, 100)], seen=3, account="1")
    put(warehouse, [delivery("a", 1, 7)], seen=4, account="2")
    put(warehouse, [delivery("b", 1, 8)], seen=5, account="2")
    assert rows(warehouse, "SELECT account, campaign, impressions FROM delivery ORDER BY ALL") == [
        ("1", "a", 100),
        ("2", "a", 0),
        ("2", "b", 8),
    ]


def test_a_relabelled_row_is_replaced_and_its_old_label_replayed(warehouse):
    def total(category):
        return DayTotal("a", "42", DAY, category, primary=True, conversions=2, conversion_value=9)

    put(warehouse, [total("other")], seen=3, row=DayTotal)
    assert put(warehouse, [total("lead")], seen=4, row=DayTotal).changed == 1
    assert rows(warehouse, 'SELECT category, "primary", conversions FROM day_totals') == [("lead", True, 2)]
    assert [warehouse.query(as_of(DayTotal, at(t)))["category"].to_pylist() for t in (3, 4)] == [
        ["other"],
        ["lead"],
    ]
    assert rows(warehouse, "SELECT sum(conversions) FROM day_totals_ledger") == [(2,)]


def test_one_key_twice_in_a_reply_is_refused_whole(warehouse):
    put(warehouse, [delivery("a", 1, 100)], seen=3)
    with pytest.raises(
        ReplyRefused, match=r"1 of 3 rows name a key \(campaign, hour\) again.*\(b, '2026"
    ) as refused:
        put(warehouse, [delivery("b", 1, 1), delivery("c", 1, 1), delivery("b", 1, 2)], seen=4)
    assert isinstance(refused.value, ValueError)
    assert "connector" in refused.value.mend
    assert rows(warehouse, TABLE) == [("a", 1, 100, Decimal(0))]
    assert len(rows(warehouse, "FROM journal")) == 1


@pytest.mark.parametrize(
    "reply",
    [
        [delivery("a", 1, 100), delivery("a", 1, 100)],  # both as stored
        [delivery("a", 1, 100), delivery("a", 1, 101)],  # one of them as stored
        [delivery("a", 1, 101), delivery("a", 1, 102)],
        [delivery("c", 1, 1), delivery("c", 1, 1), delivery("a", 1, 100)],
        # As many rows as are stored, one of which is missing.
        [delivery("a", 1, 100), delivery("a", 1, 100), delivery("c", 1, 1)],
    ],
)
def test_a_key_twice_is_found_whatever_is_stored(warehouse, reply):
    put(warehouse, [delivery("a", 1, 100), delivery("b", 1, 100)], seen=3)
    with pytest.raises(ReplyRefused, match="rows name a key"):
        put(warehouse, reply, seen=4)
    assert rows(warehouse, TABLE) == [("a", 1, 100, Decimal(0)), ("b", 1, 100, Decimal(0))]


@pytest.mark.parametrize("hour", [5, 12])
def test_rows_outside_the_window_are_refused(warehouse, hour):
    with pytest.raises(ReplyRefused, match="asked for hour in"):
        put(warehouse, [delivery("a", 6, 1), delivery("a", hour, 1)], seen=13, hours=(6, 12))
    assert rows(warehouse, "FROM delivery") == []


def ad(day, impressions=1):
    return AdDelivery("a", "g", "x", day, impressions, 0, 0, 0.0, 0)


def test_a_window_of_days_is_the_days_of_the_account(warehouse):
    # In Berlin (UTC+1), 22:30 to 23:30 UTC touches the 10th and the 11th of March.
    written = put(
        warehouse, [ad(date(2026, 3, 10)), ad(date(2026, 3, 11))], seen=24, hours=(22.5, 23.5), row=AdDelivery
    )
    assert written.newest == datetime(2026, 3, 10, 23, tzinfo=UTC)  # midnight in Berlin
    with pytest.raises(ReplyRefused, match="2026-03-11 to 2026-03-11"):
        put(warehouse, [ad(date(2026, 3, 11))], seen=24, hours=(22.5, 23), row=AdDelivery)
    put(warehouse, [ad(date(2026, 3, 10), 5)], seen=25, hours=(0, 23), row=AdDelivery)
    assert rows(warehouse, "SELECT day, impressions FROM ad_delivery ORDER BY 1") == [
        (date(2026, 3, 10), 5),
        (date(2026, 3, 11), 1),
    ]
    assert rows(warehouse, "SELECT seen_from FROM ad_delivery_ledger WHERE seen_to = ?", at(25)) == [
        (at(24),)
    ]


def test_rows_by_the_day_need_the_accounts_time_zone(warehouse):
    with pytest.raises(ValueError, match=r"Slice\.timezone is needed"):
        put(warehouse, [ad(DAY)], seen=3, row=AdDelivery, timezone=None)


def test_the_day_the_clock_changes_is_one_day(warehouse):
    # 29 March 2026 in Berlin lasts from 28 March 23:00 to 29 March 22:00 UTC: 23 hours.
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)
    window = Window(start, start + timedelta(hours=23))
    piece = Slice("google_ads", "1", "ad_delivery", AdDelivery, window, BERLIN)
    reply = [to_batch(AdDelivery, [ad(date(2026, 3, 29))])]
    fetch = ok(0, stream="ad_delivery")
    fetch = type(fetch)("google_ads", "1", "ad_delivery", window, start, 1, "ok")
    written = warehouse.write(piece, reply, seen_at=window.end, vouched=window.end, fetch=fetch)
    assert written.newest == start


def big(impressions):
    return replace(delivery("a", 1, 0), impressions=impressions)


def test_a_value_that_does_not_fit_is_refused_whole(warehouse):
    put(warehouse, [big(-(2**63)), delivery("b", 1, 1)], seen=3)
    with pytest.raises(ReplyRefused, match="a value cannot be stored"):
        put(warehouse, [big(1), delivery("b", 1, 2)], seen=4)
    assert rows(warehouse, "SELECT impressions FROM delivery ORDER BY 1") == [(-(2**63),), (1,)]


def test_newest_ignores_hours_that_hold_only_zeros(warehouse):
    assert put(warehouse, [delivery("a", 1, 3), delivery("a", 2, 0)], seen=3).newest == at(1)
    assert put(warehouse, [delivery("a", 1, 0)], seen=4).newest is None


def test_a_fetch_of_another_slice_is_refused(warehouse):
    piece = Slice("google_ads", "2", "delivery", Delivery, Window(at(0), at(24)))
    with pytest.raises(ValueError, match="another slice"):
        warehouse.write(piece, [], seen_at=at(1), vouched=at(1), fetch=ok(1))


def test_arrivals_are_the_differences_in_the_order_they_came(warehouse):
    put(warehouse, [delivery("a", 1, 10, 1)], seen=2)
    put(warehouse, [delivery("a", 1, 10, 3)], seen=5)
    put(warehouse, [delivery("a", 1, 10, 4)], seen=9)
    found = warehouse.query(arrivals(Delivery, at(5), at(9))).to_pylist()
    assert [(r["hour"], r["impressions"], r["conversions"], r["seen_from"], r["seen_to"]) for r in found] == [
        (at(1), 0, 2, at(2), at(5))
    ]


def test_restatements_are_of_days_that_were_over(warehouse):
    # Without a stored account the days are UTC's: hour 1 is yesterday from hour 24 on.
    put(warehouse, [delivery("a", 1, 10, 1), delivery("b", 1, 10, 1)], seen=2)
    put(warehouse, [delivery("a", 1, 10, 2), delivery("b", 1, 10, 1)], seen=23)
    put(warehouse, [delivery("a", 1, 10, 2), delivery("b", 1, 10, 1)], seen=25)
    put(warehouse, [delivery("a", 1, 10, 6), delivery("b", 1, 10, 1)], seen=30)
    found = warehouse.query(restatements(Delivery, at(0))).to_pylist()
    assert [
        (r["campaign"], r["day"], r["seen_from"], r["seen_to"], r["conversions"], r["cost"]) for r in found
    ] == [("a", DAY, at(25), at(30), 4, 0)]
    assert warehouse.query(restatements(Delivery, at(30))).num_rows == 0
