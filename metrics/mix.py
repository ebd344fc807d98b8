"""Traffic that comes from elsewhere than usual: a shift in the composition of a day's clicks.

With many clicks every difference is significant, so the G statistic is divided by its design effect: how
much larger than chance it was on the days before, when nothing had happened. And a shift must be large
enough to matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["DAYS", "LEAST", "LIMIT", "Shift", "divergence", "g_statistic", "latest", "shifted"]

Floats = npt.NDArray[np.float64]

LIMIT = 1e-3
"""p of a signal, by itself."""

LEAST = 0.007
"""Divergence of a signal, in bits: a tenth of the traffic that moves to another part is about as much."""

_REFERENCE = 26
_PAST = 21
_LEAST_REFERENCE = 11
DAYS = 1 + _PAST + _REFERENCE
"""Days that a verdict can rest on: the last, and the references of the 21 before it."""

_LEAST_PAST = 10
"""Days of past statistics without which there is no verdict."""


def g_statistic(current: Floats, reference: Floats) -> Floats:
    """Likelihood-ratio statistic of one composition for both (Sokal & Rohlf 1981), along the last axis."""
    table = np.stack([current, reference], axis=-2)
    total = table.sum((-2, -1), keepdims=True)
    meant = table.sum(-1, keepdims=True) * table.sum(-2, keepdims=True) / np.maximum(total, 1e-12)
    ratio = np.where(table > 0, table / np.maximum(meant, 1e-12), 1.0)
    return np.asarray(2 * (table * np.log(ratio)).sum((-2, -1)))


def divergence(current: Floats, reference: Floats) -> Floats:
    """Jensen-Shannon divergence of two compositions in bits, 0 to 1, along the last axis (Lin 1991)."""
    p, q = (x / np.maximum(x.sum(-1, keepdims=True), 1e-12) for x in (current, reference))
    middle = (p + q) / 2

    def against(one: Floats) -> Floats:
        ratio = np.where(one > 0, one / np.maximum(middle, 1e-300), 1.0)
        return np.asarray((one * np.log2(ratio)).sum(-1))

    return (against(p) + against(q)) / 2


@dataclass(frozen=True, slots=True)
class Shift:
    """p: how likely a statistic this large is on a day like those before. divergence: its size in bits.

    moved: change of each part's share, shape (parts,). days: past days that the verdict rests on, of at
    least `needed`; p is None with fewer.
    """

    p: float | None
    divergence: float
    moved: Floats
    days: int
    needed: int = _LEAST_PAST

    @property
    def signal(self) -> bool:
        """Whether it is unlikely, and large enough to matter."""
        return self.p is not None and self.p < LIMIT and self.divergence > LEAST


def shifted(current: Floats, reference: Floats, past: Floats) -> Shift:
    """Whether the composition of `current` differs from that of `reference`.

    current, reference: counts by part, shape (parts,). past: G statistics of earlier days, each against its
    own reference. The design effect is their median over that of a chi-squared law, at least 1 (Rao &
    Scott 1984 divide by it; the median keeps a day of true shift out of it).
    """
    free = int((current + reference > 0).sum()) - 1
    moved = current / max(current.sum(), 1e-12) - reference / max(reference.sum(), 1e-12)
    size = float(divergence(current, reference))
    if len(past) < _LEAST_PAST or free < 1 or current.sum() <= 0:
        return Shift(None, size, moved, len(past))
    effect = max(1.0, float(np.median(past) / stats.chi2.median(free)))
    return Shift(float(stats.chi2.sf(g_statistic(current, reference) / effect, free)), size, moved, len(past))


def latest(days: Floats) -> Shift:
    """Whether the newest of the days differs from the 26 before it.

    days: counts by day and part, shape (days, parts), the newest first. Each of the 21 days before is held
    against its own 26 in the same way, for as many as there are at least 11.
    """
    before = np.concatenate([np.zeros((1, days.shape[1])), days.cumsum(0)])
    last = len(days)

    def reference(day: int) -> Floats:
        end = min(day + 1 + _REFERENCE, last)
        return np.asarray(before[end] - before[day + 1])

    past = [n for n in range(1, min(1 + _PAST, last - _LEAST_REFERENCE)) if days[n].sum() > 0]
    if not past:
        return shifted(days[0], reference(0), np.zeros(0))
    statistics = g_statistic(days[past], np.array([reference(n) for n in past]))
    return shifted(days[0], reference(0), statistics)
