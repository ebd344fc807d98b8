"""`paceline check`: settings, credentials, accounts, budgets, disk; each with its cause and its mend."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from alerts.catalog import next_reviews
from alerts.notify.book import CHAPTER
from alerts.notify.channels import build
from alerts.notify.contract import NotifyError, Stop
from connectors.contract import Usage
from metrics import model, reviews
from metrics.header import DefinitionError
from service import budget, dashboards, rules, secrets, settings
from service.commands.ask import running_app
from service.line import Tier
from service.workers import Origin, Workers
from service.workspace import elsewhere, find
from warehouse.book import Book
from warehouse.duck import MIN_FREE

if TYPE_CHECKING:
    from service.settings import Setup, Source
    from service.workspace import Workspace

__all__ = ["run"]


class _Report:
    """Lines of ✓ and ✗, and whether there was any ✗."""

    def __init__(self) -> None:
        self.failed = False

    def good(self, what: str) -> None:
        typer.echo(f"✓ {what}")

    def bad(self, what: str, mend: str = "") -> None:
        self.failed = True
        typer.echo(f"✗ {what}")
        if mend:
            typer.echo(f"  → {mend}")


def run(folder: Path | None) -> None:
    """Check the workspace. Ends with 1 if anything is wrong."""
    workspace = find(folder)
    report = _Report()
    try:
        setup = settings.load(workspace.folder)
    except settings.SettingsError as error:
        for problem in error.problems:
            report.bad(str(problem))
        if hint := elsewhere(workspace):
            typer.echo(hint.strip())
        raise typer.Exit(1) from None
    report.good(
        f"{workspace.settings_file}: {len(setup.sources)} sources, {len(setup.settings.targets)} targets"
    )
    if secrets.exposed(workspace.folder):
        path = workspace.folder / secrets.FILE
        report.bad(f"{path} can be read by other users of this machine", f"chmod 600 {path}")
    _login(setup, report)
    _channels(setup, report)
    _metrics(workspace, report)
    _rules(workspace, setup, report)
    _dashboards(workspace, setup, report)
    _disk(workspace, report)
    _app(workspace, report)
    workers = Workers(setup.settings.polling.workers, deadline=setup.settings.polling.deadline)
    try:
        budgets = [_source(source, setup, workers, report) for source in setup.sources.values()]
    finally:
        workers.close()
    _budgets([found for found in budgets if found is not None], report)
    if report.failed:
        raise typer.Exit(1)


def _login(setup: Setup, report: _Report) -> None:
    """Whether those who reach the app have to say who they are, and somebody may decide."""
    access, address = setup.settings.access, setup.settings.server.address
    if not setup.entrance.providers:
        if address not in ("127.0.0.1", "::1", "localhost"):
            report.bad(
                f"whoever reaches {address or 'this machine'} is an admin: nobody has to log in",
                "Set up a login, or listen on 127.0.0.1 alone; see docs/access.md.",
            )
        return
    if not access.admin and access.default != "admin":
        report.bad("nobody is an admin: no proposal can be approved", "Name somebody under access.admin.")
    else:
        count = len(setup.entrance.providers)
        report.good(f"login: {count} provider{'s' if count > 1 else ''}")


def _channels(setup: Setup, report: _Report) -> None:
    """Whether each channel's credentials are taken; nobody hears of it."""
    with TemporaryDirectory() as folder:
        book = Book.open(Path(folder) / "book.sqlite", [CHAPTER])  # the workspace's own is the app's
        for name, notifier in build(setup.channels, book).items():
            try:
                report.good(f"{name}: {notifier.check()}")
            except NotifyError as error:
                report.bad(f"{name}: {error.cause}", error.mend if isinstance(error, Stop) else "")
        book.close()


def _metrics(workspace: Workspace, report: _Report) -> None:
    folder = workspace.folder / "metrics"
    problems = [*model.check(model.DEFINITIONS), *(model.check(folder) if folder.is_dir() else ())]
    for problem in problems:
        report.bad(str(problem))
    if not problems:
        report.good(f"metrics: {len(model.load(*([folder] if folder.is_dir() else [])))} definitions")


def _rules(workspace: Workspace, setup: Setup, report: _Report) -> None:
    own = workspace.folder / "metrics"
    try:
        known = model.load(*([own] if own.is_dir() else []))
        found = rules.load(workspace.folder, setup.settings.alerts, known)
    except DefinitionError:
        return  # told with the metrics
    except settings.SettingsError as error:
        for problem in error.problems:
            report.bad(str(problem))
        return
    shipped = "" if (workspace.folder / rules.FILE).exists() else ", as shipped"
    report.good(f"{rules.FILE}: {len(found)} rules{shipped}")
    dates = next_reviews(found, _decided(workspace))
    late = sorted(name for name, day in dates.items() if day < datetime.now(UTC).date())
    if late:
        report.bad(
            f"rules past their review: {', '.join(late)}",
            "See on Reviews whether they helped, and decide; or write a new date.",
        )


def _decided(workspace: Workspace) -> dict[str, reviews.Decision]:
    """What reviews came to, as the workspace's book has it."""
    if not workspace.book.exists():
        return {}
    book = Book.open(workspace.book, [reviews.CHAPTER])
    try:
        return reviews.latest(book)
    finally:
        book.close()


def _dashboards(workspace: Workspace, setup: Setup, report: _Report) -> None:
    own = workspace.folder / "metrics"
    people = [person.name for person in setup.settings.alerts.people]
    try:
        known = model.load(*([own] if own.is_dir() else []))
        found = dashboards.load(workspace.folder, known, people)
    except DefinitionError:
        return  # told with the metrics
    except settings.SettingsError as error:
        for problem in error.problems:
            report.bad(str(problem))
        return
    shipped = "" if (workspace.folder / dashboards.FILE).exists() else ", as shipped"
    report.good(f"{dashboards.FILE}: {len(found)} dashboards{shipped}")


def _disk(workspace: Workspace, report: _Report) -> None:
    place = workspace.state if workspace.state.exists() else workspace.folder
    free = shutil.disk_usage(place).free
    if free < MIN_FREE:
        report.bad(
            f"disk: {free / 2**20:,.0f} MB free, {MIN_FREE / 2**20:,.0f} MB are needed to write",
            "Free some space.",
        )
    else:
        report.good(f"disk: {free / 2**30:,.1f} GB free")


def _app(workspace: Workspace, report: _Report) -> None:
    app = running_app(workspace)
    if app is None:
        report.good("app: not running")
        return
    said = app.get("/api/status")
    if said["problems"]:
        for problem in said["problems"]:
            report.bad(f"app: {problem}")
    else:
        report.good(f"app: running at {app.url}, {said['state']}")


def _source(source: Source, setup: Setup, workers: Workers, report: _Report) -> budget.Budget | None:
    origin = Origin(source.name, dict(source.settings), datetime.now(UTC))
    answer = workers.discover(origin)
    title = source.connector.title
    if answer.error is not None:
        report.bad(f"{title}: {type(answer.error).__name__}: {answer.error.cause}", answer.error.mend)
        return None
    if not answer.accounts:
        report.bad(f"{title}: the credentials reach no account", "Give their user access to an account.")
    for key, error in answer.unreachable.items():
        report.bad(f"{title} {key}: {error.cause}", error.mend)
    spent = Usage(answer.usage.operations)
    for account in answer.accounts:
        checked = workers.check(origin, account)
        spent.operations += checked.usage.operations
        name = Text(f"{title} {account.id} {account.name}").plain
        if checked.error is None:
            report.good(f"{name} ({account.currency}, {account.timezone.key})")
        else:
            report.bad(f"{name}: {checked.error.cause}", checked.error.mend)
    accounts = len(answer.accounts)
    return budget.Budget(
        source.name,
        accounts,
        answer.allowance,
        setup.settings.polling.reserve,
        budget.planned(source, accounts),
        {Tier.SLOWER: spent.operations},
    )


def _budgets(budgets: list[budget.Budget], report: _Report) -> None:
    table = Table("operations a day", "accounts", "planned", "for polling", "allowed", "", box=None)
    for found in budgets:
        allowed = "no limit" if found.allowed is None else f"{found.allowed:,}"
        usable = "" if found.usable is None else f"{found.usable:,.0f}"
        mark = "✓" if found.fits else "✗"
        table.add_row(found.source, str(found.accounts), f"{found.planned_total:,.0f}", usable, allowed, mark)
    Console().print(table)
    for found in budgets:
        if not found.fits:
            report.bad(f"{found.source}: the plan does not fit; slower streams will be held", found.mend)
