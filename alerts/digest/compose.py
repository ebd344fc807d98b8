"""A digest in words: readable in twenty seconds, from what to trust down to what to open.

As-of and freshness; spend, ROAS and CPA beside the usual; plans; what moved; what is open; what to know
about the data; and over a week how the alerts themselves did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from alerts.digest import chart, work
from alerts.drawing import png
from alerts.notify.contract import Fact, Line, Link, Message, Reason, Section, Severity
from metrics.words import change, count, figure, money, multiple, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alerts.digest.audience import Kind
    from alerts.digest.figures import Figures, Kpi, Mover
    from alerts.digest.told import Told
    from metrics.flight import FlightPace

__all__ = ["Digest", "compose"]

_FRESH: Final = timedelta(hours=1)
_STALE: Final = timedelta(hours=3)
_STATES: Final = {"on": "good", "over": "warn", "under": "warn"}
_FAR: Final = 0.1
"""A plan that ends this far off is bad, not only to be watched."""
_MOST_LINES: Final = 5
_LONGEST_NAME: Final = 60
_PROVISIONAL: Final = 0.02
"""Below this share still to come nothing is said of it."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest before it has a receiver."""

    kind: Kind
    headline: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]
    links: tuple[Link, ...]
    picture: bytes
    picture_text: str

    def message(self, *, key: str, thread: str, to: str, at: datetime) -> Message:
        """For one receiver. at: the moment, in the reader's time zone."""
        return Message(
            key=key,
            incident=thread,
            to=to,
            reason=Reason.DIGEST,
            severity=Severity.INFO,
            headline=self.headline,
            at=at,
            began=at,
            facts=self.facts,
            sections=self.sections,
            links=self.links,
            chart=self.picture,
            chart_text=self.picture_text,
            actions=False,
        )


def compose(figures: Figures, told: Told, now: datetime, *, draw: Callable[..., bytes] = png) -> Digest:
    """The digest of these figures. now: aware, in the team's time zone."""
    drawing, picture_text = chart.chart(figures)
    opened = work.open_incidents(told.records, figures)
    broken, unjudged = told.problems(), told.unjudged(figures)
    sections = [
        Section("Plans", _plans(figures, told.app)),
        *_moved(figures, told.app),
        Section(_open_title(opened), _open(opened, unjudged, told.app, now, sure=not broken)),
        Section("About the data", _quality(figures, told, now)),
    ]
    if figures.kind == "weekly":
        sections.insert(-1, Section("Alerts of the week", _week(figures, told, now)))
    return Digest(
        kind=figures.kind,
        headline=_headline(figures, opened),
        facts=(*_broken(broken), Fact("As of", _as_of(figures, told, now)), *_kpis(figures)),
        sections=tuple(sections),
        links=_links(figures, told.app),
        picture=draw(drawing),
        picture_text=picture_text,
    )


# -- first of all: what it comes to, and whether to trust it


def _headline(figures: Figures, opened: Sequence[work.Open]) -> str:
    spend, roas, cpa = (figures.kpis[n] for n in ("spend", "roas", "cpa"))
    if figures.kind == "daily":
        day = f"{figures.last:%a} {figures.last.day} {figures.last:%b}"
    else:
        day = f"{_short(figures.first)} to {_short(figures.last)}"
    result = f"ROAS {multiple(roas.value)}" if roas.value else f"CPA {money(cpa.value, figures.currency)}"
    parts = [f"{day}: {money(spend.value, figures.currency)} spent, {result}"]
    off = sum(p.state in ("over", "under") for p in figures.paces)
    parts.append(f"{_number(off, 'plan')} off" if off else "plans on track" if figures.paces else "")
    parts.append(f"{_number(len(opened), 'incident')} open" if opened else "nothing open")
    return ", ".join(filter(None, parts))


def _as_of(figures: Figures, told: Told, now: datetime) -> str:
    """Each source's oldest account: a digest is as fresh as the last of them."""
    vouched = {(m.source, m.account): m.data_as_of for m in told.marks() if m.stream == "delivery"}
    lines = []
    for source in sorted({key[0] for key in figures.accounts}):
        each = [vouched.get(key) for key in figures.accounts if key[0] == source]
        known = [at for at in each if at is not None]
        title = told.titles.get(source, source)
        if not known:
            lines.append(f"{title}: no data yet")
            continue
        age = now - min(known)
        word = "fresh" if age <= _FRESH else "late" if age <= _STALE else f"stale, {_age(age)}"
        missing = f", {len(each) - len(known)} without data" if len(known) < len(each) else ""
        lines.append(f"{title} {min(known).astimezone(now.tzinfo):%H:%M} ({word}{missing})")
    return " · ".join(lines)


def _kpis(figures: Figures) -> tuple[Fact, ...]:
    base = "7-day average" if figures.kind == "daily" else "week before"
    rows = []
    for name, title, unit in (
        ("spend", "Spend", "money"),
        ("roas", "ROAS", "multiple"),
        ("cpa", "CPA", "money"),
        ("conversions", "Conversions", "count"),
    ):
        kpi = figures.kpis[name]
        if kpi.value is None:
            continue
        rows.append(Fact(title, _kpi(kpi, lambda v, u=unit: figure(v, u, figures.currency), base)))  # type: ignore[misc]
    return tuple(rows)


def _kpi(kpi: Kpi, said: Callable[[float | None], str], base: str) -> str:
    """3.42× (−6 % vs 7-day average) · usual 3.1× to 3.9×."""
    text = said(kpi.value)
    if kpi.change is not None:
        text += f" ({change(kpi.change)} vs {base})"
    if kpi.low is not None:
        word = {True: "usual", False: "outside the usual", None: "usual"}[kpi.usual]
        text += f" · {word} {said(kpi.low)} to {said(kpi.high)}"
    return text


# -- where the money goes


def _plans(figures: Figures, app: str) -> tuple[Line, ...]:
    order = sorted(figures.paces, key=lambda p: (p.state not in ("over", "under"), -p.amount))
    lines = [_plan(pace, app) for pace in order[:_MOST_LINES]]
    if len(order) > _MOST_LINES:
        lines.append(Line(f"and {len(order) - _MOST_LINES} more", f"{app}/pacing" if app else ""))
    return tuple(lines) or (Line("No plan and no budget is known yet", state="none"),)


def _plan(pace: FlightPace, app: str) -> Line:
    url = f"{app}/pacing?{urlencode({'plan': pace.plan.name})}" if app else ""
    currency, name = pace.plan.currency, _name(pace.plan.name)
    if pace.state not in _STATES:
        why = {
            "refused": pace.refused,
            "waiting": "no data yet",
            "unplanned": "no budget",
            "upcoming": f"begins on {_short(pace.over.first)}",
            "incomplete": f"{_number(pace.missing, 'day')} of data missing",
        }[pace.state]
        return Line(name, url, "none", f": {why}")
    off = pace.mid / pace.amount - 1
    state = "bad" if pace.state != "on" and abs(off) > _FAR else _STATES[pace.state]
    end = "on plan" if pace.state == "on" else f"{percent(abs(off))} {pace.state}"
    rest = (
        f": {money(pace.spent, currency)} of {money(pace.amount, currency)} "
        f"({change((pace.index or 1.0) - 1)} vs plan by now), will end {end} "
        f"({money(pace.low, currency)} to {money(pace.high, currency)})"
    )
    return Line(name, url, state, rest)


def _moved(figures: Figures, app: str) -> list[Section]:
    base = "7-day average" if figures.kind == "daily" else "the week before"
    return [
        Section(
            f"{title} ({figures.result}, vs {base})",
            tuple(_mover(m, figures, app) for m in movers) or (Line("No campaign", state="none"),),
        )
        for title, movers in (("Up", figures.up), ("Down", figures.down))
        if movers or figures.up or figures.down
    ]


def _mover(mover: Mover, figures: Figures, app: str) -> Line:
    """Brand DE +€820 (+34 %), spend +2 %."""

    def said(value: float) -> str:
        text = money(abs(value), figures.currency) if figures.result == "revenue" else count(abs(value))
        return f"{'+' if value > 0 else '−'}{text}"

    ratio = f" ({change(mover.delta / mover.before)})" if mover.before > 0 else " (new)"
    spent = (
        f", spend {change(mover.spend / mover.spend_before - 1)}"
        if mover.spend_before > 0
        else f", spend {money(mover.spend, figures.currency)}"
    )
    where = {"source": mover.source, "account": mover.account, "campaign": mover.campaign, **_days(figures)}
    url = f"{app}/campaign?{urlencode(where)}" if app else ""
    state = "good" if mover.delta > 0 else "warn"
    return Line(_name(mover.name), url, state, f": {said(mover.delta)}{ratio}{spent}")


# -- what is open


def _open_title(opened: Sequence[work.Open]) -> str:
    if not opened:
        return "Open incidents"
    loose = sum(not one.acknowledged for one in opened)
    return f"Open incidents: {len(opened)}, {loose or 'none'} not acknowledged"


def _broken(problems: Sequence[str]) -> tuple[Fact, ...]:
    """That no news is no good news: alerts do not work."""
    more = f"; and {len(problems) - 2} more" if len(problems) > 2 else ""
    return (Fact("Alerts do not work", "; ".join(problems[:2]) + more),) if problems else ()


def _open(
    opened: Sequence[work.Open], unjudged: Sequence[str], app: str, now: datetime, *, sure: bool
) -> tuple[Line, ...]:
    blind = _unjudged(unjudged, app)
    if not opened:
        known = Line("Nothing else is open" if blind else "Nothing is open", state="good")
        return (*blind, known if sure else Line("Nothing is known", state="bad"))
    states = {Severity.CRITICAL: "bad", Severity.WARNING: "warn", Severity.INFO: ""}
    lines = [
        Line(
            one.headline,
            f"{app}/alerts?{urlencode({'incident': one.id})}" if app else "",
            states[one.severity],
            f"· {_age(now - one.since)}, {one.owner}"
            + (f", acknowledged by {one.acknowledged}" if one.acknowledged else ""),
        )
        for one in opened[:_MOST_LINES]
    ]
    if len(opened) > _MOST_LINES:
        lines.append(Line(f"and {len(opened) - _MOST_LINES} more", f"{app}/alerts" if app else ""))
    return (*blind, *lines)


def _unjudged(titles: Sequence[str], app: str) -> tuple[Line, ...]:
    """That what some rules watch is watched by nobody."""
    if not titles:
        return ()
    more = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
    named = ", ".join(_name(title) for title in titles[:3])
    url = f"{app}/alerts?part=rules" if app else ""
    return (Line(f"{_number(len(titles), 'rule')} cannot be judged", url, "bad", f": {named}{more}"),)


# -- what to know about the data


def _quality(figures: Figures, told: Told, now: datetime) -> tuple[Line, ...]:
    health = f"{told.app}/data-health" if told.app else ""
    lines = []
    failing = [
        m
        for m in told.marks()
        if m.error and (m.source, m.account) in figures.accounts and now - m.tried_at < timedelta(days=1)
    ]
    for mark in sorted(failing, key=lambda m: (m.stream != "delivery", m.source, m.account))[:2]:
        name = figures.accounts[mark.source, mark.account].name
        lines.append(Line(_name(name), health, "bad", f": {mark.stream} fails: {mark.cause or mark.error}"))
    if len(failing) > 2:
        lines.append(Line(f"{len(failing) - 2} more streams", health, "bad", "fail"))
    late = [
        f"{_name(name)} (until {at:%H:%M} of {_short(at.date())})" for name, at in figures.incomplete.items()
    ]
    if late:
        more = f" and {len(late) - 3} more" if len(late) > 3 else ""
        rest = f": {', '.join(late[:3])}{more}"
        lines.append(Line("Not all of the last day is in yet", health, "warn", rest))
    for name, why in list(figures.left_out.items())[:2]:
        lines.append(Line(_name(name), health, "warn", f"is not in the totals: {why}"))
    if 1 - figures.known > _PROVISIONAL:
        lines.append(
            Line(
                f"{percent(1 - figures.known)} of these conversions",
                health,
                rest="are still to come: ROAS, CPA and conversions say what they will come to",
            )
        )
    dead = work.undelivered(told.records)
    if dead:
        link = f"{told.app}/alerts" if told.app else ""
        lines.append(Line(_number(dead, "message"), link, "warn", "could not be delivered"))
    return tuple(lines) or (Line("Complete, fresh and settled", state="good"),)


def _week(figures: Figures, told: Told, now: datetime) -> tuple[Line, ...]:
    end = now.replace(hour=0, minute=0, second=0, microsecond=0)
    seen = work.week(told.records, figures, end - timedelta(days=7), end)
    alerts = f"{told.app}/alerts" if told.app else ""
    volume = f"({seen.critical} critical), {seen.before} the week before"
    lines = [Line(_number(seen.opened, "incident"), alerts, rest=volume)]
    if seen.opened:
        share = seen.acted / seen.opened
        noise = f"; {seen.noise} called noise" if seen.noise else ""
        acted = f": {percent(share)} ({seen.acted} of {seen.opened}){noise}"
        lines.append(Line("Acted on", alerts, "good" if share >= 0.5 else "warn", acted))
    if seen.loud and seen.loud[1] > 1:
        lines.append(Line("Most often", alerts, rest=f": {seen.loud[0]} ({seen.loud[1]} incidents)"))
    late = told.reviews(now)
    lines += [
        Line(
            f"Review due {_short(day)}",
            f"{told.app}/{path}" if told.app else "",
            "warn",
            f": {title} ({who})",
        )
        for day, title, who, path in late[:3]
    ]
    if len(late) > 3:
        where = f"{told.app}/reviews" if told.app else ""
        lines.append(Line(f"{len(late) - 3} more", where, "warn", "are due for review"))
    return tuple(lines)


def _links(figures: Figures, app: str) -> tuple[Link, ...]:
    if not app:
        return ()
    days = f"{_short(figures.last)}" if figures.kind == "daily" else "these seven days"
    return (
        Link(f"Open {days} in Paceline", f"{app}/?{urlencode(_days(figures))}"),
        Link("Alerts", f"{app}/alerts"),
    )


def _days(figures: Figures) -> dict[str, str]:
    return {"win": "custom", "from": figures.first.isoformat(), "to": figures.last.isoformat()}


def _short(day: date) -> str:
    return f"{day.day} {day:%b}"


def _number(of: int, noun: str) -> str:
    return f"{of} {noun}{'' if of == 1 else 's'}"


def _age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    if hours < 1:
        return f"{max(hours * 60, 0):.0f} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"


def _name(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
