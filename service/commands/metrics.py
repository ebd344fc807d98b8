"""`paceline metrics`: the definitions that hold in a workspace, and locking them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from metrics import model
from metrics.header import DefinitionError
from service.workspace import find

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["lock", "show"]


def show(folder: Path | None) -> None:
    """Print every definition with its version, its owner and who approved it."""
    own = find(folder).folder / "metrics"
    try:
        found = model.load(*([own] if own.is_dir() else []))
    except DefinitionError as error:
        _refuse(error)
    table = Table("metric", "title", "unit", "from", "version", "reviewed", "owner", "approved", box=None)
    for metric in found.values():
        row = (metric.name, metric.title, metric.unit, metric.view.name, f"{metric.version}")
        table.add_row(*map(Text, (*row, f"{metric.reviewed}", metric.owner, metric.approved)))
    Console(width=None if sys.stdout.isatty() else 10_000).print(table)


def lock(folder: Path | None) -> None:
    """Keep the hash of each of the workspace's definitions; a changed meaning needs a new version first."""
    own = find(folder).folder / "metrics"
    if not own.is_dir():
        typer.echo(f"{own} does not exist: the team's metrics lie there, one file each", err=True)
        raise typer.Exit(1)
    try:
        changed = model.lock(own)
    except DefinitionError as error:
        _refuse(error)
    typer.echo(f"locked: {', '.join(changed)}" if changed else "all definitions are locked as they are")


def _refuse(error: DefinitionError) -> None:
    for problem in error.problems:
        typer.echo(f"✗ {problem}", err=True)
    raise typer.Exit(1) from None
