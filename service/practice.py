"""An incident to find, for the lesson: begun in the sandbox that the workspace polls, and ended there.

The sandbox is asked over HTTP, at the address that the setting `sandbox` has (docs/sandbox.md). What is begun
disturbs one account as a real one would be: nothing in Paceline but the numbers knows of it.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import requests
from pydantic import BaseModel, ValidationError

from metrics import windows
from metrics.practice import KINDS, Practised, keep, kept
from warehouse.access import Permission, allow
from warehouse.audit import Audit

if TYPE_CHECKING:
    from connectors.contract import Account
    from metrics.windows import AccountKey
    from warehouse.access import Actor
    from warehouse.book import Book
    from warehouse.store import Warehouse

__all__ = ["Practice"]

_BEGAN: Final = timedelta(hours=4)
"""So long ago, as far as the account's day reaches: today is what every poll asks for again."""
_LASTS: Final = timedelta(hours=12)
_ENOUGH: Final = 1 / 3
"""Of the busiest campaign's clicks: with fewer there is little to see."""
_WITHIN: Final = 10.0
_AT_A_DRAW: Final = 1.0
"""Seconds that a sandbox has to answer; while a page waits, and an answer later will do."""

_BUSIEST: Final = """
SELECT source, account, campaign, CAST(sum(clicks) AS BIGINT) AS clicks FROM delivery WHERE hour >= $since
GROUP BY source, account, campaign
QUALIFY row_number() OVER (PARTITION BY source, account ORDER BY sum(clicks) DESC) = 1
ORDER BY source, account
"""
"""The campaign of each account that had most clicks of late."""


_SOURCES: Final = {"meta": "meta_ads"}
"""Our names of the sandbox's platforms, where they are others."""


class _Incident(BaseModel):
    """One as the control face tells it. platform, advertiser: whose numbers it disturbs; None: all."""

    id: int
    active: bool
    platform: str | None
    advertiser: int | None

    def disturbs(self, accounts: Iterable[AccountKey]) -> list[str]:
        """Whose numbers are wrong by it at present. accounts: source and id of those that are polled."""
        if not self.active:
            return []
        if self.advertiser is not None:
            return [str(self.advertiser)]
        source = self.platform and _SOURCES.get(self.platform, self.platform)
        return [account for of, account in accounts if source in (None, of)]


class _Incidents(BaseModel):
    incidents: tuple[_Incident, ...]


class _Refusal(BaseModel):
    error: str


_Answer = TypeVar("_Answer", bound=BaseModel)


class Practice:
    """The incidents of one sandbox, of which at most one is to be found. Safe from any thread.

    It is kept in the book (metrics.practice), so that it outlives the process. poll: asks the sources anew.
    """

    def __init__(
        self,
        url: str,
        book: Book,
        warehouse: Warehouse,
        *,
        clock: Callable[[], datetime],
        poll: Callable[[], object],
    ) -> None:
        self._url, self._book, self._warehouse = url.rstrip("/"), book, warehouse
        self._clock, self._poll = clock, poll
        self._lock = threading.Lock()
        self._sure = False
        """Whether the sandbox is known to have the one that an earlier process began."""

    def current(self) -> Practised | None:
        """The one that is to be found; None once its time is over, or its sandbox was started anew."""
        one = kept(self._book)
        if one is None or self._clock() >= one.begun + _LASTS:
            return None
        if not self._sure:
            try:
                here = self._knows(one, _AT_A_DRAW)
            except ValueError:
                return one  # it is not up yet: nobody can say
            self._sure = True
            if not here:
                keep(self._book, None)
                return None
        return one

    def _knows(self, one: Practised, within: float = _WITHIN) -> bool:
        """Whether the sandbox has it under way. Raises ValueError where it does not answer."""
        found = self._ask(_Incidents, "GET", "/incidents", within=within).incidents
        return any(known.id == one.id and known.active for known in found)

    def begin(self, *, by: Actor) -> None:
        """Begin one, at random, where nothing else is wrong.

        Raises Denied; ValueError, in words, where that cannot be.
        """
        now = self._clock()
        allow(self._book, by, Permission.ALERTS, "practice", now=now)
        with self._lock:
            if self.current() is not None:
                raise ValueError("an incident is under way already: find it, or give up")
            accounts = windows.accounts(self._warehouse)
            disturbed = frozenset(
                account
                for one in self._ask(_Incidents, "GET", "/incidents").incidents
                for account in one.disturbs(accounts)
            )
            source, account, campaign, at = self._place(accounts, disturbed, now)
            kind = secrets.choice(list(KINDS))
            body = {"name": kind, "at": at.isoformat(), "seconds": (now + _LASTS - at).total_seconds()}
            # The site's tag is missed by all of an account's campaigns.
            body |= {"account": account} if kind == "tracking_outage" else {"campaign": campaign}
            made = self._ask(_Incident, "POST", "/incidents", body)
            keep(self._book, Practised(made.id, kind, source, account, at, now, disturbed))
            self._sure = True
        Audit(self._book).record(by.name, "began", "practice", now=now)
        self._poll()

    def end(self, *, by: Actor) -> None:
        """End it: the numbers go on as if it were mended, what was disturbed stays so. Raises as `begin`."""
        now = self._clock()
        allow(self._book, by, Permission.ALERTS, "practice", now=now)
        with self._lock:
            one = self.current()
            if one is None:
                raise ValueError("no incident is under way")
            # A sandbox that was started anew knows nothing of it: it is over.
            if self._knows(one):
                self._ask(_Incident, "DELETE", f"/incidents/{one.id}")
            keep(self._book, None)
        Audit(self._book).record(by.name, "ended", "practice", now=now, detail={"what": one.kind})

    def _place(
        self, accounts: Mapping[AccountKey, Account], disturbed: frozenset[str], now: datetime
    ) -> tuple[str, str, str, datetime]:
        """Source, account and campaign where an incident would be seen, and since when."""
        rows = self._warehouse.query(_BUSIEST, {"since": now - _BEGAN}).to_pylist()
        quiet = [
            row
            for row in rows
            if row["account"] not in disturbed and (row["source"], row["account"]) in accounts
        ]
        most = max((row["clicks"] for row in quiet), default=0)
        seen = [row for row in quiet if row["clicks"] and row["clicks"] >= most * _ENOUGH]
        if not seen:
            raise ValueError(
                "no account has clicks of late and no other incident: wait for the first polls, or end one"
            )
        row = secrets.choice(seen)
        zone = accounts[row["source"], row["account"]].timezone
        midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return row["source"], row["account"], row["campaign"], max(now - _BEGAN, midnight)

    def _ask(
        self,
        shape: type[_Answer],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        within: float = _WITHIN,
    ) -> _Answer:
        """Raises ValueError where the sandbox does not answer, or refuses, or something else answers."""
        with requests.Session() as session:
            session.trust_env = False  # this machine is reached by no proxy
            try:
                reply = session.request(
                    method, self._url + path, json=body, timeout=within, allow_redirects=False
                )
            except requests.RequestException as error:
                why = f"the sandbox does not answer at {self._url}: {type(error).__name__}"
                raise ValueError(why) from error
        try:
            if reply.status_code < requests.codes.multiple_choices:
                return shape.model_validate_json(reply.content)
            refusal = _Refusal.model_validate_json(reply.content)
        except ValidationError as error:
            raise ValueError(
                f"what answers at {self._url} is no sandbox's control face ({reply.status_code} to {method} "
                f"{path}): set `sandbox` in paceline.yaml to the `truth` that the sandbox tells at its start"
            ) from error
        raise ValueError(f"the sandbox refuses: {refusal.error}")
