"""`paceline catalogue`: what a workspace defines, found by a word."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerts.catalog import whole
from metrics import model
from metrics.header import DefinitionError
from service import dashboards, rules, settings
from service.workspace import find

if TYPE_CHECKING:
    from pathlib import Path

    from metrics.catalog import Catalog, Entry

__all__ = ["run"]


def run(folder: Path | None, words: str, *, form: str) -> None:
    """Print the entries in which every word stands, best first. form: table or json."""
    found = _catalog(folder).search(words)
    if form == "json":
        typer.echo(json.dumps([_plain(one) for one in found], indent=2, ensure_ascii=False))
        return
    table = Table("entry", "meaning", "owner", "version", "next review", box=None)
    for one in found:
        version = "" if one.version is None else str(one.version)
        review = "" if one.review is None else f"{one.review}"
        table.add_row(*map(Text, (str(one.ref), one.means, one.owner, version, review)))
    Console(width=None if sys.stdout.isatty() else 10_000).print(table)
    if not found:
        raise typer.Exit(1)


def _catalog(folder: Path | None) -> Catalog:
    workspace = find(folder)
    own = workspace.folder / "metrics"
    try:
        setup = settings.load(workspace.folder)
        metrics = model.load(*([own] if own.is_dir() else []))
        people = [person.name for person in setup.settings.alerts.people]
        return whole(
            metrics,
            dashboards.load(workspace.folder, metrics, people),
            setup.sources,
            rules.load(workspace.folder, setup.settings.alerts, metrics),
        )
    except (settings.SettingsError, DefinitionError) as error:
        for problem in error.problems:
            typer.echo(f"✗ {problem}", err=True)
        raise typer.Exit(1) from None


def _plain(one: Entry) -> dict[str, Any]:
    return {
        "entry": str(one.ref),
        "title": one.title,
        "owner": one.owner,
        "means": one.means,
        "formula": one.formula,
        "limits": one.limits,
        "version": one.version,
        "reviewed": one.reviewed and one.reviewed.isoformat(),
        "review": one.review and one.review.isoformat(),
        "made_of": [str(ref) for ref in one.reads],
        "changes": list(one.changes),
    }
