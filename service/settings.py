"""`paceline.yaml`: what to poll, how often, and against which targets.

Every message names the file, the line, the column, the dotted path and the value, with the nearest right
name where one was misspelt; all faults are told at once. Secrets are never in this file: they come from
`.streamlit/secrets.toml` or the environment (see `service.secrets`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, PositiveFloat, ValidationError

from alerts.digest.audience import Audience
from alerts.notify.settings import CHANNELS, ChannelSettings
from alerts.routes import INBOX, ROLES, Receiver, Routing
from connectors import registry
from connectors.part import Part
from connectors.units import Currency, Duration, Share, TimeZone, duration
from metrics.dimensions import Convention
from service import entrance, secrets
from service.faults import explain, nearest
from service.marks import Marked, Problem, read
from service.plans import Plan
from service.plans import faults as plan_faults
from warehouse.access import Access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.contract import Connector, Stream

__all__ = [
    "FILE",
    "Alerts",
    "Polling",
    "Server",
    "Settings",
    "SettingsError",
    "Setup",
    "Source",
    "Target",
    "load",
]

FILE = "paceline.yaml"

FOLLOWS_TODAY = timedelta(minutes=15)
"""A stream that asks to be polled at least this often follows today's delivery: `polling.every` sets it."""


def _between(least: str, most: str) -> AfterValidator:
    low, high = duration(least), duration(most)

    def check(span: timedelta) -> timedelta:
        if not low <= span <= high:
            raise ValueError(f"is out of range: {least} to {most}")
        return span

    return AfterValidator(check)


class Server(Part):
    """Where the app listens. Put a TLS proxy in front of any address but this machine's own.

    url: where people reach it, for links in messages; empty: as it listens.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8501
    url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""


class Polling(Part):
    """How often, how long, how many at once.

    every: time between polls of the streams that follow today's delivery.
    streams: the same for a single stream, by `source.stream`.
    discover: how often the accounts are listed anew.
    deadline: a fetch that takes longer is ended, and its slice asked for again.
    workers: fetches at the same time, each in a process of its own.
    reserve: share of a source's daily operations that polling leaves alone, for people and repairs.
    """

    every: Annotated[Duration, _between("5m", "15m")] = timedelta(minutes=5)
    streams: dict[str, Annotated[Duration, _between("5m", "7d")]] = Field(default_factory=dict)
    discover: Annotated[Duration, _between("5m", "1d")] = timedelta(hours=1)
    deadline: Annotated[Duration, _between("5s", "30m")] = timedelta(minutes=2)
    workers: Annotated[int, Field(ge=1, le=16)] = 2
    reserve: Share = 0.05


class Target(Part):
    """What a result is measured against, for the campaigns whose names (or ids) match.

    metric: roas (a ratio), or cpa, cpl (in the account's currency). account, campaign: `*` and `?` match.
    The last target that matches holds.
    """

    metric: Literal["roas", "cpa", "cpl"]
    value: PositiveFloat
    source: str = "*"
    account: str = "*"
    campaign: str = "*"


class Alerts(Routing):
    """Who hears when, and how. channels: each channel's own settings, by its name (see docs/channels.md).

    digests: who reads a daily or weekly digest of what (see docs/digests.md).
    """

    channels: dict[str, dict[str, Any] | None] = Field(default_factory=dict)
    digests: tuple[Audience, ...] | None = None


def _naming(pattern: str) -> str:
    try:
        Convention(pattern)
    except ValueError as error:
        text = str(error).removeprefix("the naming convention ")
        raise ValueError(text if text.startswith(("is ", "has ")) else f"cannot be used: {text}") from error
    return pattern


def _control_face(address: str) -> str:
    if address and not re.fullmatch(r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?/?", address):
        raise ValueError(
            "is no control face of a sandbox on this machine: write the `truth` that it tells at its start, "
            "such as http://127.0.0.1:8090"
        )
    return address


class Settings(Part):
    """The whole file.

    sources: each connector's own settings, by the connector's name. naming: a regular expression over the
    campaigns' names, whose named groups are dimensions (docs/naming.md). sandbox: where the numbers are a
    sandbox's, the address of its control face (docs/sandbox.md).
    """

    name: str = "Our team"
    currency: Currency = "EUR"
    timezone: TimeZone = ZoneInfo("UTC")
    server: Server = Server()
    polling: Polling = Polling()
    sources: dict[str, dict[str, Any] | None] = Field(min_length=1)
    targets: list[Target] = Field(default_factory=list)
    naming: Annotated[str, AfterValidator(_naming)] | None = None
    plans: list[Plan] = Field(default_factory=list)
    alerts: Alerts = Alerts()
    access: Access = Access()
    sandbox: Annotated[str, AfterValidator(_control_face)] = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A configured source: its connector's class and its validated settings, secrets included."""

    name: str
    connector: type[Connector]
    settings: BaseModel
    every: Mapping[str, timedelta]
    """Time between polls, by stream."""

    def streams(self) -> list[Stream]:
        """The connector's streams."""
        return self.connector.streams()


@dataclass(frozen=True, slots=True)
class Setup:
    """A workspace that is ready to run: settings, sources, the channels that were set up, who is let in."""

    settings: Settings
    sources: Mapping[str, Source]
    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    entrance: entrance.Entrance = field(default_factory=entrance.Entrance)


class SettingsError(Exception):
    """The settings cannot be used; `problems` holds all that is wrong, in the file's order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))


def load(folder: Path, environ: Mapping[str, str] = os.environ) -> Setup:
    """The workspace's setup. Raises SettingsError with every fault at once."""
    marked = read(folder / FILE)
    if marked.data is None or not isinstance(marked.data, dict):
        raise SettingsError(list(marked.problems) or [marked.problem((), "is empty: run `paceline init`")])
    problems = list(marked.problems)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(marked.data)
    except ValidationError as error:
        problems += explain(marked, error, Settings, ())
    held, faults = secrets.read(folder)
    problems += faults
    found: dict[str, tuple[type[Connector], BaseModel]] = {}
    given = marked.data.get("sources")
    for name, written in (given if isinstance(given, dict) else {}).items():
        try:
            connector = registry.load(str(name))
        except registry.UnknownSource:
            hint = nearest(str(name), registry.connectors())
            problems.append(marked.problem(("sources", name), f"is no known source{hint}", at_key=True))
            continue
        except registry.BrokenSource as error:
            problems.append(marked.problem(("sources", name), f"cannot be loaded: {error}", at_key=True))
            continue
        place = ("sources", str(name))
        values, faults = _values(marked, place, connector.Settings, written or {}, held=held, environ=environ)
        problems += faults
        try:
            found[name] = connector, _anchored(connector.Settings.model_validate(values), folder)
        except ValidationError as error:
            problems += explain(marked, error, connector.Settings, ("sources", name))
    problems += _cross_checks(marked, found)
    channels, faults = _channels(marked, held, environ)
    problems += faults
    let_in, faults = entrance.read(held)
    problems += faults
    if settings is not None:
        problems += _receivers(marked, settings.alerts)
    if problems or settings is None:
        raise SettingsError(problems)
    return Setup(
        settings,
        {
            name: Source(name, connector, own, _intervals(connector, settings.polling))
            for name, (connector, own) in found.items()
        },
        channels,
        let_in,
    )


def _anchored(settings: BaseModel, folder: Path) -> BaseModel:
    """The settings with the paths in them seen from the workspace, wherever a command was started."""
    paths = {name: folder / value for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(update=paths) if paths else settings


def _channels(
    marked: Marked, held: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, ChannelSettings], list[Problem]]:
    """The channels that are set up, secrets included."""
    alerts = marked.data.get("alerts")
    given = alerts.get("channels") if isinstance(alerts, dict) else None
    found: dict[str, ChannelSettings] = {}
    problems: list[Problem] = []
    for name, written in (given if isinstance(given, dict) else {}).items():
        place = ("alerts", "channels", str(name))
        if name not in CHANNELS:
            problems.append(
                marked.problem(place, f"is no channel{nearest(str(name), CHANNELS)}", at_key=True)
            )
            continue
        model = CHANNELS[name]
        own = written if isinstance(written, dict) else {}
        values, faults = _values(marked, place, model, own, held=held, environ=environ)
        problems += faults
        try:
            found[name] = model.model_validate(values)
        except ValidationError as error:
            problems += explain(marked, error, model, place)
    return found, problems


def _receivers(marked: Marked, alerts: Alerts) -> list[Problem]:
    """Whether each receiver that is written down can be reached."""
    problems = []
    people = [person.name for person in alerts.people]
    written: list[tuple[tuple[str | int, ...], Receiver]] = [
        (("alerts", "routes", str(severity), n), one)
        for severity, receivers in alerts.routes.items()
        for n, one in enumerate(receivers)
    ]
    if "escalation" in alerts.model_fields_set:
        written += [(("alerts", "escalation", n, "to"), s.to) for n, s in enumerate(alerts.escalation)]
    written += [(("alerts", "heartbeat_to", n), one) for n, one in enumerate(alerts.heartbeat_to)]
    written += [
        (("alerts", "digests", a, "to", n), one)
        for a, audience in enumerate(alerts.digests or ())
        for n, one in enumerate(audience.to)
    ]
    for place, (channel, to) in written:
        if channel != INBOX and channel not in alerts.channels:
            problems.append(marked.problem(place, f"{channel} is not set up under alerts.channels"))
        role = {"second": alerts.second, "manager": alerts.manager}
        if to in role and not role[to]:
            problems.append(marked.problem(place, f"nobody is the {to}: write alerts.{to}"))
        person = alerts.person(role.get(to, to))
        if person is not None and not person.on(channel) and channel != "apprise":
            problems.append(marked.problem(place, f"{person.name} has no address for {channel}"))
    for role_name in ROLES[1:]:
        name = getattr(alerts, role_name)
        if name and name not in people:
            hint = nearest(name, people)
            problems.append(marked.problem(("alerts", role_name), f"{name!r} is none of alerts.people{hint}"))
    return problems


def _values(
    marked: Marked,
    place: tuple[str, ...],
    model: type[BaseModel],
    written: dict[str, Any],
    *,
    held: Mapping[str, Any],
    environ: Mapping[str, str],
) -> tuple[dict[str, Any], list[Problem]]:
    """The settings at `place` from all three places; a secret in the YAML is refused, and not used."""
    name = place[-1]
    section = held.get(name, {})
    if not isinstance(section, dict):
        return {}, [Problem(secrets.FILE, 0, 0, name, f"must be a section: write [{name}]")]
    hidden = secrets.fields(model)
    problems = [
        marked.problem(
            (*place, key),
            "is a secret, and this file is shared and kept in version control: remove it here, "
            f"{secrets.where(name, key)}; renew it if the file has been shared already",
            at_key=True,
        )
        for key in written
        if key in hidden
    ]
    return written | section | secrets.from_environment(name, model, environ), problems


def _cross_checks(marked: Marked, found: Mapping[str, tuple[type[Connector], BaseModel]]) -> list[Problem]:
    """What no model can know alone: that the names used in one section exist in another."""
    problems = []
    data = marked.data
    polling = data.get("polling")
    known = {f"{source}.{s.name}" for source, (connector, _) in found.items() for s in connector.streams()}
    overridden = polling.get("streams") if isinstance(polling, dict) else None
    for name in overridden if isinstance(overridden, dict) else ():
        if name not in known:
            message = f"is no stream of a configured source{nearest(str(name), known)}"
            problems.append(marked.problem(("polling", "streams", name), message, at_key=True))
    targets = data.get("targets")
    for index, target in enumerate(targets if isinstance(targets, list) else ()):
        source = target.get("source", "*") if isinstance(target, dict) else "*"
        if source != "*" and source not in found:
            message = f"{source!r} is no configured source{nearest(str(source), found)}"
            problems.append(marked.problem(("targets", index, "source"), message))
    return problems + plan_faults(marked, found)


def _intervals(connector: type[Connector], polling: Polling) -> dict[str, timedelta]:
    """Time between polls of each stream: its own, unless it follows today, or is set by name."""
    return {
        stream.name: polling.streams.get(
            f"{connector.name}.{stream.name}",
            polling.every if stream.every <= FOLLOWS_TODAY else stream.every,
        )
        for stream in connector.streams()
    }
