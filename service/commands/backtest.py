"""`paceline alerts backtest`: what a rule would have fired, by the published copy, in this process."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests
import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from alerts.backtest import backtest, edited
from alerts.conditions.flight import flying
from alerts.observation import Labels
from alerts.propose import Verdict, propose
from alerts.scene import Target
from metrics import model
from service import rules, settings
from service.commands.ask import running_app
from service.jobs import utc_now
from service.plans import planned
from service.workspace import elsewhere, find
from warehouse.duck import DuckWarehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from alerts.backtest import Backtest, Replay
    from alerts.rules import Rule
    from metrics.model import Metric
    from service.settings import Setup
    from service.workspace import Workspace

__all__ = ["better", "run"]


def run(folder: Path | None, name: str, *, days: int, changes: Sequence[str]) -> None:
    """Print what it would have fired. Ends with 1 for a rule that is not there, or a change that is wrong."""
    ground = _Ground.of(folder)
    chosen = [rule for rule in ground.rules if name in (rule.id, rule.name)]
    if not chosen:
        raise _refused(f"There is no rule {name!r}; there are {', '.join(r.name for r in ground.rules)}")
    forms = {rule.name: rule for rule in chosen}
    if changes:
        try:
            forms |= {f"{rule.name}, edited": edited(rule, _tried(changes)) for rule in chosen}
        except ValueError as error:
            raise _refused(f"✗ {error}") from None
    began = time.monotonic()
    with ground.open(days) as (warehouse, asked):
        try:
            found = backtest(warehouse, forms, **asked)
        except ValueError as error:
            raise _refused(f"✗ {error}") from None
    _print(found, time.monotonic() - began)


def better(folder: Path | None, name: str, *, days: int) -> None:
    """Print a better threshold, by what people did and a replay of both. Ends with 1 for no rule."""
    ground = _Ground.of(folder)
    app = running_app(find(folder))
    if app is None:
        raise _refused("No app runs on this workspace: start it with `paceline up`.")
    try:
        said = app.post("/api/alerts/verdicts", {"rule": name, "days": days})["verdicts"]
    except requests.HTTPError as error:
        raise _refused(f"✗ {error.response.json()['error']}") from None
    known = [
        Verdict(
            Labels(*one["labels"]),
            datetime.fromisoformat(one["start"]),
            datetime.fromisoformat(one["end"]),
            one["good"],
        )
        for one in said
    ]
    good = sum(one.good for one in known)
    typer.echo(f"{name}: people were told of {len(known)} episodes; {good} were of use to them.")
    if good == len(known):
        typer.echo("There is nothing to propose: nothing that was told was noise, or left alone.")
        return
    rule = next(rule for rule in ground.rules if rule.name == name)
    with ground.open(days) as (warehouse, asked):
        found = propose(warehouse, rule, known, **asked)
    if found is None:
        typer.echo("In the replay no stricter form keeps all that was of use and drops any of the rest.")
        return
    typer.echo(
        f"Proposed: {found.figure} {found.proposed:g} instead of {found.present:g}. It keeps all "
        f"{found.kept} of use, and drops {found.dropped} of the {found.bad} others."
    )
    if found.unseen:
        typer.echo(
            f"{found.unseen} of the {len(known)} episodes, {found.unseen_good} of use, are not in the "
            "replay, which looks once an hour: whether this form tells them is not known."
        )
    _table(found.replays)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a replay of a workspace needs."""

    workspace: Workspace
    setup: Setup
    metrics: Mapping[str, Metric]
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, folder: Path | None) -> _Ground:
        workspace = find(folder)
        if not workspace.published.exists():
            raise _refused(f"Nothing is published in {workspace.folder} yet.{elsewhere(workspace)}")
        setup = settings.load(workspace.folder)
        own = workspace.folder / "metrics"
        metrics = model.load(*([own] if own.is_dir() else []))
        found = rules.load(workspace.folder, setup.settings.alerts, metrics)
        plans = [planned(plan, setup.settings.currency) for plan in setup.settings.plans]
        return cls(workspace, setup, metrics, flying(found, plans, setup.settings.timezone))

    @contextmanager
    def open(self, days: int) -> Iterator[tuple[DuckWarehouse, dict[str, Any]]]:
        """The published copy, and what `backtest` is asked, with a bar for its progress."""
        end = utc_now().astimezone(UTC)
        bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), transient=True)
        with DuckWarehouse.open(self.workspace.published, read_only=True, min_free=0) as warehouse, bar:
            task = bar.add_task(f"{days} days, hour by hour", total=1.0)
            asked = {
                "start": end - timedelta(days=days),
                "end": end,
                "routing": self.setup.settings.alerts,
                "targets": [Target(**target.model_dump()) for target in self.setup.settings.targets],
                "metrics": self.metrics,
                "progress": lambda done: bar.update(task, completed=done),
            }
            yield warehouse, asked


def _refused(why: str) -> typer.Exit:
    typer.echo(why, err=True)
    return typer.Exit(1)


def _tried(changes: Sequence[str]) -> dict[str, Any]:
    """`name=value` as figures. Raises ValueError."""
    pairs = [change.partition("=") for change in changes]
    if wrong := next((name for name, equals, _ in pairs if not equals), None):
        raise ValueError(f"{wrong!r}: write name=value")
    return {name: yaml.safe_load(value) for name, _, value in pairs}


def _table(replays: Mapping[str, Replay]) -> None:
    table = Table("rule", "fires", "days", "hours", "usually", "flaps", "incidents", "messages", box=None)
    for form, replay in replays.items():
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


def _print(found: Backtest, took: float) -> None:
    _table(found.replays)
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
