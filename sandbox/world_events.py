"""Conversions, one event each: expanded from a block's valid clicks, each with its own delay and fate.

An event belongs to one click of its cell, and through it to an ad, a device and a network. Incidents thin
events, they never add any: the events under an incident are some of those without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sandbox import incidents as inc
from sandbox import noise
from sandbox.world_delivery import concerned
from sandbox.world_grid import DAYS, SPLIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.noise import Floats, Ints, Keys
    from sandbox.world_actions import ActionSetup
    from sandbox.world_delivery import Block

__all__ = ["MAX_LAG_DAYS", "NEVER", "Events", "expand"]

MAX_LAG_DAYS = 28
"""No conversion comes later than this after its click, whatever the action's window."""
NEVER = 2**62
_DAY = 86_400.0
_SPREADING_HOURS = 9.0
"""How much longer, at most, the platform takes to credit a conversion to more than one click."""


@dataclass(frozen=True, slots=True)
class Events:
    """Columns of equal length, in the order of their cells. Moments are whole seconds since 1970.

    c, d, s: the cell of the click. leaf: its leaf. at: when the conversion happened. reported: when the
    platform knows of it (its source lag comes on top). retracted: when it is taken back, or NEVER.
    credit: in millionths. value: minor units, credit included.
    """

    c: Ints
    d: Ints
    s: Ints
    leaf: Ints
    action: Ints
    """Index into the account's actions."""
    clicked: Ints
    at: Ints
    reported: Ints
    retracted: Ints
    credit: Ints
    value: Ints
    view: npt.NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        """Memory that the columns take."""
        return sum(getattr(self, name).nbytes for name in self.__slots__)


def expand(block: Block) -> Events:
    """Every conversion that the block's clicks lead to, those that incidents lose left out."""
    grid, days = block.grid, block.days
    actions = grid.setup.actions
    rates = np.array([a.rate / (sum(a.credits) / len(a.credits) / 1e6) for a in actions])
    # Events are drawn for the readiest device and network, and thinned for the others.
    readiest = grid.appeal.max(axis=1)
    keys = noise.spread(noise.key(block.seed, "conversions"), grid.campaign)[:, None, None]
    at = (days.first + np.arange(DAYS))[None, :, None] / 1.7
    wander = np.exp(
        0.10 * noise.smooth(noise.spread(noise.key(block.seed, "cvr"), grid.campaign)[:, None, None], at)
    )
    mean = block.valid * (grid.cvr * readiest * rates.sum())[:, None, None] * wander
    counts = noise.poisson(noise.spread(keys, days.hour[None]), mean)
    c, d, s = counts.nonzero()
    each = counts[c, d, s]
    c, d, s = (np.repeat(index, each) for index in (c, d, s))
    nth = np.arange(len(c)) - np.repeat(np.cumsum(each) - each, each)
    event = noise.spread(noise.spread(keys[c, 0, 0], days.hour[d, s]), nth)
    u = _Draws(event)

    leaf = _leaf(block, c, d, s, u("click"))
    action = np.minimum(
        np.searchsorted(np.cumsum(rates / rates.sum()), u("action"), side="right"), len(rates) - 1
    )
    clicked = days.start[d, s] + 3600 * u("second")
    keep = grid.appeal[c, leaf % SPLIT] / readiest[c]
    lag, delay, credit, value, view, regret = _by_action(actions, action, u)
    happened = clicked + lag
    tagged = np.array([a.action.off_platform for a in actions])[action]
    keep = keep * _kept(block, c, leaf, clicked, np.where(tagged, happened, np.nan))
    windows = np.array([min(a.action.click_lookback_days, MAX_LAG_DAYS) for a in actions]) * _DAY
    keep = np.where(lag < windows[action], keep, 0.0)
    delay = delay * 3600 + np.where(credit != 1_000_000, _SPREADING_HOURS * 3600 * u("spreading"), 0.0)
    reported = happened + delay
    retracted = np.where(regret, reported + _DAY * (1 + 9 * u("regret after")), float(NEVER))
    left = (u("kept") < keep).nonzero()[0]

    def column(values: Floats | Ints) -> Ints:
        return values[left].astype(np.int64)

    return Events(
        c=column(c),
        d=column(d),
        s=column(s),
        leaf=column(leaf),
        action=column(action),
        clicked=column(clicked),
        at=column(happened),
        reported=column(reported),
        retracted=column(retracted),
        credit=column(credit),
        value=column(value),
        view=view[left],
    )


class _Draws:
    """Named uniform numbers of each event."""

    def __init__(self, events: Keys) -> None:
        self._events = events

    def keys(self, name: str) -> Keys:
        return noise.spread(self._events, np.array(noise.key(0, name) >> 1, np.int64))

    def __call__(self, name: str) -> Floats:
        return noise.uniform(self.keys(name))


def _leaf(block: Block, c: Ints, d: Ints, s: Ints, u: Floats) -> Ints:
    """The leaf of the click that each event belongs to, as `Block.leaves` splits the cell's clicks."""
    clicks = block.valid[c, d, s]
    nth = np.floor(u * clicks)
    offset = block.offset("split clicks", c, block.days.hour[d, s])
    # Leaf k holds click n when floor(clicks * edge[k] + offset) is the first to exceed n.
    wanted = (nth + 1 - offset) / clicks
    width = block.click_edges.shape[-1]
    row = c * DAYS + d
    edges = (
        block.click_edges.reshape(-1, width) + np.arange(block.click_edges.size // width)[:, None]
    ).ravel()
    return np.asarray(np.searchsorted(edges, row + wanted, side="left") - row * width)


def _by_action(
    actions: Sequence[ActionSetup], action: Ints, u: _Draws
) -> tuple[Floats, Floats, Ints, Ints, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Per event: lag in seconds, reporting delay in hours, credit, value, whether by view, retracted."""
    lag, delay = np.zeros(action.shape), np.zeros(action.shape)
    credit, value = np.zeros(action.shape, np.int64), np.zeros(action.shape, np.int64)
    view, regret = np.zeros(action.shape, np.bool_), np.zeros(action.shape, np.bool_)
    component, wait, late = u("lag component"), -np.log1p(-u("lag")), -np.log1p(-u("delay"))
    which, order = u("credit"), noise.normal(u.keys("value"))
    for n, setup in enumerate(actions):
        mine = (action == n).nonzero()[0]
        shares, means = np.array(setup.lags).T
        part = np.minimum(np.searchsorted(np.cumsum(shares), component[mine], side="right"), len(means) - 1)
        lag[mine] = wait[mine] * means[part] * 3600
        delay[mine] = late[mine] * setup.delay_hours
        options = np.array(setup.credits)
        credit[mine] = options[(which[mine] * len(options)).astype(np.int64)]
        size = np.exp(setup.spread * order[mine] - setup.spread**2 / 2)
        value[mine] = np.rint(setup.value * size * credit[mine] / 1e6)
        view[mine] = u("view")[mine] < setup.view_share
        regret[mine] = u("regret")[mine] < setup.retracted
    return lag, delay, credit, value, view, regret


def _kept(block: Block, c: Ints, leaf: Ints, clicked: Floats, tagged: Floats) -> Floats:
    """Probability that incidents leave each event alone. tagged: when the site's tag fires for it, or nan."""
    keep = np.ones(clicked.shape)
    urls = _urls(block)
    for incident, rows in concerned(block.grid, block.incidents):
        hit = np.isin(c, rows)
        if "url" in incident.options:
            led = np.array([[inc.leads_to(incident, url) for url in row] for row in urls])
            hit &= led[c, leaf // SPLIT]
        for name, moment in (("keeps_clicks", clicked), ("keeps_events", tagged)):
            share = inc.factor(incident, name)
            if share != 1.0:
                keep = np.where(hit, keep * (1 - (1 - share) * inc.strength(incident, moment)), keep)
    return keep


def _urls(block: Block) -> list[list[str]]:
    """Where each campaign's ads lead, by their index among its ads."""
    out = []
    for c, campaign in enumerate(block.grid.setup.campaigns):
        by_id = {ad.id: ad.final_url for group in campaign.groups for ad in group.ads}
        out.append([by_id.get(int(ad), campaign.landing_page) for ad in block.grid.ad[c]])
    return out
