"""Budgets, pauses and flights: what was changed, what it cost, and that the two agree."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from sandbox.world_timeline import flight
from tests.sandbox.world_kit import DAY, HOUR, NOW, accounts, by_cell, make

WORLD = make(days=200)
ACCOUNTS = accounts(WORLD)
MICROSECOND = timedelta(microseconds=1)
ids = {"ids": lambda a: f"{a.platform}-{a.currency}"}


def local_midnight(account, day):
    return datetime.combine(day, datetime.min.time(), account.timezone).astimezone(UTC)


def purses(account):
    """{budget ids: campaign ids}: what is spent together; an ad set's budgets belong to its campaign."""
    own = {}
    for group in WORLD.ad_groups(account.id, at=NOW):
        if group.budget:
            own.setdefault(group.campaign, []).append(group.budget)
    found = {}
    for campaign in WORLD.campaigns(account.id, at=NOW):
        key = (campaign.budget,) if campaign.budget else tuple(own[campaign.id])
        found.setdefault(key, set()).add(campaign.id)
    return found


def amounts(account, at):
    return {b.id: b.amount_micros for b in WORLD.budgets(account.id, at=at)}


def day_spend(account, first, days):
    """{(campaign, days since `first`): cost} over local days, the highest that any poll ever saw."""
    out = {}
    for n in range(days):
        start, end = local_midnight(account, first + n * DAY), local_midnight(account, first + (n + 1) * DAY)
        seen = WORLD.traffic(account.id, start=start, end=end, as_of=end + 30 * timedelta(minutes=1))
        for (campaign,), (_, _, cost) in by_cell(seen, "campaign").items():
            out[campaign, n] = cost
    return out


@pytest.mark.parametrize("account", ACCOUNTS, **ids)
def test_no_day_spends_past_its_limit(account):
    first, days = date(2026, 10, 1), 50
    spend = day_spend(account, first, days)
    times = 2.0 if account.platform == "google_ads" else 1.75
    kinds = {b.id: b.period for b in WORLD.budgets(account.id, at=NOW)}
    near = []
    for budgets, campaigns in purses(account).items():
        if kinds[budgets[0]] == "TOTAL":
            continue
        for n in range(days):
            day = first + n * DAY
            start, end = local_midnight(account, day), local_midnight(account, day + DAY)
            moments = [start, *(c.at for c in WORLD.changes(account.id, start=start, end=end))]
            highest = max(sum(amounts(account, at)[b] for b in budgets) for at in moments)
            spent = sum(spend.get((c, n), 0) for c in campaigns)
            assert spent <= times * highest
            near.append(spent / highest)
    # Budgets matter: a usual day spends most of its budget, and some spend more.
    assert 0.6 < np.median(near) < 1.0
    assert max(near) > 1.05


@pytest.mark.parametrize("account", ACCOUNTS, **ids)
def test_a_flight_never_spends_more_than_its_whole(account):
    totals = [b for b in WORLD.budgets(account.id, at=NOW) if b.period == "TOTAL"]
    assert totals
    for budget in totals:
        campaign = next(c for c in WORLD.campaigns(account.id, at=NOW) if c.budget == budget.id)
        assert (budget.starts, budget.ends) == (campaign.starts, campaign.ends)
        # All of the quarter as it will have been at its end, the future included.
        start, end = local_midnight(account, budget.starts), local_midnight(account, budget.ends + DAY)
        cells = by_cell(WORLD.traffic(account.id, start=start, end=end, as_of=None), "campaign")
        assert 0.3 * budget.amount_micros < cells[campaign.id,][2] <= budget.amount_micros


def test_a_flight_is_a_calendar_quarter():
    assert flight(date(2026, 11, 24)) == (date(2026, 10, 1), date(2026, 12, 31))
    assert flight(date(2024, 1, 1)) == (date(2024, 1, 1), date(2024, 3, 31))


@pytest.mark.parametrize("account", ACCOUNTS, **ids)
def test_changes_tell_what_budgets_and_campaigns_show(account):
    changes = WORLD.changes(account.id, start=NOW - 180 * DAY, end=NOW)
    assert [c.at for c in changes] == sorted(c.at for c in changes)
    assert len({c.id for c in changes}) == len(changes)
    kinds = set()
    for change in changes:
        before, after = change.at - MICROSECOND, change.at
        if change.entity_type == "CAMPAIGN_BUDGET":
            assert amounts(account, before)[change.entity] == change.before["amount_micros"]
            assert amounts(account, after)[change.entity] == change.after["amount_micros"]
            budget = next(b for b in WORLD.budgets(account.id, at=after) if b.id == change.entity)
            assert budget.updated == change.at
            assert (change.campaign == 0) == budget.shared
            kinds.add("budget")
        else:
            was, now = (
                next(c for c in WORLD.campaigns(account.id, at=at) if c.id == change.entity)
                for at in (before, after)
            )
            assert now.updated == change.at
            (name,) = change.after
            told = {"status": str, "ends": date.isoformat}[name]
            assert told(getattr(was, name)) == change.before[name]
            assert told(getattr(now, name)) == change.after[name]
            kinds.add(name)
    assert kinds == {"budget", "status", "ends"}


@pytest.mark.parametrize("account", ACCOUNTS, **ids)
def test_nothing_changes_without_a_change(account):
    first = NOW - 60 * DAY
    changed = {
        c.entity: c.at
        for c in WORLD.changes(account.id, start=first, end=NOW)
        if c.entity_type == "CAMPAIGN_BUDGET"
    }
    for budget, amount in amounts(account, first).items():
        if budget not in changed:
            assert amounts(account, NOW)[budget] == amount
    assert changed
    halves = [
        *WORLD.changes(account.id, start=first, end=NOW - 30 * DAY),
        *WORLD.changes(account.id, start=NOW - 30 * DAY, end=NOW),
    ]
    assert halves == WORLD.changes(account.id, start=first, end=NOW)


def test_a_paused_campaign_shows_nothing():
    pauses = 0
    for account in ACCOUNTS:
        cells = by_cell(
            WORLD.traffic(account.id, start=NOW - 180 * DAY, end=NOW, as_of=None), "campaign", "hour"
        )
        for change in WORLD.changes(account.id, start=NOW - 180 * DAY, end=NOW - 5 * DAY):
            if change.after.get("status") != "PAUSED":
                continue
            pauses += 1
            hour = int(change.at.timestamp() // 3600)
            inside = [cells.get((change.campaign, hour + n)) for n in range(2, 24)]
            assert inside == [None] * 22
            assert any((change.campaign, hour - n) in cells for n in range(1, 5))
            campaign = next(
                c for c in WORLD.campaigns(account.id, at=change.at + HOUR) if c.id == change.campaign
            )
            assert campaign.status == "PAUSED"
    assert pauses > 3


def test_budgets_come_in_every_form():
    google, meta = ACCOUNTS[0], ACCOUNTS[1]
    budgets = WORLD.budgets(google.id, at=NOW)
    shared = next(b for b in budgets if b.shared)
    users = [c for c in WORLD.campaigns(google.id, at=NOW) if c.budget == shared.id]
    assert shared.reference_count == len(users) == 3
    assert {b.period for b in budgets} == {"DAILY", "TOTAL"}
    campaigns = WORLD.campaigns(meta.id, at=NOW)
    abo = {c.id for c in campaigns if c.budget == 0}
    assert {g.campaign for g in WORLD.ad_groups(meta.id, at=NOW) if g.budget} == abo
    assert len(abo) == 2


def test_an_ad_set_spends_in_proportion_to_its_own_budget():
    meta = ACCOUNTS[1]
    day = date(2026, 11, 12)
    start = local_midnight(meta, day)
    budgets = amounts(meta, start)
    spend = by_cell(
        WORLD.traffic(meta.id, start=start, end=start + DAY, as_of=None, by_ad=True), "campaign", "ad_group"
    )
    for campaign in (c for c in WORLD.campaigns(meta.id, at=start) if c.budget == 0):
        groups = [g for g in WORLD.ad_groups(meta.id, at=start) if g.campaign == campaign.id]
        whole = sum(budgets[g.budget] for g in groups)
        cost = sum(spend.get((campaign.id, g.id), (0, 0, 0))[2] for g in groups)
        for group in groups:
            share = spend[campaign.id, group.id][2] / cost
            assert share == pytest.approx(budgets[group.budget] / whole, abs=0.02)
