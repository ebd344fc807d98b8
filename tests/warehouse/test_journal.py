"""The journal and the watermarks: what was asked, how fresh each stream is, what it cost."""

from datetime import timedelta

import pytest

from connectors.contract import Window
from tests.warehouse.store_kit import at, delivery, ok, put
from warehouse import journal


def failed(started, outcome="retry", **more):
    said = {"error": "Unavailable", "cause": "503", "mend": "", "retry_at": at(started + 1)} | more
    return ok(started, outcome=outcome, **said)


def test_data_is_as_of_what_the_source_vouches_for_or_newer_rows(warehouse):
    put(warehouse, [delivery("a", 1, 10)], seen=9, lag=3)
    assert warehouse.watermarks()[0].data_as_of == at(6)
    put(warehouse, [delivery("a", 8, 10)], seen=10, lag=3)
    assert warehouse.watermarks()[0].data_as_of == at(8)
    # A backfill of older hours never takes it back.
    put(warehouse, [delivery("a", -30, 10)], seen=11, hours=(-48, -24))
    mark = warehouse.watermarks()[0]
    assert (mark.data_as_of, mark.polled_at, mark.tried_at, mark.outcome) == (at(8), at(11), at(11), "ok")


def test_a_failure_is_shown_and_the_next_success_heals_it(warehouse):
    put(warehouse, [delivery("a", 1, 10)], seen=5)
    warehouse.record(failed(6, "stop", error="Unauthorized", cause="token expired", mend="Sign in again."))
    mark = warehouse.watermarks()[0]
    assert (mark.outcome, mark.error, mark.cause, mark.mend) == (
        "stop",
        "Unauthorized",
        "token expired",
        "Sign in again.",
    )
    assert (mark.data_as_of, mark.polled_at, mark.tried_at, mark.retry_at) == (at(2), at(5), at(6), at(7))

    put(warehouse, [delivery("a", 1, 10)], seen=7)
    healed = warehouse.watermarks()[0]
    assert (healed.outcome, healed.error, healed.cause, healed.mend, healed.retry_at) == (
        "ok",
        "",
        "",
        "",
        None,
    )


def test_a_stream_that_never_succeeded_has_no_data(warehouse):
    warehouse.record(failed(6))
    mark = warehouse.watermarks()[0]
    assert (mark.data_as_of, mark.polled_at, mark.tried_at) == (None, None, at(6))


def test_a_hold_is_no_attempt(warehouse):
    put(warehouse, [delivery("a", 1, 10)], seen=5)
    warehouse.record(failed(6, "held", error="", cause="the day's budget is spent"))
    mark = warehouse.watermarks()[0]
    assert (mark.tried_at, mark.outcome, mark.cause) == (at(5), "held", "the day's budget is spent")


def test_a_success_cannot_be_recorded_without_its_reply(warehouse):
    with pytest.raises(ValueError, match="written with its reply"):
        warehouse.record(ok(1))


def test_fetches_come_back_as_they_were_written(warehouse):
    put(warehouse, [delivery("a", 1, 10), delivery("a", 2, 10)], seen=5)
    trouble = failed(6, operations=2, utilisation=0.75, api_version="v23", request_ids=("x", "y"))
    warehouse.record(trouble)
    assert journal.fetches(warehouse) == [trouble, ok(5, rows=2, changed=2, operations=1)]
    assert journal.fetches(warehouse, failed=True) == [trouble]
    assert journal.fetches(warehouse, account="2") == []
    assert len(journal.fetches(warehouse, source="google_ads", stream="delivery", limit=1)) == 1


def test_operations_and_budgets_count_failures_too(warehouse):
    put(warehouse, [], seen=1, operations=10)
    put(warehouse, [], seen=20, operations=5, account="2")
    warehouse.record(failed(25, operations=3, utilisation=0.5))
    assert warehouse.operations("google_ads", since=at(1)) == 18
    assert warehouse.operations("google_ads", since=at(20)) == 8
    assert warehouse.operations("meta_ads", since=at(0)) == 0
    # The sliding day up to hour 25 starts after hour 1.
    assert journal.budgets(warehouse, now=at(25)) == [journal.Budget("google_ads", 8, 0.5)]
    assert journal.budgets(warehouse, now=at(24)) == [journal.Budget("google_ads", 15, 0.0)]


def test_what_a_backfill_has_done_is_joined_up(warehouse):
    for start, end in ((0, 24), (48, 72), (24, 30), (28, 48), (96, 120)):
        put(warehouse, [], seen=200, hours=(start, end))
    warehouse.record(ok(200, (72, 96), outcome="killed"))
    assert journal.covered(warehouse, "google_ads", "1", "delivery") == [
        Window(at(0), at(72)),
        Window(at(96), at(120)),
    ]
    assert journal.covered(warehouse, "google_ads", "2", "delivery") == []


def test_moments_are_utc_to_the_microsecond(warehouse):
    moment = at(1) + timedelta(microseconds=123457)
    warehouse.record(failed(1, retry_at=moment))
    assert warehouse.watermarks()[0].retry_at == moment
    assert str(warehouse.watermarks()[0].retry_at.tzinfo) == "UTC"
