"""The sandbox's commands: `python -m sandbox up` and, for one that is up, `incident start|list|stop`."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import threading
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import requests
import typer

from sandbox import inside, state
from sandbox.incidents import KINDS

__all__ = ["app"]

app = typer.Typer(
    help="Ad platforms in a box: the real wire protocols over a world that is made up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
incident = typer.Typer(help="Disturb a sandbox that is up.", no_args_is_help=True)
app.add_typer(incident, name="incident")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Script(StrEnum):
    """Which incidents a sandbox opens with."""

    NONE = "none"
    DEMO = "demo"


class PlatformName(StrEnum):
    """A platform as the sandbox calls it."""

    GOOGLE_ADS = "google_ads"
    META = "meta"
    GA4 = "ga4"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a moment such as 2026-11-24T09:00:00Z") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not found:
        raise typer.BadParameter(f"{text!r} is not a span such as 90s, 20m, 2h or 3d")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


@app.command()
def up(
    *,
    seed: Annotated[int, typer.Option(help="The world's seed: the same numbers for the same seed.")] = 1,
    accounts: Annotated[int, typer.Option(min=1, max=1000, help="Accounts, alternating over platforms.")] = 6,
    campaigns: Annotated[int, typer.Option(min=1, max=9999, help="Campaigns an account.")] = 8,
    days: Annotated[int, typer.Option(min=1, max=1200, help="Days of history.")] = 60,
    now: Annotated[str, typer.Option(help="Start at this moment instead of the machine's.")] = "",
    frozen: Annotated[bool, typer.Option("--frozen", help="Let time stand still until it is set.")] = False,
    source_lag: Annotated[str, typer.Option(help="How late delivery shows up in reports.")] = "20m",
    rate_limits: Annotated[
        bool, typer.Option("--rate-limits", help="Enforce the platforms' quotas.")
    ] = False,
    incidents: Annotated[Script, typer.Option(help="Incidents to open with.")] = Script.NONE,
    port_base: Annotated[int, typer.Option(help="First of fourteen ports in a row; 0: any free ones.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Only the JSON line, nothing for people.")] = False,
) -> None:
    """Start every server, print one line of JSON that says where they are, and stay up until stopped."""
    from sandbox import serve  # noqa: PLC0415 (the platforms' libraries take seconds; only this command needs them)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    options = serve.Options(
        seed=seed,
        accounts=accounts,
        campaigns=campaigns,
        days=days,
        now=_moment(now) if now else None,
        frozen=frozen,
        source_lag=_span(source_lag),
        rate_limits=rate_limits,
        demo=incidents is Script.DEMO,
        port_base=port_base,
    )
    with contextlib.ExitStack() as undo:
        try:
            sandbox = undo.enter_context(serve.running(options))
        except OSError as error:
            typer.echo(f"The sandbox cannot start: {error}. Choose other ports with --port-base.", err=True)
            raise typer.Exit(2) from error
        state.write(sandbox.announcement)
        undo.callback(state.forget, sandbox.announcement)
        typer.echo(json.dumps(sandbox.announcement))
        if not as_json:
            typer.echo("The sandbox is up. Stop it with Ctrl-C.", err=True)
        stop.wait()


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(help="The program and its arguments, after `--`.")],
    *,
    trust: Annotated[
        list[Path],
        typer.Option(help="A file with roots of trust of the program's own, such as certifi's cacert.pem."),
    ] = [],  # noqa: B006  # typer copies it
) -> None:
    """Run a program that knows only the platforms' public host names against the sandbox (on Linux)."""
    try:
        code = inside.run(command, state.read(), trusted=trust)
    except FileNotFoundError as error:
        typer.echo(f"No sandbox is up ({error}). Start one: python -m sandbox up", err=True)
        raise typer.Exit(2) from error
    except inside.Unsupported as error:
        typer.echo(f"{error}.", err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(code)


@incident.command("start")
def start(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    *,
    campaign: Annotated[int | None, typer.Option(help="Hit this campaign alone.")] = None,
    account: Annotated[str | None, typer.Option(help="Hit this account alone.")] = None,
    platform: Annotated[PlatformName | None, typer.Option(help="Hit this platform alone.")] = None,
    at: Annotated[str, typer.Option(help="When it begins; the present moment where not given.")] = "",
    lasts: Annotated[str, typer.Option("--for", help="How long, such as 90s, 20m, 2h or 3d.")] = "",
    size: Annotated[float | None, typer.Option(help="Its size, where the kind has one.")] = None,
    url: Annotated[str, typer.Option(help="Hit ads that lead below this address.")] = "",
    how: Annotated[str, typer.Option(help="How a page is down: error, slow or redirect.")] = "",
) -> None:
    """Begin an incident; prints it as JSON."""
    body = {
        "name": name,
        "campaign": campaign,
        "account": account,
        "platform": platform.value if platform else None,
        "at": _moment(at).isoformat() if at else None,
        "seconds": _span(lasts).total_seconds() if lasts else None,
        "size": size,
        "url": url or None,
        "how": how or None,
    }
    typer.echo(json.dumps(_call("POST", "/incidents", {k: v for k, v in body.items() if v is not None})))


@incident.command("list")
def list_(
    *,
    kinds: Annotated[bool, typer.Option("--kinds", help="What kinds there are, not those begun.")] = False,
) -> None:
    """The incidents of the sandbox, one a line: id, state, span, name, what it hits."""
    if kinds:
        for name, kind in KINDS.items():
            typer.echo(f"{name:18} {kind.sentence}")
        return
    for one in _call("GET", "/incidents")["incidents"]:
        hit = [f"{key} {one[key]}" for key in ("platform", "advertiser", "campaign") if one[key]]
        hit += [f"{key} {value}" for key, value in one["options"].items()]
        now = "active" if one["active"] else "-"
        span = f"{one['at'][:16]} .. {(one['until'] or '')[:16]}"
        typer.echo(f"{one['id']:3} {now:6} {span} {one['name']:18} {', '.join(hit) or 'everything'}")


@incident.command("stop")
def stop(number: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """End an incident now; prints it as JSON."""
    typer.echo(json.dumps(_call("DELETE", f"/incidents/{number}")))


def _call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        url = state.read()["truth"]
        reply = requests.request(method, url + path, json=body, timeout=30)
    except (FileNotFoundError, requests.ConnectionError) as error:
        typer.echo("No sandbox is up. Start one with: python -m sandbox up", err=True)
        raise typer.Exit(2) from error
    answer: dict[str, Any] = reply.json()
    if not reply.ok:
        typer.echo(answer["error"], err=True)
        raise typer.Exit(1)
    return answer
