"""Google Analytics through the whole service while it fails: the breaker opens before Google closes."""

from __future__ import annotations

from datetime import timedelta

import pytest
import yaml

from service.jobs import Poller
from service.settings import load
from tests.sandbox.ga4_kit import NOW, Analytics


@pytest.fixture
def analytics(tmp_path_factory):
    one = Analytics(tmp_path_factory.mktemp("ga4"), rate_limits=True)
    yield one
    one.stop()


@pytest.fixture
def polled(analytics, workspace, warehouse, workers, clock):
    """A poller of the site; `ask` polls everything once more, as if somebody pressed the button."""
    told = analytics.settings()
    private = {name: told.pop(name) for name in ("client_secret", "refresh_token")}
    (workspace.folder / "paceline.yaml").write_text(yaml.safe_dump({"sources": {"ga4": told}}))
    (workspace.folder / ".streamlit/secrets.toml").write_text(
        "[ga4]\n" + "".join(f'{name} = "{value}"\n' for name, value in private.items())
    )
    clock.at = NOW
    poller = Poller(load(workspace.folder), warehouse, workers, workspace.state, clock=clock)
    poller.run_once()

    def ask(**later):
        clock.advance(**later)
        analytics.clock.set(clock.at, frozen=True)
        poller.poll_now()
        assert poller.line.idle(60)
        return {m.stream: m for m in warehouse.watermarks() if m.account}

    yield ask
    poller.stop()


def test_the_breaker_opens_and_says_until_when(polled, analytics, warehouse):
    marks = polled(minutes=5)
    assert {name: mark.outcome for name, mark in marks.items()} == dict.fromkeys(
        ("accounts", "web", "minutes", "steps"), "ok"
    )
    assert warehouse.query("SELECT count(*) AS n FROM web_minute").to_pylist()[0]["n"] > 20

    outage = analytics.world.incidents.start("api_outage", at=analytics.clock.now(), platform="ga4")
    first = analytics.clock.now() + timedelta(minutes=2)
    for _ in range(12):
        marks = polled(minutes=2)
    errors = sum(map(len, analytics.server.quota._errors.values()))
    assert 6 <= errors < 10, "Google would have closed the property"
    for name in ("web", "minutes", "steps"):
        mark = marks[name]
        assert mark.error == "RateLimited"
        until = first + timedelta(hours=1)
        assert f"the breaker is open until {until:%H:%M} UTC" in mark.cause
        assert mark.retry_at == until

    # It is over, and nobody is asked before the hour is; then everything comes again.
    analytics.world.incidents.stop(outage.id, at=analytics.clock.now())
    assert polled(minutes=5)["minutes"].outcome != "ok"
    assert sum(map(len, analytics.server.quota._errors.values())) == errors
    assert polled(minutes=35)["minutes"].outcome == "ok"
