"""How much of its allowance a caller has used: the headers that tell it, and the wall behind them.

Each call adds points to its account's score, which decays by the world's clock. The wall stands where Meta's
limited-access tier has it (60 points in 300 seconds, then 300 seconds of refusals; insights have an allowance
of their own by the hour, 600 calls and 400 more an active ad); it is enforced only when limits are on.
Otherwise the score is told against the full-access tier's 9,000 and nothing is refused.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox.meta_errors import throttled

__all__ = ["Throttle"]

_WINDOW = 300.0
_HOUR = 3600.0
_BLOCK = timedelta(seconds=300)
_LIMITED, _FULL = 60.0, 9_000.0
_INSIGHTS_LIMITED, _INSIGHTS_FULL, _AN_AD = 600.0, 190_000.0, 400.0
_TURNED_AWAY = timedelta(minutes=5)


@dataclass(slots=True)
class _Score:
    """A leaky bucket. points drain evenly over `window` seconds from `limit`."""

    window: float
    points: float = 0.0
    at: datetime | None = None

    def now(self, now: datetime, limit: float) -> float:
        if self.at is not None:
            seconds = max((now - self.at).total_seconds(), 0.0)
            self.points = max(0.0, self.points - limit * seconds / self.window)
        self.at = now
        return self.points

    def add(self, points: float) -> None:
        self.points += points


@dataclass(slots=True)
class _Account:
    calls: _Score = field(default_factory=lambda: _Score(_WINDOW))
    insights: _Score = field(default_factory=lambda: _Score(_HOUR))
    blocked_until: datetime | None = None
    count: int = 0
    refused: int = 0


class Throttle:
    """The scores of every account, and of the app over all of them. Thread-safe."""

    def __init__(self, *, enforced: bool) -> None:
        self._enforced = enforced
        self._accounts: dict[int | None, _Account] = {}
        self._lock = threading.Lock()

    def enter(
        self, account: int, now: datetime, *, cost: float, insights: bool, ads: int, fault: bool
    ) -> None:
        """Count a call, or raise the GraphError that turns it away.

        cost: points (a read is 1). ads: active ads of the account, which widen the insights allowance.
        fault: whether the account is being throttled just now: every second call is turned away.
        """
        with self._lock:
            state = self._accounts.setdefault(account, _Account())
            state.count += 1
            score, limit = self._score(state, insights=insights, ads=ads)
            points = score.now(now, limit)
            over = self._enforced and points + cost > limit
            if over and (state.blocked_until is None or now >= state.blocked_until):
                state.blocked_until = now + _BLOCK
            waiting = state.blocked_until is not None and now < state.blocked_until
            if (fault and state.count % 2 == 0) or waiting:
                until = state.blocked_until if waiting and state.blocked_until else now + _TURNED_AWAY
                error = throttled(state.refused, insights=insights)
                state.refused += 1
                error.headers = self._headers(account, state, now, ads=ads, insights=insights, until=until)
                raise error
            score.add(cost)

    def headers(self, account: int, now: datetime, *, insights: bool, ads: int) -> dict[str, str]:
        """The usage headers of an answer about `account`."""
        with self._lock:
            state = self._accounts.setdefault(account, _Account())
            return self._headers(account, state, now, ads=ads, insights=insights, until=None)

    def _score(self, state: _Account, *, insights: bool, ads: int) -> tuple[_Score, float]:
        if insights:
            base = _INSIGHTS_LIMITED if self._enforced else _INSIGHTS_FULL
            return state.insights, base + _AN_AD * ads
        return state.calls, _LIMITED if self._enforced else _FULL

    def _headers(
        self,
        account: int,
        state: _Account,
        now: datetime,
        *,
        ads: int,
        insights: bool,
        until: datetime | None,
    ) -> dict[str, str]:
        tier = "development_access" if self._enforced else "standard_access"

        def used(*, of_insights: bool) -> float:
            score, limit = self._score(state, insights=of_insights, ads=ads)
            return round(min(score.now(now, limit) / limit * 100, 100.0), 2)

        calls, reports = used(of_insights=False), used(of_insights=True)
        wait = 0
        if until is not None:
            wait = max(1, -(-int((until - now).total_seconds()) // 60))
            calls, reports = (calls, 100.0) if insights else (100.0, reports)
        app = round(max(used_by for used_by in (calls, reports)) / 2, 2)
        share = int(reports if insights else calls)
        usage = {
            str(account): [
                {
                    "type": "ads_insights" if insights else "ads_management",
                    "call_count": share,
                    "total_cputime": share // 2,
                    "total_time": share // 2,
                    "estimated_time_to_regain_access": wait,
                    "ads_api_access_tier": tier,
                }
            ]
        }
        told = {
            "x-app-usage": {
                "call_count": int(app),
                "total_cputime": int(app) // 2,
                "total_time": int(app) // 2,
            },
            "x-ad-account-usage": {
                "acc_id_util_pct": calls,
                "reset_time_duration": wait * 60 or int(_WINDOW * calls / 100),
                "ads_api_access_tier": tier,
            },
            "x-business-use-case-usage": usage,
        }
        if insights:
            told["x-fb-ads-insights-throttle"] = {
                "app_id_util_pct": app,
                "acc_id_util_pct": reports,
                "ads_api_access_tier": tier,
            }
        return {name: json.dumps(value, separators=(",", ":")) for name, value in told.items()}
