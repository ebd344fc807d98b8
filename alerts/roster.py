"""Who is judged: accounts and campaigns, how fresh their data are, and which of them a rule means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from alerts.conditions.contract import Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from connectors.contract import Account
from metrics import windows
from metrics.windows import AccountKey
from warehouse.store import Warehouse, Watermark

__all__ = ["DELIVERY", "HISTORY", "Bools", "Floats", "Roster", "Target"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DELIVERY: Final = "delivery"
"""The stream that every total comes from, and by whose watermark rules are judged."""

HISTORY: Final = 8 * 24
"""Hours that the picture reaches back from each account's watermark: a week before the last day."""

MISSED: Final = 3
"""Polls in a row without an answer after which an account counts as stale."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a result is measured against, for the campaigns whose names or ids match (`*` and `?`)."""

    metric: str
    value: float
    source: str = "*"
    account: str = "*"
    campaign: str = "*"


@dataclass(frozen=True, slots=True)
class _Campaigns:
    labels: tuple[Labels, ...]
    names: tuple[str, ...]
    tags: tuple[str, ...]
    enabled: Bools
    serving: tuple[str, ...]
    channels: tuple[str, ...]


class Roster:
    """Who there is in one pass. every: time between polls of delivery, by source. started: since when this
    process polls.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        now: datetime,
        *,
        every: Mapping[str, timedelta],
        started: datetime,
        targets: Sequence[Target],
    ) -> None:
        self.warehouse, self.now, self.started = warehouse, now, started
        self.every = every
        self._targets = tuple(targets)
        self._target_cache: dict[str, Floats] = {}

    # -- accounts

    @cached_property
    def accounts(self) -> dict[AccountKey, Account]:
        """Every account that spends money."""
        return windows.accounts(self.warehouse)

    @cached_property
    def marks(self) -> dict[tuple[str, str, str], Watermark]:
        """The watermark of every stream."""
        return {(m.source, m.account, m.stream): m for m in self.warehouse.watermarks()}

    @cached_property
    def at(self) -> dict[AccountKey, datetime]:
        """Up to when each account's source vouches for its delivery, to the second."""
        found = {key: self.marks.get((*key, DELIVERY)) for key in self.accounts}
        return {key: m.data_as_of for key, m in found.items() if m is not None and m.data_as_of is not None}

    @cached_property
    def until(self) -> dict[AccountKey, datetime]:
        """The same, cut to whole hours of the account's clock."""
        found = windows.watermarks(self.warehouse, self.accounts, DELIVERY)
        return {key: found[key] for key in self.at if key in found}

    @cached_property
    def stale(self) -> frozenset[AccountKey]:
        """The accounts that missed so many polls that nothing can be said of their present."""
        return frozenset(key for key in self.accounts if self.overdue(key) is True)

    def overdue(self, key: AccountKey) -> bool | None:
        """Whether an account has missed its polls; None while this process has not had the time to ask it.

        A process that has just started knows nothing of polls that nobody made.
        """
        mark = self.marks.get((*key, DELIVERY))
        allowed = MISSED * self.every.get(key[0], timedelta(minutes=15))
        polled = mark.polled_at if mark else None
        if polled is not None and self.now - polled < allowed:
            return False
        return None if self.now - self.started < allowed else True

    def vouched(self, stream: str) -> dict[AccountKey, datetime]:
        """Each account's watermark of one stream."""
        return {
            key: mark.data_as_of
            for key in self.accounts
            if (mark := self.marks.get((*key, stream))) is not None and mark.data_as_of is not None
        }

    def polled(self, stream: str = DELIVERY) -> dict[AccountKey, datetime]:
        """When each account's stream was last answered: what is set up is as of then."""
        return {
            key: mark.polled_at
            for key in self.accounts
            if (mark := self.marks.get((*key, stream))) is not None and mark.polled_at is not None
        }

    # -- campaigns

    @cached_property
    def campaigns(self) -> _Campaigns:
        """Every campaign that is set up or has delivered lately, of accounts with a watermark, in order."""
        first = min(self.until.values(), default=self.now) - timedelta(hours=HISTORY)
        rows = self.warehouse.query(
            """SELECT source, account, campaign, coalesce(c.name, campaign) AS name,
              coalesce(c.labels, '') AS labels, coalesce(c.status = 'enabled', true) AS enabled,
              coalesce(c.serving, '') AS serving, coalesce(c.channel, '') AS channel
            FROM (SELECT DISTINCT source, account, campaign FROM delivery WHERE hour >= $first) AS d
            FULL JOIN campaign AS c USING (source, account, campaign)
            ORDER BY ALL""",
            {"first": first},
        )
        keys = zip(*(rows[name].to_pylist() for name in ("source", "account", "campaign")), strict=True)
        labels = [Labels(*key) for key in keys]
        kept = [i for i, one in enumerate(labels) if (one.source, one.account) in self.until]
        rows = rows.take(pa.array(kept, pa.int64()))
        return _Campaigns(
            tuple(labels[i] for i in kept),
            tuple(rows["name"].to_pylist()),
            tuple(rows["labels"].to_pylist()),
            np.array(rows["enabled"].to_pylist(), dtype=bool),
            tuple(rows["serving"].to_pylist()),
            tuple(rows["channel"].to_pylist()),
        )

    @cached_property
    def place(self) -> dict[tuple[str, str, str], int]:
        """Where each campaign stands among them, by its source, account and id."""
        return {one[:3]: i for i, one in enumerate(self.campaigns.labels)}

    @cached_property
    def keys(self) -> list[AccountKey]:
        """The accounts of the campaigns, each once, in order."""
        return list(dict.fromkeys((one.source, one.account) for one in self.campaigns.labels))

    @cached_property
    def owner(self) -> npt.NDArray[np.int64]:
        """Which of `keys` each campaign belongs to."""
        place = {key: i for i, key in enumerate(self.keys)}
        return np.array([place[one.source, one.account] for one in self.campaigns.labels], dtype=np.int64)

    def by_account(self, value: Callable[[AccountKey], float]) -> Floats:
        """A figure of each campaign's account."""
        return np.array([value(key) for key in self.keys], dtype=float)[self.owner]

    def per_account(self, values: Floats) -> Floats:
        """The sum over each account's campaigns, at each of its campaigns."""
        sums = np.bincount(self.owner, weights=values, minlength=len(self.keys))
        return np.asarray(sums[self.owner], dtype=np.float64)

    def selected(self, scope: Scope) -> Bools:
        """The campaigns that a scope means."""
        found = self.campaigns
        if scope.everything:
            return np.ones(len(found.labels), dtype=bool)
        accounts = set(self.scoped(scope))
        return np.array(
            [
                (one.source, one.account) in accounts and scope.takes_campaign(one.campaign, name, tags)
                for one, name, tags in zip(found.labels, found.names, found.tags, strict=True)
            ],
            dtype=bool,
        )

    def scoped(self, scope: Scope) -> list[AccountKey]:
        """The accounts that a scope means."""
        return [k for k, a in self.accounts.items() if scope.takes_account(*k, a.name)]

    def targets(self, metric: str) -> Floats:
        """Each campaign's target of a metric, NaN where it has none; the last that matches holds."""
        if metric not in self._target_cache:
            found = np.full(len(self.campaigns.labels), np.nan)
            for target in self._targets:
                if target.metric == metric:
                    scope = Scope(source=target.source, account=target.account, campaign=target.campaign)
                    found[self.selected(scope)] = target.value
            self._target_cache[metric] = found
        return self._target_cache[metric]

    # -- observations

    def observe(
        self,
        scope: Scope,
        watched: Watched,
        *,
        holds: Bools,
        judged: Bools | None = None,
        seen: Floats,
        expected: Callable[[int], Range] | Floats | None = None,
        sure: Floats | None = None,
        at_risk: Floats | None = None,
        said: Callable[[int], str],
        at: Mapping[AccountKey, datetime] | None = None,
    ) -> list[Observation]:
        """Observations of campaigns, from arrays over all of them.

        holds: where the condition is met. judged: where it can be; elsewhere a watched series has NODATA.
        expected: a limit, or a range by a campaign's place. said: what is wrong, in a few words, likewise.
        """
        inside = self.selected(scope)
        judged = np.ones_like(holds) if judged is None else judged
        place = self.place
        extra = [i for one in watched if (i := place.get(one[:3])) is not None and not one.part]
        wanted = np.flatnonzero(inside & judged & holds).tolist()
        wanted += [i for i in extra if inside[i] and not (judged[i] and holds[i])]
        moments = self.at if at is None else at
        found = []
        for i in wanted:
            labels = self.campaigns.labels[i]
            key = (labels.source, labels.account)
            if key not in moments:
                continue
            if not judged[i]:
                found.append(Observation(labels, Result.NODATA, moments[key]))
                continue
            found.append(
                Observation(
                    labels,
                    Result.TRUE if holds[i] else Result.FALSE,
                    moments[key],
                    seen=float(seen[i]),
                    expected=_range(expected, i),
                    sure=None if sure is None else float(sure[i]),
                    at_risk=0.0 if at_risk is None else max(0.0, float(at_risk[i])),
                    said=said(i) if holds[i] else "",
                )
            )
        return found

    def currency(self, key: AccountKey) -> str:
        """The account's currency."""
        account = self.accounts.get(key)
        return account.currency if account else ""


def _range(expected: Callable[[int], Range] | Floats | None, i: int) -> Range | None:
    if expected is None or callable(expected):
        return expected(i) if expected else None
    return Range(*(float(expected[i]),) * 3)
