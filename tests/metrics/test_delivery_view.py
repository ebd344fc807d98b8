"""Where a day's conversions stand in its hours, when the source gives them by the day only."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.contract import Window
from metrics.compute import evaluate, series
from tests.metrics.conftest import hour, midnight, total

DAY = date(2026, 11, 2)
WHOLE = Window(midnight(DAY), midnight(DAY + timedelta(days=1)))
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-02T{text}+01:00").astimezone(UTC)


def by_hour(store, pick, name: str, **kept) -> dict[int, float]:
    """The metric by hour of the day in Berlin, without the silent hours."""
    found = series(store.warehouse, pick(name), WHOLE, **kept)
    return {n: v for n, v in enumerate(found[name].to_pylist()) if v}


@pytest.fixture
def meta(store):
    """A campaign that had 30 clicks at nine and 10 at ten, on an account whose conversions come by the day."""
    store.account("meta_ads", "m1")
    store.reply(
        "meta_ads",
        "m1",
        [
            hour("7", "2026-11-02T09:00", impressions=900, clicks=30, cost=6, conversions=None),
            hour("7", "2026-11-02T10:00", impressions=100, clicks=10, cost=2, conversions=None),
        ],
    )
    return store


def poll(store, at: str, *rows) -> None:
    """A poll of the day so far, asked for at a moment of the day in Berlin."""
    store.reply("meta_ads", "m1", list(rows), seen_at=utc(at), window=WHOLE)


def test_what_nobody_saw_arrive_follows_the_clicks(meta, pick):
    meta.reply("meta_ads", "m1", [total("7", "2026-11-02", 8, 100)])

    assert by_hour(meta, pick, "conversions") == {9: 8 * 30 / 40, 10: 8 * 10 / 40}
    assert by_hour(meta, pick, "revenue") == {9: 75, 10: 25}


def test_what_a_poll_saw_arrive_stands_in_the_hour_between_the_polls(meta, pick):
    poll(meta, "09:00", total("7", "2026-11-02", 0))
    poll(meta, "09:20", total("7", "2026-11-02", 1, 10))
    poll(meta, "10:10", total("7", "2026-11-02", 4, 40))  # between 09:20 and 10:10: the middle is in nine
    poll(meta, "10:40", total("7", "2026-11-02", 5, 50))

    assert by_hour(meta, pick, "conversions") == {9: 4, 10: 1}
    assert by_hour(meta, pick, "revenue") == {9: 40, 10: 10}


def test_a_gap_of_more_than_an_hour_says_nothing_about_the_hour(meta, pick):
    poll(meta, "09:00", total("7", "2026-11-02", 0))
    poll(meta, "09:30", total("7", "2026-11-02", 2))  # two at nine
    poll(meta, "10:40", total("7", "2026-11-02", 6))  # four after 70 minutes: by clicks, three at nine

    assert by_hour(meta, pick, "conversions") == {9: 2 + 3, 10: 1}


def test_what_arrives_later_follows_the_clicks(meta, pick):
    poll(meta, "10:05", total("7", "2026-11-02", 0))
    poll(meta, "10:10", total("7", "2026-11-02", 2))
    meta.reply(
        "meta_ads",
        "m1",
        [total("7", "2026-11-02", 6)],
        seen_at=utc("10:10") + timedelta(days=3),
        window=WHOLE,
    )

    assert by_hour(meta, pick, "conversions") == {9: 3, 10: 2 + 1}


def test_a_retraction_first_takes_from_what_follows_the_clicks(meta, pick):
    poll(meta, "08:00", total("7", "2026-11-02", 4))  # the first look: how they came is not known
    poll(meta, "09:05", total("7", "2026-11-02", 4))
    poll(meta, "09:15", total("7", "2026-11-02", 6))  # two seen at nine
    poll(meta, "10:15", total("7", "2026-11-02", 3))  # three taken back: one is left to follow the clicks

    assert by_hour(meta, pick, "conversions") == {9: 2 + 0.75, 10: 0.25}


def test_a_retraction_of_more_than_that_takes_from_all_that_was_seen(meta, pick):
    poll(meta, "09:00", total("7", "2026-11-02", 0))
    poll(meta, "09:30", total("7", "2026-11-02", 6))
    poll(meta, "10:10", total("7", "2026-11-02", 6))
    poll(meta, "10:40", total("7", "2026-11-02", 8))  # six at nine, two at ten
    poll(meta, "10:50", total("7", "2026-11-02", 4))  # half of them taken back

    assert by_hour(meta, pick, "conversions") == {9: 3, 10: 1}


def test_a_day_without_clicks_is_spread_evenly(store, pick):
    store.account("meta_ads", "m1")
    store.reply(
        "meta_ads",
        "m1",
        [hour("7", f"2026-11-02T{h}:00", impressions=1, conversions=None) for h in ("09", "10", "11", "12")],
    )
    store.reply("meta_ads", "m1", [total("7", "2026-11-02", 2)])

    assert by_hour(store, pick, "conversions") == {9: 0.5, 10: 0.5, 11: 0.5, 12: 0.5}


def test_a_campaign_that_did_not_deliver_keeps_its_conversions(meta, pick):
    meta.reply("meta_ads", "m1", [total("7", "2026-11-02", 4), total("8", "2026-11-02", 3)])

    found = evaluate(meta.warehouse, pick("conversions", "spend"), WHOLE, ("campaign",))

    assert found.select(["campaign", "conversions", "spend"]).to_pylist() == [
        {"campaign": "7", "conversions": 4, "spend": 8},
        {"campaign": "8", "conversions": 3, "spend": 0},
    ]


def test_only_primary_conversions_count_and_categories_are_told_apart(meta, pick):
    meta.reply(
        "meta_ads",
        "m1",
        [
            total("7", "2026-11-02", 8, 400),
            total("7", "2026-11-02", 4, category="lead"),
            total("7", "2026-11-02", 50, category="cart", primary=False),
            total("7", "2026-11-02", 2, category="lead", action="other lead"),
        ],
    )

    (row,) = evaluate(
        meta.warehouse, pick("conversions", "cpl", "average_order_value", "cpa", "roas"), WHOLE
    ).to_pylist()

    assert row["conversions"] == 14
    assert row["cpl"] == pytest.approx(8 / 6)
    assert row["average_order_value"] == 400 / 8
    assert row["cpa"] == pytest.approx(8 / 14)
    assert row["roas"] == 400 / 8


def test_a_source_with_hourly_conversions_keeps_them_and_lends_them_to_its_leads(store, pick):
    store.account("google_ads", "g1")
    store.reply(
        "google_ads",
        "g1",
        [
            hour("1", "2026-11-02T09:00", clicks=10, cost=30, conversions=3, value=90),
            hour("1", "2026-11-02T10:00", clicks=90, cost=10, conversions=1, value=10),
        ],
    )
    store.reply(
        "google_ads", "g1", [total("1", "2026-11-02", 2, category="lead"), total("1", "2026-11-02", 2, 100)]
    )

    assert by_hour(store, pick, "conversions") == {9: 3, 10: 1}
    assert by_hour(store, pick, "revenue") == {9: 90, 10: 10}
    # Two leads on the day: three quarters of the conversions were at nine.
    assert by_hour(store, pick, "cpl") == {9: 30 / 1.5, 10: 10 / 0.5}
    assert by_hour(store, pick, "average_order_value") == {9: 50, 10: 50}


def test_the_past_is_placed_as_it_was_known(store, pick):
    store.account("meta_ads", "m1")
    for at, clicks in (("09:00", 1), ("10:05", 30)):
        row = hour("7", "2026-11-02T09:00", clicks=clicks, cost=clicks, conversions=None)
        store.reply("meta_ads", "m1", [row], seen_at=utc(at), window=WHOLE)
    for at, seen in (("09:00", 0), ("09:30", 2), ("10:10", 7)):
        poll(store, at, total("7", "2026-11-02", seen))

    assert by_hour(store, pick, "conversions", as_of=utc("08:59")) == {}
    assert by_hour(store, pick, "conversions", as_of=utc("09:40")) == {9: 2}
    assert by_hour(store, pick, "cpa", as_of=utc("09:40")) == {9: 1 / 2}
    assert by_hour(store, pick, "cpa") == {9: 30 / 7}


@st.composite
def histories(draw) -> list[tuple[int, float]]:
    """Polls of a day: minutes after midnight in rising order, and the day's total as each saw it."""
    minutes = sorted(draw(st.sets(st.integers(30, 1439), min_size=1, max_size=5)))
    return [(m, float(draw(st.integers(0, 12)))) for m in minutes]


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    polls=histories(),
    clicks=st.lists(st.integers(0, 5), min_size=1, max_size=24),
    late=st.integers(0, 20),
    number=st.integers(0, 10**9),
)
def test_a_day_adds_up_to_its_total_whatever_was_seen_of_it(store, pick, polls, clicks, late, number):
    account = f"m{number}-{len(store.zones)}"
    store.account("meta_ads", account)
    store.reply(
        "meta_ads",
        account,
        [hour("7", f"2026-11-02T{h:02}:00", clicks=n, conversions=None) for h, n in enumerate(clicks)],
    )
    for minute, seen in polls:
        store.reply(
            "meta_ads",
            account,
            [total("7", "2026-11-02", seen, seen * 3)],
            seen_at=WHOLE.start + timedelta(minutes=minute),
            window=WHOLE,
        )
    store.reply(
        "meta_ads", account, [total("7", "2026-11-02", late, late * 5)], seen_at=WHOLE.end, window=WHOLE
    )

    hours = series(store.warehouse, pick("conversions", "revenue"), WHOLE, where={"account": account})

    assert sum(hours["conversions"].to_pylist()) == pytest.approx(late)
    assert sum(hours["revenue"].to_pylist()) == pytest.approx(late * 5)
    assert all(value >= 0 for value in hours["conversions"].to_pylist())
