"""Which rows a question is about, on each account's own calendar.

A window is one span of time for everybody, or one for each account: "today" begins at another moment in
another time zone, and ends at the moment up to which the account's source vouches for its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from connectors.contract import Account, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metrics.model import Grain
    from warehouse.store import Warehouse, Watermark

__all__ = [
    "AccountKey",
    "Span",
    "Windows",
    "accounts",
    "days",
    "earlier",
    "hull",
    "latest",
    "shift",
    "spans",
    "today",
    "vouched",
    "watermarks",
]

AccountKey: TypeAlias = tuple[str, str]
"""(source, account)"""

Windows: TypeAlias = Window | Mapping[AccountKey, Window]
"""One window for all accounts, or one for each; accounts that are not listed are left out."""

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Span:
    """A window, the local days it touches, and for which accounts (None: all that no other span names)."""

    window: Window
    first_day: date
    last_day: date
    only: tuple[AccountKey, ...] | None


def accounts(warehouse: Warehouse, where: Mapping[str, Any] | None = None) -> dict[AccountKey, Account]:
    """Every account that spends money, with its currency and time zone; other sources' have no currency.

    where: a question's filters, of which those on source and account are heeded.
    """
    kept = {name: _listed((where or {}).get(name)) for name in ("source", "account")}
    found = warehouse.query(
        "SELECT source, account, name, currency, timezone, via FROM account "
        "WHERE currency <> '' ORDER BY source, account"
    )
    return {
        (row["source"], row["account"]): Account(
            row["source"], row["account"], row["name"], row["currency"], ZoneInfo(row["timezone"]), row["via"]
        )
        for row in found.to_pylist()
        if all(values is None or row[name] in values for name, values in kept.items())
    }


def watermarks(
    warehouse: Warehouse, known: Mapping[AccountKey, Account], stream: str = "delivery"
) -> dict[AccountKey, datetime]:
    """Up to which full hour of its own clock each account's source vouches for a stream."""
    return vouched(warehouse.watermarks(), known, stream)


def vouched(
    marks: Iterable[Watermark], known: Mapping[AccountKey, Account], stream: str = "delivery"
) -> dict[AccountKey, datetime]:
    """The same of watermarks that were read already."""
    found = {}
    for mark in marks:
        account = known.get((mark.source, mark.account))
        if account is not None and mark.stream == stream and mark.data_as_of is not None:
            local = mark.data_as_of.astimezone(account.timezone)
            cut = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            found[mark.source, mark.account] = mark.data_as_of.astimezone(_UTC) - cut
    return found


def today(
    known: Mapping[AccountKey, Account], until: Mapping[AccountKey, datetime]
) -> dict[AccountKey, Window]:
    """Each account's day so far: from local midnight to `until` (its watermark, cut to the hour).

    The day is the one that the moment before `until` belongs to. Accounts without a watermark are left out.
    """
    found = {}
    for key, end in until.items():
        zone = known[key].timezone
        day = (end - timedelta(microseconds=1)).astimezone(zone).date()
        found[key] = Window(_midnight(day, zone), end)
    return found


def latest(hours: int, until: Mapping[AccountKey, datetime]) -> dict[AccountKey, Window]:
    """Each account's last `hours` hours up to `until`."""
    return {key: Window(end - timedelta(hours=hours), end) for key, end in until.items()}


def days(known: Mapping[AccountKey, Account], first: date, last: date) -> dict[AccountKey, Window]:
    """The calendar days `first` to `last`, both whole, on each account's own clock."""
    return {
        key: Window(_midnight(first, a.timezone), _midnight(last + timedelta(days=1), a.timezone))
        for key, a in known.items()
    }


@lru_cache(maxsize=4096)
def shift(window: Window, days: int, zone: ZoneInfo) -> Window | None:
    """The same hours on the clock, `days` days later (earlier if negative).

    None where the clock went forward over all of it: that day has no such hours.
    """
    start, end = (_moved(at, days, zone) for at in (window.start, window.end))
    return Window(start, end) if start < end else None


def earlier(window: Window, days: int, zone: ZoneInfo) -> Window:
    """The same window begun `days` calendar days before."""
    return Window(_moved(window.start, -days, zone), window.end)


def spans(windows: Windows, known: Mapping[AccountKey, Account], grain: Grain) -> tuple[Span, ...]:
    """The fewest spans that say which rows of a view of this grain are meant."""
    if isinstance(windows, Window):
        each = dict.fromkeys(known, windows)
        if grain != "day" or not each:
            touched = [_touched(windows, a.timezone) for a in known.values()] or [_touched(windows, _UTC)]
            return (Span(windows, min(d[0] for d in touched), max(d[1] for d in touched), None),)
    else:
        each = dict(windows)
    grouped: dict[tuple[object, ...], list[tuple[AccountKey, Window, tuple[date, date]]]] = {}
    for key, window in each.items():
        local = _touched(window, known[key].timezone if key in known else _UTC)
        same = local if grain == "day" else (window.start, window.end)
        grouped.setdefault(same, []).append((key, window, local))
    everybody = len(grouped) == 1 and set(each) >= set(known)
    return tuple(_span(group, everybody=everybody) for group in grouped.values())


def _span(group: list[tuple[AccountKey, Window, tuple[date, date]]], *, everybody: bool) -> Span:
    return Span(
        Window(min(w.start for _, w, _ in group), max(w.end for _, w, _ in group)),
        min(local[0] for *_, local in group),
        max(local[1] for *_, local in group),
        None if everybody else tuple(sorted(key for key, *_ in group)),
    )


def hull(found: Iterable[Span]) -> Span:
    """The span that holds all of them."""
    parts = list(found)
    if not parts:
        start = datetime.fromtimestamp(0, _UTC)
        return Span(Window(start, start + timedelta(hours=1)), start.date(), start.date(), ())
    return Span(
        Window(min(s.window.start for s in parts), max(s.window.end for s in parts)),
        min(s.first_day for s in parts),
        max(s.last_day for s in parts),
        None,
    )


@lru_cache(maxsize=4096)
def _touched(window: Window, zone: ZoneInfo) -> tuple[date, date]:
    """The first and last of the local days that a window touches."""
    local = window.days(zone)
    return local[0], local[-1]


def _listed(value: Any) -> list[Any] | None:
    if value is None:
        return None
    return [value] if isinstance(value, str) else list(value)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(_UTC)


def _moved(at: datetime, days: int, zone: ZoneInfo) -> datetime:
    # The second of a repeated hour counts as the first: sources report the two as one, at the first.
    local = at.astimezone(zone).replace(tzinfo=None) + timedelta(days=days)
    return local.replace(tzinfo=zone).astimezone(_UTC)
