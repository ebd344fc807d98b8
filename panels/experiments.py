"""Experiments: what each running A/B test says, and whether it is safe to act on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import streamlit as st

from metrics.experiments import Group, Result, Test, platform_tests, resolve, results
from metrics.platform_effects import Beside
from metrics.verdict import MINIMUM_DAYS, Judgement, State, path
from panels import _format as f
from panels import _known, _live, _plots
from panels._address import kept
from panels._blocks import head
from panels._look import chart
from panels._slot import Process, process
from panels._status import Status

FACES = {
    State.COLLECTING: (Status.none, "Collecting"),
    State.RUNNING: (Status.none, "Keep running"),
    State.BETTER: (Status.good, "Safe to act"),
    State.WORSE: (Status.act, "Safe to act"),
    State.SAME: (Status.good, "No difference"),
    State.HARM: (Status.act, "Stop"),
    State.BROKEN: (Status.act, "Broken"),
    State.OPEN: (Status.none, "No answer"),
}
"""What each state of a test looks like, and its word."""

SHOWN = {"running": "Running", "ended": "Ended", "all": "All"}

WRITE = """experiments:
  - id: new-landing-page
    title: New landing page for running shoes
    hypothesis: The shorter page converts at least a tenth better.
    owner: performance-team
    metric: conversion_rate
    minimum_effect: 10%
    starts: 2026-11-02
    ends: 2026-11-29
    arms:
      - name: Old page
        campaigns: "Shoes | Search | A"
      - name: New page
        campaigns: "Shoes | Search | B"
    guardrails: [cpa]
"""


@st.cache_data(max_entries=8, show_spinner="Working out the tests …")
def read(version: int, hour: datetime) -> list[Result]:
    """Every test with its verdict, once for each version of the data."""
    del version, hour
    of = process()
    assert of is not None
    known = _known.now(of).accounts
    names = {
        (r["source"], r["account"], r["campaign"]): r["name"]
        for r in of.warehouse.query("SELECT source, account, campaign, name FROM campaign").to_pylist()
    }
    written = [resolve(test, names) for test in of.workspace.experiments]
    rates = of.workspace.currency if "fx" in of.workspace.sources else None
    return results(
        of.warehouse, of.metrics(), known, [*written, *platform_tests(of.warehouse)], currency=rates
    )


def ended(result: Result, now: datetime) -> bool:
    """Whether a test's last day is over."""
    return result.test.ends is not None and result.test.ends < now.date()


def one(of: Process, result: Result, now: datetime) -> None:
    """A test: what it is, what it says, and the interval as it closed."""
    test = result.test
    with st.container(border=True):
        title = of.workspace.sources.get(test.source, "experiments.yaml")
        until = f" to {test.ends:%-d %b}" if test.ends else ""
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{f.plain(test.title)}**", width="content")
            st.badge(title, color="gray")
            st.caption(f"{test.starts:%-d %b}{until}" + (f" · {f.plain(test.owner)}" if test.owner else ""))
        if test.hypothesis:
            st.caption(f"Hypothesis: {f.plain(test.hypothesis)}")
        if test.goal:
            st.caption(judged_by(of, test))
        if test.fault:
            st.markdown(f":material/info: **It cannot be judged.** {f.plain(test.fault)}")
            return
        if not result.judgements:
            st.markdown(":material/hourglass_top: No data of its arms in its window yet.")
            return
        for arm, said in result.judgements:
            verdict(result, arm, said)
        if result.data_as_of is not None:
            told = f.clock(result.data_as_of.astimezone(of.workspace.timezone), now)
            unit = "day" if result.unit >= timedelta(days=1) else "hour"
            st.caption(
                f"Data up to {told}, by the {unit}. The interval holds at every look: "
                "looking often does not make a winner.",
                help="A confidence sequence. An ordinary 95 % interval, looked at daily, declares a winner "
                "among equals in a third of all tests. See docs/experiments.md.",
            )


def judged_by(of: Process, test: Test) -> str:
    """By which metric a platform's test is judged, which way is better, and what must not get worse."""

    def said(name: str) -> str:
        title, way = of.metrics()[name].title, "more" if test.ratio(name).higher else "less"
        return f"{f.plain(title[:1].lower() + title[1:])} ({way} is better)"

    guards = ", ".join(map(said, test.guardrails))
    kept = f" What must not get worse: {guards}." if guards else ""
    return f"{f.plain(test.goal)} {said(test.metric)}.{kept}"


def verdict(result: Result, arm: Group, said: Judgement) -> None:
    """One arm against the control: the words, the figures, the interval closing over time."""
    test, (status, word) = result.test, FACES[said.state]
    of = process()
    assert of is not None
    metric = of.metrics()[test.metric]
    control = test.arms[0].name
    left, right = st.columns([2, 3])
    with left:
        st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
        st.markdown(f.plain(said.words).replace(" %", "\u00a0%"))  # no figure is parted from its sign
        figures = st.columns(2)
        for column, name, value in (
            (figures[0], control, said.control),
            (figures[1], arm.name, said.treatment),
        ):
            column.metric(f"{metric.title} · {f.plain(name)}", f.figure(value, metric.unit, money_of(result)))
        if said.probability is not None:
            st.caption(f"Probability that {f.plain(arm.name)} is better: {likely(said.probability)}")
        if said.split_p is not None:
            st.caption(f"If the split were as it was meant to be: {chance(said.split_p)}")
        elif all(one.share for one in test.arms):
            st.caption("Split: not checked.", help=test.split)
        for one in result.platform:
            platform(result, one)
    with right:
        points = closing(result, arm)
        if len(points) < 2:
            st.markdown(f":material/hourglass_top: The interval is drawn from day {MINIMUM_DAYS} on.")
            return
        chart(
            _plots.closing(points, result.test.minimum_effect),
            alt=f"The interval of {arm.name} against {control}, day by day: "
            f"now {f.change(said.low)} to {f.change(said.high)}",
        )


def platform(result: Result, told: Beside) -> None:
    """What the platform itself says of a metric, and what the same figures say here."""
    of = process()
    assert of is not None
    name = of.workspace.sources.get(result.test.source, result.test.source)
    title = of.metrics()[told.metric].title
    margin = "" if told.margin is None else f" ± {f.percent(told.margin)}"
    ours, here = told.ours, "too little to say"
    if ours.effect is not None:
        here = f"{f.change(ours.effect)} ({f.change(ours.low)} to {f.change(ours.high)}), {chance(ours.p)}"
    st.caption(
        f"{title}, as {name} tells it: {f.change(told.effect)}{margin}, {chance(told.p)}. Here: {here}.",
        help=f"{name}'s p-value is right for one look at a day that was fixed beforehand. Who looks daily "
        "and stops at the first p < 0.05 finds winners among equals in a third of all tests. The one here "
        "holds at every look: so it is larger and its interval wider. The two also differ in what they count "
        "as a unit (here hours) and in how lately they were worked out.",
    )


def likely(probability: float) -> str:
    """A probability for people, who take 100 % at its word."""
    if probability > 0.999:
        return "over 99.9 %"
    return "under 0.1 %" if probability < 0.001 else f.percent(probability)


def chance(p: float) -> str:
    """A p-value for people."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def money_of(result: Result) -> str:
    """The currency of a test's money: the accounts' own, where they share one."""
    of = process()
    assert of is not None
    known = _known.now(of).accounts
    own = {known[key[:2]].currency for arm in result.test.arms for key in arm.campaigns if key[:2] in known}
    return own.pop() if len(own) == 1 and "fx" not in of.workspace.sources else of.workspace.currency


def closing(result: Result, arm: Group) -> list[dict[str, float]]:
    """The effect and its interval after each whole day, from the day on which a verdict may be given."""
    place = [group.name for group, _ in result.judgements].index(arm.name)
    if result.rules is None or place >= len(result.data):
        return []
    data = result.data[place]
    day = round(timedelta(days=1) / result.unit)
    looks = range(MINIMUM_DAYS * day, data.units + 1, day)
    return [
        {"day": units / day, "effect": effect, "low": valid.low, "high": valid.high}
        for units, effect, valid in path(result.rules, data, looks)
        if np.isfinite(valid.low) and np.isfinite(valid.high)
    ]


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = head(of, "Experiments", "What each A/B test says, and whether it is safe to act on it.")
    found = read(of.data_version(), datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    chosen = st.segmented_control(
        "Tests",
        list(SHOWN),
        format_func=SHOWN.__getitem__,
        required=True,
        help="A test ends on its planned day; its verdict stays.",
        **kept("tests", SHOWN, "running" if any(not ended(r, now) for r in found) or not found else "ended"),
    )
    shown = [r for r in found if chosen == "all" or ended(r, now) == (chosen == "ended")]
    for result in shown:
        one(of, result, now)
    if not shown:
        with st.container(border=True):
            st.markdown(f":material/science: **No test is {'in the lists' if chosen == 'all' else chosen}.**")
            st.markdown(
                "Experiments of Google Ads and split tests of Meta appear here by themselves. A test of your "
                "own is written into `experiments.yaml` in the workspace, before it starts:"
            )
            st.code(WRITE, language="yaml")


panels()
