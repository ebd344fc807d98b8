"""What a pass keeps for the next one: it decides by the same figures as one that reads everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from alerts.conditions.contract import Scope
from alerts.judge import judge
from alerts.routes import Routing
from alerts.scene import Memory, Scene
from connectors.contract import Window
from metrics import hourly
from metrics.compute import evaluate
from metrics.model import load
from service import rules
from tests.alerts.conftest import EVERY, NOW, settled
from tests.metrics.conftest import total

HOUR = timedelta(hours=1)
LATER = NOW + HOUR
EVEN = [10.0] * 192


def at(world, now, memory):
    return Scene(
        world.warehouse, now, every=EVERY, started=NOW - timedelta(days=1), memory=memory, complete=settled
    )


def poll(world, now, rows=None):
    """All that was set, as one reply that is seen at `now`."""
    window = Window(NOW - timedelta(days=40), now)
    world.reply("google_ads", "a", world.rows if rows is None else rows, seen_at=now, window=window)


@pytest.mark.parametrize("back", [1, 49, 60, 192])
def test_an_hour_that_is_restated_is_read_again_however_old_it_is(world, back):
    world.campaign_of("a")
    poll(world, NOW)
    memory = Memory()
    assert at(world, NOW, memory).spend[0].tolist() == EVEN
    world.set("a", back, clicks=31, cost=99, conversions=1)
    poll(world, NOW + HOUR / 4)
    scene = at(world, NOW + HOUR / 3, memory)
    expected = EVEN.copy()
    expected[back - 1] = 99
    assert scene.spend[0].tolist() == expected
    assert scene.clicks[0].sum() == 191 * 20 + 31


def test_what_was_read_moves_on_with_the_watermark(world):
    world.campaign_of("a")
    world.set("a", 100, clicks=20, cost=7, conversions=1)
    poll(world, NOW)
    memory = Memory()
    assert at(world, NOW, memory).spend[0].tolist().index(7) == 99
    world.set("a", 0, clicks=20, cost=30, conversions=1)  # the hour that begins at NOW
    poll(world, LATER)
    expected = EVEN.copy()
    expected[0], expected[100] = 30, 7
    assert at(world, LATER, memory).spend[0].tolist() == expected
    # Nothing more came for two days: they are empty, not those of before.
    poll(world, LATER + timedelta(days=2))
    moved = at(world, LATER + timedelta(days=2), memory).spend[0].tolist()
    assert moved == [0.0] * 48 + expected[:144]


def test_an_account_that_lags_behind_keeps_its_own_hours(world):
    world.campaign_of("a")
    poll(world, NOW)
    world.account("google_ads", "b")
    mine = [replace(row, campaign="b", cost=row.cost * 2) for row in world.rows]
    window = Window(NOW - timedelta(days=40), NOW - 5 * HOUR)
    past = [row for row in mine if row.hour < NOW - 5 * HOUR]
    world.reply("google_ads", "b", past, seen_at=NOW, window=window)
    memory = Memory()
    assert at(world, NOW, memory).spend.tolist() == [EVEN, [20.0] * 192]
    world.set("a", 0, clicks=20, cost=30, conversions=1)
    poll(world, LATER)
    assert at(world, LATER, memory).spend.tolist() == [[30.0, *EVEN[1:]], [20.0] * 192]


def test_a_reply_that_was_under_way_during_a_pass_is_not_missed(world):
    world.campaign_of("a")
    poll(world, NOW)
    memory = Memory()
    at(world, LATER, memory).spend  # noqa: B018  # read while a fetch that began before it is not stored yet
    world.set("a", 120, clicks=20, cost=50, conversions=1)
    poll(world, LATER - timedelta(minutes=29))
    assert at(world, LATER, memory).spend[0, 119] == 50


def test_a_campaign_that_is_new_has_its_past(world):
    world.campaign_of("b")
    poll(world, NOW)
    memory = Memory()
    assert len(at(world, NOW, memory).spend) == 1
    world.campaign_of("a", cost=20.0)
    poll(world, NOW)
    assert at(world, NOW, memory).spend[:, 100].tolist() == [20, 10]


def test_what_a_rule_means_is_asked_again_once_a_campaign_has_another_name(world):
    world.campaign_of("a")
    world.scene()
    memory, scope = Memory(), Scope(campaign="A*")
    assert at(world, NOW, memory).selected(scope).tolist() == [True]
    world.reply("google_ads", "a", [replace(world.named[0], name="Brand")], seen_at=LATER)
    scope_by_id = Scope(campaign="a")
    later = at(world, LATER, memory)
    assert (later.selected(scope).tolist(), later.selected(scope_by_id).tolist()) == ([False], [True])


def by_question(world, scene, name, hours, skip):
    """The same by a question of its own."""
    until = {key: at - skip * HOUR for key, at in scene.until.items()}
    asked = {key: Window(at - hours * HOUR, at) for key, at in until.items()}
    table = evaluate(world.warehouse, [load()[name]], asked, ("source", "account", "campaign"))
    assert table["campaign"].to_pylist() == [one.campaign for one in scene.campaigns.labels]
    return table[name].to_numpy()


def test_all_rules_ask_for_their_sums_by_one_question(world, tmp_path, monkeypatch):
    world.campaign_of("a")
    world.scene()
    asked = []
    whole = hourly.Sums._read
    monkeypatch.setattr("alerts.scene.answer", None)
    monkeypatch.setattr(hourly.Sums, "_read", lambda *args: asked.append(1) or whole(*args))
    shipped = rules.load(tmp_path, Routing(), load())
    scene = at(world, NOW, Memory())
    judge(scene, shipped, {})
    assert len(asked) == 1
    for name, hours, skip in {one for rule in shipped for one in rule.condition.sums}:
        found, expected = scene.sums((name,), hours, skip)[name], by_question(world, scene, name, hours, skip)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


WANTED = [
    ("conversions", 24, 0),
    ("conversions", 3, 0),
    ("cpa", 72, 0),
    ("cpl", 168, 24),
    ("spend", 168, 0),
]


@pytest.mark.parametrize("source", ["google_ads", "meta_ads"])
def test_sums_that_are_kept_are_those_of_a_question_whatever_was_restated(world, source):
    """Of one source conversions come by the hour; the other's are of the day, spread over its hours."""
    world.account(source, "a")
    world.campaign_of("a")
    by_hour = source == "google_ads"

    def told(now, conversions):
        window = Window(NOW - timedelta(days=40), now)
        rows = [
            row if by_hour else replace(row, conversions=None, conversion_value=None) for row in world.rows
        ]
        world.reply(source, "a", rows, seen_at=now, window=window)
        if not by_hour:
            days = sorted({row.day for row in rows})
            totals = [total("a", str(day), conversions=conversions, category="lead") for day in days]
            world.reply(source, "a", totals, seen_at=now, window=window)

    memory = Memory()
    seen = []
    for step, (back, clicks, conversions) in enumerate([(1, 20, 6), (5, 41, 6), (75, 60, 6), (3, 90, 8)]):
        now = NOW + step * HOUR
        if step:
            world.set("a", 1 - step, clicks=20, cost=10, conversions=1)  # the hour that has come
        world.set("a", back, clicks=clicks, cost=3.0 * clicks, conversions=2)
        told(now, conversions)
        scene = at(world, now, memory)
        for one in WANTED:
            found = scene.sums((one[0],), *one[1:])[one[0]]
            np.testing.assert_allclose(found, by_question(world, scene, *one), rtol=1e-12)
            seen.append(found[0])
    assert len(set(seen)) > 12  # they did change


def test_a_metric_that_cannot_be_told_silences_no_other_rule(world):
    world.campaign_of("a")
    world.scene()
    metrics = load()
    metrics["broken"] = replace(metrics["cpa"], name="broken", sql="sum(clicks) / CAST('none' AS BIGINT)")
    scene = Scene(world.warehouse, NOW, every=EVERY, started=NOW, metrics=metrics, complete=settled)
    scene.foresee([("broken", 24, 0), ("spend", 24, 0)])
    assert scene.sums(("spend",), 24)["spend"].tolist() == [240]
    with pytest.raises(ValueError, match="none"):
        scene.sums(("broken",), 24)
