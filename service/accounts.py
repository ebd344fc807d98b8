"""The accounts that are polled, and how far back each one's past may change."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from connectors.contract import Account
from service.budget import LOOK_BACK_EVERY
from warehouse.errors import ReplyRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.contract import Stream
    from service.workers import Discovered
    from warehouse.store import Warehouse

__all__ = ["UNKNOWN_LOOK_BACK", "Accounts"]

Owner: TypeAlias = tuple[str, str]

UNKNOWN_LOOK_BACK = timedelta(days=30)
"""Restated for an account that will not tell: what most conversion actions are set to."""


class Accounts:
    """What discovery found, kept between starts in the warehouse's own `account` table.

    So a restart polls at once, and goes on polling through an outage of the account list. Safe from any
    thread.
    """

    def __init__(self, sources: Iterable[str], warehouse: Warehouse) -> None:
        self._lock = threading.Lock()
        self._known: dict[Owner, Account] = {}
        self._allowed: dict[str, int | None] = {}
        self._restate: dict[Owner, dict[str, timedelta]] = {}
        self._learned: dict[Owner, datetime] = {}
        stored = warehouse.query("SELECT source, account, name, currency, timezone, via FROM account")
        for row in stored.to_pylist():
            if row["source"] in set(sources):
                zone = ZoneInfo(row["timezone"])
                account = Account(
                    row["source"], row["account"], row["name"], row["currency"], zone, row["via"]
                )
                self._known[account.source, account.id] = account

    def known(self, source: str | None = None) -> list[Account]:
        """Every account of a source, or of all."""
        with self._lock:
            return [a for a in self._known.values() if source in (None, a.source)]

    def allowed(self, source: str) -> int | None:
        """The source's operations a day; None where it has no limit, or none is known yet."""
        with self._lock:
            return self._allowed.get(source)

    def found(self, source: str, answer: Discovered) -> None:
        """Take over what a discovery found.

        An account that is no longer listed is no longer polled, unless something could not be looked into.
        Raises ReplyRefused for a list without any account where some are known: a login that has lost its
        permissions can look like that, and they are polled on.
        """
        with self._lock:
            known = sum(owner[0] == source for owner in self._known)
            if known and not answer.accounts and not answer.unreachable:
                raise ReplyRefused(
                    f"the source lists no account at all, though {known} are known; they are polled on",
                    mend="See that the login may still read its accounts. If they are gone for good, "
                    "take the source out of paceline.yaml.",
                )
            self._allowed[source] = answer.allowance
            listed = {(a.source, a.id): a for a in answer.accounts}
            if not answer.unreachable:
                gone = [owner for owner in self._known if owner[0] == source and owner not in listed]
                for owner in gone:
                    del self._known[owner]
            self._known.update(listed)

    def restate(self, account: Account, stream: Stream) -> timedelta | None:
        """How far back the stream may still change; None while that has not been asked yet."""
        if isinstance(stream.restate, timedelta):
            return stream.restate
        with self._lock:
            owner = (account.source, account.id)
            if owner not in self._restate:
                return None
            return self._restate[owner].get(stream.name, UNKNOWN_LOOK_BACK)

    def look_back_is_due(self, account: Account, now: datetime) -> bool:
        """Whether to ask the account again how far back its past may change."""
        with self._lock:
            learned = self._learned.get((account.source, account.id))
            return learned is None or now - learned >= LOOK_BACK_EVERY * 0.9  # the daily job has some jitter

    def learned(self, account: Account, restate: dict[str, timedelta], now: datetime) -> None:
        """Note the account's answer."""
        with self._lock:
            owner = (account.source, account.id)
            self._learned[owner] = now
            self._restate[owner] = restate

    def untold(self, account: Account) -> None:
        """The account was asked and did not say: what was known before stays, and it is due to be asked."""
        with self._lock:
            self._restate.setdefault((account.source, account.id), {})
