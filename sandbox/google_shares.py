"""Impression shares: sums over auctions, by what a row stands for and the days that it covers."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.google_cells import utc_bounds
from sandbox.google_metrics import SHARES
from sandbox.google_segments import day_code, segment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.google_check import Plan
    from sandbox.google_snapshot import Joined, Snapshot
    from sandbox.model import Ints

__all__ = ["Shares"]

_LEAST, _MOST = (0.1, 0.0999), (0.9, 0.9001)
"""What Google tells instead of a share below or above a bound."""


class Shares:
    """The auctions that a report's rows took part in.

    Auctions are known by campaign and day: a row that is split further has its campaign's and days' shares.
    """

    def __init__(self, plan: Plan, snapshot: Snapshot, entities: Sequence[Joined]) -> None:
        self._campaign_of = [row["campaign"].id if "campaign" in row else 0 for row in entities]
        self._kinds = {c.id: c.kind for c in snapshot.campaigns.values()}
        self._dated = [f.name for f in plan.selected("segments") if f.name in _DATE_SEGMENTS]
        start, end = utc_bounds(snapshot, *plan.days)
        first = plan.days[0] or snapshot.local(start).date()
        last = snapshot.local(end).date() - timedelta(days=1)
        found = snapshot.world.auctions(snapshot.customer, first=first, last=last, as_of=snapshot.at)
        keep = np.ones(len(found.day), np.bool_)
        for condition in plan.filters:
            name = condition.field.name
            if name in _DATE_SEGMENTS:
                values = segment(name).values(day_code(name, found.day), snapshot)
                keep &= np.array([condition.test(value) for value in values], np.bool_)
        codes = [day_code(name, found.day).tolist() for name in self._dated]
        self._rows = list(
            zip(
                found.campaign.tolist(),
                zip(*codes, strict=True) if codes else [()] * len(keep),
                found.impressions.tolist(),
                found.eligible.tolist(),
                found.lost_to_budget.tolist(),
                found.lost_to_rank.tolist(),
                strict=True,
            )
        )
        self._rows = [row for row, kept in zip(self._rows, keep.tolist(), strict=True) if kept]

    def column(self, metric: str, entity: Ints, keys: Mapping[str, Ints]) -> list[float | None]:
        """The share in each row of (entity, segment codes); None where none is known yet."""
        which, kinds = SHARES[metric]
        eligible: dict[Any, int] = defaultdict(int)
        won: dict[Any, float] = defaultdict(float)
        for campaign, codes, impressions, could, budget, rank in self._rows:
            if self._kinds[campaign] not in kinds:
                continue
            part = {"won": impressions, "lost_to_budget": budget * could, "lost_to_rank": rank * could}[which]
            for owner in (campaign, 0):
                eligible[owner, codes] += could
                won[owner, codes] += part
        owners = [self._campaign_of[n] for n in entity.tolist()]
        codes_of = zip(*(keys[name].tolist() for name in self._dated), strict=True)
        places = zip(owners, codes_of if self._dated else [()] * len(owners), strict=True)
        return [_told(which, won[p] / eligible[p]) if eligible.get(p) else None for p in places]


_DATE_SEGMENTS = frozenset(
    f"segments.{name}"
    for name in ("date", "week", "month", "quarter", "year", "day_of_week", "month_of_year")
)


def _told(which: str, share: float) -> float:
    if which == "won":
        return _LEAST[1] if share < _LEAST[0] else share
    return _MOST[1] if share > _MOST[0] else share
