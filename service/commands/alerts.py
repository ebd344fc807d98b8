"""Asking the running app about its alerts."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.commands.ask import App, running_app
from service.workspace import find

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ask", "drill", "review", "show", "test"]

_DELIVERED_WITHIN = 30.0
_DRILLED_WITHIN = 600.0


def show(folder: Path | None) -> None:
    """Print what is open. Ends with 1 where the app does not run."""
    said = _app(folder).get("/api/alerts")
    now = datetime.now(UTC)
    table = Table("incident", "severity", "owner", "since", "in hand", "what", box=None)
    for one in said["incidents"]:
        age = now - datetime.fromisoformat(one["opened"])
        hours = f"{age.total_seconds() / 3600:.1f} h"
        cells = (str(one["id"]), one["severity"], one["owner"], hours, one["acknowledged"] or "nobody")
        table.add_row(*map(Text, (*cells, one["headline"] or "not told yet")))
    if said["incidents"]:
        Console(width=None if Console().is_terminal else 10_000).print(table)
    else:
        typer.echo(f"Nothing fires; {said['pending']} pending.")
    for one in said["silences"]:
        what = " ".join(f"{k}={v}" for k, v in one["match"].items()) or f"{one['members']} alerts"
        typer.echo(f"silence {one['id']}: {what} until {one['ends']}, {one['by']}: {one['reason']}")
    for one in said["messages"]:
        if one["status"] == "dead":
            typer.echo(f"✗ message {one['id']} to {one['channel']} {one['recipient']}: {one['error']}")


def review(folder: Path | None, days: int) -> None:
    """Print what came of each rule. Ends with 1 where the app does not run."""
    said = _post(_app(folder), "review", {"days": days})
    heads = (
        "rule",
        "fires",
        "days",
        "hours",
        "flaps",
        "told",
        "acted on",
        "in hand after",
        "useful",
        "noise",
    )
    table = Table(*heads, "review", box=None)
    for one in said["rules"]:
        after = one["acknowledged_after_s"]
        cells = (
            *(one["rule"], one["fires"], one["fired_days"], f"{one['hours']:.0f}", one["flaps"], one["told"]),
            f"{one['acted'] / one['told']:.0%}" if one["told"] else "",
            f"{after / 60:.0f} min" if after is not None else "",
            *(one["useful"], one["noise"], one["due"] + (" overdue" if one["overdue"] else "")),
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    Console(width=None if Console().is_terminal else 10_000).print(table)


def drill(folder: Path | None, rule: str | None) -> None:
    """Hold a drill and say what came of it. Ends with 1 where it fails."""
    app = _app(folder)
    began = _post(app, "drill", {"rule": rule} if rule else {})["at"]
    with Console(stderr=True).status("The drill is under way …"):
        end = time.monotonic() + _DRILLED_WITHIN
        while (said := _post(app, "drilled", {}))["running"] and time.monotonic() < end:
            time.sleep(0.5)
    last = said["last"]
    if last is None or datetime.fromisoformat(last["at"]) < datetime.fromisoformat(began):
        typer.echo("✗ the drill has not ended: see the log", err=True)
        raise typer.Exit(1)
    done = json.loads(last["detail"])
    failed = bool(done["fault"])
    for one in done["rules"]:
        faults = [f for f in (one["fault"], *(d["fault"] for d in one["delivered"])) if f]
        failed = failed or bool(faults)
        heard = ", ".join(
            f"{d['channel']} {d['to']} {d['how']} after {d['seconds']} s"
            for d in one["delivered"]
            if not d["fault"]
        )
        said_of = one["skipped"] or "; ".join(faults) or heard
        typer.echo(f"{'✗' if faults else '–' if one['skipped'] else '✓'} {one['rule']}: {said_of}")
    if failed:
        raise typer.Exit(1)


def ask(folder: Path | None, act: str, asked: dict[str, Any]) -> None:
    """Have it done, and say so. Ends with 1 where it cannot be."""
    done = _post(_app(folder), act, asked)
    typer.echo(f"{act}: " + ", ".join(f"{name} {value}" for name, value in done.items()))


def test(folder: Path | None, to: str, by: str) -> None:
    """Send a test and wait until it is delivered, or dead. Ends with 1 where it is not delivered in time."""
    app = _app(folder)
    key = _post(app, "test", {"to": to, "by": by})["key"]
    end = time.monotonic() + _DELIVERED_WITHIN
    row: dict[str, Any] = {}
    while time.monotonic() < end:
        row = next(one for one in app.get("/api/alerts")["messages"] if one["key"] == key)
        if row["status"] in ("sent", "dead"):
            break
        time.sleep(0.3)
    if row["status"] == "sent":
        typer.echo(f"delivered: {row['channel']} {row['recipient']} as {row['provider_id']}")
        return
    typer.echo(f"✗ {row['status']} after {row['tries']} tries: {row['error']} {row['mend']}", err=True)
    raise typer.Exit(1)


def _app(folder: Path | None) -> App:
    app = running_app(find(folder))
    if app is None:
        typer.echo("No app runs on this workspace: start it with `paceline up`.", err=True)
        raise typer.Exit(1)
    return app


def _post(app: App, act: str, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        return app.post(f"/api/alerts/{act}", asked)
    except requests.HTTPError as error:
        typer.echo(f"✗ {error.response.json()['error']}", err=True)
        raise typer.Exit(1) from None
