"""Alerts: what is wrong right now, what it costs an hour, who has it in hand; and what was told to whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import streamlit as st

from alerts.engine import Engine
from alerts.incident import Incident, at_risk
from alerts.notify.contract import unpack
from alerts.state import Instance
from connectors.contract import Account
from metrics.money import MissingRate, rate
from metrics.windows import AccountKey
from panels import _backtest, _incident, _incident_card, _known, _live, _rules
from panels import _format as f
from panels._access import logged_in, may
from panels._address import kept
from panels._blocks import head
from panels._slot import Process, process
from panels._status import Status
from warehouse.access import Permission

PARTS = {
    "inbox": "Inbox",
    "info": "For information",
    "ended": "Ended",
    "rules": "Rules",
    "silences": "Silences",
    "delivery": "Delivery",
}


def risk(members: list[Instance], known: Mapping[AccountKey, Account]) -> dict[str, float]:
    """Money an hour at risk, by currency."""
    sums: dict[str, float] = {}
    for key, money in at_risk(members).items():
        account = known.get(key)
        if account is not None and money > 0:
            sums[account.currency] = sums.get(account.currency, 0.0) + money
    return sums


def together(of: Process, sums: dict[str, float]) -> dict[str, float]:
    """Money of several currencies in the workspace's own; as it was where today's rate is missing."""
    to, day = of.workspace.currency, datetime.now(of.workspace.timezone).date()
    if len(sums) < 2:
        return sums
    try:
        return {to: sum(value * rate(of.warehouse, each, to, day) for each, value in sums.items())}
    except MissingRate:
        return sums


def told(sums: dict[str, float]) -> str:
    """Money an hour, each currency by itself."""
    return " + ".join(f.money(value, currency) for currency, value in sorted(sums.items()))


def top(engine: Engine, incidents: list[Incident], instances: list[Instance], of: Process) -> None:
    """The four things to know first."""
    known = _known.now(of).accounts
    firing = [i for i in instances if i.firing and i.incident in {one.id for one in incidents}]
    free = [one for one in incidents if one.acknowledged is None]
    dead = engine.outbox.counts().get("dead", 0)
    worst = max((one.group.severity for one in incidents), key=lambda s: s.rank, default=None)
    state, word = _incident.FACES[worst] if worst else (Status.good, "All quiet")
    money = together(of, risk(firing, known))
    grid = st.grid(4, min_column_width=220, gap="small")
    for title, value, (status, said), note in (
        (
            "Open incidents",
            str(len(incidents)),
            (state, word),
            f"alerts that fire: {len(firing)}",
        ),
        (
            "At risk an hour",
            told(money) or "nothing",
            (Status.act if money else Status.good, "Money" if money else "None"),
            "as the rules price it",
        ),
        (
            "In nobody's hand",
            str(len(free)),
            (Status.act if free else Status.good, "Acknowledge" if free else "All taken"),
            "critical and warning",
        ),
        (
            "Not delivered",
            str(dead),
            (Status.act if dead else Status.good, "See Delivery" if dead else "All arrived"),
            "messages given up",
        ),
    ):
        with grid.cell(), st.container(border=True, height="stretch", gap="small"):
            st.metric(title, f.plain(value))
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.badge(said, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
                st.caption(note, width="content")


def inbox(engine: Engine, of: Process, now: datetime) -> None:
    """The open incidents that somebody should act on, the gravest first."""
    grave, slight = _incident.split(engine.records.open_incidents())
    asked = [one for one in [*slight, *over(engine)] if str(one.id) == st.query_params.get("incident")]
    instances = list(engine.records.instances().values())
    top(engine, grave, instances, of)
    if not grave:
        with st.container(border=True):
            st.markdown(f":green[{Status.good.value.icon}] **Nothing is wrong that somebody must act on.**")
            st.caption(f"{len(engine.rules)} rules are watching; see Rules for what they look at.")
    if slight:
        st.caption(f":material/info: {len(slight)} more for information, which nobody is called for.")
    listed(engine, of, grave + asked, instances, now)


def informed(engine: Engine, of: Process, now: datetime) -> None:
    """The open incidents that nobody is called for."""
    _, slight = _incident.split(engine.records.open_incidents())
    if not slight:
        st.markdown(":material/inbox: Nothing open for information.")
    listed(engine, of, slight, list(engine.records.instances().values()), now)


def listed(
    engine: Engine, of: Process, incidents: list[Incident], instances: list[Instance], now: datetime
) -> None:
    """A card each, the one that was asked for and the gravest first."""
    known = _known.now(of).accounts
    asked = st.query_params.get("incident")
    ordered = sorted(incidents, key=lambda one: (str(one.id) != asked, -one.group.severity.rank, one.id))
    for incident in ordered:
        members = [i for i in instances if i.incident == incident.id]
        money = told(risk(members, known))
        account = known.get((incident.group.source, incident.group.account))
        _incident_card.card(
            engine,
            of,
            incident,
            members,
            money=money,
            account=account,
            now=now,
            open_=str(incident.id) == asked,
        )


def over(engine: Engine) -> list[Incident]:
    """The incident that the address names, where it has ended."""
    asked = st.query_params.get("incident", "")
    # An address that somebody typed: no number of ours has so many digits, and SQLite takes no longer one.
    found = engine.records.incident(int(asked)) if asked.isdecimal() and len(asked) < 19 else None
    return [found] if found is not None and found.closed is not None else []


def ended(engine: Engine, of: Process, now: datetime) -> None:
    """The incidents of the last thirty days that are over; the one that was opened, with all of it."""
    for one in over(engine):
        listed(engine, of, [one], engine.records.members(one.id), now)
    rows = engine.records.book.read(
        "SELECT id, severity, headline, owner, opened, closed FROM incident "
        "WHERE closed > ? ORDER BY closed DESC",
        [(now - timedelta(days=30)).astimezone(UTC).isoformat(timespec="microseconds")],
    )
    if not rows:
        st.markdown(":material/inbox: No incident has ended in the last 30 days.")
        return
    _incident.table_of(of, rows)


def silences(engine: Engine, of: Process, now: datetime) -> None:
    """What nobody is to hear of, until when, and why."""
    found = engine.records.silences(now.astimezone(UTC))
    if not found:
        st.markdown(":material/notifications_active: Nothing is silenced: every alert is heard.")
    for one in found:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            what = (
                ", ".join(f"{k} = {v}" for k, v in one.match.items()) or f"{len(one.members)} snoozed alerts"
            )
            ends = f.clock(one.ends.astimezone(of.workspace.timezone), now)
            st.markdown(
                f"**{f.plain(what)}** until {ends} · {f.plain(one.by)}: {f.plain(one.reason)}",
                width="stretch",
            )
            if may(Permission.ALERTS) and st.button(
                "End now", key=f"end_{one.id}", help="Alerts are heard again at once."
            ):
                _incident_card.act(partial(engine.unsilence, one.id), "The silence is over.")


def delivery(engine: Engine, of: Process, now: datetime) -> None:
    """What was sent to whom; what was given up, and why; once more."""
    letters = engine.outbox.letters(last=300)
    if not letters:
        st.markdown(":material/outbox: No message has been decided yet.")
        return
    for letter in [one for one in letters if one["status"] == "dead"][:10]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.badge("Given up", icon=Status.act.value.icon, color="red")
            (row,) = engine.records.book.read("SELECT message FROM outbox WHERE id = ?", [letter["id"]])
            lost, to = unpack(row["message"]).headline, letter["recipient"] or "all"
            st.markdown(
                f"**{f.plain(lost)}** by {letter['channel']} to {f.plain(to)}: "
                f"{f.plain(letter['error'])} {f.plain(letter['mend'])}",
                width="stretch",
            )
            if may(Permission.ALERTS) and st.button(
                "Send again", key=f"again_{letter['id']}", help="From the start, with eight tries."
            ):
                _incident_card.act(partial(engine.again, letter["id"]), "On its way.")
    _incident.letters(of, letters, now)


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = head(of, "Alerts", "What is wrong right now, what it costs an hour, and who has it in hand.")
    if of.alerts is None:
        st.info("Alerts begin with the polling: nothing is watched yet.", icon=":material/hourglass_top:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control(
            "Show",
            list(PARTS),
            format_func=PARTS.__getitem__,
            required=True,
            help="The inbox holds what somebody should act on; Delivery says what was sent to whom.",
            **kept("part", PARTS, "inbox"),
        )
        if not logged_in():
            st.text_input(
                "Your name", key="who", width=220, help="What you do here is logged under this name."
            )
    if part == "ended":
        ended(of.alerts, of, now)
    elif part == "rules":
        _rules.table_of(of.alerts, now)
        _backtest.panel(of.alerts, of, now)
    elif part == "silences":
        silences(of.alerts, of, now)
    elif part == "delivery":
        delivery(of.alerts, of, now)
    elif part == "info":
        informed(of.alerts, of, now)
    else:
        inbox(of.alerts, of, now)


panels()
