"""Is the traffic split as it was meant to be? A test whose split is off proves nothing, whatever it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy import special, stats

__all__ = ["SplitWatch", "mismatch"]

_WEIGHT: Final = 100.0
"""How closely the alternative's splits lie around the meant one: about five points either way."""


def mismatch(counts: Sequence[float], shares: Sequence[float]) -> float:
    """p-value of a chi-square test that units fell to the arms by `shares`; for one look, at the end."""
    meant = np.asarray(shares, dtype=float)
    seen = np.asarray(counts, dtype=float)
    if seen.sum() <= 0:
        return 1.0
    return float(stats.chisquare(seen, seen.sum() * meant / meant.sum()).pvalue)


class SplitWatch:
    """The same, safe to look at continuously (Lindon and Malek 2022).

    The Bayes factor of a Dirichlet-multinomial against the meant split is a martingale under it: it passes
    1 / alpha with a chance of at most alpha, ever.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        meant = np.asarray(shares, dtype=float)
        self._meant = meant / meant.sum()
        self._best = 0.0

    def look(self, counts: Sequence[float]) -> float:
        """The p-value after seeing these units by arm, in all since the start."""
        seen = np.asarray(counts, dtype=float)
        prior = _WEIGHT * self._meant
        log_factor = (
            special.gammaln(prior.sum())
            - special.gammaln(prior.sum() + seen.sum())
            + (special.gammaln(prior + seen) - special.gammaln(prior)).sum()
            - (seen * np.log(self._meant)).sum()
        )
        self._best = max(self._best, float(log_factor))
        return float(np.exp(-self._best))
