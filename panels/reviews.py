"""Reviews: does each dashboard, rule and metric still earn its place; the evidence, and what was decided."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

import streamlit as st

from alerts.evidence import REVIEWED, Sign, Signs
from alerts.review import review
from metrics import history, reviews, usage
from metrics.catalog import Catalog, Entry, Ref
from panels import _format as f
from panels import _live, _present
from panels._access import actor, logged_in, may, tried
from panels._blocks import head
from panels._catalog import catalog, open_entry
from panels._lineage import WORDS
from panels._slot import Process, process
from panels._status import Status
from panels._table import About, Column, Pill, table
from warehouse.access import Permission

SPAN: Final = timedelta(days=91)
SOON: Final = timedelta(days=14)

STATES: Final = {"good": Status.good, "warn": Status.watch, "bad": Status.act, "none": Status.none}
ORDER: Final = ("bad", "warn", "none", "good")
WORD: Final = {"good": "Nothing against it", "warn": "Look at it", "bad": "Act on it", "none": "Says little"}
CHOICES: Final = {"keep": "Keep as it is", "change": "Change it", "retire": "Retire it"}
SAID: Final = {"keep": "kept", "change": "to be changed", "retire": "to be retired"}


def signs(of: Process, known: Catalog, now: datetime) -> Signs:
    """The evidence of the last quarter."""
    engine = of.alerts
    start = now - SPAN
    return Signs(
        catalog=known,
        today=now.date(),
        span=SPAN,
        looks=usage.read(of.book, start.date()),
        counted=usage.since(of.book),
        people=[one.name for one in engine.routing.people] if engine else [],
        figures=review(engine.records, engine.rules.values(), start, now) if engine else [],
        changed={subject: change.at for subject, change in reversed(history.newest(of.book, last=500))},
    )


def state(one: Entry, now: datetime) -> Pill:
    """How its review stands."""
    if one.review is None or one.overdue(now.date()):
        return Pill(Status.act, "Overdue")
    return Pill(Status.watch, "Soon") if one.review <= (now + SOON).date() else Pill(Status.none, "Later")


def asked(known: Catalog) -> Ref | None:
    """The entry that the address names."""
    for kind in REVIEWED:
        name = st.query_params.get(kind)
        if name is not None and (ref := Ref(kind, name)) in known.entries:
            return ref
    return None


def open_review(ref: Ref) -> None:
    """Go to the review of an entry."""
    st.switch_page("reviews.py", query_params=[(ref.kind, ref.name)])


def listed(of: Process, known: Catalog, told: Signs, now: datetime) -> None:
    """All that has reviews, the most urgent first."""
    under = [one for one in known.entries.values() if one.ref.kind in REVIEWED]
    found = {one.ref: evidence_of(of, told, one, now) for one in under}
    under.sort(
        key=lambda one: (
            not one.overdue(now.date()),
            ORDER.index(found[one.ref][0].state),
            one.review or date.min,
            one.title,
        )
    )
    if not told.people:
        st.info(
            "Owners hear of nothing yet: name them under `alerts.people` in paceline.yaml.",
            icon=":material/person_add:",
        )
    late = [one for one in under if one.overdue(now.date())]
    soon = [one for one in under if one not in late and one.review and one.review <= (now + SOON).date()]
    against = [one for one in under if found[one.ref][0].state == "bad"]
    grid = st.grid(4, min_column_width=200, gap="small")
    cards = (
        ("Overdue", len(late), Status.act if late else Status.good, "act on these first" if late else "none"),
        ("Due within 14 days", len(soon), Status.watch if soon else Status.good, "the owners are told"),
        (
            "With evidence against",
            len(against),
            Status.watch if against else Status.good,
            "whatever their date",
        ),
        ("Under review", len(under), Status.none, "dashboards, rules, metrics, views"),
    )
    for label, number, status, note in cards:
        with grid.cell(), st.container(border=True, key=f"card_{label.split()[0].lower()}"):
            st.metric(label, number)
            if status is Status.none:
                st.caption(note)
            else:
                st.badge(note, icon=status.value.icon, color=status.value.color)
    table(
        {
            "title": [one.title for one in under],
            "kind": [WORDS[one.ref.kind] for one in under],
            "owner": [one.owner for one in under],
            "review": [one.review for one in under],
            "state": [state(one, now) for one in under],
            "evidence": [
                Pill(STATES[found[one.ref][0].state], WORD[found[one.ref][0].state]) for one in under
            ],
            "why": [found[one.ref][0].text for one in under],
        },
        [
            Column("title", "Name", "name", width=330),
            Column("kind", "Kind"),
            Column("owner", "Owner", width=140),
            Column("review", "Next review", "day"),
            Column("state", "Due", "state", width=100),
            Column("evidence", "Evidence", "state", width=150),
            Column("why", "Above all", width="large"),
        ],
        key="reviews",
        title="What is reviewed",
        alt="Dashboards, rules, metrics and views with their next review and the evidence",
        about=About("Reviews", f"{SPAN.days} days", now, {}),
        empty="Nothing has reviews yet.",
        ids=[one.ref for one in under],
        opens=open_review,
        noun="review",
        rows=14,
    )


def page_of(of: Process, known: Catalog, told: Signs, ref: Ref, now: datetime) -> None:
    """The review of one entry: the evidence left, the decision right, what was decided before below."""
    one = known.entries[ref]
    if st.button("All reviews", icon=":material/arrow_back:", type="tertiary", key="back"):
        st.switch_page("reviews.py")
    pill = state(one, now)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f.plain(one.title), anchor=False, width="content")
        st.badge(WORDS[ref.kind], color="gray")
        st.badge(pill.word, icon=pill.status.value.icon, color=pill.status.value.color)  # type: ignore[arg-type]
    due = f"{one.review:%-d %b %Y}" if one.review else "never set"
    last = f", last reviewed {one.reviewed:%-d %b %Y}" if one.reviewed else ", not reviewed here yet"
    st.markdown(f"{f.plain(one.means)}  \n:gray[Owner {f.plain(one.owner)} · due {due}{last}]")
    left, right = st.columns([3, 2])
    with left.container(border=True, height="stretch"):
        st.markdown(f"**Evidence of the last {SPAN.days} days**")
        for sign in evidence_of(of, told, one, now):
            line(sign)
        if st.button(
            "What it is, and who uses it", icon=":material/menu_book:", type="tertiary", key="entry"
        ):
            open_entry(ref)
    with right.container(border=True, height="stretch"):
        decision(of, one, now)
    st.markdown("**Decided before**")
    past = reviews.history(of.book, ref)
    st.markdown(
        "\n".join(
            f"- {made.at.astimezone(of.workspace.timezone):%-d %b %Y} {f.plain(made.by)}: "
            f"**{SAID[made.choice]}**{': ' + f.plain(made.note) if made.note else ''} "
            f":gray[asked again {made.next:%-d %b %Y}]"
            for made in past
        )
        or ":material/inbox: Nothing yet: its file alone says when it is due."
    )


def line(sign: Sign) -> None:
    """A finding, with its state in icon and colour."""
    status = STATES[sign.state].value
    color = "gray" if sign.state == "none" else status.color
    st.markdown(f":{color}[{status.icon}] {f.plain(sign.text)}")


def decision(of: Process, one: Entry, now: datetime) -> None:
    """The form that records what was decided."""
    st.markdown("**Decision**")
    if not may(Permission.REVIEW):
        st.caption("An editor or an admin decides.")
        return
    choice = st.radio(
        "Decision",
        list(CHOICES),
        format_func=CHOICES.__getitem__,
        label_visibility="collapsed",
        key=f"choice_{one.ref}",
    )
    usual = one.every if choice == "keep" else SOON
    st.text_area(
        "Why" if choice == "keep" else f"What to {choice}, and why",
        key=f"note_{one.ref}",
        placeholder="For whoever reads this next quarter." if choice == "keep" else "For whoever will do it.",
        height=90,
    )
    st.date_input(
        "Asked again on" if choice == "keep" else "Done by, and asked again on",
        (now + usual).date(),
        min_value=(now + timedelta(days=1)).date(),
        max_value=(now + reviews.FURTHEST).date(),
        key=f"next_{choice}_{one.ref}",
    )
    if not logged_in():
        st.text_input("Your name", key="review_by", max_chars=80, help="The audit log keeps it.")
    st.button(
        "Record",
        type="primary",
        icon=":material/gavel:",
        key="record",
        on_click=record,
        args=(of, one, choice),
    )
    if fault := st.session_state.pop("review_fault", ""):
        st.error(f.plain(fault))
    elif done := st.session_state.pop("review_done", ""):
        st.success(done, icon=Status.good.value.icon)
    if choice != "keep":
        st.caption("This records the decision. The file is changed by a proposal, as every definition is.")


def record(of: Process, one: Entry, choice: reviews.Choice) -> None:
    """Keep the decision."""
    said = st.session_state
    now = datetime.now(of.workspace.timezone)  # the calendar that the form chose a day from
    upon = said[f"next_{choice}_{one.ref}"]
    filed = of.catalog.filed(now).entries[one.ref] if of.catalog else one
    said["review_fault"] = tried(
        partial(
            reviews.decide,
            of.book,
            filed,
            choice,
            note=said[f"note_{one.ref}"],
            upon=upon,
            by=actor(said.get("review_by", "")),
            now=now,
        )
    )
    if not said["review_fault"]:
        said["review_done"] = f"Recorded: {SAID[choice]}, asked again {upon:%-d %b %Y}."


def evidence_of(of: Process, told: Signs, one: Entry, now: datetime) -> list[Sign]:
    """What speaks for and against an entry, a rule's limits beside the present among it; the worst first."""
    present = _present.signs(of, one.ref.name, now) if one.ref.kind == "rule" else []
    return sorted([*present, *told.of(one)], key=lambda sign: ORDER.index(sign.state))


@_live.follow
def panels() -> None:
    """The list, or the review that the address names."""
    of = process()
    assert of is not None
    now = head(of, "Reviews", "Does each dashboard, rule and metric still earn its place?")
    known = catalog(of)
    told = signs(of, known, now)
    ref = asked(known)
    if ref is None:
        listed(of, known, told, now)
    else:
        page_of(of, known, told, ref, now)


panels()
