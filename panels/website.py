"""Website: can the site convert right now, which ads pay for broken pages, where does the funnel break."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import streamlit as st

from connectors.contract import Window
from metrics import site
from panels import _format as f
from panels import _known, _live, _look, _site_charts, _wall
from panels._blocks import head
from panels._drill import open_campaign
from panels._freshness import troubles
from panels._once import once
from panels._site_funnel import DAY, WORDS, counted, funnel_panels, titled
from panels._slot import Process, process
from panels._status import Status
from panels._table import About, Column, Pill, table
from panels._trace import Over, info_button

STALE = timedelta(minutes=20)
"""Without a look for this long, nothing is said of the present."""

SLOW = 3.0
"""Seconds within which 95 % of the looks should come."""

ENDS_SOON = timedelta(days=21)
"""Certificates that renew themselves do so a month before."""


@once
def load(version: int, minute: datetime) -> site.Site:
    """The page's figures, once for each version of the data and each minute."""
    del version
    of = process()
    assert of is not None
    return site.look(of.warehouse, of.metrics(), minute, of.workspace.currency)


def card(
    label: str,
    value: str,
    status: Status,
    word: str,
    *,
    note: str,
    about: str,
    metric: str,
    over: Over | None,
) -> None:
    """A figure with its state in icon and word, and where it comes from.

    metric: the definition that it follows from; over: the rows that it counts, None where there are none.
    """
    with st.container(border=True, height="stretch", gap="small"):
        st.metric(label, value, help=about)
        st.caption(note or "&nbsp;")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"foot_{metric}"):
            st.badge(word, icon=status.value.icon, color=status.value.color)  # type: ignore[arg-type]
            if over is not None:
                st.space("stretch")
                info_button(metric, over)


def cards(of: Process, shown: site.Site, now: datetime) -> None:
    """What is happening: pages that work, money that is lost, visitors, speed."""
    asked = [p for p in shown.pages if p.known]
    broken = [p for p in asked if p.broken]
    stale = shown.at is None or now - shown.at > STALE
    old = f"Stale, {f.age(now - shown.at)}" if stale and shown.at is not None else "No data"
    grid = _wall.cards()
    day = Window(now.astimezone(UTC) - timedelta(days=1), now.astimezone(UTC))
    with grid.cell():
        status = Status.none if stale or not asked else Status.act if broken else Status.good
        worst = max((now - p.since for p in broken if p.since is not None), default=None)
        card(
            "Pages that work now",
            f"{len(asked) - len(broken)} of {len(asked)}" if asked else f.NOTHING,
            status,
            old if status is Status.none else f"{len(broken)} broken" if broken else "All work",
            note="of those that running ads lead to"
            if worst is None
            else "since just now"
            if f.age(worst) == "now"
            else f"longest for {f.age(worst)}",
            about="A page works when it answers in time, on the site, with its tag, as a visitor from an ad "
            "would see it. Looked at every five minutes.",
            metric="availability",
            over=Over(
                day,
                DAY,
                note="The share of all looks of the last day at which a page worked; the card counts the "
                "pages at the last look at each.",
            )
            if asked
            else None,
        )
    with grid.cell():
        risk = site.money_at_risk(shown.pages, of.workspace.currency)
        told = " + ".join(f.money(amount, currency) for currency, amount in risk.items())
        status = Status.none if stale or not asked else Status.act if risk else Status.good
        names = {(x.source, x.account, x.campaign) for p in broken for x in p.payers}
        card(
            "Spend on broken pages",
            f"{told}/h" if told else "Nothing" if asked else f.NOTHING,
            status,
            old if status is Status.none else "Act now" if risk else "None lost",
            note=f"by {len(names)} campaign{'s' if len(names) != 1 else ''}"
            if names
            else "no running ad leads to a broken page"
            if asked
            else "",
            about="What the campaigns whose running ads lead to broken pages spent an hour over their last "
            "day, in shares of their ads; in the reporting currency where the day's rates are known.",
            metric="spend",
            over=spent(of, names, now.astimezone(UTC)) if names else None,
        )
    with grid.cell():
        converts(shown, now.astimezone(UTC))
    with grid.cell():
        there = shown.active if shown.active and now - shown.active.window.end < STALE else None
        card(
            "Active users a minute",
            f.count(there.users) if there else f.NOTHING,
            Status.none,
            "Last 5 minutes" if there else "No data",
            note=f"by {f.plain(of.workspace.sources.get(there.source, there.source))}"
            if there
            else "send events to see them",
            about="Visitors who did something, averaged over the last five minutes that are over.",
            metric="active_users",
            over=Over(there.window, "Last 5 minutes", {"source": there.source}) if there else None,
        )


def spent(of: Process, names: set[tuple[str, str, str]], now: datetime) -> Over:
    """What the campaigns that pay for broken pages spent over their accounts' last day."""
    accounts = {name[:2] for name in names}
    known = _known.now(of).accounts
    currencies = {known[key].currency for key in accounts if key in known}
    return Over(
        {key: window for key, window in site.paid(of.warehouse, now).items() if key in accounts},
        "The last day of delivery",
        {"campaign": sorted(name[2] for name in names)},
        note="What these campaigns spent in all in 24 hours. The card has a 24th of it, of each campaign "
        "the share of its ads that lead to broken pages.",
        convert=of.workspace.currency if len(currencies) > 1 else None,
    )


def converts(shown: site.Site, now: datetime) -> None:
    """Of how many sites the funnel passes people on as usual."""
    told = [one for one in shown.funnels if any(s.expected is not None for s in one.now or one.day)]
    broken = [one for one in told if one.broken is not None]
    step = broken[0].broken if broken else None
    card(
        "Sites that convert as usual",
        f"{len(told) - len(broken)} of {len(told)}" if told else f.NOTHING,
        Status.none if not told else Status.act if broken else Status.good,
        f"Breaks at {WORDS.get(step.name, step.name).lower()}"
        if step is not None
        else "As usual"
        if told
        else "No data",
        note=f.plain(broken[0].name)
        if broken
        else "send events, or connect Google Analytics"
        if not told
        else "",
        about="A site breaks at a step where under three quarters of the usual share go on, and "
        "chance would do that once in a thousand hours at most.",
        metric="funnel_events" if told and told[0].now else "funnel_sessions",
        over=counted(told[0], told[0].now or told[0].day, now) if told else None,
    )


def landing_pages(of: Process, shown: site.Site, now: datetime) -> None:
    """Every page with its state and who pays for it; a click leads to the campaign that pays most."""
    rows = shown.pages
    currencies = {x.currency for p in rows for x in p.payers}
    single = next(iter(currencies)) if len(currencies) == 1 else ""

    def spend(page: site.Page) -> object:
        if single:
            return sum(x.an_hour for x in page.payers) if page.payers else None
        each: dict[str, float] = {}
        for payer in page.payers:
            each[payer.currency] = each.get(payer.currency, 0.0) + payer.an_hour
        return " + ".join(f.money(amount, currency) for currency, amount in each.items()) or f.NOTHING

    def state(page: site.Page) -> Pill:
        if not page.known:
            return Pill(Status.none, "Not asked")
        if now - page.checked > STALE:
            return Pill(Status.none, "Stale")
        if page.broken:
            return Pill(Status.act, "Broken")
        slow = page.p95 is not None and page.p95 > SLOW
        return Pill(Status.watch, "Slow") if slow else Pill(Status.good, "Works")

    def to_payer(url: str) -> None:
        payers = next((p.payers for p in shown.pages if p.url == url), ())
        if payers:
            open_campaign(payers[0].source, payers[0].account, payers[0].campaign)
        st.toast("No running ad leads to this page.", icon=":material/info:")

    table(
        {
            "page": [p.url.removeprefix("https://").removeprefix("www.") for p in rows],
            "state": [state(p) for p in rows],
            "an_hour": [spend(p) for p in rows],
            "wrong": [p.words if p.failure else "" for p in rows],
            "since": [p.since if p.failure else None for p in rows],
            "payers": [", ".join(x.name for x in p.payers) for p in rows],
            "availability": [p.availability for p in rows],
            "p95": [p.p95 for p in rows],
            "certificate": [p.certificate_ends for p in rows],
        },
        [
            Column("page", "Page", "name", width=280, help="Opens the campaign that pays most for it."),
            Column("state", "State", "state"),
            Column("an_hour", "Spend an hour", "money" if single else "text", currency=single),
            Column("wrong", "What is wrong", width="medium"),
            Column("since", "Since", "moment", zone=str(of.workspace.timezone)),
            Column("payers", "Campaigns", width="medium"),
            Column("availability", "Worked, 24 h", "percent", help="Share of the looks of the last day."),
            Column("p95", "95 % came within", "seconds"),
            Column("certificate", "Certificate ends", "day", shown=False),
        ],
        key="pages",
        title="Landing pages, the costliest failure first",
        alt="Landing pages with state, spend an hour, what is wrong and the campaigns that lead there",
        about=About("Landing pages", "Last 24 hours", shown.at or now, {}),
        empty="No page has been looked at yet. Put `landing_pages` under sources: the first look follows the "
        "first poll of the ads, which names the pages.",
        ids=[p.url for p in rows],
        opens=to_payer,
        noun="page",
    )


def over_time(of: Process, shown: site.Site, now: datetime) -> None:
    """Whether pages worked and how fast they were, hour by hour."""
    titled(
        "**Availability and speed** · last 24 hours",
        "Each hour's share of looks that found a working page (bars), and the time in which 95 % of "
        "them came (line).",
        "load_time_p95",
        Over(Window(now.astimezone(UTC) - timedelta(days=1), now.astimezone(UTC)), DAY)
        if shown.hours
        else None,
    )
    if not shown.hours:
        st.markdown(":material/inbox: No page has been looked at yet.")
        return
    _look.chart(
        _site_charts.availability(shown.hours, of.workspace.timezone),
        alt="Availability of landing pages and their 95th percentile of load time, by the hour",
    )
    p95 = shown.hours[-1].p95
    if p95 is not None:
        status, word = (Status.watch, "slow") if p95 > SLOW else (Status.good, "fast enough")
        st.markdown(
            f"{status.value.icon} In this hour 95 % of the looks had the whole document within "
            f"**{p95:.2f} s**: {word} (limit {SLOW:.0f} s)."
        )


def visitors(of: Process, shown: site.Site) -> None:
    """Who is there, minute by minute."""
    st.markdown("**Active users by minute**", help="A minute is counted once, when it is over.")
    if shown.active is None:
        st.markdown(
            ":material/inbox: Nobody tells who is on the site. Send events to `/collect` or connect Google "
            "Analytics: docs/website.md says how."
        )
        return
    _look.chart(
        _site_charts.active(shown.active.minutes, of.workspace.timezone), alt="Active users by minute"
    )


def certificates(shown: site.Site, today: date) -> None:
    """Which sites will be refused by browsers soon."""
    st.markdown(
        "**Certificates that end soon**",
        help=f"Within {ENDS_SOON.days} days. One that renews itself does so a month before its end.",
    )
    ends: dict[str, date] = {}
    for page in shown.pages:
        if page.certificate_ends is not None:
            host = page.url.partition("://")[2].partition("/")[0]
            ends[host] = min(page.certificate_ends, ends.get(host, page.certificate_ends))
    soon = {host: end for host, end in ends.items() if end - today <= ENDS_SOON}
    if not ends:
        st.markdown(":material/inbox: No certificate has been seen yet.")
    elif not soon:
        first = min(ends.values())
        hosts = f"{len(ends)} host{'s' if len(ends) != 1 else ''}"
        st.markdown(f"{Status.good.value.icon} None of {hosts}; the first ends on {first:%-d %b %Y}.")
    for host, end in sorted(soon.items(), key=lambda one: one[1])[:5]:
        left = (end - today).days
        status = Status.act if left <= 7 else Status.watch
        when = "has ended" if left < 0 else f"ends in {left} day{'s' if left != 1 else ''}"
        st.markdown(f"{status.value.icon} **{f.plain(host)}** {when} ({end:%-d %b})")


def failing(of: Process) -> None:
    """What keeps the signals from coming, and how it is mended."""
    for trouble in troubles(_known.now(of).marks):
        if trouble.source in ("landing_pages", "events", "ga4"):
            title = of.workspace.sources.get(trouble.source, trouble.source)
            mend = f" **How to fix:** {f.plain(trouble.mend)}" if trouble.mend else ""
            st.warning(f"**{title}:** {f.plain(trouble.cause)}{mend}", icon=Status.watch.value.icon)


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = head(of, "Website", "Whether the site can convert right now, and which ads pay where it cannot.")
    shown = load(
        of.data_version(), now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    )
    failing(of)
    cards(of, shown, now)
    with st.container(border=True):
        landing_pages(of, shown, now)
    funnel_panels(shown, now.astimezone(UTC))
    left, right = st.columns([2, 1])
    with left.container(border=True, height="stretch"):
        over_time(of, shown, now)
    with right.container(border=True, height="stretch"):
        certificates(shown, now.date())
    with st.container(border=True):
        visitors(of, shown)


panels()
