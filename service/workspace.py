"""A team's workspace: one folder with its settings, its metrics, its secrets and its state.

paceline.yaml              what to poll (see service.settings)
metrics/*.sql              the team's own metrics
.streamlit/secrets.toml    secrets, for the owner's eyes only
.paceline/                 state: paceline.duckdb, published.duckdb, book.sqlite, api_token, running.json
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "Running", "Workspace", "elsewhere", "find", "write_private"]

VARIABLE = "PACELINE_WORKSPACE"


@dataclass(frozen=True, slots=True)
class Running:
    """The app that runs on this workspace: where it answers, and as which process."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Workspace:
    """The paths of a workspace."""

    folder: Path

    @property
    def settings_file(self) -> Path:
        """What to poll."""
        return self.folder / settings.FILE

    @property
    def state(self) -> Path:
        """Everything that Paceline itself writes."""
        return self.folder / ".paceline"

    @property
    def database(self) -> Path:
        """The warehouse; one process at a time has it open."""
        return self.state / "paceline.duckdb"

    @property
    def book(self) -> Path:
        """What the process decided and what people said of it (see warehouse.book)."""
        return self.state / "book.sqlite"

    @property
    def published(self) -> Path:
        """The copy that everybody may read."""
        return self.state / "published.duckdb"

    def token(self) -> str:
        """The secret by which the command line asks the running app; made when first needed."""
        path = self.state / "api_token"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text(encoding="utf-8").strip()

    def announce(self, url: str) -> None:
        """Leave word that this process runs the app, at `url`."""
        write_private(self.state / "running.json", json.dumps({"url": url, "pid": os.getpid()}))

    def withdraw(self) -> None:
        """Take the word back, if it is this process's own."""
        running = self.running()
        if running is not None and running.pid == os.getpid():
            (self.state / "running.json").unlink(missing_ok=True)

    def running(self) -> Running | None:
        """The app that left word and whose process is alive."""
        try:
            said = json.loads((self.state / "running.json").read_text(encoding="utf-8"))
            running = Running(str(said["url"]), int(said["pid"]))
            os.kill(running.pid, 0)
        except PermissionError:
            return running  # alive, as another user
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return running


def find(explicit: Path | None = None, environ: Mapping[str, str] = os.environ) -> Workspace:
    """The workspace meant: the given one, the environment's, the current folder, or ./workspace."""
    here = Path.cwd()
    if explicit is not None:
        return Workspace(explicit.resolve())
    if environ.get(VARIABLE):
        return Workspace(Path(environ[VARIABLE]).resolve())
    return Workspace(here if (here / settings.FILE).exists() else here / "workspace")


def elsewhere(workspace: Workspace) -> str:
    """A hint where the demo runs in this folder and another workspace was asked; else nothing."""
    demo = Workspace(Path.cwd() / ".paceline" / "demo")
    if demo.folder == workspace.folder or demo.running() is None:
        return ""
    return " The demo runs here: add `-w .paceline/demo` to ask it."


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        fresh.unlink()
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
