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

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import pyarrow as pa
import streamlit as st

from metrics.model import Metric
from panels import _export
from panels import _format as f
from panels._address import kept_many
from panels._export import About
from panels._status import Status

__all__ = ["About", "Column", "Kind", "Pill", "of_metric", "table", "versions"]

Kind: TypeAlias = Literal[
    "name", "text", "money", "count", "percent", "multiple", "ratio", "days",
    "change", "progress", "state", "line", "bars", "moment", "day", "link",
]  # fmt: skip
"""name opens the row. change: a relative change. progress: a share of 1, drawn as a bar up to 2. line, bars:
a list of numbers. moment: an aware datetime. link: a URL."""

Id = TypeVar("Id", bound=Hashable)

_ROW = 35
"""Height of a row, px."""

_BETTER = {"higher": "Higher is better.", "lower": "Lower is better."}


@dataclass(frozen=True, slots=True)
class Pill:
    """A state in a cell: its word, after the state's own mark and on its colour."""

    status: Status
    word: str

    @property
    def text(self) -> str:
        """Mark and word."""
        return f"{self.status.value.mark} {self.word}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. shown: whether it is there before anybody has chosen. zone: where a moment is told."""

    name: str
    title: str
    kind: Kind = "text"
    help: str = ""
    currency: str = ""
    shown: bool = True
    width: Literal["small", "medium", "large"] | int | None = None
    zone: str = "UTC"

    @property
    def label(self) -> str:
        """The title, with the unit of money."""
        return f"{self.title}, {self.currency}" if self.kind == "money" and self.currency else self.title

    @property
    def exported(self) -> str:
        """The name in a file: a machine's, with the unit of money."""
        return f"{self.name}_{self.currency.lower()}" if self.kind == "money" and self.currency else self.name


def of_metric(metric: Metric, currency: str = "", *, title: str = "", shown: bool = True) -> Column:
    """The column of a metric: its unit says the format, its `better` and limits the help."""
    told = " ".join(part for part in (_BETTER.get(metric.better, ""), metric.limits) if part)
    return Column(
        metric.name, title or metric.title, metric.unit, f"{told} (version {metric.version})", currency, shown
    )


def versions(metrics: Iterable[Metric]) -> dict[str, int]:
    """Version by metric, for a file's header."""
    return {metric.name: metric.version for metric in metrics}


def table(
    data: Mapping[str, Sequence[Any]],
    columns: Sequence[Column],
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

    data: a list a column, all of one length, the default order. title, empty: markdown, names in it escaped.
    noun: what a row is, for the field that finds one; a click on a name or a choice there calls `opens` with
    the row's id, as it was when the row was drawn. rows: how many are seen without scrolling.
    """
    size = len(next(iter(data.values()), ()))
    if not size:
        st.markdown(f"**{title}**")
        st.markdown(f":material/inbox: {empty}")
        return
    names = next((column.name for column in columns if column.kind == "name"), "")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"{key}_tools"):
        st.markdown(f"**{title}**", width="stretch")
        if opens is not None and names:
            _find(key, noun, data[names], ids, opens)
        chosen = _choice(key, columns)
        _export_menu(key, data, columns, about)
        st.space(112)  # the grid's own tools (columns, search, full screen) come up here under the pointer
    if opens is not None and names:
        _opened(key, ids, opens)
    drawn = [column for column in columns if column in chosen or column.kind == "name"]
    button = f"{key}_open" if opens is not None else ""
    cells = {column.name: _cells(column, data[column.name], button=bool(button)) for column in drawn}
    with st.container(key=f"{key}_rows"):
        st.dataframe(
            pa.table(cells),
            hide_index=True,
            height=_ROW * (min(size, rows) + 1) + 3,
            row_height=_ROW,
            placeholder=f.NOTHING,
            key=key,
            alt=alt,
            column_config={column.name: _config(column, data[column.name], button) for column in drawn},
        )


def _find(key: str, noun: str, names: Sequence[str], ids: Sequence[Id], opens: Callable[[Id], None]) -> None:
    """A field that opens a row by its name: a grid's names can be clicked, but not by the keyboard."""
    article = "an" if noun[:1] in "aeiou" else "a"
    place = st.selectbox(
        f"Open {article} {noun}",
        range(len(names)),
        index=None,
        format_func=lambda n: f.bare(names[n]) or str(ids[n]),
        placeholder=f"Open {article} {noun} …",
        label_visibility="collapsed",
        width=230,
        key=f"{key}_find",
        help="Type a part of its name. A click on a name in the table opens it too.",
    )
    if place is not None:
        opens(ids[place])


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


def _export_menu(
    key: str, data: Mapping[str, Sequence[Any]], columns: Sequence[Column], about: About
) -> None:
    """Both files, written only when somebody asks."""

    def values(*, lists: bool) -> dict[str, list[Any]]:
        return {
            column.exported: [v.word if isinstance(v, Pill) else v for v in data[column.name]]
            for column in columns
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


def _known(values: Sequence[Any]) -> list[float]:
    return [abs(v) for v in values if v is not None and math.isfinite(v)]


def _whole(kind: Kind, values: Sequence[Any]) -> bool:
    """Whether the numbers are read without decimals: money from a thousand on, counts of whole things."""
    if kind == "money":
        return max(_known(values), default=0.0) >= 1000
    return kind == "count" and all(math.isclose(v, round(v), abs_tol=0.05) for v in _known(values))


def _cells(column: Column, values: Sequence[Any], *, button: bool = False) -> pa.Array:
    """A column's values as the browser gets them. button: whether its names open rows."""
    match column.kind:
        case "name" if button:
            # A list of one: Streamlit would take "[a, b]" for a menu, and ":material/…:" for an icon.
            texts = [f.bare(v) for v in values]
            return pa.array([[t.replace(":material/", ":\u2060material/")] for t in texts])
        case "state":
            return pa.array([[v.text] if v else [] for v in values], pa.list_(pa.string()))
        case "line" | "bars":
            return pa.array([list(v) if v is not None else None for v in values], pa.list_(pa.float64()))
        case "text" | "name":
            return pa.array([f.bare(v) if v else v for v in values], pa.string())
        case "link":
            return pa.array(values, pa.string())
        case "moment":
            return pa.array(values, pa.timestamp("us", "UTC"))
        case "day":
            return pa.array(values, pa.date32())
    scale = 100.0 if column.kind in ("percent", "change", "progress") else 1.0
    digits = 0 if _whole(column.kind, values) else None
    return pa.array(
        [None if v is None or not math.isfinite(v) else _rounded(v * scale, digits) for v in values],
        pa.float64(),
    )


def _rounded(value: float, digits: int | None) -> float:
    return float(round(value, digits)) if digits is not None else value


_FORMATS: Mapping[str, str] = {
    "money": "%.2f",
    "count": "%.1f",
    "percent": "%.1f %%",
    "multiple": "%.2f×",
    "ratio": "%.2f",
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
        case "text":
            return of.TextColumn(label, help=about, width=column.width or "small")
        case "link":
            return of.LinkColumn(label, help=about, width=column.width or "small", display_text="Open")
        case "moment":
            return of.DatetimeColumn(
                label, help=about, width=column.width, timezone=column.zone, format="D MMM HH:mm"
            )
        case "day":
            return of.DateColumn(label, help=about, width=column.width, format="D MMM YYYY")
    form = "localized" if _whole(column.kind, values) else _FORMATS[column.kind]
    return of.NumberColumn(label, help=about, width=column.width or "small", format=form)
