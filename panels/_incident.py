"""An incident in detail: its members, why, what happened when, and who was told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from alerts.engine import Engine
from alerts.incident import Incident
from alerts.notify.contract import Message, Reason, Severity, unpack
from alerts.notify.words import WHY
from alerts.state import Instance, State
from panels import _format as f
from panels import _known
from panels._drill import open_campaign
from panels._slot import Process
from panels._status import Status
from panels._table import About, Column, Pill, table

__all__ = [
    "FACES",
    "explanation",
    "headline",
    "letters",
    "lines",
    "members",
    "since",
    "split",
    "table_of",
    "timeline",
]

LATE = timedelta(minutes=5)
"""What was noticed so much later than it began is said to have been."""

MOST = 6
"""Members that a card lists; the rest is counted."""

FACES = {
    Severity.CRITICAL: (Status.act, "Critical"),
    Severity.WARNING: (Status.watch, "Warning"),
    Severity.INFO: (Status.none, "Info"),
}
"""What each severity looks like, and its word."""

_WAYS = {"slack": "Slack", "email": "mail", "sms": "SMS", "inbox": "the inbox"}

_SENT = {
    "sent": (Status.good, "Arrived"),
    "pending": (Status.none, "Waiting"),
    "sending": (Status.none, "Under way"),
    "dead": (Status.act, "Given up"),
}
_ICONS = {
    "told": ":material/send:",
    "firing": ":material/local_fire_department:",
    "resolved": ":material/check_circle:",
    "pending": ":material/hourglass_top:",
    "acknowledged": ":material/front_hand:",
    "snoozed": ":material/snooze:",
    "useful": ":material/thumb_up:",
    "noise": ":material/thumb_down:",
    "assigned": ":material/person_add:",
    "note": ":material/edit_note:",
    "opened": ":material/flag:",
    "closed": ":material/flag_check:",
}


_TURNS = {"firing": "fires", "resolved": "no longer fires", "pending": "may fire: it has to last"}
_ORDER = {"pending": -4, "firing": -3, "opened": -2, "told": -1, "closed": 1}


def split(incidents: Sequence[Incident]) -> tuple[list[Incident], list[Incident]]:
    """What somebody should act on, the gravest first, and what is for information alone."""
    grave = [one for one in incidents if one.group.severity is not Severity.INFO]
    slight = [one for one in incidents if one.group.severity is Severity.INFO]
    return sorted(grave, key=lambda one: (-one.group.severity.rank, one.id)), slight


def headline(engine: Engine, incident: Incident) -> str:
    """What is wrong, in the words of its last message."""
    rows = engine.records.book.read("SELECT headline FROM incident WHERE id = ?", [incident.id])
    return (rows[0]["headline"] if rows else "") or f"Incident {incident.id}"


def since(incident: Incident, members: Sequence[Instance], now: datetime) -> str:
    """Since when it is so by the data, and when that was noticed; of one that has ended, from when to when.

    now: in the reader's time zone.
    """
    noticed = incident.opened.astimezone(now.tzinfo)
    if incident.closed is not None:
        ended = incident.closed.astimezone(now.tzinfo)
        return f"{f.clock(noticed, now)} to {f.clock(ended, now)} ({f.age(ended - noticed)})"
    firing = [one.told.began for one in members if one.firing and one.told.began]
    begun = min([*firing, noticed]).astimezone(now.tzinfo)
    late = f", noticed {f.clock(noticed, now)}" if noticed - begun >= LATE else ""
    return f"since {f.clock(begun, now)} ({f.age(now - begun)}){late}"


def members(of: Process, found: Sequence[Instance]) -> None:
    """The alerts of an incident, those that fire first; each leads to its campaign."""
    names = {
        (r["source"], r["account"], r["campaign"]): r["name"]
        for r in of.warehouse.query("SELECT source, account, campaign, name FROM campaign").to_pylist()
    }
    accounts = _known.now(of).accounts
    ordered = lines(found)
    for n, one in enumerate(ordered[:MOST]):
        labels = one.key.labels
        mark = Status.act.value.mark if one.firing else Status.good.value.mark
        owner = accounts.get((labels.source, labels.account))
        whole = owner.name if owner else labels.account
        what = names.get(labels[:3], labels.campaign) or labels.part or whole or labels.source
        state = "" if one.firing else " (resolved)" if one.state is State.RESOLVED else f" ({one.state})"
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"{mark} **{f.plain(what)}**{state} {f.plain(one.told.said)}", width="stretch")
            if labels.campaign and st.button(
                "Open",
                key=f"open_{one.incident}_{n}",
                type="tertiary",
                icon=":material/arrow_forward:",
                help="The campaign's figures, parts and past.",
            ):
                open_campaign(labels.source, labels.account, labels.campaign)
    if len(ordered) > MOST:
        st.caption(f"and {len(ordered) - MOST} more")


def lines(found: Sequence[Instance]) -> list[Instance]:
    """Those that fire first, the dearest first; a page once, which is a series of each account that pays."""
    once: dict[object, Instance] = {}
    for one in sorted(found, key=lambda i: (not i.firing, -i.told.at_risk)):
        rule, labels = one.key.rule, one.key.labels
        page = labels.part and not labels.campaign
        once.setdefault((rule, labels.part, one.state, one.told.said) if page else one.key, one)
    return list(once.values())


def explanation(engine: Engine, incident: Incident) -> None:
    """What was told to the people: expected against seen, the cause, what changed, what to do."""
    message = _last(engine, incident)
    if message is None:
        st.caption("Nothing has been told of it yet: messages wait half a minute, to come as one.")
        return
    chart = message if message.chart is not None else _last(engine, incident, drawn=True)
    words, picture = st.columns([2, 3]) if chart is not None else (st.container(), None)
    with words:
        for label, text in message.facts:
            st.markdown(f"**{f.plain(label)}:** {f.plain(text)}")
        with st.container(horizontal=True):
            for title, url in message.links:
                st.link_button(f.plain(title), url, type="tertiary", icon=":material/open_in_new:")
    if chart is not None and chart.chart is not None and picture is not None:
        picture.image(chart.chart, caption=f.plain(chart.chart_text), width="stretch")


def _last(engine: Engine, incident: Incident, *, drawn: bool = False) -> Message | None:
    """The newest message; drawn: the newest with a picture, which a call that follows has none of."""
    rows = engine.records.book.read(
        """SELECT message FROM outbox WHERE incident = ? AND (NOT ? OR message ->> '$.chart' IS NOT NULL)
            ORDER BY id DESC LIMIT 1""",
        [f"{engine.records.installation}-{incident.id}", drawn],
    )
    return unpack(rows[0]["message"]) if rows else None


def timeline(rows: Sequence[Mapping[str, Any]], of: Process, now: datetime) -> None:
    """What happened: turns of its members, messages, what people did; of one moment, causes first."""
    st.markdown("**Timeline**")
    told = []
    for row in sorted(rows, key=lambda row: (row["at"], _ORDER.get(row["what"], 0)))[-30:]:
        at = f.clock(datetime.fromisoformat(row["at"]).astimezone(of.workspace.timezone), now)
        icon = _ICONS.get(row["what"], ":material/circle:")
        told.append(f"{icon} {at} {f.plain(_event(row))}")
    st.markdown("  \n".join(dict.fromkeys(told)))  # a page is a series of each account: it is told once


def _event(row: Mapping[str, Any]) -> str:
    """An entry of the timeline in words."""
    what, who, detail = row["what"], row["who"], row["detail"]
    if what == "told":
        ways = sorted({_WAYS.get(channel, channel) for channel, _ in detail["to"]})
        reason = Reason(detail["reason"])
        why = "" if reason is Reason.FIRST else f": {WHY[reason]}"
        return f"told by {' and '.join(ways) or 'nothing'}{why}"
    if row["alert"]:
        rule, *_, part = json.loads(row["alert"])
        return f"{rule} {_TURNS.get(what, what)}" + (f": {part}" if part else "")
    text = str(detail.get("text") or detail.get("reason") or "")
    text = f"to {text}" if what == "assigned" else text
    return " ".join(word for word in (what, f"by {who}" if who else "", text) if word)


def table_of(of: Process, rows: Sequence[Mapping[str, Any]]) -> None:
    """Ended incidents, the newest first."""
    opened = [datetime.fromisoformat(row["opened"]) for row in rows]
    closed = [datetime.fromisoformat(row["closed"]) for row in rows]
    faces = {Severity.CRITICAL: Status.act, Severity.WARNING: Status.watch, Severity.INFO: Status.none}
    table(
        {
            "headline": [row["headline"] or f"Incident {row['id']}" for row in rows],
            "severity": [Pill(faces[Severity(row["severity"])], row["severity"]) for row in rows],
            "opened": opened,
            "closed": closed,
            "hours": [(b - a).total_seconds() / 3600 for a, b in zip(opened, closed, strict=True)],
            "owner": [row["owner"] for row in rows],
        },
        [
            Column("headline", "What", "name", width="large"),
            Column("severity", "Severity", "state"),
            Column("opened", "Began", "moment", zone=of.workspace.timezone.key),
            Column("closed", "Ended", "moment", zone=of.workspace.timezone.key),
            Column("hours", "Hours", "ratio"),
            Column("owner", "Owner"),
        ],
        key="ended_incidents",
        title="Ended incidents · 30 days",
        alt="Ended incidents with severity, begin, end and owner",
        about=About("Ended incidents", "30 days", max(closed), {}),
        empty="No incident has ended.",
        ids=[row["id"] for row in rows],
        opens=lambda number: st.switch_page(
            "alerts.py", query_params={"part": "ended", "incident": str(number)}
        ),
        noun="incident",
        rows=14,
    )


def letters(of: Process, found: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """The delivery log, newest first."""
    zone = of.workspace.timezone.key

    def moment(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text) if text else None

    table(
        {
            "created": [moment(one["created"]) for one in found],
            "channel": [one["channel"] for one in found],
            "recipient": [one["recipient"] for one in found],
            "reason": [one["reason"].replace("_", " ") for one in found],
            "state": [Pill(*_SENT[one["status"]]) for one in found],
            "tries": [one["tries"] for one in found],
            "ended": [moment(one["ended"]) for one in found],
            "error": [one["error"] for one in found],
        },
        [
            Column("created", "Decided", "moment", zone=zone),
            Column("channel", "Channel"),
            Column("recipient", "To"),
            Column("reason", "Why"),
            Column("state", "State", "state"),
            Column("tries", "Tries", "count"),
            Column("ended", "Done", "moment", zone=zone),
            Column("error", "What went wrong", width="large"),
        ],
        key="letters",
        title="Delivery log",
        alt="Messages with channel, recipient, state and what went wrong",
        about=About("Delivery log", "the last 300 messages", now, {}),
        empty="No message has been decided yet.",
        rows=14,
    )
