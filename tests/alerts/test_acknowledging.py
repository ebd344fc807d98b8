"""In whose hand an incident is: acknowledging and escalation, as timelines in minutes."""

from __future__ import annotations

import pytest

from alerts.engine import Refused
from alerts.routes import Receiver, Routing, Step
from tests.alerts.timeline import FALSE, PEOPLE, SLACK, TRUE, Timeline, heard, minutes, rule
from warehouse.access import local

# -- acknowledging


def ack(engine, now):
    engine.acknowledge(1, by=local("Dana"), now=now)


def test_acknowledging_stops_repeats_for_24_hours(one):
    line = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack").do(10, ack)
    day = 10 + 24 * 60
    line.want(day, day, "repeat", to="slack").want(day + 240, day + 240, "repeat", to="slack")
    line.play(day + 300)


def test_a_new_member_breaks_the_acknowledgement(one):
    line = one().at(0, spend={"c1": TRUE}).want(0.5, 0.5, "first", to="slack").do(10, ack)
    line.at(300, spend={"c2": TRUE}).want(300.5, 300.5, "new_alerts", to="slack", live="c1,c2")
    line.want(540.5, 540.5, "repeat", to="slack").play(600)


def test_a_rise_in_severity_is_heard_though_the_lower_degree_is_acknowledged(one):
    line = one(rule("spend", "warning", routes=SLACK), rule("spend", "critical", routes=SLACK))
    line.at(0, spend__warning=TRUE).want(0.5, 0.5, "first", to="slack").do(10, ack)
    line.at(300, spend__critical=TRUE).want(300.5, 300.5, "first", to="slack", live="c1")
    line.want(540.5, 540.5, "repeat", to="slack").play(600)


def test_a_rise_within_an_acknowledged_incident_breaks_it(one):
    line = one(rule("spend", "critical", routes=SLACK), rule("spend", "warning", routes=SLACK))
    line.at(0, spend__critical={"c2": TRUE}).want(0.5, 0.5, "first", to="slack", live="c2").do(10, ack)
    line.at(11, spend__warning={"c1": TRUE}).want(11.5, 11.5, "first", to="slack", live="c1")
    line.at(20, spend__critical={"c1": TRUE, "c2": TRUE})
    line.want(20.5, 20.5, "severity", to="slack", live="c1,c2")
    line.want(260.5, 260.5, "repeat", to="slack", live="c1,c2").play(300)


def test_the_end_is_told_of_what_is_acknowledged(one):
    line = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack").do(10, ack).at(11, spend=FALSE)
    line.want(15.5, 15.5, "all_resolved", to="slack").play(60)


def test_what_has_ended_cannot_be_acknowledged(one):
    line = one().at(0, spend=TRUE).at(1, spend=FALSE)
    line.want(0.5, 0.5, "first", to="slack").want(5.5, 5.5, "all_resolved", to="slack").play(60)
    with pytest.raises(Refused, match="incident 1 ended at 2026-11-02 09:05 UTC"):
        line.engine.acknowledge(1, by=local("Dana"), now=line.now)
    with pytest.raises(Refused, match="no incident 7"):
        line.engine.acknowledge(7, by=local("Dana"), now=line.now)


# -- escalation


def test_what_nobody_acknowledges_goes_to_the_owner_the_second_the_manager(calls):
    line = heard(calls().at(0, spend=TRUE), 0.5, "first")
    line.want(15.5, 15.5, "escalation", to="sms +4930000001")
    line.want(30.5, 30.5, "escalation", to="sms +4930000002")
    line.want(60.5, 60.5, "escalation", to="sms +4930000003")
    heard(line, 240.5, "repeat").play(300)


def test_acknowledging_stops_the_escalation_and_a_new_member_starts_it_anew(calls):
    line = heard(calls().at(0, spend={"c1": TRUE}), 0.5, "first")
    line.want(15.5, 15.5, "escalation", to="sms +4930000001").do(20, ack)
    line.at(100, spend={"c2": TRUE})
    heard(line, 100.5, "new_alerts", "c1,c2")
    # In nobody's hand since minute 100.
    line.want(115, 115, "escalation", to="sms +4930000001")
    line.want(130, 130, "escalation", to="sms +4930000002").play(140)


def test_an_acknowledgement_that_ends_begins_the_way_up_anew(calls):
    line = heard(calls().at(0, spend=TRUE), 0.5, "first").do(10, ack)
    day = 10 + 24 * 60
    heard(line, day, "repeat")
    line.want(day + 15, day + 15, "escalation", to="sms +4930000001")
    line.want(day + 30, day + 30, "escalation", to="sms +4930000002")
    line.want(day + 60, day + 60, "escalation", to="sms +4930000003").play(day + 100)


def test_what_has_ended_is_not_escalated(calls):
    line = heard(calls().at(0, spend=TRUE), 0.5, "first").at(11, spend=FALSE)
    heard(line, 15.5, "all_resolved", "").play(100)


def test_what_is_muted_meanwhile_is_not_escalated(calls):
    line = heard(calls(rule("spend"), rule("stale", down=True)).at(0, spend={"c1": TRUE}), 0.5, "first")
    line.at(10, stale={"": TRUE})  # told by the same incident: it is the same owner, account and severity
    heard(line, 10.5, "new_alerts", "a")
    line.want(15.5, 15.5, "escalation", to="sms +4930000001", live="a").play(20)


def test_whoever_was_told_by_escalation_hears_the_end(calls):
    line = heard(calls().at(0, spend=TRUE), 0.5, "first").at(32, spend=FALSE)
    line.want(15.5, 15.5, "escalation", to="sms +4930000001")
    line.want(30.5, 30.5, "escalation", to="sms +4930000002")
    line = heard(line, 35.5, "all_resolved", "")
    line.want(35.5, 35.5, "all_resolved", to="sms +4930000002").play(100)


def test_a_snooze_stops_the_escalation(calls):
    def snooze(engine, now):
        engine.snooze(1, by=local("Dana"), reason="known", until=now + minutes(120), now=now)

    line = heard(calls().at(0, spend=TRUE), 0.5, "first").do(10, snooze)
    # It fires on when the snooze ends: the way up begins from the start.
    line.want(145, 145, "escalation", to="sms +4930000001")
    line.play(150)


def test_warnings_are_not_escalated(calls):
    line = calls(rule("spend", "warning")).at(0, spend=TRUE)
    line.want(0.5, 0.5, "first", to="email dana@team.test").play(200)


def test_the_steps_of_the_escalation_are_configurable(tmp_path):
    steps = (Step(after=minutes(5), to=Receiver("email", "manager")),)
    line = Timeline(tmp_path, [rule("spend")], Routing(people=PEOPLE, manager="Max", escalation=steps))
    heard(line.at(0, spend=TRUE), 0.5, "first")
    line.want(5.5, 5.5, "escalation", to="email max@team.test").play(100)
