"""`paceline alerts backtest`: what a rule would have fired, by the published copy, in this process."""

from __future__ import annotations

import time
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from alerts.backtest import backtest, edited
from alerts.scene import Target
from metrics import model
from service import rules, settings
from service.jobs import utc_now
from service.workspace import elsewhere, find
from warehouse.duck import DuckWarehouse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from alerts.backtest import Backtest

__all__ = ["run"]


def run(folder: Path | None, name: str, *, days: int, changes: Sequence[str]) -> None:
    """Print what it would have fired. Ends with 1 for a rule that is not there, or a change that is wrong."""
    workspace = find(folder)
    if not workspace.published.exists():
        typer.echo(f"Nothing is published in {workspace.folder} yet.{elsewhere(workspace)}", err=True)
        raise typer.Exit(1)
    setup = settings.load(workspace.folder)
    own = workspace.folder / "metrics"
    metrics = model.load(*([own] if own.is_dir() else []))
    known = rules.load(workspace.folder, setup.settings.alerts, metrics)
    chosen = [rule for rule in known if name in (rule.id, rule.name)]
    if not chosen:
        typer.echo(f"There is no rule {name!r}; there are {', '.join(rule.name for rule in known)}", err=True)
        raise typer.Exit(1)
    forms = {rule.name: rule for rule in chosen}
    if changes:
        try:
            forms |= {f"{rule.name}, edited": edited(rule, _tried(changes)) for rule in chosen}
        except ValueError as error:
            typer.echo(f"✗ {error}", err=True)
            raise typer.Exit(1) from None
    end = utc_now().astimezone(UTC)
    began = time.monotonic()
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), transient=True)
    with DuckWarehouse.open(workspace.published, read_only=True, min_free=0) as warehouse, bar:
        task = bar.add_task(f"{days} days, hour by hour", total=1.0)
        found = backtest(
            warehouse,
            forms,
            start=end - timedelta(days=days),
            end=end,
            routing=setup.settings.alerts,
            targets=[Target(**target.model_dump()) for target in setup.settings.targets],
            metrics=metrics,
            progress=lambda done: bar.update(task, completed=done),
        )
    _print(found, time.monotonic() - began)


def _tried(changes: Sequence[str]) -> dict[str, Any]:
    """`name=value` as figures. Raises ValueError."""
    pairs = [change.partition("=") for change in changes]
    if wrong := next((name for name, equals, _ in pairs if not equals), None):
        raise ValueError(f"{wrong!r}: write name=value")
    return {name: yaml.safe_load(value) for name, _, value in pairs}


def _print(found: Backtest, took: float) -> None:
    table = Table("rule", "fires", "days", "hours", "usually", "flaps", "incidents", "messages", box=None)
    for form, replay in found.replays.items():
        said, usual = replay.reviewed, replay.median_hours
        cells = (
            *(
                form,
                said.fires,
                said.days,
                f"{said.hours:.0f}",
                f"{usual:.1f} h" if usual is not None else "",
            ),
            *(said.flaps, said.incidents, replay.messages),
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    console = Console(width=None if Console().is_terminal else 10_000)
    console.print(table)
    _days({form: replay.by_day for form, replay in found.replays.items()})
    if found.polled_since is not None and found.polled_since > found.start:
        typer.echo(
            f"Polled since {found.polled_since:%Y-%m-%d %H:%M} UTC: earlier hours are taken as known "
            "when they were over, with all that came to them since."
        )
    if found.asleep:
        typer.echo(f"{found.asleep} of {found.steps} hours are left out: nobody was polling then.")
    typer.echo(f"{found.steps} steps in {took:.0f} s.")


def _days(by_day: Mapping[str, Mapping[Any, int]]) -> None:
    days = sorted({day for counts in by_day.values() for day in counts})
    for day in days:
        said = ", ".join(f"{form} {counts[day]}" for form, counts in by_day.items() if day in counts)
        typer.echo(f"{day:%a %Y-%m-%d}  {said}")
