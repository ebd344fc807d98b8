"""An incident in words: what is wrong and what it costs, in the line that a lock screen shows; then the rest.

Spend 3.1× its pace · €240/h · Brand Search DE
Seen: €310 · Expected: €100 · Since: Mon 09:00 (1 h) · Why: … · Changed: … · What to do: …
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from alerts.chart import course
from alerts.conditions.flight import PLANS
from alerts.drawing import png
from alerts.incident import Alert, Notice, at_risk
from alerts.notify.contract import Fact, Link, Member, Reason, Severity
from alerts.telling import Described
from alerts.unjudged import FAILS
from connectors.contract import Window
from metrics.changes import edits
from metrics.compare import Comparison
from metrics.explain import explain
from metrics.links import entity_url, screen
from metrics.site import payers
from metrics.words import figure, money

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from alerts.observation import Labels, Observation
    from alerts.rules import Rule
    from alerts.state import Instance, Key
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["Words", "span", "view"]

_LOG = logging.getLogger(__name__)

_MOST_MEMBERS: Final = 10
_MOST_CHANGES: Final = 3
_MOST_PAYERS: Final = 5
_DRAWN: Final = frozenset({Reason.FIRST, Reason.SEVERITY})
"""Why a message is sent that has a picture: the others follow one that had it."""
_BEFORE: Final = timedelta(hours=3)
"""How long before an alert a change may have caused it."""


def span(length: timedelta) -> str:
    """A length of time as people say it: 12 min, 3 h, 2 days."""
    minutes = max(length, timedelta(0)) / timedelta(minutes=1)
    if minutes < 100:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


class Words:
    """Describes the alerts of one installation.

    zone: the team's, in which times are told. app: where people reach the app, for links to its views.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        rules: Sequence[Rule],
        metrics: Mapping[str, Metric],
        zone: ZoneInfo,
        app: str = "",
    ) -> None:
        self._warehouse, self._metrics, self._zone, self._app = warehouse, metrics, zone, app.rstrip("/")
        self._rules = {(rule.id, rule.severity): rule for rule in (*rules, FAILS)}

    def __call__(self, alert: Alert, notice: Notice, now: datetime) -> Described:
        """The words of one message, the same on every channel."""
        incident = alert.incident
        assert incident is not None
        live, gone = alert.live, notice.resolved
        told = [m for m in alert.members if m.key in live] or [m for m in alert.members if m.key in gone]
        told = sorted(told or alert.members, key=lambda m: (-m.told.at_risk, m.key))
        if not told:
            return Described("Nothing fires any more")
        lead = told[0]
        names, currency = self._names(alert.members), self._currency(lead.key)
        meanwhile = _meanwhile(notice, now - (lead.fired or lead.since))
        chart, chart_text = None, ""
        if notice.reason in _DRAWN and incident.group.severity is not Severity.INFO:
            chart, chart_text = self._drawn(lead, names[lead.key], currency)
        return Described(
            headline=self._headline(told, names, currency, meanwhile),
            lasting=self._headline(told, names, currency) if told[0].firing else "",
            facts=tuple(self._facts(lead, notice, currency, now)),
            members=self._members(alert, notice, names),
            links=self._links(lead),
            chart=chart,
            chart_text=chart_text,
        )

    # -- the first line

    def _headline(
        self, told: Sequence[Instance], names: Mapping[Key, str], currency: str, meanwhile: str = ""
    ) -> str:
        lead = told[0]
        # What is in another currency is in its own line, and in no sum.
        risk = sum(at_risk(one for one in told if self._currency(one.key) == currency).values())
        what = lead.told.said or self._title(lead)
        cost = f"{money(risk, currency)}/h" if risk > 0 else ""
        name = names[lead.key] + (f" + {len(told) - 1} more" if len(told) > 1 else "")
        return " · ".join(filter(None, [what, cost, meanwhile, name]))

    def _title(self, member: Instance) -> str:
        rule = self._rules.get((member.key.rule, member.key.severity))
        return rule.title if rule else member.key.rule

    # -- the facts, in the order in which they are asked for

    def _facts(self, lead: Instance, notice: Notice, currency: str, now: datetime) -> list[Fact]:
        rule = self._rules.get((lead.key.rule, lead.key.severity))
        told = lead.told
        facts = []
        if rule is not None and told.seen is not None:
            unit = rule.condition.unit(self._metrics)
            facts.append(Fact("Seen", figure(told.seen, unit, currency)))
            if told.expected is not None:
                low, mid, high = (figure(value, unit, currency) for value in told.expected)
                facts.append(Fact("Expected", mid if low == high else f"{mid} ({low} to {high})"))
        if told.sure is not None:
            facts.append(Fact("How sure", _sure(told.sure)))
        noticed = (lead.fired or lead.since).astimezone(self._zone)
        since = (told.began or noticed).astimezone(self._zone)
        known = f"{since:%a %H:%M} ({span(now - since)})"
        late = noticed - since >= timedelta(minutes=5)
        facts.append(Fact("Since", f"{known}, noticed {noticed:%H:%M}" if late else known))
        if notice.reason is Reason.ALL_RESOLVED:
            return facts
        if notice.reason is Reason.FLAPPING:
            facts.append(Fact("From now on", "told in the digest only, until an hour was quiet"))
        facts += self._page(rule, lead, now)
        facts += self._why(rule, told)
        facts += self._changed(lead, now)
        if rule is not None and rule.runbook:
            facts.append(Fact("What to do", rule.runbook))
        return facts

    def _page(self, rule: Rule | None, lead: Instance, now: datetime) -> list[Fact]:
        """What a page that is down answers; the ads that lead to it, and what they cost an hour.

        These are of all accounts, for what is wrong with a site is told once.
        """
        if rule is None or rule.condition.kind != "landing_page":
            return []
        labels = lead.key.labels
        met = self._warehouse.query(
            "SELECT arg_max(words, checked) AS words FROM page_check WHERE url = $url", {"url": labels.part}
        )["words"][0].as_py()
        found = [Fact("Found", met)] if met else []
        paying = [
            f"{payer.name}, {payer.ads} ad{'s' if payer.ads != 1 else ''}, "
            f"{money(payer.an_hour, payer.currency)}/h"
            for payer in payers(self._warehouse, self._metrics, now).get(labels.part, ())
        ]
        more = [f"and {len(paying) - _MOST_PAYERS} more"] if len(paying) > _MOST_PAYERS else []
        return [*found, Fact("Paid for by", "; ".join(paying[:_MOST_PAYERS] + more))] if paying else found

    def _why(self, rule: Rule | None, told: Observation) -> list[Fact]:
        """Which factor moved, against the same hours of the days before."""
        labels = told.labels
        name = getattr(rule.condition, "metric", "") if rule else ""
        metric = self._metrics.get(name)
        if metric is None or not labels.campaign:
            return []
        end = told.at.replace(minute=0, second=0, microsecond=0)
        window = {(labels.source, labels.account): Window(end - timedelta(hours=24), end)}
        where = {"source": labels.source, "account": labels.account, "campaign": labels.campaign}
        try:
            found = explain(
                self._warehouse, metric, window, Comparison.WEEK_AVERAGE, by="campaign", where=where
            )
        except ValueError as error:  # a metric that is no quotient of sums has no factors
            _LOG.info("%s is not explained: %s", name, error)
            return []
        return [Fact("Why", found.sentence)] if found.effects else []

    def _changed(self, lead: Instance, now: datetime) -> list[Fact]:
        """Who changed what shortly before, or since."""
        labels = lead.key.labels
        where = {"source": labels.source, "account": labels.account}
        if labels.campaign:
            where["campaign"] = labels.campaign
        found = edits(self._warehouse, Window(lead.since - _BEFORE, now), where)[:_MOST_CHANGES]
        said = [f"{one.at.astimezone(self._zone):%H:%M} {one.sentence}" for one in found]
        return [Fact("Changed", "; ".join(said))] if said else []

    def _drawn(self, lead: Instance, name: str, currency: str) -> tuple[bytes | None, str]:
        """The picture of what fires; none where there is nothing to draw: the words matter more."""
        rule = self._rules.get((lead.key.rule, lead.key.severity))
        metric = self._metrics.get(rule.condition.course) if rule else None
        if metric is None or not lead.key.labels.account or lead.key.labels.part:
            return None, ""
        try:
            found = course(
                self._warehouse,
                metric,
                lead.told,
                name=name,
                currency=currency,
                zone=self._zone,
                settles=f"settled_{metric.name}" in self._metrics,
            )
            return (png(found[0]), found[1]) if found else (None, "")
        except ValueError as error:  # a metric that is not known by the hour, a currency without a rate
            _LOG.info("%s is not drawn: %s", metric.name, error)
            return None, ""

    # -- members and links

    def _members(self, alert: Alert, notice: Notice, names: Mapping[Key, str]) -> tuple[Member, ...]:
        shown = [m for m in alert.members if m.key in alert.live or m.key in notice.resolved]
        if len(shown) < 2:
            return ()
        shown.sort(key=lambda m: (not m.firing, -m.told.at_risk, m.key))
        lines = [
            Member(
                " · ".join(
                    filter(
                        None,
                        [
                            names[m.key],
                            m.told.said or self._title(m),
                            f"{money(m.told.at_risk, self._currency(m.key))}/h" if m.told.at_risk > 0 else "",
                        ],
                    )
                ),
                resolved=not m.firing,
            )
            for m in shown[:_MOST_MEMBERS]
        ]
        if len(shown) > _MOST_MEMBERS:
            lines.append(Member(f"and {len(shown) - _MOST_MEMBERS} more"))
        return tuple(lines)

    def _links(self, lead: Instance) -> tuple[Link, ...]:
        labels = lead.key.labels
        found = []
        here = f"{self._app}{view(labels, lead.told.at)}" if self._app else ""
        there = entity_url(labels.source, labels.account, labels.campaign)
        if here:
            found.append(Link("Open in Paceline", here))
        if there:
            found.append(Link(f"Mend it in {screen(labels.source)}", there))
        return tuple(found)

    # -- names

    def _names(self, members: Sequence[Instance]) -> dict[Key, str]:
        """What people call each member: its campaign, else its account; a part is added.

        A page comes first, for it says more. Accounts of one name are told apart by their platform.
        """
        wanted = {m.key.labels for m in members}
        rows = self._warehouse.query(
            """SELECT source, account, campaign, name FROM campaign WHERE campaign IN (SELECT unnest($ids))
            UNION ALL SELECT source, account, '', name FROM account""",
            {"ids": [one.campaign for one in wanted] or [""]},
        ).to_pylist()
        known = {(r["source"], r["account"], r["campaign"]): r["name"] for r in rows}
        same = Counter(name for (_, _, campaign), name in known.items() if not campaign)
        found = {}
        for member in members:
            labels = member.key.labels
            name = known.get(labels[:3]) or labels.campaign or labels.account
            if not labels.campaign and same[name] > 1 and screen(labels.source):
                name = f"{name} ({screen(labels.source)})"
            page = _page(labels.part)
            found[member.key] = ", ".join(filter(None, [page, name] if page else [name, labels.part]))
        return found

    def _currency(self, key: Key) -> str:
        rule, labels = self._rules.get((key.rule, key.severity)), key.labels
        if rule is not None and (own := rule.condition.currency(labels)):
            return own
        rows = self._warehouse.query(
            "SELECT currency FROM account WHERE source = $source AND account = $account",
            {"source": labels.source, "account": labels.account},
        ).to_pylist()
        return str(rows[0]["currency"]) if rows else ""


def view(labels: Labels, at: datetime) -> str:
    """The path of the app's view of a series as it was judged (docs/links.md)."""
    moment = f"{at:%Y-%m-%dT%H:%MZ}"
    if not labels.source:
        return "/alerts?part=rules"
    if labels[:2] == PLANS:
        return f"/pacing?{urlencode({'plan': labels.part})}"
    if labels.campaign:
        shown = {"source": labels.source, "account": labels.account, "campaign": labels.campaign}
        return f"/campaign?{urlencode({**shown, 'at': moment})}"
    return f"/?{urlencode({'scope': f'{labels.source}/{labels.account}', 'at': moment})}"


def _meanwhile(notice: Notice, since: timedelta) -> str:
    """What a message adds that was not so in the first, and will not be so for long."""
    match notice.reason:
        case Reason.ALL_RESOLVED:
            return f"after {span(since)}"  # channels say that it is resolved
        case Reason.REPEAT:
            return f"for {span(since)}"
        case Reason.ESCALATION:
            return f"in nobody's hand, {span(since)}"
        case Reason.FLAPPING:
            return "comes and goes"
        case _:
            return ""


def _page(part: str) -> str:
    """A page as people say it, by host and path: an address would fill a lock screen. "" where it is none."""
    parts = urlsplit(part)
    host = parts.netloc.rpartition("@")[2]  # a login in an address is nobody's business
    return (host + parts.path.rstrip("/")).removeprefix("www.") if host else ""


def _sure(sure: float) -> str:
    """A probability near one, by what is left to chance."""
    left = 1 - sure
    if left < 1e-6:
        return "chance under 1 in a million"
    return f"chance 1 in {1 / left:,.0f}" if left < 0.5 else f"{sure:.0%}"
