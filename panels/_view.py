"""What a page is about: which accounts, which window, against what, and as known when; all of it in the URL.

| key | values |
|---|---|
| `scope` | a currency (all accounts of it), `all`, or `source/account` |
| `win` | 1h, today, yesterday, 7d, 28d, month, custom |
| `from`, `to` | ISO dates, both included, with `win=custom` |
| `vs` | yesterday, last_week, week_average, prior |
| `at` | a moment in ISO 8601, UTC, to the minute: the page as it was seen then |

docs/links.md is the same for people. What a URL says that is not (or no longer) possible falls back to the
default and is said, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from connectors.contract import Account, Window
from metrics import windows
from metrics.compare import Comparison
from metrics.windows import AccountKey
from panels import _known
from panels._once import once
from panels._scope import Scope
from panels._slot import process

__all__ = ["SPANS", "View", "comparisons", "first_hours", "view"]

SPANS: Final = {
    "1h": "Last hour",
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "7 days",
    "28d": "28 days",
    "month": "Month",
    "custom": "Custom",
}

_DAYS: Final = {"7d": 7, "28d": 28}
_USUAL: Final = {"1h": Comparison.WEEK_AVERAGE, "today": Comparison.WEEK_AVERAGE}
_PRESENT: Final = timedelta(hours=12)
"""Within this an account's watermark is of its present day or of the night before it."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows.

    windows: by account, cut at its watermark; accounts without data in it are in `left_out`, by name.
    against: what figures are compared with. as_of: the moment replayed, or None for what is known now.
    step: an hour or a day: the bucket of series over this window.
    as_known: up to when all of the counted accounts' sources vouch for the figures.
    today: each account's present day (when replaying, that moment's) so far; without those that are silent.
    dates: of a custom window, both included.
    """

    scope: Scope
    span: str
    windows: Mapping[AccountKey, Window]
    against: Comparison
    as_of: datetime | None
    step: timedelta
    as_known: datetime
    left_out: tuple[str, ...] = ()
    today: Mapping[AccountKey, Window] = field(default_factory=dict)
    dates: tuple[date, date] | None = None

    @property
    def present(self) -> bool:
        """Whether the window reaches to the present."""
        return any(self.windows[k].end == w.end for k, w in self.today.items() if k in self.windows)

    @property
    def currency(self) -> str:
        """Of all money on the page."""
        return self.scope.currency

    @property
    def convert(self) -> str | None:
        """The currency to convert to, where accounts of several are shown together; for `evaluate`."""
        return self.scope.currency if self.scope.converted else None

    @property
    def where(self) -> dict[str, list[str]]:
        """The accounts that are counted, as filters for `evaluate`."""
        return {
            "source": sorted({source for source, _ in self.windows}),
            "account": sorted({account for _, account in self.windows}),
        }

    @property
    def title(self) -> str:
        """The window's name for people: "Today", "1 Nov to 14 Nov"."""
        if self.span != "custom" or self.dates is None:
            return SPANS[self.span]
        first, last = self.dates
        return f"{first:%-d %b} to {last:%-d %b}"

    def renewed(self) -> View:
        """What the same choices show of the present version of the data: windows reach as far as it does."""
        of = process()
        assert of is not None
        known = _known.now(of)
        found = view(
            known.accounts,
            known.until,
            self.scope,
            span=self.span,
            now=datetime.now(UTC),
            against=self.against,
            dates=self.dates,
            as_of=self.as_of,
            since=first_hours(of.data_version()) if self.span == "custom" else None,
        )
        return found or self


def comparisons(span: str) -> list[Comparison]:
    """What a window of this kind can be compared with, the usual one first."""
    if span in _USUAL:
        return [_USUAL[span], Comparison.YESTERDAY, Comparison.LAST_WEEK, Comparison.PRIOR]
    if span == "yesterday":
        return [Comparison.LAST_WEEK, Comparison.WEEK_AVERAGE, Comparison.PRIOR]
    return [Comparison.PRIOR]


def view(
    known: Mapping[AccountKey, Account],
    until: Mapping[AccountKey, datetime],
    scope: Scope,
    *,
    span: str,
    now: datetime,
    against: Comparison | None = None,
    dates: tuple[date, date] | None = None,
    as_of: datetime | None = None,
    since: Mapping[AccountKey, datetime] | None = None,
) -> View | None:
    """The view of a scope; None where none of its accounts has data in the window.

    since: each account's first hour with delivery, where that is known. until: each account's watermark.
    now: the present; when replaying, `as_of` takes its place, and each account is cut at the last full hour
    before it. dates: of a custom window, both included.
    """
    present = as_of or now
    reach: dict[AccountKey, datetime] = {}
    awake: dict[AccountKey, datetime] = {}
    for key in scope.accounts:
        end = until.get(key)
        if end is None:
            continue
        if as_of is not None:
            local = as_of.astimezone(known[key].timezone)
            cut = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            end = min(end, as_of.astimezone(UTC) - cut)
        if present - end < _PRESENT:
            awake[key] = end
        if key in awake or span not in ("1h", "today"):
            reach[key] = end
    found = {
        key: w
        for key, w in _windows(known, reach, span, present, dates).items()
        if w is not None and (since is None or key not in since or since[key] < w.end)
    }
    if not found:
        return None
    possible = comparisons(span)
    longest = max(w.end - w.start for w in found.values())
    return View(
        scope=scope,
        span=span,
        windows=found,
        against=against if against in possible else possible[0],
        as_of=as_of,
        step=timedelta(hours=1) if longest <= 2 * _DAY else _DAY,
        as_known=min(found[key].end for key in found),
        left_out=tuple(known[key].name for key in scope.accounts if key not in found),
        today=windows.today(known, awake),
        dates=dates if span == "custom" else None,
    )


def _windows(
    known: Mapping[AccountKey, Account],
    reach: Mapping[AccountKey, datetime],
    span: str,
    present: datetime,
    dates: tuple[date, date] | None,
) -> dict[AccountKey, Window | None]:
    if span == "1h":
        return dict(windows.latest(1, reach))
    if span == "today":
        return dict(windows.today(known, reach))
    found: dict[AccountKey, Window | None] = {}
    for key, end in reach.items():
        zone = known[key].timezone
        today = present.astimezone(zone).date()
        if span == "yesterday":
            first, last = today - _DAY, today - _DAY
        elif span == "month":
            first, last = today.replace(day=1), today
        elif span in _DAYS:
            first, last = today - timedelta(days=_DAYS[span] - 1), today
        else:
            first, last = dates or (today, today)
        start = datetime.combine(first, time(), zone).astimezone(UTC)
        stop = min(datetime.combine(last + _DAY, time(), zone).astimezone(UTC), end)
        found[key] = Window(start, stop) if start < stop else None
    return found


@once
def first_hours(version: int) -> dict[AccountKey, datetime]:
    """Each account's first hour with delivery."""
    del version
    of = process()
    assert of is not None
    rows = of.warehouse.query("SELECT source, account, min(hour) AS hour FROM delivery GROUP BY ALL")
    return {(row["source"], row["account"]): row["hour"] for row in rows.to_pylist()}
