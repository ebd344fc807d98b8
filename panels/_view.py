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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import streamlit as st

from connectors.contract import Account, Window
from metrics import windows
from metrics.compare import Comparison
from metrics.windows import AccountKey
from panels import _format as f
from panels import _known
from panels._address import kept, kept_text
from panels._once import once
from panels._scope import Scope, scopes
from panels._slot import Process, process
from warehouse.store import Warehouse

__all__ = ["SPANS", "View", "comparisons", "controls", "moments", "view"]

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
_REPLAY_DAYS: Final = 30
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
            since=_since(of.data_version()) if self.span == "custom" else None,
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
def _moments(version: int) -> list[datetime]:
    """What can be replayed, up to now; what is to come brings a version of its own."""
    del version
    of = process()
    assert of is not None
    return moments(of.warehouse, datetime.now(UTC) - _REPLAY_DAYS * _DAY)


@once
def _since(version: int) -> dict[AccountKey, datetime]:
    """Each account's first hour with delivery."""
    del version
    of = process()
    assert of is not None
    rows = of.warehouse.query("SELECT source, account, min(hour) AS hour FROM delivery GROUP BY ALL")
    return {(row["source"], row["account"]): row["hour"] for row in rows.to_pylist()}


def moments(warehouse: Warehouse, since: datetime) -> list[datetime]:
    """When polls of delivery changed anything since then: the last of each quarter of an hour."""
    rows = warehouse.query(
        """SELECT max(seen_at) AS seen FROM journal
        WHERE outcome = 'ok' AND changed > 0 AND seen_at >= $since AND stream = 'delivery'
        GROUP BY time_bucket(INTERVAL 15 MINUTE, seen_at) ORDER BY seen""",
        {"since": since},
    )
    return [seen.astimezone(UTC) for seen in rows["seen"].to_pylist()]


def controls(
    *,
    spans: Mapping[str, str] = SPANS,
    replay: bool = True,
    only: Scope | None = None,
    usual: str = "today",
    compared: bool = True,
) -> View | None:
    """Draw the pickers and say what they say; None while the accounts have no data (the page says why).

    spans: the windows that the page can be about; usual: the one before anybody has chosen. replay: whether
    it can show what was known at a moment. only: the accounts of a page that is about one thing, which then
    has no picker for them. compared: whether the page compares windows.
    """
    of = process()
    assert of is not None
    now = datetime.now(UTC)
    read = _known.now(of)
    known = read.accounts
    rates = of.workspace.currency if "fx" in of.workspace.sources else ""
    choices = {scope.key: scope for scope in scopes(known, rates)}
    if not choices:
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", key="controls"):
        scope = only or choices[_scope(choices, of, known)]
        span = st.segmented_control(
            "Window",
            list(spans),
            format_func=spans.__getitem__,
            required=True,
            help="Until the last full hour that the sources vouch for, on each account's own clock.",
            **kept("win", spans, usual),
        )
        dates = _dates(of, now) if span == "custom" else None
        possible = comparisons(span)
        against: Comparison | None = None
        if compared:
            with st.container(key="pick_vs", width="content"):
                against = st.selectbox(
                    "Compared with",
                    possible,
                    format_func=lambda c: c.label.removeprefix("vs "),
                    width=260,
                    help="Both sides end at the same hour of the day.",
                    **kept("vs", possible, possible[0]),
                )
        as_of: datetime | None = None
        if replay:
            with st.container(key="pick_replay", width="content"):
                as_of = _replay(of, now)
    shown = view(
        known,
        read.until,
        scope,
        span=span,
        now=now,
        against=against,
        dates=dates,
        as_of=as_of,
        since=_since(of.data_version()) if span == "custom" else None,
    )
    if as_of is not None:
        _replayed(as_of.astimezone(of.workspace.timezone))
    return shown


def _replayed(at: datetime) -> None:
    """The banner of a page that shows the past, and the way back."""
    with st.container(horizontal=True, vertical_alignment="center", key="replay_banner"):
        st.markdown(
            f":material/history: **Replay: {at:%a %-d %b %H:%M}.** Every figure is as it was known then; "
            "what came later is left out, and the page stands still.",
            width="stretch",
        )
        if st.button("Back to now", icon=":material/play_arrow:", key="replay_back"):
            del st.query_params["at"]
            st.rerun()


def _scope(choices: Mapping[str, Scope], of: Process, known: Mapping[AccountKey, Account]) -> str:
    """The account picker: a single account is told apart by its platform, number and currency."""

    def label(key: str) -> str:
        scope = choices[key]
        if len(scope.accounts) != 1 or scope.key != "/".join(scope.accounts[0]):
            return scope.label
        source, number = scope.accounts[0]
        title = of.workspace.sources.get(source, source)
        return f"{known[source, number].name} · {title} {number} · {scope.currency}"

    asked = st.query_params.get("scope")
    if asked is not None and asked not in choices:
        st.toast(f"There is no account {f.plain(asked)} any more: all are shown.", icon=":material/info:")
    return str(
        st.selectbox(
            "Accounts",
            list(choices),
            format_func=label,
            width=340,
            help="Money of different currencies is added up only where it is converted, by each day's rate.",
            **kept("scope", choices, next(iter(choices))),
        )
    )


def _dates(of: Process, now: datetime) -> tuple[date, date]:
    today = now.astimezone(of.workspace.timezone).date()
    week = today - timedelta(days=6)
    bounds: dict[str, Any] = {"max_value": today, "width": 140}
    first = st.date_input("From", **bounds, **kept_text("from", _day(today), week))
    last = st.date_input("To", **bounds, **kept_text("to", _day(today), today))
    return min(first, last), max(first, last)


def _day(today: date) -> Callable[[str], date]:
    """A day of the URL; raises ValueError for one that is none, or has not come yet."""

    def read(text: str) -> date:
        day = date.fromisoformat(text)
        if day > today:
            raise ValueError(text)
        return day

    return read


def _replay(of: Process, now: datetime) -> datetime | None:
    """The moment that the page is to show, chosen from the polls that changed something; None for now."""
    asked = st.query_params.get("at")
    known = _moments(of.data_version())
    zone = of.workspace.timezone
    moment: datetime | None = None
    if asked:
        try:
            moment = datetime.fromisoformat(asked).astimezone(UTC)
        except ValueError:
            st.toast(f"{f.plain(asked)} is no moment: what is known now is shown.", icon=":material/info:")
            del st.query_params["at"]
        if moment is not None and moment > now:
            st.toast("That moment is still to come: what is known now is shown.", icon=":material/info:")
            del st.query_params["at"]
            moment = None
    with st.popover(
        "Replay" if moment is None else f"{moment.astimezone(zone):%-d %b %H:%M}",
        icon=":material/history:",
        type="secondary" if moment is None else "primary",
        help="See the page as it was known at an earlier moment: the ledger keeps every restatement.",
    ):
        if len(known) < 2:
            st.caption("There is nothing to replay yet: the ledger has one look at the data.")
            return moment
        start = max((m for m in known if moment is None or m <= moment), default=known[0])
        chosen = st.select_slider(
            "As it was seen at",
            known,
            value=start,
            format_func=lambda m: f"{m.astimezone(zone):%a %-d %b %H:%M}",
            help="Each step is a poll that changed something.",
        )
        go, back = st.columns(2)
        if go.button("Show", type="primary", disabled=chosen == moment):
            st.query_params["at"] = f"{chosen:%Y-%m-%dT%H:%M}Z"
            st.rerun()
        if back.button("Back to now", disabled=moment is None):
            del st.query_params["at"]
            st.rerun()
    return moment
