"""What several conditions need: counts against what was expected of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import betainc
from scipy.stats import nbinom

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
    low, high = (float(nbinom.ppf(share, size, size / (size + max(expected, 1e-9)))) for share in (0.1, 0.9))
    return Range(low, expected, high)
