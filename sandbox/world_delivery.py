"""What each campaign delivers in each hour: a block of local days at a time, then split into leaves.

An hour's impressions are Poisson with a gamma-distributed mean (so overdispersed, as real counts are), its
clicks Poisson given the impressions, its cost the clicks (Google) or impressions (Meta) times a wandering
price. A purse's spend on a local day stops at its limit. Three kinds of impressions are kept apart, so that
each can be split over leaves by itself: clicked, clicked but later found invalid, and not clicked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sandbox import incidents as inc
from sandbox import noise
from sandbox.world_grid import ADS_A_GROUP, DAYS, GROUPS, HOURS, SPLIT, AccountGrid, Days, local_days
from sandbox.world_timeline import levels, pauses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.model import Incident
    from sandbox.noise import Floats, Ints
__all__ = ["Block", "Leaves", "block", "concerned", "volume"]

_DAY = 86_400
_NEW_YEAR_2026 = 20_454
_INVALID = 0.012
"""Share of Google's clicks that are found invalid about a day later."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """Counts of M cells split over K leaves, shape (M, K) each; money in minor units."""

    valid: Ints
    invalid: Ints
    unclicked: Ints
    cost: Ints
    cost_invalid: Ints


@dataclass(frozen=True)
class Block:
    """C campaigns over D local days of HOURS slots; arrays are (C, D, HOURS) unless said otherwise."""

    seed: int
    grid: AccountGrid
    days: Days
    incidents: tuple[Incident, ...]
    budget: Floats
    """(P, D, HOURS): what the purse may plan to spend on the day, in minor units."""
    valid: Ints
    invalid: Ints
    unclicked: Ints
    cost: Ints
    """Without the invalid clicks' cost."""
    cost_invalid: Ints
    lost_to_budget: Floats
    """(C, D): share of the demand that the purse did not allow."""

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take, the shares included that are worked out when asked for."""
        counts = (self.budget, self.valid, self.invalid, self.unclicked, self.cost, self.cost_invalid)
        edges = self.grid.ad.size * SPLIT * DAYS * 8
        return sum(array.nbytes for array in counts) + 2 * edges

    @cached_property
    def click_edges(self) -> Floats:
        """(C, D, K): cumulative shares of the leaves in clicks."""
        return _edges(self, self.grid.ad_weight * self.grid.ad_pull)

    @cached_property
    def view_edges(self) -> Floats:
        """(C, D, K): cumulative shares of the leaves in impressions that are not clicked."""
        return _edges(self, self.grid.ad_weight)

    def offset(self, stream: str, c: Ints, hour: Ints) -> Floats:
        """Noise in [0, 1) of cells; what a stream of it is for stands where it is used."""
        keys = np.array([noise.key(self.seed, stream, int(i)) for i in self.grid.campaign], np.uint64)
        return noise.uniform(noise.spread(keys[c], hour))

    def leaves(self, c: Ints, d: Ints, s: Ints, *, ads_only: bool) -> Leaves:
        """The cells' counts over leaves, or over ads; the latter are the exact sums of the former."""
        step = slice(SPLIT - 1, None, SPLIT) if ads_only else slice(None)
        clicks, views = self.click_edges[c, d, step], self.view_edges[c, d, step]
        hour = self.days.hour[d, s]
        valid = noise.apportion(self.valid[c, d, s], clicks, self.offset("split clicks", c, hour))
        invalid = noise.apportion(self.invalid[c, d, s], clicks, self.offset("split invalid", c, hour))
        unclicked = noise.apportion(self.unclicked[c, d, s], views, self.offset("split views", c, hour))
        billed = valid if self.grid.setup.platform == "google_ads" else valid + unclicked
        return Leaves(
            valid,
            invalid,
            unclicked,
            _along(self.cost[c, d, s], billed),
            _along(self.cost_invalid[c, d, s], invalid),
        )


def _along(total: Ints, counts: Ints) -> Ints:
    """Split each total in proportion to the counts in its row, exactly."""
    running = np.cumsum(counts, axis=1)
    edges = total[:, None] * running // np.maximum(running[:, -1:], 1)
    return np.diff(edges, axis=1, prepend=0)


def _edges(block: Block, weight: Floats) -> Floats:
    grid, days = block.grid, block.days
    count, at = len(grid.campaign), block.days.first + np.arange(DAYS)
    keys = noise.spread(noise.key(block.seed, "ad share"), np.maximum(grid.ad, grid.campaign[:, None]))
    wander = np.exp(0.25 * noise.smooth(keys[:, None, :], at[None, :, None] / 1.5))
    ads = weight[:, None] * wander.reshape(count, DAYS, GROUPS, ADS_A_GROUP)
    # An ad set with a budget of its own gets that budget's part; the others compete.
    own = grid.group_budget >= 0
    plan = _group_plan(block)
    within = ads / np.maximum(ads.sum(axis=3, keepdims=True), 1e-12)
    ads = np.where(own[:, None, :, None], within * plan[..., None], ads * grid.group_weight[:, None, :, None])
    device, network = grid.device[None, None, :], grid.network[:, None, :]
    moved = _moved(block)
    device, network = _shift(device + 0 * moved, moved), _shift(network + 0 * moved, moved)
    leaves = ads.reshape(count, DAYS, -1, 1, 1) * device[:, :, None, :, None] * network[:, :, None, None, :]
    edges = np.cumsum(leaves.reshape(count, days.start.shape[0], -1), axis=2)
    return np.asarray(edges / edges[..., -1:])


def _group_plan(block: Block) -> Floats:
    """(C, D, GROUPS): the amount of each ad set's own budget at the beginning of each day."""
    grid = block.grid
    amounts = _budget_levels(block.seed, grid, block.days)[:, :, 0]
    plan = np.where(grid.group_budget[..., None] >= 0, amounts[np.maximum(grid.group_budget, 0)], 0.0)
    return np.moveaxis(plan, 2, 1)


def _moved(block: Block) -> Floats:
    """(C, D, 1): share of traffic that incidents have moved by the middle of each day."""
    moved = np.zeros((len(block.grid.campaign), DAYS, 1))
    noon = block.days.start[:, 0] + _DAY / 2
    for incident, rows in concerned(block.grid, block.incidents):
        share = inc.factor(incident, "shift")
        if share:
            moved[rows, :, 0] += share * inc.strength(incident, noon)
    return moved


def _shift(shares: Floats, moved: Floats) -> Floats:
    """Take `moved` from the largest share and give it to the smallest."""
    order = np.argsort(shares, axis=2)
    large, small = order[..., -1:], order[..., :1]
    taken = np.minimum(moved, np.take_along_axis(shares, large, 2) * 0.9)
    out = shares.copy()
    np.put_along_axis(out, large, np.take_along_axis(out, large, 2) - taken, 2)
    np.put_along_axis(out, small, np.take_along_axis(out, small, 2) + taken, 2)
    return out


def concerned(grid: AccountGrid, incidents: Sequence[Incident]) -> list[tuple[Incident, Ints]]:
    """Each incident that concerns the account, with the indexes of the campaigns it hits."""
    platform, advertiser = grid.setup.platform, grid.setup.advertiser.id
    found = []
    for incident in incidents:
        rows = [
            n
            for n, campaign in enumerate(grid.setup.campaigns)
            if inc.hits(incident, platform, advertiser, campaign.id)
        ]
        if rows:
            found.append((incident, np.array(rows, np.int64)))
    return found


def volume(seed: int, grid: AccountGrid, incidents: Sequence[Incident], start: Floats, end: Floats) -> Floats:
    """(C, ...): average factor on volume over spans of seconds, by pauses and incidents."""
    out = np.ones((len(grid.campaign), *start.shape))
    first, last = (datetime.fromtimestamp(float(t), UTC) for t in (start.min(), end.max()))
    for c, campaign in enumerate(grid.setup.campaigns):
        for begin, until in pauses(seed, campaign, first, last):
            inside = np.minimum(end, until.timestamp()) - np.maximum(start, begin.timestamp())
            out[c] *= 1 - np.clip(inside / np.maximum(end - start, 1e-9), 0, 1)
    for incident, rows in concerned(grid, incidents):
        by = inc.factor(incident, "volume")
        if by != 1.0:
            out[rows] *= 1 + (by - 1) * inc.overlap(incident, start, end)
    return out


def _budget_levels(seed: int, grid: AccountGrid, days: Days) -> Floats:
    """(B, D, HOURS): each budget's daily amount in minor units at the beginning of each hour."""
    first = datetime.fromtimestamp(float(days.start[0, 0]), UTC)
    last = datetime.fromtimestamp(float(days.start[-1, -1]), UTC)
    out = np.zeros((len(grid.setup.budgets), *days.start.shape))
    for b, budget in enumerate(grid.setup.budgets):
        out[b] = budget.amount
        if budget.period == "DAILY":
            steps = levels(seed, budget, first, last)
            found = np.searchsorted([s.at.timestamp() for s in steps], days.start, side="right") - 1
            out[b] = np.array([round(budget.amount * s.factor) for s in steps])[found]
    return out


def block(seed: int, grid: AccountGrid, index: int, incidents: tuple[Incident, ...]) -> Block:
    """Block `index` of the account: local days index * DAYS and after, under the incidents."""
    days = local_days(grid.setup.advertiser.timezone, index * DAYS, DAYS)
    ids = grid.campaign

    def keys(stream: str) -> noise.Keys:
        return noise.spread(noise.key(seed, stream), ids)[:, None, None]

    def cells(stream: str) -> noise.Keys:
        return noise.spread(keys(stream), days.hour[None])

    # Demand: what would be clicked were there no budget.
    local_day = (days.first + np.arange(DAYS))[:, None] + np.zeros((1, HOURS))
    age = np.clip((local_day - _NEW_YEAR_2026) / 365, -1.5, 1.5)
    wander = 0.10 * noise.smooth(
        np.array(noise.key(seed, "day", grid.setup.position), np.uint64), local_day[:, :1] / 3
    )
    wander = wander[None] + 0.12 * noise.smooth(keys("campaign day"), local_day[None, :, :1] / 2)
    level = grid.clicks[:, None, None] * np.exp(grid.growth[:, None, None] * age[None] + wander)
    demand = level * grid.profile[:, days.how] * days.valid

    # Purse: the platform slows delivery as the day's demand nears the budget.
    amounts = _budget_levels(seed, grid, days)
    budget = np.stack([amounts[list(members)].sum(axis=0) for members in grid.purses])
    wanted = np.zeros((len(grid.purses), DAYS, 1))
    np.add.at(wanted, grid.purse, (demand * grid.cpc[:, None, None]).sum(axis=2, keepdims=True))
    allowed = (1 + (wanted / budget) ** 6) ** (-1 / 6)

    factor = volume(seed, grid, incidents, days.start, days.start + 3600)
    ctr = grid.ctr[:, None, None] * np.exp(0.08 * noise.smooth(keys("ctr"), days.hour[None] / 18))
    mean = demand * allowed[grid.purse] * factor / grid.ctr[:, None, None]
    shaped = mean * _gamma_rows(cells("impression rate"), grid.shape)
    impressions = noise.poisson(cells("impressions"), shaped) * days.valid
    clicks = np.minimum(noise.poisson(cells("clicks"), impressions * ctr), impressions)
    units = clicks.astype(np.float64) if grid.setup.platform == "google_ads" else impressions * ctr
    cost = _cost(seed, grid, days, incidents, units)

    served = _served(grid, days, incidents, cost, budget)
    impressions = np.floor(impressions * served).astype(np.int64)
    clicks = np.minimum(np.floor(clicks * served).astype(np.int64), impressions)
    google = grid.setup.platform == "google_ads"
    billed = clicks if google else impressions
    cost = np.where(billed > 0, np.floor(cost * served), 0).astype(np.int64)
    invalid = np.zeros_like(clicks)
    if google:
        invalid = np.minimum(noise.poisson(cells("invalid"), clicks * _INVALID), clicks)
    cost_invalid = cost * invalid // np.maximum(clicks, 1)
    kept = (demand * allowed[grid.purse] * served).sum(axis=2)
    lost = 1 - kept / np.maximum(demand.sum(axis=2), 1e-9)
    return Block(
        seed=seed,
        grid=grid,
        days=days,
        incidents=incidents,
        budget=budget,
        valid=clicks - invalid,
        invalid=invalid,
        unclicked=impressions - clicks,
        cost=cost - cost_invalid,
        cost_invalid=cost_invalid,
        lost_to_budget=np.clip(lost, 0, 1),
    )


def _gamma_rows(keys: noise.Keys, shape: Floats) -> Floats:
    root = 1 - 1 / (9 * shape) + 0 * shape
    z = noise.normal(keys)
    return np.asarray(np.maximum(root[:, None, None] + z / (3 * np.sqrt(shape))[:, None, None], 0) ** 3)


def _cost(seed: int, grid: AccountGrid, days: Days, incidents: Sequence[Incident], units: Floats) -> Ints:
    """Cost in minor units before any limit. units: the clicks, or on Meta the clicks to be expected."""
    ids = grid.campaign
    keys = noise.spread(noise.key(seed, "price"), ids)[:, None, None]
    daily = 1 + 0.12 * np.sin(2 * np.pi * (days.how % 24 - 14) / 24)
    own = noise.normal(
        noise.spread(noise.spread(noise.key(seed, "click price"), ids)[:, None, None], days.hour)
    )
    spread = 0.08 * noise.smooth(keys, days.hour[None] / 10) + 0.35 * own / np.sqrt(np.maximum(units, 1))
    price = grid.cpc[:, None, None] * daily[None] * np.exp(spread)
    for incident, rows in concerned(grid, incidents):
        by = inc.factor(incident, "price")
        if by != 1.0:
            price[rows] *= 1 + (by - 1) * inc.overlap(incident, days.start, days.start + 3600)
    cost = np.rint(units * price).astype(np.int64)
    return np.asarray(np.where(units > 0, np.maximum(cost, 1), 0))


def _served(
    grid: AccountGrid, days: Days, incidents: Sequence[Incident], cost: Ints, budget: Floats
) -> Floats:
    """(C, D, HOURS): 1 until the purse's limit for the local day is reached, then 0."""
    spent = np.zeros((len(grid.purses), *days.start.shape))
    np.add.at(spent, grid.purse, cost)
    limit = np.where(days.valid, budget, 0).max(axis=2, keepdims=True) * grid.day_limit[:, None, None]
    before = np.cumsum(spent, axis=2) - spent
    share = np.clip((limit - before) / np.maximum(spent, 1e-9), 0.0, 1.0)
    served = share[grid.purse]
    for incident, rows in concerned(grid, incidents):
        if inc.KINDS[incident.name].past_budget:
            inside = inc.overlap(incident, days.start, days.start + 3600) > 0
            served[rows] = np.where(inside[None], 1.0, served[rows])
    return np.asarray(served)
