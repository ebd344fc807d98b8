"""The service against the sandbox: the official clients over real wires, nothing replaced."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.conditions.anomaly import Anomaly
from alerts.engine import Engine
from alerts.explain import Words
from alerts.judge import judge
from alerts.notify.contract import unpack
from alerts.observation import Labels
from alerts.records import CHAPTER
from alerts.routes import Routing
from alerts.scene import Memory, Scene
from metrics import model
from metrics.words import money
from service import rules
from service.backfill import Backfill
from service.commands.demo import write_workspace
from service.jobs import Poller
from service.plan import midnight
from service.settings import load
from service.workspace import Workspace
from tests.contract.sandbox import running
from warehouse.book import Book
from warehouse.duck import DuckWarehouse

NOW = datetime(2026, 11, 5, 18, 30, tzinfo=UTC)
"""Days after clocks went back, in Europe (25 October) and in America (1 November)."""

DAYS = 16
"""Of history: from 20 October, so that both changes of the clock are inside."""

MEASURES = ("impressions", "clicks", "cost_micros", "conversions")

SOURCES = {"google_ads": "google_ads", "meta_ads": "meta"}


class Team:
    """A workspace that polls a sandbox, both at the same time of their own."""

    def __init__(self, sandbox, folder, workers):
        self.sandbox = sandbox
        self.workspace = Workspace(folder)
        # The visitors of the sites have tests of their own, and a history that is long to fetch.
        write_workspace(self.workspace, {**sandbox.at, "properties": []})
        self.now = NOW
        self.warehouse = DuckWarehouse.open(self.workspace.database)
        setup = load(folder)
        state = self.workspace.state
        self.poller = Poller(setup, self.warehouse, workers, state, clock=lambda: self.now)
        self.poller.start_by_hand()

    def poll(self):
        """One cycle; what waits is left waiting."""
        self.poller.offer_everything()
        assert self.poller.line.idle(200)

    def advance(self, **span):
        self.now += timedelta(**span)
        self.sandbox.now = self.now

    def accounts(self):
        return {
            (source, key): account
            for source, platform in SOURCES.items()
            for key, account in self.sandbox.accounts(platform).items()
        }

    def stored(self, source, account, end=None):
        sql = """SELECT campaign, hour, impressions, clicks, cost, conversions FROM delivery
            WHERE source = ? AND account = ? AND impressions > 0 AND (?::TIMESTAMPTZ IS NULL OR hour < ?)"""
        rows = self.warehouse.query(sql, [source, account, end, end]).to_pylist()
        return {(r["campaign"], r["hour"].astimezone(UTC)): r for r in rows}

    def truth(self, account, as_of):
        """By campaign and hour; an hour that a clock repeats stands at the first of the two, like a source's."""
        zone = ZoneInfo(next(a["timezone"] for (_, k), a in self.accounts().items() if k == account))
        found = {}
        for row in self.sandbox.truth(account, NOW - timedelta(days=DAYS + 2), as_of, as_of):
            start = row["start"] - timedelta(hours=row["start"].astimezone(zone).fold)
            sums = found.setdefault((str(row["campaign"]), start), dict.fromkeys(MEASURES, 0))
            for name in MEASURES:
                sums[name] = round(sums[name] + row[name], 6)
        return {key: sums for key, sums in found.items() if sums["impressions"]}

    def marks(self, source, account):
        marks = self.warehouse.watermarks()
        return {m.stream: m for m in marks if (m.source, m.account) == (source, account)}

    def close(self):
        self.poller.stop()
        self.warehouse.close()


@pytest.fixture(scope="module")
def team(tmp_path_factory, workers):
    """One team for all tests: time goes on from one to the next, as it does."""
    folder = tmp_path_factory.mktemp("sandbox")
    with running(folder, now=NOW, days=DAYS, campaigns=3, accounts=4) as sandbox:
        made = Team(sandbox, tmp_path_factory.mktemp("team"), workers)
        yield made
        made.close()


@pytest.fixture(autouse=True)
def patience(workers):
    workers.deadline = timedelta(seconds=30)


def assert_equal(stored, truth):
    """Impressions, clicks and money of every campaign and hour; conversions where they come by the hour."""
    assert stored.keys() == truth.keys()
    for key, row in stored.items():
        want = truth[key]
        assert (row["impressions"], row["clicks"]) == (want["impressions"], want["clicks"]), key
        # Meta tells money in cents of the currency.
        assert abs(row["cost"] - want["cost_micros"]) <= 5_000, key
        if row["conversions"] is not None:
            assert float(row["conversions"]) == want["conversions"], key


def assert_today(team, source, account):
    """The same of the account's local day; older days are asked again in their own time."""
    zone = ZoneInfo(team.accounts()[source, account]["timezone"])
    since = midnight(team.now.astimezone(zone).date(), zone)
    stored, truth = team.stored(source, account), team.truth(account, team.now)
    assert_equal(*({k: r for k, r in rows.items() if k[1] >= since} for rows in (stored, truth)))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_stored_equals_the_truth_after_a_backfill_and_a_day_of_polls(team):
    team.poll()
    backfill = Backfill(team.poller, DAYS + 2)
    backfill.start()
    assert backfill.join(200)
    progress = backfill.progress()
    assert (progress.state, progress.done, progress.given_up) == ("done", progress.days, ())
    for source, account in team.accounts():
        stored = team.stored(source, account)
        assert stored
        assert_equal(stored, team.truth(account, NOW))

    for hours in (1.1, 25):
        team.advance(hours=hours)
        team.poll()
    for source, account in team.accounts():
        assert_equal(team.stored(source, account), team.truth(account, team.now))
        # The ledger adds up to the table, and replays what the first poll saw.
        sql = """SELECT campaign, hour, sum(impressions)::BIGINT AS impressions,
              sum(cost)::BIGINT AS cost FROM delivery_ledger
            WHERE source = ? AND account = ? AND seen_to <= ? GROUP BY ALL HAVING sum(impressions) > 0"""
        now = team.warehouse.query(sql, [source, account, team.now]).to_pylist()
        table = {key: (r["impressions"], r["cost"]) for key, r in team.stored(source, account).items()}
        assert {
            (r["campaign"], r["hour"].astimezone(UTC)): (r["impressions"], r["cost"]) for r in now
        } == table
        first = team.warehouse.query(sql, [source, account, NOW]).to_pylist()
        assert {(r["campaign"], r["hour"].astimezone(UTC)): r["impressions"] for r in first} == {
            key: row["impressions"] for key, row in team.truth(account, NOW).items()
        }


FAULTS = {
    "token_revoked": ("Unauthorized", 61),
    "throttling": ("RateLimited", 16),
    "api_outage": ("Unavailable", 11),
    "hang": ("Unavailable", 11),
    "broken_stream": ("Unavailable", 11),
    "malformed": (None, 61),
}
"""What each is taken for, and the minutes until all that it held up is asked again."""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_touches_nobody_else_and_heals(team, workers, fault):
    """One account of each source is hit at the same time; another of each is not."""
    team.advance(minutes=61)
    team.poll()
    accounts = team.accounts()
    hit = dict(reversed(accounts))  # the first of each
    others = accounts.keys() - hit.items()
    assert {source for source, _ in others} == SOURCES.keys()
    before = {owner: team.stored(*owner) for owner in hit.items()}
    if fault == "hang":
        workers.deadline = timedelta(seconds=8)

    with ExitStack() as incidents:
        for source, key in hit.items():
            incidents.enter_context(team.sandbox.incident(fault, account=key, platform=SOURCES[source]))
        team.advance(minutes=5)
        team.poll()
        for owner in others:
            mark = team.marks(*owner)["delivery"]
            assert (mark.outcome, mark.polled_at) == ("ok", team.now), owner
        for owner in hit.items():
            failed = [m for m in team.marks(*owner).values() if m.error]
            assert failed
            assert all(m.cause for m in failed)
            assert all(m.mend or m.retry_at for m in failed)  # what to do, or when it is asked again
            kind, minutes = FAULTS[fault]
            if kind is not None:
                assert {m.error for m in failed} == {kind}
            if kind == "Unauthorized":
                assert all(m.mend for m in failed)
            assert not any(secret in str(failed) for secret in team.sandbox.secrets())
            stored = team.stored(*owner)
            assert stored.keys() >= before[owner].keys()
            if team.marks(*owner)["delivery"].error:
                assert stored == before[owner]

    workers.deadline = timedelta(seconds=30)
    team.advance(minutes=minutes)
    team.poll()
    for owner in hit.items():
        marks = team.marks(*owner)
        assert {m.error for m in marks.values()} == {""}
        assert marks["delivery"].polled_at == team.now
        assert_today(team, *owner)


def test_an_empty_page_in_the_middle_loses_nothing(team):
    team.advance(hours=25)
    with team.sandbox.incident("empty_page"):
        team.poll()
    for source, account in team.accounts():
        assert_equal(team.stored(source, account), team.truth(account, team.now))


@pytest.mark.timeout(300)
def test_a_full_disk_stops_all_and_is_made_up_for(team, monkeypatch):
    """The kernel's own refusals at any moment of a write: tests/warehouse/test_full_disk.py."""
    team.advance(minutes=61)
    team.poll()
    before = {owner: team.stored(*owner) for owner in team.accounts()}
    asked = team.warehouse.query("SELECT count(*) AS n FROM journal").to_pylist()

    with monkeypatch.context() as full:
        for keeper in (team.warehouse, team.poller.guard):
            full.setattr(keeper, "_min_free", 2**60)
        team.advance(hours=2)
        team.poll()
        (told,) = team.poller.problems()
        assert "MB are free in" in told
        assert "Free some disk space" in told
        assert {owner: team.stored(*owner) for owner in team.accounts()} == before
        assert team.warehouse.query("SELECT count(*) AS n FROM journal").to_pylist() == asked

    monkeypatch.setattr("service.storage.TRY_AGAIN", timedelta(0))
    team.advance(hours=1)
    team.poll()
    assert team.poller.problems() == []
    for source, account in team.accounts():
        assert_today(team, source, account)


def paying(team, page):
    """What each account's running ads at a page cost an hour, and how many they are, from the world itself."""
    found = {}
    for source, account in team.accounts():
        there = team.sandbox.entities(account)
        running = {c["id"] for c in there["campaigns"] if c["status"] == "ENABLED"}
        ads = [a for a in there["ads"] if a["status"] == "ENABLED" and a["campaign"] in running]
        cost = Counter()
        hours = Counter()
        for (campaign, hour), row in team.truth(account, team.now).items():
            cost[campaign, hour] += row["cost_micros"] / 1e6
            hours[hour] += row["cost_micros"]
        newest = max(hour for hour, spent in hours.items() if spent)
        total, count = 0.0, 0
        for ad in ads:
            if ad["final_url"] == page:
                campaign = str(ad["campaign"])
                share = sum(a["campaign"] == ad["campaign"] for a in ads)
                day = sum(v for (c, h), v in cost.items() if c == campaign and newest - timedelta(days=1) < h)
                total, count = total + day / 24 / share, count + 1
        if count:
            found[source, account] = (total, count)
    return found


@pytest.mark.timeout(300)
def test_a_landing_page_that_fails_alerts_within_a_poll_with_the_money_behind_it(team):
    def checks():
        sql = "SELECT url, failure, words FROM page_check WHERE checked = ?"
        rows = team.warehouse.query(sql, [team.now - timedelta(seconds=1)]).to_pylist()
        return {r["url"]: r["failure"] for r in rows}

    for minutes in (61, 5):  # which ads run is known after the first
        team.advance(minutes=minutes)
        team.poll()
    sound = checks()
    assert len(sound) > 4
    assert set(sound.values()) == {""}
    page = next(iter(sound))
    rule = next(
        r for r in rules.load(team.workspace.folder, Routing(), model.load()) if r.id == "landing-page"
    )
    assert rule.severity == "critical"
    book = Book.open(team.workspace.state / "page.sqlite", [CHAPTER])
    zone = ZoneInfo("UTC")
    engine = Engine(book, [rule], Routing(), {}, Words(team.warehouse, [rule], model.load(), zone))

    def judged():
        scene = Scene(
            team.warehouse, team.now, every={}, started=NOW, targets=[], metrics=model.load(), memory=Memory()
        )
        engine.take(judge(scene, [rule], engine.watched()), team.now)
        return engine.records.open_incidents()

    assert judged() == []
    with team.sandbox.incident("landing_page_down", url=page):
        team.advance(minutes=5)
        team.poll()
        found = checks()
        assert judged()
        engine.tick(team.now + timedelta(minutes=1))
    letters = [unpack(row["message"]) for row in book.read("SELECT message FROM outbox ORDER BY id")]
    book.close()
    for (source, account), (an_hour, ads) in paying(team, page).items():
        of = team.accounts()[source, account]
        price = f"{money(an_hour, of['currency'])}/h"
        told = [one for one in letters if of["name"] in one.headline and price in one.headline]
        assert told, (price, of["name"], [one.headline for one in letters])
        assert "Page down: answers 500" in told[0].headline
        assert told[0].severity == "critical"
        fact = dict(told[0].facts)["Paid for by"]
        assert sum(int(part.split(", ")[-2].split()[0]) for part in fact.split("; ")) == ads
    assert found.keys() == {url for url in sound if url.startswith(page)}, "those that fail, looked at twice"
    assert found[page] == "status"
    mark = team.marks("landing_pages", "pages")["checks"]
    assert (mark.outcome, mark.data_as_of) == ("ok", team.now)


@pytest.mark.timeout(300)
def test_an_incident_of_the_sandbox_is_told_as_an_anomaly(team):
    """A click that costs four fifths more: told by the shipped rule, of that campaign alone."""
    (rule,) = [
        rule
        for rule in rules.load(team.workspace.folder, Routing(), model.load())
        if isinstance(rule.condition, Anomaly) and rule.condition.of == "cpc"
    ]

    def told():
        every = dict.fromkeys(SOURCES, timedelta(minutes=5))
        scene = Scene(team.warehouse, team.now, every=every, started=team.now)
        return judge(scene, [rule], {})[rule.name].told

    before = told()
    account = next(key for name, key in team.accounts() if name == "google_ads")
    (largest,) = team.warehouse.query(
        """SELECT campaign, sum(cost) AS cost FROM delivery
        WHERE source = 'google_ads' AND account = ? GROUP BY ALL ORDER BY cost DESC LIMIT 1""",
        [account],
    ).to_pylist()
    hit = Labels("google_ads", account, largest["campaign"])
    with team.sandbox.incident("cpc_spike", account=account, campaign=int(hit.campaign)):
        team.advance(hours=8)
        team.poll()
        after = told()
    price = after[hit]
    assert price.seen / price.expected.mid == pytest.approx(1.8, rel=0.25)
    assert price.at_risk > 0
    assert after.keys() - before.keys() == {hit}
