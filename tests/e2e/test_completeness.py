"""Nothing lost: a backfill and a day of polls, against what the platforms say, to the last micro.

The poller is the service's own; only the clock is the test's, so that a day passes in seconds. Each stream is
put in line when its interval is over, as the scheduler does it. PACELINE_FULL=1 polls more accounts every five
minutes, which takes half an hour on a busy machine.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from connectors.contract import Window
from connectors.rows import ROWS, AdDelivery, DayTotal, Delivery
from connectors.web_rows import Web
from metrics.compute import evaluate
from metrics.model import load
from service.budget import tier
from service.commands.demo import write_workspace
from service.fetching import ACCOUNTS, everything
from service.line import Task, Tier
from service.running import Service
from service.workspace import Workspace
from tests.contract.sandbox import running
from warehouse.ledger import as_of
from warehouse.tables import describe

FULL = os.environ.get("PACELINE_FULL") == "1"

# The 35 days before hold a 25-hour day in Berlin (25 October) and one in New York (1 November).
START = datetime(2026, 11, 3, 6, 10, tzinfo=UTC)
DAYS = 35
ACCOUNTS_CAMPAIGNS = (6, 8) if FULL else (3, 3)
POLLS = (
    [timedelta(minutes=n) for n in range(5, 24 * 60 + 1, 5)]
    if FULL
    else [timedelta(minutes=n) for n in (5, 70, 880, 1440)]
)
LISTEN_EVERY = timedelta(hours=1)
"""Between two times of asking the official clients what they say of today."""
CATCH_UP = START + timedelta(days=2, hours=1)
"""By then everything that may still change is due again, however lately it was asked."""
MEASURES = ("impressions", "clicks", "cost", "conversions", "conversion_value")
PLATFORM = {"google_ads": "google_ads", "meta_ads": "meta"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if FULL else 300)]


class Clock:
    def __init__(self, at):
        self.at = at

    def __call__(self):
        return self.at


class Official:
    """The platforms' client libraries, in a process that knows nothing of ours."""

    def __init__(self, process):
        self._process = process

    def ask(self, account, first, last):
        """What they say of the account's local days: its campaigns' totals, and those by action."""
        asked = {"source": account.source, "account": account.id, "via": account.via}
        self._process.stdin.write(json.dumps(asked | {"first": str(first), "last": str(last)}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the official clients' process ended; see its error above"
        return {
            name: total(rows, ("campaign", "action", "day") if name == "actions" else ("campaign", "day"))
            for name, rows in json.loads(line).items()
        }


@contextmanager
def official(sandbox):
    command = [sys.executable, str(Path(__file__).with_name("official.py")), json.dumps(sandbox.at)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Official(process)
        finally:
            process.stdin.close()
            process.wait(20)


def total(rows, by):
    """Measures summed by key, as exact numbers; what is all zeros is left out."""
    found = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        cell = found[tuple(str(row[name]) for name in by)]
        for name in MEASURES:
            cell[name] += Decimal(row.get(name) or 0)
    return {key: dict(cell) for key, cell in found.items() if any(cell.values())}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A workspace after its backfill, a day of polls and the day after; `heard`: what was said at each poll."""
    folder = tmp_path_factory.mktemp("completeness")
    accounts, campaigns = ACCOUNTS_CAMPAIGNS
    workspace = Workspace(folder / "team")
    workspace.state.mkdir(parents=True)
    clock = Clock(START)
    with (
        running(folder, now=START, days=DAYS + 3, campaigns=campaigns, accounts=accounts) as sandbox,
        official(sandbox) as clients,
    ):
        # The visitors of the sites have tests of their own, and a history that is long to fetch.
        write_workspace(workspace, {**sandbox.at, "properties": []})
        service = Service(workspace, clock=clock)
        try:
            poller = service.poller
            poller.run_once()
            backfill = service.backfill(DAYS)
            assert backfill.join(600), backfill.progress()
            progress = backfill.progress()
            assert (progress.state, progress.given_up) == ("done", ())
            heard = poll_a_day(service, sandbox, clock, clients)
            clock.at = sandbox.now = CATCH_UP
            poller.poll_now()
            assert poller.line.idle(600)
            yield SimpleNamespace(
                accounts=[a for a in poller.accounts.known() if a.source in PLATFORM],
                clients=clients,
                heard=heard,
                sandbox=sandbox,
                warehouse=service.warehouse,
            )
        finally:
            service.stop()


def poll_a_day(service, sandbox, clock, clients):
    """Offer each stream when it is due; what the official clients said of today, by moment and account."""
    poller = service.poller
    last, listened, heard = {}, START - LISTEN_EVERY, {}
    for moment in (START + after for after in POLLS):
        clock.at = sandbox.now = moment
        for name, source in service.setup.sources.items():
            known = poller.accounts.known(name)
            discovery = Task(everything(name), ACCOUNTS, Tier.SLOWER)
            tasks = [(discovery, service.setup.settings.polling.discover)]
            tasks += [(Task(a, ACCOUNTS, Tier.SLOWER), timedelta(days=1)) for a in known]
            tasks += [
                (Task(a, stream, tier(stream)), source.every[stream.name])
                for a in known
                for stream in source.connector.streams()
            ]
            for task, every in tasks:
                if moment - last.get(task.slice, START) >= every:
                    last[task.slice] = moment
                    poller.line.offer(task)
        assert poller.line.idle(300)
        if moment - listened >= LISTEN_EVERY:
            listened = moment
            for account in (a for a in poller.accounts.known() if a.source in PLATFORM):
                today = moment.astimezone(account.timezone).date()
                heard[moment, account] = today, clients.ask(account, today, today)["totals"]
    return heard


def beginning(account):
    """The first local day of the backfill, and the instant at which it begins."""
    day = (START - timedelta(days=DAYS)).astimezone(account.timezone).date()
    return day, datetime.combine(day, time(), account.timezone).astimezone(UTC)


def stored(story, account, row=Delivery, by=("campaign", "day"), *, relation="", since=None):
    """What the table of `row` holds, or `relation` in its place, summed by the database, which sums exactly."""
    first, began = beginning(account)
    measures = ", ".join(f"sum({name}) AS {name}" for name in describe(row).values if name in MEASURES)
    rows = story.warehouse.query(
        f"""SELECT {", ".join(by)}, {measures} FROM {relation or row.table}
            WHERE source = ? AND account = ? AND day >= ? AND {row.time} >= ? GROUP BY ALL""",
        [account.source, account.id, first, since or (began if row.time == "hour" else first)],
    )
    return total(rows.to_pylist(), by)


def truth(story, account, start, end, moment):
    """What the world says of each campaign and local day, as seen at `moment`."""
    zone = ZoneInfo(account.timezone.key)
    rows = [
        {
            "campaign": row["campaign"],
            "day": row["start"].astimezone(zone).date(),
            "impressions": row["impressions"],
            "clicks": row["clicks"],
            "cost": row["cost_micros"],
            # Meta's hours have no conversions: they are day_totals' affair.
            "conversions": f"{row['conversions']:.6f}" if account.source == "google_ads" else 0,
            "conversion_value": row["conversion_value_micros"] if account.source == "google_ads" else 0,
        }
        for row in story.sandbox.truth(account.id, start, end, moment)
    ]
    return total(rows, ("campaign", "day"))


def same(got, want):
    """Equal, and something; a difference is shown by its first keys rather than by thousands of lines."""
    assert want
    wrong = [key for key in got.keys() | want.keys() if got.get(key) != want.get(key)]
    shown = [(key, got.get(key), want.get(key)) for key in sorted(wrong)[:3]]
    assert not wrong, f"{len(wrong)} of {len(want)} differ, such as (key, stored, said): {shown}"


def test_every_account_was_found(story):
    want = {(s, a) for s, platform in PLATFORM.items() for a in story.sandbox.accounts(platform)}
    assert {(a.source, a.id) for a in story.accounts} == want


def test_no_poll_failed(story):
    rows = story.warehouse.query("SELECT source, account, stream, cause FROM journal WHERE outcome <> 'ok'")
    assert rows.to_pylist() == []


def test_totals_are_the_worlds(story):
    for account in story.accounts:
        want = truth(story, account, beginning(account)[1], CATCH_UP, CATCH_UP)
        same(stored(story, account), want)
        assert len({day for _, day in want}) == DAYS + 3  # today, and the two days until the catch-up


def test_money_in_one_currency_is_the_worlds_at_the_banks_rates(story):
    with urlopen(story.sandbox.at["fx"] + "/eurofxref-hist-90d.xml", timeout=30) as reply:
        days = [cube for cube in ET.parse(reply).iter() if "time" in cube.attrib]
    fixed = {
        (date.fromisoformat(day.attrib["time"]), cube.attrib["currency"]): float(cube.attrib["rate"])
        for day in days
        for cube in day
    }

    def per_eur(currency, day):
        if currency == "EUR":
            return 1.0
        while (day, currency) not in fixed:
            day -= timedelta(days=1)
        return fixed[day, currency]

    want = sum(
        row["cost_micros"] / 1e6 / per_eur(account.currency, row["start"].astimezone(account.timezone).date())
        for account in story.accounts
        for row in story.sandbox.truth(account.id, beginning(account)[1], CATCH_UP, CATCH_UP)
    )
    assert len({account.currency for account in story.accounts}) > 1
    windows = {(a.source, a.id): Window(beginning(a)[1], CATCH_UP) for a in story.accounts}
    (row,) = evaluate(story.warehouse, [load()["spend"]], windows, currency="EUR").to_pylist()
    assert row == {"spend": pytest.approx(want, rel=1e-9), "currency": "EUR"}


def test_conversions_by_action_are_the_worlds(story):
    for account in (a for a in story.accounts if a.source == "google_ads"):
        want = total(
            (
                {
                    "campaign": row["campaign"],
                    "action": action,
                    "day": row["start"].astimezone(account.timezone).date(),
                    "conversions": f"{count:.6f}",
                }
                for row in story.sandbox.truth(account.id, beginning(account)[1], CATCH_UP, CATCH_UP)
                for action, count in row["by_action"].items()
            ),
            ("campaign", "action", "day"),
        )
        got = stored(story, account, DayTotal, ("campaign", "action", "day"))
        counts = ({key: cell["conversions"] for key, cell in side.items()} for side in (got, want))
        same(*counts)


def test_ads_are_the_worlds(story):
    measures = ("impressions", "clicks", "cost")
    for account in story.accounts:
        rows = story.sandbox.truth(account.id, beginning(account)[1], CATCH_UP, CATCH_UP, by="ad")
        want = total(
            (
                {
                    "campaign": row["campaign"],
                    "ad": row["ad"],
                    "day": row["start"].astimezone(account.timezone).date(),
                    "impressions": row["impressions"],
                    "clicks": row["clicks"],
                    "cost": row["cost_micros"],
                }
                for row in rows
                if row["ad"]  # Performance Max has none
            ),
            ("campaign", "ad", "day"),
        )
        got = stored(story, account, AdDelivery, ("campaign", "ad", "day"))
        delivered = (
            {key: [cell[m] for m in measures] for key, cell in side.items() if any(cell[m] for m in measures)}
            for side in (got, want)
        )
        same(*delivered)


def test_totals_are_what_the_official_clients_say(story):
    for account in story.accounts:
        last = CATCH_UP.astimezone(account.timezone).date()
        said = story.clients.ask(account, beginning(account)[0], last)
        totals = stored(story, account)
        if account.source == "meta_ads":  # whose hours have no conversions: they stand in day_totals alone
            assert not any(cell["conversions"] or cell["conversion_value"] for cell in totals.values())
        same(totals, said["totals"])
        same(stored(story, account, DayTotal, ("campaign", "action", "day")), said["actions"])


FACTS = [row for row in ROWS if row.kind == "fact" and row is not Web]
"""What the two platforms fill; the website's visits come from elsewhere."""


@pytest.mark.parametrize("row", FACTS, ids=lambda row: row.table)
def test_ledger_adds_up_to_the_table(story, row):
    table = describe(row)
    key = ", ".join(f'"{name}"' for name in ("source", "account", *row.key))
    now = ", ".join(f'coalesce("{name}", 0)' for name in table.values)
    sums = ", ".join(f'coalesce(sum("{name}"), 0)' for name in table.values)
    current = f"SELECT {key}, {now} FROM {row.table}"
    summed = f"SELECT {key}, {sums} FROM {table.ledger} GROUP BY {key}"
    for one, other in ((current, summed), (summed, current)):
        left = story.warehouse.query(f"SELECT * FROM ({one}) EXCEPT ALL SELECT * FROM ({other})")
        assert left.num_rows == 0, left.slice(0, 3).to_pylist()
    assert story.warehouse.query(current).num_rows > 0


def test_replay_is_what_the_world_said_then(story):
    sql = """SELECT window_start, window_end FROM journal
        WHERE source = ? AND account = ? AND stream = 'delivery' AND started = ?"""
    seen = 0
    for moment in [START, *(START + after for after in POLLS), CATCH_UP]:
        for account in story.accounts:
            asked = story.warehouse.query(sql, [account.source, account.id, moment]).to_pylist()
            for window in asked:
                start, end = (window[name].astimezone(UTC) for name in ("window_start", "window_end"))
                start = max(start, beginning(account)[1])
                if start >= end:
                    continue
                want = truth(story, account, start, end, moment)
                then = stored(story, account, relation=f"({as_of(Delivery, moment)})", since=start)
                days = {
                    str((start + timedelta(hours=n)).astimezone(account.timezone).date())
                    for n in range(int((end - start) / timedelta(hours=1)) + 1)
                    if start + timedelta(hours=n) < end
                }
                assert {key: cell for key, cell in then.items() if key[1] in days} == want, (moment, account)
                seen += bool(want)
    assert seen > len(POLLS) * len(story.accounts) / 2


def test_replay_is_what_the_official_clients_said_then(story):
    for (moment, account), (today, said) in story.heard.items():
        then = stored(
            story, account, relation=f"({as_of(Delivery, moment)})", since=moment - timedelta(days=2)
        )
        assert {key: cell for key, cell in then.items() if key[1] == str(today)} == {
            key: cell if account.source == "google_ads" else cell | {"conversions": 0, "conversion_value": 0}
            for key, cell in said.items()
        }, (moment, account)
    assert any(said for _, said in story.heard.values())


@pytest.mark.skipif(not FULL, reason="the count is of a day polled every five minutes: PACELINE_FULL=1")
def test_a_day_of_polls_fits_25_accounts_into_basic_access(story):
    sql = """SELECT account, sum(operations)::BIGINT AS operations FROM journal
        WHERE source = 'google_ads' AND started > ? AND started <= ? GROUP BY account"""
    rows = story.warehouse.query(sql, [START, START + timedelta(days=1)]).to_pylist()
    spent = {row["account"]: row["operations"] for row in rows}
    discovery = spent.pop("")
    assert len(spent) >= 3
    assert max(spent.values()) * 25 + discovery <= 15_000, (spent, discovery)
