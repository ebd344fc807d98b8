"""What a visitor does with a page, in words of the app: open, look, click a row, take a picture."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from service.commands.ask import App, running_app
from service.workspace import Workspace

SHOTS = Path(__file__).resolve().parents[2] / "artifacts"
ROW, HEADER = 35, 35
"""Heights in a table, px."""

PATIENCE = 90_000
"""Milliseconds that a loaded machine may take for a page."""


@dataclass(frozen=True)
class Demo:
    """A running demo: its address, the folder that it was started in, and what it said."""

    url: str
    folder: Path
    log: Path

    @property
    def app(self) -> App:
        """The app's own routes, by the workspace's token."""
        found = running_app(Workspace(self.folder / ".paceline/demo"))
        assert found is not None, self.log.read_text()
        return found

    def sandbox(self, *words: str) -> None:
        """A command to the world behind the platforms."""
        env = {**os.environ, "PACELINE_SANDBOX_STATE": str(self.folder / "sandbox.json")}
        command = [sys.executable, "-m", "sandbox", *words]
        subprocess.run(command, env=env, cwd=Path(__file__).parents[2], capture_output=True, check=True)

    def wait(self, what: Callable[[dict], bool], seconds: float = 240) -> dict:
        """The status as soon as it is as it should be."""
        until = time.monotonic() + seconds
        while not what(status := self.app.get("/api/status")):
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.5)
        return status

    def filled(self) -> None:
        """Wait until the history is there, and nothing more is on its way."""
        self.wait(lambda status: (status["backfill"] or {}).get("state") == "done")
        self.wait(lambda status: not status["waiting"])


def idle(page: Page) -> None:
    """Wait until the page has said all it has to say."""
    app = page.get_by_test_id("stApp")
    for _ in range(2):  # a click needs a moment to become a run
        page.wait_for_timeout(300)
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)


def go(page: Page, url: str) -> None:
    """Open an address and wait for its page."""
    page.goto(url)
    expect(page.get_by_test_id("stApp")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("h3").first).to_be_visible(timeout=PATIENCE)
    idle(page)


def shot(page: Page, name: str) -> None:
    """A picture of the whole page, kept as an artefact."""
    page.wait_for_timeout(700)  # charts fade in
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def whole(page: Page) -> None:
    """Nothing failed, nothing is wider than the screen."""
    expect(page.get_by_test_id("stException")).to_have_count(0)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} is {wide} px too wide"


def findings(page: Page) -> list[str]:
    """What axe calls serious or critical: rule, and where; of all but Streamlit's own menu on a phone.

    (On a narrow screen the navigation becomes a side bar whose lists hold elements that are no list items.)
    """
    found = Axe().run(page, context={"exclude": [["[data-testid=stSidebar]"]]}).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['html'][:160]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def grid(page: Page, key: str) -> Locator:
    """The table of a key, drawn and in sight."""
    table = page.locator(f".st-key-{key}_rows").get_by_test_id("stDataFrame").first
    expect(table.locator("canvas").first).to_be_visible(timeout=PATIENCE)
    table.scroll_into_view_if_needed()
    idle(page)
    return table


def open_row(page: Page, key: str, row: int = 0) -> None:
    """Click the name in a row of the table of a key."""
    grid(page, key).click(position={"x": 50, "y": HEADER + ROW * row + ROW / 2})
