"""`paceline status`: whether the app runs, and how fresh each account is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.commands.ask import running_app
from service.workspace import elsewhere, find
from warehouse.reader import read

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]

_SQL = """SELECT source, account, count(*) AS streams, count_if(error = '') AS fine,
      max(data_as_of) FILTER (WHERE stream = 'delivery') AS data_as_of, max(polled_at) AS polled_at
    FROM watermark GROUP BY ALL ORDER BY ALL"""
_WRONG = """SELECT source, account, cause, mend, list(stream ORDER BY stream) AS streams
    FROM watermark WHERE error <> '' GROUP BY ALL ORDER BY ALL"""


def run(folder: Path | None) -> None:
    """Print both. Ends with 1 where the app does not run, or not well."""
    workspace = find(folder)
    app = running_app(workspace)
    state = "down"
    if app is None:
        typer.echo(f"The app does not run on {workspace.folder} (`paceline up`).{elsewhere(workspace)}")
    else:
        said = app.get("/api/status")
        state = said["state"]
        typer.echo(f"{app.url} is {state}: {said['accounts']} accounts, {said['waiting']} slices in line")
        for problem in said["problems"]:
            typer.echo(f"✗ {problem}")
        for budget in said["budgets"]:
            allowed = "" if budget["allowed"] is None else f" of {budget['allowed']:,}"
            typer.echo(f"{budget['source']}: {budget['used']:,}{allowed} operations in 24 hours")
    if workspace.published.exists():
        table = Table("source", "account", "delivery as of", "last success", "streams", box=None)
        now = datetime.now(UTC)
        for row in read(workspace.published, _SQL).to_pylist():
            ages = (_ago(row["data_as_of"], now), _ago(row["polled_at"], now))
            fine = f"{row['fine']} of {row['streams']} fine"
            table.add_row(*map(Text, (row["source"], row["account"] or "(all)", *ages, fine)))
        Console().print(table)
        for row in read(workspace.published, _WRONG).to_pylist():
            streams = (
                ", ".join(row["streams"]) if len(row["streams"]) < 4 else f"{len(row['streams'])} streams"
            )
            typer.echo(f"✗ {row['source']}/{row['account']} ({streams}): {row['cause']}")
            if row["mend"]:
                typer.echo(f"  → {row['mend']}")
    if state not in ("ok", "degraded"):
        raise typer.Exit(1)


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return ""
    span = now - at
    if span < timedelta(hours=1):
        return f"{max(span, timedelta(0)).seconds // 60} min ago"
    if span < timedelta(days=2):
        return f"{span / timedelta(hours=1):.0f} h ago"
    return f"{span.days} days ago"
