"""Segments: how cells are told apart by one, and the value that each then has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.google_attributes import CATEGORIES, action_name
from sandbox.google_cells import EPOCH
from sandbox.google_where import period_start
from sandbox.model import DEVICES, NETWORKS

if TYPE_CHECKING:
    from sandbox.google_cells import Cells
    from sandbox.google_snapshot import Joined, Snapshot
    from sandbox.model import Ints

__all__ = ["OF_ENTITIES", "Segment", "day_code", "segment"]

_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_MONTHS = (
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER",
    "NOVEMBER", "DECEMBER",
)  # fmt: skip
_COUNTED = (
    "ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE", "TEN", "ELEVEN", "TWELVE",
    "THIRTEEN", "FOURTEEN",
)  # fmt: skip
_LAGS = (
    "LESS_THAN_ONE_DAY",
    *(f"{_COUNTED[n]}_TO_{_COUNTED[n + 1]}_DAYS" for n in range(1, 14)),
    "FOURTEEN_TO_TWENTY_ONE_DAYS",
    "TWENTY_ONE_TO_THIRTY_DAYS",
    "THIRTY_TO_FORTY_FIVE_DAYS",
    "FORTY_FIVE_TO_SIXTY_DAYS",
    "SIXTY_TO_NINETY_DAYS",
)
_EVENTS = ("INTERACTION", "IMPRESSION")


@dataclass(frozen=True, slots=True)
class Segment:
    """code: whole numbers that tell cells apart, in order. value: what a code stands for."""

    code: Callable[[Cells], Ints]
    value: Callable[[int, Snapshot], Any]

    def values(self, codes: Ints, snapshot: Snapshot) -> list[Any]:
        """The value of each code; each distinct one is worked out once."""
        unique, inverse = np.unique(codes, return_inverse=True)
        known = [self.value(int(code), snapshot) for code in unique]
        return [known[n] for n in inverse.tolist()]


def day_code(name: str, days: Ints) -> Ints:
    """The code of a date segment for days since 1970: the number of its first day, or a part of the date."""
    unique, inverse = np.unique(days, return_inverse=True)
    dates = [EPOCH + timedelta(days=day) for day in unique.tolist()]
    codes = np.array([_DAY_CODES[name](day) for day in dates], np.int64)
    return np.asarray(codes[inverse])


def _starts(name: str) -> Callable[[date], int]:
    return lambda day: (period_start(name, day) - EPOCH).days


_DAY_CODES: Mapping[str, Callable[[date], int]] = {
    "segments.date": _starts("segments.date"),
    "segments.week": _starts("segments.week"),
    "segments.month": _starts("segments.month"),
    "segments.quarter": _starts("segments.quarter"),
    "segments.year": lambda day: day.year,
    "segments.day_of_week": lambda day: day.weekday(),
    "segments.month_of_year": lambda day: day.month - 1,
}


def _of_day(name: str, value: Callable[[int], Any]) -> Segment:
    return Segment(lambda cells: day_code(name, cells.day), lambda code, _: value(code))


def _iso(code: int) -> str:
    return (EPOCH + timedelta(days=code)).isoformat()


def _network(code: int, _: Snapshot) -> str:
    return NETWORKS["google_ads"][code]


_SEGMENTS: Mapping[str, Segment] = {
    "segments.date": Segment(lambda cells: cells.day, lambda code, _: _iso(code)),
    "segments.week": _of_day("segments.week", _iso),
    "segments.month": _of_day("segments.month", _iso),
    "segments.quarter": _of_day("segments.quarter", _iso),
    "segments.year": _of_day("segments.year", int),
    "segments.day_of_week": _of_day("segments.day_of_week", _WEEKDAYS.__getitem__),
    "segments.month_of_year": _of_day("segments.month_of_year", _MONTHS.__getitem__),
    "segments.hour": Segment(lambda cells: cells.hour, lambda code, _: code),
    "segments.device": Segment(lambda cells: cells.device, lambda code, _: DEVICES[code]),
    "segments.ad_network_type": Segment(lambda cells: cells.network, _network),
    "segments.conversion_action": Segment(lambda cells: cells.action, lambda code, s: action_name(s, code)),
    "segments.conversion_action_name": Segment(
        lambda cells: cells.action, lambda code, s: s.actions[code].name
    ),
    "segments.conversion_action_category": Segment(
        lambda cells: cells.action, lambda code, s: CATEGORIES[s.actions[code].category]
    ),
    **dict.fromkeys(
        ("segments.conversion_lag_bucket", "segments.conversion_or_adjustment_lag_bucket"),
        Segment(lambda cells: cells.lag, lambda code, _: _LAGS[code]),
    ),
    "segments.conversion_adjustment": Segment(lambda cells: np.zeros_like(cells.day), lambda _, __: False),
    "segments.external_conversion_source": Segment(
        lambda cells: cells.action,
        lambda code, s: "WEBPAGE" if s.actions[code].off_platform else "GOOGLE_HOSTED",
    ),
    "segments.conversion_attribution_event_type": Segment(
        lambda cells: cells.view, lambda code, _: _EVENTS[code]
    ),
}


_UNTOLD = Segment(lambda cells: np.zeros_like(cells.day), lambda _, __: None)
"""Of a segment by which the world is not told apart: all in one, and that unset."""


def segment(name: str) -> Segment:
    """The segment of that name."""
    return _SEGMENTS.get(name, _UNTOLD)


def _held(row: Joined, snapshot: Snapshot) -> str | None:
    return snapshot.name("campaigns", row["campaign"].id) if "campaign" in row else None


OF_ENTITIES: Mapping[str, Callable[[Joined, Snapshot], str | None]] = {
    "segments.budget_campaign_association_status.campaign": _held,
    "segments.budget_campaign_association_status.status": lambda row, _: (
        ("REMOVED" if row["campaign"].status == "REMOVED" else "ENABLED") if "campaign" in row else None
    ),
}
"""Segments that follow from the row's entities alone."""
