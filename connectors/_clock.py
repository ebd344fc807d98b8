"""An account's own clock: local days and hours, as sources report them, to moments in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["to_utc"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_utc(days: pa.Array, hours: pa.Array, timezone: ZoneInfo) -> pa.Array:
    """The start of each local hour as `timestamp[us, UTC]`.

    days: date32 on the account's clock. hours: integers 0..23. Both without nulls and of equal length.
    Where the clock goes back a source reports the repeated hour once, and it stands at the first of
    the two; an hour that the clock skips stands where it would have been had the clock not moved.
    Each day is looked up once, so that a million rows cost as much as one a day.
    """
    ordinals = days.cast(pa.int32()).to_numpy(zero_copy_only=False)
    distinct, row_day = np.unique(ordinals, return_inverse=True)
    starts = np.array([_hours_of(int(day), timezone) for day in distinct], dtype=np.int64).reshape(-1, 24)
    moments = starts[row_day, hours.to_numpy(zero_copy_only=False)]
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us", "UTC"))


def _hours_of(day: int, timezone: ZoneInfo) -> list[int]:
    """Microseconds since 1970 UTC of the 24 hours that a clock face shows on a day (days since 1970)."""
    local = date(1970, 1, 1) + timedelta(days=day)
    return [
        (datetime(local.year, local.month, local.day, hour, tzinfo=timezone) - _EPOCH)
        // timedelta(microseconds=1)
        for hour in range(24)
    ]
