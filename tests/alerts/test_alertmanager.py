"""What is told of the scenarios that Alertmanager is played too; PACELINE_FULL=1 plays them to a live one.

What Alertmanager tells is written down with each scenario, with the reason where this differs on purpose.
"""

import os
import shutil

import pytest

from benchmarks import alertmanager, promtool
from benchmarks._scenarios import SCENARIOS

FULL = os.environ.get("PACELINE_FULL") == "1"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_what_the_engine_tells(scenario):
    assert alertmanager.ours(scenario) == list(scenario.ours)


@pytest.mark.skipif(not FULL, reason="plays in real time, a minute: PACELINE_FULL=1")
@pytest.mark.skipif(not shutil.which(alertmanager.BINARY), reason="no prometheus-alertmanager here")
def test_a_live_alertmanager_tells_what_is_written_of_it():
    assert alertmanager.compare(unit=2.5) == []


@pytest.mark.skipif(not FULL, reason="a look at another program: PACELINE_FULL=1")
@pytest.mark.skipif(not shutil.which(promtool.BINARY), reason="no promtool here")
def test_prometheus_has_the_same_states(monkeypatch):
    assert promtool.states(60, seed=7) == ""
    monkeypatch.setattr(promtool, "_firing", lambda letters, hold, keep: [False] * len(letters))
    assert "got:[" in promtool.states(60, seed=7)
