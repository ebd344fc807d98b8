"""Changes: who changed what, what the sources took back, what people noted, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import streamlit as st

from metrics import notes
from metrics.aftermath import Shift
from metrics.links import entity_url, screen
from metrics.restated import known_then
from metrics.windows import AccountKey
from panels import _format as f
from panels import _freshness, _known, _live
from panels._access import actor, logged_in, may, tried
from panels._address import kept, kept_many
from panels._changes import CHARTED, Event, Happened, Line, happened, line, titled
from panels._controls import controls
from panels._drill import open_campaign
from panels._look import chart
from panels._marks import noted
from panels._maturity import learned
from panels._slot import Process, process
from panels._status import Status
from panels._table import About, Column, Pill, table
from panels._timeline import timeline
from panels._view import SPANS as EVERY_SPAN
from panels._view import View
from warehouse.access import LOCAL, Permission

SPANS: Final = {name: title for name, title in EVERY_SPAN.items() if name != "1h"}


@st.cache_data(max_entries=32, show_spinner="Reading what happened …")
def read(version: int, notes_version: int, view: View, minute: datetime) -> Happened:
    """Everything that happened, once for each version of the data and of the notes."""
    del notes_version
    of = process()
    assert of is not None
    return happened(of, view, minute, learned(version).complete)


@st.cache_data(max_entries=64, show_spinner=False)
def drawn(version: int, view: View, name: str, campaign: tuple[str, str, str] | None) -> Line:
    """The line under the marks, once for each version of the data."""
    del version
    of = process()
    assert of is not None
    where = dict(zip(("source", "account", "campaign"), campaign, strict=True)) if campaign else {}
    return line(of, view, name, where)


def chosen(events: Sequence[Event]) -> list[Event]:
    """What the filters leave; each stands in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        kinds = sorted({e.kind for e in events})
        kind = st.multiselect(
            "Kind",
            kinds,
            format_func=titled,
            placeholder="All kinds",
            width=260,
            help="What a change is about; restated is what a source changed of a day that was over.",
            **kept_many("kind", kinds, ()),
        )
        campaigns = {e.campaign: e.scope for e in events if e.campaign}
        campaign = st.multiselect(
            "Campaign",
            sorted(campaigns, key=campaigns.__getitem__),
            format_func=lambda one: campaigns.get(one, one),
            placeholder="All campaigns",
            width=300,
            help="Only what concerns these campaigns.",
            **kept_many("of", campaigns, ()),
        )
        people = sorted({e.who for e in events if e.who})
        who = st.multiselect(
            "Who",
            people,
            placeholder="Everybody",
            width=260,
            help="Who made the change, as the platform names them, or who wrote the note.",
            **kept_many("who", people, ()),
        )
    return [
        e
        for e in events
        if (not kind or e.kind in kind)
        and (not campaign or e.campaign in campaign)
        and (not who or e.who in who)
    ]


def moved(shift: Shift, unit: str, currency: str) -> str:
    """A figure before and after, in a cell."""
    before, now = (f.figure(v, unit, currency) for v in (shift.before, shift.now))  # type: ignore[arg-type]
    much = f" ({f.change(shift.relative)})" if shift.relative is not None else ""
    return f"{before} → {now}{much}"


def verdict(event: Event) -> Pill | None:
    """What came of a change, in a word: the clearest of its figures speaks."""
    if event.after is None:
        return None
    words = [event.after.conversions.verdict, event.after.spend.verdict]
    for word in ("clear change", "stopped", "started", "could be chance", "normal variation"):
        if word in words:
            return Pill(Status.none, word.capitalize())
    return None


def meanwhile(of: Process, view: View, found: Happened, told: Sequence[Event]) -> None:
    """The line with its marks; one campaign's when the filters leave one."""
    defined = of.metrics()
    campaigns = {(e.source, e.account, e.campaign) for e in told if e.campaign}
    single = next(iter(campaigns)) if len(campaigns) == 1 and st.session_state.get("url_of") else None
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**What happened, and the figure meanwhile**", width="stretch")
            name = st.segmented_control(
                "Figure",
                CHARTED,
                format_func=lambda n: defined[n].title,
                required=True,
                label_visibility="collapsed",
                **kept("figure", CHARTED, "spend"),
            )
        shown = drawn(of.data_version(), view, name, single)
        labels = {f"{e.scope}: {e.what}" for e in told} | {e.what for e in told}
        complete = len(told) == len(found.events)
        marked = [m for m in found.marks if complete or any(m.label.startswith(text) for text in labels)]
        if not any(v is not None for v in shown.values):
            st.markdown(":material/inbox: Nothing is known of this figure in this window.")
            return
        chart(
            timeline(shown, defined[name], view.currency, marked, of.workspace.timezone),
            alt=f"{defined[name].title} over the window, with {len(marked)} marks of what happened",
        )
        whose = "one campaign" if single else view.scope.label
        each = "the 24 hours up to each hour" if not defined[name].additive and view.step.days == 0 else ""
        symbols = "◆ change, ● note, ▼ restated since, ▲ incident, ■ definition"
        clock = f"Clock: {of.workspace.timezone}"
        st.caption(" · ".join(filter(None, (f.plain(whose), each, symbols, clock))))


def listed(of: Process, view: View, told: Sequence[Event], known: dict[AccountKey, str]) -> None:
    """Everything as a table; a row opens what is known of it."""
    by_id = {e.id: e for e in told}
    table(
        {
            "at": [e.at for e in told],
            "scope": [e.scope for e in told],
            "what": [e.what for e in told],
            "who": [e.who for e in told],
            "kind": [titled(e.kind) for e in told],
            "account": [known.get((e.source, e.account), "") for e in told],
            "spend": [moved(e.after.spend, "money", _currency(e)) if e.after else "" for e in told],
            "conversions": [moved(e.after.conversions, "count", "") if e.after else "" for e in told],
            "verdict": [verdict(e) for e in told],
        },
        [
            Column("at", "When", "moment", zone=str(of.workspace.timezone)),
            Column("scope", "Where", "name", width=225),
            Column("what", "What", "text", width=260),
            Column("who", "Who", "text", width=160),
            Column("kind", "Kind", "text"),
            Column("account", "Account", "text", shown=False),
            Column(
                "spend",
                "Spend after",
                "text",
                "The hours after, at most 24, beside the same of the day before.",
                width=150,
            ),
            Column(
                "conversions",
                "Conversions after",
                "text",
                "At the same age: late ones are allowed for.",
                width=130,
            ),
            Column(
                "verdict", "Is it news?", "state", "Told from what differs for no reason at all.", width=140
            ),
        ],
        key="changes",
        title=f"Everything that happened · {len(told)}",
        alt="Changes, notes and restatements, newest first",
        about=About("Changes", view.title, view.as_known),
        empty="Nothing happened here in this window. A longer window, or fewer filters, may show more.",
        ids=[e.id for e in told],
        opens=lambda event: detail(by_id[event]),
        noun="change",
        rows=14,
    )


def _currency(event: Event) -> str:
    return event.edit.currency if event.edit else ""


@st.dialog("What came of it?", width="large", icon=":material/history:")
def detail(event: Event) -> None:
    """One event: what it was, what was known then, what came of it, where to go on."""
    of = process()
    assert of is not None
    now = datetime.now(of.workspace.timezone)
    st.markdown(f"**{f.plain(event.scope)}: {f.plain(event.what)}**")
    who = f"{f.plain(event.who)}, " if event.who else ""
    via = f" by {f.plain(event.edit.via)}" if event.edit and event.edit.via else ""
    st.caption(f"{titled(event.kind)} · {who}{f.clock(event.at, now)}{via}")
    if event.edit is not None:
        after(event)
        seen = known_then(of.warehouse, of.metrics(), event.edit)
        st.markdown("**What was known when it was done**")
        if seen is None:
            st.caption("Nothing yet: Paceline was not watching these hours at that moment.")
        else:
            st.markdown(f.plain(seen.sentence))
            if not seen.differs:
                st.caption("The sources have changed nothing of it since.")
    if (
        event.note is not None
        and may(Permission.NOTES)
        and st.button(
            "Take this note back", icon=":material/undo:", help="It is shown no longer; the book keeps it."
        )
    ):
        fault = tried(partial(notes.take_back, of.book, event.note.id, by=actor(), now=datetime.now(UTC)))
        if fault:
            st.error(f.plain(fault))
        else:
            st.rerun()
    if not event.account:
        return
    with st.container(horizontal=True):
        if event.campaign and st.button(
            "Open the campaign", icon=":material/ads_click:", help="Its figures, parts and past."
        ):
            open_campaign(event.source, event.account, event.campaign)
        url = entity_url(event.source, event.account, event.campaign)
        if url:
            st.link_button(f"Open in {screen(event.source)}", url, icon=":material/open_in_new:")


def after(event: Event) -> None:
    """The hours after a change, with what was to be expected."""
    came = event.after
    st.markdown("**What came of it**")
    if came is None:
        st.caption(
            "Too early to say, or about a whole account: a change to one campaign is followed from the first "
            "full hour after it."
        )
        return
    currency = _currency(event)
    st.caption(
        f"The {came.hours} full hours after it beside the same hours of the day before; expected is the 80 % "
        "interval had nothing changed."
    )
    for title, shift, unit in (("Spend", came.spend, "money"), ("Conversions", came.conversions, "count")):
        expected = ""
        if shift.low is not None and shift.high is not None:
            low, high = (f.figure(v, unit, currency) for v in (shift.low, shift.high))  # type: ignore[arg-type]
            expected = f", expected {f.plain(low)} to {f.plain(high)}"
        said = f": **{shift.verdict}**" if shift.verdict else ""
        st.markdown(f"{title} {f.plain(moved(shift, unit, currency))}{expected}{said}")
    cpa = [f.plain(f.money(v, currency)) for v in (came.cpa_before, came.cpa)]
    st.markdown(f"Cost per acquisition {cpa[0]} → {cpa[1]}")
    if came.others:
        st.caption(
            f":material/info: {came.others} other change{'s' if came.others > 1 else ''} within a day of it "
            "touched the same campaigns: nobody can say which of them it was."
        )


def write(of: Process) -> None:
    """The form for a note: outside the live part, so that a poll does not disturb who is writing."""
    known = _known.now(of).accounts
    now = datetime.now(of.workspace.timezone)
    scopes: dict[str, tuple[str, str]] = {"": ("", "")}
    titles = {"": "All accounts"}
    for source, title in of.workspace.sources.items():
        if any(key[0] == source for key in known):
            scopes[source], titles[source] = (source, ""), title
    for key, account in known.items():
        scopes["/".join(key)], titles["/".join(key)] = key, f"{account.name} ({account.id})"
    with (
        st.popover("Add a note", icon=":material/edit_note:", help="Shown on every chart of these accounts."),
        st.form("note", clear_on_submit=True, border=False),
    ):
        text = st.text_area(
            "What happened?", max_chars=notes.LONGEST, placeholder="Autumn sale begins", key="note_text"
        )
        day, hour = st.columns(2)
        on = day.date_input("Day", now.date(), max_value=None, key="note_day")
        at = hour.time_input("Time", now.time().replace(second=0, microsecond=0), step=300, key="note_time")
        scope = st.selectbox("About", list(scopes), format_func=titles.__getitem__, key="note_scope")
        author = LOCAL if logged_in() else st.text_input("Your name", key="note_author")
        if st.form_submit_button("Add", type="primary"):
            fault = tried(
                partial(
                    notes.add,
                    of.book,
                    text,
                    at=datetime.combine(on, at, of.workspace.timezone),
                    by=actor(author),
                    now=now,
                    source=scopes[scope][0],
                    account=scopes[scope][1],
                )
            )
            if fault:
                st.error(f.plain(fault))
            else:
                st.toast("The note is on the charts.", icon=":material/check:")


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = datetime.now(UTC).astimezone(of.workspace.timezone)
    with st.container(horizontal=True, vertical_alignment="center"):
        for fresh in _freshness.of_sources(_known.now(of).marks, of.workspace.sources, now):
            if fresh.status is not Status.good:
                look = fresh.status.value
                st.badge(fresh.label, icon=look.icon, color=look.color, help=fresh.help)
    view = controls(spans=SPANS, replay=False, usual="7d", compared=False)
    if view is None:
        with st.container(border=True):
            st.markdown(":material/hourglass_top: **The first numbers are on their way.**")
            st.caption(
                "What people changed is asked for as soon as the accounts are listed; it takes minutes."
            )
        return
    # To the next five minutes, so that a note of this very minute is there too.
    soon = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0) + timedelta(minutes=5)
    found = read(of.data_version(), noted(), view, soon)
    told = chosen(found.events)
    meanwhile(of, view, found, told)
    with st.container(border=True):
        listed(of, view, told, _known.now(of).names)


running = process()
if running is not None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Changes", anchor=False, width="stretch")
        if may(Permission.NOTES):
            write(running)
panels()
