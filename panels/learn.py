"""Learn: signal and noise in the reader's own numbers, and an incident to find."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import streamlit as st

from metrics import chance
from metrics.windows import AccountKey
from panels import _format as f
from panels import _live, _maturity, _practice, _walk
from panels._address import kept
from panels._blocks import head
from panels._look import BEFORE, NOW, chart
from panels._own_days import Days, campaigns
from panels._slot import Process, process

LESSONS: Final = {
    "chance": "Signal or noise",
    "late": "Provisional numbers",
    "pacing": "Pacing",
    "tests": "Reading a test",
    "walk": "Find the incident",
}


def signal(of: Process, now: datetime) -> None:
    """How much the cost per result of one of the reader's campaigns moves by chance alone."""
    st.markdown(
        "Yesterday cost 30 % more a conversion than the day before. Did something happen? "
        "Conversions are counts, and small counts scatter: choose one of your campaigns and see by how much."
    )
    # The newest days are still coming in: a cost of them is too high, and no chance.
    last = now.date() - timedelta(days=4)
    found = campaigns(of.data_version(), last)
    if not found:
        st.markdown(
            ":material/inbox: No campaign has had a conversion in the last weeks yet. With one, it is here."
        )
        return
    left, right = st.columns([1, 2])
    with left:
        number = st.selectbox(
            "Campaign",
            range(len(found)),
            format_func=lambda n: f"{f.bare(found[n].name)} · {f.bare(found[n].account)}",
            help="Those that converted most in the last four weeks, up to four days ago.",
        )
        one = found[number]
        usual = sum(one.spend) / sum(one.conversions)
        per_day = sum(one.conversions) / len(one.days)
        told = [(s, n) for s, n in zip(one.spend, one.conversions, strict=True) if s > 0]
        ranges = [chance.cost_range(spend, usual) for spend, _ in told]
        costs = [spend / count if count >= 1 else None for spend, count in told]
        within = chance.inside(costs, ranges)
        low, high = chance.cost_range(sum(one.spend) / len(one.days), usual)
        most = f.plain(f.money(high, one.currency)) if high is not None else "anything"
        st.metric("Cost per result, four weeks", f.money(usual, one.currency))
        st.markdown(
            f"It brings **{f.count(per_day)} conversions a day**. With nothing changed at all, four "
            f"days of five "
            f"lie between **{f.plain(f.money(low, one.currency))}** and **{most}**."
        )
        st.markdown(f"Of its last {len(told)} days, **{within}** lie within what chance explains.")
    with right:
        chart(costs_chart(one, usual), alt=f"Cost per result of {one.name} by day, with the range of chance")
    needed(per_day)


def costs_chart(one: Days, usual: float) -> dict[str, Any]:
    """Each day's cost over the range in which four of five days lie by chance."""
    values = []
    for day, spend, count in zip(one.days, one.spend, one.conversions, strict=True):
        if spend <= 0:
            continue
        low, high = chance.cost_range(spend, usual)
        cost = spend / count if count >= 1 else None
        top = high if high is not None else usual * 3
        values.append({"day": day.isoformat(), "cost": cost, "low": low, "high": top, "usual": usual})
    x = {"field": "day", "type": "temporal", "title": None, "axis": {"format": "%-d %b", "grid": False}}
    title = f"Cost per result, {one.currency}"
    money: dict[str, Any] = {"type": "quantitative", "title": title, "scale": {"zero": True}}
    tooltip = [
        {"field": "day", "type": "temporal", "title": "Day"},
        {"field": "cost", "type": "quantitative", "title": "Cost per result", "format": ",.2f"},
        {"field": "low", "type": "quantitative", "title": "By chance from", "format": ",.2f"},
        {"field": "high", "type": "quantitative", "title": "to", "format": ",.2f"},
    ]
    return {
        "height": 280,
        "data": {"values": values},
        "encoding": {"x": x, "tooltip": tooltip},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.22, "color": BEFORE, "interpolate": "step"},
                "encoding": {"y": {**money, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": BEFORE},
                "encoding": {
                    "y": {**money, "field": "usual", "aggregate": "mean"},
                    "x": None,
                    "tooltip": None,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "color": NOW},
                "encoding": {"y": {**money, "field": "cost"}},
            },
        ],
    }


def needed(per_day: float) -> None:
    """How long to wait for a change of some size to stand out."""
    size = st.slider(
        "A change of the conversion rate of",
        10,
        100,
        25,
        step=5,
        format="%d %%",
        key="change",
        help="Lasting, from one day on, against the four weeks before.",
    )
    up = chance.days_to_see(per_day, size / 100)
    if up is None:
        st.markdown(
            f"**A change of {size} % cannot be seen here within a year**: look at several campaigns "
            f"together, or at "
            "an earlier step with larger counts, such as clicks."
        )
    else:
        st.markdown(
            f"It takes **{up} day{'s' if up != 1 else ''}** until a rise of {size} % stands out from "
            f"chance here. "
            "Before that it can hardly be told from chance."
        )


def late(of: Process, now: datetime) -> None:
    """What arrives later, with the reader's own accounts."""
    st.markdown(
        "A conversion is counted at the hour of the click that earned it, days after the click. So "
        "the newest hours "
        "always look dear: the money is spent, the conversions are still on their way. A hatched "
        "figure is such a one; "
        "what it will come to stands beside it, and alerts judge that. **Before you cut a budget on "
        "today's CPA, read "
        "the settled one.** How late your own accounts are:"
    )
    listed = of.warehouse.query("SELECT source, account, name FROM account").to_pylist()
    names: dict[AccountKey, str] = {(row["source"], row["account"]): row["name"] for row in listed}
    _maturity.lateness(of, now, names)
    st.page_link("changes.py", label="What sources took back or added", icon=":material/history:")


def pacing() -> None:
    """What the platforms do with a daily budget."""
    st.markdown(
        "A daily budget is an average, not a ceiling. Google may spend **twice** the budget on a "
        "day, and not more than "
        "**30.4 times** it in a month; Meta up to 75 % over it on a day, and not more than **seven "
        "times** it in a week. "
        "So a day that runs at 160 % is no runaway: it is one if the month's sum will not hold."
    )
    budget = st.slider("Daily budget", 20, 500, 100, step=20, key="budget")
    spent = st.slider(
        "Spent on average in the first ten days, of the budget", 50, 200, 130, step=5, format="%d %%"
    )
    limit = 30.4 * budget
    so_far = 10 * budget * spent / 100
    left = max(limit - so_far, 0.0)
    st.markdown(
        f"In ten days {f.count(so_far)} of the month's {f.count(limit)} are gone. Google can then "
        f"spend at most "
        f"**{f.count(left / 20)} a day** for the other twenty, "
        f"{f.percent(left / 20 / budget, digits=0)} of the budget: "
        + ("it slows down by itself." if spent > 100 else "there is room to catch up.")
    )
    st.page_link("pacing.py", label="How your plans stand", icon=":material/speed:")


def tests() -> None:
    """What looking every day does to a test between equals."""
    st.markdown(
        "Two identical arms, the usual test, and somebody who looks every day and stops as soon as it says "
        "“significant”: how often does a winner come out, though there is none?"
    )
    looks = st.slider("How often somebody looks", 1, 60, 14, key="looks")
    st.metric("Tests between equals that show a winner", f.percent(chance.false_winners(looks), digits=0))
    st.markdown(
        "It was meant to be 5 %. The **Experiments** page uses intervals that hold at every look "
        "(always valid): look as "
        "often as you like. Read the interval, not the middle: if it holds zero, nothing is shown "
        "yet; if it lies within "
        "the smallest effect that matters, the arms are as good as equal. Never stop a test early "
        "because it is *not* "
        "significant."
    )
    st.page_link("experiments.py", label="Your tests", icon=":material/science:")


@_live.follow
def panels() -> None:
    """The lesson that the address names."""
    of = process()
    assert of is not None
    now = head(of, "Learn", "Signal and noise in your own numbers, and an incident to find.")
    lesson = st.segmented_control(
        "Lesson",
        list(LESSONS),
        format_func=LESSONS.__getitem__,
        required=True,
        label_visibility="collapsed",
        help="Each takes two minutes.",
        **kept("lesson", LESSONS, "chance"),
    )
    match lesson:
        case "chance":
            signal(of, now)
        case "late":
            late(of, now)
        case "pacing":
            pacing()
        case "tests":
            tests()
        case _ if of.practice is None:
            _walk.walk()
        case _:
            _practice.practice(of, now)
            with st.expander("Or find one on a stored example", icon=":material/inventory_2:"):
                _walk.walk()


panels()
