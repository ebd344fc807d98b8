"""The way of a number, drawn: from the sources over tables, views and metrics to rules and dashboards."""

from __future__ import annotations

import json
from html import escape
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from metrics.catalog import KINDS, Catalog, Ref
from panels import _format as f

__all__ = ["WORDS", "drawn"]

WORDS: Final = {
    "source": "Source",
    "table": "Table",
    "view": "View",
    "metric": "Metric",
    "rule": "Rule",
    "dashboard": "Dashboard",
}

LONGEST: Final = 44
"""Characters of a name in a box."""

_LIGHT: Final = {
    "fill": "#F8FAFC",
    "line": "#D5DCE5",
    "text": "#0F172A",
    "soft": "#475569",
    "here": "#1D4ED8",
}
_DARK: Final = {"fill": "#111A2B", "line": "#2A3850", "text": "#E6EDF7", "soft": "#9FB0C6", "here": "#3B82F6"}
"""As in .streamlit/config.toml: the drawing knows nothing of the theme."""


def drawn(catalog: Catalog, ref: Ref) -> None:
    """The lineage of an entry; a click on a box opens it."""
    steps = catalog.lineage(ref)
    if not steps:
        st.markdown(":material/inbox: It shows no stored number, and nothing is made of it.")
        return
    st.graphviz_chart(dot(catalog, ref, steps, dark=st.context.theme.type == "dark"), width="content")


def dot(catalog: Catalog, ref: Ref, steps: list[tuple[Ref, Ref]], *, dark: bool) -> str:
    """The drawing in Graphviz's language: a column a kind, the entry itself marked."""
    ink = _DARK if dark else _LIGHT
    nodes = sorted({one for step in steps for one in step}, key=lambda r: (KINDS.index(r.kind), r.name))
    lines = [
        "digraph {",
        'rankdir=LR; bgcolor="transparent"; nodesep=0.12; ranksep=0.55;',
        'node [shape=box, style="rounded,filled", fontname="Source Sans, sans-serif", fontsize=12];',
        f'node [margin="0.14,0.07", height=0.3, color="{ink["line"]}", fillcolor="{ink["fill"]}"];',
        f'node [fontcolor="{ink["text"]}"];',
        f'edge [color="{ink["soft"]}", arrowsize=0.5, penwidth=0.8];',
    ]
    for one in nodes:
        title = f.bare(catalog.entries[one].title)
        title = escape(title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…")
        soft = "white" if one == ref else ink["soft"]
        label = f'<{title}<BR/><FONT POINT-SIZE="9" COLOR="{soft}">{WORDS[one.kind]}</FONT>>'
        address = json.dumps(f"catalogue?{urlencode([(one.kind, one.name)])}")
        about = json.dumps(f"{WORDS[one.kind]} {one.name}", ensure_ascii=False)
        mark = f', fillcolor="{ink["here"]}", color="{ink["here"]}", fontcolor="white"' if one == ref else ""
        lines.append(f'{_id(one)} [label={label}, URL={address}, target="_self", tooltip={about}{mark}];')
    for kind in KINDS:
        same = "; ".join(_id(one) for one in nodes if one.kind == kind)
        if same:
            lines.append(f"{{ rank=same; {same} }}")
    lines += [f"{_id(a)} -> {_id(b)};" for a, b in steps]
    return "\n".join([*lines, "}"])


def _id(ref: Ref) -> str:
    return json.dumps(str(ref))
