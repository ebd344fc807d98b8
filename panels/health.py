"""Data health: how fresh each stream of each account is, what failed, how to mend it, what polling costs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from panels import _format as f
from panels import _freshness, _live
from panels._maturity import lateness
from panels._slot import process
from panels._status import Status

MARKS = {
    "ok": Status.good,
    "held": Status.watch,
    "retry": Status.watch,
    "stop": Status.act,
    "killed": Status.watch,
}


def moments(values: Iterable[datetime | None]) -> pd.Series:
    """A column of moments; missing ones stay empty."""
    return pd.Series(list(values), dtype="datetime64[us, UTC]")


@st.fragment(key=_live.PANELS)
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = datetime.now(UTC).astimezone(of.workspace.timezone)
    marks = sorted(of.warehouse.watermarks(), key=lambda m: (not m.error, m.outcome == "ok"))
    listed = of.warehouse.query("SELECT source, account, name FROM account").to_pylist()
    names = {(row["source"], row["account"]): row["name"] for row in listed}
    titles = of.workspace.sources
    st.subheader("Data health", anchor=False)

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
            title=f"{titles.get(trouble.source, trouble.source)} · {f.plain(name)} · {trouble.stream}",
            icon=(Status.watch if trouble.held else Status.act).value.icon,
        )

    status = of.status()
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
                    or "Requests of the last 24 hours; the plan is what a full day of polling asks.",
                )

    backfill = status.get("backfill")
    if backfill and backfill["state"] in ("running", "waiting", "compacting"):
        done, days = backfill["done"], max(backfill["days"], 1)
        why = f", waiting: {f.plain(backfill['waits_for'])}" if backfill["waits_for"] else ""
        st.progress(min(done / days, 1.0), text=f"Fetching history: {done} of {days} days of streams{why}")

    lateness(of, now, names)

    st.markdown("**Streams**")
    frame = pd.DataFrame(
        {
            "source": [titles.get(m.source, m.source) for m in marks],
            "account": [names.get((m.source, m.account), m.account or "all") for m in marks],
            "stream": [m.stream for m in marks],
            "state": [[f"{MARKS[m.outcome].value.mark} {m.outcome}"] for m in marks],
            "as_of": moments(m.data_as_of for m in marks),
            "polled": moments(m.polled_at for m in marks),
            "retry": moments(m.retry_at for m in marks),
        }
    )
    words = {f"{status.value.mark} {word}": status.value.color for word, status in MARKS.items()}
    zone = str(of.workspace.timezone)
    st.dataframe(
        frame,
        hide_index=True,
        alt="Freshness of every stream",
        column_config={
            "source": "Source",
            "account": "Account",
            "stream": "Stream",
            "state": st.column_config.MultiselectColumn(
                "Last attempt", options=list(words), color=list(words.values())
            ),
            "as_of": st.column_config.DatetimeColumn(
                "Vouched until",
                timezone=zone,
                format="D MMM HH:mm",
                help="Up to when the source stands by its numbers.",
            ),
            "polled": st.column_config.DatetimeColumn("Last good poll", timezone=zone, format="D MMM HH:mm"),
            "retry": st.column_config.DatetimeColumn("Next try", timezone=zone, format="D MMM HH:mm"),
        },
    )


panels()
