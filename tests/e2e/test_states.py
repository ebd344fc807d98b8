"""A team whose one source does not answer: its first run, and a day on which the source falls silent."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from connectors.contract import Window
from connectors.rows import AccountRow, Budget, Campaign, Delivery
from connectors.schema import Row, to_batch
from service import settings
from service.commands import serve
from service.workspace import Workspace
from tests.e2e.conftest import free_port, healthy, stopped
from tests.e2e.walk import PATIENCE, findings, go, idle, shot, whole
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

HOUR = timedelta(hours=1)
SETTINGS = """
currency: EUR
timezone: Europe/Berlin
targets: [{{metric: roas, value: 3.0}}]
sources:
  meta_ads: {{app_id: "1", graph_url: "http://127.0.0.1:{port}"}}
"""
SECRETS = '[meta_ads]\napp_secret = "an-app-secret-of-nobody"\naccess_token = "a-token-of-nobody"\n'
CARDS = ("Spend pacing", "ROAS", "Cost per result", "Conversions")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose source is at a port on which nobody listens."""
    folder = tmp_path_factory.mktemp("team")
    (folder / ".streamlit").mkdir()
    (folder / "paceline.yaml").write_text(SETTINGS.format(port=free_port()))
    (folder / ".streamlit/secrets.toml").write_text(SECRETS)
    return Workspace(folder)


@contextmanager
def app(team: Workspace) -> Iterator[str]:
    """The app on this workspace, at its address."""
    port = free_port()
    log = team.folder / "app.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            serve.command(settings.load(team.folder), port=port),
            cwd=team.folder,
            env={**os.environ, **serve.environment(team)},
            stdout=out,
            stderr=out,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        healthy(url, process, log)
        yield url
    finally:
        stopped(process, log)


def polled(path: Path, seen: datetime) -> None:
    """Four weeks of even delivery of three campaigns on plan, as a poll of that moment found them."""
    end = seen.replace(minute=0, second=0, microsecond=0)
    begun = end - timedelta(days=28)
    hours = [begun + n * HOUR for n in range(28 * 24)]
    names = {"1": "Prospecting EU", "2": "Retargeting", "3": "Brand"}
    replies: list[list[Row]] = [
        [AccountRow("Northwind Outdoor", "EUR", "UTC")],
        [Campaign(key, name, "enabled", "", "search") for key, name in names.items()],
        [Budget(f"b{key}", key, "", "", 240_000_000, "daily", "campaign", shared=False) for key in names],
        [
            Delivery(key, at, at.date(), at.hour, 1000, 50, 10_000_000, 1.0, 40_000_000)
            for at in hours
            for key in names
        ],
    ]
    warehouse = DuckWarehouse.open(path)
    for rows in replies:
        kind, window = type(rows[0]), Window(begun, end)
        piece = Slice("meta_ads", "7", kind.table, kind, window, ZoneInfo("UTC"))
        fetch = Fetch("meta_ads", "7", kind.table, window, seen, 5, "ok")
        warehouse.write(piece, [to_batch(kind, rows)], seen_at=seen, vouched=end, fetch=fetch)
    warehouse.close()


def looked_at(page: Page, name: str) -> None:
    """Whole, accessible, and kept as a picture; at a desk, then as a phone shows it."""
    shot(page, name)
    whole(page)
    assert findings(page) == []
    desk = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, f"{name}_phone")
    whole(page)
    page.set_viewport_size(desk or {"width": 1440, "height": 1000})


def test_a_first_run_says_what_stands_in_the_way_and_how_to_go_on(team: Workspace, page: Page) -> None:
    with app(team) as url:
        page.goto(url)
        told = page.locator(".st-key-first")
        expect(told.get_by_text("Something keeps the first numbers from coming")).to_be_visible(
            timeout=PATIENCE
        )
        expect(told.get_by_text("Meta Ads · no connection to Meta", exact=False)).to_be_visible()
        expect(told).not_to_contain_text("access_token")
        expect(told.get_by_text("How to fix:", exact=False)).to_be_visible()
        expect(told.get_by_text(re.compile(r"Next try .*\d\d:\d\d"))).to_be_visible()
        for command in (f"paceline check --workspace {team.folder}", "paceline demo"):
            expect(page.get_by_test_id("stCode").get_by_text(command)).to_be_visible()
        for card in CARDS:
            expect(page.get_by_text(card, exact=True)).to_be_visible()
        expect(page.get_by_test_id("stMetric")).to_have_count(0)
        idle(page)
        looked_at(page, "first_run")


def test_what_a_silent_source_said_last_turns_grey_and_never_green(
    team: Workspace, browser: Browser, page: Page
) -> None:
    polled(team.database, datetime.now(UTC) - timedelta(minutes=47))
    with app(team) as url:
        page.goto(url)
        expect(page.get_by_text("no connection to Meta", exact=False).first).to_be_visible(timeout=PATIENCE)
        expect(page.get_by_text("failing, last good", exact=False).first).to_be_visible(timeout=PATIENCE)
        all_grey(page)
        looked_at(page, "stale")
        go(page, f"{url}/campaign?source=meta_ads&account=7&campaign=1")
        all_grey(page)
        looked_at(page, "stale_campaign")
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, color_scheme="dark")
        dark = context.new_page()
        go(dark, url)
        all_grey(dark)
        shot(dark, "stale_dark")
        assert findings(dark) == []
        context.close()


def all_grey(page: Page) -> None:
    """Four cards with their age and the next try, compared with nothing; nothing on the page is green."""
    cards = page.locator("[class*=st-key-stale_card_]")
    expect(cards).to_have_count(4, timeout=PATIENCE)
    for n in range(4):
        expect(cards.nth(n)).to_contain_text(
            re.compile(r"next try .*\d\d:\d\d.*Stale, \d\d min", re.DOTALL), timeout=PATIENCE
        )
        expect(cards.nth(n).get_by_test_id("stMetricDelta")).to_have_count(0)
    value = cards.first.get_by_test_id("stMetricValue")
    assert float(value.evaluate("e => getComputedStyle(e).opacity")) < 0.7
    for word in ("On plan", "On track"):
        expect(page.get_by_text(word, exact=True)).to_have_count(0)
    idle(page)
