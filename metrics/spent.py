"""What campaigns spent, by the account's own hours and days, as arrays; money in units of its currency."""

# ruff: noqa: S608  # the table's name, or its past state, of the warehouse's own making; values are bound

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from connectors.rows import Delivery
from warehouse import ledger

if TYPE_CHECKING:
    import pyarrow as pa

    from connectors.contract import Account, Window
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["clock", "complete_from", "daily_of", "hourly_of", "local_day"]

Floats = npt.NDArray[np.float64]


def local_day(account: Account, window: Window) -> date:
    """The account's day on which a window begins."""
    return window.start.astimezone(account.timezone).date()


def clock(account: Account, window: Window) -> float:
    """The window's end on the account's clock, 0 to 24: not the hours passed, which a clock change shifts."""
    end = window.end.astimezone(account.timezone)
    return end.hour + end.minute / 60 if end.date() == local_day(account, window) else 24.0


def hourly_of(
    warehouse: Warehouse,
    today: Mapping[AccountKey, date],
    also: Mapping[AccountKey, Sequence[str]],
    *,
    days: int = 28,
    as_of: datetime | None = None,
) -> dict[AccountKey, tuple[list[str], Floats]]:
    """Each account's campaigns, sorted, and their spend on its own calendar, shape (campaigns, days + 1, 24):
    complete days, then today.

    also: campaigns that are there even if they spent nothing. as_of: as it was known then; None: now.
    """
    if not today:
        return {}
    first = min(today.values()) - timedelta(days=days)
    only = "AND source = $source AND account = $account" if len(today) == 1 else ""
    (one, *_) = today
    # Of the past, hours bound the ledger's rows before they are added up; a local day lies in two UTC ones.
    stored = "delivery" if as_of is None else f"({ledger.as_of(Delivery, as_of)})"
    within = f"FROM {stored} AS delivery WHERE day BETWEEN $first AND $last AND hour >= $since {only}"
    params = {
        "first": first,
        "last": max(today.values()),
        "since": datetime.combine(first - timedelta(days=1), time(), UTC),
        **({"source": one[0], "account": one[1]} if only else {}),
    }
    length = (days + 1) * 24
    # Hours of each account count from its own first day.
    begins = {key: (day - timedelta(days=days) - first).days * 24 for key, day in today.items()}
    owners, campaigns, table = _numbered(
        warehouse,
        within,
        params,
        step="date_diff('day', $first, day) * 24 + hour_of_day - skip",
        length=length,
        skip=begins,
    )
    place, costs = table["place"].to_numpy(), table["cost"].to_numpy() / 1e6
    shaped = np.bincount(place, costs, len(owners) * length).reshape(len(owners), days + 1, 24)
    spent = np.zeros(len(owners), dtype=bool)
    spent[place // length] = True
    seen: dict[AccountKey, dict[str, int]] = {}
    for n, (key, name) in enumerate(zip(owners, campaigns, strict=True)):
        if spent[n]:
            seen.setdefault(key, {})[name] = n
    found = {}
    for key in today:
        mine = seen.get(key, {})
        names, rows = _rows(list(mine), also.get(key, ()))
        spend = np.zeros((len(names), days + 1, 24))
        spend[rows] = shaped[list(mine.values())]
        found[key] = (names, spend)
    return found


def _numbered(
    warehouse: Warehouse,
    within: str,
    params: Mapping[str, Any],
    *,
    step: str,
    length: int,
    skip: Mapping[AccountKey, int],
) -> tuple[list[AccountKey], list[str], pa.Table]:
    """The campaigns of rows (their accounts, their ids), and of each row its cost and its place: of campaign
    n from n * length on by `step`. skip: steps of an account before its first one; others are left out.

    Campaigns are numbered first: with their names at each row the rows would cost several times as much.
    """
    found = warehouse.query(f"SELECT DISTINCT source, account, campaign {within}", params)
    named = zip(*(found[name].to_pylist() for name in ("source", "account", "campaign")), strict=True)
    known = [one for one in named if one[:2] in skip]
    table = warehouse.query(
        f"""
        WITH known AS (SELECT unnest(CAST($sources AS VARCHAR[])) AS source,
          unnest(CAST($accounts AS VARCHAR[])) AS account, unnest(CAST($campaigns AS VARCHAR[])) AS campaign,
          unnest(CAST($n AS BIGINT[])) AS n, unnest(CAST($skips AS BIGINT[])) AS skip)
        SELECT CAST(n * $length + step AS BIGINT) AS place, CAST(cost AS DOUBLE) AS cost
        FROM (SELECT n, cost, {step} AS step
          FROM (SELECT source, account, campaign, day, hour_of_day, cost {within})
          JOIN known USING (source, account, campaign))
        WHERE step >= 0 AND step < $length
        """,
        {
            **params,
            "sources": [one[0] for one in known],
            "accounts": [one[1] for one in known],
            "campaigns": [one[2] for one in known],
            "n": list(range(len(known))),
            "skips": [skip[one[:2]] for one in known],
            "length": length,
        },
    )
    return [one[:2] for one in known], [one[2] for one in known], table


def daily_of(
    warehouse: Warehouse,
    today: Mapping[AccountKey, date],
    first: date,
    also: Mapping[AccountKey, Sequence[str]],
) -> dict[AccountKey, tuple[list[str], Floats]]:
    """Each account's campaigns, sorted, and their spend by day, shape (campaigns, days): `first` to its
    today, both included. Today's column is what is stored of it, past the watermark too.

    also: as of `hourly_of`.
    """
    length = (max(today.values()) - first).days + 1
    owners, campaigns, table = _numbered(
        warehouse,
        "FROM delivery WHERE day BETWEEN $first AND $last",
        {"first": first, "last": max(today.values())},
        step="date_diff('day', $first, day) - skip",
        length=length,
        skip=dict.fromkeys(today, 0),
    )
    place = table["place"].to_numpy()
    spend = np.bincount(place, table["cost"].to_numpy() / 1e6, len(owners) * length).reshape(-1, length)
    there = np.bincount(place, minlength=len(owners) * length).reshape(-1, length).cumsum(1) > 0
    mine: dict[AccountKey, dict[str, int]] = {key: {} for key in today}
    for n, (key, name) in enumerate(zip(owners, campaigns, strict=True)):
        if key in today and there[n, (today[key] - first).days]:
            mine[key][name] = n
    found = {}
    for key, day in today.items():
        names, rows = _rows(list(mine[key]), also.get(key, ()))
        days = np.zeros((len(names), (day - first).days + 1))
        days[rows] = spend[list(mine[key].values()), : days.shape[1]]
        found[key] = (names, days)
    return found


def _rows(seen: Sequence[str], also: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    names = sorted({*seen, *also})
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[name] for name in seen], dtype=np.int64)


def complete_from(warehouse: Warehouse, known: Mapping[AccountKey, Account]) -> dict[AccountKey, date]:
    """Each account's first local day since which its delivery was fetched without a gap."""
    rows = warehouse.query(
        """
        SELECT source, account, max(start) FILTER (reach IS NULL OR start > reach) AS since
        FROM (
          SELECT source, account, window_start AS start, max(window_end) OVER (
            PARTITION BY source, account ORDER BY window_start, window_end
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reach
          FROM journal WHERE stream = 'delivery' AND outcome = 'ok'
        )
        GROUP BY ALL
        """
    ).to_pylist()
    found = {}
    for row in rows:
        key = (row["source"], row["account"])
        if key in known:
            local: datetime = row["since"].astimezone(known[key].timezone)
            whole = local.time() == datetime.min.time()
            found[key] = local.date() if whole else local.date() + timedelta(days=1)
    return found
