"""What every page is made of: its head, how fresh it is, and what stands where there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import streamlit as st

from metrics import money
from metrics.windows import AccountKey
from panels import _format as f
from panels import _freshness, _known
from panels._once import once
from panels._slot import Process, process
from panels._status import Status
from panels._view import View

__all__ = ["head", "nothing", "page", "staleness"]

Shown = TypeVar("Shown")


def head(of: Process, title: str, about: str) -> datetime:
    """The page's name, what it answers, and how fresh each source is; the present in the team's zone."""
    now = datetime.now(UTC).astimezone(of.workspace.timezone)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(title, anchor=False, help=about, width="content")
        if of.workspace.demo:
            st.badge("Sandbox data", icon=":material/science:", color="gray")
        for fresh in _freshness.of_sources(_known.now(of).marks, of.workspace.sources, now):
            st.badge(
                fresh.label,
                icon=fresh.status.value.icon,
                color=fresh.status.value.color,  # type: ignore[arg-type]
                help=fresh.help,
            )
    return now


def page(
    load: Callable[[int, View], Shown], draw: Callable[[Process, View, Shown], None], view: View | None
) -> None:
    """Draw a page's body; in words where there is nothing to draw.

    load: reads the page's figures for a version of the data, cached. A visitor's first page holds its place
    while they are read; after that the old figures stay until the new ones are there.
    """
    of = process()
    assert of is not None
    if view is None:
        nothing(of)
        return
    first = not st.session_state.get("seen")
    try:
        with st.spinner("Reading the numbers …") if first else nullcontext():
            found = load(of.data_version(), view)
        st.session_state["seen"] = True
        draw(of, view, found)
    except money.MissingRate as missing:
        st.warning(
            f"**Not shown in {view.currency}:** {f.plain(str(missing))}.", icon=Status.watch.value.icon
        )
        return
    if view.left_out:
        names = ", ".join(f.plain(name) for name in view.left_out)
        st.caption(f":material/info: Not counted, for want of data in this window: {names}. See Data health.")


def nothing(of: Process) -> None:
    """A page without data: what it waits for, or what keeps it from coming."""
    found = _freshness.troubles(_known.now(of).marks)
    with st.container(border=True):
        if found:
            st.markdown(f"{Status.act.value.icon} **No data, because the sources do not answer.**")
            for trouble in found[:3]:
                title = of.workspace.sources.get(trouble.source, trouble.source)
                st.markdown(f"{title}: {f.plain(trouble.cause)}")
                if trouble.mend:
                    st.markdown(f"**How to fix:** {f.plain(trouble.mend)}")
            st.page_link("health.py", label="Data health", icon=":material/monitor_heart:")
            return
        st.markdown(":material/hourglass_top: **No data in this window yet.**")
        st.caption(
            "The sources have brought nothing for it: choose another window, or wait for the first poll, "
            "which takes seconds. The page fills itself."
        )


def staleness(of: Process, view: View) -> _freshness.Stale | None:
    """Whether the view's figures are too old to judge. What is replayed is as old as it is meant to be."""
    if view.as_of is not None:
        return None
    traffic = _traffic(of.data_version())
    return _freshness.stale(
        _known.now(of).marks,
        {key: traffic.get(key, 0.0) for key in view.windows},
        _known.now(of).names,
        datetime.now(UTC).astimezone(of.workspace.timezone),
    )


@once
def _traffic(version: int) -> dict[AccountKey, float]:
    """Each account's clicks of the last week: what weighs accounts of several currencies."""
    del version
    of = process()
    assert of is not None
    rows = of.warehouse.query(
        "SELECT source, account, CAST(sum(clicks) AS DOUBLE) AS clicks FROM delivery WHERE hour >= $since "
        "GROUP BY ALL",
        {"since": datetime.now(UTC) - timedelta(days=7)},
    )
    return {(row["source"], row["account"]): row["clicks"] for row in rows.to_pylist()}
