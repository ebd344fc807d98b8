"""What several conditions need: counts against what was expected of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import betainc, nbdtrik

from alerts.observation import Range

if TYPE_CHECKING:
    from alerts.scene import Floats

__all__ = ["lower_tail", "spread"]

_DISPERSION: Final = 0.02
"""Var = E + 0.02 E²: healthy accounts from one day to the next."""


def lower_tail(count: Floats, expected: Floats) -> Floats:
    """The chance of so few or fewer: a negative binomial's, continued between whole counts."""
    expected = np.maximum(expected, 1e-9)
    size = 1 / _DISPERSION
    return np.asarray(betainc(size, np.maximum(count, 0.0) + 1, size / (size + expected)))


def spread(expected: float) -> Range:
    """An expected count with its 80 % range."""
    size = 1 / _DISPERSION
    # As scipy.stats.nbinom.ppf, which takes fifty times as long over a single figure.
    low, high = np.ceil(nbdtrik([0.1, 0.9], size, size / (size + max(expected, 1e-9)))).tolist()
    return Range(low, expected, high)
