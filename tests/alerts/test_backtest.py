"""A rule over a past of which every hour is known: what it would have fired, by hand."""

import os
import tempfile
import time
from dataclasses import replace
from datetime import date, timedelta

import pytest

from alerts.backtest import backtest, edited, figures
from alerts.observation import Labels
from alerts.propose import Verdict, propose
from alerts.routes import Routing
from alerts.rules import Rule
from connectors.contract import Window
from tests.alerts.conftest import NOW, World
from warehouse.duck import DuckWarehouse
from warehouse.shadow import Shadow, scratch

RULE = {
    "id": "spend",
    "title": "Spend over 20 an hour",
    "owner": "Dana",
    "severity": "warning",
    "condition": {"kind": "threshold", "metric": "spend", "window": 1, "of": "one", "above": 20},
    "review": date(2027, 1, 1),
}
START = NOW - timedelta(days=3)
RESTATED = NOW - timedelta(hours=30)


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """Ten even days of 10 an hour, of which one campaign spent 30 an hour for five hours two days ago.

    An hour of yesterday is restated ten hours before NOW: four conversions instead of one.
    """
    with DuckWarehouse.open(tmp_path_factory.mktemp("past") / "paceline.duckdb", min_free=0) as warehouse:
        world = World(warehouse)
        world.account("google_ads", "a")
        world.campaign_of("brand")
        for back in range(48, 53):
            world.set("brand", back, clicks=20, cost=30.0, conversions=1.0)
        rows = sorted(world.rows, key=lambda r: r.hour)
        world.reply("google_ads", "a", world.named, seen_at=START)
        old = [r for r in rows if r.hour < START]
        world.reply("google_ads", "a", old, seen_at=START, window=Window(old[0].hour, START))
        # Polled hour by hour, as it happened: each reply ends at the hour that it was asked at.
        for hour in range(72):
            at = START + timedelta(hours=hour)
            span = Window(at, at + timedelta(hours=1))
            world.reply("google_ads", "a", [r for r in rows if r.hour == at], seen_at=span.end, window=span)
        span = Window(RESTATED, RESTATED + timedelta(hours=1))
        more = [replace(r, conversions=4) for r in rows if r.hour == RESTATED]
        world.reply("google_ads", "a", more, seen_at=NOW - timedelta(hours=10), window=span)
        yield world


def test_the_shadow_knows_what_was_known(past, tmp_path):
    total = "SELECT sum(cost) / 1e6 AS cost, count(*) AS hours FROM delivery"
    with Shadow.of(past.warehouse, tmp_path, since=NOW - timedelta(days=9), start=START) as shadow:
        (then,) = shadow.query(total).to_pylist()
        assert then == {"cost": 6 * 24 * 10, "hours": 6 * 24}
        shadow.advance(START + timedelta(hours=1))
        assert shadow.query(total).to_pylist() == [{"cost": 6 * 240 + 10, "hours": 6 * 24 + 1}]
        shadow.advance(NOW)
        (now,) = shadow.query(total).to_pylist()
        assert now == {"cost": 9 * 240 + 5 * 20, "hours": 9 * 24}
        assert [m.data_as_of for m in shadow.watermarks() if m.stream == "delivery"] == [NOW]
        with pytest.raises(ValueError, match="cannot go back"):
            shadow.advance(START)
    # The original is as it was.
    assert past.warehouse.query("SELECT count(*) AS n FROM delivery")["n"][0].as_py() == len(past.rows)


def test_restated_hours_are_as_they_were_until_they_were_restated(past, tmp_path):
    of = "SELECT conversions FROM delivery WHERE hour = $at"
    before, since = NOW - timedelta(hours=11), NOW - timedelta(days=9)
    with Shadow.of(past.warehouse, tmp_path, since=since, start=before) as shadow:
        assert shadow.query(of, {"at": RESTATED})["conversions"][0].as_py() == 1
        shadow.advance(NOW - timedelta(hours=10))
        assert shadow.query(of, {"at": RESTATED})["conversions"][0].as_py() == 4


def test_what_a_rule_would_have_fired_beside_an_edited_one(past):
    present = Rule.model_validate(RULE)
    edited = Rule.model_validate(RULE | {"condition": {**RULE["condition"], "above": 40}})
    held = Rule.model_validate(RULE | {"for": timedelta(hours=2)})
    done = []
    found = backtest(
        past.warehouse,
        {"present": present, "edited": edited, "held": held},
        start=START,
        end=NOW,
        routing=Routing(),
        progress=done.append,
    )
    assert (found.steps, found.asleep) == (72, 0)
    assert done[-1] == 1
    replay = found.replays["present"]
    # The hours that began 52 to 48 hours ago are known an hour later each: it fires from 51 to 47 hours ago.
    (episode,) = replay.episodes
    assert (episode.labels.campaign, episode.start) == ("brand", NOW - timedelta(hours=51))
    assert episode.end == NOW - timedelta(hours=46)
    assert (replay.reviewed.fires, replay.reviewed.hours) == (1, pytest.approx(5))
    assert replay.by_day == {date(2026, 11, 8): 1}
    assert replay.messages == 2  # its beginning and its end
    assert found.replays["edited"].reviewed.fires == 0
    # Held for two hours: from the third hour over 20 on.
    (late,) = found.replays["held"].episodes
    assert late.start == NOW - timedelta(hours=49)


def test_hours_at_which_nobody_polled_are_not_judged(past):
    found = backtest(
        past.warehouse,
        {"present": Rule.model_validate(RULE)},
        start=START,
        end=NOW + timedelta(hours=10),
        routing=Routing(),
    )
    # The last poll was at NOW: from two hours later on nobody polls any more.
    assert (found.steps, found.asleep) == (82, 9)
    assert found.polled_since == START


def test_an_edited_form_differs_in_what_was_tried():
    present = Rule.model_validate(RULE)
    assert figures(present)["above"] == 20
    tried = edited(present, {"above": 40, "window": "6h", "for": "30m"})
    assert (tried.condition.above, tried.condition.window, tried.hold) == (40, 6, timedelta(minutes=30))
    assert edited(present, {}) == present
    with pytest.raises(ValueError, match="did you mean 'window'"):
        edited(present, {"windw": 3})
    with pytest.raises(ValueError, match="greater than 0"):
        edited(present, {"above": -1})


def test_the_strictest_form_that_keeps_what_mattered_is_proposed(past):
    present = Rule.model_validate(RULE)
    span = {"start": START, "end": NOW, "routing": Routing()}
    brand = Labels("google_ads", "a", "brand")
    noise = Verdict(brand, NOW - timedelta(hours=51), NOW - timedelta(hours=46), good=False)
    found = propose(past.warehouse, present, [noise], **span)
    # It spent 30 an hour: 25 would still have fired, 30 and 40 would not, and 40 is the strictest.
    assert (found.figure, found.present, found.proposed) == ("above", 20, 40)
    assert (found.kept, found.dropped, found.bad) == (0, 1, 1)
    assert (found.unseen, found.unseen_good) == (0, 0)
    assert [replay.reviewed.fires for replay in found.replays.values()] == [1, 0]
    # Told at hours that the replay does not show: nothing is known of them, which is said.
    elsewhere = [
        replace(noise, start=NOW - timedelta(hours=9), end=NOW - timedelta(hours=8), good=good)
        for good in (True, False)
    ]
    found = propose(past.warehouse, present, [noise, *elsewhere], **span)
    assert (found.kept, found.dropped, found.bad, found.unseen, found.unseen_good) == (0, 1, 1, 2, 1)
    # The same episode was of use to somebody: no form may lose it.
    assert propose(past.warehouse, present, [noise, replace(noise, good=True)], **span) is None
    assert propose(past.warehouse, present, [replace(noise, good=True)], **span) is None


def test_a_folder_for_copies_goes_at_its_end_and_what_killed_processes_left_a_day_later(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch() as at_work:
        (at_work / "copy.duckdb").touch()
        left, others = tmp_path / f"{at_work.name}-left", tmp_path / "others"
        for folder in (left, others):
            folder.mkdir()
            (folder / "copy.duckdb").touch()
            os.utime(folder, times=(time.time() - 25 * 3600,) * 2)
        with scratch() as second:
            assert {one.name for one in tmp_path.iterdir()} == {at_work.name, second.name, others.name}
    assert list(tmp_path.iterdir()) == [others]
