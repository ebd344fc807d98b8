"""From what fires to who is told: silence, inhibit, group, deduplicate, escalate, route.

    policy = chain(silence(…), inhibit(…), group(…), deduplicate(…), escalate(…), route(…))

A stage takes alerts and a moment, and gives alerts. Nothing is read or written here: what incidents were is
handed in, what they have become comes out. The semantics are Alertmanager's, with three of its habits mended:
a resolve reaches whoever heard of the firing even where it is muted by then; a repeat is due exactly so long
after the last message; a member that comes and goes is told once (docs/alerts.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from alerts.incident import Alert, Group, Incident, Notice, Silence
from alerts.notify.contract import Reason, Severity
from alerts.routes import Receiver, Routing, Step
from alerts.state import Instance, Key

__all__ = [
    "ACKNOWLEDGED_FOR",
    "Stage",
    "chain",
    "deduplicate",
    "escalate",
    "group",
    "inhibit",
    "next_due",
    "route",
    "silence",
]

Stage: TypeAlias = Callable[[Sequence[Alert], datetime], Sequence[Alert]]

ACKNOWLEDGED_FOR: Final = timedelta(hours=24)
"""After this an acknowledgement no longer holds: whoever gave it has gone home."""


def chain(*stages: Stage) -> Stage:
    """The stages one after the other."""

    def run(alerts: Sequence[Alert], now: datetime) -> Sequence[Alert]:
        for stage in stages:
            alerts = stage(alerts, now)
        return alerts

    return run


# -- who may be heard


def silence(silences: Iterable[Silence], owner: Callable[[Key], str]) -> Stage:
    """Mute what a silence in force matches. owner: of the rule that an instance is of, or is about."""
    known = tuple(silences)

    def stage(alerts: Sequence[Alert], now: datetime) -> Sequence[Alert]:
        active = [s for s in known if s.starts <= now < s.ends]
        return [_muted(a, lambda m: _silenced(m, active, owner)) for a in alerts] if active else alerts

    return stage


def inhibit(sources_of_silence: Iterable[str], apart: Iterable[str] = ()) -> Stage:
    """Mute what follows from something else that fires.

    sources_of_silence: rules whose firing says that an account's numbers mean nothing (it is stale, or
    suspended); they mute all other alerts of that account, but for those of the rules `apart`, which are
    judged by something else. A rule mutes itself in lower degrees.
    """
    rules, heard = frozenset(sources_of_silence), frozenset(apart)

    def stage(alerts: Sequence[Alert], _now: datetime) -> Sequence[Alert]:
        firing = [m.key for a in alerts for m in a.members if m.firing]
        down = {(k.labels.source, k.labels.account): k.rule for k in firing if k.rule in rules}
        worst: dict[tuple[str, object], int] = {}
        for key in firing:
            matter = (key.rule, key.labels)
            worst[matter] = max(worst.get(matter, 0), key.severity.rank)

        def why(member: Instance) -> str:
            key = member.key
            if key.rule not in rules | heard and (by := down.get((key.labels.source, key.labels.account))):
                return f"{by} fires for the account"
            if worst.get((key.rule, key.labels), 0) > key.severity.rank:
                return "the same fires in a higher degree"
            return ""

        return [_muted(a, why) for a in alerts]

    return stage


def _muted(alert: Alert, why: Callable[[Instance], str]) -> Alert:
    said = {m.key: reason for m in alert.members if (reason := why(m))}
    return replace(alert, muted={**said, **alert.muted}) if said else alert


def _silenced(member: Instance, active: Iterable[Silence], owner: Callable[[Key], str]) -> str:
    for one in active:
        if one.members:
            hit = member.key in one.members
        else:
            labels = {
                "rule": member.key.rule,
                "severity": str(member.key.severity),
                "owner": owner(member.key),
                **member.key.labels._asdict(),
            }
            hit = all(fnmatchcase(labels[name], pattern) for name, pattern in one.match.items())
        if hit:
            return f"silenced by {one.by} until {one.ends:%Y-%m-%d %H:%M} UTC: {one.reason}"
    return ""


# -- what belongs together


def group(
    of: Callable[[Key], Group], incidents: Iterable[Incident], numbers: Iterator[int], wait: timedelta
) -> Stage:
    """One alert an incident. A member that fires without one joins its group's, which is opened if need be.

    numbers: ids for new incidents.
    """
    known = {incident.id: incident for incident in incidents}

    def stage(alerts: Sequence[Alert], now: datetime) -> Sequence[Alert]:
        opened = {i.group: i for i in known.values() if i.closed is None}
        members: dict[int, list[Instance]] = {i.id: [] for i in opened.values()}
        muted: dict[Key, str] = {}
        for alert in alerts:
            for member in alert.members:
                if not member.incident and not member.firing:
                    continue
                home = known.get(member.incident)
                if home is None or home.closed is not None:
                    if not member.firing:
                        continue
                    where = of(member.key)
                    home = opened.get(where)
                    if home is None:
                        home = opened[where] = Incident(next(numbers), where, now, now + wait)
                        members[home.id] = []
                members[home.id].append(replace(member, incident=home.id))
            muted |= alert.muted
        return [
            Alert(tuple(members[i.id]), {m.key: muted[m.key] for m in members[i.id] if m.key in muted}, i)
            for i in opened.values()
        ]

    return stage


# -- what is news


def deduplicate(interval: timedelta, repeat: Mapping[Severity, timedelta]) -> Stage:
    """Decide of each incident whether there is news, and why: the first of the reasons that holds."""

    def stage(alerts: Sequence[Alert], now: datetime) -> Sequence[Alert]:
        lower = _told_by_matter(alerts)
        return [_news(alert, now, lower, interval, repeat) for alert in alerts]

    return stage


def _told_by_matter(alerts: Iterable[Alert]) -> dict[tuple[object, ...], int]:
    """The lowest degree in which receivers know of a matter."""
    found: dict[tuple[object, ...], int] = {}
    for alert in alerts:
        for key in alert.incident.told if alert.incident else ():
            matter = (key.rule, key.labels)
            found[matter] = min(found.get(matter, 9), key.severity.rank)
    return found


def _news(
    alert: Alert,
    now: datetime,
    lower: Mapping[tuple[object, ...], int],
    interval: timedelta,
    repeat: Mapping[Severity, timedelta],
) -> Alert:
    incident = alert.incident
    assert incident is not None
    incident = _held(incident, alert, now)
    flapping = alert.flapping
    heard = flapping.difference(alert.muted)
    live = alert.live - flapping
    gone = incident.told - alert.firing - flapping
    reason: Reason | None = None
    if now >= incident.due:
        risen = {k for k in live - incident.told if lower.get((k.rule, k.labels), 9) < k.severity.rank}
        passed = (now - incident.due) // interval + 1
        incident = replace(incident, due=incident.due + passed * interval, looked=True)
        if live and not incident.count:
            reason = Reason.FIRST
        elif live - incident.told - risen:
            reason = Reason.NEW_ALERTS
        elif gone and gone == incident.told and not live:
            reason = Reason.ALL_RESOLVED
        elif risen:
            reason = Reason.SEVERITY
        elif gone:
            reason = Reason.NEW_RESOLVED
        elif heard - incident.noticed:
            reason = Reason.FLAPPING
    if reason is None and _repeats(incident, live, repeat, now):
        reason = Reason.REPEAT
    if reason is None:
        over = incident.looked and not alert.firing and not incident.told and not flapping
        done = replace(incident, closed=now) if over else incident
        return replace(alert, incident=replace(done, noticed=done.noticed & flapping))
    told = (incident.told - gone) | live
    incident = replace(
        incident,
        told=told,
        noticed=heard,
        sent=now,
        count=incident.count + 1,
        closed=now if reason is Reason.ALL_RESOLVED and not alert.firing and not flapping else None,
    )
    notice = Notice(reason, resolved=gone)
    return replace(alert, incident=incident, notices=(*alert.notices, notice))


def _held(incident: Incident, alert: Alert, now: datetime) -> Incident:
    """The incident, its acknowledgement dropped where it no longer holds."""
    ack = incident.acknowledged
    if ack is None:
        return incident
    late = now >= ack.at + ACKNOWLEDGED_FOR
    if late or alert.live - ack.members:
        return replace(incident, acknowledged=None)
    return incident


def _repeat_due(incident: Incident, repeat: Mapping[Severity, timedelta]) -> datetime | None:
    every = repeat.get(incident.group.severity)
    if every is None or incident.sent is None:
        return None
    if incident.acknowledged is not None:
        return max(incident.sent + every, incident.acknowledged.at + ACKNOWLEDGED_FOR)
    return incident.sent + every


def _repeats(
    incident: Incident, live: frozenset[Key], repeat: Mapping[Severity, timedelta], now: datetime
) -> bool:
    """Whether a repeat is due now. Where there is news, the next look tells that instead."""
    due = _repeat_due(incident, repeat)
    known = bool(live) and live <= incident.told
    return known and due is not None and incident.acknowledged is None and now >= due


# -- who has to hear


def escalate(steps: Sequence[Step]) -> Stage:
    """Tell the next person of what is critical, was heard, and is in nobody's hand."""

    def stage(alerts: Sequence[Alert], now: datetime) -> Sequence[Alert]:
        return [_escalated(alert, steps, now) for alert in alerts]

    return stage


def _escalated(alert: Alert, steps: Sequence[Step], now: datetime) -> Alert:
    incident = alert.incident
    assert incident is not None
    if incident.group.severity is not Severity.CRITICAL:
        return alert
    heard = alert.live & incident.told
    if incident.alarm is not None and alert.live:  # what mutes it belongs to it, and is told in a moment
        heard |= alert.firing & incident.told
    if not heard or incident.acknowledged is not None:
        return replace(alert, incident=replace(incident, alarm=None, escalated=0))
    alarm = incident.alarm or now
    taken = sum(now >= alarm + step.after for step in steps)
    due = steps[incident.escalated : taken]
    incident = replace(incident, alarm=alarm, escalated=max(taken, incident.escalated))
    if not due:
        return replace(alert, incident=incident)
    notice = Notice(Reason.ESCALATION, tuple(step.to for step in due))
    incident = replace(incident, count=incident.count + 1)
    return replace(alert, incident=incident, notices=(*alert.notices, notice))


def route(routing: Routing, channels: Iterable[str]) -> Stage:
    """Say to whom: by the severity's route; a resolve also to whoever else has heard of the incident."""
    known = tuple(channels)

    def stage(alerts: Sequence[Alert], _now: datetime) -> Sequence[Alert]:
        return [
            replace(a, notices=tuple(_addressed(a, n, routing, known) for n in a.notices)) for a in alerts
        ]

    return stage


def _addressed(alert: Alert, notice: Notice, routing: Routing, channels: Sequence[str]) -> Notice:
    assert alert.incident is not None
    if notice.to:
        return notice
    where = alert.incident.group
    to: tuple[Receiver, ...] = where.routes or routing.route(where.severity, channels)
    if notice.reason in (Reason.ALL_RESOLVED, Reason.NEW_RESOLVED):
        return replace(notice, to=(*to, *sorted(alert.incident.heard)))
    return replace(notice, to=to)


def next_due(
    alerts: Iterable[Alert],
    silences: Iterable[Silence],
    steps: Sequence[Step],
    repeat: Mapping[Severity, timedelta],
    now: datetime,
) -> datetime | None:
    """When the pipeline has something to do next, if nothing changes until then."""
    times = [end for one in silences for end in (one.starts, one.ends)]
    for alert in alerts:
        incident = alert.incident
        if incident is None or incident.closed is not None:
            continue
        times.append(incident.due)
        if alert.live & incident.told:
            times += filter(None, [_repeat_due(incident, repeat)])
        if incident.acknowledged is not None:
            times.append(incident.acknowledged.at + ACKNOWLEDGED_FOR)
        if incident.alarm is not None:
            times += [incident.alarm + step.after for step in steps[incident.escalated :]]
    return min((at for at in times if at > now), default=None)
