"""How each account's conversions grew with their age, as the ledger and the journal tell it.

The ledger holds every restatement with the two looks between which it happened; the journal says when each
span of time was first looked at, which no conversion can say: an hour whose first conversion came a day late
was watched all along.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metrics.lag import AGES, Curve, Growth, Looks, learn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from connectors.contract import Account
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["action_curves", "credits_of", "curves", "growths", "looks", "midnights"]

Floats = npt.NDArray[np.float64]

_HORIZON: Final = timedelta(days=105)
"""Cohorts older than this are not read: within the memory nothing came to them that matters."""

_CLICKS: Final = timedelta(days=28)
"""Time over which a day's usual shape of clicks is taken."""

_NEVER: Final = Looks(*(np.zeros(0) for _ in range(3)))


def curves(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], now: datetime
) -> dict[AccountKey, Curve]:
    """Each account's lag curve as of `now`: the prior's until there is enough, steadied by it after."""
    moment = now.timestamp() / 3600
    return {key: learn(growth, moment) for key, growth in growths(warehouse, known, now).items()}


def action_curves(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], now: datetime
) -> dict[tuple[str, str, str], Curve]:
    """The lag curve of each (source, account, action), by the day: steadied by that of all its actions."""
    moment = now.timestamp() / 3600
    found: dict[tuple[str, str, str], Curve] = {}
    for key, (whole, by_action) in _daily(warehouse, known, now, list(known)).items():
        usual = learn(whole, moment).complete
        found |= {(*key, action): learn(growth, moment, usual) for action, growth in by_action.items()}
    return found


def growths(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], now: datetime
) -> dict[AccountKey, Growth]:
    """How each account's conversions grew, as far back as it tells anything of the present."""
    by_the_hour = warehouse.query(
        """SELECT source, account FROM delivery WHERE hour >= $since AND hour < $now
        GROUP BY ALL HAVING count(conversions) > 0""",
        {"since": now - _CLICKS, "now": now},
    )
    hourly = _keys(by_the_hour) & set(known)
    found = {key: whole for key, (whole, _) in _daily(warehouse, known, now, set(known) - hourly).items()}
    return found | _hourly(warehouse, hourly, now)


def _hourly(warehouse: Warehouse, keys: Collection[AccountKey], now: datetime) -> dict[AccountKey, Growth]:
    table = warehouse.query(
        """SELECT source, account, epoch(hour) / 3600 AS start,
          epoch(seen_from) / 3600 AS low, epoch(seen_to) / 3600 AS high,
          CAST(coalesce(sum(conversions) FILTER (conversions > 0), 0) AS DOUBLE) AS gained,
          CAST(coalesce(-sum(conversions) FILTER (conversions < 0), 0) AS DOUBLE) AS lost
        FROM delivery_ledger
        WHERE hour >= $since AND hour < $now AND seen_to <= $now AND conversions <> 0
        GROUP BY ALL""",
        {"since": now - _HORIZON, "now": now},
    )
    seen = looks(warehouse, "delivery", now)
    return {
        key: _growth(part, part["start"].to_numpy(), seen.get(key, _NEVER))
        for key, part in _split(table, keys).items()
    }


def _daily(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], now: datetime, keys: Collection[AccountKey]
) -> dict[AccountKey, tuple[Growth, dict[str, Growth]]]:
    """How the days of each account grew, all its primary actions together and one by one."""
    if not keys:
        return {}
    table = warehouse.query(
        """SELECT source, account, action, day,
          epoch(seen_from) / 3600 AS low, epoch(seen_to) / 3600 AS high,
          CAST(coalesce(sum(conversions) FILTER (conversions > 0), 0) AS DOUBLE) AS gained,
          CAST(coalesce(-sum(conversions) FILTER (conversions < 0), 0) AS DOUBLE) AS lost
        FROM day_totals_ledger
        WHERE day >= $since AND seen_to <= $now AND "primary" AND conversions <> 0
        GROUP BY ALL""",
        {"since": (now - _HORIZON).date(), "now": now},
    )
    seen, shares = looks(warehouse, "day_totals", now), _shares(warehouse, known, now)
    found = {}
    for key, part in _split(table, keys).items():
        starts = midnights(part["day"].to_pylist(), known[key].timezone)
        parts = (seen.get(key, _NEVER), shares.get(key, np.clip(AGES / 24, 0.0, 1.0)))
        actions = part["action"].to_numpy(zero_copy_only=False)
        found[key] = (
            _growth(part, starts, *parts),
            {
                str(action): _growth(
                    part.filter(pa.array(actions == action)), starts[actions == action], *parts
                )
                for action in np.unique(actions.astype(str))
            },
        )
    return found


def credits_of(warehouse: Warehouse, now: datetime) -> dict[AccountKey, float]:
    """How evenly each account's conversions come: the mean square of what one counts, over its mean.

    1 where each counts whole; less where a source shares the credit of one among several clicks. It is the
    variance of a sum of them over its mean, where their number is Poisson's.
    """
    table = warehouse.query(
        """SELECT source, account, sum(c * c) / sum(c) AS credit
        FROM (
          SELECT source, account, CAST(conversions AS DOUBLE) AS c FROM delivery_ledger
          WHERE hour >= $since AND hour < $now AND seen_to <= $now AND conversions BETWEEN 0.000001 AND 1
        ) GROUP BY ALL""",
        {"since": now - _CLICKS, "now": now},
    )
    return {(row["source"], row["account"]): row["credit"] for row in table.to_pylist()}


def midnights(days: Sequence[date], zone: ZoneInfo) -> Floats:
    """When local days begin, in hours since 1970."""
    begin = {day: datetime.combine(day, time(), zone).timestamp() / 3600 for day in set(days)}
    return np.array([begin[day] for day in days], dtype=float)


def _shares(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], now: datetime
) -> dict[AccountKey, Floats]:
    """Of the clicks of each account's days, the share that has come by each of AGES."""
    table = warehouse.query(
        """SELECT source, account, day, epoch(hour) / 3600 AS hour, CAST(sum(clicks) AS DOUBLE) AS clicks
        FROM delivery WHERE hour >= $since AND hour < $until GROUP BY ALL""",
        {"since": now - _CLICKS, "until": now - timedelta(hours=25)},
    )
    found = {}
    for key, part in _split(table, known).items():
        age = part["hour"].to_numpy() - midnights(part["day"].to_pylist(), known[key].timezone)
        step = np.clip(np.floor(age).astype(int) + 1, 0, 48)
        by_age = np.bincount(step, part["clicks"].to_numpy(), minlength=len(AGES)).cumsum()
        if by_age[-1] > 0:
            found[key] = by_age / by_age[-1]
    return found


def looks(
    warehouse: Warehouse, stream: str, now: datetime, reach: timedelta = _HORIZON
) -> dict[AccountKey, Looks]:
    """Each account's looks at a stream's last `reach`. Of those of an hour with one beginning, the first and
    the last.
    """
    table = warehouse.query(
        """SELECT source, account, epoch(window_start) / 3600 AS start,
          epoch(min(window_end)) / 3600 AS first_end, epoch(min(seen_at)) / 3600 AS first_at,
          epoch(max(window_end)) / 3600 AS last_end, epoch(max(seen_at)) / 3600 AS last_at
        FROM journal
        WHERE stream = $stream AND outcome = 'ok' AND seen_at <= $now AND window_end > $since
        GROUP BY source, account, window_start, date_trunc('hour', seen_at)""",
        {"stream": stream, "since": now - reach, "now": now},
    )
    return {
        key: Looks(
            np.tile(part["start"].to_numpy(), 2),
            *(
                np.concatenate([part[f"first_{name}"].to_numpy(), part[f"last_{name}"].to_numpy()])
                for name in ("end", "at")
            ),
        )
        for key, part in _split(table, None).items()
    }


def _growth(part: pa.Table, start: Floats, seen: Looks, shares: Floats | None = None) -> Growth:
    starts, index = np.unique(start, return_inverse=True)
    low = part["low"].to_numpy(zero_copy_only=False).astype(float)
    high, gained, lost = (part[name].to_numpy() for name in ("high", "gained", "lost"))
    return Growth(starts, seen, index, low, high, gained, lost, shares)


def _keys(table: pa.Table) -> set[AccountKey]:
    return set(zip(table["source"].to_pylist(), table["account"].to_pylist(), strict=True))


def _split(table: pa.Table, keys: Collection[AccountKey] | None) -> dict[AccountKey, pa.Table]:
    """The rows of each account; of each of `keys`, be it none, where these are given."""
    ordered = table.sort_by([("source", "ascending"), ("account", "ascending")])
    owner = list(zip(ordered["source"].to_pylist(), ordered["account"].to_pylist(), strict=True))
    found = {}
    at = 0
    for key, group in groupby(owner):
        size = sum(1 for _ in group)
        found[key] = ordered.slice(at, size)
        at += size
    if keys is None:
        return found
    return {key: found.get(key, ordered.slice(0, 0)) for key in keys}
