"""The hours of every campaign as they are stored, for whoever looks at them again and again.

Read once a pass, and only as far back as they may have changed since the pass before, which the ledger says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from connectors.rows import Delivery
from metrics.reference import Hours
from warehouse import ledger

if TYPE_CHECKING:
    from collections.abc import Collection

    from metrics.stored_hours import Cells
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["NewestHours", "Older", "Stored", "joined", "read"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_COUNTED: Final = 50
"""Newest hours of which conversions are wanted too: they are read again whether they changed or not."""

_WRITTEN: Final = timedelta(hours=1)
"""A reply counts as seen when its fetch begins, and is stored by so much later at the latest."""

_MARGIN: Final = timedelta(hours=3)
"""Hours read beyond what is asked for, so that who asks for about as many is answered by the same rows."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Hours of campaigns, one campaign after the other.

    campaigns: (source, account, id), in order. edges: where the hours of each begin, and the last one's end,
    shape (campaigns + 1,). hour: since 1970, as begun. cost: micros. conversions: NaN where the source gives
    none by the hour.
    """

    campaigns: list[tuple[str, str, str]]
    edges: Ints
    hour: Floats
    clicks: Floats
    cost: Floats
    conversions: Floats


def read(
    warehouse: Warehouse,
    first: datetime,
    as_of: datetime | None = None,
    only: Collection[AccountKey] | None = None,
) -> Stored:
    """What is stored of the hours from `first` on. only: of these accounts.

    Campaigns are numbered first, and rows asked for by number: names a row would cost five times as much.
    """
    stored = "delivery" if as_of is None else f"({ledger.as_of(Delivery, as_of)})"
    found = warehouse.query(
        f"""SELECT DISTINCT source, account, campaign FROM {stored} AS delivery
        WHERE hour >= $first ORDER BY source, account, campaign""",  # noqa: S608
        {"first": first},
    )
    named = zip(*(found[name].to_pylist() for name in ("source", "account", "campaign")), strict=True)
    campaigns = [one for one in named if only is None or one[:2] in only]
    if not campaigns:
        return Stored([], np.zeros(1, dtype=np.int64), *(np.zeros(0) for _ in range(4)))
    rows = warehouse.query(
        f"""SELECT n, epoch(hour) / 3600 AS hour, CAST(clicks AS DOUBLE) AS clicks,
          CAST(cost AS DOUBLE) AS cost, CAST(conversions AS DOUBLE) AS conversions
        FROM {stored} AS delivery
        JOIN (SELECT unnest($source) AS source, unnest($account) AS account, unnest($campaign) AS campaign,
            unnest($n) AS n) AS known USING (source, account, campaign)
        WHERE hour >= $first""",  # noqa: S608
        {
            "first": first,
            **{
                name: [one[at] for one in campaigns]
                for at, name in enumerate(("source", "account", "campaign"))
            },
            "n": list(range(len(campaigns))),
        },
    )
    number = rows["n"].to_numpy()
    small = number.astype(np.int16 if len(campaigns) < np.iinfo(np.int16).max else np.int64)
    order = np.argsort(small, kind="stable")
    hour, clicks, cost, conversions = (
        rows[name].to_numpy()[order] for name in ("hour", "clicks", "cost", "conversions")
    )
    edges = np.concatenate([[0], np.bincount(number, minlength=len(campaigns)).cumsum()]).astype(np.int64)
    return Stored(campaigns, edges, hour, clicks, cost, conversions)


class NewestHours:
    """What one pass reads of them. as_of: as it was known then; None: as it is known now."""

    def __init__(self, warehouse: Warehouse, as_of: datetime | None = None) -> None:
        self._warehouse, self._as_of = warehouse, as_of
        self._first: datetime | None = None
        self._stored: Stored | None = None

    def since(self, first: datetime) -> Stored:
        """The hours from `first` on, and maybe earlier ones."""
        if self._stored is None or self._first is None or first < self._first:
            self._first = first - _MARGIN
            self._stored = read(self._warehouse, self._first, self._as_of)
        return self._stored

    def changed(self, read: datetime) -> dict[AccountKey, float]:
        """From which hour on (hours since 1970) each account's clicks or spend may not be what they were when
        they were read. Accounts where nothing has changed are left out.
        """
        until = "" if self._as_of is None else "AND seen_to <= $as_of"
        rows = self._warehouse.query(
            f"""SELECT source, account, epoch(min(hour)) / 3600 AS first FROM delivery_ledger
            WHERE seen_to > $since {until} AND (clicks <> 0 OR cost <> 0) GROUP BY ALL""",  # noqa: S608
            {"since": read - _WRITTEN} | ({"as_of": self._as_of} if until else {}),
        )
        return {(row["source"], row["account"]): row["first"] for row in rows.to_pylist()}


@dataclass(frozen=True, slots=True)
class Older:
    """Hours as they were read before: when, their starts, and what campaigns did in them, shape (campaigns,
    hours).
    """

    read: datetime
    start: Floats
    clicks: Floats
    spend: Floats

    def before(self, cells: Cells, changed: float) -> Older | None:
        """Those of the cells that need not be read again; None where they all must be.

        changed: from which hour on they may be others than they were.
        """
        fresh = max(_COUNTED, int((cells.start + cells.length > changed).sum()))
        if fresh >= len(cells.start):
            return None
        first, last = np.searchsorted(self.start, (cells.start[0], cells.start[-fresh]))
        if last >= len(self.start) or not np.array_equal(self.start[first:last], cells.start[:-fresh]):
            return None
        return Older(self.read, self.start[first:last], self.clicks[:, first:last], self.spend[:, first:last])


def joined(older: Older, newer: Hours, cells: Cells, *, born: Floats, looked: Floats) -> Hours:
    """All cells, of which the older ones were read before; their conversions are left at zero."""
    return Hours(
        start=cells.start,
        born=born,
        looked=looked,
        length=cells.length,
        day=cells.day,
        hour_of_day=cells.hour_of_day,
        clicks=np.concatenate([older.clicks, newer.clicks], axis=1),
        spend=np.concatenate([older.spend, newer.spend], axis=1),
        known=np.concatenate([np.zeros_like(older.clicks), newer.known], axis=1),
    )
