"""The world is a pure function: any window, any order, any day, the same figures; and splits add up."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.world_kit import DAY, HOUR, NOW, SPLITS, accounts, by_cell, make, rows, totals

WORLD = make()
ACCOUNTS = accounts(WORLD)
account_at = st.sampled_from(ACCOUNTS)
hours_back = st.integers(1, 20 * 24)
seen = st.one_of(st.none(), st.integers(-60 * 24, 60 * 24 * 20).map(lambda m: NOW + timedelta(minutes=m)))
splits = st.fixed_dictionaries({name: st.booleans() for name in SPLITS})


@settings(max_examples=40, deadline=None)
@given(account_at, hours_back, st.lists(st.integers(1, 40), max_size=4), seen, splits)
def test_windows_may_be_cut_anywhere(account, back, cuts, as_of, by):
    edges = [NOW - back * HOUR]
    for cut in cuts:
        edges.append(edges[-1] + cut * HOUR + timedelta(minutes=7))
    edges.append(edges[-1] + 5 * HOUR)
    whole = WORLD.traffic(account.id, start=edges[0], end=edges[-1], as_of=as_of, **by)
    parts = [WORLD.traffic(account.id, start=a, end=b, as_of=as_of, **by) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(rows(whole), rows(*reversed(parts)))
    for family in ("click", "conversion"):
        whole = WORLD.conversions(account.id, start=edges[0], end=edges[-1], as_of=as_of, by=family)
        parts = [
            WORLD.conversions(account.id, start=a, end=b, as_of=as_of, by=family) for a, b in pairwise(edges)
        ]
        np.testing.assert_array_equal(rows(whole), rows(*parts))


@settings(max_examples=15, deadline=None)
@given(account_at, st.integers(1, 19 * 24), seen, splits)
def test_what_was_asked_before_does_not_matter(account, back, as_of, by):
    start, end = NOW - back * HOUR, NOW - (back - 6) * HOUR
    fresh = make()
    for ask in (WORLD, fresh):
        ask.traffic(account.id, start=NOW - 2 * DAY, end=NOW, as_of=NOW)
    np.testing.assert_array_equal(
        rows(WORLD.traffic(account.id, start=start, end=end, as_of=as_of, **by)),
        rows(fresh.traffic(account.id, start=start, end=end, as_of=as_of, **by)),
    )
    np.testing.assert_array_equal(
        rows(WORLD.conversions(account.id, start=start, end=end, as_of=as_of)),
        rows(fresh.conversions(account.id, start=start, end=end, as_of=as_of)),
    )


def test_the_day_on_which_the_sandbox_is_started_does_not_matter():
    later = make(now=NOW + 9 * DAY + 5 * HOUR)
    for account in ACCOUNTS:
        span = {"start": NOW - 12 * DAY, "end": NOW, "as_of": NOW}
        np.testing.assert_array_equal(
            rows(WORLD.traffic(account.id, **span)), rows(later.traffic(account.id, **span))
        )
        np.testing.assert_array_equal(
            rows(WORLD.conversions(account.id, **span)), rows(later.conversions(account.id, **span))
        )
        assert WORLD.budgets(account.id, at=NOW) == later.budgets(account.id, at=NOW)
        assert WORLD.campaigns(account.id, at=NOW) == later.campaigns(account.id, at=NOW)


def test_a_smaller_world_is_a_part_of_the_larger_one():
    small = make(accounts=2, campaigns=1)
    for account in accounts(small):
        campaign = small.campaigns(account.id, at=NOW)[0].id
        span = {"start": NOW - 5 * DAY, "end": NOW, "as_of": NOW, "by_ad": True}
        large = rows(WORLD.traffic(account.id, **span))
        np.testing.assert_array_equal(rows(small.traffic(account.id, **span)), large[large[:, 0] == campaign])


def test_another_seed_is_another_world():
    other = make(seed=8)
    first = [totals(WORLD.traffic(a.id, start=NOW - DAY, end=NOW, as_of=NOW)) for a in ACCOUNTS]
    second = [totals(other.traffic(a.id, start=NOW - DAY, end=NOW, as_of=NOW)) for a in accounts(other)]
    assert set(first).isdisjoint(second)


@settings(max_examples=30, deadline=None)
@given(account_at, hours_back, seen, splits)
def test_splits_add_up_exactly(account, back, as_of, by):
    start = NOW - back * HOUR
    span = {"start": start, "end": start + 30 * HOUR, "as_of": as_of}
    plain = by_cell(WORLD.traffic(account.id, **span), "campaign", "hour")
    split = WORLD.traffic(account.id, **span, **by)
    assert by_cell(split, "campaign", "hour") == plain
    assert (split.clicks <= split.impressions).all()
    assert (split.impressions > 0).all()


@settings(max_examples=30, deadline=None)
@given(
    account_at, st.integers(30, 400), st.lists(st.integers(0, 22 * 60), min_size=2, max_size=4).map(sorted)
)
def test_an_hour_only_grows_until_invalid_clicks_are_found(account, back, minutes):
    start = (NOW - back * HOUR).replace(minute=0)
    views = [
        by_cell(
            WORLD.traffic(
                account.id, start=start, end=start + 2 * HOUR, as_of=start + timedelta(minutes=m), by_ad=True, by_device=True, by_network=True
            ),
            "campaign", "ad", "hour", "device", "network",
        )
        for m in minutes
    ]  # fmt: skip
    for earlier, later in pairwise(views):
        for key, cell in earlier.items():
            assert all(a <= b for a, b in zip(cell, later[key], strict=True))


def test_an_hour_fills_with_the_source_lag():
    account = ACCOUNTS[0].id
    hour = datetime(2026, 11, 20, 14, tzinfo=UTC)

    def seen_at(minute):
        as_of = hour + timedelta(minutes=minute)
        return totals(WORLD.traffic(account, start=hour, end=hour + HOUR, as_of=as_of))

    assert seen_at(20) == (0, 0, 0)
    half, whole = seen_at(50), seen_at(80)
    assert half[0] == pytest.approx(whole[0] / 2, rel=0.05)
    assert seen_at(80) == seen_at(23 * 60)


@pytest.mark.parametrize("platform", ["google_ads", "meta"])
def test_invalid_clicks_leave_google_a_day_later_and_never_meta(platform):
    start = datetime(2026, 11, 16, 6, tzinfo=UTC)

    def seen_after(hours):
        span = {"start": start, "end": start + 12 * HOUR, "as_of": start + hours * HOUR}
        return np.sum([totals(WORLD.traffic(a.id, **span)) for a in accounts(WORLD, platform)], axis=0)

    early, between, settled = seen_after(14), seen_after(36), seen_after(49)
    if platform == "meta":
        assert early.tolist() == between.tolist() == settled.tolist()
    else:
        assert early[1] > between[1] > settled[1] > 0.97 * early[1]
        assert early[2] > settled[2]
        # Each invalid click takes its own impression with it.
        assert early[0] - settled[0] == early[1] - settled[1]


def test_everything_settles():
    end = NOW - 10 * DAY
    for account in ACCOUNTS:
        span = {"start": end - 3 * DAY, "end": end}
        far = NOW + 400 * DAY
        for ask in (WORLD.traffic, WORLD.conversions):
            np.testing.assert_array_equal(
                rows(ask(account.id, **span, as_of=far)), rows(ask(account.id, **span, as_of=None))
            )


def test_history_begins_at_the_local_midnight_of_its_first_day():
    world = make(days=10)
    for account in ACCOUNTS:
        traffic = world.traffic(account.id, start=NOW - 30 * DAY, end=NOW, as_of=NOW)
        first = datetime.fromtimestamp(int(traffic.hour.min()) * 3600, UTC).astimezone(account.timezone)
        assert first.date() == (NOW - 10 * DAY).astimezone(account.timezone).date()
        assert first.hour == 0
        found = world.conversions(account.id, start=NOW - 30 * DAY, end=NOW, as_of=NOW, by="conversion")
        assert found.click_hour.min() >= traffic.hour.min()


@pytest.mark.parametrize(
    ("position", "day", "hours"),
    [
        (0, date(2026, 10, 25), 25),  # Europe/Berlin goes back
        (0, date(2026, 3, 29), 23),
        (1, date(2026, 11, 1), 25),  # America/New_York goes back
        (1, date(2026, 3, 8), 23),
        (4, date(2026, 10, 25), 24),  # Asia/Tokyo never does
        (5, date(2026, 11, 1), 24),  # Asia/Kolkata neither, and its hours begin at half past by UTC
    ],
)
def test_local_days_have_their_hours(position, day, hours):
    world = make(days=300)
    account = ACCOUNTS[position]
    start = datetime.combine(day, datetime.min.time(), account.timezone)
    end = datetime.combine(day + DAY, datetime.min.time(), account.timezone)
    traffic = world.traffic(account.id, start=start.astimezone(UTC), end=end.astimezone(UTC), as_of=None)
    found = sorted(set(traffic.hour.tolist()))
    assert len(found) == hours
    local = [datetime.fromtimestamp(h * 3600, UTC).astimezone(account.timezone) for h in found]
    assert {moment.date() for moment in local} == {day}
    assert len({moment.hour for moment in local}) == min(hours, 24)


def test_the_manager_graph_reaches_one_account_twice():
    google = WORLD.advertisers("google_ads", at=NOW)
    root, retail = (a for a in google if a.manager)
    assert (root.parents, retail.parents) == ((), (root.id,))
    clients = [a for a in google if not a.manager]
    assert [a.parents for a in clients] == [(root.id,), (root.id, retail.id), (retail.id,)]
    assert WORLD.campaigns(root.id, at=NOW) == []
    assert totals(WORLD.traffic(root.id, start=NOW - DAY, end=NOW, as_of=None)) == (0, 0, 0)
    with pytest.raises(KeyError):
        WORLD.campaigns(1, at=NOW)


def test_ids_are_unique_over_everything():
    world = make(accounts=9, campaigns=20)
    found = [a.id for p in ("google_ads", "meta") for a in world.advertisers(p, at=NOW)]
    for account in accounts(world):
        for entities in (world.campaigns, world.ad_groups, world.ads, world.budgets):
            found += [e.id for e in entities(account.id, at=NOW)]
        found += [a.creative for a in world.ads(account.id, at=NOW)]
        found += [a.id for a in world.conversion_actions(account.id)]
        found += [e.id for e in world.experiments(account.id, at=NOW)]
    assert len(found) == len(set(found))
    assert max(found) < 2**63
