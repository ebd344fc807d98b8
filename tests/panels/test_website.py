"""The Website page in every state, run by Streamlit itself against a real warehouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from connectors.contract import Window
from connectors.rows import AccountRow, Ad
from connectors.schema import Row, to_batch
from connectors.web_rows import PageCheck, Web, WebMinute, WebStep
from metrics import site
from metrics.model import read_metric, views
from metrics.site_funnel import funnels
from metrics.trace import trace
from panels import _slot
from tests.panels.conftest import METRICS, NOW, ROOT, rates
from tests.panels.test_pages import text
from warehouse.store import Fetch, Slice

SHOES, HATS = "https://shop.example/shoes", "https://shop.example/hats"


def opened() -> AppTest:
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
    app.run()
    return app.switch_page("website.py").run()


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def put(running, source: str, account: str, rows: list[Row]) -> None:
    """One complete reply up to now: looks are younger than the hour that `write` ends with."""
    kind, at = type(rows[0]), now()
    window = Window(at - timedelta(days=9), at + timedelta(seconds=1))
    fetch = Fetch(source, account, kind.table, window, at, 5, "ok")
    piece = Slice(source, account, kind.table, kind, window)
    running.warehouse.write(piece, [to_batch(kind, rows)], seen_at=at, vouched=at, fetch=fetch)
    running.state["version"] += 1


def put_steps(running, rows: list[Row]) -> None:
    """A complete reply of the realtime reports; it may be empty."""
    at = now()
    window = Window(at - timedelta(hours=3), at + timedelta(seconds=1))
    fetch = Fetch("ga4", "7", "steps", window, at, 5, "ok")
    piece = Slice("ga4", "7", "steps", WebStep, window)
    running.warehouse.write(piece, [to_batch(WebStep, rows)], seen_at=at, vouched=at, fetch=fetch)
    running.state["version"] += 1


def look(url: str, ago: float, failure: str = "", *, ms: int = 400, days: int = 60) -> PageCheck:
    """A look so many minutes ago."""
    return PageCheck(
        url, now() - timedelta(minutes=ago), failure, "answers with 500" if failure else "", url, 0,
        500 if failure else 200, ms // 2, ms, (now() + timedelta(days=days)).date(),
    )  # fmt: skip


@pytest.fixture
def shop(filled):
    """Campaign c1 (10 euros an hour) has three ads for the shoes and one for the hats; c2 one for the hats."""
    ads = [Ad("c1", "g", f"a{n}", "g", f"a{n}", "enabled", "", SHOES + "?gclid={gclid}") for n in range(3)]
    filled.write("google_ads", "1", [*ads, Ad("c1", "g", "a4", "g", "a4", "enabled", "", HATS)])
    filled.write("meta_ads", "2", [Ad("c2", "g", "a5", "g", "a5", "enabled", "", HATS)])
    filled.write("landing_pages", "pages", [AccountRow("Landing pages", "", "UTC")])
    return filled


def test_an_empty_warehouse_says_what_it_waits_for(running):
    app = opened()
    assert not app.exception
    said = text(app)
    assert "No page has been looked at yet" in said
    assert "Nobody tells who is on the site" in said
    assert "No steps are known" in said


def test_all_pages_work(shop):
    put(shop, "landing_pages", "pages", [look(SHOES, 3), look(HATS, 3)])
    app = opened()
    assert not app.exception, app.exception
    cards = {m.label: m.value for m in app.metric}
    assert cards["Pages that work now"] == "2 of 2"
    assert cards["Spend on broken pages"] == "Nothing"
    assert "within **0.40 s**: fast enough" in text(app)
    assert "All work" in text(app)
    assert "None of 1 host" in text(app)


def test_a_broken_page_is_priced_by_the_ads_that_lead_there(shop):
    looks = [look(SHOES, 23), look(SHOES, 13, "status"), look(SHOES, 3, "status"), look(HATS, 3)]
    put(shop, "landing_pages", "pages", looks)
    app = opened()
    assert not app.exception, app.exception
    cards = {m.label: m.value for m in app.metric}
    assert cards["Pages that work now"] == "1 of 2"
    # Three of the four ads of a campaign that spends 10 euros an hour.
    assert cards["Spend on broken pages"] == "€7.50/h"
    assert "1 broken" in text(app)
    assert "by 1 campaign" in text(app)
    shoes, hats = site.pages(shop.warehouse, METRICS, now(), "EUR")
    assert (shoes.url, shoes.broken, shoes.availability) == (SHOES, True, pytest.approx(1 / 3))
    assert shoes.since == looks[1].checked
    assert [(p.campaign, p.an_hour) for p in hats.payers] == [("c2", 10.0), ("c1", 2.5)]


def test_money_of_two_currencies_is_not_added_up(shop):
    shop.write("google_ads", "3", [Ad("c3", "g", "a6", "g", "a6", "enabled", "", HATS)])
    put(shop, "landing_pages", "pages", [look(HATS, 3, "status")])
    assert site.money_at_risk(site.pages(shop.warehouse, METRICS, now(), "EUR"), "EUR") == {
        "EUR": 12.5,
        "USD": 10.0,
    }
    assert {m.label: m.value for m in opened().metric}["Spend on broken pages"] == "€12.50 + $10.00/h"


def test_with_the_rates_of_the_day_it_is_one_sum(shop):
    shop.write("google_ads", "3", [Ad("c3", "g", "a6", "g", "a6", "enabled", "", HATS)])
    rates(shop, usd=1.25)
    put(shop, "landing_pages", "pages", [look(HATS, 3, "status")])
    found = site.pages(shop.warehouse, METRICS, now(), "EUR")
    assert site.money_at_risk(found, "EUR") == {"EUR": 12.5 + 10 / 1.25}


def test_old_looks_are_stale_and_never_green(shop):
    put(shop, "landing_pages", "pages", [look(SHOES, 47)])
    app = opened()
    assert not app.exception
    assert "Stale, 47 min" in text(app)
    assert "All work" not in text(app)


def test_a_page_that_may_not_be_asked_is_neither_good_nor_bad(shop):
    put(shop, "landing_pages", "pages", [look(SHOES, 3, "blocked"), look(HATS, 3)])
    app = opened()
    assert {m.label: m.value for m in app.metric}["Pages that work now"] == "1 of 1"


def test_certificates_that_end_soon_are_named(shop):
    put(shop, "landing_pages", "pages", [look(SHOES, 3, days=5)])
    assert "ends in 5 days" in text(opened())


def test_a_source_that_fails_is_said_with_its_mend(shop):
    window = Window(NOW - timedelta(hours=1), NOW)
    shop.warehouse.record(
        Fetch(
            "landing_pages", "pages", "checks", window, NOW, 5, "stop", error="Unexpected",
            cause="no resolver answers", mend="See whether this machine has a name server.",
        )
    )  # fmt: skip
    shop.state["version"] += 1
    app = opened()
    assert not app.exception
    assert "no resolver answers" in text(app)
    assert "name server" in text(app)


def web(step: str, ago: int, sessions: int) -> Web:
    hour = (now() - timedelta(hours=ago)).replace(minute=0, second=0)
    return Web("Email", "/", step, hour, hour.date(), sessions, sessions, 0, sessions, 0)


def test_the_funnel_says_where_it_breaks(shop):
    # Usually 40 of 100 add to the cart and 10 of 40 buy; today 40 of 100, and 1 of 40.
    usual = {"session_start": 100, "add_to_cart": 40, "purchase": 10}
    rows = [web(step, 48, sessions) for step, sessions in usual.items()]
    rows += [web(step, 2, sessions) for step, sessions in {**usual, "purchase": 1}.items()]
    put(shop, "events", "site", rows)
    (found,) = funnels(shop.warehouse, METRICS, now())
    assert [(s.name, s.reached, s.kept, s.usual, s.breaks) for s in found.day] == [
        ("session_start", 100, None, None, False),
        ("add_to_cart", 40, 0.4, 0.4, False),
        ("purchase", 1, 0.025, 0.25, True),  # ten are expected: one or none in 5 of 10,000 days
    ]
    assert found.lost == 9
    app = opened()
    assert not app.exception
    assert "It breaks at **Purchase**: 2.5 % go on, usually 25 %" in text(app)


def test_few_are_no_proof_and_an_hour_without_any_is(shop):
    """Usually a tenth of those who begin a checkout buy. None of 40 (expected 4) may happen, none of 80 not."""
    usual = {"session_start": 1000, "begin_checkout": 200, "purchase": 20}
    put(shop, "ga4", "7", [web(step, 48, n) for step, n in usual.items()])
    shop.write("ga4", "7", [AccountRow("shop.example", "", "Europe/Berlin")])
    at = now().replace(second=0)
    came = WebStep(at - timedelta(minutes=5), "session_start", 200)
    put_steps(shop, [came, WebStep(at - timedelta(minutes=5), "begin_checkout", 40)])
    assert funnels(shop.warehouse, METRICS, now())[0].broken is None
    put_steps(shop, [WebStep(at - timedelta(minutes=4), "begin_checkout", 40)])
    (found,) = funnels(shop.warehouse, METRICS, now())
    assert (found.broken.name, found.broken.reached, found.lost) == ("purchase", 0, 8)
    app = opened()
    assert not app.exception, app.exception
    assert {m.label: m.value for m in app.metric}["Sites that convert as usual"] == "0 of 1"
    assert "Breaks at purchase" in text(app)
    assert r"shop\.example" in text(app)
    put_steps(shop, [WebStep(at - timedelta(minutes=61), "purchase", 9)])  # of the hour before
    assert funnels(shop.warehouse, METRICS, now())[0].broken is not None


def test_a_site_that_falls_silent_is_told_and_one_that_nobody_asked_is_not(shop):
    """700 visits came at this hour in seven days; of the last hour's 100 there are none, or nothing is known."""
    put(shop, "ga4", "7", [web("session_start", 24 * n, 100) for n in range(1, 8)])
    assert funnels(shop.warehouse, METRICS, now())[0].now == []
    half = timedelta(minutes=30)
    hour = (now() - half).replace(minute=0, second=0)
    rows = [
        Web(
            "Email",
            "/",
            "session_start",
            hour - timedelta(days=n),
            (hour - timedelta(days=n)).date(),
            *[100] * 5,
        )
        for n in range(2, 9)
    ]
    put(shop, "ga4", "7", rows)
    put_steps(shop, [])
    (found,) = funnels(shop.warehouse, METRICS, now())
    (visits,) = found.now
    assert (visits.reached, visits.breaks) == (0, True)
    assert visits.expected == pytest.approx(100, rel=0.2)  # the eighth day may lie outside the week
    app = opened()
    assert "Visitors stay away, or nothing counts them: 0 came" in text(app)
    put_steps(shop, [WebStep(now() - timedelta(minutes=5), "session_start", 40)])
    assert funnels(shop.warehouse, METRICS, now())[0].broken is None


def test_what_google_withholds_is_said(shop):
    rows = [web("session_start", 2, 75), web("session_start", 48, 100)]
    rows += [replace(web("session_start", 2, 25), page="(withheld)", channel="(withheld)")]
    put(shop, "ga4", "7", rows)
    assert funnels(shop.warehouse, METRICS, now())[0].withheld == 0.25
    assert "Of 25 % of the sessions Google withholds" in text(opened())


def test_who_is_there_now(shop):
    at = now().replace(second=0)
    minutes = [at - timedelta(minutes=n) for n in (2, 3, 6)]
    put(shop, "events", "site", [WebMinute(m, 10, 5, 20, 0) for m in minutes])
    app = opened()
    assert not app.exception
    # Five minutes, of which two had ten users.
    assert {m.label: m.value for m in app.metric}["Active users a minute"] == "6"
    found = site.active(shop.warehouse, METRICS, now())
    assert [m.users for m in found.minutes] == [10, 0, 0, 10, 10]


CHANGED = {
    "availability": "sum(works) / nullif(sum(looks), 0) / 2",
    "load_time_p95": "quantile_cont(load_seconds, 0.95) * 10",
    "spend": "sum(cost) / 1e6 * 2",
    "active_users": "sum(users) / nullif(count(distinct minute), 0) * 3",
    "funnel_events": "sum(events) * 5",
    "funnel_sessions": "sum(reached) * 7",
    "sessions": "sum(sessions) * 11",
    "engagement_rate": "sum(engaged_sessions) / nullif(sum(sessions), 0) / 4",
    "session_conversion_rate": "sum(key_events) / nullif(sum(sessions), 0) / 8",
    "error_rate": "sum(errors) / nullif(sum(views), 0) / 5",
}
"""Each definition that the page computes by, changed by a factor of its own."""


def test_every_figure_is_by_the_definitions_in_force(shop, tmp_path):
    """Two looks at the shoes in 0.4 s, one failed; 20 users in each of two minutes with an empty one between."""
    looks = [look(SHOES, 13), look(SHOES, 3, "status")]
    put(shop, "landing_pages", "pages", looks)
    at = now().replace(second=0)
    put(shop, "events", "site", [WebMinute(at - timedelta(minutes=n), 20, 5, 20, 0) for n in (2, 4)])
    put_steps(shop, [WebStep(at - timedelta(minutes=5), "session_start", 100)])
    hour = (now() - timedelta(hours=3)).replace(minute=0, second=0)
    # 200 sessions, of which 80 stayed and 40 did what counts; 500 pages seen with 25 errors.
    steps = {"session_start": (200, 80, 200, 40), "page_view": (200, 0, 500, 0), "exception": (9, 0, 25, 0)}
    put(shop, "ga4", "7", [Web("Email", "/", s, hour, hour.date(), n[0], *n) for s, n in steps.items()])

    def told() -> dict[str, float]:
        found = site.look(shop.warehouse, _slot.process().metrics(), now(), "EUR")
        (page,) = found.pages
        (one,) = found.funnels
        return {
            "availability": page.availability,
            "load_time_p95": page.p95,
            "spend": page.payers[0].an_hour,
            "active_users": found.active.users,
            "funnel_events": one.now[0].reached,
            "funnel_sessions": one.day[0].reached,
            **found.visits["ga4", "7"].now,
        }

    usual = {"availability": 0.5, "load_time_p95": 0.4, "spend": 7.5, "active_users": 40 / 3}
    usual |= {"funnel_events": 100, "funnel_sessions": 200, "sessions": 200, "engagement_rate": 0.4}
    usual |= {"session_conversion_rate": 0.2, "error_rate": 0.05}
    assert told() == pytest.approx(usual)
    for name, sql in CHANGED.items():
        body = METRICS[name].path.read_text().replace(METRICS[name].sql, sql)
        (tmp_path / f"{name}.sql").write_text(body)
    changed = {name: read_metric(tmp_path / f"{name}.sql", views()) for name in CHANGED}
    held = _slot.process_slot()
    held["process"] = replace(held["process"], metrics=lambda: {**METRICS, **changed})
    factors = dict(zip(CHANGED, (1 / 2, 10, 2, 3, 5, 7, 11, 1 / 4, 1 / 8, 1 / 5), strict=True))
    assert told() == pytest.approx({name: usual[name] * factors[name] for name in usual})
    app = opened()
    assert not app.exception, app.exception
    cards = {m.label: m.value for m in app.metric}
    assert cards["Active users a minute"] == "40"
    assert cards["Spend on broken pages"] == "€15.00/h"
    assert r"**2\.20k**" in text(app)  # sessions
    # What an (i) says is what the card says.
    app.button(key="info_active_users").click().run()
    assert not app.exception, app.exception
    assert "**Active users a minute: 40**" in text(app)


def test_where_a_sites_number_comes_from(shop):
    """The step's rows, and the polls that brought them: steps are events, which have no ledger."""
    at = now().replace(second=0)
    window = Window(at - timedelta(hours=3), at)
    for sessions, seen in ((60, at - timedelta(minutes=10)), (40, at - timedelta(minutes=5))):
        fetch = Fetch("events", "site", "steps", window, seen, 5, "ok", request_ids=(f"r{sessions}",))
        piece = Slice("events", "site", "steps", WebStep, window)
        rows = [WebStep(seen - timedelta(minutes=5), "session_start", sessions)]
        shop.warehouse.write(piece, [to_batch(WebStep, rows)], seen_at=seen, vouched=at, fetch=fetch)
    hour = Window(at - timedelta(hours=1), at)
    found = trace(shop.warehouse, METRICS["funnel_events"], hour, {"step": "session_start"})
    assert (found.value, found.row_count) == (100, 2)
    assert found.fetches["request_ids"].to_pylist() == [["r40"], ["r60"]]
    assert {(m.source, m.stream) for m in found.watermarks} == {("events", "steps")}


def test_visits_stand_beside_the_days_before_as_far_as_there_are_any(shop):
    """A site that is known for three days before: 100, 110 and 90 sessions, now 50; none of them stayed."""
    rows = [web("session_start", ago, n) for ago, n in ((2, 50), (26, 100), (50, 110), (74, 90))]
    put(shop, "events", "site", rows)
    found = site.look(shop.warehouse, METRICS, now(), "EUR").visits["events", "site"]
    assert (found.now["sessions"], found.usual["sessions"]) == (50, 100)
    assert (found.now["engagement_rate"], found.usual["engagement_rate"]) == (0, 0)
    assert found.now["error_rate"] is None  # nobody counts views


def test_nothing_is_usual_of_a_site_that_was_connected_today(shop):
    put(shop, "events", "site", [web("session_start", 2, 50)])
    found = site.look(shop.warehouse, METRICS, now(), "EUR").visits["events", "site"]
    assert found.now["sessions"] == 50
    assert set(found.usual.values()) == {None}
