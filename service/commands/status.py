"""`paceline status`: whether the app runs, and how fresh each account is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.commands.ask import running_app
from service.workspace import find
from warehouse.reader import read

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]

_SQL = """SELECT source, account, stream, data_as_of, polled_at, outcome, cause, mend
    FROM watermark ORDER BY ALL"""


def run(folder: Path | None) -> None:
    """Print both. Ends with 1 where the app does not run, or not well."""
    workspace = find(folder)
    app = running_app(workspace)
    state = "down"
    if app is None:
        typer.echo("The app does not run on this workspace (`paceline up`).")
    else:
        said = app.get("/api/status")
        state = said["state"]
        typer.echo(f"{app.url} is {state}: {said['accounts']} accounts, {said['waiting']} slices in line")
        for problem in said["problems"]:
            typer.echo(f"✗ {problem}")
        for budget in said["budgets"]:
            allowed = "no limit" if budget["allowed"] is None else f"of {budget['allowed']:,}"
            typer.echo(f"{budget['source']}: {budget['used']:,} {allowed} operations in 24 hours")
    if workspace.published.exists():
        table = Table(
            "source", "account", "stream", "data as of", "polled", "outcome", "what to do", box=None
        )
        now = datetime.now(UTC)
        for row in read(workspace.published, _SQL).to_pylist():
            words = " · ".join(filter(None, (row["cause"], row["mend"]))) if row["outcome"] != "ok" else ""
            ages = (_ago(row["data_as_of"], now), _ago(row["polled_at"], now))
            cells = (row["source"], row["account"] or "(all)", row["stream"], *ages, row["outcome"], words)
            table.add_row(*map(Text, cells))
        Console().print(table)
    if state not in ("ok", "degraded"):
        raise typer.Exit(1)


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    span = now - at
    if span < timedelta(hours=1):
        return f"{max(span, timedelta(0)).seconds // 60} min ago"
    if span < timedelta(days=2):
        return f"{span / timedelta(hours=1):.0f} h ago"
    return f"{span.days} days ago"
