"""The clock of the poller: what APScheduler is told, and what the watchdog sees."""

import threading
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.jobstores.memory import MemoryJobStore

from connectors.contract import Account
from service.health import Watchdog

ACCOUNT = Account("example", "a", "A", "EUR", ZoneInfo("Europe/Berlin"))


@pytest.fixture
def scheduler(poller, monkeypatch):
    """Its clock runs, and nobody takes what it puts in line."""
    monkeypatch.setattr(poller, "_start_threads", lambda: None)
    poller.start()
    poller._schedule(ACCOUNT)
    poller._schedule(ACCOUNT)
    return poller._scheduler


def test_no_run_is_dropped_doubled_or_scheduled_twice(scheduler):
    jobs = scheduler.get_jobs()
    assert {"alive", "example/a/accounts", "example/a/delivery"} <= {job.id for job in jobs}
    assert len({job.id for job in jobs}) == len(jobs)
    # A default of a second's grace dropped runs on a busy machine.
    assert {(job.misfire_grace_time, job.coalesce, job.max_instances) for job in jobs} == {(None, True, 1)}
    assert {type(store) for store in scheduler._jobstores.values()} == {MemoryJobStore}


def test_polls_are_never_further_apart_than_was_promised(scheduler, poller):
    assert scheduler.timezone is UTC
    for stream, every in poller.setup.sources["example"].every.items():
        trigger = scheduler.get_job(f"example/a/{stream}").trigger
        longest = trigger.interval + timedelta(seconds=trigger.jitter)
        # Two seconds are left for its turn in line, and for the message that follows from it.
        assert longest == every - timedelta(seconds=2)
        assert 0 < trigger.jitter <= 10


def test_what_is_stuck_is_told(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("service.health.monotonic", lambda: now[0])
    dog = Watchdog(grace=timedelta(minutes=2))
    due = {"example/a/delivery": timedelta(minutes=5)}
    dog.threads([threading.main_thread()])
    dog.expect("example/a/delivery")
    # Three intervals, and the deadline of a fetch.
    now[0] += 17 * 60
    dog.beat()
    assert dog.problems(due) == []
    now[0] += 1
    assert dog.problems(due) == ["example/a/delivery: no outcome for 17 minutes, due every 5"]
    dog.seen("example/a/delivery")
    assert dog.problems(due) == []
    assert dog.lag(due) == 0
    now[0] += 360
    assert dog.lag(due) == 60
    assert dog.problems(due) == ["scheduler: no sign of life for 361 s; restart the service"]
