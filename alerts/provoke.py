"""The known condition of each kind of rule, made to be in a shadow of the data: what a drill begins with.

Each function changes the shadow so that a rule of its kind must fire on a campaign (or its account), whatever
its figures are; where that fails the rule does not do what it says.
"""

# ruff: noqa: S608  # the column's name is one of two written here; values are bound

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alerts.conditions.contract import Condition
    from alerts.observation import Labels
    from warehouse.shadow import Shadow

__all__ = ["PROVOKED", "Unprovoked", "page_to_fail", "provoke"]

_MINE: Final = "source = $source AND account = $account"
_CAMPAIGN: Final = f"{_MINE} AND campaign = $campaign"
_TIMES: Final = 40


class Unprovoked(Exception):
    """A condition that cannot be made: nobody has said how, or there is nothing to make it of."""


def provoke(shadow: Shadow, condition: Condition, on: Labels, end: datetime) -> None:
    """Make the condition hold for a campaign. end: its account's watermark. Raises Unprovoked."""
    make = PROVOKED.get(condition.kind)
    if make is None:
        raise Unprovoked(f"no drill is known for the kind {condition.kind!r}")
    make(shadow, condition, on, end)


def _owner(on: Labels, *, campaign: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = {"source": on.source, "account": on.account}
    return found | ({"campaign": on.campaign} if campaign else {})


def _spend(shadow: Shadow, on: Labels, end: datetime, hours: int, times: float) -> None:
    shadow.change(
        f"UPDATE delivery SET cost = CAST(cost * $times AS BIGINT) WHERE {_CAMPAIGN} "
        "AND hour >= $since AND hour < $end",
        {**_owner(on), "times": times, "since": end - timedelta(hours=hours), "end": end},
    )


def _barren(shadow: Shadow, on: Labels, end: datetime, hours: int, *, account: bool = False) -> None:
    """No conversion in the last hours, nor any that arrived then; of days that they touch, none at all."""
    where = _MINE if account else _CAMPAIGN
    owner, since = _owner(on, campaign=not account), end - timedelta(hours=hours)
    shadow.change(
        f"UPDATE delivery SET conversions = 0, conversion_value = 0 WHERE {where} "
        "AND hour >= $since AND conversions IS NOT NULL",
        {**owner, "since": since},
    )
    shadow.change(
        f"UPDATE day_totals SET conversions = 0, conversion_value = 0 WHERE {where} AND day >= $day",
        {**owner, "day": since.date() - timedelta(days=1)},
    )
    for table in ("delivery_ledger", "day_totals_ledger"):
        shadow.change(f"DELETE FROM {table} WHERE {where} AND seen_to > $since", {**owner, "since": since})


def _threshold(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    if condition.below is not None and condition.metric != "spend":
        _barren(shadow, on, end, condition.window)
    else:
        _spend(shadow, on, end, condition.window, _TIMES if condition.above is not None else 0)


def _cost_over_target(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    _spend(shadow, on, end, condition.window, _TIMES)


def _conversion_rate(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    _barren(shadow, on, end, condition.window)


def _pace(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    _spend(shadow, on, end, max(one.hours for way in condition.windows for one in way), _TIMES)


def _budget(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    _spend(shadow, on, end, 24, _TIMES if condition.side == "over" else 0)


def _flight(shadow: Shadow, condition: Any, _on: Labels, end: datetime) -> None:
    # A plan may be about several accounts, of which one may be too small to move it.
    times = _TIMES if condition.side == "over" else 0
    shadow.change(
        "UPDATE delivery SET cost = CAST(cost * $times AS BIGINT) WHERE hour >= $since",
        {"times": times, "since": end - timedelta(days=40)},
    )


def _tracking(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    _barren(shadow, on, end, condition.window + 2, account=True)


def _freshness(shadow: Shadow, _condition: Any, on: Labels, _end: datetime) -> None:
    shadow.change(
        f"UPDATE watermark SET polled_at = polled_at - INTERVAL 1 DAY, outcome = 'stop', error = 'Drill' "
        f"WHERE {_MINE} AND stream = 'delivery'",
        _owner(on, campaign=False),
    )


def _not_serving(shadow: Shadow, _condition: Any, on: Labels, _end: datetime) -> None:
    shadow.change(
        f"UPDATE campaign SET status = 'enabled', serving = 'disapproved' WHERE {_CAMPAIGN}", _owner(on)
    )


def _landing_page(shadow: Shadow, condition: Any, _on: Labels, _end: datetime) -> None:
    # The newest looks failed: as many as the rule wants, a minute apart up to the last one that was made.
    shadow.change(
        """INSERT INTO page_check BY NAME
        SELECT p.* REPLACE (p.checked + to_minutes(n) AS checked, 'status' AS failure,
          'answers HTTP 503' AS words)
        FROM (SELECT * FROM page_check WHERE url = $url
            QUALIFY row_number() OVER (ORDER BY checked DESC) = 1) AS p,
          (SELECT unnest(range(1, $looks + 1)) AS n)""",
        {"looks": condition.failures, "url": page_to_fail(shadow)},
    )


def page_to_fail(shadow: Shadow) -> str | None:
    """The page that was looked at last, of those that work if any does: the one that a drill makes fail."""
    found = shadow.query(
        """SELECT url FROM page_check GROUP BY url
        ORDER BY arg_max(failure, checked) <> '', max(checked) DESC, url LIMIT 1"""
    )["url"].to_pylist()
    return found[0] if found else None


def _spend_without_conversions(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    _barren(shadow, on, end, condition.window)
    _spend(shadow, on, end, condition.window, _TIMES)


def _new_spender(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    # An account without spend eight or seven days ago is new itself: there the rule rightly says nothing.
    known = {"first": end - timedelta(hours=192), "last": end - timedelta(hours=144)}
    others = (
        f"SELECT 1 FROM delivery WHERE {_MINE} AND campaign <> $campaign AND cost > 0 "
        "AND hour >= $first AND hour < $last LIMIT 1"
    )
    if not shadow.query(others, {**_owner(on), **known}).num_rows:
        raise Unprovoked("no other campaign of the account spent a week ago: in a new account nothing is new")
    shadow.change(
        f"DELETE FROM delivery WHERE {_CAMPAIGN} AND hour < $since",
        {**_owner(on), "since": end - timedelta(hours=condition.window)},
    )
    _spend(shadow, on, end, condition.window, _TIMES)


def _lost_to_budget(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    shadow.change(
        f"UPDATE auction SET lost_to_budget = $share WHERE {_CAMPAIGN}",
        {**_owner(on), "share": (1 + condition.share) / 2},
    )
    _spend(shadow, on, end, 168, 1 / _TIMES)


def _anomaly(shadow: Shadow, condition: Any, on: Labels, end: datetime) -> None:
    if condition.of in ("spend", "cpc"):
        _spend(shadow, on, end, 6, _TIMES)
    if condition.of == "spend":  # more clicks at their price: dearer ones would be another matter
        shadow.change(
            f"UPDATE delivery SET clicks = clicks * $times, impressions = impressions * $times "
            f"WHERE {_CAMPAIGN} AND hour >= $since AND hour < $end",
            {**_owner(on), "times": _TIMES, "since": end - timedelta(hours=6), "end": end},
        )
    elif condition.of == "cpc":
        return
    elif condition.of == "conversions":
        _barren(shadow, on, end, 12, account=True)
    else:
        raise Unprovoked(f"no drill is known for anomalies of {condition.of}: they take days to come about")


PROVOKED: Final[Mapping[str, Callable[[Shadow, Any, Labels, datetime], None]]] = {
    "anomaly": _anomaly,
    "budget": _budget,
    "conversion_rate": _conversion_rate,
    "cost_over_target": _cost_over_target,
    "flight": _flight,
    "freshness": _freshness,
    "landing_page": _landing_page,
    "lost_to_budget": _lost_to_budget,
    "new_spender": _new_spender,
    "not_serving": _not_serving,
    "pace": _pace,
    "spend_without_conversions": _spend_without_conversions,
    "threshold": _threshold,
    "tracking": _tracking,
}
