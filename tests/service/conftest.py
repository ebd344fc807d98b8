from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.jobs import Poller
from service.settings import load
from service.workers import Workers
from service.workspace import Workspace
from tests.service.governed import team  # noqa: F401  # a fixture
from warehouse.duck import DuckWarehouse

HERE = Path(__file__).parent
SECRET = "top-secret-token-value"


class Platform:
    """What the example source's servers hold, and what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.state: dict[str, Any] = {
            "accounts": {"a": "Europe/Berlin", "b": "America/New_York"},
            "behaviour": {},
            "allowed": None,
            "look_back": 10,
            "cost": 1_000_000,
        }
        self.set()

    def set(self, **changes: Any) -> None:
        self.state |= changes
        fresh = self.folder / "platform.fresh"
        fresh.write_text(json.dumps(self.state))
        fresh.replace(self.folder / "platform.json")

    def behave(self, **how: str) -> None:
        self.set(behaviour={key.replace("__", "/"): value for key, value in how.items()})

    def asked(self, what: str | None = None, account: str | None = None) -> list[dict[str, Any]]:
        log = self.folder / "asked"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line for line in lines if what in (None, line["what"]) and account in (None, line["account"])]


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture(scope="session", autouse=True)
def example_package(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Installs the example source as a third party would: a package with an entry point."""
    site = tmp_path_factory.mktemp("site")
    info = site / "paceline_example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paceline-example\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[paceline.connectors]\nexample = example_source:Example\n")
    sys.path[:0] = [str(site), str(HERE / "example")]


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path / "platform")


@pytest.fixture
def workspace(tmp_path: Path, platform: Platform) -> Workspace:
    folder = tmp_path / "team"
    (folder / ".streamlit").mkdir(parents=True)
    (folder / "paceline.yaml").write_text(
        f"polling:\n  deadline: 20s\n  workers: 2\nsources:\n  example:\n    platform: {platform.folder}\n"
    )
    (folder / ".streamlit/secrets.toml").write_text(f'[example]\ntoken = "{SECRET}"\n')
    return Workspace(folder)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 11, 24, 12, tzinfo=UTC))


@pytest.fixture
def warehouse(workspace: Workspace):
    with DuckWarehouse.open(workspace.database) as opened:
        yield opened


@pytest.fixture(scope="session")
def workers(example_package: None):
    """One pool for all tests: starting one takes seconds."""
    pool = Workers(2, deadline=timedelta(seconds=30))
    yield pool
    pool.close()


@pytest.fixture
def poller(workspace: Workspace, warehouse: DuckWarehouse, workers: Workers, clock: Clock):
    workers.deadline = timedelta(seconds=30)
    made = Poller(load(workspace.folder), warehouse, workers, workspace.state, clock=clock)
    yield made
    made.stop()
