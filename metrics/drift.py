"""Slow decline that crosses no threshold on any one day: a cumulative sum against a frozen reference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_RATIO", "REFERENCE_DAYS", "RUN_DAYS", "cusum"]

Floats = npt.NDArray[np.float64]

REFERENCE_DAYS = 28
"""Days of the reference, which ends where the run begins."""

RUN_DAYS = 14
"""Days of the run: a decline found later than that has become the reference."""

_RATIO = 0.8
"""The decline that the sum is tuned to: four fifths of the usual rate."""

LEAST_RATIO = 0.9
"""Seen over expected above which a decline is too small to matter."""


def cusum(observed: Floats, expected: Floats, extra: Floats) -> Floats:
    """The sum after each day, shape of the input.

    observed, expected: conversions by day, shape (entities, days). extra: variance beyond Poisson's.

    The log-likelihood ratio of a Poisson count whose mean fell to a share r of the expected, over its
    variance ratio (Lucas 1985, "Counted data CUSUM's"; deflated for overdispersion):
    `S = max(0, S + (O ln r + E (1 - r)) / (1 + extra / E))`.
    """
    step = (observed * np.log(_RATIO) + expected * (1 - _RATIO)) / (1 + extra / np.maximum(expected, 1e-12))
    total = np.zeros(observed.shape[:-1])
    out = np.empty_like(step)
    for day in range(step.shape[-1]):
        total = np.maximum(0.0, total + step[..., day])
        out[..., day] = total
    return np.asarray(out)
