"""One cycle after the other, with real workers and the real warehouse."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from connectors.contract import Window
from service.fetching import Result
from service.jobs import Poller
from service.line import Task, Tier
from service.settings import load
from tests.service.conftest import SECRET
from warehouse.store import Fetch


def totals(warehouse):
    sql = (
        "SELECT account, count(*) AS hours, sum(cost)::BIGINT AS cost FROM delivery GROUP BY ALL ORDER BY ALL"
    )
    return [tuple(row.values()) for row in warehouse.query(sql).to_pylist()]


def outcomes(results, account):
    return {(r.fetch.stream, r.fetch.outcome) for r in results if r.fetch.account == account}


def test_first_cycle_brings_today_and_the_past_that_may_still_change(poller, platform, warehouse):
    results = poller.run_once()

    assert {r.fetch.outcome for r in results} == {"ok"}
    # 12:00 UTC on 24 Nov; ten days back. Berlin (UTC+1): 14 Nov 00:00 local to 13:00 local of the 24th;
    # New York (UTC-5): 14 Nov 00:00 local to 07:00 local of the 24th.
    assert totals(warehouse) == [("a", 10 * 24 + 13, 253_000_000), ("b", 10 * 24 + 7, 247_000_000)]
    names = warehouse.query("SELECT account, name, timezone FROM account ORDER BY 1").to_pylist()
    assert names == [
        {"account": "a", "name": "Account a", "timezone": "Europe/Berlin"},
        {"account": "b", "name": "Account b", "timezone": "America/New_York"},
    ]
    assert len(platform.asked("look_back", "a")) == 1


def test_next_cycle_asks_for_the_newest_window_alone(poller, platform, clock):
    poller.run_once()
    before = len(platform.asked("delivery", "a"))
    clock.advance(minutes=5)

    poller.poll_now()
    assert poller.line.idle(60)

    asked = platform.asked("delivery", "a")[before:]
    assert [(line["start"], line["end"]) for line in asked] == [
        ("2026-11-23T23:00:00+00:00", "2026-11-24T12:05:00+00:00")
    ]


def test_an_hour_later_the_recent_days_are_restated_and_after_a_day_all(poller, platform, clock, warehouse):
    poller.run_once()
    before = len(platform.asked("delivery", "a"))
    clock.advance(minutes=61)
    platform.set(cost=2_000_000)
    poller.poll_now()
    assert poller.line.idle(60)

    recent = platform.asked("delivery", "a")[before:]
    assert [line["start"] for line in recent] == ["2026-11-23T23:00:00+00:00", "2026-11-20T23:00:00+00:00"]
    # 14:01 in Berlin: 15 hours of today and three days at the new price, seven days at the old one.
    assert totals(warehouse)[0] == ("a", 255, (15 + 72) * 2_000_000 + 7 * 24 * 1_000_000)

    clock.advance(days=1)
    poller.poll_now()
    assert poller.line.idle(60)
    # A day later ten days are at the new price; the eleventh may not change any more.
    assert totals(warehouse)[0] == ("a", 279, (15 + 24 * 10) * 2_000_000 + 24 * 1_000_000)


def test_days_switched_off_are_made_up_for(poller, platform, clock, warehouse):
    poller.run_once()
    clock.advance(days=20)
    poller.poll_now()
    assert poller.line.idle(60)
    # From 14 Nov to 14 Dec 13:00 local: 30 days and 13 hours, though only ten days are restated.
    assert totals(warehouse)[0][:2] == ("a", 30 * 24 + 13)


def test_an_account_that_does_not_tell_its_look_back_is_restated_30_days_and_asked_again(
    poller, platform, clock, warehouse
):
    platform.behave(a__look_back="odd")
    poller.run_once()
    # From 25 October to 24 November 13:00 local; the repeated hour of 25 October counts once.
    assert totals(warehouse)[0][:2] == ("a", 30 * 24 + 13)

    platform.behave()
    clock.advance(minutes=1)
    poller.poll_now()
    assert poller.line.idle(60)
    assert len(platform.asked("look_back", "a")) == 2
    [account, _] = poller.accounts.known()
    delivery = poller.setup.sources["example"].connector.streams()[0]
    assert poller.accounts.restate(account, delivery) == timedelta(days=10)


def test_an_empty_list_of_accounts_ends_nobody_s_polling(poller, platform, clock, warehouse):
    poller.run_once()
    platform.set(accounts={})
    clock.advance(minutes=5)
    poller.poll_now()
    assert poller.line.idle(60)

    assert [account.id for account in poller.accounts.known()] == ["a", "b"]
    [mark] = [m for m in warehouse.watermarks() if m.account == ""]
    assert (mark.error, mark.cause) == (
        "Unexpected",
        "the source lists no account at all, though 2 are known; they are polled on",
    )
    assert "paceline.yaml" in mark.mend

    platform.set(accounts={"b": "America/New_York"})
    poller.poll_now()
    assert poller.line.idle(60)
    assert [account.id for account in poller.accounts.known()] == ["b"]


def test_a_hang_costs_its_deadline_and_nobody_else(poller, platform, warehouse, clock, workers):
    poller.run_once()  # the workers are warm: what follows is waiting, not importing
    workers.deadline = timedelta(seconds=5)
    platform.behave(a__delivery="hang")
    clock.advance(minutes=5)
    poller.poll_now()
    assert poller.line.idle(60)

    marks = {(m.account, m.stream): m for m in warehouse.watermarks()}
    assert {marks["b", "delivery"].polled_at, marks["b", "campaigns"].polled_at} == {clock()}
    hung = marks["a", "delivery"]
    assert (hung.outcome, hung.error) == ("killed", "Unavailable")
    assert "no complete answer within 5 s" in hung.cause
    assert hung.retry_at == clock() + timedelta(seconds=30)

    platform.behave()
    poller.poll_now()
    assert poller.line.idle(60)
    assert totals(warehouse)[0][:2] == ("a", 254)
    assert {m.error for m in warehouse.watermarks()} == {""}


def test_a_crash_costs_one_slice(poller, platform, warehouse):
    platform.behave(a__delivery="die")
    results = poller.run_once()

    assert ("delivery", "ok") in outcomes(results, "b")
    [mark] = [m for m in warehouse.watermarks() if (m.account, m.stream) == ("a", "delivery")]
    assert (mark.error, mark.cause) == (
        "Unavailable",
        "the worker died (exit code 7); the slice is asked for again",
    )


def test_a_bug_in_a_connector_is_told_without_its_secrets(poller, platform, warehouse):
    platform.behave(a__delivery="bug", b="token")
    poller.run_once()

    marks = {(m.account, m.stream): m for m in warehouse.watermarks()}
    assert marks["a", "delivery"].error == "Unexpected"
    assert marks["a", "delivery"].cause == "RuntimeError: cannot go on with ..."
    assert marks["b", "delivery"].cause == "token ... is dead"
    assert SECRET not in str(warehouse.query("SELECT * FROM journal").to_pylist())


def test_a_dead_token_is_tried_hourly_and_every_stream_says_so(poller, platform, clock, warehouse):
    platform.behave(a="token")
    poller.run_once()
    marks = {m.stream: m for m in warehouse.watermarks() if m.account == "a"}
    assert {m.error for m in marks.values()} == {"Unauthorized"}
    assert {m.mend for m in marks.values()} == {"Renew the token."}
    assert {m.retry_at for m in marks.values()} == {datetime(2026, 11, 24, 13, tzinfo=UTC)}
    asked = len(platform.asked(account="a"))

    clock.advance(minutes=59)
    poller._offer_all(poller.accounts.known()[0])
    assert poller.line.idle(60)
    assert len(platform.asked(account="a")) == asked

    platform.behave()
    clock.advance(minutes=1)
    poller._offer_all(poller.accounts.known()[0])
    assert poller.line.idle(60)
    assert {m.error for m in warehouse.watermarks() if m.account == "a"} == {""}


def test_a_throttle_is_waited_for_even_by_a_new_process(
    poller, platform, clock, workspace, warehouse, workers
):
    platform.behave(a__delivery="rate")
    poller.run_once()
    wait = poller.waits.current("example", "a", "delivery", clock())
    assert wait is not None
    assert wait.until == datetime(2026, 11, 24, 12, 1, 30, tzinfo=UTC)

    other = Poller(load(workspace.folder), warehouse, workers, workspace.state, clock=clock)
    again = other.waits.current("example", "a", "campaigns", clock())
    other.stop()
    assert again is not None
    assert again.until == wait.until


def test_too_much_data_is_asked_for_in_halves(poller, platform, warehouse):
    platform.behave(a="big")
    poller.run_once()
    assert totals(warehouse)[0][:2] == ("a", 253)
    windows = [
        Window(datetime.fromisoformat(line["start"]), datetime.fromisoformat(line["end"]))
        for line in platform.asked("delivery", "a")
    ]
    assert min(w.end - w.start for w in windows).days <= 2


def test_a_newest_window_that_is_halved_is_not_asked_whole_again(poller, clock):
    poller.run_once()
    poller._scheduler = BackgroundScheduler(timezone=UTC)  # keeps jobs, and never runs them
    [account, _] = poller.accounts.known()
    stream = poller.setup.sources["example"].connector.streams()[0]
    halves = [Window(clock() - timedelta(days=n), clock() - timedelta(days=n - 1)) for n in (1, 2)]
    whole = Task(account, stream, Tier.TODAY)
    fetch = Fetch(
        "example", "a", stream.name, Window(halves[1].start, halves[0].end), clock(), 0, "retry",
        error="TooMuchData", retry_at=clock(),
    )  # fmt: skip

    poller._follow_up(Result(whole, fetch))
    assert [job.args[0] for job in poller._scheduler.get_jobs()] == [whole]
    poller._scheduler.remove_all_jobs()

    poller._follow_up(Result(whole, fetch, tuple(replace(whole, window=half) for half in halves)))
    assert poller._scheduler.get_jobs() == []


def test_the_owner_never_imports_an_ad_platform_s_client(poller):
    def heavy():
        return {name for name in sys.modules if name.startswith(("google.ads", "facebook_business"))}

    before = heavy()  # other tests of this process may have imported them
    poller.run_once()
    assert heavy() == before
    code = (
        "import sys, service.running, service.jobs, service.workers, service.cli;"
        "print([n for n in sys.modules if n.startswith(('google.ads', 'facebook_business'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
