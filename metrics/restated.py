"""What the sources changed about the past, and what was known of a moment when somebody acted on it.

Yesterday changed by +4 conversions since you last looked.
When you cut the budget you saw 3 conversions for it; today 7 are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from connectors.contract import Window
from connectors.rows import DayTotal, Delivery
from metrics.compute import evaluate
from metrics.words import change, count, money
from warehouse.ledger import restatements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metrics.changes import Edit
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["KnownThen", "Restatement", "known_then", "restated"]


@dataclass(frozen=True, slots=True)
class Restatement:
    """By how much a source changed a campaign's day that was over already.

    at: when the last of the changes was seen (UTC); polls: in how many replies. cost, conversions, value:
    the differences, money in units of the account's currency. `…_now`: the day as it is known now.
    """

    source: str
    account: str
    account_name: str
    campaign: str
    name: str
    currency: str
    day: date
    at: datetime
    polls: int
    cost: float
    conversions: float
    value: float
    cost_now: float
    conversions_now: float
    value_now: float

    @property
    def sentence(self) -> str:
        """The day's conversions and spend, before and now: "conversions 36 → 40 (+4)"."""
        parts = []
        if abs(self.conversions) >= _LEAST:
            old, new = count(self.conversions_now - self.conversions), count(self.conversions_now)
            parts.append(f"conversions {old} → {new} ({_signed(self.conversions, count)})")
        elif abs(self.value) >= _CENT:
            parts.append(f"revenue {_signed(self.value, lambda v: money(v, self.currency))}")
        if abs(self.cost) >= _CENT:
            before = self.cost_now - self.cost
            much = f", {change(self.cost / before)}" if before > 0 else ""
            parts.append(f"spend {_signed(self.cost, lambda v: money(v, self.currency))}{much}")
        return "; ".join(parts)


_LEAST: Final = 0.005
_CENT: Final = 0.005

_MEASURES: Final = "CAST(sum(conversions) AS DOUBLE) AS conversions, sum(conversion_value) / 1e6 AS value"


def restated(
    warehouse: Warehouse, since: datetime, where: Mapping[str, Any] | None = None
) -> list[Restatement]:
    """What changed since then about days that were over when last seen, one row a campaign and day.

    The newest first. What was first looked at since then (a backfill) is no restatement, nor is what came
    to less than a cent and two hundredths of a conversion. where: source, account and campaign are heeded.
    """
    # A source that gives conversions by the hour restates them there; of the others the days are read.
    silent = "(SELECT source FROM delivery WHERE conversions IS NULL GROUP BY source)"
    hourly = restatements(Delivery, since)
    daily = restatements(DayTotal, since, f'l."primary" AND l.source IN {silent}')
    moved = (
        "SELECT source, account, campaign, day, seen_to, cost, conversions, conversion_value "  # noqa: S608
        f"FROM ({hourly}) UNION ALL "
        f"SELECT source, account, campaign, day, seen_to, 0, conversions, conversion_value FROM ({daily})"
    )
    sql = (
        f"WITH moved AS ({moved}), changed AS ("  # noqa: S608  # made of names of row types
        "SELECT source, account, campaign, day, max(seen_to) AS at_last, count(DISTINCT seen_to) AS polls, "
        f"sum(cost) / 1e6 AS cost, {_MEASURES} "
        "FROM moved GROUP BY source, account, campaign, day), "
        "stands AS ("
        f"SELECT source, account, campaign, day, sum(cost) / 1e6 AS cost, {_MEASURES} FROM delivery "
        "WHERE day >= (SELECT min(day) FROM changed) GROUP BY source, account, campaign, day), "
        "stands_by_day AS ("
        f"SELECT source, account, campaign, day, {_MEASURES} FROM day_totals "
        f'WHERE "primary" AND source IN {silent} AND day >= (SELECT min(day) FROM changed) '
        "GROUP BY source, account, campaign, day) "
        "SELECT m.source, m.account, m.campaign, m.day, m.at_last, m.polls, m.cost, m.conversions, m.value, "
        "coalesce(a.name, m.account) AS account_name, coalesce(a.currency, '') AS currency, "
        "coalesce(c.name, m.campaign) AS name, coalesce(s.cost, 0) AS cost_now, "
        "coalesce(s.conversions, t.conversions, 0) AS conversions_now, "
        "coalesce(s.value, t.value, 0) AS value_now "
        "FROM changed AS m "
        "LEFT JOIN account AS a ON a.source = m.source AND a.account = m.account "
        "LEFT JOIN campaign AS c ON c.source = m.source AND c.account = m.account "
        "AND c.campaign = m.campaign "
        "LEFT JOIN stands AS s ON s.source = m.source AND s.account = m.account AND s.campaign = m.campaign "
        "AND s.day = m.day "
        "LEFT JOIN stands_by_day AS t ON t.source = m.source AND t.account = m.account "
        "AND t.campaign = m.campaign AND t.day = m.day "
        "ORDER BY m.at_last DESC, m.source, m.account, m.campaign, m.day"
    )
    kept = {name: _listed((where or {}).get(name)) for name in ("source", "account", "campaign")}
    found = []
    for row in warehouse.query(sql).to_pylist():
        if all(values is None or row[name] in values for name, values in kept.items()):
            one = Restatement(at=row.pop("at_last"), **row)
            if abs(one.conversions) >= _LEAST or abs(one.cost) >= _CENT or abs(one.value) >= _CENT:
                found.append(one)
    return found


@dataclass(frozen=True, slots=True)
class KnownThen:
    """The day up to a change, as it was known when it was made, and as it is known now.

    window: the 24 hours before the change, cut to the full hour. then, now: spend, conversions and cpa by
    name; cpa None where nothing was sold.
    """

    window: Window
    then: Mapping[str, float | None]
    now: Mapping[str, float | None]
    currency: str

    @property
    def differs(self) -> bool:
        """Whether what was known then has changed by a tenth or more of a conversion, or a cent."""
        return any(
            abs((self.now[name] or 0) - (self.then[name] or 0)) >= least
            for name, least in (("conversions", 0.1), ("spend", 0.01))
        )

    @property
    def sentence(self) -> str:
        """Both, in a line."""
        was, became = self.then, self.now
        return (
            f"Known then of the 24 hours before: {count(was['conversions'])} conversions at "
            f"{money(was['cpa'], self.currency)}; known now: {count(became['conversions'])} at "
            f"{money(became['cpa'], self.currency)}."
        )


def known_then(warehouse: Warehouse, book: Mapping[str, Metric], edit: Edit) -> KnownThen | None:
    """What whoever made a change could see of the campaign; None where nobody was watching yet."""
    end = edit.at.replace(minute=0, second=0, microsecond=0)
    window = Window(end - timedelta(days=1), end)
    wanted = [book[name] for name in ("spend", "conversions", "cpa")]
    then = evaluate(warehouse, wanted, window, where=edit.where, as_of=edit.at).to_pylist()[0]
    if not then["spend"] and not then["conversions"]:
        return None
    now = evaluate(warehouse, wanted, window, where=edit.where).to_pylist()[0]
    names = [m.name for m in wanted]
    return KnownThen(window, {n: then[n] for n in names}, {n: now[n] for n in names}, now["currency"])


def _signed(value: float, said: Any) -> str:
    text: str = said(value)
    return f"+{text}" if value > 0 else text


def _listed(value: Any) -> Sequence[str] | None:
    return [value] if isinstance(value, str) else value
