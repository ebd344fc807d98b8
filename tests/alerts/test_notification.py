"""Every sentence of docs/alerts.md on who hears when, as a timeline in minutes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.engine import Finding, Refused
from alerts.observation import Observation
from alerts.routes import Receiver, Routing, Step
from tests.alerts.timeline import FALSE, NODATA, PEOPLE, STALE, START, TRUE, Timeline, labels, minutes, rule
from warehouse.access import local

QUIET = Routing(people=PEOPLE, second="Sam", manager="Max", escalation=())
SLACK = (Receiver("slack"),)


@pytest.fixture
def one(tmp_path):
    """Rules that all go to Slack alone, and nobody is called at night."""

    def make(*rules, routing=QUIET, **options):
        made = rules or [rule("spend", routes=SLACK)]
        return Timeline(tmp_path, made, routing, **options)

    return make


# -- group_wait, group_interval


def test_a_new_incident_waits_30_seconds_for_company(one):
    line = one().at(0, spend={"c1": TRUE}).at(0.4, spend={"c2": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="c1,c2").play(4)


def test_what_ends_within_the_wait_is_told_to_nobody(one):
    line = one().at(0, spend=TRUE).at(0.4, spend=FALSE)
    line.play(600)
    assert line.numbers() == []


def test_what_is_new_in_an_incident_is_told_at_the_next_look_five_minutes_apart(one):
    line = one().at(0, spend={"c1": TRUE}).at(7, spend={"c2": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="c1")
    line.want(10.5, 10.5, "new_alerts", to="slack", live="c1,c2").play(60)


def test_each_owner_account_and_severity_is_an_incident_of_its_own(one):
    line = one(
        rule("spend", routes=SLACK),
        rule("cpl", routes=SLACK),
        rule("rate", owner="Sam", routes=SLACK),
        rule("mix", "warning", routes=SLACK),
    )
    line.at(0, spend={"c1": TRUE, "b/c1": TRUE}, cpl={"c2": TRUE}, rate={"c3": TRUE}, mix={"c4": TRUE})
    for live in ("c1,c2", "c1", "c3", "c4"):
        line.want(0.5, 0.5, "first", to="slack", live=live)
    line.play(4)


# -- reasons, in their order


def test_the_end_of_all_is_told_before_the_end_of_one(one):
    line = one().at(0, spend={"c1": TRUE, "c2": TRUE})
    line.at(2, spend={"c1": FALSE}).at(7, spend={"c2": FALSE})
    line.want(0.5, 0.5, "first", to="slack", live="c1,c2")
    line.want(5.5, 5.5, "new_resolved", to="slack", live="c2")
    line.want(10.5, 10.5, "all_resolved", to="slack", live="").play(3000)


def test_something_new_is_told_before_something_resolved(one):
    line = one().at(0, spend={"c1": TRUE, "c2": TRUE}).at(2, spend={"c1": FALSE, "c3": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="c1,c2")
    line.want(5.5, 5.5, "new_alerts", to="slack", live="c2,c3").play(60)


def test_a_member_that_was_told_in_a_lower_degree_has_risen(one):
    line = one(rule("spend", "warning", routes=SLACK), rule("spend", "critical", routes=SLACK))
    line.at(0, spend__warning={"c1": TRUE}, spend__critical={"c2": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="c1").want(0.5, 0.5, "first", to="slack", live="c2")
    line.at(3, spend__warning={"c1": TRUE}, spend__critical={"c1": TRUE, "c2": TRUE})
    line.want(5.5, 5.5, "severity", to="slack", live="c1,c2").play(60)


def test_a_resolve_is_never_repeated(one):
    line = one().at(0, spend=TRUE).at(2, spend=FALSE)
    line.want(0.5, 0.5, "first", to="slack").want(5.5, 5.5, "all_resolved", to="slack").play(6000)


def test_what_comes_back_after_its_end_is_a_new_incident(one):
    line = one().at(0, spend=TRUE).at(2, spend=FALSE).at(20, spend=TRUE)
    line.want(0.5, 0.5, "first", to="slack").want(5.5, 5.5, "all_resolved", to="slack")
    line.want(20.5, 20.5, "first", to="slack").play(60)
    assert line.numbers() == [2]


def test_what_comes_and_goes_between_two_looks_is_no_news(one):
    line = one().at(0, spend=TRUE).at(1, spend=FALSE).at(2, spend=TRUE)
    line.want(0.5, 0.5, "first", to="slack").play(60)


# -- repeats


@pytest.mark.parametrize(("severity", "hours"), [("critical", 4), ("warning", 24)])
def test_a_repeat_comes_exactly_so_long_after_the_last_message(one, severity, hours):
    line = one(rule("spend", severity, routes=SLACK)).at(0, spend={"c1": TRUE}).at(7, spend={"c2": TRUE})
    line.want(0.5, 0.5, "first", to="slack").want(10.5, 10.5, "new_alerts", to="slack")
    for times in (1, 2):
        due = 10.5 + times * hours * 60
        line.want(due, due, "repeat", to="slack", live="c1,c2")
    line.play(10.5 + 2 * hours * 60 + 30)


def test_a_repeat_does_not_wait_for_the_next_look(one):
    routing = Routing(escalation=(), repeat={"critical": timedelta(minutes=7)})
    line = one(routing=routing).at(0, spend=TRUE)
    line.want(0.5, 0.5, "first", to="slack")
    for due in (7.5, 14.5, 21.5):
        line.want(due, due, "repeat", to="slack")
    line.play(25)


def test_info_is_told_once(one):
    line = one(rule("spend", "info")).at(0, spend=TRUE)
    line.want(0.5, 0.5, "first", to="inbox Dana").play(10_000)


# -- inhibition


def test_an_account_that_is_stale_mutes_its_campaigns_and_no_others(one):
    line = one(rule("stale", down=True, routes=SLACK), rule("spend", routes=SLACK))
    line.at(0, stale={"": TRUE}, spend={"c1": TRUE, "b/c9": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="a").want(0.5, 0.5, "first", to="slack", live="c9")
    line.at(20, stale={"": FALSE})  # what still fires is heard now
    line.want(20.5, 20.5, "new_alerts", to="slack", live="c1").play(21)


def test_critical_mutes_the_same_rules_warning_of_the_same_series(one):
    line = one(
        rule("spend", "warning", routes=SLACK),
        rule("spend", "critical", routes=SLACK),
        rule("rate", "warning", routes=SLACK),
    )
    line.at(0, spend__warning={"c1": TRUE, "c2": TRUE}, spend__critical={"c1": TRUE}, rate={"c1": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="c1")
    line.want(0.5, 0.5, "first", to="slack", live="c1,c2").play(60)


def test_all_rules_are_evaluated_before_anything_is_inhibited(tmp_path):
    rules = [rule("spend", routes=SLACK), rule("stale", down=True, routes=SLACK)]
    for number, order in enumerate((rules, rules[::-1])):
        folder = tmp_path / str(number)
        folder.mkdir()
        line = Timeline(folder, order, QUIET).at(0, spend={"c1": TRUE}, stale={"": TRUE})
        line.want(0.5, 0.5, "first", to="slack", live="a").play(60)


def test_a_resolve_is_sent_though_it_is_muted_by_then_if_the_firing_was_heard(one):
    line = one(rule("stale", down=True, routes=SLACK), rule("spend", "warning", routes=SLACK))
    line.at(0, spend={"c1": TRUE, "c2": TRUE}).want(0.5, 0.5, "first", to="slack", live="c1,c2")
    line.at(2, stale={"": TRUE}).want(2.5, 2.5, "first", to="slack", live="a")
    line.at(12, spend={"c1": FALSE, "c2": FALSE})
    line.want(15.5, 15.5, "all_resolved", to="slack", live="").play(60)


def test_a_resolve_is_not_sent_if_the_firing_was_never_heard(one):
    line = one(rule("stale", down=True, routes=SLACK), rule("spend", "warning", routes=SLACK))
    line.at(0, stale={"": TRUE}, spend={"c1": TRUE}).want(0.5, 0.5, "first", to="slack", live="a")
    line.at(12, spend={"c1": FALSE}).play(60)


# -- silence, snooze


def silence(**how):
    def act(engine, now):
        engine.silence(
            how.pop("match", {"rule": "spend"}),
            by=local("Dana"),
            reason="sale",
            starts=now + how.get("after", minutes(0)),
            ends=now + how.get("after", minutes(0)) + how.get("lasts", minutes(60)),
            now=now,
        )

    return act


def test_a_silence_mutes_until_it_ends(one):
    line = one().do(0, silence()).at(1, spend=TRUE)
    line.want(61.5, 61.5, "first", to="slack").play(70)


def test_a_resolve_is_sent_through_a_silence_if_the_firing_was_heard(one):
    line = one().at(0, spend=TRUE).do(2, silence()).at(3, spend=FALSE)
    line.want(0.5, 0.5, "first", to="slack").want(5.5, 5.5, "all_resolved", to="slack").play(100)


def test_a_silence_to_come_does_not_mute_yet(one):
    line = one().do(0, silence(after=minutes(30))).at(1, spend={"c1": TRUE}).at(40, spend={"c2": TRUE})
    line.want(1.5, 1.5, "first", to="slack", live="c1")
    line.want(91.5, 91.5, "new_alerts", to="slack", live="c1,c2").play(100)


def test_a_snooze_mutes_the_present_members_only(one):
    def snooze(engine, now):
        engine.snooze(1, by=local("Dana"), reason="known, fixed at noon", until=now + minutes(600), now=now)

    line = one().at(0, spend={"c1": TRUE}).want(0.5, 0.5, "first", to="slack", live="c1")
    line.do(2, snooze).at(3, spend={"c2": TRUE})
    line.want(5.5, 5.5, "new_alerts", to="slack", live="c2")
    line.want(245.5, 245.5, "repeat", to="slack", live="c2").play(400)


@pytest.mark.parametrize(
    ("reason", "days", "why"),
    [("", 1, "say why"), ("  ", 1, "say why"), ("sale", 8, "within 7 days"), ("sale", -1, "over before")],
)
def test_a_snooze_needs_a_reason_and_ends_within_seven_days(one, reason, days, why):
    line = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack")
    line.play(1)
    with pytest.raises(Refused, match=why):
        line.engine.snooze(
            1, by=local("Dana"), reason=reason, until=line.now + timedelta(days=days), now=line.now
        )
    assert line.engine.records.silences(line.now) == []


def test_a_silence_names_what_it_matches(one):
    line = one()
    with pytest.raises(Refused, match="at least one label"):
        silence(match={})(line.engine, START)
    with pytest.raises(Refused, match="campain is no label"):
        silence(match={"campain": "x"})(line.engine, START)


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


@pytest.fixture
def calls(tmp_path):
    """The ordinary routes."""
    return lambda *rules: Timeline(tmp_path, rules or [rule("spend")])


def heard(line, minute, reason, live="c1"):
    line.want(minute, minute, reason, to="slack C000001", live=live)
    return line.want(minute, minute, reason, to="sms +4930000001", live=live)


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


# -- routes


def test_critical_goes_to_slack_and_sms_warning_by_mail_info_into_the_inbox(calls):
    line = calls(rule("one"), rule("two", "warning"), rule("three", "info"))
    heard(line.at(0, one=TRUE, two=TRUE, three=TRUE), 0.5, "first")
    line.want(0.5, 0.5, "first", to="email dana@team.test")
    line.want(0.5, 0.5, "first", to="inbox Dana").play(5)


def test_where_a_channel_is_not_set_up_the_inbox_hears(tmp_path):
    line = Timeline(tmp_path, [rule("one"), rule("two", "warning")], channels={})
    line.at(0, one=TRUE, two=TRUE)
    line.want(0.5, 0.5, "first", to="inbox Dana").want(0.5, 0.5, "first", to="inbox Dana")
    # The ways up lead nowhere either; each is heard where it can be.
    for minute in (15.5, 30.5, 60.5):
        line.want(minute, minute, "escalation", to="inbox Dana")
    line.play(100)


def test_a_rules_own_route_goes_before_its_severitys(calls):
    own = [Receiver("email", "Sam"), Receiver("slack", "C999999")]
    line = calls(rule("spend", "warning", routes=own)).at(0, spend=TRUE)
    line.want(0.5, 0.5, "first", to="email sam@team.test")
    line.want(0.5, 0.5, "first", to="slack C999999").play(5)


# -- flapping


def test_four_turns_in_an_hour_give_one_notice_and_then_nothing_until_an_hour_is_quiet(one):
    line = one()
    for minute in range(0, 60, 6):  # fires and resolves every six minutes
        line.at(minute, spend=TRUE if minute % 12 == 0 else FALSE)
    line.want(0.5, 0.5, "first", to="slack").want(10.5, 10.5, "all_resolved", to="slack")
    # Turns at 0, 6, 12, 18: the fourth makes it flap; a new incident opened at 12.
    line.want(12.5, 12.5, "first", to="slack").want(22.5, 22.5, "flapping", to="slack")
    # The last turn is at 54; it is over, and who heard of the firing hears that, when an hour was quiet.
    line.want(114, 117.5, "all_resolved", to="slack").play(300)


def test_what_still_fires_when_the_hour_is_quiet_is_not_told_twice(one):
    line = one()
    for minute, result in ((0, TRUE), (1, FALSE), (2, TRUE), (3, FALSE), (4, TRUE)):
        line.at(minute, spend=result)
    line.want(0.5, 0.5, "first", to="slack").want(5.5, 5.5, "flapping", to="slack")
    line.want(245.5, 245.5, "repeat", to="slack").play(300)


# -- restart


def test_a_restart_goes_on_where_it_was(one):
    line = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack").restart(5, down=60)
    line.at(66, spend=TRUE).want(240.5, 240.5, "repeat", to="slack").play(300)


def test_nothing_resolves_after_a_restart_before_a_fresh_evaluation(one):
    line = one(rule("spend", keep=10, routes=SLACK)).at(0, spend=TRUE)
    line.want(0.5, 0.5, "first", to="slack")
    line.at(5, spend=FALSE).restart(6, down=60)  # keep_firing_for is over meanwhile
    line.at(66.5, data=5, spend=FALSE)  # the same data as before the restart: nothing fresh
    line.at(67, data=5, spend={})
    line.play(100)
    assert list(line.states().values()) == ["firing"]
    line.at(101, spend=FALSE).want(101, 106, "all_resolved", to="slack").play(110)


def test_what_was_due_while_the_process_was_down_is_told_once(one):
    line = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack").restart(5, down=600)
    line.want(605, 605, "repeat", to="slack").want(845, 845, "repeat", to="slack").play(900)


# -- no data


@pytest.mark.parametrize("result", [NODATA, STALE])
def test_missing_data_neither_resolve_nor_stop_repeats(one, result):
    line = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack")
    for minute in range(10, 250, 10):
        line.at(minute, spend=result)
    line.want(240.5, 240.5, "repeat", to="slack").play(300)


def test_a_rule_that_is_gone_resolves(one):
    line = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack")
    line.play(2)
    line.rules = []
    line.restart(3).want(5.5, 5.5, "all_resolved", to="slack").play(60)


def test_a_new_incident_waits_for_company_since_its_data_were_asked_for(tmp_path):
    line = Timeline(tmp_path, [rule("spend", "critical")])
    found = line._findings(0, ("a",), {"spend": TRUE})
    # Asked for 20 s before they were judged: 10 s of the 30 are left, and none of them after a minute.
    due = line.engine.take(found, START, asked=START - timedelta(seconds=20))
    assert due == START + timedelta(seconds=10)
    late = {labels("b/c1"): Observation(labels("b/c1"), TRUE, START, said="spend")}
    line.engine.take({"spend/critical": Finding(late)}, START, asked=START - timedelta(minutes=1))
    assert [m.incident[-2:] for _, channel, m in line.messages() if channel == "slack"] == ["-2"]
