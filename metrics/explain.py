"""Why did a number move: by which factors, by the mix or the rates, and by whom. The parts add up.

A metric that is a sum, or one sum over another, is explained along the funnel: impressions, click-through
rate, conversion rate, value per conversion, and the price of a thousand impressions. CPA, for one, is
CPM / (1000 * CTR * CVR), and ROAS is 1000 * CTR * CVR * value per conversion / CPM. How the change is divided
is told, with its sources, in `metrics.decompose`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from connectors.contract import Window
from metrics import decompose, money, windows
from metrics.compare import Comparison, compare
from metrics.compute import answer
from metrics.decompose import Factor
from metrics.dimensions import UnknownDimension, resolve
from metrics.explanation import Effect, Explanation, Mover
from metrics.expression import quotient
from metrics.funnel import Step, chain, spelled, steps
from metrics.model import views
from metrics.plan import Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from metrics.dimensions import Convention
    from metrics.expression import Quotient
    from metrics.model import Metric, View
    from metrics.plan import Relation
    from metrics.windows import AccountKey, Windows
    from warehouse.store import Warehouse

__all__ = ["Effect", "Explanation", "Mover", "explain"]

Floats = npt.NDArray[np.float64]


_LATE: Final = frozenset({"conversions", "conversion_value", "leads", "purchases", "purchase_value"})
"""Columns that go on growing after their hour."""

_WITHIN: Final = ("campaign", "ad_group", "ad")
"""Dimensions that bring their account along."""

_NAMES: Final = {
    "account": "SELECT source, account, name FROM account",
    "campaign": "SELECT source, account, campaign, name FROM campaign",
    "ad_group": "SELECT DISTINCT source, account, campaign, ad_group, ad_group_name AS name FROM ad",
    "ad": "SELECT source, account, campaign, ad_group, ad, ad_name AS name FROM ad",
}


def explain(
    warehouse: Warehouse,
    metric: Metric,
    now: Windows,
    before: Windows | Comparison,
    *,
    by: str = "campaign",
    where: Mapping[str, Any] | None = None,
    currency: str | None = None,
    as_of: datetime | None = None,
    convention: Convention | None = None,
    relations: Mapping[str, Relation] | None = None,
    arrived: Mapping[AccountKey, float] | None = None,
) -> Explanation:
    """Why `metric` differs between two windows.

    now, before: as `evaluate`'s windows; of a Comparison the past is looked up, an average of days is a mean
        day. by: the dimension over whose members the change is divided; one that the metric's view does not
        have (device, network, ad) is read by the day, for windows of whole days.
    arrived: of each account's earlier conversions, the share that would be known at the age of the later ones
        (same_age.arrived): `before` is cut to it. Without, both sides are as they are known.
    Else as `evaluate`. Raises ValueError for a metric that is neither a sum nor a ratio of two sums, for
    windows that cut a day where only days are known, and for `label` (its groups overlap); what `evaluate`
    and `compare` raise.
    """
    asked = quotient(metric.sql)
    if asked is None:
        raise ValueError(f"{metric.name} cannot be explained: it is neither a sum nor one sum over another")
    view = _home(metric, by, convention)
    if view is not metric.view and view.grain == "day":
        _whole_days(now, windows.accounts(warehouse, where), by)
    known = steps(view)
    factors = chain(asked, known)
    sums = _sums(asked, factors)
    wanted = tuple(replace(metric, name=f"sum_{n}", sql=s, view=view) for n, s in enumerate(sums.values()))
    by_account = arrived is not None and any(name in _LATE for name in sums)
    dimensions = (by,) if not by_account or by in ("account", *_WITHIN) else ("account", by)
    extra = {"as_of": as_of, "currency": currency, "convention": convention, "relations": relations or {}}
    if isinstance(before, Comparison):
        found = compare(warehouse, wanted, now, before, dimensions, where=where, **extra)  # type: ignore[arg-type]
        table, label, periods, suffix = found.table, found.label, found.periods, "__before"
    else:
        question = Question(wanted, dimensions, where or {}, **extra)  # type: ignore[arg-type]
        table = answer(warehouse, question, [[now], [before]])
        label, periods, suffix = "vs the other window", 1, "__1"
    new = {name: _column(table, f"sum_{n}") for n, name in enumerate(sums)}
    old = {name: _column(table, f"sum_{n}{suffix}") for n, name in enumerate(sums)}
    keys = _keys(table, by, view, convention)
    if by_account and arrived is not None:
        owners = zip(table["source"].to_pylist(), table["account"].to_pylist(), strict=True)
        share = np.array([arrived.get(owner, 1.0) for owner in owners])
        old = {name: column * share if name in _LATE else column for name, column in old.items()}
        label = f"{label}, at the same age"
    keys, old, new = _merged(keys, old, new)
    return _explained(
        Explanation(
            metric=metric,
            by=by,
            currency=_currency(table),
            label=label,
            periods=periods,
            before=_value(asked, old) if periods else None,
            now=_value(asked, new),
            effects=(),
            movers=(),
            mix=None,
            rate=None,
            view="" if view is metric.view else view.title,
        ),
        _Found(asked, factors, known, old, new, keys, _named(warehouse, keys, by)),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The sums of both periods, one element a member, and who the members are."""

    asked: Quotient
    chain: Sequence[Factor]
    steps: Mapping[str, Step]
    old: Mapping[str, Floats]
    new: Mapping[str, Floats]
    keys: Sequence[tuple[str, ...]]
    names: Sequence[str]


def _explained(whole: Explanation, found: _Found) -> Explanation:
    """`whole` with its effects and movers, where both of its values are defined."""
    if whole.before is None or whole.now is None:
        return whole
    asked, old, new, keys = found.asked, found.old, found.new, found.keys
    delta = whole.now - whole.before
    effects = _effects(found, (whole.before, whole.now))
    over, under = spelled(asked.over), spelled(asked.under)
    if under:
        split = decompose.contributions((old[over], old[under]), (new[over], new[under]))
        total, mix, rate = (asked.scale * part for part in (split.total, split.mix, split.rate))
    else:
        total = rate = asked.scale * (new[over] - old[over])
        mix = np.zeros(len(total))
    volume_before, volume = old[under or over], new[under or over]
    idle = [(side[over] == 0) & (side[under or over] == 0) for side in (old, new)]
    single = [_ratios(asked, side) for side in (old, new)]
    order = sorted(range(len(keys)), key=lambda n: (-abs(total[n]), keys[n]))
    movers = tuple(
        Mover(
            key=keys[n],
            name=found.names[n],
            before=single[0][n],
            now=single[1][n],
            volume_before=float(volume_before[n]),
            volume=float(volume[n]),
            amount=float(total[n]),
            mix=float(mix[n]),
            rate=float(rate[n]),
            state="new" if idle[0][n] and not idle[1][n] else "gone" if idle[1][n] and not idle[0][n] else "",
        )
        for n in order
        if not (idle[0][n] and idle[1][n])
    )
    return replace(
        whole,
        effects=tuple(
            replace(e, share=e.amount / delta if delta else None)
            for e in sorted(effects, key=lambda e: -abs(e.amount))
        ),
        movers=movers,
        mix=float(mix.sum()) if under else None,
        rate=float(rate.sum()) if under else None,
    )


def _effects(found: _Found, values: tuple[float, float]) -> list[Effect]:
    if not found.chain:
        return []
    old, new = ({name: float(c.sum()) for name, c in side.items()} for side in (found.old, found.new))
    told = []
    amounts = decompose.effects(found.chain, old, new, values)
    for factor, amount in zip(found.chain, amounts, strict=True):
        step = found.steps[factor.over]
        before, now = (_over(s[factor.over], s.get(factor.under, 1.0), step.scale) for s in (old, new))
        lead, part = _lead(found, factor)
        told.append(Effect(step.name, step.unit, before, now, amount, None, lead, part))
    return told


def _lead(found: _Found, factor: Factor) -> tuple[str, float]:
    """Who moved a factor most, and what part of the factor's change that is."""
    old, new = found.old, found.new
    if not factor.under:
        moved = new[factor.over] - old[factor.over]
    elif old[factor.under].sum() > 0 and new[factor.under].sum() > 0:
        before, now = ((side[factor.over], side[factor.under]) for side in (old, new))
        moved = decompose.contributions(before, now).total
    else:
        return "", 0.0
    whole = float(moved.sum())
    if not whole:
        return "", 0.0
    first = int(np.argmax(moved * np.sign(whole)))
    return found.names[first], float(moved[first]) / whole


def _sums(asked: Quotient, chain: Sequence[Factor]) -> dict[str, str]:
    """What has to be summed: its name, and its SQL."""
    columns = [name for f in chain for name in (f.over, f.under) if name]
    found = {name: f"sum({name})" for name in columns}
    for aggregate in (asked.over, asked.under):
        if aggregate is not None:
            condition = f" FILTER (WHERE {aggregate.condition})" if aggregate.condition else ""
            found.setdefault(spelled(aggregate), f"{aggregate.function}({aggregate.inner}){condition}")
    return found


def _home(metric: Metric, by: str, convention: Convention | None) -> View:
    """The view to read: the metric's own, else the first that has its columns and the dimension."""
    others = [views()[name] for name in ("segments", "ads")]
    for view in (metric.view, *others):
        if metric.parts.columns <= set(view.columns):
            try:
                (dimension,) = resolve((by,), view, convention)
            except UnknownDimension:
                continue
            if dimension.join == "label":
                raise ValueError(
                    "a campaign with two labels stands in two groups, so that contributions by label would "
                    "not add up: filter by a label instead"
                )
            return view
    resolve((by,), metric.view, convention)
    raise AssertionError("resolve refuses what no view has")


def _whole_days(now: Windows, known: Mapping[windows.AccountKey, Any], by: str) -> None:
    each = dict.fromkeys(known, now) if isinstance(now, Window) else now
    for key, window in each.items():
        zone = known[key].timezone if key in known else UTC
        if any(at.astimezone(zone).time() != time() for at in (window.start, window.end)):
            raise ValueError(f"{by} is known by the day only: choose whole days, such as yesterday")


def _keys(table: pa.Table, by: str, view: View, convention: Convention | None) -> list[tuple[str, ...]]:
    (dimension,) = resolve((by,), view, convention)
    columns = [table[name].to_pylist() for name in dimension.columns]
    return [tuple(map(str, key)) for key in zip(*columns, strict=True)]


def _merged(
    keys: list[tuple[str, ...]], old: dict[str, Floats], new: dict[str, Floats]
) -> tuple[list[tuple[str, ...]], dict[str, Floats], dict[str, Floats]]:
    """One element a key: members of several accounts (a source, a kind of campaign) added up."""
    places: dict[tuple[str, ...], int] = {}
    at = np.array([places.setdefault(key, len(places)) for key in keys], dtype=int)

    def added(column: Floats) -> Floats:
        return np.bincount(at, weights=column, minlength=len(places)).astype(float) if len(at) else column

    if len(places) == len(keys):
        return keys, old, new
    return list(places), *({n: added(c) for n, c in side.items()} for side in (old, new))  # type: ignore[return-value]


def _named(warehouse: Warehouse, keys: Sequence[tuple[str, ...]], by: str) -> list[str]:
    """Each member's name; what has none goes by its id. Two of one name are told apart by their ids."""
    known: dict[tuple[str, ...], str] = {}
    if by in _NAMES:
        for row in warehouse.query(_NAMES[by]).to_pylist():
            *key, name = row.values()
            known[tuple(key)] = name
    names = [known.get(key) or key[-1] or "(none)" for key in keys]
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [
        n if seen[n] == 1 or by not in _NAMES else f"{n} ({k[-1]})" for n, k in zip(names, keys, strict=True)
    ]


def _currency(table: pa.Table) -> str:
    """The one currency of all groups. Raises MixedCurrencies."""
    if "currency" not in table.column_names:
        return ""
    found = {name for name in table["currency"].to_pylist() if name}
    if len(found) > 1:
        raise money.MixedCurrencies(found)
    return next(iter(found), "")


def _column(table: pa.Table, name: str) -> Floats:
    values = np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=float)
    return np.asarray(np.nan_to_num(values))


def _value(asked: Quotient, sums: Mapping[str, Floats]) -> float | None:
    over = float(sums[spelled(asked.over)].sum())
    return _over(over, float(sums[spelled(asked.under)].sum()) if asked.under else 1.0, asked.scale)


def _ratios(asked: Quotient, sums: Mapping[str, Floats]) -> list[float | None]:
    over = sums[spelled(asked.over)]
    under = sums[spelled(asked.under)] if asked.under else np.ones(len(over))
    return [_over(float(n), float(d), asked.scale) for n, d in zip(over, under, strict=True)]


def _over(over: float, under: float, scale: float) -> float | None:
    return scale * over / under if under > 0 else None
