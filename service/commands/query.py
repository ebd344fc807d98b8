"""`paceline query`: one SELECT over the published copy."""

from __future__ import annotations

import csv
import json
import sys
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.workspace import elsewhere, find
from warehouse.reader import read

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["run"]

FORMATS = ("table", "csv", "json")


def run(folder: Path | None, sql: str, form: str) -> None:
    """Print the answer. Ends with 1 for a question that cannot be answered."""
    if form not in FORMATS:
        raise typer.BadParameter(f"{form!r} is none of {', '.join(FORMATS)}")
    workspace = find(folder)
    if not workspace.published.exists():
        mend = f"`paceline up` or `paceline poll --once` does it.{elsewhere(workspace)}"
        typer.echo(f"Nothing is published in {workspace.folder} yet: {mend}", err=True)
        raise typer.Exit(1)
    try:
        answer = read(workspace.published, sql)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    {"table": _table, "csv": _csv, "json": _json}[form](answer)


def _table(answer: pa.Table) -> None:
    shown = Table(*answer.column_names, box=None)
    for row in answer.to_pylist():
        # What came from outside is text, never markup.
        shown.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 10_000).print(shown)


def _csv(answer: pa.Table) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(answer.column_names)
    for row in answer.to_pylist():
        writer.writerow([_harmless(value) for value in row.values()])


def _harmless(value: Any) -> Any:
    """A spreadsheet runs a text that starts like a formula: those get an apostrophe."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _json(answer: pa.Table) -> None:
    json.dump(answer.to_pylist(), sys.stdout, default=_plain, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)
