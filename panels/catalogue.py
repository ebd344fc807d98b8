"""Catalogue: what every number means, whose it is, when it changed, and where it comes from."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import streamlit as st

from metrics import history, reviews, usage
from metrics.catalog import KINDS, Catalog, Entry, Ref
from metrics.usage import Usage
from panels import _format as f
from panels import _lineage, _live, _pages, _seen
from panels._address import kept, kept_text
from panels._blocks import head
from panels._catalog import LOOKED, PAGE, alerted, alerts_in_words, catalog, open_entry
from panels._lineage import WORDS
from panels._slot import Process, process
from panels._status import Status
from panels._table import About, Column, Pill, table
from warehouse.audit import Audit

SHOWN: Final[dict[str, str]] = {"all": "All", **{str(kind): f"{WORDS[kind]}s" for kind in KINDS[::-1]}}

SOON: Final = timedelta(days=14)

MOST: Final = 8
"""Lines of a list before the rest is folded away."""


def asked(known: Catalog) -> Ref | None:
    """The entry that the address names; None for the list. `account` beside it belongs to another page."""
    for kind in KINDS:
        name = st.query_params.get(kind)
        if name is None or "account" in st.query_params:
            continue
        if (ref := Ref(kind, name)) in known.entries:
            return ref
        st.toast(f"There is no {kind} {f.plain(name)} any more.", icon=":material/info:")
        del st.query_params[kind]
    return None


def due(one: Entry, now: datetime) -> Pill | None:
    """How its review stands."""
    if one.review is None:
        return None
    if one.overdue(now.date()):
        return Pill(Status.act, "Overdue")
    return Pill(Status.watch, "Soon") if one.review <= (now + SOON).date() else None


def listed(of: Process, known: Catalog, now: datetime) -> None:
    """The list, searched and narrowed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search",
            placeholder="A name, a formula, an owner, a word: cpa · nullif · marketing",
            help="Every word must stand somewhere in the entry; the best answer comes first.",
            icon=":material/search:",
            **kept_text("q", str, ""),
        )
        kind = st.segmented_control(
            "Kind",
            list(SHOWN),
            format_func=SHOWN.__getitem__,
            required=True,
            help="A number goes from source to table, view and metric; rules and dashboards use it.",
            **kept("kind", SHOWN, "all"),
        )
    found = [one for one in known.search(words) if kind in ("all", one.ref.kind)]
    looks = usage.read(of.book, (now - LOOKED).date())
    alerts = {ref: sum(one.fires for one in some) for ref, some in alerted(of, known, now).items()}
    if words and found:
        st.caption(f"{len(found)} of {len(known.entries)} entries. The best answer:")
        brief(found[0])
    table(
        {
            "title": [one.title for one in found],
            "kind": [WORDS[one.ref.kind] for one in found],
            "means": [one.means for one in found],
            "owner": [one.owner for one in found],
            "version": [str(one.version) if one.version else "" for one in found],
            "changed": [one.changed.split(" ", 2)[1] if one.changed else "" for one in found],
            "review": [one.review for one in found],
            "state": [due(one, now) for one in found],
            "looks": [(said := looks.get(str(one.ref))) and float(said.times) for one in found],
            "alerts": [alerts.get(one.ref) for one in found],
            "name": [one.ref.name for one in found],
        },
        [
            Column("title", "Name", "name", width=270),
            Column("kind", "Kind"),
            Column("means", "Meaning", width="large"),
            Column("owner", "Owner", width=150),
            Column("version", "Version"),
            Column(
                "changed",
                "Changed",
                help="Since when this version holds: by the log in its file, else since it is in force here.",
            ),
            Column("review", "Next review", "day"),
            Column("state", "Due", "state", shown=any(due(one, now) for one in found)),
            Column("looks", "Looks", "count", help="In the last 91 days, by everybody."),
            Column("alerts", "Alerts", "count", help="How often it, or what watches it, fired in 91 days."),
            Column("name", "Id", shown=False),
        ],
        key="entries",
        title=f"{len(found)} entries" if len(found) != 1 else "One entry",
        alt="Entries of the catalogue",
        about=About("Catalogue", "now", now, {}),
        empty=f"Nothing says “{f.plain(words)}”. Try one word of it, or another kind.",
        ids=[one.ref for one in found],
        opens=open_entry,
        noun="entry",
        rows=14,
    )
    changes(of, known, now)


def brief(one: Entry) -> None:
    """What somebody who looks a word up wants first: the meaning, the owner, the last change."""
    with st.container(border=True, key="best"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{f.plain(one.title)}** :gray[{WORDS[one.ref.kind]}]", width="stretch")
            if st.button("Open", key="open_best", icon=":material/arrow_forward:", type="tertiary"):
                open_entry(one.ref)
        st.markdown(f.plain(one.means))
        said = [f"Owner **{f.plain(one.owner)}**"]
        if one.changed:
            version, day, why = [*one.changed.split(None, 2), "", ""][:3]
            said.append(f"version {version} since **{date.fromisoformat(day):%-d %b %Y}**: {f.plain(why)}")
        st.caption(" · ".join(said))


def changes(of: Process, known: Catalog, now: datetime) -> None:
    """What changed last, of everything."""
    found = history.newest(of.book)
    if not found:
        return
    st.markdown("**Newest changes**")
    for subject, change in found[:MOST]:
        ref = Ref.of(subject)
        title = known.entries[ref].title if ref in known.entries else ref.name
        when = f.clock(change.at, now)
        with st.expander(f"{when} · {WORDS[ref.kind]} **{f.plain(title)}** {change.what}"):
            st.code(change.diff, language="diff", wrap_lines=True)


def page_of(of: Process, known: Catalog, ref: Ref, now: datetime) -> None:
    """One entry."""
    one = known.entries[ref]
    _seen.entry(of, ref)
    if st.button("All entries", icon=":material/arrow_back:", type="tertiary", key="back"):
        st.switch_page(PAGE)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f.plain(one.title), anchor=False, width="content")
        st.badge(WORDS[ref.kind], color="gray")
        if (pill := due(one, now)) is not None:
            st.badge(
                f"Review {pill.word.lower()}",
                icon=pill.status.value.icon,
                color=pill.status.value.color,  # type: ignore[arg-type]
            )
    st.markdown(f.plain(one.means))
    facts(of, known, one, now)
    left, right = st.columns([3, 2])
    with left:
        meaning(one)
    with right:
        ways(of, known, ref)
    with st.container(border=True, key="desk"):
        st.markdown("**Where it comes from, and who uses it**", help="A click on a box opens it.")
        _lineage.drawn(known, ref)
    log(of, one, now)


def facts(of: Process, known: Catalog, one: Entry, now: datetime) -> None:
    """Whose it is, for whom, since when, until when."""
    looks = usage.read(of.book, (now - LOOKED).date()).get(str(one.ref))
    told = {
        "Owner": one.owner,
        "For": known.audience(one.ref),
        "Version": str(one.version or ""),
        "Changed": changed(of, one),
        "Approved by": one.approved,
        "Last review": f"{one.reviewed:%-d %b %Y}" if one.reviewed else "not yet" if one.review else "",
        "Next review": f"{one.review:%-d %b %Y}" if one.review else "",
        "Looked at": used(looks),
        "Alerts": alerts_in_words(one.ref, alerted(of, known, now).get(one.ref, [])),
        **one.facts,
    }
    with st.container(horizontal=True, gap="medium", key="facts"):
        for title, value in told.items():
            if value and len(value) <= 60:
                st.markdown(f":gray[{title}]  \n{f.plain(value)}", width="content")
    for title, value in told.items():
        if len(value) > 60:
            st.markdown(f"**{title}.** {f.plain(value)}")


def changed(of: Process, one: Entry) -> str:
    """When it became what it is: by its own log, else by when the process first saw it so."""
    if one.own_log and one.changed:
        return f"{datetime.fromisoformat(one.changed.split(' ', 2)[1]):%-d %b %Y}"
    seen = history.read(of.book, one.ref)
    if not seen:
        return ""
    when = f"{seen[0].at.astimezone(of.workspace.timezone):%-d %b %Y}"
    return when if seen[0].before is not None else f"not since {when}, when it was first seen"


def used(looks: Usage | None) -> str:
    """How often, by how many."""
    if looks is None:
        return "by nobody in 91 days"
    times = "once" if looks.times == 1 else f"{looks.times:,} times"
    return f"{times} in 91 days, by {looks.readers} {'reader' if looks.readers == 1 else 'readers'}"


def meaning(one: Entry) -> None:
    """Formula, what is done to the data on the way, what not to conclude, and the pieces."""
    if one.formula:
        st.markdown("**Formula**" if one.ref.kind == "metric" else "**As it is written**")
        st.code(one.formula, language=one.language, wrap_lines=True, height=None if short(one) else 320)
    if one.limits:
        st.markdown(f"**Limits.** {f.plain(one.limits)}")
    if one.how:
        st.markdown("**What is done to the data**" if one.ref.kind != "rule" else "**How it is judged**")
        for part in one.how.replace("\n- ", "\n\n– ").replace("`", "").split("\n\n"):
            st.markdown(f.plain(" ".join(part.split())))
    if one.parts:
        names = {"dashboard": "Panels", "source": "Streams", "rule": "Degrees"}
        st.markdown(f"**{names.get(one.ref.kind, 'Columns')}**")
        st.markdown(
            "\n".join(
                f"- **{f.plain(name)}**" + (f": {f.plain(text.replace('`', ''))}" if text else "")
                for name, text in one.parts.items()
            )
        )


def short(one: Entry) -> bool:
    """Whether the formula is shown whole."""
    return one.formula.count("\n") < 16


def ways(of: Process, known: Catalog, ref: Ref) -> None:
    """One step up and one step down, each a way to go."""
    if ref.kind == "dashboard":
        here = next(one for one in of.dashboards() if one.id == ref.name)
        if st.button(f"Open {f.plain(here.title)}", icon=f":material/{here.icon}:", key="open_page"):
            _pages.open_page(of, here)
    for title, refs in (("Made of", known.reads(ref)), ("Used by", known.readers(ref))):
        if not refs:
            continue
        st.markdown(f"**{title}**")
        for kind in KINDS:
            some = [one for one in refs if one.kind == kind]
            if some:
                with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
                    st.markdown(f":gray[{WORDS[kind]}{'s' if len(some) > 1 else ''}]", width="content")
                    for one in some:
                        step(known, one)


def step(known: Catalog, ref: Ref) -> None:
    """The way to another entry."""
    entry = known.entries[ref]
    if st.button(
        f":blue[{f.plain(entry.title)}]", key=f"to_{ref}", type="tertiary", help=f.plain(entry.means)
    ):
        open_entry(ref)


def log(of: Process, one: Entry, now: datetime) -> None:
    """Its changes by its own log, by what the process saw, by what people decided."""
    st.markdown("**Changes and reviews**")
    own = one.changes if one.own_log else ()
    lines = [f"- {f.plain(change)} :gray[by its own log]" for change in own]
    for made in reviews.history(of.book, one.ref):
        note = f": {f.plain(made.note)}" if made.note else ""
        lines.append(
            f"- {f.clock(made.at, now)} {f.plain(made.by)} reviewed it: **{made.choice}**{note} "
            f":gray[next {made.next:%-d %b %Y}]"
        )
    acts = Audit(of.book).entries(last=20, subject=str(one.ref))
    lines += [
        f"- {f.clock(act.at, now)} {f.plain(act.actor)} {f.plain(act.action)}"
        for act in acts
        if act.action != "reviewed"
    ]
    seen = history.read(of.book, one.ref)
    lines += [
        f"- {f.clock(change.at, now)} {change.what} :gray[as it came into force here]" for change in seen
    ]
    st.markdown("\n".join(lines) or ":material/inbox: Nothing yet.")
    for change in seen[:3]:
        if change.diff:
            with st.expander(f"What changed {f.clock(change.at, now)}"):
                st.code(change.diff, language="diff", wrap_lines=True)


@_live.follow
def panels() -> None:
    """The list, or the entry that the address names."""
    of = process()
    assert of is not None
    now = head(of, "Catalogue", "What every number means, whose it is, when it changed, where it comes from.")
    known = catalog(of)
    ref = asked(known)
    if ref is None:
        listed(of, known, now)
    else:
        page_of(of, known, ref, now)


panels()
