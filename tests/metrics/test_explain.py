"""Why a number moved, against pandas and by hand."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from connectors.contract import Window
from connectors.rows import Ad
from metrics import expression, windows
from metrics.compare import Comparison, compare
from metrics.compute import evaluate
from metrics.explain import explain
from metrics.money import MixedCurrencies
from tests.metrics import reference
from tests.metrics.conftest import hour, midnight, named

DAY = midnight(date(2026, 11, 3))
NOW = Window(DAY, DAY + timedelta(days=1))
BEFORE = Window(DAY - timedelta(days=1), DAY)
EURO = {"account": ["g1", "m1"]}


@pytest.fixture
def figures(store):
    """The fortnight of the reference; its rows as pandas sees them."""
    return reference.placed(*reference.fill(store))


def sums(frame: pd.DataFrame, window: Window, by=("source", "account", "campaign")) -> pd.DataFrame:
    inside = frame[
        (frame.hour >= window.start) & (frame.hour < window.end) & frame.account.isin(EURO["account"])
    ]
    return inside.groupby(list(by))[reference.MEASURES].sum()


def lmdi(old: pd.Series, new: pd.Series, value: str) -> dict[str, float]:
    """The effects straight from Ang's formula, factor by factor."""
    factors = {
        "CPM": lambda s: s.cost / s.impressions,
        "click-through rate": lambda s: s.clicks / s.impressions,
        "conversion rate": lambda s: s.conversions / s.clicks,
        "value per conversion": lambda s: s.value / s.conversions,
        "lead rate": lambda s: s.leads / s.clicks,
        "impressions": lambda s: s.impressions,
    }
    powers = {
        "spend": {"impressions": 1, "CPM": 1},
        "clicks": {"impressions": 1, "click-through rate": 1},
        "conversions": {"impressions": 1, "click-through rate": 1, "conversion rate": 1},
        "revenue": {
            "impressions": 1,
            "click-through rate": 1,
            "conversion rate": 1,
            "value per conversion": 1,
        },
        "cpc": {"CPM": 1, "click-through rate": -1},
        "cpm": {"CPM": 1},
        "cpa": {"CPM": 1, "click-through rate": -1, "conversion rate": -1},
        "cpl": {"CPM": 1, "click-through rate": -1, "lead rate": -1},
        "roas": {"CPM": -1, "click-through rate": 1, "conversion rate": 1, "value per conversion": 1},
        "conversion_rate": {"conversion rate": 1},
        "ctr": {"click-through rate": 1},
    }[value]
    v0, v1 = reference.FORMULAS[value](old), reference.FORMULAS[value](new)
    mean = (v1 - v0) / np.log(v1 / v0)
    return {name: mean * p * np.log(factors[name](new) / factors[name](old)) for name, p in powers.items()}


NUMERATOR = {"cpa": "cost", "cpl": "cost", "cpc": "cost", "roas": "value", "conversion_rate": "conversions"}
DENOMINATOR = {
    "cpa": "conversions",
    "cpl": "leads",
    "cpc": "clicks",
    "roas": "cost",
    "conversion_rate": "clicks",
}


@pytest.mark.parametrize(
    "name",
    [
        *("spend", "clicks", "conversions", "revenue", "cpc", "cpm", "cpa", "cpl", "roas"),
        *("conversion_rate", "ctr"),
    ],
)
def test_every_metric_against_pandas(store, book, figures, name):
    found = explain(store.warehouse, book[name], NOW, BEFORE, where=EURO)

    old, new = sums(figures, BEFORE), sums(figures, NOW)
    v0, v1 = (reference.FORMULAS[name](s.sum()) for s in (old, new))
    assert (found.before, found.now) == (pytest.approx(v0), pytest.approx(v1))
    assert found.now == pytest.approx(
        evaluate(store.warehouse, [book[name]], NOW, where=EURO)[name].to_pylist()[0], rel=1e-12
    )
    wanted = lmdi(old.sum(), new.sum(), name)
    assert {e.name: e.amount for e in found.effects} == pytest.approx(wanted)
    assert [abs(e.amount) for e in found.effects] == sorted(
        (abs(e.amount) for e in found.effects), reverse=True
    )
    # to the millionth of a cent
    assert sum(e.amount for e in found.effects) == pytest.approx(found.delta, abs=1e-8)
    assert sum(m.amount for m in found.movers) == pytest.approx(found.delta, abs=1e-8)
    assert sum(e.share for e in found.effects) == pytest.approx(1)
    for mover in found.movers:
        assert mover.mix + mover.rate == pytest.approx(mover.amount)


@pytest.mark.parametrize("name", sorted(NUMERATOR))
def test_movers_against_pandas(store, book, figures, name):
    found = explain(store.warehouse, book[name], NOW, BEFORE, where=EURO)

    old, new = sums(figures, BEFORE).align(sums(figures, NOW), fill_value=0)
    n, d = NUMERATOR[name], DENOMINATOR[name]
    v0, v1 = old[n] / old[d].sum(), new[n] / new[d].sum()
    w0, w1 = old[d] / old[d].sum(), new[d] / new[d].sum()
    wanted = (v1 - v0) - (v0.sum() + v1.sum()) / 2 * (w1 - w0)
    assert {m.key: m.amount for m in found.movers} == pytest.approx(wanted.to_dict(), abs=1e-9)
    assert found.mix + found.rate == pytest.approx(found.delta)
    rates = {m.key: (m.before, m.now) for m in found.movers}
    for key, row in new.iterrows():
        if row[d] > 0:
            assert rates[key][1] == pytest.approx(row[n] / row[d])


@pytest.mark.parametrize("by", ["source", "account", "campaign", "channel", "hour_of_day"])
def test_every_dimension_adds_up(store, book, figures, by):
    found = explain(store.warehouse, book["cpa"], NOW, BEFORE, where=EURO, by=by)

    assert found.movers
    assert sum(m.amount for m in found.movers) == pytest.approx(found.delta, abs=1e-8)
    assert found.mix + found.rate == pytest.approx(found.delta, abs=1e-8)


def test_accounts_are_the_sum_of_their_campaigns(store, book, figures):
    fine = explain(store.warehouse, book["roas"], NOW, BEFORE, where=EURO)
    coarse = explain(store.warehouse, book["roas"], NOW, BEFORE, where=EURO, by="account")

    added: dict[tuple, float] = {}
    for mover in fine.movers:
        added[mover.key[:2]] = added.get(mover.key[:2], 0.0) + mover.amount
    assert {m.key: m.amount for m in coarse.movers} == pytest.approx(added)


@pytest.mark.parametrize("against", [Comparison.YESTERDAY, Comparison.LAST_WEEK, Comparison.WEEK_AVERAGE])
def test_a_comparison_is_explained_as_it_is_shown(store, book, figures, against):
    window = Window(DAY, DAY + timedelta(hours=10))
    found = explain(store.warehouse, book["cpa"], window, against, where=EURO)
    shown = compare(store.warehouse, [book["cpa"]], window, against, where=EURO)

    assert found.now == pytest.approx(shown.table["cpa"].to_pylist()[0])
    assert found.before == pytest.approx(shown.table["cpa__before"].to_pylist()[0])
    assert (found.label, found.periods) == (shown.label, shown.periods)
    assert sum(m.amount for m in found.movers) == pytest.approx(found.delta, abs=1e-8)
    spend = explain(store.warehouse, book["spend"], window, against, where=EURO)
    beside = compare(store.warehouse, [book["spend"]], window, against, where=EURO)
    assert spend.before == pytest.approx(beside.table["spend__before"].to_pylist()[0])


def test_windows_of_each_account(store, book, figures):
    known = windows.accounts(store.warehouse, EURO)
    now, before = (windows.days(known, date(2026, 11, d), date(2026, 11, d)) for d in (3, 2))
    found = explain(store.warehouse, book["spend"], now, before, where=EURO)
    assert found.delta == pytest.approx(sums(figures, NOW).cost.sum() - sums(figures, BEFORE).cost.sum())


# One account, two campaigns, worked out by hand.
@pytest.fixture
def pair(store):
    """Brand: 10,000 impressions, 200 clicks, 620 spent, 20 then 10 conversions. Shoes stays as it is."""
    store.account("google_ads", "g1")
    store.campaign("google_ads", "g1", named("1", "Brand Search DE"), named("2", "Shoes"), named("3", "Old"))

    def both(campaign, day, conversions, cost=620.0):
        return hour(
            campaign,
            f"2026-11-0{day}T09:00",
            impressions=10_000,
            clicks=200,
            cost=cost,
            conversions=conversions,
            value=conversions * 100,
        )

    store.reply("google_ads", "g1", [both("1", 2, 20), both("2", 2, 20), both("1", 3, 10), both("2", 3, 20)])
    return store


def test_the_sentence_by_hand(pair, book):
    found = explain(pair.warehouse, book["cpa"], NOW, BEFORE)

    # 1240 / 40 = 31 to 1240 / 30 = 41.33; conversions over clicks 10 % to 7.5 %
    assert found.sentence == (
        "Cost per acquisition rose 33 % (€31.00 → €41.33): "
        "conversion rate −25 % explains 100 %; Brand Search DE alone adds more than all of it."
    )
    assert next(e.name for e in found.effects) == "conversion rate"
    brand = found.movers[0]
    # v 15.5 -> 620/30, w 1/2 -> 1/3, middle (31 + 124/3) / 2
    assert brand.amount == pytest.approx(620 / 30 - 15.5 + (31 + 124 / 3) / 2 / 6)
    assert (brand.name, brand.before, brand.now, brand.state) == ("Brand Search DE", 31, 62, "")


def test_sentences_say_what_there_is(pair, book):
    tell = lambda name, now=NOW, before=BEFORE: explain(pair.warehouse, book[name], now, before).sentence  # noqa: E731
    assert tell("spend") == "Spend held at €1.24k."
    assert tell("conversions") == (
        "Conversions fell 25 % (40 → 30): conversion rate −25 % explains 100 %; Brand Search DE alone adds 100 %."
    )
    assert tell("conversion_rate").startswith(
        "Conversion rate fell 25 % (10 % → 7.5 %): the campaigns' own rates"
    )
    empty = Window(DAY + timedelta(days=5), DAY + timedelta(days=6))
    assert tell("cpa", empty) == "Cost per acquisition is not defined now: there is nothing to divide by."
    assert tell("cpa", NOW, empty) == "Cost per acquisition is €41.33; there is nothing to compare it with."
    assert tell("spend", NOW, empty) == (
        "Spend rose (€0.00 → €1.24k): impressions explains 100 %; Brand Search DE alone adds 50 %."
    )
    assert explain(pair.warehouse, book["cpa"], NOW, empty).movers == ()


@pytest.mark.parametrize(
    ("day", "said"),
    [
        # twice the price, half of it made up for by clicks: 31 * (2 / 1.5)
        (
            {"cost": 1240, "clicks": 300, "conversions": 30},
            (
                "rose 33 % (€31.00 → €41.33): CPM +100 % (+€24.90) "
                "outweighs click-through rate +50 % (−€14.56)."
            ),
        ),
        # a tenth of what the conversion rate took is given back by the price
        (
            {"cost": 610, "clicks": 200, "conversions": 10},
            "rose 97 % (€31.00 → €61.00): conversion rate −50 % explains all of it.",
        ),
    ],
)
def test_factors_against_each_other(store, book, day, said):
    store.account("google_ads", "g1")
    store.campaign("google_ads", "g1", named("1", "Brand Search DE"))
    store.reply(
        "google_ads",
        "g1",
        [
            hour("1", "2026-11-02T09:00", impressions=10_000, clicks=200, cost=620, conversions=20),
            hour("1", "2026-11-03T09:00", impressions=10_000, **day),
        ],
    )
    found = explain(store.warehouse, book["cpa"], NOW, BEFORE)
    assert found.sentence == f"Cost per acquisition {said}"


def test_newcomers_and_leavers_are_named(pair, book):
    pair.reply(
        "google_ads",
        "g1",
        [hour("3", "2026-11-02T10:00", impressions=5000, clicks=50, cost=100, conversions=5)],
        window=Window(BEFORE.start + timedelta(hours=10), BEFORE.start + timedelta(hours=11)),
    )
    found = {m.name: m for m in explain(pair.warehouse, book["spend"], NOW, BEFORE).movers}
    assert (found["Old"].state, found["Old"].amount, found["Old"].now) == ("gone", -100, 0)
    back = {m.name: m for m in explain(pair.warehouse, book["cpa"], BEFORE, NOW).movers}
    assert (back["Old"].state, back["Old"].before, back["Old"].now) == ("new", None, 20)
    assert back["Old"].rate == 0


def test_as_of_explains_what_was_known_then(pair, book):
    pair.reply(
        "google_ads",
        "g1",
        [hour("1", "2026-11-03T09:00", impressions=10_000, clicks=200, cost=620, conversions=20, value=2000)],
        window=Window(NOW.start + timedelta(hours=9), NOW.start + timedelta(hours=10)),
        seen_at=midnight(date(2030, 2, 1)),
    )
    pair.reply(
        "google_ads",
        "g1",
        [hour("2", "2026-11-03T10:00", conversions=0)],
        window=Window(NOW.start + timedelta(hours=10), NOW.start + timedelta(hours=11)),
    )
    assert explain(pair.warehouse, book["conversions"], NOW, BEFORE).now >= 20
    then = explain(pair.warehouse, book["conversions"], NOW, BEFORE, as_of=midnight(date(2030, 1, 15)))
    assert then.now == 30


def test_by_the_day_only_whole_days(store, book):
    store.account("google_ads", "g1")
    reference.fill_by_the_day(store)
    on = lambda d: Window(midnight(date(2026, 10, d)), midnight(date(2026, 10, d) + timedelta(days=1)))  # noqa: E731
    found = explain(store.warehouse, book["cpa"], on(31), on(30), by="device")

    # cost 2n, conversions n: 2 a conversion on both days, whatever the device
    assert (found.before, found.now, found.view) == (
        2,
        2,
        "Delivery of a campaign by device and network, by the day",
    )
    spend = explain(store.warehouse, book["spend"], on(31), on(30), by="device")
    # n over (device, network, day): mobile 1+3 -> 2+4, desktop 5+7 -> 6+8, each times 2
    assert {m.name: (m.before, m.now) for m in spend.movers} == {"mobile": (8, 12), "desktop": (24, 28)}
    ads = explain(store.warehouse, book["spend"], on(31), on(30), by="ad")
    assert {m.name for m in ads.movers} == {"Ad x", "Ad y"}
    with pytest.raises(ValueError, match="choose whole days"):
        explain(
            store.warehouse,
            book["cpa"],
            Window(on(31).start, on(31).start + timedelta(hours=3)),
            on(30),
            by="ad",
        )


def test_two_of_one_name_are_told_apart(pair, book):
    pair.campaign("google_ads", "g1", named("2", "Brand Search DE"))
    names = {m.name for m in explain(pair.warehouse, book["spend"], NOW, BEFORE).movers}
    assert names == {"Brand Search DE (1)", "Brand Search DE (2)"}


def test_what_cannot_be_explained_is_refused(store, book, figures, tmp_path):
    with pytest.raises(ValueError, match="filter by a label instead"):
        explain(store.warehouse, book["cpa"], NOW, BEFORE, where=EURO, by="label")
    with pytest.raises(MixedCurrencies):
        explain(store.warehouse, book["cpa"], NOW, BEFORE)
    with pytest.raises(ValueError, match="unknown dimension `campain`"):
        explain(store.warehouse, book["cpa"], NOW, BEFORE, where=EURO, by="campain")
    assert (
        explain(store.warehouse, book["conversion_rate"], NOW, BEFORE).now is not None
    )  # no money: no matter


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("sum(cost) / 1e6", ("cost", None, 1e-6)),
        ("sum(cost) / 1e6 / nullif(sum(impressions), 0) * 1000", ("cost", "impressions", 1e-3)),
        ("sum(conversion_value) / nullif(sum(cost), 0)", ("conversion_value", "cost", 1)),
        ("1e-6 * (sum(cost)) / nullif(cast(sum(clicks) as double), 0)", ("cost", "clicks", 1e-6)),
        ("count(*)", ("*", None, 1)),
        ("avg(cost)", ("cost", "cost", 1)),
        ("sum(cost) + sum(clicks)", None),
        ("sum(cost) * sum(clicks)", None),
        ("max(cost)", None),
        ("coalesce(sum(cost), 0)", None),
        ("1 / nullif(sum(cost), 0)", None),
    ],
)
def test_sums_and_quotients_are_told_from_the_rest(body, wanted):
    found = expression.quotient(body)
    shown = found and (found.over.inner, found.under and found.under.inner, pytest.approx(found.scale))
    assert shown == wanted


def test_ads_without_attributes_go_by_their_id(store, book):
    store.account("google_ads", "g1")
    reference.fill_by_the_day(store)
    store.reply("google_ads", "g1", [Ad("a", "ag1", "x", "Group one", "", "enabled", "")])
    on = lambda d: Window(midnight(date(2026, 10, d)), midnight(date(2026, 10, d) + timedelta(days=1)))  # noqa: E731
    names = {m.name for m in explain(store.warehouse, book["spend"], on(31), on(30), by="ad").movers}
    assert "x" in names
