"""What campaigns spent, by the account's own hours and days, as arrays; money in units of its currency."""

# ruff: noqa: S608  # the table's name, or its past state, of the warehouse's own making; values are bound

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from connectors.rows import Delivery
from warehouse import ledger

if TYPE_CHECKING:
    from connectors.contract import Account, Window
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["clock", "complete_from", "daily", "hourly", "hourly_of", "local_day"]

Floats = npt.NDArray[np.float64]


def local_day(account: Account, window: Window) -> date:
    """The account's day on which a window begins."""
    return window.start.astimezone(account.timezone).date()


def clock(account: Account, window: Window) -> float:
    """The window's end on the account's clock, 0 to 24: not the hours passed, which a clock change shifts."""
    end = window.end.astimezone(account.timezone)
    return end.hour + end.minute / 60 if end.date() == local_day(account, window) else 24.0


def hourly(
    warehouse: Warehouse,
    key: AccountKey,
    today: date,
    also: Sequence[str] = (),
    *,
    days: int = 28,
    as_of: datetime | None = None,
) -> tuple[list[str], Floats]:
    """Campaigns, sorted, and their spend, shape (campaigns, days + 1, 24): complete days, then today.

    also: campaigns that are there even if they spent nothing. as_of: as it was known then; None: now.
    """
    return hourly_of(warehouse, {key: today}, {key: also}, days=days, as_of=as_of)[key]


def hourly_of(
    warehouse: Warehouse,
    today: Mapping[AccountKey, date],
    also: Mapping[AccountKey, Sequence[str]],
    *,
    days: int = 28,
    as_of: datetime | None = None,
) -> dict[AccountKey, tuple[list[str], Floats]]:
    """`hourly` of several accounts, each on its own calendar, by one question."""
    if not today:
        return {}
    first = min(today.values()) - timedelta(days=days)
    only = "AND source = $source AND account = $account" if len(today) == 1 else ""
    (one, *_) = today
    # Of the past, hours bound the ledger's rows before they are added up; a local day lies in two UTC ones.
    table = warehouse.query(
        f"""
        SELECT source, account, campaign,
          list(CAST(date_diff('day', $first, day) * 24 + hour_of_day AS BIGINT)) AS hours, list(cost) AS costs
        FROM {"delivery" if as_of is None else f"({ledger.as_of(Delivery, as_of)})"} AS delivery
        WHERE day BETWEEN $first AND $last AND hour >= $since {only}
        GROUP BY ALL ORDER BY source, account, campaign
        """,
        {
            "first": first,
            "last": max(today.values()),
            "since": datetime.combine(first - timedelta(days=1), time(), UTC),
            **({"source": one[0], "account": one[1]} if only else {}),
        },
    )
    owners = list(zip(table["source"].to_pylist(), table["account"].to_pylist(), strict=True))
    hours = table["hours"].combine_chunks()
    row = np.repeat(np.arange(len(owners)), np.diff(hours.offsets.to_numpy()))
    # Hours of each account count from its own first day.
    begins = {key: (day - timedelta(days=days) - first).days * 24 for key, day in today.items()}
    length = (days + 1) * 24
    skipped = np.array([begins.get(key, length) for key in owners], dtype=np.int64)
    hour = hours.flatten().to_numpy() - skipped[row]
    inside = (hour >= 0) & (hour < length)
    costs = table["costs"].combine_chunks().flatten().to_numpy().astype(float)[inside] / 1e6
    whole = np.bincount(row[inside] * length + hour[inside], costs, len(owners) * length)
    shaped = whole.reshape(len(owners), days + 1, 24)
    spent = np.bincount(row[inside], minlength=len(owners)) > 0
    seen: dict[AccountKey, dict[str, int]] = {}
    for n, (key, name) in enumerate(zip(owners, table["campaign"].to_pylist(), strict=True)):
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


def daily(
    warehouse: Warehouse, key: AccountKey, first: date, today: date, also: Sequence[str] = ()
) -> tuple[list[str], Floats]:
    """Campaigns, sorted, and their spend by day, shape (campaigns, days): `first` to `today`, both included.

    Today's column is what is stored of it, past the watermark too.
    """
    table = warehouse.query(
        """
        SELECT campaign, CAST(date_diff('day', $first, day) AS INTEGER) AS day, sum(cost) / 1e6 AS cost
        FROM delivery
        WHERE source = $source AND account = $account AND day BETWEEN $first AND $today
        GROUP BY ALL
        """,
        {"source": key[0], "account": key[1], "first": first, "today": today},
    )
    names, rows = _rows(table["campaign"].to_pylist(), also)
    spend = np.zeros((len(names), (today - first).days + 1))
    spend[rows, table["day"].to_numpy()] = table["cost"].to_numpy()
    return names, spend


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
