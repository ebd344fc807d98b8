"""What people do from within a message, by the engine: each act once, by whom it was, refused with why."""

from datetime import timedelta

import pytest

from alerts.engine import Refused
from alerts.notify.contract import Act, Action
from tests.alerts.timeline import FALSE, TRUE
from warehouse.access import local


@pytest.fixture
def line(one):
    made = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack")
    made.play(1)
    return made


def do(line, action, *, incident=None, **how):
    engine = line.engine
    incident = incident or f"{engine.records.installation}-1"
    engine.act(Act(incident, action, "slack", "U000001", "Dana", line.now, **how), local("Dana"), line.now)


def happened(line, what):
    rows = line.engine.records.timeline(1)
    return [(row["who"], row["detail"].get("text", "")) for row in rows if row["what"] == what]


def test_a_note_an_assignment_and_a_vote_are_kept_by_name(line):
    do(line, Action.ASSIGN, text="Sam")
    do(line, Action.NOTE, text="the tag was gone")
    do(line, Action.NOTE, text="it is back")
    do(line, Action.USEFUL)
    do(line, Action.USEFUL)
    assert happened(line, "assigned") == [("Dana", "Sam")]
    assert happened(line, "note") == [("Dana", "the tag was gone"), ("Dana", "it is back")]
    assert happened(line, "useful") == [("Dana", "")]


def told(line, reason):
    found = [(channel, message) for _, channel, message in line.messages() if message.reason == reason]
    return [(channel, message.to, message.actions) for channel, message in found]


def test_whoever_is_given_it_hears_and_hears_the_end(line):
    do(line, Action.ASSIGN, text="Dana")  # takes it herself
    assert told(line, "assigned") == []
    do(line, Action.ASSIGN, text="Sam")
    assert told(line, "assigned") == [("email", "sam@team.test", True)]
    line.at(6, spend=FALSE).happen(20)
    assert told(line, "all_resolved") == [("slack", "C000001", True), ("email", "sam@team.test", True)]


def test_an_assignment_stops_no_repeat(line):
    do(line, Action.ASSIGN, text="Sam")
    line.happen(241)
    assert told(line, "repeat") == [("slack", "C000001", True)]


def test_somebody_is_told_in_slack_first_and_in_the_inbox_last(line):
    engine = line.engine
    engine.assign(1, "Dana", by=local("Sam"), now=line.now)
    engine.teller._defaults.clear()
    engine.assign(1, "Max", by=local("Sam"), now=line.now)
    assert told(line, "assigned") == [("slack", "U000001", True), ("inbox", "Max", True)]


def test_a_snooze_takes_its_reason_and_its_end_from_the_form(line):
    do(line, Action.SNOOZE, text="planned sale", lasts=timedelta(hours=4))
    (silence,) = line.engine.records.silences(line.now)
    assert (silence.reason, silence.by, silence.ends - line.now) == (
        "planned sale",
        "Dana",
        timedelta(hours=4),
    )


@pytest.mark.parametrize(
    ("action", "how", "why"),
    [
        (Action.SNOOZE, {"text": " ", "lasts": timedelta(hours=1)}, "say why"),
        (Action.SNOOZE, {"text": "why", "lasts": timedelta(days=8)}, "within 7 days"),
        (Action.ASSIGN, {"text": "Eve"}, "Eve is none of alerts.people: there is Dana, Sam, Max"),
        (Action.NOTE, {"text": "\n"}, "write what you found"),
        (Action.NOTE, {"text": "x", "incident": "other-1"}, "another installation"),
    ],
)
def test_what_cannot_be_done_is_refused_with_why(line, action, how, why):
    with pytest.raises(Refused, match=why):
        do(line, action, **how)


def test_when_it_is_over_there_is_a_note_and_no_assignment(line):
    line.at(6, spend=FALSE).want(10.5, 10.5, "all_resolved", to="slack").play(20)
    do(line, Action.NOTE, text="it was the tag")
    assert happened(line, "note") == [("Dana", "it was the tag")]
    with pytest.raises(Refused, match="incident 1 ended at"):
        do(line, Action.ASSIGN, text="Sam")
