"""A frozen world, and its columns as rows that can be compared."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np

from sandbox.clock import SandboxClock
from sandbox.incidents import IncidentBook
from sandbox.world import World

NOW = datetime(2026, 11, 24, 10, 40, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SPLITS = ("by_ad", "by_device", "by_network")


def make(seed=7, *, now=NOW, days=40, book=None, **options):
    return World(
        seed, clock=SandboxClock(now, frozen=True), days=days, incidents=book or IncidentBook(), **options
    )


def accounts(world, platform=None):
    found = [s.advertiser for s in world._accounts.values()]
    return [a for a in found if platform in (None, a.platform)]


def rows(*tables):
    """All columns of the tables as one sorted array, a row a cell or an event."""
    together = [
        np.concatenate([np.asarray(getattr(t, f.name), np.float64) for t in tables])
        for f in fields(tables[0])
    ]
    table = np.stack(together, axis=1)
    return table[np.lexsort(table.T[::-1])]


def totals(traffic):
    return int(traffic.impressions.sum()), int(traffic.clicks.sum()), int(traffic.cost_micros.sum())


def by_cell(traffic, *keys):
    """{key: (impressions, clicks, cost)} summed over what the keys leave out."""
    out = {}
    columns = [getattr(traffic, k).tolist() for k in (*keys, "impressions", "clicks", "cost_micros")]
    for *key, impressions, clicks, cost in zip(*columns, strict=True):
        old = out.get(tuple(key), (0, 0, 0))
        out[tuple(key)] = (old[0] + impressions, old[1] + clicks, old[2] + cost)
    return out
