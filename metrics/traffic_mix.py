"""Where traffic comes from, as it is stored, and whether that has shifted (`metrics.mix`).

A site's sessions by the channel they came by, of the 24 hours up to its watermark; an ad account's clicks by
network or placement and by device, of its last complete day. A composition that shows on the day itself is
worth more than one that is known tomorrow, but the ad platforms give theirs by the day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from connectors.ga4 import WITHHELD
from metrics import mix
from metrics.mix import Shift

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from connectors.contract import Account
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["By", "Composition", "judge"]

By = Literal["channel", "network", "device"]

_SEGMENTS = "segment_delivery"


@dataclass(frozen=True, slots=True)
class Composition:
    """One account's traffic by one of its dimensions.

    parts: its values, in the order of `shift.moved`. now, usual: their shares, in the day and before it.
    until: the end of the day that is judged.
    """

    by: By
    parts: tuple[str, ...]
    shift: Shift
    now: npt.NDArray[np.float64]
    usual: npt.NDArray[np.float64]
    until: datetime

    @property
    def most(self) -> int:
        """The part that gained most."""
        return int(self.shift.moved.argmax())

    @property
    def share(self) -> float:
        """How much of the traffic moved, 0 to 1."""
        return float(np.maximum(self.shift.moved, 0.0).sum())


def judge(
    warehouse: Warehouse,
    known: Mapping[AccountKey, Account],
    vouched: Mapping[str, Mapping[AccountKey, datetime]],
) -> dict[tuple[AccountKey, By], Composition]:
    """The mix of each site and ad account that has one, as of its watermark.

    vouched: up to when each account's source vouches for the streams `web` and `segment_delivery`.
    """
    return _sites(warehouse, vouched.get("web", {})) | _segments(warehouse, known, vouched.get(_SEGMENTS, {}))


def _sites(
    warehouse: Warehouse, vouched: Mapping[AccountKey, datetime]
) -> dict[tuple[AccountKey, By], Composition]:
    until = {key: at.replace(minute=0, second=0, microsecond=0) for key, at in vouched.items()}
    if not until:
        return {}
    rows = warehouse.query(
        """SELECT source, account, channel AS part, hour, CAST(sum(sessions) AS DOUBLE) AS count
        FROM web WHERE step = 'session_start' AND channel <> $withheld AND hour >= $since AND hour < $until
        GROUP BY ALL""",
        {
            "since": min(until.values()) - timedelta(days=mix.DAYS),
            "until": max(until.values()),
            "withheld": WITHHELD,  # what Google keeps back comes and goes without any change of the traffic
        },
    ).to_pylist()

    def back(row: dict[str, Any]) -> int:
        ago: timedelta = until[row["source"], row["account"]] - row["hour"] - timedelta(hours=1)
        return ago // timedelta(days=1)

    return _each("channel", [row for row in rows if (row["source"], row["account"]) in until], back, until)


def _segments(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], vouched: Mapping[AccountKey, datetime]
) -> dict[tuple[AccountKey, By], Composition]:
    until = {key: _midnight(at, known[key].timezone) for key, at in vouched.items() if key in known}
    if not until:
        return {}
    last = {
        key: (at - timedelta(hours=12)).astimezone(known[key].timezone).date() for key, at in until.items()
    }
    found: dict[tuple[AccountKey, By], Composition] = {}
    kinds: tuple[By, ...] = ("network", "device")
    for by in kinds:
        rows = warehouse.query(
            f"""SELECT source, account, {by} AS part, day, CAST(sum(clicks) AS DOUBLE) AS count
            FROM segment_delivery WHERE day BETWEEN $since AND $until GROUP BY ALL""",  # noqa: S608  # our words
            {"since": min(last.values()) - timedelta(days=mix.DAYS), "until": max(last.values())},
        ).to_pylist()
        owned = [row for row in rows if (row["source"], row["account"]) in until]
        found |= _each(by, owned, lambda row: (last[row["source"], row["account"]] - row["day"]).days, until)
    return found


def _each(
    by: By,
    rows: list[dict[str, Any]],
    back: Callable[[dict[str, Any]], int],
    until: Mapping[AccountKey, datetime],
) -> dict[tuple[AccountKey, By], Composition]:
    """The composition of each account. back: days before the newest one, of a row."""
    of: dict[AccountKey, list[dict[str, Any]]] = {}
    for row in rows:
        of.setdefault((row["source"], row["account"]), []).append(row)
    found: dict[tuple[AccountKey, By], Composition] = {}
    for key, mine in of.items():
        parts = sorted({row["part"] for row in mine})
        place = {part: n for n, part in enumerate(parts)}
        days = np.zeros((mix.DAYS, len(parts)))
        for row in mine:
            if 0 <= (ago := back(row)) < mix.DAYS:
                days[ago, place[row["part"]]] += row["count"]
        oldest = int(np.flatnonzero(days.sum(1))[-1]) + 1 if days.any() else 0
        if oldest < 2 or not days[0].any():
            continue
        shift = mix.latest(days[:oldest])
        now = days[0] / days[0].sum()
        found[key, by] = Composition(by, tuple(parts), shift, now, now - shift.moved, until[key])
    return found


def _midnight(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
