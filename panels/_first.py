"""The first minutes: what is being waited for, what stands in the way, and what can be done meanwhile."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from panels import _format as f
from panels import _freshness, _known
from panels._slot import Process
from panels._status import Status

__all__ = ["first"]

CARDS = ("Spend pacing", "ROAS", "Cost per result", "Conversions")


def first(of: Process) -> None:
    """The page before the first numbers: each source with how far it is, then the way on."""
    marks = _known.now(of).marks
    troubles = {trouble.source: trouble for trouble in _freshness.troubles(marks)}
    rows = of.warehouse.query("SELECT source, count(*) AS n FROM account GROUP BY source").to_pylist()
    accounts = {row["source"]: row["n"] for row in rows}
    asked = {mark.source for mark in marks}
    with st.container(border=True, key="first"):
        if troubles:
            st.markdown(f":red[{Status.act.value.icon}] **Something keeps the first numbers from coming.**")
        elif asked and not accounts:
            st.markdown(f"{Status.watch.value.icon} **The sources answer, but show no account yet.**")
        else:
            st.markdown(":material/hourglass_top: **The first numbers are on their way.**")
            st.caption(
                "The accounts are being listed and today's delivery fetched; this takes seconds. "
                "The page fills itself."
            )
        for source, title in of.workspace.sources.items():
            _source(of, title, troubles.get(source), accounts.get(source, 0), asked=source in asked)
    if troubles or (asked and not accounts):
        _ways_on(of)
    grid = st.grid(len(CARDS), min_column_width=220, gap="small")
    for label in CARDS:
        with grid.cell(), st.container(border=True, height=150):
            st.markdown(f":gray[{label}]")


def _source(
    of: Process, title: str, trouble: _freshness.Trouble | None, accounts: int, *, asked: bool
) -> None:
    """One source's line: how far it is, or what is wrong with how to mend it."""
    if trouble is not None:
        status = Status.watch if trouble.held else Status.act
        look = f":{status.value.color}[{status.value.icon}]"
        st.markdown(f"{look} **{f.plain(title)}** · {f.plain(trouble.cause)}")
        if trouble.mend:
            st.markdown(f"**How to fix:** {f.plain(trouble.mend)}")
        if trouble.retry_at:
            now = datetime.now(of.workspace.timezone)
            st.caption(f"Next try {f.clock(trouble.retry_at, now)}; the page fills itself.")
    elif accounts:
        noun = "account" if accounts == 1 else "accounts"
        st.markdown(f"{Status.good.value.icon} **{f.plain(title)}** · {accounts} {noun} found")
    elif asked:
        st.markdown(f"{Status.none.value.icon} **{f.plain(title)}** · no account to be seen with this access")
    else:
        st.markdown(f":material/hourglass_top: **{f.plain(title)}** · being asked")


def _ways_on(of: Process) -> None:
    """What a person can do: test the access, connect accounts, or look around in the demo."""
    check, demo = st.columns(2)
    with check.container(border=True, height="stretch"):
        st.markdown("**Test the access**")
        st.code(f"paceline check --workspace {of.workspace.folder}", language=None, wrap_lines=True)
        st.caption("It asks every source once and says what is missing. See docs/connect-real-accounts.md.")
    with demo.container(border=True, height="stretch"):
        st.markdown("**Look around meanwhile**")
        st.code("paceline demo", language=None)
        st.caption("The whole app over made-up accounts, beside this one: nothing of yours is touched.")
