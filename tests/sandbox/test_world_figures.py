"""The figures are such as real accounts have: rates, rhythm, lag, budgets, splits."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.sandbox.world_kit import DAY, HOUR, NOW, accounts, by_cell, make

WORLD = make(days=60)
ACCOUNTS = accounts(WORLD)
END = NOW - 14 * DAY
MONTH = {"start": END - 28 * DAY, "end": END}

CTR = {
    "search": (0.02, 0.2),
    "performance_max": (0.008, 0.03),
    "shopping": (0.006, 0.025),
    "prospecting": (0.005, 0.025),
    "retargeting": (0.004, 0.035),
}
CVR = {
    "search": (0.008, 0.12),
    "performance_max": (0.01, 0.06),
    "shopping": (0.01, 0.05),
    "prospecting": (0.003, 0.04),
    "retargeting": (0.015, 0.12),
}


def in_euros(account):
    return {"EUR": 1, "USD": 1.1, "GBP": 0.86, "JPY": 165}[account.currency]


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda a: f"{a.platform}-{a.currency}")
def test_rates_are_those_of_their_kind(account):
    cells = by_cell(WORLD.traffic(account.id, **MONTH, as_of=None), "campaign")
    found = WORLD.conversions(account.id, **MONTH, as_of=None)
    primary = [a.id for a in WORLD.conversion_actions(account.id) if a.primary]
    for campaign in WORLD.campaigns(account.id, at=END):
        impressions, clicks, cost = cells[campaign.id,]
        low, high = CTR[campaign.kind]
        assert low < clicks / impressions < high
        assert 0.2 < cost / clicks / 1e6 / in_euros(account) < 5
        mine = (found.campaign == campaign.id) & np.isin(found.action, primary)
        low, high = CVR[campaign.kind]
        assert low < found.quantity[mine].sum() / clicks < high


def test_money_is_whole_minor_units():
    for account in ACCOUNTS:
        unit = 1_000_000 if account.currency == "JPY" else 10_000
        traffic = WORLD.traffic(account.id, **MONTH, as_of=NOW, by_ad=True, by_device=True)
        assert (traffic.cost_micros % unit == 0).all()
        assert (WORLD.conversions(account.id, **MONTH, as_of=None).value_micros % unit == 0).all()
        assert all(b.amount_micros % unit == 0 for b in WORLD.budgets(account.id, at=NOW))


def test_google_pays_for_clicks_and_meta_for_impressions():
    for account in ACCOUNTS:
        traffic = WORLD.traffic(account.id, **MONTH, as_of=None, by_ad=True)
        unclicked = traffic.cost_micros[traffic.clicks == 0]
        assert (unclicked.sum() == 0) == (account.platform == "google_ads")


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda a: f"{a.platform}-{a.currency}")
def test_the_week_has_its_rhythm_on_the_accounts_own_clock(account):
    traffic = WORLD.traffic(account.id, **MONTH, as_of=None)
    by_hour = np.zeros(24)
    by_day = np.zeros(7)
    for hour, clicks in zip(traffic.hour.tolist(), traffic.clicks.tolist(), strict=True):
        local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(account.timezone)
        by_hour[local.hour] += clicks
        by_day[local.weekday()] += clicks
    assert by_hour.argmin() in (1, 2, 3, 4, 5)
    assert by_hour.argmax() in range(9, 22)
    assert by_hour.max() > 3 * by_hour.min()
    business = account.name.startswith(("Larkfield", "Brightwater"))
    assert (by_day[5:].mean() < 0.9 * by_day[:5].mean()) == business


def test_counts_are_overdispersed():
    """Over equal hours of the week the variance exceeds the mean, as it does where means wander."""
    account = ACCOUNTS[0]
    campaign = WORLD.campaigns(account.id, at=END)[2]
    cells = by_cell(WORLD.traffic(account.id, **MONTH, as_of=None), "campaign", "hour")
    noon = [cells.get((campaign.id, int(END.timestamp()) // 3600 - 168 * w - d * 24), (0, 0, 0))[0] for w in range(4) for d in (1, 2)]  # fmt: skip
    assert np.var(noon) > 3 * np.mean(noon)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda a: f"{a.platform}-{a.currency}")
def test_conversions_arrive_late(account):
    """Hours seen at six hours of age have clearly less than in the end, and nearly all after three weeks."""
    seen = {6: 0.0, 24: 0.0, 24 * 21: 0.0}
    final = 0.0
    for n in range(40):
        start = END - n * 11 * HOUR
        hour = {"start": start, "end": start + HOUR}
        final += WORLD.conversions(account.id, **hour, as_of=None).quantity.sum()
        for age in seen:
            at = start + timedelta(hours=age)
            seen[age] += WORLD.conversions(account.id, **hour, as_of=at).quantity.sum()
    assert 0.15 * final < seen[6] < 0.9 * final
    assert seen[6] < seen[24] < seen[24 * 21]
    assert seen[24 * 21] == pytest.approx(final, rel=0.05)


def test_some_conversions_are_taken_back():
    account = ACCOUNTS[0].id
    early = WORLD.conversions(account, **MONTH, as_of=END + DAY)
    final = WORLD.conversions(account, **MONTH, as_of=None)
    gone = {(a, b, c) for a, b, c in zip(early.ad.tolist(), early.hour.tolist(), early.value_micros.tolist(), strict=True)} - {
        (a, b, c) for a, b, c in zip(final.ad.tolist(), final.hour.tolist(), final.value_micros.tolist(), strict=True)
    }  # fmt: skip
    assert 0.001 * len(early.ad) < len(gone) < 0.05 * len(early.ad)


def test_google_credits_fractions_and_meta_whole_events():
    found = {}
    for account in ACCOUNTS:
        quantity = WORLD.conversions(account.id, **MONTH, as_of=None).quantity
        assert (np.round(quantity * 1e6) / 1e6 == quantity).all()
        found.setdefault(account.platform, set()).update(quantity.tolist())
    assert found["meta"] == {1.0}
    assert found["google_ads"] > {1.0, 0.5, 0.333333}


def test_every_conversion_has_a_click_of_its_own_leaf():
    for account in ACCOUNTS:
        span = {"start": END - 5 * DAY, "end": END}
        keys = ("campaign", "ad_group", "ad", "hour", "device", "network")
        cells = by_cell(
            WORLD.traffic(account.id, **span, as_of=None, by_ad=True, by_device=True, by_network=True), *keys
        )
        found = WORLD.conversions(account.id, **span, as_of=None)
        columns = (found.campaign, found.ad_group, found.ad, found.click_hour, found.device, found.network)
        for key in zip(*(c.tolist() for c in columns), strict=True):
            assert cells[key][1] > 0


def test_delays_and_hours_agree():
    for account in ACCOUNTS:
        found = WORLD.conversions(account.id, **MONTH, as_of=None)
        apart = found.hour - found.click_hour
        assert ((apart - found.delay_hours == 0) | (apart - found.delay_hours == 1)).all()
        lookback = {a.id: a.click_lookback_days for a in WORLD.conversion_actions(account.id)}
        for action, days in lookback.items():
            assert found.delay_hours[found.action == action].max(initial=0) < days * 24
        assert (account.platform == "meta") == bool(found.view.any())


def test_both_families_hold_the_same_events():
    account = ACCOUNTS[2].id
    clicks = WORLD.conversions(account, start=END - 40 * DAY, end=NOW + 40 * DAY, as_of=None)
    own = WORLD.conversions(account, start=END - 5 * DAY, end=END, as_of=None, by="conversion")
    first, last = (int(t.timestamp() // 3600) for t in (END - 5 * DAY, END))
    # END is not on the hour: its own clock hour began before it, so it still belongs to the window.
    expected = ((clicks.hour > first) & (clicks.hour <= last)).sum()
    assert len(own.hour) == expected > 0


def test_desktop_converts_better_than_mobile():
    for account in ACCOUNTS:
        clicks, sales = np.zeros(3), np.zeros(3)
        traffic = WORLD.traffic(account.id, **MONTH, as_of=None, by_device=True)
        np.add.at(clicks, traffic.device, traffic.clicks)
        found = WORLD.conversions(account.id, **MONTH, as_of=None)
        np.add.at(sales, found.device, found.quantity)
        assert sales[1] / clicks[1] > 1.3 * sales[0] / clicks[0]
        assert min(clicks[0], clicks[1]) > clicks[2] > 0


def test_performance_max_has_neither_ad_groups_nor_ads():
    account = ACCOUNTS[0].id
    campaign = next(c for c in WORLD.campaigns(account, at=END) if c.kind == "performance_max")
    assert campaign.id not in {g.campaign for g in WORLD.ad_groups(account, at=END)}
    traffic = WORLD.traffic(account, **MONTH, as_of=None, by_ad=True)
    mine = traffic.campaign == campaign.id
    assert mine.any()
    assert (traffic.ad[mine] == 0).all()
    assert (traffic.ad[~mine] > 0).all()


def test_only_ads_that_serve_have_impressions():
    for account in ACCOUNTS:
        traffic = WORLD.traffic(account.id, **MONTH, as_of=None, by_ad=True)
        ads = {a.id: a for a in WORLD.ads(account.id, at=END)}
        shown = set(traffic.ad.tolist()) - {0}
        serving = {
            a.id
            for a in ads.values()
            if a.status == "ENABLED" and a.review in ("APPROVED", "APPROVED_LIMITED")
        }
        assert shown == serving
    reviews = {a.review for account in ACCOUNTS for a in WORLD.ads(account.id, at=END)}
    assert reviews >= {"APPROVED", "APPROVED_LIMITED", "DISAPPROVED"}


def test_auctions_agree_with_traffic():
    for account in ACCOUNTS:
        last = END.astimezone(account.timezone).date()
        found = WORLD.auctions(account.id, first=last - 6 * DAY, last=last, as_of=None)
        start = datetime.combine(last - 6 * DAY, datetime.min.time(), account.timezone).astimezone(UTC)
        end = datetime.combine(last + DAY, datetime.min.time(), account.timezone).astimezone(UTC)
        traffic = WORLD.traffic(account.id, start=start, end=end, as_of=None)
        assert found.impressions.sum() == traffic.impressions.sum()
        share = found.impressions / found.eligible
        assert ((share > 0) & (share < 1)).all()
        np.testing.assert_allclose(share + found.lost_to_budget + found.lost_to_rank, 1, atol=0.01)
        assert ((found.reach > 0) & (found.reach < found.impressions)).all()
        day_end = datetime.combine(last + DAY, datetime.min.time(), account.timezone).astimezone(UTC)
        early = WORLD.auctions(account.id, first=last, last=last, as_of=day_end + 2 * HOUR)
        assert (len(early.day) == 0) == (account.platform == "google_ads")


def test_an_experiment_has_a_true_winner():
    account = ACCOUNTS[0]
    (experiment,) = WORLD.experiments(account.id, at=END)
    control, treatment = experiment.arms
    assert [control[2], treatment[2]] == [True, False]
    assert control[3] + treatment[3] == 1
    clicks, sales = {}, {}
    for arm in experiment.arms:
        (campaign,) = arm[4]
        traffic = WORLD.traffic(account.id, **MONTH, as_of=None)
        clicks[arm[1]] = traffic.clicks[traffic.campaign == campaign].sum()
        found = WORLD.conversions(account.id, **MONTH, as_of=None)
        sales[arm[1]] = found.quantity[found.campaign == campaign].sum()
    lift = sales["Treatment"] / clicks["Treatment"] / (sales["Control"] / clicks["Control"])
    assert 1.0 < lift < 1.3
    assert WORLD.experiments(ACCOUNTS[1].id, at=END)
    assert not WORLD.experiments(ACCOUNTS[2].id, at=END)
