"""From polls to verdicts: hand-made accounts stored through the warehouse's front door, each with one fault."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from connectors.contract import Window
from connectors.rows import AccountRow, DayTotal, Delivery
from connectors.schema import to_batch
from metrics import anomalies, windows
from metrics.forecasts import METHODS
from metrics.lag import AGES, Curve, Looks
from metrics.reference import Hours
from metrics.stored_hours import News, came, clock
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 10, 17, 0, tzinfo=UTC)
DAYS = 51
CLICKS = (100.0, 40.0, 10.0)
ACCOUNTS = [("google_ads", "outage"), ("google_ads", "runaway"), ("meta_ads", "outage")]
BEGUN = 42
"""Hours ago from which polls were made: every other hour, at last every hour."""


class World:
    """Three campaigns of an account, 5 % of whose clicks convert at once.

    The fault began three hours ago; that of the source which gives conversions by the day, at midnight.
    """

    def __init__(self, warehouse, source, account, seed):
        rng = np.random.default_rng(seed)
        self.warehouse, self.source, self.account = warehouse, source, account
        first = datetime(2026, 11, 11, tzinfo=BERLIN).astimezone(UTC) - timedelta(days=DAYS)
        self.hours = [first + timedelta(hours=n) for n in range(int((NOW - first) / timedelta(hours=1)))]
        shape = (3, len(self.hours))
        self.clicks = rng.poisson(np.array(CLICKS)[:, None], shape)
        self.conversions = rng.binomial(self.clicks, 0.05).astype(float)
        if account == "outage":
            self.conversions[:, -3 if source == "google_ads" else -18 :] = 0
        if account == "runaway":
            self.clicks[0, -3:] *= 3
        self.spend = self.clicks * 2.0 * np.exp(rng.normal(0, 0.05, shape))
        self.write(AccountRow, [AccountRow(account, "EUR", "Europe/Berlin")], Window(first, NOW), NOW)

    def poll(self, start, end, seen_at):
        """What a source says of these hours: as they are."""
        by_hour = self.source == "google_ads"
        cells = [n for n, at in enumerate(self.hours) if start <= at < end]
        local = [self.hours[n].astimezone(BERLIN) for n in cells]
        campaign = np.repeat(["a", "b", "c"], len(cells))
        known = self.conversions[:, cells].ravel()
        batch = pa.RecordBatch.from_pydict(
            {
                "campaign": campaign,
                "hour": [self.hours[n] for n in cells] * 3,
                "day": [at.date() for at in local] * 3,
                "hour_of_day": [at.hour for at in local] * 3,
                "impressions": self.clicks[:, cells].ravel() * 50,
                "clicks": self.clicks[:, cells].ravel(),
                "cost": np.round(self.spend[:, cells].ravel() * 1e6).astype(int),
                "conversions": known if by_hour else pa.nulls(len(known), pa.float64()),
                "conversion_value": pa.array([0 if by_hour else None] * len(known), pa.int64()),
            }
        )
        self.write(Delivery, batch, Window(start, end), seen_at)
        if not by_hour:
            sums: dict[tuple[str, date], float] = {}
            for name, on, count in zip(campaign, [at.date() for at in local] * 3, known, strict=True):
                sums[name, on] = sums.get((name, on), 0.0) + count
            rows = [
                DayTotal(str(name), "buy", on, "purchase", primary=True, conversions=n, conversion_value=0)
                for (name, on), n in sums.items()
            ]
            self.write(DayTotal, rows, Window(start, end), seen_at)

    def write(self, kind, rows, window, seen_at):
        piece = Slice(self.source, self.account, kind.table, kind, window, BERLIN)
        fetch = Fetch(self.source, self.account, kind.table, window, seen_at, 1, "ok")
        self.warehouse.write(
            piece, [to_batch(kind, rows)], seen_at=seen_at, vouched=min(window.end, seen_at), fetch=fetch
        )


def midnight(at):
    return at.astimezone(BERLIN).replace(hour=0, minute=0).astimezone(UTC)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    path = tmp_path_factory.mktemp("anomalies") / "paceline.duckdb"
    with DuckWarehouse.open(path, min_free=0) as opened:
        for seed, (source, fault) in enumerate(ACCOUNTS):
            world = World(opened, source, fault, seed)
            ago = [*range(BEGUN, 6, -2), *range(6, -1, -1)] if source == "google_ads" else [18, 0]
            polls = [NOW - timedelta(hours=n) for n in ago]
            world.poll(world.hours[0], polls[0], polls[0])
            for before, at in pairwise(polls):
                world.poll(min(midnight(before), before), at, at)
        yield opened


@pytest.fixture(scope="module")
def known(warehouse):
    return windows.accounts(warehouse)


@pytest.fixture(scope="module")
def found(warehouse, known):
    return anomalies.judge(warehouse, known, dict.fromkeys(known, NOW), anomalies.Memory(), now=NOW)


def fired(found, key):
    return {
        (test.family, entity)
        for test, hits in zip(found[key].tests, found[key].hits, strict=True)
        for entity in np.flatnonzero(hits).tolist()
    }


def test_what_fires_is_the_fault_and_nothing_else(found):
    assert found.keys() == set(ACCOUNTS)
    # Rows are the three campaigns, and the account itself.
    assert fired(found, ("google_ads", "runaway")) in ({("spend", 0)}, {("spend", 0), ("spend", 3)})
    for source in ("google_ads", "meta_ads"):
        told = fired(found, (source, "outage"))
        assert ("conversions", 3) in told
        assert {family for family, _ in told} == {"conversions"}


def test_an_outage_is_told_with_what_should_have_come(found):
    judged = found["google_ads", "outage"]
    said = judged.strongest("conversions", 3)
    assert said.metric == "conversions by arrival"
    # 150 clicks an hour at 5 % in three hours; what the prior curve expects later makes it somewhat less.
    assert (said.seen[3], said.hours[3]) == (0, 3)
    assert said.mid[3] == pytest.approx(22.5, rel=0.25)
    assert judged.spend[3] == pytest.approx(300, rel=0.05)  # 150 clicks at 2.00
    assert (judged.campaigns, judged.until, judged.polled) == (("a", "b", "c"), NOW, NOW)


def test_of_conversions_by_the_day_the_day_is_judged(found):
    said = found["meta_ads", "outage"].strongest("conversions", 3)
    # 18 hours of 150 clicks at 5 % are 135, of which the prior curve has about six in ten by then.
    assert (said.metric, said.seen[3], said.hours[3]) == ("conversions by click", 0, 18)
    assert 65 < said.mid[3] < 110


def test_arrivals_of_a_days_conversions_by_hand():
    """Two campaigns, a day that began at 0, looked at every hour: what the third hour's look should bring."""
    start = np.arange(48.0)
    hours = Hours(
        start=start,
        born=np.repeat([0.0, 24.0], 24),
        looked=start,
        length=np.ones(48),
        day=np.repeat([1, 2], 24),
        hour_of_day=np.tile(np.arange(24), 2),
        clicks=np.ones((2, 48)),
        spend=np.ones((2, 48)),
        known=np.ones((2, 48)),
    )
    # Of the clicks so far of a day, half has converted within the hour, a tenth more each hour.
    complete = np.interp(AGES, [0, 1, 6], [0, 0.5, 1.0])
    lag = Curve(complete, np.zeros(len(AGES)), 100.0, cohort="day")
    at = np.arange(1.0, 28.0)
    look = Looks(np.floor((at - 0.5) / 24) * 24, at, at)
    news = News(
        ["b", "x", "a"],
        np.array([2, 1, 1]),
        np.array([24.0, 24, 24, 0]),
        np.array([True, False, False, True]),
        np.array([25.0, 27, 27, 27]),
        np.array([2.0, 3, 9, 9]),
    )
    found = came(news, ("a", "b"), lag, hours, look)
    assert found.edges[[0, -1]].tolist() == [3, 27]
    # What the first look at a day brings a day later is history; a campaign without a row is left out.
    assert found.count.sum(1).tolist() == [0, 5]
    assert found.count[1, [21, 23]].tolist() == [2, 3]
    by_hour = (np.ones(48) @ np.diff(found.known, axis=1)).tolist()
    # The looks at 25, 26, 27 know 0.5 of one hour's clicks, 0.6 of two hours', 0.7 of three hours'.
    assert by_hour[-3:] == pytest.approx([0.5, 1.2 - 0.5, 2.1 - 1.2])
    assert by_hour[2] == pytest.approx(6 * 1.0 - 5 * 0.9)  # of day one, from the look at 5 to that at 6


def test_a_runaway_is_told_against_the_usual_hour(found):
    said = found["google_ads", "runaway"].strongest("spend", 0)
    hours = said.hours[0]
    # 100 clicks an hour at 2.00 are usual, thrice as much was spent.
    assert said.mid[0] == pytest.approx(200 * hours, rel=0.25)
    assert said.seen[0] == pytest.approx(600 * min(hours, 3) + 200 * max(hours - 3, 0), rel=0.2)


def test_a_past_moment_is_judged_by_what_was_known_then(warehouse, known, found):
    before = NOW - timedelta(hours=4)
    hourly = {key: one for key, one in known.items() if key[0] == "google_ads"}
    then = anomalies.judge(
        warehouse, hourly, dict.fromkeys(hourly, before), anomalies.Memory(), now=before, as_of=before
    )
    assert len(then) == 2
    assert not any(hits.any() for judged in then.values() for hits in judged.hits)
    at_once = anomalies.judge(
        warehouse, known, dict.fromkeys(known, NOW), anomalies.Memory(), now=NOW, as_of=NOW
    )
    for key, judged in found.items():
        for test, same in zip(judged.tests, at_once[key].tests, strict=True):
            assert test.p == pytest.approx(same.p, nan_ok=True), (key, test.metric)


def test_a_day_is_learned_once_and_the_next_one_anew(warehouse, known, found):
    memory = anomalies.Memory()
    early, late = NOW - timedelta(hours=20), NOW - timedelta(hours=1)  # 22:00 of the day before, 17:00
    days = []
    for at in (early, late, NOW):
        last = anomalies.judge(warehouse, known, dict.fromkeys(known, at), memory, now=NOW)
        days.append({key: kept.reference for key, kept in memory.usual.items()})
    assert [one.keys() for one in days] == [set(known)] * 3
    tuesday = date(2026, 11, 10).toordinal()
    for key in known:
        assert [one[key].day for one in days] == [tuesday - 1, tuesday, tuesday]
        assert days[1][key] is days[2][key]
        # The last pass read the newest hours alone: it says what one that reads them all says.
        for test, same in zip(last[key].tests, found[key].tests, strict=True):
            assert test.p == pytest.approx(same.p, nan_ok=True), (key, test.metric)


def test_learning_that_is_spread_over_calls_leads_to_the_same(warehouse, known, found):
    """Three campaigns a call are one of the three accounts; of those that wait nothing is said.

    The first call learns all lag curves.
    """
    memory = anomalies.Memory(most=3)
    left = []
    for _ in range(5):
        said = anomalies.judge(warehouse, known, dict.fromkeys(known, NOW), memory, now=NOW)
        assert said.keys() == set(known) - memory.waiting
        left.append(len(memory.waiting))
    assert left == [3, 2, 1, 0, 0]
    for key, judged in found.items():
        for test, same in zip(judged.tests, said[key].tests, strict=True):
            assert test.p == pytest.approx(same.p, nan_ok=True), (key, test.metric)
    # A new day: again one account a call, the first one first.
    tomorrow = NOW + timedelta(hours=12)
    assert anomalies.judge(warehouse, known, dict.fromkeys(known, tomorrow), memory, now=tomorrow) == {}
    said = anomalies.judge(warehouse, known, dict.fromkeys(known, tomorrow), memory, now=tomorrow)
    assert memory.waiting == set(known) - {min(known)}
    assert said.keys() == {min(known)}


def test_another_method_tests_spend_alone(warehouse, known, monkeypatch):
    """No outage is made up of conversions whose campaigns a decomposition, judging accounts, does not know."""

    def usual_day(rates, _weekdays, first, _begun):
        """Stands in for the decomposition, which takes seconds to import."""
        return np.repeat(np.median(rates, axis=1)[:, None], rates.shape[1] + 1 - first, axis=1)

    monkeypatch.setitem(METHODS, "decomposition", usual_day)
    keys = [("google_ads", "outage"), ("google_ads", "runaway")]
    found = anomalies.judge(
        warehouse, known, dict.fromkeys(keys, NOW), anomalies.Memory(), now=NOW, method="decomposition"
    )
    assert [[test.metric for test in found[key].tests] for key in keys] == [["spend"], ["spend"]]
    # Of the account's 150 clicks an hour at 2.00 came 350, above the 1.8 times that matter: the account as the
    # one series that it is, and as the sum of its series.
    assert [fired(found, key) for key in keys] == [set(), {("spend", 0), ("spend", 1)}]


def test_what_a_backfill_brings_is_learned_from_at_once(tmp_path):
    """Five days tell nothing of a usual hour; seven weeks do, and a runaway is told on the same day."""
    key = ("google_ads", "runaway")
    with DuckWarehouse.open(tmp_path / "paceline.duckdb", min_free=0) as opened:
        world = World(opened, *key, seed=1)
        world.poll(NOW - timedelta(days=5), NOW, NOW)
        accounts, memory = windows.accounts(opened), anomalies.Memory()
        blind = anomalies.judge(opened, accounts, {key: NOW}, memory, now=NOW)[key]
        assert np.isnan(blind.strongest("spend", 0).p).all()
        world.poll(world.hours[0], NOW - timedelta(days=5), NOW)
        found = anomalies.judge(opened, accounts, {key: NOW}, memory, now=NOW)
        assert ("spend", 0) in fired(found, key)
        learned = memory.usual[key].reference
        anomalies.judge(opened, accounts, {key: NOW}, memory, now=NOW)
        assert memory.usual[key].reference is learned


def test_an_account_that_never_delivered_is_left_out(warehouse, known):
    other = {**known, ("google_ads", "new"): known["google_ads", "outage"]}
    found = anomalies.judge(warehouse, other, dict.fromkeys(other, NOW), anomalies.Memory(), now=NOW)
    assert found.keys() == known.keys()


@pytest.mark.parametrize(
    ("day", "hours", "odd"),
    [(date(2026, 10, 25), 24, (2, 2.0)), (date(2026, 3, 29), 23, (3, 1.0)), (date(2026, 6, 1), 24, (2, 1.0))],
)
def test_a_clocks_hours(day, hours, odd):
    """The night on which the clock goes back has a double hour at two, the one in March has none at two."""
    cells = clock(BERLIN, day, day)
    assert len(cells.start) == hours
    assert cells.length.sum() == (25 if hours == 24 and odd[1] == 2 else hours)
    of_day, length = odd
    assert cells.length[cells.hour_of_day == of_day].tolist() == [length]
    assert (2 in cells.hour_of_day) == (day.month != 3)
    assert (
        cells.start[0]
        == cells.midnight[0]
        == datetime(*day.timetuple()[:3], tzinfo=BERLIN).timestamp() / 3600
    )
