"""`alerts` in paceline.yaml: whoever is to hear can be reached, or the line says why not."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from alerts.notify.contract import Severity
from service.settings import SettingsError, load

GOOD = """\
sources:
  example:
    platform: {platform}
alerts:
  people:
    - {{name: Dana, email: dana@team.test}}
    - {{name: Sam, email: sam@team.test}}
  second: Sam
  routes:
    warning: [email owner, email Dana]
  escalation:
    - {{after: 5m, to: email second}}
  repeat: {{critical: 1h}}
  heartbeat: "09:30"
  heartbeat_to: [email Dana]
  channels:
    email: {{host: smtp.team.test, sender: alerts@team.test}}
"""


def write(workspace, platform, *change):
    text = GOOD.format(platform=platform.folder)
    if change:
        assert change[0] in text
        text = text.replace(*change)
    (workspace.folder / "paceline.yaml").write_text(text)
    return load(workspace.folder, {})


def test_it_is_read_as_it_is_written(workspace, platform):
    alerts = write(workspace, platform).settings.alerts
    assert [person.name for person in alerts.people] == ["Dana", "Sam"]
    assert alerts.routes == {Severity.WARNING: (("email", "owner"), ("email", "Dana"))}
    assert [(step.after, step.to) for step in alerts.escalation] == [
        (timedelta(minutes=5), ("email", "second"))
    ]
    assert alerts.repeat == {Severity.CRITICAL: timedelta(hours=1)}
    assert alerts.heartbeat == time(9, 30)
    assert (alerts.group_wait, alerts.group_interval) == (timedelta(seconds=30), timedelta(minutes=5))


FAULTS = {
    "a channel that is not set up": (
        ("[email owner, email Dana]", "[email owner, slack]"),
        "paceline.yaml:10:28: alerts.routes.warning.1: slack is not set up under alerts.channels",
    ),
    "a person without an address there": (
        ("[email Dana]", "[sms Dana]"),
        "paceline.yaml:15:18: alerts.heartbeat_to.0: Dana has no address for sms",
    ),
    "a role that nobody has": (
        ("email second", "email manager"),
        "paceline.yaml:12:23: alerts.escalation.0.to: nobody is the manager: write alerts.manager",
    ),
    "a second who is nobody": (
        ("second: Sam", "second: Sma"),
        "paceline.yaml:8:11: alerts.second: 'Sma' is none of alerts.people, did you mean 'Sam'?",
    ),
}


@pytest.mark.parametrize(("change", "told"), FAULTS.values(), ids=FAULTS)
def test_who_cannot_be_reached_is_told_with_its_place(workspace, platform, change, told):
    with pytest.raises(SettingsError) as caught:
        write(workspace, platform, *change)
    assert told in [str(problem) for problem in caught.value.problems]
