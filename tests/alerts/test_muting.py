"""What is not to be heard: inhibition, silences, snoozes, as timelines in minutes."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import pytest

from alerts.engine import Refused
from tests.alerts.timeline import FALSE, QUIET, SLACK, START, TRUE, Timeline, Told, minutes, rule
from warehouse.access import local

# -- inhibition


def test_an_account_that_is_stale_mutes_its_campaigns_and_no_others(one):
    line = one(rule("stale", down=True, routes=SLACK), rule("spend", routes=SLACK))
    line.at(0, stale={"": TRUE}, spend={"c1": TRUE, "b/c9": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="a").want(0.5, 0.5, "first", to="slack", live="c9")
    line.at(20, stale={"": FALSE})  # what still fires is heard now
    line.want(20.5, 20.5, "new_alerts", to="slack", live="c1").play(21)


class Page(Told):
    by_account: ClassVar[bool] = False


def test_what_is_judged_by_something_else_is_heard_though_the_account_is_stale(one):
    page = rule("page", routes=SLACK).model_copy(update={"condition": Page()})
    line = one(rule("stale", down=True, routes=SLACK), page, rule("spend", routes=SLACK))
    line.at(0, stale={"": TRUE}, page={"c1": TRUE}, spend={"c2": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="a,c1").play(20)


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


def test_a_snooze_may_last_seven_days_to_the_minute(one):
    week = timedelta(days=7)

    def snooze(engine, now):
        engine.snooze(1, by=local("Dana"), reason="known", until=now + week, now=now)

    line = one().at(0, spend=TRUE).want(0.5, 0.5, "first", to="slack").do(2, snooze)
    end = 2 + 7 * 24 * 60
    line.want(end, end, "repeat", to="slack").play(end + 60)


def test_what_was_known_before_a_silence_is_no_news_after_it(one):
    line = one().at(0, spend={"c1": TRUE}).do(2, silence(match={"campaign": "c1"})).at(3, spend={"c2": TRUE})
    line.want(0.5, 0.5, "first", to="slack", live="c1").want(5.5, 5.5, "new_alerts", to="slack", live="c2")
    line.want(245.5, 245.5, "repeat", to="slack", live="c1,c2").play(300)


def test_a_silence_names_what_it_matches(one):
    line = one()
    with pytest.raises(Refused, match="at least one label"):
        silence(match={})(line.engine, START)
    with pytest.raises(Refused, match="campain is no label"):
        silence(match={"campain": "x"})(line.engine, START)
