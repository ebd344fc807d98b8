"""The command line. Each command imports what it needs when it runs, so that `paceline --help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli import alerts

__all__ = ["app", "main"]

app = typer.Typer(
    help="Real-time marketing analytics that a small team runs itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="The team's folder. Otherwise PACELINE_WORKSPACE, the current folder if it holds "
        "paceline.yaml, or ./workspace.",
        show_default=False,
    ),
]


app.add_typer(alerts.app, name="alerts")


@app.command()
def up(
    workspace: Folder = None,
    port: Annotated[int | None, typer.Option(help="Instead of server.port.")] = None,
    address: Annotated[str | None, typer.Option(help="Instead of server.address.")] = None,
) -> None:
    """Poll the workspace's sources and serve the app, until stopped."""
    from service.commands import serve  # noqa: PLC0415  # see the module's docstring

    serve.up(workspace, port=port, address=address)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where the app listens.")] = 8501,
    days: Annotated[int, typer.Option(min=1, max=365, help="Days of history.")] = 30,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    *,
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser.")] = False,
    login: Annotated[
        bool, typer.Option("--login", help="With a login: a viewer, an editor, an admin, an outsider.")
    ] = False,
) -> None:
    """See it all live without any credentials: a sandbox of the ad platforms, polled and shown."""
    from service.commands import demo as command  # noqa: PLC0415

    command.run(port=port, days=days, seed=seed, headless=headless, login=login)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the workspace shall be.")] = Path("workspace"),
    source: Annotated[
        list[str] | None, typer.Option(help="A source to poll, by its name; may be given more than once.")
    ] = None,
    name: Annotated[str, typer.Option(help="The team's name.")] = "",
    currency: Annotated[str, typer.Option(help="The reporting currency.")] = "",
    timezone: Annotated[str, typer.Option(help="The team's time zone.")] = "",
    *,
    owner: Annotated[
        str,
        typer.Option(help="Mail address of who owns the rules, dashboards and metrics that come with it."),
    ] = "",
    non_interactive: Annotated[
        bool, typer.Option("--non-interactive", help="Ask nothing; secrets come from the environment.")
    ] = False,
) -> None:
    """Make a workspace for real accounts, step by step."""
    from service.commands import init as command  # noqa: PLC0415

    answers = command.Answers(tuple(source or ()), name, currency, timezone, owner)
    command.run(folder, answers, interactive=not non_interactive)


@app.command()
def check(workspace: Folder = None) -> None:
    """Say what is wrong and how to mend it: settings, credentials, accounts, budgets, disk."""
    from service.commands import check as command  # noqa: PLC0415

    command.run(workspace)


@app.command()
def poll(
    workspace: Folder = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="One cycle, then end.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say each slice as it is stored.")] = False,
    now: Annotated[
        str, typer.Option(help="The moment to poll at, for a sandbox with a time of its own.", hidden=True)
    ] = "",
) -> None:
    """Poll every account now: by the running app if there is one, otherwise here."""
    from service.commands import poll as command  # noqa: PLC0415

    command.run(workspace, once=once, verbose=verbose, now=now)


@app.command()
def backfill(
    days: Annotated[int, typer.Option(min=1, max=1130, help="How many days back.")],
    workspace: Folder = None,
    now: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Fetch the history that is missing; an interrupted backfill goes on where it was."""
    from service.commands import poll as command  # noqa: PLC0415

    command.backfill(workspace, days=days, now=now)


@app.command()
def status(workspace: Folder = None) -> None:
    """Whether the app runs, and how fresh each account is."""
    from service.commands import status as command  # noqa: PLC0415

    command.run(workspace)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT.")],
    workspace: Folder = None,
    form: Annotated[str, typer.Option("--format", "-f", help="table, csv or json")] = "table",
) -> None:
    """Ask the published copy of the warehouse; the app may be running."""
    from service.commands import query as command  # noqa: PLC0415

    command.run(workspace, sql, form)


@app.command()
def catalogue(
    words: Annotated[list[str] | None, typer.Argument(help="Words that an entry must hold.")] = None,
    workspace: Folder = None,
    form: Annotated[str, typer.Option("--format", "-f", help="table or json")] = "table",
) -> None:
    """What every number means, whose it is and when it changed; best answer first."""
    from service.commands import catalogue as command  # noqa: PLC0415

    command.run(workspace, " ".join(words or ()), form=form)


audit = typer.Typer(help="Who did what, and whether the log holds.", no_args_is_help=True)
app.add_typer(audit, name="audit")


@audit.command("list")
def audit_list(
    workspace: Folder = None,
    last: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
) -> None:
    """The newest acts of people: acknowledgements, notes, views."""
    from service.commands import audit as command  # noqa: PLC0415

    command.show(workspace, last)


@audit.command("verify")
def audit_verify(
    workspace: Folder = None,
    head: Annotated[Path | None, typer.Option(help="A copy of audit.head, kept elsewhere.")] = None,
) -> None:
    """Whether any row of the log was edited, removed or reordered."""
    from service.commands import audit as command  # noqa: PLC0415

    command.verify(workspace, head)


metrics = typer.Typer(help="The definitions that hold: list them, lock them.", no_args_is_help=True)
app.add_typer(metrics, name="metrics")


@metrics.command("list")
def metrics_list(workspace: Folder = None) -> None:
    """Every metric with its version, its owner and who approved it."""
    from service.commands import metrics as command  # noqa: PLC0415

    command.show(workspace)


@metrics.command("lock")
def metrics_lock(workspace: Folder = None) -> None:
    """Keep the hash of each of the team's definitions, so that no meaning changes unseen."""
    from service.commands import metrics as command  # noqa: PLC0415

    command.lock(workspace)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
def sandbox(context: typer.Context) -> None:
    """The ad platforms' real protocols over a made-up world: `sandbox up`, `sandbox incident start NAME`."""
    from service.commands import demo  # noqa: PLC0415

    demo.talk_to_sandbox(*context.args)


@app.command()
def digest(
    kind: Annotated[str, typer.Argument(help="daily or weekly")] = "daily",
    workspace: Folder = None,
    audience: Annotated[str | None, typer.Option(help="Only this one of alerts.digests.")] = None,
    *,
    send: Annotated[
        bool, typer.Option("--send/--dry-run", help="Send it now, or print what it would say.")
    ] = False,
) -> None:
    """The managers' digest as it is now."""
    from service.commands import digest as command  # noqa: PLC0415

    command.run(workspace, kind, audience, send=send)


@app.command()
def version() -> None:
    """Which Paceline this is."""
    from service.commands import serve  # noqa: PLC0415

    typer.echo(serve.version())


def main() -> None:
    """Run the command line; what a person can mend is told without a traceback."""
    try:
        app(prog_name="paceline")
    except Exception as error:
        from service import workspace  # noqa: PLC0415
        from service.settings import SettingsError  # noqa: PLC0415
        from warehouse.errors import StorageError  # noqa: PLC0415

        if isinstance(error, SettingsError):
            for problem in error.problems:
                typer.echo(problem, err=True)
            if hint := workspace.elsewhere(workspace.find()):
                typer.echo(hint.strip(), err=True)
            raise SystemExit(2) from None
        if isinstance(error, StorageError):
            typer.echo(f"{error.cause}\n{error.mend}", err=True)
            raise SystemExit(3) from None
        raise
