"""An incident to find, on a stored example: what is seen, hints, an answer that is checked and explained."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from panels._look import BEFORE, NOW, chart
from panels._status import Status

__all__ = ["walk"]

HOURS: Final = range(18)
USUAL: Final = {
    "Spend, €": (6, 4, 3, 3, 4, 7, 12, 18, 24, 28, 30, 31, 32, 31, 30, 29, 28, 27),
    "Clicks": (9, 6, 5, 5, 6, 11, 19, 29, 38, 45, 48, 50, 51, 50, 48, 46, 45, 43),
    "Conversions": (0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 2, 2, 2, 2, 2),
}
TODAY: Final = {
    "Spend, €": (6, 4, 4, 3, 4, 8, 12, 17, 25, 29, 30, 32, 31, 32, 30, 30, 27, 28),
    "Clicks": (9, 7, 5, 4, 6, 12, 19, 28, 39, 46, 47, 51, 50, 51, 49, 47, 44, 44),
    "Conversions": (0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 3, 0, 0, 1, 0, 1, 0, 0),
}
"""One account, a weekday until 18:00, beside the average of the same weekday."""

CAMPAIGNS: Final = (
    ("Shop | Search", "/checkout", "10 → 0", "+1 %"),
    ("Shop | Retargeting", "/checkout", "4 → 0", "−2 %"),
    ("Newsletter | Lead", "/subscribe", "2 → 2", "+3 %"),
)
"""Name, where its ads lead, conversions from 11:00 on (usual → today), clicks against usual."""

HINTS: Final = (
    (
        "What moved, and what did not? Compare the three charts: money and clicks on one side, "
        "conversions on the other."
    ),
    "When did it begin: slowly, or within an hour? Things that people do have an hour; markets drift.",
    (
        "Late conversions are late in every campaign of an account. Look at which campaigns still have "
        "some, and at "
        "where their ads lead."
    ),
)

ANSWERS: Final = {
    "auction": (
        "The auction got dearer",
        "Then a click would cost more: the same money would buy fewer clicks. Money and clicks are as usual.",
    ),
    "budget": (
        "The budget was used up by 11:00",
        "Then spend and clicks would end with it. They go on as on any day.",
    ),
    "late": (
        "The conversions are merely late",
        "Then they would be late everywhere. The newsletter's come in as usual, in the same account.",
    ),
    "tag": (
        "The conversion tag is gone from the checkout",
        (
            "Clicks come, the campaigns that lead to /checkout have no conversions from 11:00 on, the "
            "one that leads "
            "elsewhere has all of its. Somebody published a checkout without the tag. First: put it "
            "back, and do not "
            "let bids learn from those hours."
        ),
    ),
    "tired": (
        "The ads are worn out",
        (
            "Worn ads lose clicks, over weeks. Here the clicks are as usual, and the conversions ended "
            "within an hour."
        ),
    ),
}
RIGHT: Final = "tag"


def walk() -> None:
    """The walk."""
    st.markdown(
        "**Wednesday, 18:00. “Our CPA has doubled since the morning. Shall we lower the bids?”** "
        "A stored example: one account, three campaigns. Find the cause before you answer."
    )
    columns = st.columns(3)
    for column, name in zip(columns, USUAL, strict=True):
        with column.container(border=True):
            st.markdown(f"**{name}** by the hour")
            chart(
                _hours(name),
                alt=f"{name} by hour: today beside the usual Wednesday",
            )
    st.markdown(
        "| Campaign | Leads to | Conversions since 11:00, usual → today | Clicks |\n|---|---|---|---|\n"
        + "\n".join(
            f"| {name.replace('|', '·')} | {page} | {moved} | {clicks} |"
            for name, page, moved, clicks in CAMPAIGNS
        )
    )
    shown = st.session_state.setdefault("walk_hints", 0)
    for number, hint in enumerate(HINTS[:shown], 1):
        st.info(hint, title=f"Hint {number}", icon=":material/lightbulb:")
    if shown < len(HINTS):
        st.button(
            "A hint",
            icon=":material/lightbulb:",
            key="walk_hint",
            on_click=lambda: st.session_state.update(walk_hints=shown + 1),
        )
    answer = st.radio(
        "What is it?",
        list(ANSWERS),
        format_func=lambda key: ANSWERS[key][0],
        index=None,
        key="walk_answer",
    )
    if answer is not None:
        right = answer == RIGHT
        box = st.success if right else st.warning
        box(
            ANSWERS[answer][1],
            title="Found" if right else "Not this",
            icon=(Status.good if right else Status.watch).value.icon,
        )
        if right:
            st.page_link("alerts.py", label="Where such a thing is told", icon=":material/notifications:")


def _hours(name: str) -> dict[str, Any]:
    values = [
        {"hour": hour, "value": day[name][hour], "day": label}
        for label, day in (("Usual", USUAL), ("Today", TODAY))
        for hour in HOURS
    ]
    return {
        "height": 220,
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "x": {
                "field": "hour",
                "type": "quantitative",
                "title": None,
                "axis": {"grid": False, "tickCount": 6},
            },
            "y": {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 4}},
            "color": {
                "field": "day",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["Usual", "Today"], "range": [BEFORE, NOW]},
                "legend": {"orient": "top"},
            },
            "tooltip": [
                {"field": "day", "type": "nominal", "title": "Day"},
                {"field": "hour", "type": "quantitative", "title": "Hour"},
                {"field": "value", "type": "quantitative", "title": name},
            ],
        },
    }
