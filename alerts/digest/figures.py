"""The figures of a digest: what was earned and spent, against plan, the usual and the days before.

Days are each account's own. Conversions of young days are taken at what they will come to
(docs/provisional.md): otherwise every morning's ROAS would be the worst in a month.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from alerts.digest.audience import Kind, span
from metrics import flight, maturity, money, windows
from metrics.compute import evaluate, series

if TYPE_CHECKING:
    from connectors.contract import Account
    from metrics.flight import FlightPace
    from metrics.flights import SpendPlan
    from metrics.model import Metric
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["Figures", "Ground", "Kpi", "Mover", "gather"]

Floats = npt.NDArray[np.float64]

_BEFORE: Final[Mapping[Kind, int]] = {"daily": 28, "weekly": 8}
"""Steps before the digest's own from which the normal range is taken."""
_BASE: Final[Mapping[Kind, int]] = {"daily": 7, "weekly": 1}
"""Of these, the last ones that a change is told against."""
_ENOUGH: Final[Mapping[Kind, int]] = {"daily": 10, "weekly": 4}
"""Steps with data below which nothing is called normal."""
_RANGE: Final = (0.1, 0.9)
_MOVERS: Final = 3


@dataclass(frozen=True, slots=True)
class Ground:
    """What digests are made from. currency: of several currencies together. plans: as the team wrote them."""

    warehouse: Warehouse
    metrics: Mapping[str, Metric]
    currency: str
    plans: Sequence[SpendPlan] = ()


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure beside the usual one, in its metric's unit; None where it is over nothing.

    low, high: the normal range, the middle 80 % of the steps before. better: higher, lower, or "" where
    neither is. worst: it is worse than every step before.
    """

    name: str
    value: float | None
    before: float | None
    low: float | None = None
    high: float | None = None
    better: str = ""
    worst: bool = False

    @property
    def change(self) -> float | None:
        """Relative to `before`."""
        if self.value is None or not self.before:
            return None
        return self.value / self.before - 1

    @property
    def usual(self) -> bool | None:
        """Whether it lies in the normal range; None where there is none."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return self.low <= self.value <= self.high

    @property
    def state(self) -> str:
        """good, warn, bad; none where nothing can be said."""
        if self.value is None or self.low is None or self.high is None or not self.better:
            return "none"
        off = self.value < self.low if self.better == "higher" else self.value > self.high
        return ("bad" if self.worst else "warn") if off else "good"


@dataclass(frozen=True, slots=True)
class Mover:
    """A campaign whose result moved. now, before: a day's (or the week's) result; spend likewise."""

    source: str
    account: str
    campaign: str
    name: str
    now: float
    before: float
    spend: float
    spend_before: float

    @property
    def delta(self) -> float:
        """By how much the result moved."""
        return self.now - self.before


@dataclass(frozen=True, slots=True)
class Figures:
    """A digest in numbers; money in units of `currency`.

    first, last: the days it is about. kpis: spend, roas, cpa, conversions, by name. result: what movers are
    ranked by, revenue or conversions. known: the share of the conversions that is known already.
    incomplete: accounts whose last day is not over or not all there, with the hour of its watermark.
    left_out: accounts that are not in the totals, and why.
    """

    kind: Kind
    first: date
    last: date
    currency: str
    accounts: Mapping[AccountKey, Account]
    until: Mapping[AccountKey, datetime]
    kpis: Mapping[str, Kpi]
    result: str
    known: float
    up: tuple[Mover, ...]
    down: tuple[Mover, ...]
    paces: tuple[FlightPace, ...]
    days: Mapping[date, float] = field(default_factory=dict)
    """Spend by step, oldest first."""
    incomplete: Mapping[str, datetime] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def gather(
    ground: Ground, accounts: Mapping[AccountKey, Account], kind: Kind, now: datetime
) -> Figures | None:
    """The figures up to the day before `now` (aware, in the team's zone); None without any data.

    An account whose money cannot be converted is left out of the totals, and named.
    """
    warehouse = ground.warehouse
    until = windows.watermarks(warehouse, accounts)
    if not until:
        return None
    last = now.date() - timedelta(days=1)
    steps = span(kind)
    begin = last + timedelta(days=1) - steps * (_BEFORE[kind] + 1)
    counted, currency, left_out = _counted(ground, {k: accounts[k] for k in until}, begin, last)
    if not counted:
        return None
    mature = maturity.learned(warehouse, counted, now.astimezone(UTC))
    options: dict[str, Any] = {"currency": currency, "relations": mature.relations}
    table = series(
        warehouse,
        [ground.metrics[n] for n in ("spend", "conversions", "settled_conversions", "settled_roas")],
        windows.days(counted, begin, last),
        step=steps,
        **options,
    )
    at: list[date] = table["at"].to_pylist()
    spend, raw, sales = (_column(table, n) for n in ("spend", "conversions", "settled_conversions"))
    revenue = _column(table, "settled_roas") * spend
    data_from = _first_day(warehouse, counted)
    there = np.array([data_from is not None and day >= data_from for day in at])
    there[-1] = True
    kpis = _kpis(kind, there, spend, sales, revenue)
    result = "revenue" if revenue[there].sum() > 0 else "conversions"
    up, down = _movers(
        ground, counted, kind, last=last, result=result, options=options, any_before=bool(there[:-1].any())
    )
    paces = flight.flights(warehouse, accounts, ground.plans or flight.by_budgets(accounts), now)
    return Figures(
        kind=kind,
        first=last + timedelta(days=1) - steps,
        last=last,
        currency=currency,
        accounts=accounts,
        until=until,
        kpis=kpis,
        result=result,
        known=float(raw[-1] / sales[-1]) if sales[-1] > 0 else 1.0,
        up=up,
        down=down,
        paces=tuple(p for p in paces if p.accounts or p.waiting or p.refused),
        days=dict(zip(at, spend.tolist(), strict=True)),
        incomplete=_incomplete(accounts, until, last),
        left_out=left_out,
    )


def _counted(
    ground: Ground, accounts: Mapping[AccountKey, Account], first: date, last: date
) -> tuple[dict[AccountKey, Account], str, dict[str, str]]:
    """The accounts in the totals, the totals' currency, and who is left out: one currency stays as it is."""
    currencies = {a.currency for a in accounts.values()}
    if len(currencies) == 1:
        return dict(accounts), currencies.pop(), {}
    rates = money.rates(ground.warehouse, currencies, ground.currency, first, last)
    rated = set(zip(rates.currency, rates.day, strict=True)) | {
        (ground.currency, first + timedelta(days=n)) for n in range((last - first).days + 1)
    }
    spent = ground.warehouse.query(
        "SELECT DISTINCT source, account, day FROM delivery WHERE day BETWEEN $first AND $last AND cost <> 0",
        {"first": first, "last": last},
    ).to_pylist()
    left_out: dict[AccountKey, str] = {}
    for row in sorted(spent, key=lambda r: r["day"], reverse=True):
        key = (row["source"], row["account"])
        if key in accounts and (accounts[key].currency, row["day"]) not in rated:
            left_out[key] = f"no rate from {accounts[key].currency} to {ground.currency} on {row['day']}"
    counted = {key: account for key, account in accounts.items() if key not in left_out}
    return counted, ground.currency, {accounts[key].name: why for key, why in left_out.items()}


def _kpis(
    kind: Kind, there: npt.NDArray[np.bool_], spend: Floats, sales: Floats, revenue: Floats
) -> dict[str, Kpi]:
    base = np.flatnonzero(there[:-1])[-_BASE[kind] :]
    found = {}
    for name, over, under, better in (
        ("spend", spend, None, ""),
        ("roas", revenue, spend, "higher"),
        ("cpa", spend, sales, "lower"),
        ("conversions", sales, None, "higher"),
    ):
        each = over if under is None else _ratio(over, under)
        held = each[:-1][there[:-1]]
        held = held[~np.isnan(held)]
        value = float(each[-1]) if not np.isnan(each[-1]) else None
        if not base.size:
            before = None
        elif under is None:
            before = float(over[base].mean())
        else:
            part = _ratio(over[base].sum(keepdims=True), under[base].sum(keepdims=True))[0]
            before = None if np.isnan(part) else float(part)
        low = high = None
        worst = False
        if held.size >= _ENOUGH[kind]:
            low, high = (float(q) for q in np.quantile(held, _RANGE))
            if value is not None:
                worst = value < held.min() if better == "higher" else value > held.max()
        found[name] = Kpi(name, value, before, low, high, better, bool(worst and better))
    return found


def _movers(
    ground: Ground,
    counted: Mapping[AccountKey, Account],
    kind: Kind,
    *,
    last: date,
    result: str,
    options: Mapping[str, Any],
    any_before: bool,
) -> tuple[tuple[Mover, ...], tuple[Mover, ...]]:
    """The campaigns whose result rose and fell the most against the base, three of each."""
    if not any_before:
        return (), ()
    steps = span(kind)
    first = last + timedelta(days=1) - steps
    chosen = [ground.metrics[n] for n in ("spend", "settled_conversions", "settled_roas")]
    by = ("source", "account", "campaign")
    now, before = (
        {
            (row["source"], row["account"], row["campaign"]): row
            for row in evaluate(ground.warehouse, chosen, span_, by, **options).to_pylist()
        }
        for span_ in (
            windows.days(counted, first, last),
            windows.days(counted, first - steps * _BASE[kind], first - timedelta(days=1)),
        )
    )
    names = {
        (r["source"], r["account"], r["campaign"]): r["name"]
        for r in ground.warehouse.query("SELECT source, account, campaign, name FROM campaign").to_pylist()
    }
    found = []
    for key in now.keys() | before.keys():
        after, old = now.get(key, {}), before.get(key, {})
        found.append(
            Mover(
                *key,
                names.get(key, key[2]),
                _result(after, result),
                _result(old, result) / _BASE[kind],
                after.get("spend") or 0.0,
                (old.get("spend") or 0.0) / _BASE[kind],
            )
        )
    found.sort(key=lambda m: (-m.delta, m.name))
    up = tuple(m for m in found[:_MOVERS] if m.delta > 0)
    down = tuple(m for m in reversed(found[-_MOVERS:]) if m.delta < 0)
    return up, down


def _result(row: Mapping[str, Any], result: str) -> float:
    if result == "revenue":
        return float((row.get("settled_roas") or 0.0) * (row.get("spend") or 0.0))
    return float(row.get("settled_conversions") or 0.0)


def _incomplete(
    accounts: Mapping[AccountKey, Account], until: Mapping[AccountKey, datetime], last: date
) -> dict[str, datetime]:
    """Accounts whose last day is not all there, with their watermark on their own clock."""
    ends = windows.days(accounts, last, last)
    return {
        accounts[key].name: at.astimezone(accounts[key].timezone)
        for key, at in until.items()
        if at < ends[key].end
    }


def _first_day(warehouse: Warehouse, counted: Mapping[AccountKey, Account]) -> date | None:
    """The first whole day on which every account has data."""
    rows = warehouse.query("SELECT source, account, min(day) AS day FROM delivery GROUP BY ALL").to_pylist()
    found = [row["day"] for row in rows if (row["source"], row["account"]) in counted]
    return max(found) + timedelta(days=1) if found else None


def _column(table: Any, name: str) -> Floats:
    return np.asarray(np.nan_to_num(table[name].to_numpy(zero_copy_only=False).astype(float)))


def _ratio(over: Floats, under: Floats) -> Floats:
    """NaN where there is nothing below."""
    return np.asarray(np.divide(over, under, out=np.full(over.shape, np.nan), where=under > 0))
