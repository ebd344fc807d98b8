"""What judging keeps from pass to pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from metrics import anomalies, hourly, pacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from alerts.conditions.contract import Scope
    from alerts.observation import Labels
    from alerts.roster import Bools, Floats
    from metrics.forecasts import Method
    from metrics.lag import Curve
    from metrics.windows import AccountKey

__all__ = ["LEARNED_AT_ONCE", "Delivered", "Hours", "Memory"]

LEARNED_AT_ONCE: Final = 300
"""Campaigns of which one pass learns what is usual: an installation of thousands does it in some passes, so
that none of them takes long."""

Hours = tuple[int, int]
"""So many hours, which end so many hours before the watermark."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What each campaign delivered by the hour, newest first, shape (campaigns, HISTORY).

    read: when. end: of the newest hour, in hours since 1970, by campaign. spend: in units of the currency.
    """

    read: datetime
    end: Floats
    clicks: Floats
    spend: Floats


@dataclass(slots=True)
class Memory:
    """What is worth keeping from pass to pass.

    selected: which of the campaigns each scope means, as they and their accounts are `named`.
    of, campaigns, at: for which watermarks and campaigns, and since when. pace, complete, sums: change by the
    hour. delivered, hours: what was read of the hours before the watermarks. days: what the days before a
    day say of it, and since when; curves: how late conversions come; since: since when. usual: what
    each account's day is expected to be; most: campaigns to learn that of in one pass, None for all. left:
    whether a rule left some of its work to the next pass.
    """

    named: tuple[object, ...] = ()
    selected: dict[Scope, Bools] = field(default_factory=dict)
    of: Mapping[AccountKey, datetime] = field(default_factory=dict)
    campaigns: tuple[Labels, ...] = ()
    at: datetime | None = None
    pace: pacing.Day | None = None
    complete: Floats | None = None
    sums: dict[Hours, dict[str, Floats]] = field(default_factory=dict)
    delivered: Delivered | None = None
    hours: hourly.Memory = field(default_factory=hourly.Memory)
    days: pacing.Memory = field(default_factory=dict)
    days_at: dict[AccountKey, datetime] = field(default_factory=dict)
    curves: Mapping[AccountKey, Curve] = field(default_factory=dict)
    since: datetime | None = None
    usual: dict[Method, anomalies.Memory] = field(default_factory=dict)
    most: int | None = LEARNED_AT_ONCE

    left: bool = False

    @property
    def behind(self) -> bool:
        """Whether the last pass left something to be learned, or worked out, to the next one."""
        return self.left or any(one.waiting for one in self.usual.values())
