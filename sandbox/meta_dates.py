"""Which days an insights request covers, and into which spans they fall, on the account's own calendar."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.meta_errors import GraphError, bad_parameter
from sandbox.meta_params import day, read

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PRESETS", "RETENTION_MONTHS", "Span", "months_before", "spans"]

RETENTION_MONTHS = 37
_MOST_INCREMENT = 90
_MOST_RANGES = 100
_FURTHEST = timedelta(days=366)


class Span(NamedTuple):
    """Days from `since` to `until`, both included."""

    since: date
    until: date


def months_before(today: date, months: int) -> date:
    """The same day `months` earlier, or that month's last day."""
    month = today.year * 12 + today.month - 1 - months
    first = date(month // 12, month % 12 + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(today.day, last.day))


def _preset(name: str, today: date) -> Span:
    yesterday = today - timedelta(days=1)
    month = today.replace(day=1)
    quarter = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    monday = today - timedelta(days=today.weekday())
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    match name:
        case "today":
            return Span(today, today)
        case "yesterday":
            return Span(yesterday, yesterday)
        case "this_month":
            return Span(month, today)
        case "last_month":
            end = month - timedelta(days=1)
            return Span(end.replace(day=1), end)
        case "this_quarter":
            return Span(quarter, today)
        case "last_quarter":
            return Span(months_before(quarter, 3), quarter - timedelta(days=1))
        case "this_year":
            return Span(today.replace(month=1, day=1), today)
        case "last_year":
            return Span(date(today.year - 1, 1, 1), date(today.year - 1, 12, 31))
        case "this_week_mon_today":
            return Span(monday, today)
        case "this_week_sun_today":
            return Span(sunday, today)
        case "last_week_mon_sun":
            return Span(monday - timedelta(days=7), monday - timedelta(days=1))
        case "last_week_sun_sat":
            return Span(sunday - timedelta(days=7), sunday - timedelta(days=1))
        case "maximum" | "data_maximum":
            return Span(months_before(today, RETENTION_MONTHS), today)
        case _:
            days = int(name.removeprefix("last_").removesuffix("d"))
            return Span(today - timedelta(days=days), yesterday)


PRESETS = frozenset(
    {
        "today", "yesterday", "this_month", "last_month", "this_quarter", "last_quarter", "this_year",
        "last_year", "this_week_mon_today", "this_week_sun_today", "last_week_mon_sun",
        "last_week_sun_sat", "maximum", "data_maximum",
        "last_3d", "last_7d", "last_14d", "last_28d", "last_30d", "last_90d",
    }
)  # fmt: skip


def spans(params: Mapping[str, str], today: date, oldest: date) -> list[Span]:
    """The spans of a request, one a row: `time_ranges` as they stand, else one range by `time_increment`.

    today: the account's own day. oldest: the account's first day, where `maximum` begins.
    Raises GraphError 3018 for what lies beyond 37 months, 100 for what cannot be read.
    """
    if params.get("time_ranges"):
        value = _json(params, "time_ranges")
        if not isinstance(value, (list, tuple)) or not 0 < len(value) <= _MOST_RANGES:
            raise bad_parameter("param time_ranges must be an array of objects with since and until.")
        return [_range(item, "time_ranges", today) for item in value]
    if params.get("time_range"):
        whole = _range(_json(params, "time_range"), "time_range", today)
    else:
        preset = params.get("date_preset", "last_30d").strip("\"'")
        if preset not in PRESETS:
            raise bad_parameter(
                f"date_preset must be one of the following values: {', '.join(sorted(PRESETS))}"
            )
        whole = _preset(preset, today)
        if preset in {"maximum", "data_maximum"}:
            whole = Span(max(whole.since, min(oldest, today)), today)
    return _cut(whole, params.get("time_increment", "all_days").strip("\"'"))


def _json(params: Mapping[str, str], key: str) -> Any:
    try:
        return read(params[key])
    except ValueError:
        raise bad_parameter(f"param {key} must be valid JSON.") from None


def _range(value: Any, key: str, today: date) -> Span:
    if not isinstance(value, dict) or not {"since", "until"} <= value.keys():
        raise bad_parameter(f"Must specify both since and until in {key}.")
    span = Span(day(value["since"], f"{key}[since]"), day(value["until"], f"{key}[until]"))
    if span.since > span.until:
        raise bad_parameter(f"{key}[since] must not be later than {key}[until].")
    if span.until > today + _FURTHEST:
        raise bad_parameter(f"{key}[until] is too far in the future.")
    if span.since < months_before(today, RETENTION_MONTHS):
        raise GraphError(
            3018,
            "(#3018) The start date of the time range cannot be beyond 37 months from the current date",
        )
    return span


def _cut(whole: Span, increment: str) -> list[Span]:
    if increment == "all_days":
        return [whole]
    if increment == "monthly":
        starts = [whole.since]
        while (following := (starts[-1].replace(day=1) + timedelta(days=32)).replace(day=1)) <= whole.until:
            starts.append(following)
    else:
        if not increment.isdecimal() or not 1 <= int(increment) <= _MOST_INCREMENT:
            raise bad_parameter(
                f"time_increment must be monthly, all_days or an integer between 1 and {_MOST_INCREMENT}"
            )
        days = (whole.until - whole.since).days + 1
        starts = [whole.since + timedelta(days=n) for n in range(0, days, int(increment))]
    one = timedelta(days=1)
    return [Span(since, after - one) for since, after in pairwise([*starts, whole.until + one])]
