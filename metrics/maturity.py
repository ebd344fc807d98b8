"""Conversions arrive late: what figures will come to once settled, and how sure that is.

What an account's lag curve (`metrics.lag`) says is still to come is added at the usual conversion rate
(`metrics.estimate`). How good that was: `metrics.hindsight`; docs/provisional.md explains it.

    maturity = learned(warehouse, known, now)                      # once a version of the data
    evaluate(…, [book["settled_cpa"]], …, relations=maturity.relations)
    intervals(warehouse, maturity, window, by=("campaign",))       # with 80 % intervals
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Window
from metrics.cohorts import credits_of, curves, looks, midnights
from metrics.compute import evaluate
from metrics.dimensions import resolve
from metrics.estimate import DISPERSION, Settled, settle, settled, usual_rate
from metrics.lag import AGES, PRIOR, Curve
from metrics.model import load
from metrics.money import MixedCurrencies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.contract import Account
    from metrics.dimensions import Convention
    from metrics.model import Metric
    from metrics.windows import AccountKey, Windows
    from warehouse.store import Warehouse

__all__ = [
    "AGES",
    "PRIOR",
    "Curve",
    "Maturity",
    "Settled",
    "completed",
    "curves",
    "intervals",
    "learned",
    "settle",
    "usual_rate",
]

Floats = npt.NDArray[np.float64]

_YOUNG: Final = timedelta(days=45)
"""Hours older than this are taken as they are."""

_SETTLED: Final = 0.0005
"""A share still to come (or to be taken back) below which an hour is taken as it is."""

_REFERENCE: Final = timedelta(days=14)
"""Time from which usual rates are taken."""

_PRIOR: Final = 15.0
"""Conversions at which a campaign's own value and share of leads count as much as its account's."""

_VALUE_SPREAD: Final = 0.75
"""Standard deviation of a conversion's value over its mean."""


@dataclass(frozen=True, slots=True)
class Maturity:
    """How complete each account's hours are as of `now`, and what usually comes of a click.

    relations: what the view `settled` reads: `completeness` by source, account and hour (of a click's
    conversions, the shares `late`, `lost` and `doubt`; hours that are not there are complete), `usual_rates`
    by source, account and campaign (`rate` a click, `worth` in micros, `leads` and `noise` a conversion).
    """

    now: datetime
    curves: Mapping[AccountKey, Curve]
    relations: Mapping[str, pa.Table]

    def complete(self, key: AccountKey, hours: Sequence[datetime]) -> Floats:
        """Completeness of an account's hours (their starts, aware): of a click's conversions, the share that
        is known. Above 1 where more will be taken back than is still to come.
        """
        young = self.relations["completeness"]
        young = young.filter((pc.field("source") == key[0]) & (pc.field("account") == key[1]))
        shares = pc.subtract(young["lost"], young["late"]).to_numpy()
        known = young["hour"].cast(pa.int64()).to_numpy()  # in order, in microseconds
        wanted = np.array([round(hour.timestamp() * 1e6) for hour in hours], dtype=np.int64)
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        if not len(known):
            return np.ones(len(wanted))
        return np.asarray(1 + np.where(known[place] == wanted, shares[place], 0.0))


def learned(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    now: datetime,
    *,
    as_of: datetime | None = None,
) -> Maturity:
    """The maturity of the accounts at `now`: their curves from the ledger, the age at which each hour was
    last looked at, usual rates of the last two weeks. Learn it once a version of the data.

    as_of: the same moment, to learn from nothing but what was known then.
    """
    found = completed(warehouse, known, now)
    usual = _usual(warehouse, known, now, found.relations, as_of)
    return replace(found, relations={**found.relations, "usual_rates": usual})


def completed(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    now: datetime,
    found: Mapping[AccountKey, Curve] | None = None,
    since: datetime | None = None,
) -> Maturity:
    """As `learned`, without the usual rates: for whoever asks how complete hours are, and nothing else.

    found: curves that were learned lately, for whoever asks often. since: the first hour that is asked about.
    """
    found = curves(warehouse, known, now) if found is None else found
    first = max(since or now - _YOUNG, now - _YOUNG)
    return Maturity(now, found, {"completeness": _completeness(warehouse, known, found, now, first)})


def _completeness(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    found: Mapping[AccountKey, Curve],
    now: datetime,
    since: datetime,
) -> pa.Table:
    hours = warehouse.query(
        """SELECT source, account, day, hour FROM delivery WHERE hour >= $since AND hour < $now
        GROUP BY ALL ORDER BY source, account, hour""",
        {"since": since, "now": now},
    )
    owner = list(zip(hours["source"].to_pylist(), hours["account"].to_pylist(), strict=True))
    edges = [n for n in range(len(owner)) if n == 0 or owner[n] != owner[n - 1]] + [len(owner)]
    seen = {kind: looks(warehouse, stream, now) for kind, stream in _STREAMS.items()}
    moment = now.timestamp() / 3600
    parts: list[pa.Table] = []
    for start, end in pairwise(edges):
        key, part = owner[start], hours.slice(start, end - start)
        if key in found:
            curve = found[key]
            begin = part["hour"].cast(pa.int64()).to_numpy() / 3.6e9
            if curve.cohort == "day":
                begin = midnights(part["day"].to_pylist(), known[key].timezone)
            every = seen[curve.cohort].get(key)
            last = every.last(begin, moment) if every else np.full(len(begin), moment)
            parts.append(_shares(part, curve, np.maximum(last - begin, 0.0)))
    return pa.concat_tables(parts) if parts else _shares(hours.slice(0, 0), None, np.zeros(0))


_STREAMS: Final = {"hour": "delivery", "day": "day_totals"}
"""The stream that brings the conversions of each kind of cohort."""


def _shares(part: pa.Table, curve: Curve | None, age: Floats) -> pa.Table:
    """The hours that are not complete at these ages, with what is still to come."""
    curve = curve or Curve(PRIOR, np.zeros_like(PRIOR), 0.0)
    lost = curve.withdrawn_at(age)
    late = np.maximum(1 - curve.at(age) + lost, 0.0)
    columns = {name: part[name] for name in ("source", "account", "hour")}
    columns |= {"late": late, "lost": lost, "doubt": curve.error_at(age)}
    return pa.table(columns).filter(pa.array((late > _SETTLED) | (lost > _SETTLED)))


@lru_cache(maxsize=1)
def _base() -> Metric:
    return load()["settled_conversions"]


@lru_cache(maxsize=32)
def _sum(name: str) -> Metric:
    """A sum over a column of the view: a part of the estimate, and no metric of its own."""
    return replace(_base(), name=name, sql=f"sum({name})")


def _no_rates() -> pa.Table:
    """Made when asked for: a first array makes pyarrow import pandas, which few of our processes need."""
    names = {**dict.fromkeys(_CAMPAIGN, pa.string()), **dict.fromkeys(_USUAL, pa.float64())}
    return pa.schema(list(names.items())).empty_table()


_CAMPAIGN: Final = ("source", "account", "campaign")
_USUAL: Final = ("rate", "worth", "leads", "noise")


_OWNER: Final = ("source", "account")


def _usual(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    now: datetime,
    relations: Mapping[str, pa.Table],
    as_of: datetime | None,
) -> pa.Table:
    """What usually comes of a campaign's click, shrunk to its account's, which is known from more."""
    table = evaluate(
        warehouse,
        [_sum("conversions"), _sum("matured_clicks"), _sum("conversion_value"), _sum("settled_leads")],
        dict.fromkeys(known, Window(now - _REFERENCE, now)),
        ("campaign",),
        as_of=as_of,
        relations={**relations, "usual_rates": _no_rates()},
    )
    if not table.num_rows:
        return _no_rates()
    credit = credits_of(warehouse, now)
    owner = pc.binary_join_element_wise(table["source"], table["account"], "/").to_numpy(zero_copy_only=False)
    _, of = np.unique(owner, return_inverse=True)
    conversions, clicks, value, leads = (
        np.asarray(table[m].to_numpy(), dtype=float)
        for m in ("conversions", "matured_clicks", "conversion_value", "settled_leads")
    )
    rate = np.zeros(len(of))
    for n in range(of.max() + 1):
        rate[of == n] = usual_rate(conversions[of == n], clicks[of == n])
    return pa.table(
        {
            **{name: table[name] for name in ("source", "account", "campaign")},
            "rate": rate,
            "worth": _each(value, conversions, of),
            "leads": _each(leads, conversions, of),
            "noise": [
                credit.get(key, 1.0) for key in zip(*(table[n].to_pylist() for n in _OWNER), strict=True)
            ],
        }
    )


def _each(part: Floats, whole: Floats, of: npt.NDArray[np.int64]) -> Floats:
    """Part over whole of each row, shrunk to that of all rows of its group."""
    total = np.maximum(np.bincount(of, whole), 1e-9)
    pooled = np.bincount(of, part) / total
    return np.asarray((part + _PRIOR * pooled[of]) / (whole + _PRIOR))


def intervals(
    warehouse: Warehouse,
    maturity: Maturity,
    window: Windows,
    by: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
    where: Mapping[str, Any] | None = None,
    currency: str | None = None,
    convention: Convention | None = None,
) -> pa.Table:
    """Settled conversions, CPA and ROAS with their 80 % intervals: one row a group, as `evaluate`'s.

    Columns beside the dimensions and `currency`: `known` (conversions so far, their share of the estimate is
    `completeness`), `spend`, `revenue` (so far), and for each NAME of settled_conversions, settled_cpa and
    settled_roas also NAME_low and NAME_high. NULL where a ratio is over nothing; a CPA's high end is NULL
    where nothing may come at all. All else as in `evaluate`.
    """
    found = evaluate(
        warehouse,
        [_sum(name) for name in _PARTS],
        window,
        (*by, "campaign"),
        as_of=as_of,
        where=where,
        currency=currency,
        convention=convention,
        relations=maturity.relations,
    )
    keys = [name for d in resolve(by, _base().view, convention) for name in d.columns]
    table = _grouped(found, list(dict.fromkeys(keys)))
    n = {name: np.asarray(table[name].to_numpy(), dtype=float) for name in (*_PARTS, "wander")}
    more = n["wander"] + n["doubt"] ** 2
    said = settled(n["conversions"], n["late"], n["lost"], noise=n["noise"], more=more)
    cost, revenue = n["cost"] / 1e6, n["conversion_value"] / 1e6
    gross = np.maximum(n["late"], 1e-9)
    worth = n["late_value"] / 1e6 / gross
    coming = (n["late_value"] - n["lost_value"]) / 1e6
    # Values differ from one conversion to the next: that adds to the doubt about how many there will be.
    wider = np.sqrt(1 + _VALUE_SPREAD**2)
    worths = [
        np.maximum(revenue + coming + (end - said.mid) * worth * wider, 0.0) for end in (said.low, said.high)
    ]
    columns = {
        "known": n["conversions"],
        "completeness": said.completeness,
        "spend": cost,
        "revenue": revenue,
        "settled_conversions": said.mid,
        "settled_conversions_low": said.low,
        "settled_conversions_high": said.high,
        "settled_cpa": _ratio(cost, said.mid),
        "settled_cpa_low": _ratio(cost, said.high),
        "settled_cpa_high": _ratio(cost, said.low),
        "settled_roas": _ratio(np.maximum(revenue + coming, 0.0), cost),
        "settled_roas_low": _ratio(worths[0], cost),
        "settled_roas_high": _ratio(worths[1], cost),
    }
    table = table.drop_columns([*_PARTS, "wander"])
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, pa.float64(), from_pandas=True))
    return table


_PARTS: Final = (
    *("conversions", "late", "lost", "doubt", "noise"),
    *("cost", "conversion_value", "late_value", "lost_value"),
)


def _grouped(found: pa.Table, keys: list[str]) -> pa.Table:
    """Campaigns added up to groups; `wander`: the variance of rates that change campaign by campaign.

    Raises MixedCurrencies.
    """
    late = np.asarray(found["late"].to_numpy(), dtype=float)
    found = found.append_column("wander", pa.array(DISPERSION * late**2))
    sums = [(name, "sum") for name in (*_PARTS, "wander")]
    table = found.group_by(keys).aggregate([*sums, ("currency", "min"), ("currency", "max")])
    if not found.num_rows and not keys:
        nothing = {name: pa.array([0.0]) for name in (*_PARTS, "wander")}
        return pa.table({**nothing, "currency": [""]})
    names = {f"{name}_sum": name for name in (*_PARTS, "wander")} | {"currency_min": "currency"}
    pairs = zip(table["currency_min"].to_pylist(), table["currency_max"].to_pylist(), strict=True)
    if mixed := {name for pair in pairs if pair[0] != pair[1] for name in pair}:
        raise MixedCurrencies(mixed)
    table = table.drop_columns(["currency_max"]).rename_columns(
        [names.get(name, name) for name in table.column_names if name != "currency_max"]
    )
    return table.sort_by([(key, "ascending") for key in keys]) if keys else table


def _ratio(over: Floats, under: Floats) -> Floats:
    return np.asarray(np.where(under > 0, over / np.where(under > 0, under, 1.0), np.nan))
