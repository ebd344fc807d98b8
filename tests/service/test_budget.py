"""Operations: planned, enforced, and who goes without first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.contract import Window
from connectors.google_ads import GoogleAds
from service.budget import Budget, planned, spent
from service.line import Tier
from service.settings import Polling, Source, load
from warehouse.store import Fetch


def budget(allowed, used, plan=(500, 200, 100, 0), reserve=0.05):
    return Budget("example", 1, allowed, reserve, dict(zip(Tier, plan, strict=True)), dict(zip(Tier, used, strict=True)))  # fmt: skip


@pytest.mark.parametrize(
    ("used", "held"),
    [
        # 1,000 allowed, 950 for polling; today needs 500, slower streams 200, restatements 100.
        ((0, 0, 0, 0), []),
        ((0, 0, 150, 0), [Tier.BACKFILL]),  # 950 - 800 = 150 for a backfill, which counts as the past
        ((0, 0, 250, 0), [Tier.PAST, Tier.BACKFILL]),  # 950 - 700 = 250 for the past
        ((0, 450, 0, 0), [Tier.SLOWER]),  # 950 - 500 = 450 for all but today
        ((950, 0, 0, 0), list(Tier)),  # all spent
    ],
)
def test_lower_tiers_are_held_first(used, held):
    assert [tier for tier in Tier if budget(1000, used).refusal(tier, 1)] == held


def test_a_source_without_a_limit_holds_nobody():
    assert [budget(None, (10**6, 0, 0, 0)).refusal(tier, 1) for tier in Tier] == [""] * 4


def test_the_mend_says_what_would_fit():
    assert budget(1000, (0,) * 4).mend == ""
    assert budget(1000, (0,) * 4, plan=(1500, 100, 0, 0)).mend.startswith("Raise polling.every")
    assert budget(1000, (0,) * 4, plan=(500, 900, 0, 0)).mend.startswith("Poll fewer accounts")


def test_25_accounts_every_5_minutes_stay_inside_google_s_basic_access():
    streams = GoogleAds.streams()
    every = {stream.name: stream.every for stream in streams}
    source = Source("google_ads", GoogleAds, None, every)
    need = planned(source, 25)
    assert need[Tier.TODAY] >= 25 * 288  # today's delivery, each 5 minutes
    # What the connector says of its streams, and a look-back a day for each account.
    assert sum(need.values()) == pytest.approx(25 * (sum(s.operations_per_day for s in streams) + 1))
    whole = Budget("google_ads", 25, 15_000, Polling().reserve, need, dict.fromkeys(Tier, 0))
    assert whole.fits


def test_used_operations_come_from_the_journal_s_last_day(workspace, warehouse, clock):
    source = load(workspace.folder).sources["example"]
    now = clock()

    def fetch(stream, ago, operations, end=None):
        started = now - ago
        window = Window(started - timedelta(days=1), started if end is None else end)
        warehouse.record(Fetch("example", "a", stream, window, started, 1, "retry", operations=operations))

    fetch("delivery", timedelta(hours=25), 1000)
    fetch("delivery", timedelta(hours=23), 3)
    fetch("campaigns", timedelta(hours=1), 5)
    fetch("accounts", timedelta(hours=1), 7)
    fetch("delivery", timedelta(hours=2), 11, end=now - timedelta(hours=12))
    assert spent(warehouse, source, now) == {Tier.TODAY: 3, Tier.SLOWER: 12, Tier.PAST: 11, Tier.BACKFILL: 0}


def test_polling_stops_at_the_allowance_and_says_so(poller, platform, warehouse):
    platform.set(allowed=6)  # 5.7 for polling: the account list and the first four slices
    poller.run_once()
    held = {(m.account, m.stream): m for m in warehouse.watermarks() if m.outcome == "held"}
    assert held
    assert all(m.error == "Budget" and "operations" in m.cause for m in held.values())
    # Today's delivery came before anything else.
    assert ("a", "delivery") not in held
    assert ("b", "delivery") not in held
    assert warehouse.operations("example", since=poller.clock() - timedelta(days=1)) <= 5


def test_a_fetch_under_way_counts_before_the_journal_knows_it(poller, platform, workers, monkeypatch):
    """Two threads that ask at once would otherwise both take the last operation."""
    platform.set(allowed=6)
    fetch, seen = workers.fetch, []

    def watched(*asked):
        seen.append(poller.fetcher.budget("example", poller.clock()).used_total)
        return fetch(*asked)

    monkeypatch.setattr(workers, "fetch", watched)
    poller.run_once()
    assert seen
    assert min(seen) >= 2  # the account list, and the fetch itself; the journal knows one of them
    assert poller.fetcher.budget("example", poller.clock()).used_total <= 5
