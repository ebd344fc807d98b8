"""Pacing: will each plan's money be spent by the end of its flight, and what has to change if not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn

import streamlit as st

from connectors.contract import Account
from metrics.flight import FlightPace, tolerance
from metrics.windows import AccountKey
from panels import _format as f
from panels import _freshness, _known, _live, _plan_charts
from panels._address import kept
from panels._blocks import head, nothing
from panels._look import chart
from panels._once import once
from panels._plan_changes import change
from panels._plans import Plans, example, plans, stale, state, summary
from panels._slot import Process, process
from panels._status import Status
from panels._table import About, Column, Pill, table

PAGE = "pacing.py"

JUDGED = ("on", "over", "under")


@once
def read(version: int, hour: datetime) -> Plans:
    """All plans' figures, once for each version of the data and each hour."""
    del version
    of = process()
    assert of is not None
    return plans(of, _known.now(of).accounts, hour)


def cash(value: float | None, currency: str) -> str:
    """Money as markdown shows it."""
    return f.plain(f.money(value, currency))


def pill(status: Status, word: str) -> None:
    """A state in colour, icon and word."""
    st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]


def figure(label: str, value: str, status: tuple[Status, str], note: str, about: str) -> None:
    """A card of the top row."""
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(label, value, help=about)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            pill(*status)
            if note:
                st.caption(note, width="content")


def cards(shown: Plans, states: list[tuple[Status, str]], pace: FlightPace, its: tuple[Status, str]) -> None:
    """All plans in one figure; then the chosen plan: spent, end, and what today needs."""
    currency = pace.plan.currency
    grid = st.grid(4, min_column_width=230, gap="small")
    value, status, words = summary(states)
    with grid.cell():
        figure(
            "Plans on track" if shown.own else "Budgets on track",
            value,
            (status, status.value.word),
            words,
            "Plans that are within their tolerance by now, of those that can be judged. What is stale, not "
            "begun, or lacks history is not judged.",
        )
    judged = pace.state in JUDGED
    allowed = tolerance(pace.elapsed)
    with grid.cell():
        figure(
            "Spent to date",
            f.money(pace.spent, currency),
            its,
            f"{f.percent(pace.index, digits=0)} of {cash(pace.expected, currency)} by now"
            if pace.index is not None
            else f"of {cash(pace.amount, currency)} planned",
            "Spend of the flight up to each account's watermark, over what the plan's curve and the usual "
            f"hours plan until then. {f.percent(allowed, digits=0)} off is still on plan by now: a quarter "
            "at the start, 3 % at the end.",
        )
    chance = f"{f.percent(pace.risk, digits=0)} risk"
    with grid.cell():
        figure(
            "Ends at",
            f.money(pace.mid, currency),
            (its[0], "Falls short" if pace.state == "under" else chance) if judged else its,
            f"{cash(pace.low, currency)} to {cash(pace.high, currency)} of {cash(pace.amount, currency)}",
            "Where the flight will end as things are: the budgets in force, the usual weekdays, the last "
            "week's level, within what the platforms allow. The range holds the end four times in five.",
        )
    with grid.cell():
        word = f"{pace.left} more days" if pace.left else "Last day"
        figure(
            "Needed today",
            f.money(max(pace.required, 0.0), currency) if judged else f.NOTHING,
            (Status.none, word),
            f"lately {cash(pace.rate, currency)} a day",
            "What today has to spend, in all, for the rest of the flight to go by plan; beside it, the mean "
            "of the last seven complete days.",
        )


def listed(shown: Plans, states: list[tuple[Status, str]], now: datetime) -> None:
    """Every plan as a row; a click chooses it."""
    rows = list(zip(shown.paces, states, strict=True))
    table(
        {
            "plan": [pace.plan.name for pace, _ in rows],
            "state": [Pill(*its) for _, its in rows],
            "spent": [f.money(pace.spent, pace.plan.currency) for pace, _ in rows],
            "index": [pace.index if pace.state in JUDGED else None for pace, _ in rows],
            "elapsed": [pace.elapsed if pace.accounts else None for pace, _ in rows],
            "amount": [f.money(pace.amount, pace.plan.currency) if pace.amount else "" for pace, _ in rows],
            "end": [ends(pace) for pace, _ in rows],
            "risk": [pace.risk if pace.state in JUDGED else None for pace, _ in rows],
            "required": [
                f.money(max(pace.required, 0.0), pace.plan.currency) if pace.state in JUDGED else ""
                for pace, _ in rows
            ],
            "flight": [f"{pace.over.first:%-d %b} to {pace.over.last:%-d %b}" for pace, _ in rows],
            "owner": [pace.plan.owner for pace, _ in rows],
        },
        [
            Column("plan", "Plan" if shown.own else "Budgets", "name", width=210),
            Column("state", "State", "state"),
            Column("spent", "Spent", "amount"),
            Column("index", "Pace", "progress", "Spent over planned by now.", width=120),
            Column(
                "elapsed",
                "Plan elapsed",
                "percent",
                "The share of the amount that was planned by now.",
                width=115,
            ),
            Column("amount", "Amount", "amount"),
            Column("end", "Ends at, 80 %", "amount", "Low to high.", width=150),
            Column(
                "risk", "Overspend risk", "percent", "The probability to end above the amount.", width=125
            ),
            Column("required", "Needed today", "amount", width=115),
            Column("flight", "Flight", width=135),
            Column("owner", "Owner", shown=shown.own),
        ],
        key="plans",
        title="Plans" if shown.own else "The platforms' own budgets",
        alt="Plans with state, spend, pace, projected end and risk",
        about=About("Plans", f"{now:%B %Y}", now.astimezone(UTC)),
        empty="No plan, and no account with a budget.",
        ids=[pace.plan.name for pace, _ in rows],
        opens=choose,
        noun="plan",
        rows=6,
    )


def ends(pace: FlightPace) -> str:
    """The projected end in a cell."""
    if not pace.accounts or pace.state == "unplanned":
        return ""
    return f"{f.money(pace.low, pace.plan.currency)} to {f.money(pace.high, pace.plan.currency)}"


def choose(name: str) -> NoReturn:
    """Show a plan; Back leads to the one before."""
    st.switch_page(PAGE, query_params={"plan": name})


def notes(
    of: Process, shown: Plans, pace: FlightPace, accounts: dict[tuple[str, str], str], now: datetime
) -> None:
    """What a reader must know before trusting the figures of this plan."""
    history = of.backfill()
    if pace.missing:
        going = bool(history and history["state"] in ("running", "waiting"))
        st.caption(
            f":material/history: {pace.missing} days of this flight are not fetched yet: until they are, "
            "there is no verdict."
            + (
                f" History is on its way ({f.percent(history['done'] / max(history['days'], 1), digits=0)})."
                if history and going
                else " `paceline backfill` fetches them."
            )
        )
    if pace.waiting:
        waiting = ", ".join(f.plain(name) for name in pace.waiting)
        st.caption(f":material/info: Not counted, for want of any data: {waiting}. See Data health.")
    for trouble in _freshness.troubles(_known.now(of).marks):
        hit = [a for a in trouble.accounts if (trouble.source, a) in pace.accounts]
        if hit and trouble.stream == _freshness.LEADING:
            names = ", ".join(f.plain(accounts.get((trouble.source, a), a)) for a in hit)
            again = f" Next try {f.clock(trouble.retry_at, now)}." if trouble.retry_at else ""
            st.caption(
                f":material/error: {names}: {f.plain(trouble.cause)} **How to fix:** {f.plain(trouble.mend)}"
                f"{again}"
            )
    for loose in shown.loose:
        who = "1 campaign that spends" if loose.campaigns == 1 else f"{loose.campaigns} campaigns that spend"
        st.caption(f":material/info: Outside of all plans: {who} {cash(loose.daily, loose.currency)} a day.")


def detail(shown: Plans, place: int, now: datetime) -> None:
    """The chosen plan: its course, its day, and what to change."""
    pace = shown.paces[place]
    currency = pace.plan.currency
    if pace.refused:
        st.warning(f"**Not shown in {currency}:** {f.plain(pace.refused)}.", icon=Status.watch.value.icon)
        return
    if not pace.accounts:
        with st.container(border=True):
            st.markdown(":material/inbox: **No campaign of this plan has any data yet.**")
            st.caption(
                "Its accounts have not been polled, or its patterns match nothing: compare `accounts` and "
                "`campaigns` in paceline.yaml with the names under Campaign."
            )
        return
    left, right = st.columns([2, 1])
    with left.container(border=True, height="stretch"):
        st.markdown(f"**{f.plain(pace.plan.name)}** · {pace.over.first:%-d %b} to {pace.over.last:%-d %b}")
        chart(
            _plan_charts.cumulative(pace),
            alt=f"Cumulative spend against plan: {f.money(pace.spent, currency)} of "
            f"{f.money(pace.expected, currency)} planned by now, ends between {f.money(pace.low, currency)} "
            f"and {f.money(pace.high, currency)}",
        )
    with right.container(border=True, height="stretch", key="bars"):
        # To the hour that all accounts have reached: beyond it the plan counts accounts that spend does not.
        spent, planned = (float(of[: int(pace.hour)].sum()) for of in (pace.hours, pace.hours_planned))
        st.markdown(f"**Today by hour** · {cash(spent, currency)} of {cash(planned, currency)} by now")
        chart(
            _plan_charts.by_hour(pace),
            alt=f"Today's spend by hour against plan: {f.money(spent, currency)} by {int(pace.hour):02d}:00",
        )
    if pace.state in JUDGED:
        with st.container(border=True, key="desk"):
            change(shown, pace, shown.changes[place], now)


def how_to(shown: Plans, known: Mapping[AccountKey, Account]) -> None:
    """How to write a plan, with one that fits these accounts ready to copy."""
    with st.expander("Write a plan of your own", icon=":material/edit_note:", expanded=not shown.paces):
        st.markdown(
            "Without plans, spend is measured against the platforms' own daily budgets of the month. A plan "
            "says what you mean to spend: put it into `paceline.yaml` and start Paceline anew. Besides "
            "`month` there are `quarter` and `flight` (with `start` and `end`); curves are `even`, `front`, "
            "`back`, `weekday`, or a list of weights."
        )
        st.code(example(shown.paces, known), language="yaml")


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = head(of, "Pacing", "Will each plan's money be spent by the end of its flight, and what to change?")
    known = _known.now(of).accounts
    marks = _known.now(of).marks
    if not known and _freshness.troubles(marks):
        nothing(of)
        return
    if not known:
        with st.container(border=True):
            st.markdown(":material/hourglass_top: **The first numbers are on their way.**")
            st.caption("The accounts are being listed; plans are paced as soon as their spend is there.")
        return
    shown = read(of.data_version(), now.replace(minute=0, second=0, microsecond=0))
    names = [pace.plan.name for pace in shown.paces]
    ages = [stale(pace, marks, now) for pace in shown.paces]
    states = [state(pace, age) for pace, age in zip(shown.paces, ages, strict=True)]
    order = {Status.act: 0, Status.watch: 1, Status.good: 2, Status.none: 3}
    first = min(range(len(names)), key=lambda n: order[states[n][0]])
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        name = st.selectbox(
            "Plan",
            names,
            width=320,
            help="The plan that the cards and charts are about; at first the one that is furthest off.",
            **kept("plan", names, names[first]),
        )
    place = names.index(name)
    cards(shown, states, shown.paces[place], states[place])
    notes(of, shown, shown.paces[place], {key: a.name for key, a in known.items()}, now)
    with st.container(border=True):
        listed(shown, states, now)
    detail(shown, place, now)
    if not shown.own:
        how_to(shown, known)


panels()
