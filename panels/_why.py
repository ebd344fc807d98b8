"""Why: from a card's number to what moved it, who did what, and what to do; one click, in a dialog.

    why_button("cpa", view)        # anywhere inside a page's live fragment

The dialog is a fragment of its own: it stays open, as it was opened, while the page behind it follows the
data. `why=METRIC` in the address opens it too, so that a link in an alert leads straight here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

import streamlit as st

from metrics.changes import Suspect
from metrics.entities import Entity
from metrics.explanation import Explanation
from metrics.links import entity_url, screen
from panels import _format as f
from panels import _known
from panels._asked import ask, asked
from panels._drill import open_campaign
from panels._look import chart
from panels._reasons import Reasons, dimensions, reasons
from panels._slot import Process, process
from panels._suggested import suggested
from panels._table import About, Column, of_metric, table
from panels._view import View
from panels._waterfall import waterfall

__all__ = ["why_button"]

_SHOWN: Final = 5
"""Changes that the dialog lists; the Changes page has all of them."""

_ADVICE: Final = {
    "conversion rate": "Open the landing page of {name} and the form or checkout behind it, and see that the "
    "conversion tag still fires. Data health says whether conversions are late.",
    "lead rate": "Open the landing page and the form of {name}, and see that the lead event still fires.",
    "CPM": "The auction got dearer or cheaper for {name}: look at its bids, its audience and who else bids.",
    "cost per click": "Clicks got dearer or cheaper for {name}: look at its bids, its audience and its ads.",
    "click-through rate": "Look at the ads of {name}: new ones, tired ones, other placements or searches.",
    "impressions": "Look at the budget and the status of {name}, and at what it lost to budget and to rank.",
    "value per conversion": "Look at what {name} sells: a promotion, other products, or values that are not "
    "passed to the tag.",
}
"""Where to look, by the factor that moved most."""


def why_button(metric: str, view: View, *, key: str = "") -> None:
    """A button that opens the explanation of a metric over the view.

    metric: the name of a definition. key: tells two buttons for one metric on one page apart.
    """
    name = f"why_{key or metric}"
    st.button(
        "Why?",
        key=name,
        type="tertiary",
        icon=":material/help_center:",
        help="What moved this number, who changed what, and what to do.",
        on_click=ask,
        args=(name,),
    )
    linked = st.query_params.get("why") == metric and not st.session_state.get("why_open")
    if asked(name) or linked:
        _open(metric, view)


def _open(metric: str, view: View) -> None:
    st.query_params["why"] = metric
    st.session_state["why_open"] = metric
    _dialog(metric, view)


def _closed() -> None:
    st.session_state.pop("why_open", None)
    st.query_params.pop("why", None)


@st.dialog("Why did it move?", width="large", icon=":material/help_center:", on_dismiss=_closed)
def _dialog(name: str, view: View) -> None:
    of = process()
    assert of is not None
    metric = of.metrics().get(name)
    if metric is None:
        st.error(f"There is no metric `{name}` any more: somebody removed its definition.")
        return
    head = st.container()
    possible = dimensions(view, _known.now(of).accounts)
    by = st.segmented_control(
        "Divide the change by",
        list(possible),
        format_func=possible.__getitem__,
        default="campaign",
        required=True,
        key=f"why_by_{name}",
        label_visibility="collapsed",
        help="The parts add up to the whole change, whatever it is divided by.",
    )
    try:
        shown = reasons(of, metric, view, by=by)
    except ValueError as error:
        st.info(f.plain(str(error)), icon=":material/info:")
        return
    now = datetime.now(of.workspace.timezone)
    with head:
        _headline(shown, view, now)
    if shown.found.delta is None:
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _factors(shown.found)
    with right:
        _context(shown)
    _movers(shown.found, view)
    _changes(shown, now)
    _advice(of, shown, view, now)


def _headline(shown: Reasons, view: View, now: datetime) -> None:
    st.markdown(f"**{f.plain(shown.found.sentence)}**")
    note = f"{view.title}, {shown.found.label}. Vouched for until {f.clock(view.as_known, now)}."
    if shown.so_far is not None:
        known = f.plain(shown.found.shown(shown.so_far))
        note += f" Both sides as they come to once settled, like on the card; so far {known}."
    if view.as_of is not None:
        note += f" As it was known {f.clock(view.as_of, now)}."
    if shown.found.view:
        note += f" Read from: {shown.found.view.lower()}."
    st.caption(note)


def _factors(found: Explanation) -> None:
    st.markdown("**What moved it**")
    if found.effects:
        chart(
            waterfall(found, theme=st.context.theme.type or "light"),
            alt=f.bare(found.sentence),
            key="why_waterfall",
        )
    if found.mix is not None and found.rate is not None and found.delta and len(found.movers) > 1:
        parts = (("their own figures", found.rate), ("another mix of them", found.mix))
        told = " · ".join(f"{what} **{f.plain(_signed(found, amount))}**" for what, amount in parts)
        st.caption(f"Of the members: {told}", help="The mix changes a total even when no member changes.")


def _context(shown: Reasons) -> None:
    st.markdown("**Around it**")
    lines = []
    for one in shown.context:
        told = f.plain(f.figure(one.now, one.metric.unit, shown.found.currency))
        change = f" ({f.change(one.relative)})" if one.relative is not None else ""
        lines.append(f"| {one.metric.title} | **{told}** | {change.strip(' ()')} |")
    if lines:
        st.markdown("\n".join(["| Figure | Now | Change |", "|:--|--:|--:|", *lines]))
    else:
        st.caption("Nothing is known of traffic and auctions in this window.")


def _movers(found: Explanation, view: View) -> None:
    kept = [m for m in found.movers if m.amount][:50]
    metric = found.metric
    like = of_metric(metric, found.currency)
    table(
        {
            "name": [m.name for m in kept],
            "state": [m.state for m in kept],
            "before": [m.before for m in kept],
            "now": [m.now for m in kept],
            "amount": [m.amount for m in kept],
            "share": [m.amount / found.delta if found.delta else None for m in kept],
            "rate": [m.rate for m in kept],
            "mix": [m.mix for m in kept],
        },
        [
            Column("name", "Who", "name"),
            replace(like, name="before", title="Before"),
            replace(like, name="now", title="Now"),
            replace(like, name="amount", title="Adds", help="The parts add up to the change."),
            Column("share", "Of the change", "percent"),
            replace(like, name="rate", title="By its own figure", shown=False),
            replace(like, name="mix", title="By its weight", shown=False),
            Column(
                "state", "", "text", "New: it had nothing before. Gone: it has nothing now.", width="small"
            ),
        ],
        key="why_movers",
        title="Who moved it",
        alt=f"Who moved {metric.title.lower()}, and by how much",
        about=About(f"Why {metric.title}", view.title, view.as_known, {metric.name: metric.version}),
        empty="Nobody: every part stayed as it was.",
        ids=[m.key for m in kept],
        opens=(lambda key: open_campaign(*key[:3])) if found.by == "campaign" else None,
        noun="campaign",
        rows=6,
    )


def _changes(shown: Reasons, now: datetime) -> None:
    st.markdown("**What people changed**")
    if not shown.suspects:
        st.caption("Nobody changed anything in these accounts in this window or the days before it.")
        return
    for suspect in shown.suspects[:_SHOWN]:
        st.markdown(_told(suspect, now))
    if len(shown.suspects) > _SHOWN:
        st.caption(f"and {len(shown.suspects) - _SHOWN} more on the page Changes")


def _told(suspect: Suspect, now: datetime) -> str:
    edit = suspect.edit
    who = f" · {f.plain(edit.actor)}" if edit.actor else ""
    part = f" · :gray[moved {f.percent(suspect.share, digits=0)} of it]" if suspect.share else ""
    return f":gray[{f.clock(edit.at, now)}] {f.plain(edit.scope)}: **{f.plain(edit.what)}**{who}{part}"


def _advice(of: Process, shown: Reasons, view: View, now: datetime) -> None:
    """What to do: the factor says where to look, the first mover at whom; then what the platform would do."""
    found = shown.found
    towards = [m for m in found.movers if m.amount * (found.delta or 0) > 0]
    if not towards:
        return
    top = towards[0]
    st.markdown("**What to do**")
    leading = next((e for e in found.effects if e.amount * (found.delta or 0) > 0), None)
    advice = _ADVICE.get(leading.name.removeprefix("settled ")) if leading else None
    if advice:
        name = leading.lead if leading and leading.lead else top.name
        st.markdown(advice.format(name=f"**{f.plain(name)}**"))
    if len(top.key) < 3:
        return
    source, account, campaign = top.key[:3]
    with st.container(horizontal=True):
        if st.button(
            f"Look into {f.plain(top.name)}",
            icon=":material/ads_click:",
            help="Its figures, its parts and its past, here.",
        ):
            open_campaign(source, account, campaign)
        url = entity_url(source, account, campaign)
        if url:
            st.link_button(
                f"Open it in {screen(source)}",
                url,
                icon=":material/open_in_new:",
                help="The screen of this campaign in the platform itself.",
            )
    currency = _known.now(of).accounts[source, account].currency
    suggested(of, Entity(source, account, campaign), currency, now, as_of=view.as_of)


def _signed(found: Explanation, amount: float) -> str:
    return ("+" if amount > 0 else "") + found.shown(amount)
