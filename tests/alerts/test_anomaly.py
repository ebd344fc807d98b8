"""The anomaly condition on hours that are spelled out: what fires, what was expected, what it costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from alerts import conditions
from alerts.conditions.contract import Scope
from alerts.judge import judge
from alerts.observation import Labels, Result
from alerts.scene import Memory, Scene
from connectors.contract import Window
from connectors.rows import SegmentDelivery
from connectors.web_rows import Web
from tests.alerts.conftest import EVERY, NOW, settled
from tests.alerts.test_conditions import find, one
from tests.alerts.timeline import rule

ACCOUNT = Labels("google_ads", "a")


def months(world, *names):
    for name in names:
        world.campaign_of(name, days=30)


def test_a_runaway_is_told_against_the_usual_hours(world):
    """10 an hour for a month; in the last two hours one of two campaigns spends 40."""
    months(world, "fast", "calm")
    world.last("fast", 2, clicks=80, cost=40)
    scene = world.scene()
    found = find(scene, kind="anomaly", of="spend")
    assert found.keys() == {one("fast"), ACCOUNT}
    fast = found[one("fast")]
    # The ratio has a floor of a tenth of the usual hour on both sides: (80 + 1) / (20 + 1).
    usual = 80 / (81 / 21)
    assert (fast.result, fast.seen, fast.at) == (Result.TRUE, 80, NOW)
    assert fast.expected.mid == pytest.approx(usual, rel=1e-3)
    assert fast.at_risk == pytest.approx((80 - usual) / 2, rel=1e-3)
    assert fast.said == "Spend 3.9× usual, 2 h"
    assert 1 - fast.sure < 1e-4
    # Chance in 20 expected clicks an hour is as large as the market's drift, at least 8 %: 8 % * sqrt(1.5).
    assert fast.expected.high / fast.expected.mid == pytest.approx(
        2.71828 ** (1.28155 * 0.08 * 1.5**0.5), rel=1e-3
    )
    # The account's excess is that campaign's own: the money is counted once.
    assert found[ACCOUNT].at_risk == pytest.approx(0, abs=0.5)
    # A scope of campaigns leaves the account out; a floor what costs less than it an hour.
    assert find(scene, scope=Scope(campaign="F*"), kind="anomaly", of="spend").keys() == {one("fast")}
    assert find(scene, scope=Scope(campaign="c*"), kind="anomaly", of="spend") == {}
    assert find(scene, kind="anomaly", of="spend", floor=29.5).keys() == {one("fast")}
    assert find(scene, kind="anomaly", of="spend", floor=31) == {}


def test_of_what_is_still_to_be_learned_nothing_is_said_be_it_good_or_bad(world):
    """So that what fires goes on firing until the account is judged again."""
    months(world, "fast", "calm")
    world.last("fast", 2, clicks=80, cost=40)
    world.scene()
    spend = conditions.read({"kind": "anomaly", "of": "spend"})
    made = rule("spend").model_copy(update={"condition": spend})
    memory = Memory(most=0)

    def judged():
        scene = Scene(
            world.warehouse,
            NOW,
            every=EVERY,
            started=NOW - timedelta(days=1),
            memory=memory,
            complete=settled,
        )
        return judge(scene, [made], {made.name: frozenset([one("fast"), one("calm")])})[made.name]

    found = judged()
    assert (found.told, found.fresh, memory.behind) == ({}, {}, True)
    memory.most = 1
    found = judged()
    assert (found.fresh, memory.behind) == ({ACCOUNT[:2]: NOW}, False)
    assert [found.told[one(name)].result for name in ("fast", "calm")] == [Result.TRUE, Result.FALSE]


def test_other_methods_see_the_same_runaway(world):
    """A decomposition of the account's series alone, and a model of all of its campaigns."""
    months(world, "fast", "calm")
    world.last("fast", 2, clicks=80, cost=40)
    scene = world.scene()
    whole = find(scene, kind="anomaly", of="spend", method="decomposition")
    assert whole.keys() == {ACCOUNT}
    assert whole[ACCOUNT].seen == 100
    assert whole[ACCOUNT].expected.mid == pytest.approx(40, rel=0.1)
    single = find(scene, kind="anomaly", of="spend", method="model")
    assert single.keys() == {one("fast"), ACCOUNT}
    assert single[one("fast")].expected.mid == pytest.approx(20, rel=0.1)


def test_a_method_is_for_spend_and_needs_its_package(monkeypatch):
    with pytest.raises(ValidationError, match="only spend is expected by model; leave method out"):
        conditions.read({"kind": "anomaly", "of": "cpc", "method": "model"})
    monkeypatch.setattr("metrics.forecasts.find_spec", lambda _name: None)
    with pytest.raises(ValidationError, match="method model needs sklearn: install paceline"):
        conditions.read({"kind": "anomaly", "of": "spend", "method": "model"})


def test_a_dearer_click(world):
    months(world, "dear", "calm")
    world.last("dear", 4, clicks=20, cost=18)
    found = find(world.scene(), kind="anomaly", of="cpc")
    assert found.keys() == {one("dear")}
    dear = found[one("dear")]
    assert (dear.seen, dear.said) == (pytest.approx(0.9), "Click price 1.8× usual, 4 h")
    assert dear.expected.mid == pytest.approx(0.5)
    # The day's (20 * 10 + 4 * 18) / 24 an hour, of which four ninths are the dearer price.
    assert dear.at_risk == pytest.approx(272 / 24 * 4 / 9)


def test_clicks_without_conversions(world):
    world.campaign_of("page", days=30, clicks=100, conversions=5)
    world.campaign_of("other", days=30, clicks=100, conversions=5)
    world.last("page", 24, clicks=100, conversions=0)
    found = find(world.scene(), kind="anomaly", of="conversions")
    assert one("other") not in found
    page = found[one("page")]
    assert (page.seen, page.said) == (0, "No conversions for 24 h")
    assert 24 * 5 * 0.4 < page.expected.mid < 24 * 5  # so many of 120 are known by then
    assert page.at_risk == pytest.approx(10)


def test_a_calm_month_says_nothing_but_what_is_asked(world):
    months(world, "calm")
    world.campaign_of("new", days=5)
    scene = world.scene()
    for of in ("conversions", "spend", "cpc", "drift", "mix"):
        assert find(scene, kind="anomaly", of=of) == {}
    watched = [one("calm"), one("new"), one("gone"), ACCOUNT]
    told = find(scene, watched, kind="anomaly", of="spend")
    assert {k.campaign: o.result for k, o in told.items()} == {
        "calm": Result.FALSE,
        "new": Result.NODATA,  # five days do not say what is usual
        "": Result.FALSE,
    }


def sessions(world, shares, last):
    """Fifty days of a hundred sessions an hour from the same places; the last day from others."""
    world.account("ga4", "shop", currency="")
    rows = []
    for back in range(50 * 24):
        at = NOW - timedelta(hours=back + 1)
        for channel, count in (last if back < 24 else shares).items():
            rows.append(Web(channel, "/", "session_start", at, at.date(), count, count, count, count, 0))
    world.reply("ga4", "shop", rows, seen_at=NOW, window=Window(NOW - timedelta(days=50), NOW))


def test_a_fifth_of_the_sessions_comes_from_elsewhere(world):
    months(world, "calm")
    usual = {"Paid Search": 50, "Organic": 30, "Direct": 15, "Social": 5}
    sessions(world, usual, {"Paid Search": 30, "Organic": 30, "Direct": 15, "Social": 25})
    (told,) = find(world.scene(), kind="anomaly", of="mix").values()
    assert told.labels == Labels("ga4", "shop", "", "channel")
    assert (told.seen, told.said, told.at) == (0.25, "Traffic mix: Social +20 points", NOW)
    assert told.expected.mid == pytest.approx(0.05)
    assert told.at_risk == 0  # a site spends nothing


def test_clicks_move_to_another_device(world):
    """By the day: yesterday is judged, today is not over."""
    months(world, "calm")
    day = date(2026, 11, 10)
    rows = [
        SegmentDelivery("calm", device, "search", day - timedelta(days=back), 0, clicks, 0, 0.0, 0)
        for back in range(48)
        for device, clicks in (("mobile", 150 if back == 1 else 300), ("desktop", 350 if back == 1 else 200))
    ]
    window = Window(datetime(2026, 9, 1, tzinfo=UTC), NOW)
    world.reply("google_ads", "a", rows, seen_at=NOW, window=window)
    found = find(world.scene(), kind="anomaly", of="mix")
    told = found[Labels("google_ads", "a", "", "device")]
    assert found.keys() == {told.labels}  # all of it comes by one network: nothing can shift
    assert (told.seen, told.expected.mid) == (0.7, pytest.approx(0.4))
    assert told.said == "Traffic mix: desktop +30 points"
    assert told.at == datetime(2026, 11, 9, 23, tzinfo=UTC)
    assert told.at_risk == pytest.approx(0.3 * 10)
