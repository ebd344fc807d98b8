"""The figures of the Overview, worked out once for each version of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import streamlit as st

from connectors.contract import Account
from metrics import money, pacing
from metrics.compute import answer
from metrics.maturity import Maturity
from metrics.model import Metric
from metrics.plan import Question
from metrics.windows import AccountKey
from panels._course import Course, course
from panels._facts import SETTLED, Facts, Trend, facts, trend, with_intervals
from panels._view import View
from warehouse.store import Warehouse

__all__ = ["CampaignLine", "Figures", "figures"]

_METRICS: Final = ("spend", "revenue", "conversions", "cpa", "roas")


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """A campaign's line in the table; money in units of the scope's currency."""

    source: str
    account: str
    campaign: str
    name: str
    channel: str
    spend: float
    conversions: float
    revenue: float
    pace: pacing.Pace | None
    trend: tuple[float, ...]
    """Spend by the hour on the account's clock, over the day so far."""

    @property
    def roas(self) -> float | None:
        """Revenue over spend."""
        return self.revenue / self.spend if self.spend > 0 else None


@dataclass(frozen=True, slots=True)
class Figures:
    """What the Overview shows.

    told, steps: of the window. pace, course: of all accounts' present day (of the moment that is replayed);
    None where no source has said anything of it. metrics: the definitions that the campaigns follow.
    """

    view: View
    told: Facts
    steps: Trend
    pace: pacing.Pace | None
    course: Course | None
    campaigns: tuple[CampaignLine, ...]
    metrics: Mapping[str, Metric]


def figures(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    view: View,
    defined: Mapping[str, Metric],
    mature: Maturity,
) -> Figures:
    """The Overview of a view. defined: every metric. mature: how late conversions are.

    Raises MissingRate.
    """
    chosen = [defined[name] for name in _METRICS]
    chosen += [defined[SETTLED[name]] for name in _METRICS if name in SETTLED]
    options: dict[str, Any] = {"as_of": view.as_of, "currency": view.convert}
    campaign = ("source", "account", "campaign")
    sums = tuple(defined[name] for name in ("spend", "conversions", "revenue"))
    by_campaign = answer(warehouse, Question(sums, campaign, **options), [[dict(view.windows)]], known)
    by_hour = answer(
        warehouse, Question(sums[:1], (*campaign, "hour_of_day"), **options), [[dict(view.today)]], known
    )
    day = _day(warehouse, known, view)
    told = facts(warehouse, known, chosen, view, relations=mature.relations)
    return Figures(
        view=view,
        told=with_intervals(told, warehouse, view, mature),
        steps=trend(warehouse, known, chosen, view, relations=mature.relations),
        pace=day.total(list(view.today)),
        course=course(day.accounts, view.today, known),
        campaigns=_lines(warehouse, by_campaign, by_hour, day),
        metrics={name: defined[name] for name in _METRICS},
    )


def _day(warehouse: Warehouse, known: Mapping[AccountKey, Account], view: View) -> pacing.Day:
    """The day's pace; in one currency, by the rate of each account's day, where one is given."""
    memory = _memory(warehouse, view) if view.as_of is None else None
    day = pacing.day(warehouse, known, view.today, as_of=view.as_of, memory=memory)
    if view.convert is None:
        return day
    rates = {
        key: money.rate(
            warehouse,
            known[key].currency,
            view.convert,
            window.start.astimezone(known[key].timezone).date(),
        )
        for key, window in view.today.items()
    }
    return pacing.Day(
        {key: pace.converted(rates[key]) for key, pace in day.accounts.items()},
        {key: pace.converted(rates[key[:2]]) for key, pace in day.campaigns.items()},
    )


def _memory(warehouse: Warehouse, view: View) -> pacing.Memory | None:
    """Where what the days before say is kept: for an hour, and until a backfill has brought more of them."""
    if not view.today:
        return None
    first = min(window.start for window in view.today.values())
    (row,) = warehouse.query(
        "SELECT count(*) AS rows FROM delivery WHERE hour < $first", {"first": first}
    ).to_pylist()
    return days_before(view.as_known.replace(minute=0), row["rows"])


@st.cache_resource(max_entries=4, show_spinner=False)
def days_before(hour: datetime, rows: int) -> pacing.Memory:
    """What was learned of the days before, filled by whoever asks first."""
    del hour, rows
    return {}


def _lines(
    warehouse: Warehouse, by_campaign: pa.Table, by_hour: pa.Table, day: pacing.Day
) -> tuple[CampaignLine, ...]:
    names = {
        (r["source"], r["account"], r["campaign"]): (r["name"], r["channel"])
        for r in warehouse.query("SELECT source, account, campaign, name, channel FROM campaign").to_pylist()
    }
    trends: dict[tuple[str, str, str], dict[int, float]] = {}
    for row in by_hour.to_pylist():
        trends.setdefault((row["source"], row["account"], row["campaign"]), {})[row["hour_of_day"]] = row[
            "spend"
        ]
    lines = []
    for row in by_campaign.to_pylist():
        key = (row["source"], row["account"], row["campaign"])
        name, channel = names.get(key, (row["campaign"], ""))
        hours = trends.get(key, {})
        trend = tuple(hours.get(h, 0.0) for h in range(max(hours, default=-1) + 1))
        lines.append(
            CampaignLine(
                *key,
                name,
                channel,
                row["spend"] or 0.0,
                row["conversions"] or 0.0,
                row["revenue"] or 0.0,
                day.campaigns.get(key),
                trend,
            )
        )
    return tuple(sorted(lines, key=lambda line: -line.spend))
