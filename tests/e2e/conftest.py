"""One demo and one browser for the walks of a file: starting them is what such tests cost.

PACELINE_DEMO=FOLDER walks through a demo that was started in that folder and is running already.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from service.workspace import Workspace
from tests.e2e.walk import Demo

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def healthy(url: str, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 180
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it is up, and says that something is wrong
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.3)


def stopped(process: subprocess.Popen, log: Path) -> None:
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert time.monotonic() - started < 25
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A running demo, with eight days of history that are there already."""
    if "PACELINE_DEMO" in os.environ:
        work = Path(os.environ["PACELINE_DEMO"])
        running = Workspace(work / ".paceline/demo").running()
        assert running is not None, f"no demo runs in {work}"
        yield Demo(running.url, work, work / "demo.log")
        return
    work = tmp_path_factory.mktemp("demo")
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PACELINE_SANDBOX_STATE": str(work / "sandbox.json")}
    command = [sys.executable, "-m", "service.cli", "demo", "--headless", "--port", str(port), "--days", "8"]
    with (work / "demo.log").open("w") as log:
        process = subprocess.Popen(command, cwd=work, env=env, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    healthy(url, process, work / "demo.log")
    try:
        started = Demo(url, work, work / "demo.log")
        started.filled()
        yield started
    finally:
        stopped(process, work / "demo.log")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A visitor at a desk."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    yield context.new_page()
    context.close()
