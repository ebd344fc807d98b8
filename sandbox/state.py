"""Where a running sandbox leaves word of itself, so that other commands and programs find it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["forget", "path", "read", "write"]


def path() -> Path:
    """Where a running sandbox leaves its announcement for the other commands."""
    chosen = os.environ.get("PACELINE_SANDBOX_STATE")
    return Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"paceline-sandbox-{os.getuid()}.json"


def write(announcement: dict[str, Any]) -> None:
    """Leave the announcement where the other commands look for it; it replaces an older sandbox's."""
    place = path()
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=place.name)
    with os.fdopen(handle, "w") as file:
        json.dump(announcement, file)
    Path(name).replace(place)


def read() -> dict[str, Any]:
    """The running sandbox's announcement. Raises FileNotFoundError where none is up."""
    place = path()
    if place.stat().st_uid != os.getuid():
        raise FileNotFoundError(f"{place} is another user's")
    found: dict[str, Any] = json.loads(place.read_text())
    return found


def forget(announcement: dict[str, Any]) -> None:
    """Take the announcement away again, unless a newer sandbox has replaced it."""
    with contextlib.suppress(FileNotFoundError):
        if read()["pid"] == announcement["pid"]:
            path().unlink()
