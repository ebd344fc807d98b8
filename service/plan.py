"""What to ask a stream for: which windows of time, when, and in which pieces.

The newest window is the account-local day that is not vouched for yet, up to now. The past is due day by day:
every local day, as far back as the stream says it may still change, that no pull since `recent_every` (or
`restate_every`) covers wholly; and every day since the first that no pull ever covered wholly. So what is due
follows from the journal alone: a crash, a week switched off and a day that ended between two polls all come
out as days not covered. The recent days are due together, once one is: yesterday was covered last at another
minute than the days before it, and asked for apart it would stay apart, at twice the requests.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from connectors.contract import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from zoneinfo import ZoneInfo

    from connectors.contract import Stream

__all__ = ["ROWS_A_PIECE", "days_a_piece", "halves", "midnight", "missing", "newest", "past", "pieces"]

ROWS_A_PIECE = 120_000
"""A slice is cut to about this many rows, so that memory stays flat however long the window is."""

LONGEST_PIECE = 92
"""Days: what one request asks for at most, however few rows it brings."""


def midnight(day: date, timezone: ZoneInfo) -> datetime:
    """The instant at which a local day begins, in UTC."""
    return datetime.combine(day, time(), timezone).astimezone(UTC)


def _day(at: datetime, timezone: ZoneInfo) -> date:
    return at.astimezone(timezone).date()


def newest(stream: Stream, timezone: ZoneInfo, now: datetime) -> Window:
    """From the start of the local day that the source does not vouch for yet, to now.

    With a lag of three hours that is yesterday until 03:00, and today from then on. A stream without a
    restatement tier of its own asks for all its restatement every time.
    """
    since = now - max(stream.lag, timedelta(microseconds=1))  # at midnight sharp: the day that has just ended
    if stream.restate_every is None and isinstance(stream.restate, timedelta):
        since = min(since, now - stream.restate)
    return Window(midnight(_day(since, timezone), timezone), now)


def past(
    stream: Stream,
    timezone: ZoneInfo,
    now: datetime,
    *,
    restate: timedelta,
    covered: Callable[[timedelta | None], Sequence[Window]],
) -> list[Window]:
    """What of the past is due, oldest first: runs of whole local days before the newest window.

    restate: how far back the stream may still change, for this account. covered: the windows that pulls
    within the last so-and-so long have answered, or (None) any pull ever.
    """
    if not stream.row.time:
        return []
    end = newest(stream, timezone, now).start
    due: list[Window] = []
    tiers = ((stream.recent, stream.recent_every, True), (restate, stream.restate_every, False))
    for reach, every, together in tiers:
        if every is not None and reach:
            start = midnight(_day(now - reach, timezone), timezone)
            if start < end:
                gaps = missing(Window(start, end), covered(every), timezone)
                due += [Window(start, end)] if gaps and together else gaps
    ever = covered(None)
    if ever:
        start = midnight(_day(min(w.start for w in ever), timezone), timezone)
        if start < end:
            due += missing(Window(start, end), ever, timezone)
    return [Window(start, stop) for start, stop in _union(due)]


def missing(window: Window, covered: Iterable[Window], timezone: ZoneInfo) -> list[Window]:
    """The runs of whole local days of `window` that `covered` does not hold wholly, oldest first."""
    spans = _union(covered)
    runs: list[Window] = []
    for day in window.days(timezone):
        start, end = midnight(day, timezone), midnight(day + timedelta(days=1), timezone)
        if start < window.start or end > window.end:
            continue
        if any(a <= start and end <= b for a, b in spans):
            continue
        if runs and runs[-1].end == start:
            runs[-1] = Window(runs[-1].start, end)
        else:
            runs.append(Window(start, end))
    return runs


def _union(windows: Iterable[Window]) -> list[tuple[datetime, datetime]]:
    spans: list[tuple[datetime, datetime]] = []
    for start, end in sorted((w.start, w.end) for w in windows):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def pieces(windows: Sequence[Window], timezone: ZoneInfo, days: int) -> list[Window]:
    """`windows` cut at local midnights into pieces of at most `days` days, newest first."""
    cut: list[Window] = []
    for window in sorted(windows, key=lambda w: w.start, reverse=True):
        end = window.end
        while end > window.start:
            last = _day(end - timedelta(microseconds=1), timezone)
            start = max(window.start, midnight(last - timedelta(days=days - 1), timezone))
            cut.append(Window(start, end))
            end = start
    return cut


def halves(window: Window, timezone: ZoneInfo) -> list[Window]:
    """`window` cut in two at a local midnight, the newer half first; one day stays whole."""
    days = len(window.days(timezone))
    return pieces([window], timezone, (days + 1) // 2) if days > 1 else [window]


def days_a_piece(rows_a_day: float) -> int:
    """How many days to ask for at once, where a day has brought so many rows."""
    return max(1, min(LONGEST_PIECE, int(ROWS_A_PIECE / rows_a_day) if rows_a_day > 0 else LONGEST_PIECE))
