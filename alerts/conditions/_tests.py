"""What several conditions need: counts against what was expected of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import betainc
from scipy.stats import nbinom

from metrics.maturity import usual_rate

if TYPE_CHECKING:
    from alerts.scene import Floats, Scene

__all__ = ["lower_tail", "spread", "usual"]

_DISPERSION: Final = 0.02
"""Var = E + 0.02 E²: healthy accounts from one day to the next."""


def lower_tail(count: Floats, expected: Floats) -> Floats:
    """The chance of so few or fewer: a negative binomial's, continued between whole counts."""
    expected = np.maximum(expected, 1e-9)
    size = 1 / _DISPERSION
    return np.asarray(betainc(size, np.maximum(count, 0.0) + 1, size / (size + expected)))


def spread(expected: Floats) -> tuple[Floats, Floats, Floats]:
    """Expected counts with their 80 % range."""
    mean = np.maximum(expected, 1e-9)
    size = 1 / _DISPERSION
    law = nbinom(size, size / (size + mean))
    return np.asarray(law.ppf(0.1)), expected, np.asarray(law.ppf(0.9))


def usual(scene: Scene, hours: int, skip: int) -> Floats:
    """Conversions per click of each campaign in the `hours` before the last `skip`, shrunk to its account's.

    The picture may reach less far back than asked: then of as many hours as it has.
    """
    hours = min(hours, scene.clicks.shape[1] - skip)
    past = scene.sums(("conversions",), hours, skip)["conversions"]
    clicks = (scene.clicks * scene.complete)[:, skip : skip + hours].sum(1)
    rate = np.zeros_like(clicks)
    for number in range(len(scene.keys)):
        of = scene.owner == number
        rate[of] = usual_rate(past[of], clicks[of])
    return np.asarray(rate)
