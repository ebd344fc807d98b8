"""Two windows at the same age: how much of the earlier conversions would be known, were they as young.

Conversions arrive late, so that today's cost per acquisition looks worse every day than yesterday's did by
the evening. The settled figure is an estimate that expects the usual of what is still to come, and so makes a
real fall look half as deep by noon. Cutting the earlier window to the age of the later one keeps the later as
it is known, and compares like with like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from connectors.contract import Window
from metrics import windows
from metrics.compare import Comparison, periods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metrics.windows import AccountKey, Windows
    from warehouse.store import Warehouse

__all__ = ["Complete", "arrived"]

Floats = npt.NDArray[np.float64]

Complete: TypeAlias = Callable[["AccountKey", Sequence[datetime]], "Floats"]
"""The share of the conversions of an account's hours that is known by now (Maturity.complete)."""

_CLICKS: Final = """
SELECT source, account, hour, sum(clicks) AS clicks FROM delivery
WHERE hour >= $start AND hour < $stop GROUP BY source, account, hour
"""


def arrived(
    warehouse: Warehouse, complete: Complete, now: Windows, before: Windows | Comparison
) -> dict[AccountKey, float]:
    """Of each account's conversions in `before`, the share that would be known at the age that `now` has.

    Each window's hours count by their clicks: a conversion needs one. Above 1 where the earlier window is the
    younger one. An account without clicks in either is taken as it is.
    """
    known = windows.accounts(warehouse)
    later = {key: w for key, w in _each(now, known).items() if key in known}
    if isinstance(before, Comparison):
        past = periods(later, {key: known[key].timezone for key in later}, before)
    else:
        past = [dict(_each(before, known))]
    every = [*later.values(), *(w for period in past for w in period.values())]
    if not every:
        return {}
    rows = warehouse.query(
        _CLICKS, {"start": min(w.start for w in every), "stop": max(w.end for w in every)}
    ).to_pylist()
    clicks: dict[AccountKey, dict[datetime, int]] = {}
    for row in rows:
        clicks.setdefault((row["source"], row["account"]), {})[row["hour"]] = row["clicks"]
    found = {}
    for key, window in later.items():
        hours = clicks.get(key, {})
        young = _share(complete, key, hours, [window])
        old = _share(complete, key, hours, [period[key] for period in past if key in period])
        found[key] = young / old if young is not None and old else 1.0
    return found


def _share(
    complete: Complete, key: AccountKey, clicks: Mapping[datetime, int], among: Sequence[Window]
) -> float | None:
    """The known share of the conversions of some windows; None without clicks."""
    hours = [at for at in clicks if any(w.start <= at < w.end for w in among)]
    weights = np.array([clicks[at] for at in hours], dtype=float)
    return float(complete(key, hours) @ weights / weights.sum()) if weights.sum() > 0 else None


def _each(asked: Windows, known: Mapping[AccountKey, object]) -> Mapping[AccountKey, Window]:
    return dict.fromkeys(known, asked) if isinstance(asked, Window) else asked
