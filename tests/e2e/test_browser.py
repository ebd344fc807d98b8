"""The demo as a newcomer meets it: one command, a real browser, live numbers from the sandbox."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "artifacts"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A running demo; `url`, `run(...)` for sandbox commands, `log` for what it said."""
    work = tmp_path_factory.mktemp("demo")
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PACELINE_SANDBOX_STATE": str(work / "sandbox.json")}
    log = (work / "demo.log").open("w+")
    command = [sys.executable, "-m", "service.cli", "demo", "--headless", "--port", str(port), "--days", "10"]
    process = subprocess.Popen(command, cwd=work, env=env, stdout=log, stderr=subprocess.STDOUT)

    def said() -> str:
        return (work / "demo.log").read_text()

    def sandbox(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sandbox", *words],
            env=env,
            cwd=work,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    until = time.monotonic() + 120
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):
                break
        except OSError:
            assert process.poll() is None, said()
            assert time.monotonic() < until, said()
            time.sleep(0.2)
    try:
        yield SimpleNamespace(url=url, sandbox=sandbox, said=said, work=work)
    finally:
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        log.close()
    assert time.monotonic() - started < 15
    assert "Traceback" not in said(), said()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def opened(browser: Browser, url: str, **context: object) -> Page:
    page = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context}).new_page()
    page.goto(url)
    expect(page.get_by_test_id("stMetric")).to_have_count(4, timeout=90_000)
    if context.get("viewport") is None:  # a phone draws a chart when it is scrolled to
        charts = page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg")
        expect(charts.first).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1500)
    return page


def test_the_overview_shows_live_numbers(demo: SimpleNamespace, browser: Browser) -> None:
    page = opened(browser, demo.url)
    shot(page, "overview")
    for label in ("Spend pacing", "ROAS", "Cost per result", "Conversions"):
        expect(page.get_by_text(label, exact=True).first).to_be_visible()
    for source in ("Google Ads", "Meta Ads"):
        expect(page.get_by_text(f"{source} ·", exact=False).first).to_be_visible(timeout=60_000)
    assert page.get_by_test_id("stMetricValue").first.inner_text()[0] in "€$£¥₹"


def test_dark_phone_and_wall(demo: SimpleNamespace, browser: Browser) -> None:
    shot(opened(browser, demo.url, color_scheme="dark"), "dark")
    shot(opened(browser, demo.url, viewport={"width": 390, "height": 844}), "phone")
    wall = opened(
        browser, f"{demo.url}/?mode=wall", viewport={"width": 1920, "height": 1080}, color_scheme="dark"
    )
    shot(wall, "wall")
    expect(wall.get_by_text("Data health")).to_have_count(0)


def call(demo: SimpleNamespace, path: str, method: str = "GET") -> dict:
    token = next(demo.work.rglob("api_token")).read_text().strip()
    request = urllib.request.Request(
        f"{demo.url}{path}", method=method, headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_why_stays_open_while_the_data_changes(demo: SimpleNamespace, browser: Browser) -> None:
    until = time.monotonic() + 240
    while (call(demo, "/api/status")["backfill"] or {}).get("state") != "done":
        assert time.monotonic() < until, demo.said()
        time.sleep(1)
    page = opened(browser, demo.url)
    page.locator(".st-key-why_cpa").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("What moved it")).to_be_visible(timeout=30_000)
    expect(dialog.get_by_text("Cost per acquisition", exact=False).first).to_be_visible()
    expect(page).to_have_url(re.compile(r"[?&]why=cpa"))
    dialog.get_by_text("Source", exact=True).click()
    expect(dialog.get_by_text("Open a campaign", exact=False)).to_have_count(0, timeout=30_000)
    page.wait_for_timeout(2000)
    shot(page, "why")

    before = call(demo, "/api/status")["data_version"]
    call(demo, "/api/poll", "POST")
    until = time.monotonic() + 60
    while call(demo, "/api/status")["data_version"] == before:
        assert time.monotonic() < until, demo.said()
        time.sleep(0.5)
    page.wait_for_timeout(6000)
    # as it was: still open, still divided by source
    expect(dialog.get_by_text("What moved it")).to_be_visible()
    expect(dialog.get_by_text("Open a campaign", exact=False)).to_have_count(0)

    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("why="), timeout=15_000)
    page.goto(f"{demo.url}/?why=roas")
    expect(page.get_by_role("dialog").get_by_text("Return on ad spend", exact=False).first).to_be_visible(
        timeout=60_000
    )


def test_changes_are_marked_and_open(demo: SimpleNamespace, browser: Browser) -> None:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{demo.url}/changes?win=28d")
    expect(page.get_by_text("Everything that happened", exact=False)).to_be_visible(timeout=90_000)
    page.wait_for_timeout(3000)
    shot(page, "changes")
    page.locator(".st-key-changes_find input").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("What came of it", exact=False).first).to_be_visible(
        timeout=30_000
    )
    shot(page, "change")


def test_a_revoked_token_is_shown_with_its_mend_without_a_reload(
    demo: SimpleNamespace, browser: Browser
) -> None:
    page = opened(browser, demo.url)
    expect(page.get_by_text("Create a new", exact=False)).to_have_count(0)
    demo.sandbox("incident", "start", "token_revoked", "--platform", "meta")
    call(demo, "/api/poll", "POST")
    expect(page.get_by_text("How to fix").first).to_be_visible(timeout=60_000)
    shot(page, "revoked")
    page.goto(f"{demo.url}/data-health")
    expect(page.get_by_text("How to fix").first).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1500)
    shot(page, "data_health")
