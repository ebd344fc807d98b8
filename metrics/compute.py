"""Figures: every metric of a question in one statement, as one number per group or as a series in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors.contract import Window
from metrics import money, windows
from metrics.plan import Plan, Question, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from connectors.contract import Account
    from metrics.aggregate import Aggregate
    from metrics.dimensions import Convention
    from metrics.model import Grain, Metric
    from metrics.plan import Relation
    from metrics.windows import AccountKey, Windows
    from warehouse.store import Warehouse

__all__ = ["answer", "evaluate", "series", "statement"]

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_FINEST: Final[Mapping[Grain, timedelta]] = {"moment": timedelta(minutes=1), "hour": _HOUR, "day": _DAY}


def evaluate(
    warehouse: Warehouse,
    metrics: Iterable[Metric],
    window: Windows,
    by: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
    where: Mapping[str, Any] | None = None,
    currency: str | None = None,
    convention: Convention | None = None,
    relations: Mapping[str, Relation] | None = None,
) -> pa.Table:
    """One row a group, ordered by group: its dimensions, a DOUBLE column a metric, and `currency`.

    window: one for all accounts or one for each (windows.today …). A view by the day answers for every
        local day that the window touches.
    by: dimensions (dimensions.DIMENSIONS and the convention's); () gives exactly one row.
    as_of: as it was known then, from the ledger; None: as it is known now.
    where: dimension -> value or values. currency: convert money to it by the rate of each row's day.
    `currency` is there where a metric reads money: its currency, "" where no account is known.
    A sum without rows is 0, a ratio over nothing is NULL, percent is a fraction.
    Raises MixedCurrencies, MissingRate, UnknownDimension.
    """
    question = Question(tuple(metrics), tuple(by), where or {}, as_of, currency, convention, relations or {})
    return answer(warehouse, question, [[window]])


def answer(
    warehouse: Warehouse,
    question: Question,
    slots: Sequence[Sequence[Windows]],
    known: Mapping[AccountKey, Account] | None = None,
) -> pa.Table:
    """`evaluate` over several sets of windows at once: of the n-th, n > 0, columns end in `__n`.

    Where there are several, a column `VIEW_first` holds the first moment (or day) of a group in the second.
    """
    plan = Plan(warehouse, question, slots, known)
    sql, params = statement(plan)
    return _tidy(plan, warehouse.query(sql, params))


def statement(plan: Plan) -> tuple[str, dict[str, Any]]:
    """The SQL of `answer` and its parameters."""
    several = len(plan.slots) > 1
    found = [plan.sums(v, {"moment": f"v.{v.time}"} if several else {}) for v in plan.views()]
    for sums in found:
        columns = [f"by_{key}" for key in sums.keys]
        many = len(plan.slots) > 2
        for slot in range(len(plan.slots)):
            inside = f"slot_{slot}" if several else ""
            calls = [_regrouped(sums, a, inside) if many else a.part(inside) for a in sums.aggregates]
            columns += [
                f"{a.value(call)} AS {sums.column(a, slot)}"
                for a, call in zip(sums.aggregates, calls, strict=True)
            ]
        if several:
            columns.append(f"min(moment) FILTER (WHERE slot_1) AS {sums.view.name}_first")
        columns += _checks(plan, sums)
        relation = _parted(plan, sums) if many else sums.asked
        plan.relations[f"{sums.view.name}_sums"] = _grouped(sums, columns, relation)
    named = [
        f"{_of(found, metric).value(metric, slot, joined=len(found) > 1)} AS {metric.name}"
        + (f"__{slot}" if slot else "")
        for slot in range(len(plan.slots))
        for metric in plan.question.metrics
    ]
    if several:
        named += [f"{sums.view.name}_first" for sums in found]
    keys = [f"by_{key}" for key in found[0].keys]
    return plan.text(
        _select(plan, found, "sums", keys=keys, shown={k: k.removeprefix("by_") for k in keys}, named=named)
    )


def series(
    warehouse: Warehouse,
    metrics: Iterable[Metric],
    window: Windows,
    *,
    step: timedelta = _HOUR,
    rolling: timedelta | None = None,
    by: Sequence[str] = (),
    as_of: datetime | None = None,
    where: Mapping[str, Any] | None = None,
    currency: str | None = None,
    convention: Convention | None = None,
    relations: Mapping[str, Relation] | None = None,
) -> pa.Table:
    """One row a group and step, every step present: the dimensions, `at`, the metrics, `currency`.

    step: a part of a day, counted from the window's start (`at` is the step's start, UTC); or whole days,
        counted on each account's calendar whatever the clock does (`at` is the first local day, a date).
    rolling: each figure covers this much time up to the end of its step; None: the step alone.
    A silent step is 0 for sums and NULL for ratios; so is one past an account's own window.
    All else as in `evaluate`. Raises ValueError for a step finer than a view's grain, or a rolling span
    that is not whole steps.
    """
    rolling = rolling or step
    if step <= timedelta(0) or rolling % step or rolling < step:
        raise ValueError(f"a rolling span of {rolling} is not a whole number of steps of {step}")
    if step > _DAY and step % _DAY:
        raise ValueError(f"a step of {step} is neither part of a day nor whole days")
    question = Question(tuple(metrics), tuple(by), where or {}, as_of, currency, convention, relations or {})
    for metric in question.metrics:
        if step < _FINEST[metric.view.grain]:
            raise ValueError(
                f"{metric.name} is known by the {metric.view.grain}: a step of {step} is finer than that"
            )
    known = windows.accounts(warehouse, where)
    grid = _grid(known, window, step, rolling // step - 1)
    plan = Plan(warehouse, question, [[grid.windows]], known)
    sql, params = _rolled(plan, grid, rolling // step - 1)
    return _tidy(plan, warehouse.query(sql, params))


@dataclass(frozen=True, slots=True)
class _Grid:
    """Steps from `-before` to `count - 1`; step 0 starts at `origin`. Whole days where `days` is not 0."""

    windows: Windows
    origin: datetime
    first_day: date
    step: timedelta
    count: int
    days: int


def _grid(known: Mapping[AccountKey, Account], asked: Windows, step: timedelta, before: int) -> _Grid:
    shown = windows.hull(windows.spans(asked, known, "day"))
    origin, end = shown.window.start, shown.window.end
    days = step.days if step >= _DAY else 0
    if not days:
        back = before * step
        if isinstance(asked, Window):
            reach: Windows = Window(asked.start - back, asked.end)
        else:
            reach = {key: Window(w.start - back, w.end) for key, w in asked.items()}
        return _Grid(reach, origin, shown.first_day, step, -((origin - end) // step), 0)
    each = dict.fromkeys(known, asked) if isinstance(asked, Window) else asked
    reach = {key: windows.earlier(w, before * days, known[key].timezone) for key, w in each.items()}
    count = -(-((shown.last_day - shown.first_day).days + 1) // days)
    return _Grid(reach or asked, origin, shown.first_day, step, count, days)


def _rolled(plan: Plan, grid: _Grid, before: int) -> tuple[str, dict[str, Any]]:
    """Sums by step, on a dense spine of steps for every group, then rolled by whole steps."""
    zero = plan.bind(grid.first_day if grid.days else grid.origin.timestamp())
    size = plan.bind(grid.days or grid.step.total_seconds())
    steps = f"SELECT unnest(range({plan.bind(-before)}, {plan.bind(grid.count)})) AS step"
    plan.relations["steps"] = steps
    found = []
    for view in plan.views():
        passed = f"v.day - {zero}" if grid.days else f"epoch(v.{view.time}) - {zero}"
        sums = plan.sums(view, {"step": f"CAST(floor(({passed}) / {size}) AS BIGINT)"})
        found.append(sums)
        keys = [f"by_{key}" for key in sums.keys]
        calls = [f"{a.part()} AS {sums.column(a)}" for a in sums.aggregates]
        name = view.name
        stepped = ", ".join([*keys, "step"])
        plan.relations[f"{name}_steps"] = (
            f"SELECT {', '.join([stepped, *calls])}\nFROM {sums.asked}\nGROUP BY {stepped}"
        )
        plan.relations[f"{name}_groups"] = _grouped(sums, [*keys, *_checks(plan, sums), "count(*) AS number"])
        same = " AND ".join([*(f"s.{key} = g.{key}" for key in keys), "s.step = t.step"])
        frame = f"PARTITION BY {', '.join(f'g.{k}' for k in keys)}" if keys else ""
        results = [
            f"{a.value(a.whole(f's.{sums.column(a)}', 'OVER w'))} AS {sums.column(a)}"
            for a in sums.aggregates
        ]
        plan.relations[f"{name}_rolled"] = (
            f"SELECT g.*, t.step, {', '.join(results)}\n"
            f"FROM {name}_groups AS g CROSS JOIN steps AS t LEFT JOIN {name}_steps AS s ON {same}\n"
            f"WINDOW w AS ({frame} ORDER BY t.step ROWS BETWEEN {before} PRECEDING AND CURRENT ROW)"
        )
    at = f"{zero} + CAST(step * {size} AS INTEGER)" if grid.days else f"to_timestamp({zero} + step * {size})"
    keys = [f"by_{key}" for key in found[0].keys]
    shown = {**{k: k.removeprefix("by_") for k in keys}, at: "at"}
    named = [f"{_of(found, m).value(m, joined=len(found) > 1)} AS {m.name}" for m in plan.question.metrics]
    return plan.text(
        _select(plan, found, "rolled", keys=[*keys, "step"], shown=shown, named=named, where="step >= 0")
    )


def _of(found: Sequence[Sums], metric: Metric) -> Sums:
    return next(sums for sums in found if sums.view is metric.view)


def _parted(plan: Plan, sums: Sums) -> str:
    """Rows that lie in the same of many windows, added up first: each row is then looked at once, not once a
    window. The name of the relation.
    """
    keys = [f"by_{key}" for key in sums.keys] + [f"slot_{n}" for n in range(len(plan.slots))]
    keys += ["own_currency"] if plan.own_currency(sums.view) else []
    keys += ["unrated"] if plan.unrated(sums.view) else []
    calls = [f"{a.part()} AS {sums.column(a)}" for a in sums.aggregates]
    name = f"{sums.view.name}_parts"
    plan.relations[name] = (
        f"SELECT {', '.join([*keys, *calls, 'min(moment) AS moment'])}\nFROM {sums.asked}\n"
        f"GROUP BY {', '.join(keys)}"
    )
    return name


def _regrouped(sums: Sums, aggregate: Aggregate, inside: str) -> str:
    """An aggregate over the parts of `_parted` that lie in a window."""
    return aggregate.whole(sums.column(aggregate), f"FILTER (WHERE {inside})")


def _grouped(sums: Sums, columns: Sequence[str], relation: str = "") -> str:
    select = f"SELECT {', '.join(columns)}\nFROM {relation or sums.asked}"
    return select + (f"\nGROUP BY {', '.join(f'by_{key}' for key in sums.keys)}" if sums.keys else "")


def _checks(plan: Plan, sums: Sums) -> list[str]:
    """Aggregates that say whether a group's money may be trusted: one currency, and each with a rate."""
    checks = []
    if plan.own_currency(sums.view):
        checks += [
            f"min(own_currency) AS {sums.view.name}_currency",
            f"max(own_currency) AS {sums.view.name}_currency_too",
        ]
    if plan.unrated(sums.view):
        checks.append(f"max(unrated) AS {sums.view.name}_unrated")
    return checks


def _select(
    plan: Plan,
    found: Sequence[Sums],
    suffix: str,
    *,
    keys: Sequence[str],
    shown: Mapping[str, str],
    named: Sequence[str],
    where: str = "",
) -> str:
    """The last SELECT: the views' results side by side, group by group."""
    first, *others = (f"{sums.view.name}_{suffix}" for sums in found)
    joined = first + "".join(
        f"\nFULL JOIN {name} USING ({', '.join(keys)})" if keys else f"\nCROSS JOIN {name}" for name in others
    )
    columns = [f"{sql} AS {name}" for sql, name in shown.items()] + list(named)
    own = [sums.view.name for sums in found if plan.own_currency(sums.view)]
    if own and "currency" not in shown.values():
        columns.append(f"coalesce(least({', '.join(f'{n}_currency' for n in own)}), '') AS currency")
        columns.append(
            f"coalesce(greatest({', '.join(f'{n}_currency_too' for n in own)}), '') AS currency_too"
        )
    unrated = [sums.view.name for sums in found if plan.unrated(sums.view)]
    if unrated:
        columns.append(f"greatest({', '.join(f'{n}_unrated' for n in unrated)}) AS unrated")
    order = ", ".join(keys)
    return (
        f"SELECT {', '.join(columns)}\nFROM {joined}"
        + (f"\nWHERE {where}" if where else "")
        + (f"\nORDER BY {order}" if order else "")
    )


def _tidy(plan: Plan, table: pa.Table) -> pa.Table:
    """The answer without its checks, with its currency. Raises MixedCurrencies, MissingRate."""
    if "unrated" in table.column_names:
        first = pc.max(table["unrated"]).as_py()
        if first is not None:
            raise money.MissingRate(first, plan.currency or "")
        table = table.drop_columns(["unrated"])
    if "currency_too" in table.column_names:
        pairs = zip(table["currency"].to_pylist(), table["currency_too"].to_pylist(), strict=True)
        mixed = {name for pair in pairs if pair[0] != pair[1] for name in pair}
        if mixed:
            raise money.MixedCurrencies(mixed)
        return table.drop_columns(["currency_too"])
    if "currency" not in table.column_names and any(m.monetary for m in plan.question.metrics):
        return table.append_column("currency", pa.array([plan.currency or ""] * table.num_rows, pa.string()))
    return table
