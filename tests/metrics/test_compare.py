"""Figures beside the same hours before them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.contract import Window
from connectors.rows import Auction
from metrics import windows
from metrics.compare import Comparison, compare, prior, with_targets
from metrics.compute import evaluate
from tests.metrics.conftest import BERLIN, hour, midnight

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def weeks(store):
    """Two weeks of a Berlin account: on day n, cost n an hour until noon, a click an hour, a conversion at nine."""
    store.account("google_ads", "g1")
    days = [date(2026, 10, 20) + timedelta(days=n) for n in range(14)]
    store.reply(
        "google_ads",
        "g1",
        [
            hour("1", f"{day}T{h:02}:00", clicks=1, cost=n, conversions=h == 9, value=(h == 9) * 100)
            for n, day in enumerate(days)
            for h in range(12)
        ],
    )
    return store


def today(until: str, known) -> dict:
    end = datetime.fromisoformat(until).replace(tzinfo=BERLIN).astimezone(UTC)
    return windows.today(known, dict.fromkeys(known, end))


def test_each_comparison_is_of_the_same_hours_and_says_so(weeks, pick):
    known = windows.accounts(weeks.warehouse)
    until_ten = today("2026-11-02T10:00", known)  # day 13
    metrics = pick("spend", "conversions", "cpa")

    def before(against: Comparison) -> tuple:
        found = compare(weeks.warehouse, metrics, until_ten, against)
        (row,) = found.table.to_pylist()
        assert (row["spend"], row["conversions"], row["cpa"]) == (130, 1, 130)
        return found.label, [row[f"{m.name}__before"] for m in metrics]

    assert before(Comparison.YESTERDAY) == ("vs same hours yesterday", [120, 1, 120])
    assert before(Comparison.LAST_WEEK) == ("vs same hours, same weekday last week", [60, 1, 60])
    # Days 6 to 12: 10 hours at 6 to 12, 63 an hour in all; a ratio is the ratio of the sums.
    assert before(Comparison.WEEK_AVERAGE) == ("vs same hours, 7-day average", [90, 1, 630 / 7])
    # The ten hours before midnight, when nothing was on: there is nothing to compare with.
    assert before(Comparison.PRIOR) == ("vs the period before", [None, None, None])


def test_a_whole_week_is_held_against_the_week_before(weeks, pick):
    known = windows.accounts(weeks.warehouse)
    week = windows.days(known, date(2026, 10, 27), date(2026, 11, 2))

    found = compare(weeks.warehouse, pick("spend"), week, Comparison.PRIOR)

    # Days 0 to 6 with the night on which the clock went back, beside days 7 to 13.
    assert found.table.to_pylist() == [
        {"spend": 12 * sum(range(7, 14)), "spend__before": 12 * sum(range(7)), "currency": "EUR"}
    ]


def test_the_hour_before_is_prior_to_the_last(weeks, pick):
    known = windows.accounts(weeks.warehouse)
    until = dict.fromkeys(known, datetime(2026, 11, 2, 10, tzinfo=UTC))  # eleven in Berlin

    found = compare(
        weeks.warehouse, pick("conversions", "clicks"), windows.latest(1, until), Comparison.PRIOR
    )

    assert found.table.to_pylist() == [
        {"conversions": 0, "clicks": 1, "conversions__before": 1, "clicks__before": 1}
    ]


def test_a_young_account_is_averaged_over_the_days_it_has(weeks, pick):
    known = windows.accounts(weeks.warehouse)

    found = compare(weeks.warehouse, pick("spend"), today("2026-10-23T10:00", known), Comparison.WEEK_AVERAGE)

    assert (found.label, found.periods) == ("vs same hours, 3-day average", 3)
    assert found.table["spend__before"].to_pylist() == [10 * (0 + 1 + 2) / 3]


def test_what_has_no_past_has_no_comparison(weeks, pick):
    known = windows.accounts(weeks.warehouse)

    found = compare(
        weeks.warehouse, pick("spend", "cpa"), today("2026-10-20T10:00", known), Comparison.YESTERDAY
    )

    assert found.periods == 0
    assert found.table.select(["spend__before", "cpa__before"]).to_pylist() == [
        {"spend__before": None, "cpa__before": None}
    ]


def test_groups_of_either_side_are_there(weeks, pick):
    for day, usual, campaign, cost in ((1, 12, "2", 5), (2, 13, "3", 7)):
        rows = [
            hour("1", f"2026-11-0{day}T09:00", cost=usual),
            hour(campaign, f"2026-11-0{day}T09:00", cost=cost),
        ]
        weeks.reply("google_ads", "g1", rows)
    known = windows.accounts(weeks.warehouse)

    found = compare(
        weeks.warehouse, pick("spend"), today("2026-11-02T10:00", known), Comparison.YESTERDAY, ("campaign",)
    )

    rows = {r["campaign"]: (r["spend"], r["spend__before"]) for r in found.table.to_pylist()}
    assert rows == {"1": (130, 120), "2": (0, 5), "3": (7, 0)}


def test_the_night_of_the_clock_is_compared_by_the_clock(weeks, pick):
    # On 26 October until three: three hours of day 6, beside midnight to three of the 25-hour day 5.
    known = windows.accounts(weeks.warehouse)

    found = compare(weeks.warehouse, pick("spend"), today("2026-10-26T03:00", known), Comparison.YESTERDAY)

    assert found.table.to_pylist() == [{"spend": 18, "spend__before": 15, "currency": "EUR"}]


def test_accounts_are_each_cut_at_their_own_watermark(store, pick):
    store.account("google_ads", "b")
    store.account("google_ads", "n", zone="America/New_York")
    for account, zone in (("b", BERLIN), ("n", NEW_YORK)):
        rows = [hour("1", f"2026-11-0{d}T{h:02}:00", clicks=d, zone=zone) for d in (2, 3) for h in range(24)]
        store.reply("google_ads", account, rows)
    known = windows.accounts(store.warehouse)
    until = {
        ("google_ads", "b"): datetime(2026, 11, 3, 9, tzinfo=UTC),  # ten in Berlin
        ("google_ads", "n"): datetime(2026, 11, 3, 9, tzinfo=UTC),  # four in New York
    }

    found = compare(
        store.warehouse, pick("clicks"), windows.today(known, until), Comparison.YESTERDAY, ("account",)
    )

    assert [(r["clicks"], r["clicks__before"]) for r in found.table.to_pylist()] == [(30, 20), (12, 8)]


def test_views_by_the_day_compare_by_the_day(weeks, pick):
    weeks.reply(
        "google_ads",
        "g1",
        [
            Auction("1", date(2026, 10, 30) + timedelta(days=n), 100, share)
            for n, share in enumerate((0.5, 0.4, 0.25, 0.2))
        ],
    )
    known = windows.accounts(weeks.warehouse)

    found = compare(
        weeks.warehouse,
        pick("impression_share", "spend"),
        today("2026-11-02T10:00", known),
        Comparison.WEEK_AVERAGE,
    )

    (row,) = found.table.to_pylist()
    assert (row["impression_share"], row["spend"]) == (pytest.approx(0.2), 130)
    # 300 impressions of 200 + 250 + 400 that were possible; spend has seven days behind it all the same.
    assert (row["impression_share__before"], row["spend__before"]) == (pytest.approx(300 / 850), 90)


def test_a_long_window_has_no_average_of_days(weeks, pick):
    window = Window(midnight(date(2026, 10, 27)), midnight(date(2026, 11, 3)))

    with pytest.raises(ValueError, match="compare with the period before"):
        compare(weeks.warehouse, pick("spend"), window, Comparison.WEEK_AVERAGE)


def test_a_target_stands_beside_its_metric(weeks, pick):
    known = windows.accounts(weeks.warehouse)
    metrics = pick("cpa", "spend")
    table = evaluate(weeks.warehouse, metrics, today("2026-11-02T10:00", known), ("campaign",))

    found = with_targets(table, {"cpa": 40})

    assert found.label == "vs target"
    (row,) = found.table.to_pylist()
    assert (row["cpa"], row["cpa__before"], row["spend__before"]) == (130, 40, None)
    with pytest.raises(ValueError, match="use with_targets"):
        compare(weeks.warehouse, metrics, {}, Comparison.TARGET)


def test_days_with_a_part_of_the_last_are_held_against_the_same_hours(weeks, pick):
    known = windows.accounts(weeks.warehouse)
    so_far = {
        key: Window(w.start, w.end + timedelta(hours=9))
        for key, w in windows.days(known, date(2026, 10, 28), date(2026, 10, 29)).items()
    }

    found = compare(weeks.warehouse, pick("spend"), so_far, Comparison.PRIOR)

    # Days 8 and 9, and day 10 until nine, beside days 5 and 6, and day 7 until nine.
    assert found.table.select(["spend", "spend__before"]).to_pylist() == [
        {"spend": 12 * (8 + 9) + 9 * 10, "spend__before": 12 * (5 + 6) + 9 * 7}
    ]
    # The clock went back in between: two spans of one length on the clock are not of one length.
    (window,) = so_far.values()
    before = prior(window, BERLIN)
    assert (window.start - before.start, window.end - before.end) == (
        timedelta(days=3, hours=1),
        timedelta(days=3),
    )
