"""The pickers of a page: accounts, window, comparison, the moment that is replayed; all of it in the URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import streamlit as st

from connectors.contract import Account
from metrics.compare import Comparison
from metrics.windows import AccountKey
from panels import _format as f
from panels import _known
from panels._address import kept, kept_text
from panels._once import once
from panels._scope import Scope, scopes
from panels._slot import Process, process
from panels._view import SPANS, View, comparisons, first_hours, view
from warehouse.store import Warehouse

__all__ = ["controls"]

_REPLAYED: Final = timedelta(days=30)


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
        since=first_hours(of.data_version()) if span == "custom" else None,
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


@once
def _moments(version: int) -> list[datetime]:
    """What can be replayed, up to now; what is to come brings a version of its own."""
    del version
    of = process()
    assert of is not None
    return _polls(of.warehouse, datetime.now(UTC) - _REPLAYED)


def _polls(warehouse: Warehouse, since: datetime) -> list[datetime]:
    """When polls of delivery changed anything since then: the last of each quarter of an hour."""
    rows = warehouse.query(
        """SELECT max(seen_at) AS seen FROM journal
        WHERE outcome = 'ok' AND changed > 0 AND seen_at >= $since AND stream = 'delivery'
        GROUP BY time_bucket(INTERVAL 15 MINUTE, seen_at) ORDER BY seen""",
        {"since": since},
    )
    return [seen.astimezone(UTC) for seen in rows["seen"].to_pylist()]
