"""`paceline digest`: what managers would read now, printed or sent; by the running app if there is one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import requests
import typer

from service import acts, settings
from service.alerting import Alerting
from service.commands.ask import running_app
from service.in_force import read
from service.jobs import utc_now
from service.running import CHAPTERS
from service.workspace import find
from warehouse.access import local
from warehouse.book import Book
from warehouse.duck import DuckWarehouse

if TYPE_CHECKING:
    from pathlib import Path

    from service.workspace import Workspace

__all__ = ["run"]


def run(folder: Path | None, kind: str, audience: str | None, *, send: bool) -> None:
    """Print it, or send it. Ends with 1 where that cannot be."""
    workspace = find(folder)
    asked = {"kind": kind, "audience": audience, "send": send}
    app = running_app(workspace)
    if app is None and send:
        typer.echo("The app does not run, so nothing is sent: start it with `paceline up`.", err=True)
        raise typer.Exit(1)
    try:
        said = _here(workspace, asked) if app is None else app.post("/api/alerts/digest", asked)
    except (requests.RequestException, ValueError) as error:
        typer.echo(_reason(error), err=True)
        raise typer.Exit(1) from None
    if send:
        typer.echo(f"On its way: {said['messages']} messages")
        return
    for one in said["digests"]:
        typer.echo(f"To {one['audience']} by {', '.join(one['to'])}\n")
        typer.echo(one["text"] or "No data yet.")


def _here(workspace: Workspace, asked: dict[str, Any]) -> dict[str, Any]:
    """The same without an app: the warehouse is ours for a moment."""
    with ExitStack() as undo:
        setup = settings.load(workspace.folder)
        warehouse = undo.enter_context(DuckWarehouse.open(workspace.database))
        book = Book.open(workspace.book, CHAPTERS)
        undo.callback(book.close)
        held = read(workspace.folder, setup.settings.alerts)
        alerting = Alerting(setup, held, warehouse, book, {}, clock=utc_now)
        return acts.act(alerting, "digest", asked, local())


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None and response.status_code == 400:
        return str(response.json()["error"])
    return str(error)
