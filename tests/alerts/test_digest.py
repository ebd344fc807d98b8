"""Digests: figures by hand and by the metrics themselves, words, the picture, and one a local date."""

from __future__ import annotations

import io
import socket
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from alerts.digest import chart
from alerts.digest.audience import Audience, audiences, due
from alerts.digest.compose import Told, compose
from alerts.digest.figures import Ground, Kpi, gather
from alerts.digest.send import Digests
from alerts.drawing import png
from alerts.engine import Engine, Finding
from alerts.notify.contract import Reason, Severity, unpack
from alerts.notify.email import plain
from alerts.notify.slack_blocks import parent
from alerts.observation import Observation
from alerts.records import CHAPTER, Records
from alerts.routes import Receiver
from alerts.telling import Described
from connectors.contract import Budget, Window
from metrics import maturity, windows
from metrics.compute import evaluate
from metrics.flights import Amount, SpendPlan
from metrics.model import load
from sandbox.slack_blocks import check
from tests.alerts.timeline import ROUTING, TRUE, labels, rule
from tests.metrics.conftest import Store, hour, named
from warehouse.access import local
from warehouse.book import Book
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch

BERLIN = ZoneInfo("Europe/Berlin")
LAST = date(2026, 11, 23)
"""A Monday; the digest is read on the morning after."""
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=BERLIN)
MANAGERS = Audience(name="managers", to=(Receiver("slack"), Receiver("email", "Max")))
DEFAULTS = {"slack": "C000001", "email": ""}
TITLES = {"google_ads": "Google Ads", "meta_ads": "Meta"}
APP = "https://paceline.test"


class Shop(Store):
    """Campaigns that every day of six weeks did the same at noon, but for the last day."""

    def __init__(self, warehouse):
        super().__init__(warehouse)
        self.rows = []

    def days(self, campaign, *, cost, conversions, value, back=range(1, 44), clicks=200):
        for n in back:
            day = LAST - timedelta(days=n - 1)
            self.rows.append(
                hour(campaign, f"{day}T12:00", impressions=9000, clicks=clicks, cost=cost, conversions=conversions, value=value)
            )  # fmt: skip

    def stored(self, account="a", until=NOW):
        """All of it, as one reply at the digest's hour."""
        start = datetime.combine(LAST - timedelta(days=50), time(), BERLIN)
        window = Window(start.astimezone(UTC), until.astimezone(UTC).replace(minute=0))
        self.reply("google_ads", account, self.rows, seen_at=NOW.astimezone(UTC), window=window)
        names = {row.campaign for row in self.rows}
        self.campaign("google_ads", account, *(named(n, n.title()) for n in sorted(names)))
        self.rows = []


@pytest.fixture
def shop(tmp_path):
    with DuckWarehouse.open(tmp_path / "paceline.duckdb", min_free=0) as warehouse:
        made = Shop(warehouse)
        made.account("google_ads", "a")
        yield made


@pytest.fixture
def usual(shop):
    """100 a day on brand at ROAS 4 and CPA 10; on the last day twice the spend and half the sales."""
    shop.days("brand", cost=100, conversions=10, value=400, back=range(2, 44))
    shop.days("generic", cost=50, conversions=2, value=100, back=range(2, 44))
    shop.days("brand", cost=200, conversions=5, value=200, back=[1], clicks=400)
    shop.days("generic", cost=50, conversions=4, value=200, back=[1])
    shop.days("fresh", cost=10, conversions=1, value=70, back=[1], clicks=20)
    shop.stored()
    return shop


@pytest.fixture
def book(tmp_path):
    made = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    yield made
    made.close()


def ground(shop, plans=()):
    return Ground(shop.warehouse, load(), "EUR", plans)


def told(shop, book, *rules, **more):
    return Told(Records(book), rules, shop.warehouse.watermarks, TITLES, more.get("app", APP))


def figures(shop, kind="daily", now=NOW, plans=()):
    return gather(ground(shop, plans), windows.accounts(shop.warehouse), kind, now)


def words(shop, book, *rules, kind="daily", now=NOW, plans=()):
    """The digest as a reader of text has it."""
    made = compose(figures(shop, kind, now, plans), told(shop, book, *rules), now)
    return plain(made.message(key="k", thread="t", to="a@b.test", at=now))


# -- figures


def test_a_day_is_told_beside_its_week_and_its_month(usual):
    found = figures(usual)
    spend = found.kpis["spend"]
    assert (found.first, found.last, found.currency) == (LAST, LAST, "EUR")
    assert spend.value == pytest.approx(260)
    assert spend.before == pytest.approx(150)
    assert spend.change == pytest.approx(260 / 150 - 1)
    assert (spend.low, spend.high) == (pytest.approx(150), pytest.approx(150))
    assert spend.usual is False


def test_ratios_are_of_settled_sums(usual):
    """As the metrics themselves have it, asked for one window each."""
    found = figures(usual)
    known = windows.accounts(usual.warehouse)
    mature = maturity.learned(usual.warehouse, known, NOW.astimezone(UTC))

    def asked(first, last):
        metrics = [load()[n] for n in ("settled_roas", "settled_cpa", "settled_conversions")]
        window = windows.days(known, first, last)
        return evaluate(usual.warehouse, metrics, window, relations=mature.relations).to_pylist()[0]

    day, week = asked(LAST, LAST), asked(LAST - timedelta(days=7), LAST - timedelta(days=1))
    assert found.kpis["roas"].value == pytest.approx(day["settled_roas"])
    assert found.kpis["roas"].before == pytest.approx(week["settled_roas"])
    assert found.kpis["cpa"].value == pytest.approx(day["settled_cpa"])
    assert found.kpis["cpa"].before == pytest.approx(week["settled_cpa"])
    assert found.kpis["conversions"].value == pytest.approx(day["settled_conversions"])
    assert found.known == pytest.approx(10 / day["settled_conversions"])
    assert found.kpis["roas"].state == "bad"  # worse than on any day of the month before


def test_what_moved_is_ranked_by_its_result(usual):
    found = figures(usual)
    assert found.result == "revenue"
    assert [m.name for m in found.up] == ["Generic", "Fresh"]
    assert [m.name for m in found.down] == ["Brand"]
    (brand,) = found.down
    assert (brand.spend, brand.spend_before) == (pytest.approx(200), pytest.approx(100))
    assert brand.before == pytest.approx(400, rel=0.05)
    assert found.up[1].before == 0


def test_a_week_is_told_beside_the_week_before(usual):
    found = figures(usual, "weekly")
    assert (found.first, found.last) == (date(2026, 11, 17), LAST)
    assert found.kpis["spend"].value == pytest.approx(6 * 150 + 260)
    assert found.kpis["spend"].before == pytest.approx(7 * 150)
    # Six weeks of data: five whole ones before this.
    assert found.kpis["spend"].low == pytest.approx(7 * 150)


def test_young_accounts_have_no_usual(shop):
    shop.days("brand", cost=100, conversions=10, value=400, back=range(1, 5))
    shop.stored()
    found = figures(shop)
    assert found.kpis["spend"].value == pytest.approx(100)
    assert (found.kpis["spend"].low, found.kpis["spend"].usual) == (None, None)


def test_without_data_there_is_no_digest(shop):
    assert figures(shop) is None


def test_an_account_whose_money_has_no_rate_is_left_out_and_named(usual):
    usual.account("google_ads", "yen", currency="JPY", zone="Asia/Tokyo")
    usual.days("kumo", cost=9000, conversions=1, value=0)
    usual.stored("yen")
    found = figures(usual)
    assert list(found.left_out) == ["google_ads yen"]
    assert found.kpis["spend"].value == pytest.approx(260)


def test_a_day_that_is_not_over_somewhere_is_named(usual):
    usual.account("google_ads", "west", zone="America/Los_Angeles")
    usual.days("surf", cost=10, conversions=1, value=10)
    usual.stored("west")
    (name, at), *rest = figures(usual).incomplete.items()
    # Eight in Berlin is eleven in the evening of the day before in Los Angeles.
    assert (name, at.hour, at.day, rest) == ("google_ads west", 23, 23, [])


@pytest.mark.parametrize(
    ("kpi", "state"),
    [
        (Kpi("roas", 3.0, 3.0, 2.5, 3.5, "higher"), "good"),
        (Kpi("roas", 4.0, 3.0, 2.5, 3.5, "higher"), "good"),
        (Kpi("roas", 2.4, 3.0, 2.5, 3.5, "higher"), "warn"),
        (Kpi("roas", 1.0, 3.0, 2.5, 3.5, "higher", worst=True), "bad"),
        (Kpi("cpa", 40.0, 30.0, 25.0, 35.0, "lower"), "warn"),
        (Kpi("cpa", 20.0, 30.0, 25.0, 35.0, "lower"), "good"),
        (Kpi("spend", 99.0, 30.0, 25.0, 35.0), "none"),
        (Kpi("roas", None, 3.0, 2.5, 3.5, "higher"), "none"),
    ],
)
def test_a_figure_is_judged_by_its_usual_range(kpi, state):
    assert kpi.state == state


# -- words


def test_a_manager_reads_it_from_what_to_trust_down_to_what_to_open(usual, book):
    text = words(usual, book)
    order = [
        "As of:",
        "Spend:",
        "ROAS:",
        "CPA:",
        "Plans",
        "Up (revenue",
        "Down (revenue",
        "Open incidents",
        "About the data",
    ]
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    assert text.startswith("Mon 23 Nov: €260 spent, ROAS ")
    assert "As of: Google Ads 08:00 (fresh)" in text
    assert "Spend: €260 (+73 % vs 7-day average) · outside the usual €150 to €150" in text
    assert "● Nothing is open" in text
    assert (
        f"{APP}/campaign?source=google_ads&account=a&campaign=brand&win=custom&from=2026-11-23&to=2026-11-23"
        in text
    )


def test_the_first_sixty_characters_say_the_day_the_spend_and_the_return(usual, book):
    made = compose(figures(usual), told(usual, book), NOW)
    assert "spent, ROAS" in made.headline[:60]


def test_plans_say_where_they_will_end(usual, book):
    plan = SpendPlan("Always on", "EUR", (Amount(3000.0),), period="month")
    usual.reply(
        "google_ads",
        "a",
        [Budget("b", "brand", "", "budget", 150_000_000, "daily", "campaign", shared=False)],
    )
    text = words(usual, book, plans=[plan])
    # 22 days of 150 and one of 260 are spent: 3,560 of 3,000.
    assert "■ Always on: €3.56k of €3.00k (+" in text
    assert "% over (€" in text
    assert f"{APP}/pacing?plan=Always+on" in text


def open_incident(book, *, rules, at, acknowledged=""):
    """An incident of the real engine, told, and in somebody's hand if one is named."""

    def describe(_alert, _notice, _now):
        return Described("Overspend, €240/h: Brand")

    engine = Engine(book, rules, ROUTING, DEFAULTS, describe)
    brand = labels("brand")
    engine.take({r.name: Finding({brand: Observation(brand, TRUE, at)}) for r in rules}, at)
    engine.tick(at + timedelta(minutes=1))
    if acknowledged:
        engine.acknowledge(1, by=local(acknowledged), now=at + timedelta(minutes=2))


def test_open_incidents_stand_with_age_and_owner(usual, book):
    at = NOW.astimezone(UTC) - timedelta(hours=50)
    open_incident(book, rules=[rule("spend")], at=at)
    text = words(usual, book)
    assert "Open incidents: 1, 1 not acknowledged" in text
    assert "■ Overspend, €240/h: Brand · 2 d, Dana" in text
    assert "1 incident open" in text.split("\n")[0]


def test_who_has_it_in_hand_is_told(usual, book):
    at = NOW.astimezone(UTC) - timedelta(hours=3)
    open_incident(book, rules=[rule("spend")], at=at, acknowledged="Dana")
    text = words(usual, book)
    assert "Open incidents: 1, none not acknowledged" in text
    assert "■ Overspend, €240/h: Brand · 3 h, Dana, acknowledged by Dana" in text


def test_another_account_s_incident_is_another_audience_s(usual, book):
    open_incident(book, rules=[rule("spend")], at=NOW.astimezone(UTC) - timedelta(hours=3))
    usual.account("google_ads", "b")
    usual.days("other", cost=1, conversions=1, value=1)
    usual.stored("b")
    own = {k: a for k, a in windows.accounts(usual.warehouse).items() if k[1] == "b"}
    made = compose(gather(ground(usual), own, "daily", NOW), told(usual, book), NOW)
    assert "nothing open" in made.headline


def test_a_weekly_digest_says_how_the_alerts_did(usual, book):
    late = rule("spend").model_copy(update={"review": date(2026, 11, 20)})
    fine = rule("mix").model_copy(update={"review": date(2027, 3, 1)})
    open_incident(
        book, rules=[rule("spend")], at=NOW.astimezone(UTC) - timedelta(hours=40), acknowledged="Dana"
    )
    text = words(usual, book, late, fine, kind="weekly")
    assert text.startswith("17 Nov to 23 Nov: €1.16k spent, ROAS ")
    assert "Alerts of the week" in text
    assert "1 incident (1 critical), 0 the week before" in text
    assert "● Acted on: 100 % (1 of 1)" in text
    assert "▲ Review due 20 Nov: Spend (Dana)" in text
    assert "Mix" not in text
    assert "Alerts of the week" not in words(usual, book, late)


def test_what_is_wrong_with_the_data_is_said(usual, book):
    window = Window(NOW.astimezone(UTC) - timedelta(hours=1), NOW.astimezone(UTC))
    usual.warehouse.record(
        Fetch("google_ads", "a", "delivery", window, NOW.astimezone(UTC), 1, "stop", error="Unauthorized", cause="dead token")
    )  # fmt: skip
    text = words(usual, book)
    assert "■ google_ads a: delivery fails: dead token" in text
    later = NOW + timedelta(hours=5)
    assert "Google Ads 08:00 (stale, 5 h)" in words(usual, book, now=later)


def test_any_digest_is_within_slack_s_limits(usual, book):
    names = ["<!channel> & " + "x" * 200 + str(n) for n in range(8)]
    for name in names:
        usual.days(name, cost=5, conversions=1, value=9, back=range(2 if name == names[0] else 1, 44))
    usual.days(names[0], cost=500, conversions=90, value=900, back=[1])
    usual.stored()
    made = compose(figures(usual, "weekly"), told(usual, book), NOW)
    message = made.message(key="k", thread="t", to="C1", at=NOW)
    blocks = parent(message, buttons=True)
    assert check(blocks) == []
    assert "<!channel>" not in str(blocks[1:])
    assert not any(block["type"] == "actions" for block in blocks)
    assert message.reason is Reason.DIGEST


# -- the picture


def test_the_picture_is_drawn_without_a_network(usual, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    plan = SpendPlan("Always <on> · 東京", "EUR", (Amount(4500.0),), period="month")
    drawing, said = chart.chart(figures(usual, plans=[plan]))
    made = png(drawing)
    assert made.startswith(b"\x89PNG")
    width, height = (int.from_bytes(made[n : n + 4], "big") for n in (16, 20))
    assert width > 1100
    assert height > 400
    with Image.open(io.BytesIO(made)) as picture:  # the title is written: a font that is missing leaves none
        top = picture.convert("L").crop((20, 20, 700, 64))
        assert min(top.get_flattened_data()) < 80
    assert said.startswith("Always <on> · 東京: €3.56k spent, ")
    assert "likely end" in said


def test_without_a_plan_the_days_are_drawn(usual):
    found = replace(figures(usual), paces=())
    drawing, said = chart.chart(found)
    assert len(drawing["data"]["values"]) == 29
    assert drawing["data"]["values"][-1] == {"at": "2026-11-23T00:00:00", "value": 260.0, "own": True}
    assert said == "Spend by day, in EUR; the last: €260"
    assert png(drawing).startswith(b"\x89PNG")


# -- once a local date


@pytest.mark.parametrize(
    ("at", "daily", "weekly"),
    [
        ("2026-11-23T06:59:00+00:00", None, None),  # 07:59 in Berlin
        ("2026-11-23T07:00:00+00:00", date(2026, 11, 23), date(2026, 11, 23)),
        ("2026-11-23T22:59:00+00:00", date(2026, 11, 23), date(2026, 11, 23)),
        ("2026-11-23T23:00:00+00:00", None, None),  # midnight
        ("2026-11-24T07:00:00+00:00", date(2026, 11, 24), None),
        ("2026-07-06T06:00:00+00:00", date(2026, 7, 6), date(2026, 7, 6)),  # summer time
    ],
)
def test_it_is_due_at_eight_on_the_local_clock(at, daily, weekly):
    now = datetime.fromisoformat(at)
    assert (due(MANAGERS, "daily", now, BERLIN), due(MANAGERS, "weekly", now, BERLIN)) == (daily, weekly)


@pytest.fixture
def sending(usual, book):
    engine = Engine(book, [], ROUTING, DEFAULTS, None)

    def make(**audience):
        chosen = MANAGERS.model_copy(update=audience)
        return Digests(ground(usual), told(usual, book), engine.outbox, ROUTING, DEFAULTS, [chosen], BERLIN)

    return make


def written(book):
    return book.read("SELECT key, channel, recipient FROM outbox ORDER BY id")


def test_each_receiver_hears_once_a_date_whatever_happens(sending, book):
    made = sending(kinds=("daily",))
    assert made.tick(NOW) == 2
    assert [(row["channel"], row["recipient"]) for row in written(book)] == [
        ("slack", "C000001"),
        ("email", "max@team.test"),
    ]
    assert made.tick(NOW) == 0
    assert sending(kinds=("daily",)).tick(NOW + timedelta(hours=3)) == 0  # after a restart
    assert made.tick(NOW + timedelta(days=1)) == 2
    message = unpack(
        book.read("SELECT message FROM outbox WHERE channel = 'email' ORDER BY id")[0]["message"]
    )
    assert (message.severity, message.actions, message.chart[:4]) == (Severity.INFO, False, b"\x89PNG")


@pytest.mark.parametrize(
    ("start", "hours", "dates"),
    [
        ("2026-10-24T22:00:00+00:00", 25, ["2026-10-25"]),  # the clock shows 02:30 twice
        ("2026-03-28T23:00:00+00:00", 23, ["2026-03-29"]),  # and never
        ("2026-10-23T22:00:00+00:00", 73, ["2026-10-24", "2026-10-25", "2026-10-26"]),
        ("2026-03-27T23:00:00+00:00", 71, ["2026-03-28", "2026-03-29", "2026-03-30"]),
    ],
)
def test_a_clock_change_makes_no_digest_twice_and_loses_none(sending, book, monkeypatch, start, hours, dates):
    made = sending(kinds=("daily",), at=time(2, 30), to=(Receiver("slack"),))
    first = figures_once(made)
    monkeypatch.setattr(Digests, "make", lambda *_: first)
    now = datetime.fromisoformat(start)
    for step in range(hours * 4):
        made.tick(now + timedelta(minutes=15 * step))
    assert [row["key"].split("-daily-managers-")[1] for row in written(book)] == [
        f"{d}/slack/C000001" for d in dates
    ]


def figures_once(made):
    """One digest for all dates: drawing each takes longer than this test should."""
    return made.make(MANAGERS, "daily", NOW)


def test_who_asks_gets_one_more(sending, book):
    made = sending()
    assert made.tick(NOW) == 2
    assert made.send("weekly", NOW) == 2
    assert made.send("daily", NOW + timedelta(seconds=1), "managers") == 2
    assert made.send("daily", NOW, "nobody") == 0


def test_who_reads_what_follows_from_what_is_set_up():
    assert audiences(None, ["email"]) == ()
    (one,) = audiences(None, ["slack", "email"])
    assert (one.to, one.kinds, one.at) == ((Receiver("slack"),), ("daily", "weekly"), time(8))
    assert audiences((), ["slack"]) == ()
    assert audiences((MANAGERS,), []) == (MANAGERS,)
