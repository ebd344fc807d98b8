"""Who hears when, as timelines in minutes."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.digest.figures import Figures
from alerts.digest.work import open_incidents
from alerts.engine import Finding
from alerts.observation import Observation
from alerts.routes import Receiver, Routing
from connectors.contract import Account
from tests.alerts.timeline import (
    FALSE,
    NODATA,
    SLACK,
    STALE,
    START,
    TRUE,
    Timeline,
    heard,
    labels,
    rule,
)

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


OFTEN = Routing(escalation=(), repeat={"critical": timedelta(minutes=5)})
"""A repeat that is due at each look."""

TWO = {"c2": TRUE, "c3": TRUE}
ALL = {"c1": TRUE, **TWO}
FLAPS = [(2 + n / 10, {"spend__critical": {**TWO, "c2": FALSE if n % 2 == 0 else TRUE}}) for n in range(5)]


@pytest.mark.parametrize(
    ("reason", "live", "events"),
    [
        # Each has all that could be told by a later reason, and something for its own.
        ("new_alerts", "c1,c2,c4", [(2, {"spend__critical": {**ALL, "c3": FALSE, "c4": TRUE}})]),
        ("new_alerts", "c4", [(2, {"spend__critical": {"c2": FALSE, "c3": FALSE, "c4": TRUE}})]),
        ("all_resolved", "", [(2, {"spend__critical": {"c2": FALSE, "c3": FALSE}})]),
        ("severity", "c1,c2", [(2, {"spend__critical": {**ALL, "c3": FALSE}})]),
        ("new_resolved", "c2", [(2, {"spend__critical": {**TWO, "c3": FALSE}})]),
        ("flapping", "c3", FLAPS),
        ("repeat", "c2,c3", []),
    ],
)
def test_the_first_reason_that_holds_is_told(one, reason, live, events):
    line = one(rule("spend", "critical", routes=SLACK), rule("spend", "warning", routes=SLACK), routing=OFTEN)
    line.at(0, spend__critical=TWO, spend__warning={"c1": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="c2,c3").want(0.5, 0.5, "first", to="slack", live="c1")
    for minute, told in events:
        line.at(minute, **told)
    line.happen(5.6)
    (told,) = [m for at, _, m in line.messages() if at == 5.5 and m.severity == "critical"]
    assert (str(told.reason), told.headline) == (reason, f"{reason}: {live}")


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


def test_a_repeat_waits_for_the_look_that_tells_what_is_new(one):
    routing = Routing(escalation=(), repeat={"critical": timedelta(minutes=7)})
    line = one(routing=routing).at(0, spend={"c1": TRUE}).at(7, spend={"c2": TRUE})
    line.want(0.5, 0.5, "first", to="slack")
    line.want(10.5, 10.5, "new_alerts", to="slack", live="c1,c2")  # not a repeat at 7.5 and news at 10.5
    line.want(17.5, 17.5, "repeat", to="slack", live="c1,c2").play(20)


def test_info_is_told_once(one):
    line = one(rule("spend", "info")).at(0, spend=TRUE)
    line.want(0.5, 0.5, "first", to="inbox Dana").play(10_000)


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


def test_what_flaps_stays_in_the_digest(one):
    line = one()
    for minute in range(0, 60, 6):
        line.at(minute, spend=TRUE if minute % 12 == 0 else FALSE)
    line.happen(70)
    account, day = Account("google_ads", "a", "A", "EUR", ZoneInfo("UTC")), START.date()
    accounts = {("google_ads", "a"): account}
    about = Figures("daily", day, day, "EUR", accounts, {}, {}, "revenue", 1.0, (), (), ())
    (open_,) = open_incidents(line.engine.records, about)
    assert open_.headline == "flapping: "


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
