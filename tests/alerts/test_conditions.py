"""Each kind of condition on hours that are spelled out: what holds, what was expected, what it costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from alerts import conditions
from alerts.conditions.contract import Scope
from alerts.observation import Labels, Result
from connectors.contract import Window
from connectors.rows import Ad
from metrics.lag import PRIOR, Curve
from tests.alerts.conftest import BERLIN, NOW, hour, target

ACCOUNT = Labels("google_ads", "a")


def one(name):
    return Labels("google_ads", "a", name)


def find(scene, watched=(), scope=None, **written):
    told = conditions.read(written).evaluate(scene, scope or Scope(), frozenset(watched))
    return {o.labels: o for o in told}


# -- cost over target


def test_cost_over_target_is_the_gamma_posteriors(world):
    world.campaign_of("good")
    world.campaign_of("bad")
    world.last("bad", 24, cost=10, conversions=0.125)  # 240 spent for 3, on a target of 20
    found = find(world.scene(targets=[target("cpa", 20)]), kind="cost_over_target", metric="cpa")
    # 3 + 2 events in 240 + 2 * 20 of money: P(rate < 1 / 40).
    by_hand = stats.gamma(5, scale=1 / 280).cdf(1 / 40)
    assert by_hand == pytest.approx(0.8270, abs=1e-4)
    assert found == {}
    found = find(world.scene(targets=[target("cpa", 20)]), kind="cost_over_target", metric="cpa", sure=0.8)
    assert found.keys() == {one("bad")}
    bad = found[one("bad")]
    assert (bad.result, bad.seen, bad.expected.mid) == (Result.TRUE, 80, 20)
    assert bad.sure == pytest.approx(by_hand)
    assert bad.at_risk == pytest.approx((240 - 3 * 20) / 24)
    assert bad.said == "CPA 4.0× target"
    assert bad.at == NOW


def test_money_without_a_single_result_is_over_any_target(world):
    world.campaign_of("bad")
    world.last("bad", 24, cost=20, conversions=0)
    (bad,) = find(world.scene(targets=[target("cpa", 20)]), kind="cost_over_target", metric="cpa").values()
    assert bad.sure == pytest.approx(stats.gamma(2, scale=1 / 520).cdf(1 / 40))
    assert bad.said == "CPA: none for €480"


def test_without_a_target_nobody_can_tell(world):
    world.campaign_of("bad", conversions=0)
    found = find(world.scene(), [one("bad")], kind="cost_over_target", metric="cpa")
    assert [o.result for o in found.values()] == [Result.NODATA]


def test_of_what_is_watched_false_is_told_too(world):
    world.campaign_of("good")
    world.campaign_of("other")
    found = find(
        world.scene(targets=[target("cpa", 20)]), [one("good")], kind="cost_over_target", metric="cpa"
    )
    assert {k.campaign: o.result for k, o in found.items()} == {"good": Result.FALSE}


def test_a_scope_leaves_the_others_out(world):
    for name in ("brand", "generic"):
        world.campaign_of(name)
        world.last(name, 24, cost=20, conversions=0)
    scene = world.scene(targets=[target("cpa", 20)])
    scope = Scope(campaign="Bran*")
    assert {k.campaign for k in find(scene, scope=scope, kind="cost_over_target", metric="cpa")} == {"brand"}
    # One that left the scope is no longer known to the rule.
    assert find(scene, [one("generic")], Scope(campaign="x"), kind="cost_over_target", metric="cpa") == {}


# -- conversion rate


def test_a_conversion_rate_is_tested_against_its_own_week(world):
    world.campaign_of("page", clicks=40, conversions=2)
    world.campaign_of("few", clicks=1, conversions=0.05)
    world.last("page", 24, clicks=40, conversions=0.25)
    world.last("few", 24, clicks=1, conversions=0)
    found = find(world.scene(), kind="conversion_rate")
    assert found.keys() == {one("page")}
    page = found[one("page")]
    # 48 expected at the week's rate of 5 %, 6 seen; Var = E + 0.02 E².
    assert page.seen == 6
    assert page.expected.mid == pytest.approx(48, rel=0.01)
    size = 50
    chance = stats.nbinom(size, size / (size + page.expected.mid)).cdf(6)
    assert 1 - page.sure == pytest.approx(chance, rel=1e-6)
    assert page.at_risk == pytest.approx(10 * (1 - 6 / page.expected.mid))
    assert page.said == "Conversion rate 87% down" or page.said == "Conversion rate 88% down"


def test_conversions_that_are_still_coming_in_are_no_fall(world):
    """The last hours are as incomplete as they always are: read as they stand, the rate has halved."""
    world.campaign_of("page", clicks=80, conversions=8)
    usual = Curve(PRIOR, np.zeros_like(PRIOR), 0.0)
    for back in range(1, 73):
        world.set("page", back, clicks=80, cost=10, conversions=round(8 * float(usual.at(back)), 2))
    scene = world.scene(learn=True)
    assert find(scene, kind="threshold", metric="conversion_rate", window="8h", of="week", below=0.5)
    assert find(scene, kind="conversion_rate", window="8h") == {}
    for back in range(1, 9):  # and now it falls to a tenth of that
        world.set("page", back, clicks=80, cost=10, conversions=round(0.8 * float(usual.at(back)), 2))
    assert find(world.scene(learn=True), kind="conversion_rate", window="8h").keys() == {one("page")}


# -- pace


def test_pace_needs_both_windows_the_end_of_the_day_and_money(world):
    for name in ("calm", "fast", "small", "once"):
        world.campaign_of(name, cost=0.1 if name == "small" else 10.0)
        world.budget(name, 2.4 if name == "small" else 240)
    world.last("fast", 1, cost=60)
    world.last("small", 1, cost=0.6)
    world.last("once", 1, cost=14)  # 1.4 times in this hour alone
    found = find(world.scene(), kind="pace")
    assert found.keys() == {one("fast")}
    fast = found[one("fast")]
    assert (fast.seen, fast.expected.mid) == (60, pytest.approx(10, rel=0.02))
    assert fast.at_risk == pytest.approx(50, rel=0.02)
    assert fast.said == "Spend 6.0× its pace"


def test_pace_of_six_hours_and_one(world):
    world.campaign_of("slow")
    world.budget("slow", 240)
    world.last("slow", 6, cost=16)
    assert find(world.scene(), kind="pace").keys() == {one("slow")}
    world.last("slow", 1, cost=10)  # it is over in this hour
    assert find(world.scene(), kind="pace") == {}


def test_pace_without_a_budget_cannot_be_told(world):
    world.campaign_of("free")
    found = find(world.scene(), [one("free")], kind="pace")
    assert [o.result for o in found.values()] == [Result.NODATA]


# -- the day


def test_a_day_that_ends_over_or_under_its_plan(world):
    for name in ("over", "under", "on"):
        world.campaign_of(name)
        world.budget(name, {"over": 120, "under": 480, "on": 240}[name])
    scene = world.scene()
    (over,) = find(scene, kind="budget", side="over").values()
    assert (over.labels.campaign, over.expected.mid) == ("over", 120)
    assert over.seen == pytest.approx(240, rel=0.05)
    assert over.said == "Day ends 100% over plan"
    assert over.at_risk == pytest.approx(120 / 9, rel=0.1)  # nine hours are left
    assert {k.campaign for k in find(scene, kind="budget", side="under")} == {"under"}


# -- freshness


def test_freshness_counts_polls_missed_on_the_wall_clock(world):
    world.campaign_of("c", cost=12)
    late = NOW + timedelta(minutes=15)
    assert find(world.scene(now=late - timedelta(seconds=1)), kind="freshness") == {}
    (stale,) = find(world.scene(now=late, error="Unauthorized"), kind="freshness").values()
    assert (stale.labels, stale.result, stale.seen, stale.at) == (ACCOUNT, Result.TRUE, 3, late)
    assert stale.said == "No data for 15 min: Unauthorized"
    assert stale.at_risk == 12


def test_polls_that_nobody_made_are_not_missed(world):
    world.campaign_of("c")
    late = NOW + timedelta(hours=5)
    started = late - timedelta(minutes=14)
    (unknown,) = find(world.scene(now=late, started=started), kind="freshness").values()
    assert unknown.result is Result.NODATA
    (stale,) = find(world.scene(now=late, started=late - timedelta(minutes=15)), kind="freshness").values()
    assert stale.result is Result.TRUE


def polled(world, hours, *, until=None, rows=(), **scene):
    """NOW is so many hours past; polls have answered since, and vouch for it, with nothing new."""
    late = NOW + timedelta(hours=hours)
    world.scene(**scene)
    window = Window(NOW - timedelta(days=1), until or late)
    kept = [r for r in (*world.rows, *rows) if r.hour >= window.start]
    world.reply("google_ads", "a", kept, seen_at=late - timedelta(minutes=1), window=window)
    return world.look(late)


def test_a_source_that_answers_and_stands_still_is_caught_after_three_usual_hours(world):
    world.campaign_of("c", cost=12)
    assert find(polled(world, 2), kind="freshness") == {}
    (still,) = find(polled(world, 3), kind="freshness").values()
    assert (still.labels, still.result, still.seen) == (ACCOUNT, Result.TRUE, 3)
    assert still.said == "Its source answers, and nothing new for 3 h"
    assert (still.began, still.at_risk) == (NOW, pytest.approx(12))


def test_what_the_source_does_not_vouch_for_yet_is_its_usual_lag(world):
    world.campaign_of("c", cost=12)
    # Five hours on it vouches for two of them.
    assert find(polled(world, 5, until=NOW + timedelta(hours=2)), kind="freshness") == {}
    assert find(polled(world, 6, until=NOW + timedelta(hours=3)), kind="freshness") != {}


def test_a_night_without_spend_is_no_standstill(world):
    # 14:00 UTC to 20:00 UTC is when this account never delivers.
    world.campaign_of("c", cost=12)
    for back in range(1, 240):
        if (NOW - timedelta(hours=back)).hour in range(14, 20):
            world.set("c", back, clicks=0, cost=0, conversions=0)
    assert find(polled(world, 6), kind="freshness") == {}
    assert find(polled(world, 8), kind="freshness") == {}  # two usual hours: 20:00 and 21:00
    (still,) = find(polled(world, 9), kind="freshness").values()
    assert (still.seen, still.said) == (3, "Its source answers, and nothing new for 9 h")


@pytest.mark.parametrize(
    ("status", "serving"),
    [("paused", ""), ("enabled", "not eligible, campaign ended"), ("enabled", "SUSPENDED")],
)
def test_what_does_not_deliver_by_right_is_no_standstill(world, status, serving):
    world.campaign_of("c", cost=12, status=status, serving=serving)
    assert find(polled(world, 6), kind="freshness") == {}


def closed_on_the_weekday(world):
    """Monday to Saturday, say: on this day of a week ago it was closed too."""
    world.campaign_of("c", cost=12)
    for back in range(145, 175):  # from 11:00 of a week before the sixth hour after NOW
        world.set("c", back, clicks=0, cost=0, conversions=0)


def flight_over(world):
    world.campaign_of("c", cost=12, ends=date(2026, 11, 9))  # and its source calls it active


def all_but_a_leftover_paused(world):
    world.campaign_of("c", cost=12, status="paused")
    world.campaign_of("left", days=0)
    world.set("left", 6 * 24, clicks=1, cost=1, conversions=0)


def ads_paused(world):
    """One by itself, one by its group, as Meta tells it; the campaign stays enabled."""
    world.campaign_of("c", cost=12)
    own = Ad("c", "g", "1", "", "", "paused", "")
    world.reply("google_ads", "a", [own, replace(own, ad="2", status="enabled", serving="adset_paused")])


def budget_spent(world):
    """240 by 15:00, and no conversion comes after."""
    world.campaign_of("c", cost=16, conversions=0)
    world.budget("c", 240)


def shared_budget_spent(world):
    """240 for two, of which one spends nearly all."""
    world.campaign_of("c", cost=15, conversions=0)
    world.campaign_of("d", cost=1, conversions=0)
    world.shared("both", 240, "c", "d")


def total_budget_spent(world):
    """24 hours of 12 since the midnight of yesterday, and 15 of today."""
    world.campaign_of("c", cost=12)
    world.total("c", 39 * 12, starts=date(2026, 11, 9))


@pytest.mark.parametrize(
    ("healthy", "hours"),
    [
        (closed_on_the_weekday, 6),
        (flight_over, 6),
        (all_but_a_leftover_paused, 6),
        (all_but_a_leftover_paused, 96),
        (ads_paused, 6),
        (budget_spent, 4),
        (budget_spent, 9),  # 00:00 in Berlin
        (budget_spent, 11),  # two hours of the new day
        (shared_budget_spent, 6),
        (total_budget_spent, 6),
        (total_budget_spent, 20),
    ],
)
def test_a_healthy_account_without_news_is_no_standstill(world, healthy, hours):
    healthy(world)
    assert find(polled(world, hours), kind="freshness") == {}


def test_a_new_day_has_its_budget_again(world):
    budget_spent(world)
    (still,) = find(polled(world, 12), kind="freshness").values()  # 03:00 in Berlin
    assert (still.seen, still.said) == (3, "Its source answers, and nothing new for 12 h")


def test_a_budget_that_is_left_is_missed_although_another_s_is_spent(world):
    world.campaign_of("c", cost=16)
    world.campaign_of("open", cost=12)
    world.budget("c", 240)
    world.budget("open", 480)
    (still,) = find(polled(world, 3), kind="freshness").values()
    assert (still.seen, still.at_risk) == (3, pytest.approx(28))


def test_a_campaign_with_an_ad_that_may_deliver_is_missed(world):
    ads_paused(world)
    world.reply("google_ads", "a", [Ad("c", "g", "1", "", "", "enabled", "")])
    assert find(polled(world, 6), kind="freshness") != {}


def test_a_total_budget_that_lasts_is_missed(world):
    world.campaign_of("c", cost=12)
    world.total("c", 2 * 39 * 12, starts=date(2026, 11, 9))
    assert find(polled(world, 6), kind="freshness") != {}


def test_an_account_of_which_anything_changed_lately_does_not_stand_still(world):
    world.campaign_of("c", cost=12)
    world.scene()
    world.last("c", 1, cost=12, conversions=2)  # a conversion still came
    assert find(polled(world, 4, polled=NOW + timedelta(hours=2)), kind="freshness") == {}


def test_the_standstill_ends_with_the_first_new_hour(world):
    world.campaign_of("c", cost=12)
    scene = polled(world, 5)
    assert find(scene, kind="freshness") != {}
    at = (NOW + timedelta(hours=4)).astimezone(BERLIN)
    new = hour("c", at.strftime("%Y-%m-%dT%H:00"), impressions=9, clicks=1, cost=1)
    scene = polled(world, 5, rows=[new])
    (over,) = find(scene, kind="freshness", watched=[ACCOUNT]).values()
    assert over.result is Result.FALSE


# -- the others


def test_a_campaign_that_is_kept_from_serving(world):
    world.campaign_of("ok")
    world.campaign_of("bad", serving="not eligible, ads disapproved")
    world.campaign_of("off", serving="not eligible, campaign paused", status="paused")
    scene = world.scene()
    scene.marks[("google_ads", "a", "campaigns")] = scene.marks["google_ads", "a", "campaign"]
    (bad,) = find(scene, kind="not_serving").values()
    assert (bad.labels.campaign, bad.said) == ("bad", "Not serving: not eligible, ads disapproved")
    assert bad.at_risk == 10


def test_a_new_spender_and_one_that_was_there(world):
    world.campaign_of("old")
    world.campaign_of("new", days=1)
    (new,) = find(world.scene(), kind="new_spender").values()
    assert (new.labels.campaign, new.seen, new.at_risk) == ("new", 240, 10)


def test_an_account_that_is_new_has_no_new_spenders(world):
    world.campaign_of("one", days=1)
    world.campaign_of("two", days=2)
    assert find(world.scene(), kind="new_spender") == {}


def test_spend_without_conversions_where_the_account_has_them(world):
    world.campaign_of("good", clicks=100, conversions=5)
    world.campaign_of("none", clicks=20, conversions=0)
    world.campaign_of("tiny", clicks=20, conversions=0, cost=0.5)
    (none,) = find(world.scene(), kind="spend_without_conversions").values()
    assert (none.labels.campaign, none.seen, none.at_risk) == ("none", 0, 10)


@pytest.mark.parametrize(
    ("written", "campaigns"),
    [
        ({"metric": "cpa", "of": "target", "above": 2}, {"dear"}),
        ({"metric": "conversion_rate", "of": "week", "below": 0.5}, {"dear"}),
        ({"metric": "spend", "of": "one", "above": 300}, {"rich"}),
        ({"metric": "spend", "window": "1h", "of": "budget", "above": 1.2}, {"rich"}),
        ({"metric": "spend", "of": "one", "above": 300, "floor": 1000}, set()),
    ],
)
def test_a_plain_threshold_is_read_as_it_is_worded(world, written, campaigns):
    world.campaign_of("good")
    world.campaign_of("dear")
    world.last("dear", 24, conversions=0.2)  # 50 each
    world.campaign_of("rich", cost=20, conversions=2)
    for name in ("good", "dear", "rich"):
        world.budget(name, 240)
    scene = world.scene(targets=[target("cpa", 20)])
    assert {k.campaign for k in find(scene, kind="threshold", **written)} == campaigns


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(conditions.UnknownKind, match="did you mean 'freshness'"):
        conditions.read({"kind": "freshnes"})


# -- tracking


def test_before_arrivals_are_known_clicks_tell_that_the_tag_is_gone(world):
    # Stored by one poll: nothing was seen to arrive. Four campaigns bring a conversion an hour each.
    for name in "abcd":
        world.campaign_of(name)
        world.last(name, 3, conversions=0)
    found = find(world.scene(), kind="tracking")
    outage = found[ACCOUNT]
    assert (outage.result, outage.seen) == (Result.TRUE, 0)
    assert outage.expected.mid == pytest.approx(12, rel=0.01)
    # None of twelve, with the days' own variation, in any of three windows: 3 (1 + 0.02 * 12) ** -50.
    assert 1 - outage.sure == pytest.approx(3 * (1 + 0.02 * 12) ** -50, rel=0.05)
    assert outage.at_risk == pytest.approx(40)
    assert outage.said == "No conversions arrive, 12 expected"


def test_a_young_outage_shows_in_its_own_hours(world):
    for name in "abcdef":
        world.campaign_of(name)
        world.last(name, 2, conversions=0)
    outage = find(world.scene(), kind="tracking")[ACCOUNT]
    assert (outage.seen, outage.expected.mid) == (
        0,
        pytest.approx(12, rel=0.01),
    )  # of 18 in three hours, 6 came


@pytest.mark.parametrize(("campaigns", "left"), [("abc", 0), ("abcd", 1)])
def test_too_few_to_be_sure_or_a_quarter_left_is_no_outage(world, campaigns, left):
    for name in campaigns:
        world.campaign_of(name)
        world.last(name, 3, conversions=left / 4)
    assert find(world.scene(), kind="tracking") == {}


def test_arrivals_that_stop_are_told_since_the_last_one(world):
    # At these three hours of each of the last five days a poll saw five conversions come in; today none did.
    world.campaign_of("a", conversions=0)
    scene = world.scene(polled=NOW - timedelta(days=9))

    def arrive(back, conversions, seen_at):
        at = (NOW - timedelta(hours=back)).astimezone(BERLIN).strftime("%Y-%m-%dT%H:00")
        row = hour("a", at, impressions=1000, clicks=20, cost=10, conversions=conversions)
        world.reply("google_ads", "a", [row], seen_at=seen_at)

    for back in (24 * day + part for day in (5, 4, 3, 2, 1) for part in (3, 2, 1)):
        arrive(back, 5, NOW - timedelta(hours=back - 1, minutes=20))
    last = NOW - timedelta(hours=3, minutes=10)
    arrive(5, 5, last)
    arrive(1, 0, NOW)
    outage = find(scene, kind="tracking")[ACCOUNT]
    assert (outage.result, outage.seen, outage.began) == (Result.TRUE, 0, last)
    assert outage.expected.mid == pytest.approx(15)
    assert 1 - outage.sure == pytest.approx((1 + 0.02 * 15) ** -50, rel=0.01)
