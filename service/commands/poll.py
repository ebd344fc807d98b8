"""`paceline poll` and `paceline backfill`: by the running app, or here if none runs."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from service import logs
from service.commands.ask import running_app
from service.jobs import utc_now
from service.running import Service
from service.workspace import find

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from service.fetching import Result

__all__ = ["backfill", "run"]


def run(folder: Path | None, *, once: bool, verbose: bool, now: str) -> None:
    """One cycle. Ends with 1 where an account could not be polled."""
    workspace = find(folder)
    app = running_app(workspace)
    if app is not None:
        typer.echo(f"The app at {app.url} polls {app.post('/api/poll')['offered']} slices now.")
        return
    if not once:
        typer.echo(
            "No app runs on this workspace: start it with `paceline up`, or poll with --once.", err=True
        )
        raise typer.Exit(1)
    logs.start(logging.INFO if verbose else logging.WARNING)
    service = Service(workspace, clock=_clock(now))
    try:
        results = service.poller.run_once()
    finally:
        service.stop()
    _show(results)
    if any(result.fetch.outcome != "ok" for result in results):
        raise typer.Exit(1)


def backfill(folder: Path | None, *, days: int, now: str) -> None:
    """All history of the last `days` that is missing, with its progress."""
    workspace = find(folder)
    app = running_app(workspace)
    if app is not None:
        app.post("/api/backfill", {"days": days})
        ended = _follow(lambda: app.get("/api/status")["backfill"])
    else:
        logs.start(logging.WARNING)
        service = Service(workspace, clock=_clock(now))
        try:
            service.poller.run_once()
            running = service.backfill(days)
            ended = _follow(lambda: running.progress().plain())
            running.join(60)
        finally:
            service.stop()
    typer.echo(f"{ended['done']:,} of {ended['days']:,} days, {ended['rows']:,} rows")
    for why in ended["given_up"]:
        typer.echo(f"✗ {why}", err=True)
    if ended["cause"]:
        typer.echo(f"✗ {ended['cause']}", err=True)
    if ended["given_up"] or ended["state"] != "done":
        raise typer.Exit(1)


def _clock(now: str) -> Callable[[], datetime]:
    if not now:
        return utc_now
    at = datetime.fromisoformat(now).astimezone(UTC)
    return lambda: at


def _follow(progress: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days · {task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("backfill", rows=0)
        while True:
            now = progress()
            what = f"waiting: {now['waits_for']}" if now["state"] == "waiting" else now["state"]
            bar.update(shown, completed=now["done"], total=now["days"], rows=now["rows"], description=what)
            if now["state"] in ("done", "stopped"):
                return now
            time.sleep(0.5)


def _show(results: list[Result]) -> None:
    table = Table("source", "account", "stream", "slices", "rows", "changed", "outcome", box=None)
    sums: dict[tuple[str, str, str], list[int]] = {}
    worst: dict[tuple[str, str, str], str] = {}
    for result in results:
        fetch = result.fetch
        key = (fetch.source, fetch.account or "(all)", fetch.stream)
        row = sums.setdefault(key, [0, 0, 0])
        for index, amount in enumerate((1, fetch.rows, fetch.changed)):
            row[index] += amount
        if fetch.outcome != "ok":
            mend = f" · {fetch.mend}" if fetch.mend else ""
            worst[key] = f"✗ {fetch.outcome}: {fetch.cause}{mend}"
    for key, row in sorted(sums.items()):
        table.add_row(*key, *(f"{amount:,}" for amount in row), worst.get(key, "ok"))
    Console().print(table)
