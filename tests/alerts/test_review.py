"""What came of each rule, worked out by hand from a timeline of the real engine."""

from datetime import timedelta

import pytest

from alerts.propose import verdicts
from alerts.review import episodes, overdue, review
from tests.alerts.timeline import FALSE, START, TRUE, Timeline, minutes, rule
from warehouse.access import local


def reviewed(line, name="spend", days=1):
    found = review(line.engine.records, line.rules, START, START + timedelta(days=days))
    return next(one for one in found if one.rule.id == name)


@pytest.fixture
def line(tmp_path):
    return Timeline(tmp_path, [rule("spend"), rule("quiet")])


def test_fires_hours_and_days(line):
    line.at(0, spend={"c1": TRUE, "c2": TRUE}).at(60, spend={"c1": FALSE, "c2": TRUE})
    line.at(120, spend={"c1": FALSE, "c2": FALSE}).at(24 * 60, spend={"c1": TRUE})
    line.happen(25 * 60)
    found = reviewed(line, days=2)
    # c1: one hour and, from the second day's ninth hour, 24 hours to the end of the span; c2: two hours.
    assert (found.fires, found.days, found.hours) == (3, 2, pytest.approx(1 + 2 + 24))
    assert (found.incidents, found.told, found.acted, found.flaps) == (2, 2, 0, 0)
    assert (found.acted_rate, found.acknowledged_after) == (0.0, None)
    assert reviewed(line, "quiet").fires == 0
    first, *_ = episodes(line.engine.records, START, START + timedelta(days=2))
    assert (first.rule, first.labels.campaign, first.start, first.end) == (
        "spend",
        "c1",
        START,
        START + minutes(60),
    )


def test_votes_and_the_time_to_acknowledge(line):
    line.at(0, spend=TRUE).do(12, lambda engine, now: engine.acknowledge(1, by=local("Dana"), now=now))
    for by in ("Dana", "Dana", "Sam"):  # whoever votes twice has one voice
        line.do(13, lambda engine, now, by=by: engine.note(1, "useful", by=local(by), text="", now=now))
    line.do(14, lambda engine, now: engine.note(1, "noise", by=local("Max"), text="", now=now))
    line.happen(20)
    found = reviewed(line)
    assert (found.useful, found.noise, found.acted, found.acted_rate) == (2, 1, 1, 1.0)
    # Told after the group's half minute.
    assert found.acknowledged_after == timedelta(minutes=11.5)


def test_coming_and_going_is_one_flap(line):
    for turn in range(6):
        line.at(5 * turn, spend=FALSE if turn % 2 else TRUE)
    line.happen(40)
    assert (reviewed(line).fires, reviewed(line).flaps) == (3, 1)


def test_reviews_that_are_due(line):
    before, due = START, START.replace(year=2026, month=12, day=25)
    assert overdue(line.rules, before) == []
    assert [r.id for r in overdue(line.rules, due)] == ["quiet", "spend"]  # within a week: 2027-01-01


def test_verdicts_are_what_people_said_and_did(line):
    line.at(0, spend=TRUE).do(
        5, lambda engine, now: engine.note(1, "noise", by=local("Dana"), text="", now=now)
    )
    line.at(30, spend=FALSE).at(60, spend=TRUE)
    line.do(65, lambda engine, now: engine.acknowledge(2, by=local("Dana"), now=now)).at(90, spend=FALSE)
    line.at(120, spend=TRUE).at(150, spend=FALSE)
    line.happen(180)
    found = verdicts(line.engine.records, line.rules[0], START, START + minutes(180))
    # Voted noise; acknowledged; left alone.
    assert [(one.start - START, one.good) for one in found] == [
        (minutes(0), False),
        (minutes(60), True),
        (minutes(120), False),
    ]
