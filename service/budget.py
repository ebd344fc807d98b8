"""A source's daily operations: what polling needs, what it has used, and who goes without when it is short.

Sources count over a sliding 24 hours, and so does the journal. Lower tiers may only spend what the tiers
above them do not need: a backfill never takes today's delivery away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from service.line import Tier
from service.settings import FOLLOWS_TODAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.contract import Stream
    from service.settings import Source
    from warehouse.store import Warehouse

__all__ = ["DAY", "DISCOVERY", "Budget", "planned", "spent", "tier"]

DAY = timedelta(days=1)

DISCOVERY = "accounts"
"""The journal's name for listing accounts and learning their look-back."""

LOOK_BACK_EVERY = DAY
"""Time between questions for how far back an account's past may change: one operation each."""


def tier(stream: Stream) -> Tier:
    """The tier of a stream's newest window."""
    return Tier.TODAY if stream.every <= FOLLOWS_TODAY else Tier.SLOWER


@dataclass(frozen=True, slots=True)
class Budget:
    """One source's operations over 24 hours.

    allowed: the source's own limit, None where it has none. reserve: the share that polling leaves alone.
    planned, used: operations by tier; a restatement and a backfill are both the past.
    """

    source: str
    accounts: int
    allowed: int | None
    reserve: float
    planned: Mapping[Tier, float]
    used: Mapping[Tier, int]

    @property
    def planned_total(self) -> float:
        """Operations that a day of polling takes."""
        return sum(self.planned.values())

    @property
    def used_total(self) -> int:
        """Operations used in the last 24 hours."""
        return sum(self.used.values())

    @property
    def usable(self) -> float | None:
        """What polling may use of the allowance."""
        return None if self.allowed is None else self.allowed * (1 - self.reserve)

    @property
    def fits(self) -> bool:
        """Whether the plan stays inside what polling may use."""
        return self.usable is None or self.planned_total <= self.usable

    @property
    def mend(self) -> str:
        """What to do where the plan does not fit, else nothing."""
        if self.usable is None or self.fits:
            return ""
        today = self.planned[Tier.TODAY]
        rest = self.planned_total - today
        if rest < self.usable and today / (self.usable - rest) <= 3:  # 5 minutes may become 15
            slower = "Raise polling.every (15m takes a third of what 5m takes), "
        else:
            slower = "Poll fewer accounts, "
        return f"{slower}or ask {self.source} for a higher access level and set access_level."

    def refusal(self, tier: Tier, cost: int) -> str:
        """Why a slice of this tier must wait, or "" if it may be fetched now."""
        if self.usable is None:
            return ""
        if self.used_total + cost > self.usable:
            return (
                f"{self.used_total:,} of the {self.usable:,.0f} operations for polling in 24 hours are spent"
            )
        if tier is Tier.TODAY:
            return ""
        above = sum(self.planned[t] for t in Tier if t < tier)
        own = sum(n for t, n in self.used.items() if t >= min(tier, Tier.PAST))
        left = self.usable - above
        if own + cost > left:
            return (
                f"{own:,} operations went to this tier in 24 hours and {max(left, 0):,.0f} are left to it "
                f"beside the {above:,.0f} that more urgent polling needs"
            )
        return ""


def planned(source: Source, accounts: int) -> dict[Tier, float]:
    """Operations a day by tier, for so many accounts of a source, at its configured intervals."""
    need = dict.fromkeys(Tier, 0.0)
    for stream in source.connector.streams():
        need[tier(stream)] += accounts * stream.cost * (DAY / source.every[stream.name])
        for every in (stream.recent_every, stream.restate_every):
            if every is not None:
                need[Tier.PAST] += accounts * stream.cost * (DAY / every)
    if any(isinstance(stream.restate, str) for stream in source.connector.streams()):
        need[Tier.SLOWER] += accounts * (DAY / LOOK_BACK_EVERY)
    return need


def spent(warehouse: Warehouse, source: Source, now: datetime) -> dict[Tier, int]:
    """Operations in the 24 hours up to `now`, by tier, from the journal.

    A newest window ends at the moment of asking; whatever ends before it is the past.
    """
    sql = """SELECT stream, window_end < started AS past, sum(operations)::BIGINT AS operations
        FROM journal WHERE source = ? AND started > ? AND started <= ? GROUP BY ALL"""
    tiers = {stream.name: tier(stream) for stream in source.connector.streams()}
    used = dict.fromkeys(Tier, 0)
    for row in warehouse.query(sql, [source.name, now - DAY, now]).to_pylist():
        kind = Tier.PAST if row["past"] else tiers.get(row["stream"], Tier.SLOWER)
        used[kind] += row["operations"]
    return used
