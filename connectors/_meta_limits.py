"""How near its limits a caller is: the usage headers that Meta sends with every reply.

Meta counts over a rolling hour and refuses at 100 percent of any one of several allowances: the app's, the
ad account's, the business use case's, insights'. Whoever is refused and goes on asking is refused for longer,
so the account is left alone before the wall, not after it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NEAR", "Load", "load"]

NEAR = 0.75
"""The share of an allowance from which on we hold back."""
_ENOUGH = 0.6
"""The share that holding back should bring it down to."""
_WINDOW = timedelta(hours=1)

_SHARES = ("call_count", "total_cputime", "total_time", "app_id_util_pct", "acc_id_util_pct")
"""Percentages of an allowance; all other values in the headers are not."""


@dataclass(frozen=True, slots=True)
class Load:
    """used: the highest share (0..1) of any allowance. regain: what Meta names as the wait, if it does.

    reset: when the ad account's own allowance starts anew, where the reply says so.
    """

    used: float = 0.0
    regain: timedelta | None = None
    reset: timedelta | None = None

    @property
    def pause(self) -> timedelta | None:
        """How long to leave the account alone; None while there is enough left.

        With calls spread over the window, waiting a share w of it sheds w of what is used: going from
        `used` down to 60 percent takes 1 - 0.6 / used of an hour.
        """
        if self.regain is not None:
            return self.regain
        if self.used < NEAR:
            return None
        return _WINDOW * (1 - _ENOUGH / self.used)


def load(headers: Mapping[str, str]) -> Load:
    """What the headers of one reply say; headers that are absent or not JSON say nothing."""
    used, regain, reset = 0.0, 0.0, 0.0
    for told in _told(headers):
        for name in _SHARES:
            used = max(used, _number(told.get(name)) / 100)
        regain = max(regain, _number(told.get("estimated_time_to_regain_access")))
        reset = max(reset, _number(told.get("reset_time_duration")))
    return Load(
        used=used,
        regain=timedelta(minutes=regain) if regain else None,
        reset=timedelta(seconds=reset) if reset else None,
    )


def _told(headers: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for name in ("x-app-usage", "x-ad-account-usage", "x-fb-ads-insights-throttle"):
        yield from _objects(headers.get(name))
    for by_account in _objects(headers.get("x-business-use-case-usage")):
        for entries in by_account.values():
            if isinstance(entries, list):
                yield from (entry for entry in entries if isinstance(entry, dict))


def _objects(text: str | None) -> Iterator[Mapping[str, Any]]:
    try:
        value = json.loads(text or "null")
    except ValueError:
        return
    if isinstance(value, dict):
        yield value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
