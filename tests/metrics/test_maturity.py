"""From the ledger to settled figures: a warehouse that was polled, and what it says of the hours still young."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from connectors.contract import Window
from connectors.rows import DayTotal
from metrics import cohorts, maturity, windows
from metrics.compare import Comparison, compare
from metrics.compute import evaluate
from metrics.estimate import settle, usual_rate
from metrics.lag import prior
from metrics.money import MixedCurrencies
from metrics.trace import trace
from tests.metrics.conftest import BERLIN, Store, hour, midnight, total
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
"""A fortnight of hourly polls takes half a minute, more on a busy machine."""

FIRST, LAST = date(2026, 10, 20), date(2026, 11, 4)
"""The clock goes back in Berlin on 25 October."""

NOW = midnight(LAST) + timedelta(hours=12)
GOOGLE, META = ("google_ads", "g"), ("meta_ads", "m")


def days():
    return [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]


def hours_of(day):
    """Starts of the hours of a day on Berlin's clock, the repeated one once."""
    start, end = midnight(day), midnight(day + timedelta(days=1))
    local = {}
    while start < end:
        local.setdefault(start.astimezone(BERLIN).hour, start)
        start += timedelta(hours=1)
    return list(local.items())


def clicks(at):
    return 100 if at.hour % 2 else 60


@pytest.fixture(scope="module")
def polled(tmp_path_factory):
    """Two accounts polled every hour. An hour's clicks are worth a conversion in twenty: two fifths are known
    after an hour, seven tenths after six, all after thirty.
    """
    with DuckWarehouse.open(tmp_path_factory.mktemp("polled") / "w.duckdb", min_free=0) as warehouse:
        store = Store(warehouse)
        store.account(*GOOGLE)
        store.account(*META, currency="USD")
        at = midnight(FIRST) + timedelta(hours=1)
        while at <= NOW:
            poll(store, at)
            at += timedelta(hours=1)
        yield store


def poll(store, at):
    """One reply of each stream, about yesterday and today; once a day about all that was."""
    today = (at - timedelta(hours=1)).astimezone(BERLIN).date()
    back = 30 if at.astimezone(BERLIN).hour == 12 else 1
    asked = [day for day in days() if today - timedelta(days=back) <= day <= today]
    window = Window(midnight(asked[0]), at)
    known = [(day, of_day, start) for day in asked for of_day, start in hours_of(day) if start < at]
    counts = {start: clicks(start) / 20 * share(at - start) for _, _, start in known}
    for key in (GOOGLE, META) if at.hour % 4 == 0 or at == NOW else (GOOGLE,):
        rows = [
            hour(
                "c",
                f"{day}T{of_day:02d}:00",
                clicks=clicks(start),
                cost=clicks(start) / 2,
                conversions=None if key == META else counts[start],
                value=None if key == META else 30 * counts[start],
            )
            for day, of_day, start in known
        ]
        store.reply(*key, rows, seen_at=at, window=window)
    sums = {day: sum(counts[start] for d, _, start in known if d == day) for day in asked}
    rows = [total("c", f"{day}", n, 30 * n) for day, n in sums.items() if n]
    store.reply(*META, rows, seen_at=at, window=window)


def share(age):
    return next(s for after, s in ((30, 1.0), (6, 0.7), (1, 0.4), (0, 0.0)) if age >= timedelta(hours=after))


@pytest.fixture
def known(polled):
    return windows.accounts(polled.warehouse)


def test_the_curve_is_learned_from_the_ledger(polled, known):
    curve = cohorts.curves(polled.warehouse, known, NOW)[GOOGLE]
    assert curve.cohort == "hour"
    assert curve.at([1, 3, 6, 12, 24, 36]) == pytest.approx([0.4, 0.4, 0.7, 0.7, 0.7, 1], abs=0.02)


def test_the_curve_of_a_source_with_day_totals_is_of_its_days(polled, known):
    curve = cohorts.curves(polled.warehouse, known, NOW)[META]
    assert curve.cohort == "day"
    for age in (6, 12, 24, 30, 48):
        # By hand: the clicks until then, each with its share.
        day = [(h, clicks(midnight(date(2026, 10, 20)) + timedelta(hours=h))) for h in range(24)]
        arrived = sum(n * share(timedelta(hours=age - h)) for h, n in day if h < age)
        assert curve.at(age) == pytest.approx(arrived / sum(n for h, n in day if h < age), abs=0.03), age


def test_each_action_has_its_own_curve(polled, known):
    found = cohorts.action_curves(polled.warehouse, known, NOW)
    assert set(found) == {(*META, "purchase")}
    assert found[*META, "purchase"].at(30) == pytest.approx(
        cohorts.curves(polled.warehouse, known, NOW)[META].at(30), abs=0.03
    )


def test_history_that_was_fetched_at_once_teaches_nothing(store):
    store.account(*GOOGLE)
    for day in days()[:-1]:
        rows = [hour("c", f"{day}T{h:02d}:00", clicks=100, conversions=5) for h, _ in hours_of(day)]
        window = Window(midnight(day), midnight(day + timedelta(days=1)))
        store.reply(*GOOGLE, rows, seen_at=NOW, window=window)
    curve = cohorts.curves(store.warehouse, windows.accounts(store.warehouse), NOW)[GOOGLE]
    assert curve.seen == 0
    assert curve.complete == pytest.approx(prior("hour"), abs=1e-9)


def test_an_account_without_anything_has_the_prior(store):
    store.account(*META)
    curve = cohorts.curves(store.warehouse, windows.accounts(store.warehouse), NOW)[META]
    assert (curve.cohort, curve.seen) == ("day", 0)
    assert curve.complete[-1] == 1


def test_what_came_later_is_not_known_yet(polled, known):
    then = midnight(FIRST) + timedelta(hours=20)
    curve = cohorts.curves(polled.warehouse, known, then)[GOOGLE]
    assert curve.at(2) == pytest.approx(0.4, abs=0.05)
    assert curve.at(30) < 0.95


def test_settled_figures_against_a_hand_reckoning(polled, known, pick):
    """The same formulas over lists of hours, without views, relations or SQL."""
    mature = maturity.learned(polled.warehouse, known, NOW)
    today = Window(midnight(LAST), NOW)
    names = ("settled_conversions", "settled_cpa", "settled_roas", "settled_conversion_rate")
    (row,) = evaluate(
        polled.warehouse, pick(*names), today, where={"source": "google_ads"}, relations=mature.relations
    ).to_pylist()

    curve = mature.curves[GOOGLE]
    every = [start for day in days() for _, start in hours_of(day) if start < NOW]
    age = {start: (NOW - start) / timedelta(hours=1) for start in every}
    reference = [s for s in every if s >= NOW - timedelta(days=14)]
    conversions = sum(clicks(s) / 20 * share(NOW - s) for s in reference)
    matured = sum(clicks(s) * float(curve.at(age[s])) for s in reference)
    (rate,) = usual_rate(np.array([conversions]), np.array([matured]))
    hours = [s for s in every if s >= today.start]
    count = sum(clicks(s) / 20 * share(NOW - s) for s in hours)
    late = sum(clicks(s) * (1 - float(curve.at(age[s]))) for s in hours) * rate
    cost, all_clicks = sum(clicks(s) / 2 for s in hours), sum(map(clicks, hours))
    assert row["settled_conversions"] == pytest.approx(count + late, rel=1e-6)
    assert row["settled_cpa"] == pytest.approx(cost / (count + late), rel=1e-6)
    assert row["settled_roas"] == pytest.approx(30 * (count + late) / cost, rel=1e-6)
    assert row["settled_conversion_rate"] == pytest.approx((count + late) / all_clicks, rel=1e-6)
    # And against what the clicks will truly come to.
    assert row["settled_conversions"] == pytest.approx(all_clicks / 20, rel=0.03)


@pytest.mark.parametrize("key", [GOOGLE, META])
@pytest.mark.parametrize("ago", [0, 1, 2, 5])
def test_every_day_settles_at_what_its_clicks_are_worth(polled, known, pick, key, ago):
    mature = maturity.learned(polled.warehouse, known, NOW)
    day = LAST - timedelta(days=ago)
    (row,) = evaluate(
        polled.warehouse,
        pick("clicks", "conversions", "settled_conversions"),
        Window(midnight(day), min(NOW, midnight(day + timedelta(days=1)))),
        where={"account": key[1]},
        relations=mature.relations,
    ).to_pylist()
    assert row["settled_conversions"] == pytest.approx(row["clicks"] / 20, rel=0.04)
    assert row["conversions"] / row["settled_conversions"] == pytest.approx(
        {0: 0.6, 1: 0.82, 2: 1, 5: 1}[ago], abs=0.06
    )


def test_completeness_of_an_accounts_hours(polled, known):
    mature = maturity.learned(polled.warehouse, known, NOW)
    ages = np.array([1, 5, 12, 40, 200])
    hours = [(NOW - timedelta(hours=int(age))).astimezone(BERLIN) for age in ages]
    assert mature.complete(GOOGLE, hours) == pytest.approx(mature.curves[GOOGLE].at(ages), abs=0.001)
    # All hours of a day are as complete as the day, which is twelve hours old.
    assert mature.complete(META, hours)[:3] == pytest.approx(mature.curves[META].at([12] * 3), abs=0.001)
    assert mature.complete(("google_ads", "other"), hours).tolist() == [1] * 5


def test_intervals_are_those_of_the_parts(polled, known):
    mature = maturity.learned(polled.warehouse, known, NOW)
    (row,) = maturity.intervals(
        polled.warehouse, mature, Window(midnight(LAST), NOW), ("account",), where={"account": "g"}
    ).to_pylist()
    hours = [start for _, start in hours_of(LAST) if start < NOW]
    ages = np.array([(NOW - s) / timedelta(hours=1) for s in hours])
    curve = mature.curves[GOOGLE]
    usual = mature.relations["usual_rates"].to_pylist()
    rate, noise = next((r["rate"], r["noise"]) for r in usual if r["account"] == "g")
    said = settle(
        np.array([row["known"]]), np.array([[clicks(s) for s in hours]], dtype=float),
        curve.at(ages), np.array([rate]), error=curve.error_at(ages),
    )  # fmt: skip
    assert row["settled_conversions"] == pytest.approx(said.mid[0])
    assert row["completeness"] == pytest.approx(said.completeness[0])
    # Conversions here are fractions, which settle() takes for whole ones: the interval is at most as wide.
    assert noise <= 1
    assert said.low[0] - 1e-6 <= row["settled_conversions_low"] < row["settled_conversions"]
    assert row["settled_conversions"] < row["settled_conversions_high"] <= said.high[0] + 1e-6
    assert row["settled_cpa_low"] == pytest.approx(row["spend"] / row["settled_conversions_high"])
    assert row["settled_cpa_high"] == pytest.approx(row["spend"] / row["settled_conversions_low"])
    assert row["settled_roas_low"] < row["settled_roas"] < row["settled_roas_high"]
    assert row["currency"] == "EUR"


def test_groups_of_an_interval_add_up_and_keep_their_keys(polled, known):
    mature = maturity.learned(polled.warehouse, known, NOW)
    window = Window(midnight(LAST - timedelta(days=2)), NOW)
    whole = maturity.intervals(polled.warehouse, mature, window, where={"account": "g"}).to_pylist()
    by_day = maturity.intervals(
        polled.warehouse, mature, window, ("day",), where={"account": "g"}
    ).to_pylist()
    assert [row["day"] for row in by_day] == days()[-3:]
    for name in ("known", "spend", "settled_conversions"):
        assert sum(row[name] for row in by_day) == pytest.approx(whole[0][name])
    # Independent parts: the whole is surer than its parts' ends added up.
    assert whole[0]["settled_conversions_high"] < sum(row["settled_conversions_high"] for row in by_day)


def test_an_interval_never_mixes_currencies(polled, known):
    mature = maturity.learned(polled.warehouse, known, NOW)
    with pytest.raises(MixedCurrencies):
        maturity.intervals(polled.warehouse, mature, Window(midnight(LAST), NOW))
    split = maturity.intervals(polled.warehouse, mature, Window(midnight(LAST), NOW), ("source",)).to_pylist()
    assert [(row["source"], row["currency"]) for row in split] == [("google_ads", "EUR"), ("meta_ads", "USD")]


def test_nothing_in_a_window_is_nothing(polled, known):
    mature = maturity.learned(polled.warehouse, known, NOW)
    empty = Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))
    (row,) = maturity.intervals(polled.warehouse, mature, empty, where={"account": "g"}).to_pylist()
    assert (row["known"], row["settled_conversions"], row["settled_cpa"]) == (0, 0, None)


def test_an_hour_that_was_not_looked_at_since_is_as_old_as_the_last_look(polled, known):
    # Nobody polled for six hours: the age at which an hour is known stands still.
    on_time = maturity.learned(polled.warehouse, known, NOW).relations["completeness"].to_pylist()
    late = (
        maturity.learned(polled.warehouse, known, NOW + timedelta(hours=6))
        .relations["completeness"]
        .to_pylist()
    )
    newest = (NOW - timedelta(hours=1)).replace(tzinfo=UTC)
    shares = [
        next(r["late"] for r in rows if r["account"] == "g" and r["hour"] == newest)
        for rows in (on_time, late)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)


@pytest.mark.parametrize("key", [GOOGLE, META])
@pytest.mark.parametrize("against", [Comparison.YESTERDAY, Comparison.LAST_WEEK, Comparison.WEEK_AVERAGE])
def test_the_past_as_it_was_known_at_the_same_age(polled, known, pick, key, against):
    """Every day is like the other, so at the same age yesterday's morning is today's; as it stands it is not."""
    mature = maturity.learned(polled.warehouse, known, NOW)
    today = {k: Window(midnight(LAST), NOW) for k in known}
    metrics, where = pick("conversions", "spend", "cpa"), {"account": key[1]}
    raw = compare(polled.warehouse, metrics, {key: today[key]}, against, where=where)
    then = compare(polled.warehouse, metrics, {key: today[key]}, against, where=where, mature=mature)
    (row,), (as_it_stands,) = then.table.to_pylist(), raw.table.to_pylist()
    assert then.same_age == "ledger"
    assert then.label.endswith("as known at the same age")
    assert row["conversions"] == as_it_stands["conversions"]
    assert row["conversions__before"] == pytest.approx(row["conversions"], rel=1e-5)
    assert row["spend__before"] == pytest.approx(row["spend"])
    assert as_it_stands["conversions__before"] > 1.2 * row["conversions"]
    assert raw.same_age is None


def test_a_past_that_nobody_watched_is_scaled_by_the_curve(store, pick):
    store.account(*GOOGLE)
    for day in days():
        rows = [
            hour("c", f"{day}T{n:02d}:00", clicks=100, cost=10, conversions=6)
            for n, start in hours_of(day)
            if start < NOW
        ]
        window = Window(midnight(day), min(midnight(day + timedelta(days=1)), NOW))
        store.reply(*GOOGLE, rows, seen_at=NOW, window=window)
    known = windows.accounts(store.warehouse)
    mature = maturity.learned(store.warehouse, known, NOW)
    today = {GOOGLE: Window(midnight(LAST), NOW)}
    found = compare(store.warehouse, pick("conversions"), today, Comparison.YESTERDAY, mature=mature)
    (row,) = found.table.to_pylist()
    ages = np.arange(1, 13)
    want = (6 * mature.curves[GOOGLE].at(ages) / mature.curves[GOOGLE].at(ages + 24)).sum()
    assert found.same_age == "curve"
    assert row["conversions"] == 12 * 6
    assert row["conversions__before"] == pytest.approx(want, rel=1e-4)


def test_an_empty_warehouse_has_nothing_to_learn(store):
    mature = maturity.learned(store.warehouse, {}, NOW)
    assert mature.curves == {}
    assert all(table.num_rows == 0 for table in mature.relations.values())


def test_a_settled_figure_is_traced_to_the_fetches_of_what_it_stands_on(polled, known, pick):
    mature = maturity.learned(polled.warehouse, known, NOW)
    (metric,) = pick("settled_conversions")
    found = trace(
        polled.warehouse, metric, Window(midnight(LAST), NOW), {"account": "g"}, relations=mature.relations
    )
    assert set(found.fetches["stream"].to_pylist()) == {"delivery"}
    (again,) = polled.warehouse.query(found.sql).to_pylist()
    assert again["settled_conversions"] == pytest.approx(found.value)


def test_a_day_whose_first_replies_were_empty_was_watched_all_along(store):
    store.account(*META)
    at = midnight(FIRST)
    for day in days()[:-2]:
        rows = [hour("c", f"{day}T{h:02d}:00", clicks=100, conversions=None) for h, _ in hours_of(day)]
        store.reply(*META, rows, seen_at=NOW)
        start = midnight(day)
        for age in (1, 12, 25, 49):
            at, end = (
                start + timedelta(hours=age),
                min(start + timedelta(hours=age), midnight(day + timedelta(days=1))),
            )
            if age < 25:
                empty(store, Window(start, end), at)
            else:
                store.reply(
                    *META,
                    [total("c", f"{day}", 60 if age == 25 else 80)],
                    seen_at=at,
                    window=Window(start, end),
                )
    rows = [total("c", f"{day}", 80) for day in days()[:-2]]
    store.reply(*META, rows, seen_at=NOW, window=Window(midnight(FIRST), NOW))
    curve = cohorts.curves(store.warehouse, windows.accounts(store.warehouse), NOW)[META]
    # 60 by the next day and 80 in the end; the prior weighs 20 of some 1,100.
    assert curve.at([25, 49]) == pytest.approx([0.75, 1], abs=0.02)
    assert curve.seen == pytest.approx(80 * 14)


def empty(store, window, at):
    """A reply without a row."""
    piece = Slice(*META, "day_totals", DayTotal, window, BERLIN)
    fetch = Fetch(*META, "day_totals", window, at, 1, "ok")
    store.warehouse.write(piece, [], seen_at=at, vouched=window.end, fetch=fetch)
