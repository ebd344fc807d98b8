"""A test that may be looked at any time: intervals and p-values that stay true under peeking.

- The confidence sequence is the normal mixture's (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021),
  for asymptotically normal estimates as in Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2021). It is
  narrowest near the planned size, and holds at every other.
- For counts too small for that, an e-process: given all conversions of a look, B's are binomial, whatever the
  rate; the likelihood ratio against "no difference", mixed over effects, exceeds 1/alpha with a chance of at
  most alpha, ever (Ville 1939).
- Where the looks are declared beforehand, group-sequential boundaries of the O'Brien-Fleming type by alpha
  spending (Lan and DeMets 1983) lose almost no power against a single look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

from metrics.arms import Effect, Side

__all__ = [
    "EProcess",
    "Valid",
    "best_rho",
    "boundaries",
    "log_mixture",
    "mixture_bound",
    "sequence",
    "spent",
    "tuning",
]

Floats = npt.NDArray[np.float64]
Sides = Literal[1, 2]

_EFFECTS: Final = np.geomspace(0.05, 1.2, 12)
_TILT: Final = np.concatenate([-_EFFECTS[::-1], _EFFECTS])
"""Log rate ratios over which the e-process is mixed: from 5 % to a factor of three, both ways."""


@dataclass(frozen=True, slots=True)
class Valid:
    """An interval and a p-value that hold at every look."""

    low: float
    high: float
    p: float

    @property
    def half(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def tuning(planned: float, *, alpha: float = 0.05) -> float:
    """The mixture's rho that makes the sequence narrowest at `planned` units of both arms."""
    a = -2 * np.log(alpha)
    return float(np.sqrt((a + np.log(a + 1)) / planned))


def sequence(effect: Effect, *, planned: float, alpha: float = 0.05, side: Side = "two-sided") -> Valid:
    """The confidence sequence of an effect at this look, and its always-valid p-value.

    planned: total units (both arms) at which it should be narrowest; fixed before the start, never from what
    has come so far. A one-sided sequence is open on its other side.
    """
    if not effect.known or effect.n <= 0:
        return Valid(-np.inf, np.inf, 1.0)
    n = effect.n
    rho = tuning(planned, alpha=alpha if side == "two-sided" else 2 * alpha)
    grown = n * rho**2 + 1
    scale = effect.error * np.sqrt(n)
    root = np.sqrt(grown)
    inside = np.log(root / alpha) if side == "two-sided" else np.log1p(root / (2 * alpha))
    half = float(scale * np.sqrt(2 * grown * inside / (n * rho) ** 2))
    # What the mixture says against no effect: its reciprocal is the p-value.
    z = effect.estimate / effect.error
    support = np.exp(min(rho**2 * n * z**2 / (2 * grown), 700.0)) / root
    if side == "two-sided":
        return Valid(effect.estimate - half, effect.estimate + half, float(min(1.0, 1 / support)))
    towards = z if side == "greater" else -z
    # The one-sided form halves the mixture at zero: 2 Phi weights the side that speaks for the effect.
    weighed = support * 2 * float(stats.norm.cdf(towards * np.sqrt(rho**2 * n / grown)))
    p = float(min(1.0, 1 / max(weighed, 1e-300)))
    if side == "greater":
        return Valid(effect.estimate - half, np.inf, p)
    return Valid(-np.inf, effect.estimate + half, p)


# -- the boundary of a sum of unit-variance increments, in intrinsic time (its variance)


def best_rho(variance: float, alpha: float = 0.05, *, sides: Sides = 2) -> float:
    """The mixture's precision that makes the boundary tightest at this variance (Howard et al., eq. 3.4)."""
    level = alpha if sides == 2 else 2 * alpha
    a = 2 * np.log(1 / level)
    return float(variance / (a + np.log1p(a)))


def log_mixture(
    total: float, variance: float, tightest: float, alpha: float = 0.05, *, sides: Sides = 2
) -> float:
    """Log of the normal mixture's supermartingale for a sum and its variance."""
    rho = best_rho(tightest, alpha, sides=sides)
    value = 0.5 * np.log(rho / (variance + rho)) + total**2 / (2 * (variance + rho))
    if sides == 1:
        value += np.log(2) + stats.norm.logcdf(total / np.sqrt(variance + rho))
    return float(value)


def mixture_bound(variance: float, alpha: float, tightest: float, *, sides: Sides = 2) -> float:
    """What the sum never exceeds (in size, where two-sided), at any variance, but with a chance of alpha."""
    rho = best_rho(tightest, alpha, sides=sides)
    if sides == 2:
        return float(np.sqrt((variance + rho) * (np.log((variance + rho) / rho) + 2 * np.log(1 / alpha))))
    wide = mixture_bound(variance, alpha, tightest)
    found = optimize.brentq(
        lambda s: log_mixture(s, variance, tightest, alpha, sides=1) - np.log(1 / alpha),
        0.0,
        2 * wide + 1,
        xtol=1e-12,
    )
    return float(found)


# -- small counts


class EProcess:
    """Evidence against "both arms convert alike", look by look, exact for counts of any size.

    Given a look's conversions, those of B are binomial with B's share of the exposure, if there is no
    difference. Conversions must be independent of each other. `add` takes what came since the last look.
    """

    def __init__(self) -> None:
        self._logs: Floats = np.zeros(len(_TILT))
        self._best = 0.0

    def add(self, conversions: tuple[float, float], exposure: tuple[float, float]) -> float:
        """Take a look's new conversions and exposure (clicks, visitors, spend) of A and B; the p-value.

        A correction downwards (a withdrawn conversion) is taken as it comes: the evidence for it goes too.
        """
        (ca, cb), (ea, eb) = conversions, exposure
        if ea > 0 and eb > 0:
            none = eb / (ea + eb)
            tilted = eb * np.exp(_TILT) / (ea + eb * np.exp(_TILT))
            self._logs += cb * np.log(tilted / none) + ca * np.log((1 - tilted) / (1 - none))
        self._best = max(self._best, float(special.logsumexp(self._logs) - np.log(len(_TILT))))
        return self.p

    @property
    def p(self) -> float:
        """The smallest p-value that any look has justified."""
        return float(min(1.0, np.exp(-self._best)))


# -- looks declared beforehand


def spent(part: float, *, alpha: float = 0.05) -> float:
    """Alpha spent, on both sides, once this part of the planned information is in.

    Of the O'Brien-Fleming type, each side spending half: 4 - 4 Phi(z(alpha / 4) / sqrt(part)).
    """
    if part <= 0:
        return 0.0
    return float(4 * stats.norm.sf(stats.norm.ppf(1 - alpha / 4) / np.sqrt(min(part, 1.0))))


def boundaries(parts: Sequence[float], *, alpha: float = 0.05) -> list[float]:
    """|z| at which to stop at each look; the looks are at these parts of the planned information.

    By recursive numerical integration (Armitage, McPherson and Rowe 1969). Infinite where a look has too
    little alpha to stop at all. Raises ValueError where the parts do not rise within (0, 1].
    """
    if not parts or parts[0] <= 0 or parts[-1] > 1 + 1e-9 or any(b <= a for a, b in pairwise(parts)):
        raise ValueError("the looks are parts of the planned size: rising, above 0, at most 1")
    return list(_boundaries(tuple(parts), alpha))


@lru_cache(maxsize=64)
def _boundaries(parts: tuple[float, ...], alpha: float) -> tuple[float, ...]:
    nodes, weights = np.polynomial.legendre.leggauss(161)
    # The sum's density among the paths that have not stopped, on a grid of its value; its variance is `part`.
    grid, density, last, gone = np.zeros(1), np.ones(1), 0.0, 0.0
    found: list[float] = []
    for part in parts:
        step = float(np.sqrt(part - last))
        share = spent(part, alpha=alpha) - gone
        most = float(np.abs(grid).max()) + 9 * step

        def left(limit: float, paths: tuple[Floats, Floats, float, float]) -> float:
            """Chance to be outside of [-limit, limit] at this look, less the share to be spent."""
            at, weight, spread, wanted = paths
            outside = stats.norm.sf((limit - at) / spread) + stats.norm.cdf((-limit - at) / spread)
            return float(outside @ weight) - wanted

        paths = (grid, density, step, share)
        limit = float(optimize.brentq(left, 0.0, most, args=(paths,))) if left(most, paths) < 0 else np.inf
        found.append(float(limit / np.sqrt(part)))
        reach = min(limit, most)
        fresh = nodes * reach
        kernel = stats.norm.pdf((fresh[:, None] - grid[None, :]) / step) / step
        grid, density = fresh, (kernel @ density) * weights * reach
        last, gone = part, spent(part, alpha=alpha)
    return tuple(found)
