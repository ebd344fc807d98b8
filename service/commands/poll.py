"""`paceline poll` and `paceline backfill`: by the running app, or here if none runs."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from service import logs, settings
from service.backfill import Backfill
from service.commands.ask import running_app
from service.jobs import Poller, utc_now
from service.lean import give_back, spare_pandas
from service.workers import Workers
from service.workspace import find
from warehouse.duck import DuckWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from service.fetching import Result
    from service.workspace import Workspace

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
    with _poller(workspace, now) as poller:
        results = poller.run_once()
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
        with _poller(workspace, now) as poller:
            poller.run_once()
            running = Backfill(poller, days)
            running.start()
            try:
                ended = _follow(lambda: running.progress().plain())
            finally:
                running.stop()
                running.join(60)
    typer.echo(f"{ended['done']:,} of {ended['days']:,} days, {ended['rows']:,} rows")
    for why in ended["given_up"]:
        typer.echo(f"✗ {why}", err=True)
    if ended["cause"]:
        typer.echo(f"✗ {ended['cause']}", err=True)
    if ended["given_up"] or ended["state"] != "done":
        raise typer.Exit(1)


@contextmanager
def _poller(workspace: Workspace, now: str) -> Iterator[Poller]:
    """A poller without the app around it: no rules, no channels, no pages, and half of the memory."""
    give_back()
    spare_pandas()
    setup = settings.load(workspace.folder)
    polling = setup.settings.polling
    with DuckWarehouse.open(workspace.database) as warehouse:
        workers = Workers(polling.workers, deadline=polling.deadline)
        poller = Poller(setup, warehouse, workers, workspace.state, clock=_clock(now))
        try:
            yield poller
        finally:
            poller.stop()
            workers.close()


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
