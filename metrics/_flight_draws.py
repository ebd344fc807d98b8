"""A plan's spend still to come, drawn over all its accounts at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from metrics._flight_parts import HISTORY, Part
from metrics.flights import Flight
from metrics.in_steps import Steps
from metrics.outlook import Limits, Outlook, Past, outlook_in_steps
from metrics.projection import Projection, project_day

__all__ = ["drawn"]

Floats = npt.NDArray[np.float64]


def drawn(over: Flight, parts: Sequence[Part]) -> Steps[tuple[Floats, list[Floats]]]:
    """Draws of the spend from each account's today on, (draws, days); and each group's mean after today."""
    rests: list[Floats] = [np.zeros(len(p.groups)) for p in parts]
    ahead = max(0, *((over.last - p.of.today).days for p in parts))
    total: Floats | None = None
    for day in sorted({p.of.today for p in parts}):
        # Accounts of one day together; with the same seed, those of another day draw the same shocks.
        chosen = [n for n, p in enumerate(parts) if p.of.today == day]
        said = yield from _together([parts[n] for n in chosen], ahead)
        at = over.place(day) + np.arange(said.days.shape[1])
        total = np.zeros((len(said.days), over.days)) if total is None else total
        inside = (at >= 0) & (at < over.days)
        total[:, at[inside]] += said.days[:, inside]
        begin = 0
        for n in chosen:
            count = len(parts[n].groups)
            rests[n] = said.rest[begin : begin + count] / parts[n].rate
            begin += count
    assert total is not None
    return total, rests


def _together(parts: Sequence[Part], ahead: int) -> Steps[Outlook]:
    """Draws of the coming days of accounts whose today is the same; money in the plan's currency."""
    rows = [(p, group) for p in parts for group in p.groups]
    rate = np.array([p.rate for p, _ in rows])
    mid, sigma = (np.concatenate(both) for both in zip(*(_projected(p) for p in parts), strict=True))
    runs, block = np.zeros((len(rows), ahead), dtype=bool), np.zeros((len(rows), ahead), dtype=np.int64)
    left = np.full((len(rows), max(len(g.left) for _, g in rows)), np.inf)
    for n, (_, group) in enumerate(rows):
        runs[n, : len(group.runs)] = group.runs
        block[n, : len(group.block)] = group.block
        left[n, : len(group.left)] = group.left
    past = Past(
        history=np.stack([g.history.sum(1) for _, g in rows]) * rate[:, None],
        weekday=np.full(len(rows), parts[0].of.today.weekday()),
        today=Projection(mid * rate, mid * rate, mid * rate, sigma),
        spent=np.array([g.spent for _, g in rows]) * rate,
        usual=np.array([g.usual for _, g in rows]) * rate,
    )
    limits = Limits(np.array([g.day for _, g in rows]) * rate, block, left * rate[:, None])
    return (yield from outlook_in_steps(past, runs, limits))


def _projected(of: Part) -> tuple[Floats, Floats]:
    """Where today will end for each group, and its standard deviation in logarithms; the account's currency.

    A group that is paused ends where it is.
    """
    groups = of.groups
    history = np.stack([g.history for g in groups])
    days = [of.of.today - timedelta(days=d) for d in range(HISTORY, 0, -1)]
    said = project_day(
        history,
        np.array([day.weekday() for day in days]),
        of.of.today.weekday(),
        np.array([g.spent for g in groups]),
        of.of.hour,
        expected=np.array([g.usual for g in groups]),
    )
    running, spent_so_far = np.array([g.running for g in groups]), np.array([g.spent for g in groups])
    return np.where(running, said.mid, spent_so_far), np.where(running, said.sigma, 0.0)
