"""The generator's accounts with what it leaves out: none of it is an incident, and none may be told as one.

- holidays: one day, and a stretch of two to four, on which the whole account's traffic falls to 30 to 60 %
  and its clicks convert less;
- clock change: an hour of a night is skipped or repeated (then reported once, at the first of the two);
- retractions: conversions are withdrawn days later, some of one campaign in one batch;
- new campaigns: three of eight start in the middle, with rates of their own;
- paused campaigns: three stop for two to ten days, one of them at noon, and go on.

Run with `python -m benchmarks.detect --generator benchmarks.adsim_harder`.
"""

from __future__ import annotations

import numpy as np

from benchmarks import adsim
from benchmarks.adsim import L, inject

__all__ = ["QUIET", "inject", "make", "realise"]

TROUBLES = ("holidays", "clock_change", "retractions", "new_campaigns", "paused")
QUIET = {name: {"troubles": (name,)} for name in TROUBLES} | {"everything": {}}
_FIRST_DAY = 30


def make(seed: int, troubles=TROUBLES, **how):
    account = adsim.make(seed, **how)
    account.troubles = troubles
    account.own = np.random.default_rng([seed, 1])
    days = account.T // 24
    if "holidays" in troubles:
        for length in (1, int(account.own.integers(2, 5))):
            first = int(account.own.integers(_FIRST_DAY, days - length))
            _holiday(account, slice(first * 24, (first + length) * 24))
    if "new_campaigns" in troubles:
        for campaign in account.own.choice(account.C, 3, replace=False):
            start = int(account.own.integers(_FIRST_DAY - 6, days - 10)) * 24 + int(account.own.integers(24))
            account.clicks[campaign, :start] = 0
            account.cvr[campaign] = np.clip(
                account.cvr[campaign] * np.exp(account.own.normal(0, 0.4)), 0, 0.9
            )
    if "paused" in troubles:
        for number, campaign in enumerate(account.own.choice(account.C, 3, replace=False)):
            start = int(account.own.integers(_FIRST_DAY, days - 11)) * 24 + (12 if number == 0 else 0)
            length = int(account.own.integers(2, 11)) * 24
            account.clicks[campaign, start : start + length] = 0
    if "clock_change" in troubles:
        day = int(account.own.integers(_FIRST_DAY, days - 5))
        (_skip if account.own.random() < 0.5 else _repeat)(account, day * 24 + 2)
    return account


def _holiday(account, hours: slice) -> None:
    level = account.own.uniform(0.3, 0.6)
    account.clicks[:, hours] = account.own.binomial(account.clicks[:, hours], level)
    account.cvr[:, hours] *= account.own.uniform(0.75, 1.0)


def _skip(account, at: int) -> None:
    """The clock goes forward: what followed the hour comes an hour sooner; the last hour fills the end."""
    for name in ("clicks", "cpc", "cvr", "share"):
        values = getattr(account, name)
        setattr(account, name, np.concatenate([np.delete(values, at, axis=1), values[:, -1:]], axis=1))
    account.how, account.day = (
        np.append(np.delete(values, at), values[-1:] + 1) for values in (account.how, account.day)
    )
    account.how[-1] = (account.how[-2] + 1) % 168
    account.day[-1] = account.day[-2] + (account.how[-1] % 24 == 0)


def _repeat(account, at: int) -> None:
    """The clock goes back: two hours carry one name, and stand as one at the first of them."""
    for name in ("clicks", "cpc", "cvr", "share"):
        values = getattr(account, name)
        setattr(account, name, np.insert(values, at, values[:, at], axis=1)[:, :-1])
    account.clicks[:, at] += account.clicks[:, at + 1]
    account.clicks[:, at + 1] = 0
    account.how, account.day = (
        np.insert(values, at, values[at])[:-1] for values in (account.how, account.day)
    )


def realise(account):
    account = adsim.realise(account)
    if "retractions" in account.troubles:
        _withdraw(account)
    return account


def _withdraw(account) -> None:
    """One in twenty, a day to six days later; and once a quarter of a campaign's last three days."""
    kept = account.N.astype(np.int32)
    lost = np.zeros_like(kept)
    campaign, hour, late = np.nonzero(kept)
    share = np.full(len(late), 0.05)
    gone = account.own.binomial(kept[campaign, hour, late], share)
    when = np.minimum(late + account.own.integers(24, 145, len(late)), L)
    np.add.at(lost, (campaign, hour, when), gone)
    at = int(account.own.integers(_FIRST_DAY, account.T // 24)) * 24 + int(account.own.integers(24))
    one = int(account.own.integers(account.C))
    for begin in range(at - 72, at):
        known = int((kept[one, begin, : at - begin] - lost[one, begin, : at - begin]).sum())
        lost[one, begin, at - begin] += account.own.binomial(max(known, 0), 0.25)
    account.N = (kept - lost).astype(np.int16)
    account.cum = np.cumsum(account.N, axis=2, dtype=np.int32)
    account.arr = np.zeros_like(account.arr)
    for late_by in range(L + 1):
        account.arr[:, late_by:] += account.N[:, : account.T - late_by, late_by]
