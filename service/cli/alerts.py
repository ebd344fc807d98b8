"""`paceline alerts …`: what fires, and what people do about it, by the running app."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="What fires, who was told, and what to do about it.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="The team's folder.", show_default=False)
]
By = Annotated[str, typer.Option(help="Who does it.", show_default="your user name")]
Reason = Annotated[str, typer.Option(help="Why; whoever wonders will read it.")]
Lasts = Annotated[str, typer.Option("--for", help="How long: 30m, 4h, 7d.")]


@app.command("list")
def list_(workspace: Folder = None) -> None:
    """Open incidents with their members, silences, and messages that were not delivered."""
    from service.commands import alerts  # noqa: PLC0415  # so that `paceline --help` is quick

    alerts.show(workspace)


@app.command()
def ack(
    incident: Annotated[int, typer.Argument(help="The incident's number.")],
    workspace: Folder = None,
    by: By = "",
) -> None:
    """Have it in hand: no repeats and no escalation until there is news, or for 24 hours."""
    _ask(workspace, "ack", by, incident=incident)


@app.command()
def snooze(
    incident: Annotated[int, typer.Argument(help="The incident's number.")],
    reason: Reason,
    lasts: Lasts = "4h",
    workspace: Folder = None,
    by: By = "",
) -> None:
    """Hear nothing of an incident's present members for a while, at most 7 days."""
    _ask(workspace, "snooze", by, incident=incident, reason=reason, lasts=lasts)


@app.command()
def silence(
    match: Annotated[
        list[str],
        typer.Argument(help="label=pattern: rule, severity, owner, source, account, campaign, part."),
    ],
    reason: Reason,
    lasts: Lasts = "4h",
    *,
    after: Annotated[str, typer.Option(help="Begin later: 30m, 2h, 1d.")] = "0s",
    workspace: Folder = None,
    by: By = "",
) -> None:
    """Hear nothing of what matches all of the patterns, for a planned change say."""
    pairs = dict(one.partition("=")[::2] for one in match)
    _ask(workspace, "silence", by, match=pairs, reason=reason, lasts=lasts, after=after)


@app.command()
def unsilence(
    silence: Annotated[int, typer.Argument(help="The silence's number.")],
    workspace: Folder = None,
    by: By = "",
) -> None:
    """End a silence or a snooze now."""
    _ask(workspace, "unsilence", by, silence=silence)


@app.command()
def again(
    message: Annotated[int, typer.Argument(help="The message's number in the delivery log.")],
    workspace: Folder = None,
    by: By = "",
) -> None:
    """Send a message that could not be delivered once more."""
    _ask(workspace, "again", by, message=message)


@app.command("test")
def send_test(
    to: Annotated[str, typer.Argument(help='A channel, then whom: "slack", "email Dana", "sms Dana".')],
    workspace: Folder = None,
    by: By = "",
) -> None:
    """Send a message marked as a test by the whole way out, and wait for what comes of it."""
    from service.commands import alerts  # noqa: PLC0415

    alerts.test(workspace, to, by or getpass.getuser())


@app.command("backtest")
def backtest_(
    rule: Annotated[str, typer.Argument(help="The rule's id, or id/severity.")],
    workspace: Folder = None,
    days: Annotated[int, typer.Option(help="How far back.", min=1, max=180)] = 28,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="A figure to try instead: times=3, window=12h, for=30m.")
    ] = None,
) -> None:
    """What a rule would have fired, hour by hour as it was known then; with --set, beside the edited form."""
    from service.commands import backtest  # noqa: PLC0415

    backtest.run(workspace, rule, days=days, changes=change or ())


@app.command("drill")
def drill_(
    rule: Annotated[str, typer.Argument(help="The rule's id, or id/severity.", show_default=False)] = "",
    workspace: Folder = None,
    *,
    all_rules: Annotated[bool, typer.Option("--all", help="Every rule.")] = False,
) -> None:
    """Make a rule's known condition in a copy of the data, and see that it is heard, marked as a test."""
    from service.commands import alerts  # noqa: PLC0415

    if bool(rule) == all_rules:
        raise typer.BadParameter("name a rule, or say --all")
    alerts.drill(workspace, rule or None)


@app.command("review")
def review_(
    workspace: Folder = None,
    days: Annotated[int, typer.Option(help="How far back.", min=1, max=180)] = 28,
    propose: Annotated[
        str, typer.Option(help="A rule, as id/severity, for which to look for a better threshold.")
    ] = "",
) -> None:
    """What came of each rule: fires, what people did about it, votes; which reviews are overdue."""
    if propose:
        from service.commands import backtest  # noqa: PLC0415

        backtest.better(workspace, propose, days=days)
        return
    from service.commands import alerts  # noqa: PLC0415

    alerts.review(workspace, days)


def _ask(workspace: Path | None, act: str, by: str, **asked: object) -> None:
    from service.commands import alerts  # noqa: PLC0415

    alerts.ask(workspace, act, {"by": by or getpass.getuser(), **asked})
