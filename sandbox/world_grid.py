"""An account as arrays: per campaign its rates and weekly profile, per leaf its shares; and its local days.

A leaf is an ad (or, for Performance Max, the campaign) on one device in one network. Leaves are numbered ad
first, then device, then network, so that an ad's leaves lie side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from sandbox import noise

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sandbox.noise import Floats, Ints
    from sandbox.world_catalog import AccountSetup

__all__ = ["DAYS", "GROUPS", "HOURS", "SPLIT", "AccountGrid", "Days", "build", "local_days"]

DAYS = 8
"""Local days in a block, the unit in which the world is computed and kept."""
HOURS = 25
"""Slots in a local day; the last one is used when the clock goes back."""
GROUPS, ADS_A_GROUP = 4, 3
SPLIT = 9
"""Leaves an ad: three devices times three networks."""

_DEVICE_SHARES = {"purchase": (0.63, 0.31, 0.06), "lead": (0.42, 0.54, 0.04)}
DEVICE_APPEAL = (0.78, 1.32, 1.0)
"""How readily a click converts, by device, against the average."""
NETWORK_APPEAL = {"google_ads": (1.0, 0.7, 0.9), "meta": (1.0, 0.95, 0.3)}


@dataclass(frozen=True, slots=True)
class AccountGrid:
    """C campaigns, P purses (budgets that are spent together), A = GROUPS x ADS_A_GROUP ads a campaign."""

    setup: AccountSetup
    campaign: Ints
    """(C,) ids."""
    clicks: Floats
    ctr: Floats
    cpc: Floats
    cvr: Floats
    growth: Floats
    shape: Floats
    profile: Floats
    """(C, 168): volume by hour of the week, mean 1."""
    purse: Ints
    """(C,): which purse."""
    purses: tuple[tuple[int, ...], ...]
    """Indexes of the budgets in each purse."""
    day_limit: Floats
    """(P,): how many times its daily amount a day may spend at most."""
    group_budget: Ints
    """(C, GROUPS): the ad group's own budget, or -1."""
    group_weight: Floats
    """(C, GROUPS), 0 where there is none."""
    ad_weight: Floats
    """(C, GROUPS, ADS_A_GROUP), 0 where there is none or it does not serve."""
    ad_pull: Floats
    ad_group: Ints
    """(C, A) ids, 0 where there is none."""
    ad: Ints
    device: Floats
    """(3,) shares."""
    network: Floats
    """(C, 3) shares."""
    appeal: Floats
    """(C, 9): how readily a click converts by device and network; averages 1 over the usual shares."""


def build(seed: int, setup: AccountSetup) -> AccountGrid:
    """The arrays of an account."""
    count = len(setup.campaigns)
    purse_of: dict[tuple[int, ...], int] = {}
    purse = np.array([purse_of.setdefault(c.budgets, len(purse_of)) for c in setup.campaigns], np.int64)
    daily = 2.0 if setup.platform == "google_ads" else 1.75
    group_weight = np.zeros((count, GROUPS))
    group_budget = np.full((count, GROUPS), -1, np.int64)
    ad_weight = np.zeros((count, GROUPS, ADS_A_GROUP))
    ad_pull = np.ones((count, GROUPS, ADS_A_GROUP))
    ad_group = np.zeros((count, GROUPS, ADS_A_GROUP), np.int64)
    ad = np.zeros((count, GROUPS, ADS_A_GROUP), np.int64)
    for c, campaign in enumerate(setup.campaigns):
        if not campaign.groups:
            group_weight[c, 0] = ad_weight[c, 0, 0] = 1.0
        for g, group in enumerate(campaign.groups):
            group_weight[c, g] = group.weight
            group_budget[c, g] = -1 if group.budget is None else group.budget
            for a, one in enumerate(group.ads):
                ad_group[c, g, a], ad[c, g, a] = group.id, one.id
                ad_weight[c, g, a] = one.weight if one.serves else 0.0
                ad_pull[c, g, a] = one.pull
    device = np.array(_DEVICE_SHARES[setup.brand.goal])
    network = np.array([c.plan.networks for c in setup.campaigns])
    appeal = np.array(DEVICE_APPEAL)[None, :, None] * np.array(NETWORK_APPEAL[setup.platform])[None, None, :]
    usual = device[None, :, None] * network[:, None, :]
    appeal = appeal / (appeal * usual).sum(axis=(1, 2), keepdims=True)
    return AccountGrid(
        setup=setup,
        campaign=np.array([c.id for c in setup.campaigns], np.int64),
        clicks=np.array([c.clicks for c in setup.campaigns]),
        ctr=np.array([c.ctr for c in setup.campaigns]),
        cpc=np.array([c.cpc for c in setup.campaigns]),
        cvr=np.array([c.cvr for c in setup.campaigns]),
        growth=np.array([c.growth for c in setup.campaigns]),
        shape=np.array([c.shape for c in setup.campaigns]),
        profile=np.stack([_profile(seed, setup, c.id) for c in setup.campaigns]),
        purse=purse,
        purses=tuple(purse_of),
        day_limit=np.array([1.0 if setup.budgets[b[0]].period == "TOTAL" else daily for b in purse_of]),
        group_budget=group_budget,
        group_weight=group_weight,
        ad_weight=ad_weight,
        ad_pull=ad_pull,
        ad_group=ad_group.reshape(count, -1),
        ad=ad.reshape(count, -1),
        device=device,
        network=network,
        appeal=appeal.reshape(count, -1),
    )


def _profile(seed: int, setup: AccountSetup, campaign: int) -> Floats:
    """A week's shape: a main and an evening peak over a low night, weekends by the market."""
    hour = np.arange(24)
    business = setup.brand.goal == "lead"
    peak = (11.0 if business else 12.5) + 3 * noise.unit(seed, "peak", setup.position)
    peak += 2 * noise.unit(seed, "peak", campaign) - 1

    def bump(at: float, width: float) -> Floats:
        return np.asarray(np.exp(-0.5 * ((((hour - at + 12) % 24) - 12) / width) ** 2))

    day = 0.12 + bump(peak, 3.8) + (0.15 if business else 0.7) * bump(20.0, 2.0)
    week = np.array([1.05, 1.08, 1.05, 1.0, 0.97, setup.brand.weekend, setup.brand.weekend * 0.95])
    keys = noise.spread(noise.key(seed, "profile", campaign), np.arange(168))
    profile = (week[:, None] * day[None, :]).ravel() * np.exp(0.06 * noise.normal(keys))
    return np.asarray(profile / profile.mean())


@dataclass(frozen=True, slots=True)
class Days:
    """D local days in a row. Slots that a day does not have (its 25th hour, mostly) are not `valid`."""

    first: int
    """Days since 1970 on the local calendar."""
    start: Floats
    """(D, HOURS) seconds since 1970 at which the clock hour begins."""
    hour: Ints
    """(D, HOURS): Traffic.hour, hours since 1970 UTC."""
    how: Ints
    """(D, HOURS): hour of the local week, Monday's midnight 0."""
    valid: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def local_days(zone: ZoneInfo, first: int, count: int) -> Days:
    """The hours of `count` days of the zone's calendar, daylight saving included."""
    start = np.zeros((count, HOURS))
    how = np.zeros((count, HOURS), np.int64)
    valid = np.zeros((count, HOURS), np.bool_)
    for d in range(count):
        day = date(1970, 1, 1) + timedelta(days=first + d)
        begin = datetime.combine(day, datetime.min.time(), zone).timestamp()
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone).timestamp()
        hours = round((end - begin) / 3600)
        start[d] = begin + 3600 * np.arange(HOURS)
        valid[d, :hours] = True
        how[d] = day.weekday() * 24 + np.minimum(np.arange(HOURS), 23)
        if hours != 24:
            for s in range(hours):
                how[d, s] = (
                    day.weekday() * 24 + datetime.fromtimestamp(start[d, s], UTC).astimezone(zone).hour
                )
    # A half-hour zone's clock hour is named by the UTC hour that begins within it.
    return Days(first, start, np.ceil(start / 3600).astype(np.int64), how, valid)
