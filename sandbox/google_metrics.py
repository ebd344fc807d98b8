"""Metrics of the API from summed measures: counts, money in the account's currency, ratios of sums.

A ratio over nothing is unset, as are the shares of a campaign or day that has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SHARES", "Column", "Sums", "column", "measures_of"]

Column = npt.NDArray[Any]
Sums = Mapping[str, Column]
"""Measures by name (see google_cells.MEASURES), one sum a row."""

_MILLION = 1e6


def _count(name: str) -> Callable[[Sums], Column]:
    return lambda sums: np.asarray(sums[name] / _MILLION)


def _ratio(numerator: str, denominator: str, factor: float = 1.0) -> Callable[[Sums], Column]:
    def ratio(sums: Sums) -> Column:
        over = sums[denominator].astype(np.float64)
        ratios: Column = np.divide(
            sums[numerator] * factor, over, out=np.full(over.shape, np.nan), where=over != 0
        )
        return ratios

    return ratio


def _family(prefix: str) -> dict[str, tuple[tuple[str, ...], Callable[[Sums], Column]]]:
    """The metrics that come for `conversions` and for `all_conversions` alike."""
    one = "conversion" if prefix == "conversions" else "all_conversions"
    value, dated = f"{prefix}_value", f"{prefix}_by_conversion_date"
    dated_value = f"{prefix}_value_by_conversion_date"
    # The field names are not regular: value_per_conversions_by_conversion_date has a plural.
    return {
        prefix: ((prefix,), _count(prefix)),
        value: ((value,), _count(value)),
        f"cost_per_{one}": (("cost_micros", prefix), _ratio("cost_micros", prefix, _MILLION)),
        f"value_per_{one}": ((value, prefix), _ratio(value, prefix)),
        f"{value}_per_cost": ((value, "cost_micros"), _ratio(value, "cost_micros")),
        f"{prefix}_from_interactions_rate": ((prefix, "clicks"), _ratio(prefix, "clicks", 1 / _MILLION)),
        f"{prefix}_from_interactions_value_per_interaction": (
            (value, "clicks"),
            _ratio(value, "clicks", 1 / _MILLION),
        ),
        dated: ((dated,), _count(dated)),
        dated_value: ((dated_value,), _count(dated_value)),
        f"value_per_{prefix}_by_conversion_date": ((dated_value, dated), _ratio(dated_value, dated)),
    }


def _whole(name: str) -> tuple[tuple[str, ...], Callable[[Sums], Column]]:
    return (name,), lambda sums: sums[name]


_METRICS: dict[str, tuple[tuple[str, ...], Callable[[Sums], Column]]] = {
    "impressions": _whole("impressions"),
    "clicks": _whole("clicks"),
    "interactions": _whole("clicks"),
    "cost_micros": _whole("cost_micros"),
    "ctr": (("clicks", "impressions"), _ratio("clicks", "impressions")),
    "interaction_rate": (("clicks", "impressions"), _ratio("clicks", "impressions")),
    "average_cpc": (("cost_micros", "clicks"), _ratio("cost_micros", "clicks")),
    "average_cost": (("cost_micros", "clicks"), _ratio("cost_micros", "clicks")),
    "average_cpm": (("cost_micros", "impressions"), _ratio("cost_micros", "impressions", 1000.0)),
    "view_through_conversions": (
        ("view_through_conversions",),
        lambda sums: sums["view_through_conversions"] // 1_000_000,
    ),
    **_family("conversions"),
    **_family("all_conversions"),
}


SHARES: Mapping[str, tuple[str, frozenset[str]]] = {
    f"{network}_{name}": (column, kinds)
    for network, kinds in (
        ("search", frozenset({"search", "shopping", "performance_max"})),
        ("content", frozenset({"prospecting", "retargeting"})),
    )
    for name, column in (
        ("impression_share", "won"),
        ("budget_lost_impression_share", "lost_to_budget"),
        ("rank_lost_impression_share", "lost_to_rank"),
    )
}
"""Shares of eligible impressions: which of the auctions' columns, and the kinds of campaigns that have it."""


def measures_of(metric: str) -> tuple[str, ...]:
    """The measures that a metric is worked out from; none for one that the sandbox does not count."""
    return _METRICS[metric][0] if metric in _METRICS else ()


def column(metric: str, kind: str, sums: Sums, rows: int) -> list[Any]:
    """One value a row, None where unset.

    kind: the field's type. A metric that the sandbox does not count is zero if a count, else unset.
    """
    if metric in _METRICS:
        values = _METRICS[metric][1](sums)
        if values.dtype.kind != "f":
            return list(values.tolist())
        return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124  # a nan
    return [0 if kind.startswith("INT") else None] * rows
