"""Data health: how fresh each stream of each account is, what failed, how to mend it, what polling costs."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from panels import _format as f
from panels import _freshness, _known, _live
from panels._maturity import lateness
from panels._slot import Process, process
from panels._status import Status
from panels._table import About, Column, Pill, table
from warehouse.store import Watermark

MARKS = {
    "ok": Pill(Status.good, "Answered"),
    "held": Pill(Status.watch, "Held back"),
    "retry": Pill(Status.watch, "Asked again"),
    "stop": Pill(Status.act, "Refused"),
    "killed": Pill(Status.watch, "Too slow, asked again"),
}
"""How the last attempt of a stream ended."""

STREAMS = {
    "accounts": "Accounts",
    "delivery": "Delivery by the hour",
    "day_totals": "Conversions by action and day",
    "ad_delivery": "Delivery of ads by the day",
    "segment_delivery": "Delivery by device and network",
    "auction": "Impression share and frequency",
    "campaigns": "Campaigns",
    "ads": "Ads",
    "budgets": "Budgets",
    "conversion_actions": "Conversion actions",
    "changes": "Change history",
    "experiments": "Experiments",
    "rates": "Exchange rates",
    "checks": "Checks of landing pages",
    "web": "Visitors by hour, page and step",
    "minutes": "Active users by minute",
    "steps": "Steps of the funnel by minute",
}


def titled(stream: str) -> str:
    """A stream's name for people; a connector of the team's own has its words from its name."""
    return STREAMS.get(stream, stream.replace("_", " ").capitalize())


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = datetime.now(UTC).astimezone(of.workspace.timezone)
    marks = sorted(_known.now(of).marks, key=lambda m: (not m.error, m.outcome == "ok"))
    listed = of.warehouse.query("SELECT source, account, name FROM account").to_pylist()
    names = {(row["source"], row["account"]): row["name"] for row in listed}
    titles = of.workspace.sources
    st.subheader("Data health", anchor=False)
    status = of.status()
    for problem in status.get("problems", ()):
        st.error(f.plain(str(problem)), icon=":material/error:")

    found = _freshness.troubles(marks)
    if not found:
        st.success("Every account answers; nothing was held back.", icon=Status.good.value.icon)
    for trouble in found:
        box = st.warning if trouble.held else st.error
        hit = [names.get((trouble.source, a), a) for a in trouble.accounts]
        name = ", ".join(hit) or "all accounts"
        mend = f"  \n**How to fix:** {f.plain(trouble.mend)}" if trouble.mend else ""
        good = f"  \nData up to {f.clock(trouble.polled_at, now)}." if trouble.polled_at else ""
        again = f" Next try {f.clock(trouble.retry_at, now)}." if trouble.retry_at else ""
        box(
            f"{f.plain(trouble.cause)}{mend}{good}{again}",
            title=" · ".join(
                (titles.get(trouble.source, trouble.source), f.plain(name), titled(trouble.stream).lower())
            ),
            icon=(Status.watch if trouble.held else Status.act).value.icon,
        )

    budgets = status.get("budgets") or []
    if budgets:
        st.markdown("**Operations a day**")
        grid = st.grid(4, min_column_width=230, gap="small")
        for budget in budgets:
            allowed = budget["allowed"]
            with grid.cell():
                st.metric(
                    titles.get(budget["source"], budget["source"]),
                    f"{budget['used']:,}" + (f" of {allowed:,}" if allowed else ""),
                    delta=f"{budget['planned']:,} planned",
                    delta_color="off",
                    delta_arrow="off",
                    border=True,
                    help=budget["mend"]
                    or "Requests (Google Analytics: tokens) of the last 24 hours; the plan is a full day.",
                )

    backfill = status.get("backfill")
    if backfill and backfill["state"] in ("running", "waiting", "compacting"):
        done, days = backfill["done"], max(backfill["days"], 1)
        why = f", waiting: {f.plain(backfill['waits_for'])}" if backfill["waits_for"] else ""
        st.progress(min(done / days, 1.0), text=f"Fetching history: {done} of {days} days of streams{why}")

    lateness(of, now, names)

    answered = sum(mark.outcome == "ok" for mark in marks)
    st.markdown(f"**Streams** · {answered} of {len(marks)} answered when last asked")
    with st.container(key="desk"):
        streams(of, marks, names, now)


def streams(of: Process, marks: list[Watermark], names: dict[tuple[str, str], str], now: datetime) -> None:
    """Every stream of every account, those that are in trouble first."""
    zone = str(of.workspace.timezone)
    table(
        {
            "account": [names.get((m.source, m.account), m.account or "All accounts") for m in marks],
            "source": [of.workspace.sources.get(m.source, m.source) for m in marks],
            "stream": [titled(m.stream) for m in marks],
            "state": [MARKS[m.outcome] for m in marks],
            "as_of": [m.data_as_of for m in marks],
            "polled": [m.polled_at for m in marks],
            "retry": [m.retry_at for m in marks],
            "cause": [m.cause for m in marks],
        },
        [
            Column("account", "Account", "name"),
            Column("source", "Source"),
            Column("stream", "Stream", width="medium"),
            Column("state", "Last attempt", "state"),
            Column("as_of", "Vouched until", "moment", "Up to when the source stands by it.", zone=zone),
            Column("polled", "Last good poll", "moment", zone=zone),
            Column("retry", "Next try", "moment", shown=any(m.retry_at for m in marks), zone=zone),
            Column("cause", "Cause", shown=False, width="large"),
        ],
        key="streams",
        title="By account",
        alt="Freshness of every stream",
        about=About("Freshness of every stream", "now", now, {}),
        empty="Nothing has been asked for yet: the first poll is under way.",
        rows=14,
    )


panels()
