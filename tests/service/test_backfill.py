"""A backfill comes to an end that can be seen, whatever happens to it."""

from __future__ import annotations

import pytest

from service.running import Service
from warehouse.errors import StorageBroken


@pytest.fixture
def service(workspace, clock):
    made = Service(workspace, clock=clock)
    yield made
    made.stop()


def breaks(*_):
    raise StorageBroken("the file cannot be read", mend="Restore it.")


def test_a_broken_warehouse_stops_it_with_the_cause_and_it_can_be_begun_again(service, monkeypatch):
    service.poller.run_once()
    with monkeypatch.context() as broken:
        broken.setattr(service.poller, "budgets", breaks)
        first = service.backfill(20)
        assert first.join(30)
    said = first.progress()
    assert (said.state, said.cause) == (
        "stopped",
        "StorageBroken: the file cannot be read Restore it.",
    )
    assert service.poller.guard.trouble.cause == "the file cannot be read"

    service.poller.guard.succeeded()
    again = service.backfill(20)
    assert again is not first
    assert again.join(60)
    # Ten days were there already; two accounts have ten more.
    assert (again.progress().state, again.progress().done, again.progress().days) == ("done", 20, 20)


def test_a_lane_that_was_emptied_since_it_was_listed_offers_nothing(service):
    service.poller.run_once()
    backfill = service.backfill(20)
    assert backfill.join(60)
    [lane, *_] = backfill._lanes.values()
    assert lane.missing == []

    [budget] = service.poller.budgets()
    backfill._offer(lane, budget)

    assert service.poller.line.waiting() == 0
