"""All campaigns: search, group, filter, open. Worked out once a data version, for a thousand and more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import streamlit as st

from metrics import money, windows
from metrics.compute import evaluate, series
from metrics.dimensions import Convention
from metrics.entities import Entity
from metrics.model import Metric
from metrics.windows import Windows
from panels import _format as f
from panels._address import kept as in_address
from panels._address import kept_text
from panels._controls import controls
from panels._drill import PAGE, address, link, open_entity
from panels._entity import FIGURES, Line, Numbers
from panels._once import once
from panels._parts import figure_columns, figures_of, setup
from panels._slot import Process, process
from panels._status import Status
from panels._table import About, Column, table, versions
from panels._view import View
from warehouse.store import Warehouse

__all__ = ["Listing", "listing", "panels"]

GROUPS: Mapping[str, str] = {
    "campaign": "Campaign",
    "source": "Platform",
    "account_name": "Account",
    "channel": "Campaign kind",
    "status": "Status",
    "label": "Label",
}
"""What the list can be grouped by, beside the parts of the team's names."""

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """The lines of the list, most money first. entities: one a line where the lines are campaigns."""

    lines: tuple[Line, ...]
    entities: tuple[Entity, ...]
    metrics: Mapping[str, Metric]


def listing(
    warehouse: Warehouse,
    defined: Mapping[str, Metric],
    view: View,
    by: str = "campaign",
    *,
    only: tuple[str, str] | None = None,
    convention: Convention | None = None,
) -> Listing:
    """Figures by campaign, or by another dimension. only: (dimension, value) that the campaigns must have.

    Campaigns that delivered nothing are listed too, unless `only` is given. Raises MissingRate.
    """
    where = {**view.where, **({only[0]: only[1]} if only else {})}
    chosen = [defined[name] for name in FIGURES]
    asked: dict[str, Any] = {
        "where": where,
        "as_of": view.as_of,
        "currency": view.convert,
        "convention": convention,
    }
    rows = evaluate(warehouse, chosen, view.windows, by=(by,), **asked).to_pylist()
    metrics = {m.name: m for m in chosen}
    if by != "campaign":
        lines = [Line(row[by], row[by], "", "", {name: row[name] for name in metrics}) for row in rows]
        return Listing(tuple(sorted(lines, key=_rank)), (), metrics)
    found: dict[Key, Numbers] = {
        (row["source"], row["account"], row["campaign"]): {name: row[name] for name in metrics}
        for row in rows
    }
    trends = _trends(warehouse, chosen[0], view, asked)
    names = {
        (r["source"], r["account"], r["campaign"]): r
        for r in warehouse.query(
            "SELECT source, account, campaign, name, status, serving, channel FROM campaign"
        ).to_pylist()
    }
    idle = [] if only else [key for key in names if key[:2] in view.windows and key not in found]
    nothing: Numbers = {m.name: 0.0 if m.additive else None for m in chosen}
    pairs = []
    for key in (*found, *idle):
        row = names.get(key, {"name": "", "status": "", "serving": "", "channel": ""})
        line = Line(
            key[2],
            row["name"] or key[2],
            row["status"],
            row["channel"],
            found.get(key, nothing),
            trends.get(key, ()),
            row["serving"],
        )
        pairs.append((line, Entity(*key)))
    pairs.sort(key=lambda pair: _rank(pair[0]))
    return Listing(tuple(line for line, _ in pairs), tuple(entity for _, entity in pairs), metrics)


def _rank(line: Line) -> tuple[float, str]:
    return -(line.figures["spend"] or 0.0), line.name


def _trends(
    warehouse: Warehouse, spend: Metric, view: View, asked: Mapping[str, Any]
) -> dict[Key, tuple[float, ...]]:
    """Each campaign's spend by the view's step. Every campaign has every step: one reshape divides them."""
    shown: Windows = view.windows
    if view.span == "1h":
        known = windows.accounts(warehouse)
        shown = windows.today(known, {key: window.end for key, window in view.windows.items()})
    found = series(warehouse, [spend], shown, step=view.step, by=("campaign",), **asked)
    if not found.num_rows:
        return {}
    count = len(found["at"].unique())
    starts = pa.array(range(0, found.num_rows, count))
    keys = zip(*(found[name].take(starts).to_pylist() for name in _PARTS), strict=True)
    values = found["spend"].to_numpy().reshape(-1, count)
    return {key: tuple(row) for key, row in zip(keys, values.tolist(), strict=True)}


_PARTS = ("source", "account", "campaign")


@once
def read(version: int, view: View, by: str, only: tuple[str, str] | None) -> Listing:
    """The list, once for each version of the data."""
    del version
    of = process()
    assert of is not None
    return listing(of.warehouse, of.metrics(), view, by, only=only, convention=of.workspace.naming)


def groups(of: Process) -> dict[str, str]:
    """What the list can be grouped by, with its title; the team's own parts of a name first."""
    named = of.workspace.naming.dimensions if of.workspace.naming else {}
    return {"campaign": GROUPS["campaign"], **{n: d.title for n, d in named.items()}, **GROUPS}


def panels(of: Process, now: datetime) -> None:
    """The list, its group and its search, all in the URL."""
    del now
    st.subheader("All campaigns", anchor=False)
    view = controls()
    if view is None:
        with st.container(border=True):
            st.markdown(":material/hourglass_top: **The first numbers are on their way.**")
            st.caption("No account has data in this window yet; the page fills itself.")
        return
    possible = groups(of)
    only = _only(possible)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            placeholder="Part of a name or an id",
            icon=":material/search:",
            width=300,
            help="Every word must be in the campaign's name, id or kind.",
            **kept_text("q", str, ""),
        )
        by = st.selectbox(
            "Group by",
            list(possible),
            format_func=possible.__getitem__,
            width=200,
            help="Parts of the campaigns' names can be groups too: see `naming` in paceline.yaml.",
            **in_address("by", possible, next(iter(possible))),
        )
        if only:
            named = f.plain(only[1]) or "none"
            link(
                f"{possible[only[0]]}: **{named}**",
                address(None),
                icon=":material/close:",
                about="Show all campaigns again.",
            )
    try:
        shown = read(of.data_version(), view, by, only)
    except money.MissingRate as missing:
        st.warning(
            f"**Not shown in {view.currency}:** {f.plain(str(missing))}.", icon=Status.watch.value.icon
        )
        return
    words = (search or "").casefold().split()
    kept = [n for n, line in enumerate(shown.lines) if _matches(line, words)]
    lines = [shown.lines[n] for n in kept]
    with st.container(border=True, key="list"):
        if by == "campaign":
            _draw_campaigns(of, view, shown, kept, f"{len(lines):,} campaigns")
        else:
            _draw_groups(of, view, shown, lines, by=(by, possible[by]))


def _matches(line: Line, words: list[str]) -> bool:
    if not words:
        return True
    text = f"{line.name} {line.id} {line.kind}".casefold()
    return all(word in text for word in words)


def _only(possible: Mapping[str, str]) -> tuple[str, str] | None:
    """The filter in the URL, `only=country:DE`."""
    name, colon, value = st.query_params.get("only", "").partition(":")
    return (name, value) if colon and name in possible and name != "campaign" else None


def _draw_campaigns(of: Process, view: View, shown: Listing, kept: list[int], title: str) -> None:
    lines = [shown.lines[n] for n in kept]
    entities = [shown.entities[n] for n in kept]
    titles = of.workspace.sources
    table(
        {
            "name": [line.name for line in lines],
            "source": [titles.get(e.source, e.source) for e in entities],
            "state": [setup(line.status, line.serving) for line in lines],
            **figures_of(lines),
            "trend": [line.trend for line in lines],
            "kind": [line.kind.replace("_", " ") for line in lines],
            "account": [e.account for e in entities],
            "id": [e.campaign for e in entities],
        },
        [
            Column("name", "Campaign", "name", width=280),
            Column("source", "Platform"),
            Column("state", "State", "state"),
            *figure_columns(shown.metrics, view.currency),
            Column("trend", f"Spend by {'hour' if view.step < timedelta(days=1) else 'day'}", "bars"),
            Column("kind", "Kind", shown=False),
            Column("account", "Account id", shown=False),
            Column("id", "Campaign id", shown=False),
        ],
        key="campaigns",
        title=title,
        alt="All campaigns with state, spend, conversions, cost and return",
        about=About("Campaigns", view.title, view.as_known, versions(shown.metrics.values())),
        empty="No campaign matches; take a word out of the search.",
        ids=entities,
        opens=open_entity,
        noun="campaign",
        rows=18,
    )


def _draw_groups(of: Process, view: View, shown: Listing, lines: list[Line], *, by: tuple[str, str]) -> None:
    name, title = by
    titles = of.workspace.sources if name == "source" else {}
    table(
        {
            "name": [titles.get(line.name, line.name).replace("_", " ") or "none" for line in lines],
            **figures_of(lines),
        },
        [Column("name", title, "name"), *figure_columns(shown.metrics, view.currency)],
        key="groups",
        title=f"By {title.lower()}",
        alt=f"Campaigns by {title.lower()}",
        about=About(f"Campaigns by {title}", view.title, view.as_known, versions(shown.metrics.values())),
        empty="No campaign delivered in this window.",
        ids=[line.id for line in lines],
        opens=lambda value: st.switch_page(PAGE, query_params={**address(None), "only": f"{name}:{value}"}),
        noun="group",
        rows=18,
    )
    if name == "label":
        st.caption("A campaign with two labels stands in both groups, so that these add up to more than all.")
