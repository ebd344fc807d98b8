"""`paceline audit`: who did what, and whether the log still is what was written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.workspace import elsewhere, find
from warehouse.audit import Audit
from warehouse.book import Book

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["show", "verify"]


def show(folder: Path | None, last: int) -> None:
    """Print the newest acts, newest first."""
    for audit in _opened(folder):
        table = Table("when", "who", "did", "to", "detail", box=None)
        for one in audit.entries(last=last):
            detail = ", ".join(f"{key} {value}" for key, value in one.detail.items())
            table.add_row(
                *map(Text, (f"{one.at:%Y-%m-%d %H:%M}", one.actor, one.action, one.subject, detail))
            )
        Console(width=None if sys.stdout.isatty() else 10_000).print(table)


def verify(folder: Path | None, copy: Path | None) -> None:
    """Say whether the chain holds, and goes on from a copy of its head. Ends with 1 where it does not."""
    for audit in _opened(folder):
        rows, broken = audit.verify(copy)
        if broken is None:
            typer.echo(f"✓ {rows} acts, none edited, removed or reordered")
            continue
        typer.echo(f"✗ {broken.words}; {rows} acts before it hold")
        typer.echo("  → Compare with a backup of book.sqlite and audit.head: Paceline alters no row.")
        raise typer.Exit(1)


def _opened(folder: Path | None) -> Iterator[Audit]:
    workspace = find(folder)
    if not workspace.book.exists():
        typer.echo(f"{workspace.folder} has no book yet: nothing was done.{elsewhere(workspace)}", err=True)
        raise typer.Exit(1)
    book = Book.open(workspace.book)
    try:
        yield Audit(book)
    finally:
        book.close()
