"""The app's process, and the sandbox's."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from service import settings
from service.workspace import VARIABLE, find

if TYPE_CHECKING:
    from service.settings import Setup
    from service.workspace import Workspace

__all__ = ["HOME", "become", "command", "environment", "up", "version"]

HOME = Path(__file__).resolve().parents[2]
"""Where the rooms and app.py are: the checkout, or the folder of the installed package."""


def version() -> str:
    """The installed version, or the checkout's."""
    try:
        return importlib.metadata.version("paceline")
    except importlib.metadata.PackageNotFoundError:
        said = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
        return str(said["project"]["version"])


def environment(workspace: Workspace | None = None) -> dict[str, str]:
    """For a process of ours: the rooms come first on its path."""
    path = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))
    said = {VARIABLE: str(workspace.folder)} if workspace else {}
    return {**os.environ, "PYTHONPATH": path, **said}


def command(setup: Setup, *, port: int | None = None, address: str | None = None) -> list[str]:
    """How the app's process is started; its working directory is the workspace."""
    server = setup.settings.server
    options = {
        "server.port": server.port if port is None else port,
        "server.address": address or server.address,
        "server.headless": "true",
        "global.developmentMode": "false",
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "streamlit", "run", str(HOME / "app.py"), *flags]


def up(folder: Path | None, *, port: int | None, address: str | None) -> NoReturn:
    """Become the app's process: whoever started us supervises it directly. Raises SettingsError."""
    workspace = find(folder)
    words = command(settings.load(workspace.folder), port=port, address=address)
    running = workspace.running()
    if running is not None:
        typer.echo(f"The app runs on this workspace already: {running.url} (process {running.pid})", err=True)
        raise typer.Exit(1)
    # Streamlit looks for secrets.toml, where the login's settings are, in the working directory.
    os.chdir(workspace.folder)
    os.execve(words[0], words, environment(workspace))  # noqa: S606  # our own interpreter


def become(module: str, *arguments: str) -> NoReturn:
    """Become `python -m module`: signals and output are its own."""
    words = [sys.executable, "-m", module, *arguments]
    os.execve(words[0], words, environment())  # noqa: S606  # our own interpreter
