"""What the alerts have to report: what is open, and over a week how much there was and what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from alerts.conditions.flight import PLANS
from alerts.notify.contract import Severity
from alerts.observation import Labels
from alerts.records import stamp
from alerts.review import ACTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alerts.digest.figures import Figures
    from alerts.records import Records

__all__ = ["Open", "Week", "open_incidents", "undelivered", "week"]


@dataclass(frozen=True, slots=True)
class Open:
    """An incident that goes on. acknowledged: by whom, or ""."""

    id: int
    headline: str
    owner: str
    severity: Severity
    since: datetime
    acknowledged: str


@dataclass(frozen=True, slots=True)
class Week:
    """The incidents that began within some days. before: those of as many days before.

    acted: those about which somebody did something. loud: (rule, incidents) of the rule that fired most.
    """

    opened: int
    critical: int
    before: int
    acted: int
    noise: int
    loud: tuple[str, int] | None


def open_incidents(records: Records, figures: Figures) -> list[Open]:
    """Those about what the figures are about, the most serious first, of these the oldest.

    What was told to nobody, and what is for information alone, is no news to a manager.
    """
    rows = {
        row["id"]: row["headline"]
        for row in records.book.read("SELECT id, headline FROM incident WHERE closed IS NULL")
    }
    found = [
        Open(
            one.id,
            rows.get(one.id) or f"Incident {one.id}",
            one.group.owner,
            one.group.severity,
            one.opened,
            one.acknowledged.by if one.acknowledged else "",
        )
        for one in records.open_incidents()
        if one.sent is not None
        and one.group.severity is not Severity.INFO
        and _concerns(
            figures, one.group.source, one.group.account, (m.key.labels for m in records.members(one.id))
        )
    ]
    return sorted(found, key=lambda o: (-o.severity.rank, o.since))


def week(records: Records, figures: Figures, start: datetime, end: datetime) -> Week:
    """Alert volume and what came of it, for incidents that began in [start, end), of these figures."""
    span = [stamp(start - (end - start)), stamp(end)]
    rows = records.book.read(
        "SELECT id, source, account, severity, opened FROM incident WHERE opened >= ? AND opened < ?", span
    )
    told = records.book.read(
        """SELECT incident, alert, what, who FROM happened
        WHERE incident IN (SELECT id FROM incident WHERE opened >= ? AND opened < ?)""",
        span,
    )
    # Of what has ended the book keeps no members, but what happened to each of them.
    series: dict[int, set[Labels]] = {}
    for row in told:
        if row["alert"]:
            series.setdefault(row["incident"], set()).add(Labels(*json.loads(row["alert"])[2:]))
    mine = [
        row for row in rows if _concerns(figures, row["source"], row["account"], series.get(row["id"], ()))
    ]
    now = [row for row in mine if datetime.fromisoformat(row["opened"]) >= start]
    ids = {row["id"] for row in now}
    happened = [row for row in told if row["incident"] in ids]
    acted = {row["incident"] for row in happened if row["what"] in ACTS and row["who"]}
    noise = {row["incident"] for row in happened if row["what"] == "noise"}
    fired: dict[str, set[int]] = {}
    for row in happened:
        if row["what"] == "firing" and row["alert"]:
            fired.setdefault(json.loads(row["alert"])[0], set()).add(row["incident"])
    loud = max(fired.items(), key=lambda item: (len(item[1]), item[0]), default=None)
    return Week(
        opened=len(now),
        critical=sum(row["severity"] == Severity.CRITICAL for row in now),
        before=len(mine) - len(now),
        acted=len(acted),
        noise=len(noise),
        loud=(loud[0], len(loud[1])) if loud else None,
    )


def undelivered(records: Records) -> int:
    """Messages that were given up and not sent again since."""
    (row,) = records.book.read("SELECT count(*) AS number FROM outbox WHERE status = 'dead'")
    return int(row["number"])


def _concerns(figures: Figures, source: str, account: str, series: Iterable[Labels]) -> bool:
    """Whether an incident is about one of the accounts, or a plan, that these figures tell of.

    One without an account (a site's, a plan's) is about what its series are; a rule that cannot be judged is
    no incident of anybody's accounts.
    """
    if account:
        return (source, account) in figures.accounts
    plans = {pace.plan.name for pace in figures.paces}
    return any(one.part in plans if one[:2] == PLANS else one[:2] in figures.accounts for one in series)
