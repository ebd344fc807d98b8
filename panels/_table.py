"""The one table of all pages: a column says what it holds, the table how that looks and leaves the app.

    columns = [
        Column("campaign", "Campaign", "name"),
        of_metric(defined["spend"], "EUR"),
        of_metric(defined["roas"]),
        Column("state", "State", "state"),
        Column("trend", "Spend by hour", "bars"),
    ]
    table(
        {"campaign": [...], "spend": [...], "roas": [...], "state": [Pill(Status.act, "Over")], ...},
        columns,
        key="campaigns",                        # the choice of columns stands in the URL as campaigns_cols
        title="Campaigns",
        alt="Campaigns with spend, return and state",
        about=About("Campaigns", "Today", as_of, versions(metrics)),
        empty="No campaign delivered in this window.",
        ids=[(source, account, campaign), ...],  # one a row: what `opens` is given
        opens=lambda of: open_campaign(*of),
    )

Values are as the metrics give them: money in units of the currency, a percentage as a fraction, None for what
is unknown. The toolbar has the browser's own search; sorting is a click on a header. Streamlit's own download
and copying are switched off (client.disableDataExport in .streamlit/config.toml), for they would write names
of campaigns into a spreadsheet as formulas: "Export" writes the same rows so that they cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from metrics.model import Metric
from panels import _export
from panels import _format as f
from panels._address import kept_many
from panels._export import About
from panels._rows import Column, Id, Kind, Pill, Rows, of_metric, whole

__all__ = ["About", "Column", "Kind", "Pill", "Rows", "of_metric", "table", "versions"]

_ROW = 35
"""Height of a row, px."""


def versions(metrics: Iterable[Metric]) -> dict[str, int]:
    """Version by metric, for a file's header."""
    return {metric.name: metric.version for metric in metrics}


def table(
    data: Mapping[str, Sequence[Any]] | Rows[Id],
    columns: Sequence[Column] = (),
    *,
    key: str,
    title: str,
    alt: str,
    about: About,
    empty: str,
    ids: Sequence[Id] = (),
    opens: Callable[[Id], None] | None = None,
    noun: str = "row",
    rows: int = 12,
) -> None:
    """Draw the table with its title, its choice of columns, its export, and a way to open a row.

    data: a list a column, all of one length, the default order; or `Rows`, which bring their columns and ids.
    title, empty: markdown, names in it escaped.
    noun: what a row is, for the field that finds one; a click on a name or a choice there calls `opens` with
    the row's id, as it was when the row was drawn. rows: how many are seen without scrolling.
    """
    of = data if isinstance(data, Rows) else Rows(data, columns, ids)
    if not len(of):
        st.markdown(f"**{title}**")
        st.markdown(f":material/inbox: {empty}")
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_tools"):
        st.markdown(f"**{title}**", width="stretch")
        if opens is not None and of.titles:
            _find(key, noun, of, opens)
        chosen = _choice(key, of.columns)
        _export_menu(key, of, about)
        st.space(112)  # the grid's own tools (columns, search, full screen) come up here under the pointer
    if opens is not None and of.titles:
        _opened(key, of.ids, opens)
    drawn = [column for column in of.columns if column in chosen or column.kind == "name"]
    button = f"{key}_open" if opens is not None else ""
    with st.container(key=f"{key}_rows"):
        st.dataframe(
            of.ready(drawn, button=bool(button)),
            hide_index=True,
            height=_ROW * (min(len(of), rows) + 1) + 3,
            row_height=_ROW,
            placeholder=f.NOTHING,
            key=key,
            alt=alt,
            column_config={column.name: _look(of, column, button) for column in drawn},
        )


def _look(of: Rows[Id], column: Column, button: str) -> Any:
    return of.once((column, button), lambda: _config(column, of.data[column.name], button))


def _find(key: str, noun: str, of: Rows[Id], opens: Callable[[Id], None]) -> None:
    """A field that opens a row by its name: a grid's names can be clicked, but not by the keyboard."""
    article = "an" if noun[:1] in "aeiou" else "a"
    place = st.selectbox(
        f"Open {article} {noun}",
        range(len(of)),
        index=None,
        format_func=of.titles.__getitem__,
        placeholder=f"Open {article} {noun} …",
        label_visibility="collapsed",
        width=230,
        key=f"{key}_find",
        help="Type a part of its name. A click on a name in the table opens it too.",
    )
    if place is not None:
        opens(of.ids[place])


def _choice(key: str, columns: Sequence[Column]) -> list[Column]:
    """The columns to show; a choice other than the usual one stands in the URL."""
    titles = {column.name: column.title for column in columns if column.kind != "name"}
    usual = [c.name for c in columns if c.shown and c.kind != "name"]
    with st.popover("", icon=":material/view_column:", type="tertiary", help="Choose columns"):
        chosen = st.multiselect(
            "Columns",
            list(titles),
            format_func=titles.__getitem__,
            help="The choice stands in this page's address, so that a link shows the same columns.",
            **kept_many(f"{key}_cols", titles, usual),
        )
    return [column for column in columns if column.name in chosen]


def _export_menu(key: str, of: Rows[Id], about: About) -> None:
    """Both files, written only when somebody asks."""

    def values(*, lists: bool) -> dict[str, list[Any]]:
        return {
            column.exported: [v.word if isinstance(v, Pill) else v for v in of.data[column.name]]
            for column in of.columns
            if lists or column.kind not in ("line", "bars")
        }

    with st.popover("", icon=":material/download:", type="tertiary", help="Export these rows"):
        st.download_button(
            "CSV",
            lambda: _export.csv(values(lists=False), about),
            file_name=_export.file_name(about, "csv"),
            mime="text/csv",
            icon=":material/csv:",
            on_click="ignore",
            key=f"{key}_csv",
            width="stretch",
            help="For spreadsheets. Names that a spreadsheet would run as formulas start with an apostrophe.",
        )
        st.download_button(
            "Parquet",
            lambda: _export.parquet(values(lists=True), about),
            file_name=_export.file_name(about, "parquet"),
            mime="application/vnd.apache.parquet",
            icon=":material/database:",
            on_click="ignore",
            key=f"{key}_parquet",
            width="stretch",
            help="For notebooks: every column with its type, names as they are.",
        )
        st.caption("All rows and columns, with as-of, window and the versions of the definitions.")


def _clicked(key: str) -> None:
    """Note the row whose name was clicked, of the rows as they stood when they were drawn.

    A callback, for it comes before all else: the poll that redraws the page in the next instant would
    otherwise take the click with it.
    """
    state = st.session_state
    click, drawn = state.get(f"{key}_open"), state.get(f"{key}_drawn", ())
    if click is not None and click["row"] < len(drawn):
        state[f"{key}_asked"] = drawn[click["row"]]


def _opened(key: str, ids: Sequence[Id], opens: Callable[[Id], None]) -> None:
    """Open the row that was clicked last."""
    state = st.session_state
    state[f"{key}_drawn"] = tuple(ids)
    asked = state.pop(f"{key}_asked", None)
    if asked is not None:
        opens(asked)


_FORMATS: Mapping[str, str] = {
    "money": "%.2f",
    "count": "%.1f",
    "percent": "%.1f %%",
    "multiple": "%.2f×",
    "ratio": "%.2f",
    "seconds": "%.2f s",
    "days": "%.1f d",
    "change": "%+.0f %%",
}


def _config(column: Column, values: Sequence[Any], button: str) -> Any:
    """How Streamlit draws a column. button: the key under which a click on a name is told, or ""."""
    label, about, of = column.label, column.help or None, st.column_config
    match column.kind:
        case "name":
            width = column.width or "medium"
            if not button:
                return of.TextColumn(label, help=about, pinned=True, width=width)
            return of.ButtonColumn(
                label,
                help=about,
                pinned=True,
                width=width,
                alignment="left",
                type="tertiary",
                key=button,
                on_click=_clicked,
                args=(button.removesuffix("_open"),),
            )
        case "state":
            words = {v.text: v.status.value.color for v in values if v}
            return of.MultiselectColumn(
                label, help=about, width=column.width, options=list(words), color=list(words.values())
            )
        case "line":
            return of.LineChartColumn(label, help=about, width=column.width or "small")
        case "bars":
            return of.BarChartColumn(label, help=about, width=column.width or "small", y_min=0)
        case "progress":
            return of.ProgressColumn(
                label,
                help=about,
                width=column.width or "small",
                min_value=0,
                max_value=200,
                format="%.0f %%",
            )
        case "text" | "amount":
            side: Literal["left", "right"] = "left" if column.kind == "text" else "right"
            return of.TextColumn(label, help=about, width=column.width or "small", alignment=side)
        case "link":
            return of.LinkColumn(label, help=about, width=column.width or "small", display_text="Open")
        case "moment":
            return of.DatetimeColumn(
                label, help=about, width=column.width, timezone=column.zone, format="D MMM HH:mm"
            )
        case "day":
            return of.DateColumn(label, help=about, width=column.width, format="D MMM YYYY")
    form = "localized" if whole(column.kind, values) else _FORMATS[column.kind]
    return of.NumberColumn(label, help=about, width=column.width or "small", format=form)
