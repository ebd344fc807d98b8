"""`paceline demo`: everything live in one command, no credentials: a sandbox, polled and shown."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import requests
import typer
import yaml

from service import dashboards, secrets, settings
from service.commands import demo_tests, serve
from service.commands.ask import App, running_app
from service.workspace import Workspace, write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["hint", "run", "sandbox_state", "talk_to_sandbox", "write_workspace"]

SANDBOX_STATE = "PACELINE_SANDBOX_STATE"

_PER_EUR = {"USD": 1.1, "GBP": 0.85, "JPY": 165.0, "INR": 92.0}
"""About what a euro is worth, for targets that make sense in accounts of other currencies."""

ROLES = {
    "claim": "groups",
    "admin": ["paceline-admins"],
    "editor": ["marketing"],
    "viewer": ["everybody"],
    "ask": "ada@northwind.example",
}
"""Who is what among the people of the sandbox's login."""

FOR_SOME = "dashboards:\n  - {id: revenue, open_to: {groups: [marketing]}}\n"
"""With a login, revenue is not for everybody."""

SANDBOX_WITHIN = 60.0
HEALTHY_WITHIN = 90.0
LIVE_WITHIN = 120.0
"""Seconds that a step may take on a slow machine before the demo says that it has failed."""


def run(*, port: int, days: int, seed: int, headless: bool, login: bool = False) -> None:
    """Start all of it, say where to look, stay until Ctrl-C, stop all of it."""
    workspace = _workspace(seed)
    running = running_app(workspace)
    if running is not None:
        typer.echo(f"The demo is running already: {running.url}")
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    with ExitStack() as processes:
        try:
            _start(processes, workspace, port=port, days=days, seed=seed, headless=headless, login=login)
        except KeyboardInterrupt:
            typer.echo("\nStopping …")


def _start(
    processes: ExitStack,
    workspace: Workspace,
    *,
    port: int,
    days: int,
    seed: int,
    headless: bool,
    login: bool,
) -> None:
    began = time.monotonic()
    typer.echo("Starting the sandbox: the platforms as they are on the wire, over a made-up world …")
    sandbox, said = _sandbox(processes, workspace, seed=seed, days=days)
    write_workspace(workspace, said, port=port, login=login)
    demo_tests.write(workspace.folder, datetime.now(UTC).date())
    setup = settings.load(workspace.folder)
    log = processes.enter_context((workspace.state / "app.log").open("a", encoding="utf-8"))
    server = subprocess.Popen(  # noqa: S603  # our own interpreter
        serve.command(setup, port=port, address="127.0.0.1"),
        cwd=workspace.folder,
        env=serve.environment(workspace),
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C comes to us; we stop the two in order
    )
    processes.callback(_stop, server)
    app = _healthy(workspace, server)
    typer.echo("Polling …")
    _live(app, server)
    typer.echo(f"Live after {time.monotonic() - began:.0f} s: {app.url}")
    typer.echo(
        "  · top left: is today on plan? Amber and red say where to look first; follow the cards down."
    )
    typer.echo(f"  · two or three incidents are running: `{hint('sandbox', 'incident', 'list')}` names them.")
    typer.echo(f"  · what people hear, in Slack, by mail and on their phones: {said['arrived']}")
    status = hint("status", "-w", os.path.relpath(workspace.folder))
    typer.echo(f"  · `{status}` says how fresh each account is; any command takes that -w.")
    typer.echo(f"  · log: {workspace.state / 'app.log'} · Ctrl-C stops everything and keeps the data.")
    app.post("/api/backfill", {"days": days})
    if not headless:
        webbrowser.open(app.url)
    for line in _history(app, server, sandbox):
        typer.echo(line)


def sandbox_state(workspace: Workspace) -> Path:
    """Where the demo's sandbox leaves word of itself: others on this machine keep theirs elsewhere."""
    return workspace.state / "sandbox.json"


def talk_to_sandbox(*words: str) -> NoReturn:
    """Run a command of the sandbox; the demo of the current folder is the one that is meant, if it runs."""
    state = sandbox_state(Workspace(_folder(1)))
    if SANDBOX_STATE not in os.environ and state.exists():
        os.environ[SANDBOX_STATE] = str(state)
    serve.become("sandbox", *words)


def hint(*words: str) -> str:
    """A command line of ours as it can be typed in the current folder, in a checkout or installed."""
    script = serve.HOME / "paceline"  # in the installed package there is no such file
    name = "paceline"
    if script.is_file():
        name = os.path.relpath(script)
        name = name if os.sep in name else f".{os.sep}{name}"
    return shlex.join((name, *words))


def _folder(seed: int) -> Path:
    """The demo's own folder below the current one, or in the temporary folder where that is not writable."""
    here = Path.cwd()
    home = here if os.access(here, os.W_OK) else Path(tempfile.gettempdir()) / f"paceline-demo-{os.getuid()}"
    return home / ".paceline" / ("demo" if seed == 1 else f"demo-{seed}")


def _workspace(seed: int) -> Workspace:
    folder = _folder(seed)
    folder.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(folder)
    workspace.state.mkdir(exist_ok=True)
    return workspace


def _sandbox(
    processes: ExitStack, workspace: Workspace, *, seed: int, days: int
) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    words = [sys.executable, "-m", "sandbox", "up", "--json", "--incidents", "demo"]
    words += ["--seed", str(seed), "--days", str(days + 30)]
    log = (workspace.state / "sandbox.log").open("a", encoding="utf-8")
    with log:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter
            words,
            env={SANDBOX_STATE: str(sandbox_state(workspace)), **serve.environment()},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    processes.callback(_stop, process)
    assert process.stdout is not None
    late = threading.Timer(SANDBOX_WITHIN, process.kill)  # which ends the reading below
    late.daemon = True
    late.start()
    try:
        line = process.stdout.readline()
    finally:
        late.cancel()
    if not line.endswith("\n"):
        raise _failed("the sandbox did not start", workspace.state / "sandbox.log")
    said: dict[str, Any] = json.loads(line)
    return process, said


def write_workspace(
    workspace: Workspace, said: dict[str, Any], *, port: int = 0, login: bool = False
) -> None:
    """Settings and secrets for a sandbox that has announced itself. port: the app's, 0 for any free one.

    login: whether its people log in with the sandbox's provider; that needs the port.
    """
    google, meta = said["credentials"]["google"], said["credentials"]["meta"]
    template = yaml.safe_load((serve.HOME / "workspace" / settings.FILE).read_text(encoding="utf-8"))
    template["sandbox"] = said["truth"]
    if port:
        template["server"]["port"] = port  # links in messages lead there
    template["targets"] += _targets(template, said["accounts"])
    template["sources"] = {
        "google_ads": {
            "client_id": google["client_id"],
            "login_customer_ids": [str(google["login_customer_id"])],
            "endpoint": said["google_ads"],
            "token_uri": said["oauth_token_url"],
            "ca_file": said["ca_file"],
        },
        "meta_ads": {
            "app_id": str(meta["app_id"]),
            "graph_url": said["meta"],
            "ca_file": said["ca_file"],
        },
        "fx": {"url": said["fx"]},
        "landing_pages": {
            "tag": "GTM-SANDBOX1",
            "connect_to": {"*.example": said["sites"].removeprefix("https://")},
            "ca_file": said["ca_file"],
            "timeout": 5,
            "again": 2,
        },
    }
    if said["properties"]:
        template["sources"]["ga4"] = {
            "client_id": google["client_id"],
            "endpoint": said["ga4"],
            "token_uri": said["oauth_token_url"],
            "ca_file": said["ca_file"],
            "properties": {one["name"]: one["id"] for one in said["properties"]},
        }
    template["alerts"] = _alerts(said)
    if login:
        template["access"] = ROLES
        (workspace.folder / dashboards.FILE).write_text(FOR_SOME, encoding="utf-8")
    text = "# Written anew at each start of the demo.\n" + yaml.safe_dump(template, sort_keys=False)
    workspace.settings_file.write_text(text, encoding="utf-8")
    private = {
        "google_ads": {name: google[name] for name in ("client_secret", "refresh_token")},
        "ga4": {name: google[name] for name in ("client_secret", "refresh_token")},
        "meta_ads": {name: meta[name] for name in ("app_secret", "access_token")},
    }
    keys = said["credentials"]
    private |= {
        "slack": {"token": keys["slack"]["bot_token"], "app_token": keys["slack"]["app_token"]},
        "email": {"password": keys["smtp"]["password"]},
        "sms": {"auth_token": keys["twilio"]["auth_token"]},
    }
    if login:
        private["auth"] = {
            "redirect_uri": f"http://127.0.0.1:{port}/oauth2callback",
            "cookie_secret": token_urlsafe(48),
            "server_metadata_url": f"{said['oidc']}/.well-known/openid-configuration",
            **keys["oidc"],
        }
    lines = [
        f"[{source}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
        for source, values in private.items()
    ]
    write_private(workspace.folder / secrets.FILE, "\n".join(lines))
    metrics = serve.HOME / "workspace" / "metrics"
    if metrics.is_dir():
        shutil.copytree(metrics, workspace.folder / "metrics", dirs_exist_ok=True)


def _alerts(said: Mapping[str, Any]) -> dict[str, Any]:
    """Who hears how: the sandbox's Slack, mail and phones, and three people."""
    host, _, port = said["smtp"].partition(":")
    keys, trusted = said["credentials"], {"ca_file": said["ca_file"]}
    return {
        "channels": {
            "slack": {"channel": said["slack_channels"]["marketing-alerts"], "url": said["slack"], **trusted},
            "email": {
                "host": host,
                "port": int(port),
                "user": keys["smtp"]["user"],
                "sender": "paceline@northwind.example",
                **trusted,
            },
            "sms": {
                "account_sid": keys["twilio"]["account_sid"],
                "sender": keys["twilio"]["number"],
                "url": said["twilio"],
                **trusted,
            },
        },
        "people": [
            {
                "name": "marketing",
                "email": "marketing@northwind.example",
                "phone": "+4915110000001",
                "slack": "U0ANA00001",
            },
            {
                "name": "ben",
                "email": "ben@northwind.example",
                "phone": "+4915110000002",
                "slack": "U0BEN00002",
            },
            {"name": "chioma", "email": "chioma@northwind.example", "phone": "+4915110000003"},
            {"name": "performance-team", "email": "performance@northwind.example"},
        ],
        "second": "ben",
        "manager": "chioma",
        "digests": [
            {
                "name": "managers",
                "to": [f"slack {said['slack_channels']['marketing-digest']}", "email chioma"],
            },
        ],
    }


def _targets(template: Mapping[str, Any], accounts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The example's targets of money for each account of another currency, in that: they are in its units."""
    return [
        {**target, "account": account["id"], "value": round(target["value"] * _PER_EUR[account["currency"]])}
        for account in accounts
        if account["currency"] in _PER_EUR
        for target in template["targets"]
        if target["metric"] in ("cpa", "cpl")
    ]


def _healthy(workspace: Workspace, server: subprocess.Popen[bytes]) -> App:
    end = time.monotonic() + HEALTHY_WITHIN
    while time.monotonic() < end and server.poll() is None:
        app = running_app(workspace)
        if app is not None:
            return app
        time.sleep(0.3)
    raise _failed("the app did not start", workspace.state / "app.log")


def _live(app: App, server: subprocess.Popen[bytes]) -> None:
    """Wait until today's numbers of every account are there."""
    end = time.monotonic() + LIVE_WITHIN
    while time.monotonic() < end and server.poll() is None:
        said = app.get("/api/status")
        if said["live_accounts"] and said["live_accounts"] >= said["accounts"]:
            return
        time.sleep(0.3)


def _history(app: App, server: subprocess.Popen[bytes], sandbox: subprocess.Popen[str]) -> Iterator[str]:
    """How the backfill goes, a line now and then; ends when one of the processes does."""
    told = -1
    while server.poll() is None and sandbox.poll() is None:
        with suppress(requests.RequestException):  # busy, or stopping: the next round sees
            said = app.get("/api/status")["backfill"]
            share = int(100 * said["done"] / said["days"]) if said and said["days"] else 100
            if said and told < 100 and (share >= told + 10 or said["state"] == "done"):
                told = 100 if said["state"] == "done" else share
                yield f"History: {share} % ({said['rows']:,} rows){'' if told < 100 else ', all there'}"
        time.sleep(1)
    yield "The app has ended." if server.poll() is not None else "The sandbox has ended."


def _stop(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closing terminal hangs up more than once
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _failed(what: str, log: Path) -> typer.Exit:
    tail = log.read_text(encoding="utf-8").splitlines()[-15:] if log.exists() else []
    typer.echo(f"✗ {what}; the end of {log}:", err=True)
    for line in tail:
        typer.echo(f"  {line}", err=True)
    return typer.Exit(1)
