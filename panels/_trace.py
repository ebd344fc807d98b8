"""Where a number comes from: its definition, its rows, the fetches that brought them, the SQL to ask again.

info_button("cpa", view)       # anywhere inside a page's live fragment
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import streamlit as st

from metrics.catalog import Ref
from metrics.in_words import in_words
from metrics.model import Metric
from metrics.trace import Trace, trace
from metrics.windows import Windows
from panels import _format as f
from panels import _seen
from panels._access import may
from panels._asked import ask, asked
from panels._catalog import open_entry
from panels._drill import open_proposal
from panels._slot import Process, process
from panels._view import View
from warehouse.access import Permission

__all__ = ["Over", "info_button"]


@dataclass(frozen=True, slots=True)
class Over:
    """What a number is over, on a page that has no `View`: the windows, the rows that count, its name.

    note: how the number on the page follows from the metric's, where it is not the same.
    """

    windows: Windows
    title: str
    where: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    convert: str | None = None
    as_of: datetime | None = None
    left_out: tuple[str, ...] = ()


def info_button(metric: str, view: View | Over, *, key: str = "") -> None:
    """A button that opens what stands behind a metric's number over the view.

    metric: the name of a definition. key: tells two buttons for one metric on one page apart.
    """
    name = f"info_{key or metric}"
    st.button(
        "Source",
        key=name,
        type="tertiary",
        icon=":material/info:",
        help="How this number is defined, how fresh it is, and the rows and fetches behind it.",
        on_click=ask,
        args=(name,),
    )
    if asked(name):
        _dialog(metric, view)


@st.dialog("Where does this number come from?", width="large", icon=":material/info:")
def _dialog(name: str, view: View | Over) -> None:
    of = process()
    assert of is not None
    metric = of.metrics().get(name)
    if metric is None:
        st.error(f"There is no metric `{name}` any more: somebody removed its definition.")
        return
    _seen.entry(of, Ref("metric", name))
    now = datetime.now(of.workspace.timezone)
    try:
        found = trace(of.warehouse, metric, view.windows, view.where, as_of=view.as_of, currency=view.convert)
    except ValueError as error:
        st.info(f.plain(str(error)), icon=":material/info:")
        return
    value = f.plain(f.figure(found.value, metric.unit, found.currency))
    st.markdown(f"**{metric.title}: {value}**")
    if isinstance(view, Over) and view.note:
        st.markdown(view.note)
    st.caption(_freshness(of, found, view, now))
    definition, rows, fetches, sql = st.tabs(
        ["Definition", f"Rows · {found.row_count:,}", f"Fetches · {found.fetches.num_rows}", "SQL"]
    )
    with definition:
        _definition(metric)
    with rows:
        _rows(found)
    with fetches:
        _fetches(of, found, now)
    with sql:
        st.caption(
            "This statement gives the number again. Run it on the published copy: "
            '`paceline query "…"`, or from a notebook or a BI tool (docs/warehouse.md).'
        )
        st.code(found.sql, language="sql", wrap_lines=True)


def _freshness(of: Process, found: Trace, view: View | Over, now: datetime) -> str:
    """The window, and up to when each source vouches for it."""
    told = [f"{view.title}."]
    if view.as_of is not None:
        told.append(f"As it was known {f.clock(view.as_of, now)}.")
    by_source: dict[str, datetime] = {}
    for mark in found.watermarks:
        if mark.data_as_of is not None:
            by_source[mark.source] = min(by_source.get(mark.source, mark.data_as_of), mark.data_as_of)
    for source, at in sorted(by_source.items()):
        told.append(f"{of.workspace.sources.get(source, source)} vouches for it until {f.clock(at, now)}.")
    if view.left_out:
        told.append(f"Not counted, for want of data: {', '.join(map(f.plain, view.left_out))}.")
    return " ".join(told)


def _definition(metric: Metric) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f.plain(in_words(metric)), width="stretch")
        if st.button("In the catalogue", key=f"catalogue_{metric.name}", icon=":material/menu_book:"):
            open_entry(Ref("metric", metric.name))
    st.code(metric.sql, language="sql", wrap_lines=True)
    if may(Permission.PROPOSE) and st.button(
        "Propose a change",
        key="propose_change",
        type="tertiary",
        icon=":material/rate_review:",
        help="With its effect on the last 28 days; somebody else approves it.",
    ):
        open_proposal(f"metrics/{metric.name}.sql")
    facts = {
        "Version": str(metric.version),
        "Changed": metric.changes[0].split(" ", 2)[1] if metric.changes else "",
        "Owner": metric.owner,
        "Approved by": metric.approved,
        "Reviewed": f"{metric.reviewed:%-d %b %Y}",
        "Better": metric.better,
        "Read from": metric.view.title,
    }
    with st.container(horizontal=True, gap="medium"):
        for title, value in facts.items():
            st.markdown(f":gray[{title}]  \n{f.plain(value)}", width="content")
    st.markdown(f"**Limits.** {f.plain(metric.limits)}")
    if metric.view.limits:
        st.markdown(f"**Limits of what it is read from.** {f.plain(metric.view.limits)}")
    st.markdown("**Changes of the definition**")
    st.markdown("\n".join(f"- {f.plain(change)}" for change in metric.changes))


def _rows(found: Trace) -> None:
    if not found.row_count:
        st.markdown(":material/inbox: No row stands behind this number in this window.")
        return
    st.caption(
        f"The newest {found.rows.num_rows:,} of {found.row_count:,} rows; money is in millionths of the "
        "account's currency, hours are UTC."
    )
    st.dataframe(found.rows, hide_index=True, height=320, alt="Rows behind the number")


def _fetches(of: Process, found: Trace, now: datetime) -> None:
    if not found.fetches.num_rows:
        st.markdown(":material/inbox: No fetch changed these rows.")
        return
    st.caption("The replies that brought these rows or last changed them, newest first.")
    listed = found.fetches.to_pylist()
    st.dataframe(
        pa.table(
            {
                "Seen": [f.clock(row["seen_at"], now) for row in listed],
                "Source": [of.workspace.sources.get(row["source"], row["source"]) for row in listed],
                "Account": [row["account"] for row in listed],
                "Stream": [row["stream"] for row in listed],
                "Rows": [row["rows"] for row in listed],
                "Changed": [row["changed"] for row in listed],
                "API": [row["api_version"] for row in listed],
                "Request": [", ".join(row["request_ids"] or ()) for row in listed],
            }
        ),
        hide_index=True,
        height=320,
        alt="Fetches behind the number",
    )
