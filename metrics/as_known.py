"""The past as it was known when it was as old as the present is now.

Today's conversions until ten are an hour to ten hours old. Yesterday's until ten, as they stand now, had a
day longer to come in. At the same age they are what the ledger had seen of them by yesterday at ten; of a day
that nobody watched, what the account's lag curve says that it would have had.
"""

# ruff: noqa: S608  # the parts put into SQL are literals of our own making, and names of row types

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from connectors.rows import DayTotal, Delivery
from metrics.cohorts import looks, midnights
from warehouse import ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.contract import Account, Window
    from metrics.lag import Curve, Looks
    from metrics.maturity import Maturity
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["Basis", "at_the_same_age"]

Basis: TypeAlias = Literal["ledger", "curve", "both"]
"""Where the past's figures come from: what polls saw then, the curve for days nobody watched, or both."""

Floats = npt.NDArray[np.float64]

_STREAMS: Final = {"hour": "delivery", "day": "day_totals"}
_HOUR: Final = timedelta(hours=1)


def at_the_same_age(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    asked: Mapping[AccountKey, Window],
    past: Sequence[Mapping[AccountKey, Window]],
    mature: Maturity,
    *,
    as_of: datetime | None = None,
) -> tuple[dict[str, str], Basis]:
    """Relations to put in the place of `delivery`, `day_totals` and its ledger, and what they rest on.

    asked: the windows of the present, which stay as they are. past: the periods compared with. A day is known
    as of one moment, that of the last period that touches it.
    """
    seen = {kind: looks(warehouse, stream, mature.now) for kind, stream in _STREAMS.items()}
    watched: list[str] = []
    by_hour: list[str] = []
    by_day: list[str] = []
    for key, window in asked.items():
        curve = mature.curves.get(key)
        look = seen[curve.cohort].get(key) if curve else None
        if curve is None or look is None:
            continue
        account = _Account(known[key], curve, look)
        late = account.since(window, mature.now)
        zone = known[key].timezone
        moments = {
            day: period[key].end + late for period in past if key in period for day in period[key].days(zone)
        }
        for day in moments.keys() - set(window.days(zone)):
            if account.watched(day, moments[day]):
                watched.append(f"({account.owner}, DATE '{day}', {_moment(moments[day])})")
            elif curve.cohort == "day":
                by_day += account.factors(day, moments[day])[:1]
            else:
                by_hour += account.factors(day, moments[day])
    basis: Basis = "ledger" if not (by_hour or by_day) else "both" if watched else "curve"
    return _relations(watched, by_hour, by_day, as_of), basis


@dataclass(frozen=True, slots=True)
class _Account:
    """One account's looks at its past."""

    account: Account
    curve: Curve
    looks: Looks

    @property
    def owner(self) -> str:
        """Source and account, as SQL."""
        return f"{_text(self.account.source)}, {_text(self.account.id)}"

    def since(self, window: Window, now: datetime) -> timedelta:
        """Time from the window's end to the last look at its newest hour."""
        last = self.looks.last(self._begin([window.end - _HOUR]), now.timestamp() / 3600)[0]
        if not np.isfinite(last):
            return now - window.end
        return max(datetime.fromtimestamp(last * 3600, UTC) - window.end, timedelta(0))

    def watched(self, day: date, moment: datetime) -> bool:
        """Whether every hour of the day until the moment had been looked at by then."""
        hours = self._hours(day, moment)
        begin, then = self._begin(hours), moment.timestamp() / 3600
        newest = self.looks.last(begin, then)[-1:] >= [at.timestamp() / 3600 for at in hours[-1:]]
        return bool((self.looks.first(begin) <= then).all() and newest.all())

    def factors(self, day: date, moment: datetime) -> list[str]:
        """For each hour, or for the day, what would have been known by the moment of what is known now."""
        hours = self._hours(day, moment)
        begin, then = self._begin(hours), moment.timestamp() / 3600
        known = np.maximum(self.curve.at(self.looks.last(begin, np.inf) - begin), 1e-6)
        parts = np.clip(self.curve.at(then - begin) / known, 0.0, 2.0).tolist()
        keys = (f"DATE '{day}'" if self.curve.cohort == "day" else _moment(at) for at in hours)
        return [f"({self.owner}, {key}, {part:.6f})" for key, part in zip(keys, parts, strict=True)]

    def _hours(self, day: date, moment: datetime) -> list[datetime]:
        zone = self.account.timezone
        start = datetime.combine(day, time(), zone).astimezone(UTC)
        end = min(datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC), moment)
        return [start + n * _HOUR for n in range(max(int((end - start) / _HOUR), 1))]

    def _begin(self, hours: list[datetime]) -> Floats:
        """Starts of the cohorts of hours, ascending, in hours since 1970."""
        if self.curve.cohort == "hour":
            return np.array([at.timestamp() / 3600 for at in hours])
        zone = self.account.timezone
        return midnights([at.astimezone(zone).date() for at in hours], zone)


def _relations(
    days: list[str], hour_factors: list[str], day_factors: list[str], as_of: datetime | None
) -> dict[str, str]:
    watched = _values(days, ("day", "DATE"), ("moment", "TIMESTAMPTZ"))
    current = {
        row.table: f"({ledger.as_of(row, as_of)})" if as_of else row.table for row in (Delivery, DayTotal)
    }
    unwatched = "(d.source, d.account, d.day) NOT IN (SELECT (source, account, day) FROM watched)"
    by_hour = _values(hour_factors, ("hour", "TIMESTAMPTZ"), ("factor", "DOUBLE"))
    by_day = _values(day_factors, ("day", "DATE"), ("factor", "DOUBLE"))
    then = ", ".join(
        f"CASE WHEN w.moment IS NULL THEN d.{name} * coalesce(f.factor, 1) "
        f"WHEN d.{name} IS NOT NULL THEN coalesce(CAST(t.{name} AS DOUBLE), 0) END AS {name}"
        for name in ("conversions", "conversion_value")
    )
    scaled = ", ".join(
        f"d.{name} * coalesce(f.factor, 1) AS {name}" for name in ("conversions", "conversion_value")
    )
    return {
        # Spend and clicks do not come late: they stay as they are, of the hours until that moment.
        "delivery": f"""WITH watched AS ({watched}), factors AS ({by_hour}),
earlier AS ({ledger.as_of_days(Delivery, "watched")})
SELECT d.source, d.account, d.campaign, d.hour, d.day, d.hour_of_day, d.impressions, d.clicks, d.cost,
  {then}
FROM {current["delivery"]} AS d
LEFT JOIN watched AS w ON w.source = d.source AND w.account = d.account AND w.day = d.day
LEFT JOIN earlier AS t
  ON t.source = d.source AND t.account = d.account AND t.campaign = d.campaign AND t.hour = d.hour
LEFT JOIN factors AS f ON f.source = d.source AND f.account = d.account AND f.hour = d.hour
WHERE w.moment IS NULL OR d.hour < w.moment""",
        "day_totals": f"""WITH watched AS ({watched}), factors AS ({by_day})
SELECT source, account, campaign, action, day, category, "primary",
  CAST(conversions AS DOUBLE) AS conversions, CAST(conversion_value AS DOUBLE) AS conversion_value
FROM ({ledger.as_of_days(DayTotal, "watched")})
UNION ALL
SELECT d.source, d.account, d.campaign, d.action, d.day, d.category, d."primary", {scaled}
FROM {current["day_totals"]} AS d
LEFT JOIN factors AS f ON f.source = d.source AND f.account = d.account AND f.day = d.day
WHERE {unwatched}""",
        "day_totals_ledger": f"""WITH watched AS ({watched})
SELECT l.* FROM day_totals_ledger AS l
LEFT JOIN watched AS w ON w.source = l.source AND w.account = l.account AND w.day = l.day
WHERE (w.moment IS NULL OR l.seen_to <= w.moment)"""
        + (f" AND l.seen_to <= {_moment(as_of)}" if as_of else ""),
    }


def _values(rows: list[str], *columns: tuple[str, str]) -> str:
    """A relation of source, account and two columns of these names and types, from rows in SQL."""
    typed = (("source", "VARCHAR"), ("account", "VARCHAR"), *columns)
    if not rows:
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in typed)
        return f"SELECT {nothing} WHERE false"
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS t({', '.join(name for name, _ in typed)})"


def _moment(at: datetime) -> str:
    return f"TIMESTAMPTZ '{at.astimezone(UTC).isoformat(sep=' ')}'"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
