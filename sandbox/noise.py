"""Randomness without state: a number is a hash of what it stands for, never the next of a sequence.

So a cell of the world has the same noise whichever window it is asked in and whatever was asked before.
The mixer is splitmix64's finaliser (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
generators"), one round per coordinate.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import special

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Floats",
    "Ints",
    "Keys",
    "apportion",
    "choice",
    "gamma",
    "key",
    "normal",
    "poisson",
    "smooth",
    "spread",
    "uniform",
    "unit",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

_T = TypeVar("_T")

_MASK = (1 << 64) - 1
_STEP, _MIX1, _MIX2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_SMALL = 16.0
"""Means below this are inverted exactly; above it three terms of Cornish and Fisher are within a count."""


def _mix_int(x: int) -> int:
    x = ((x ^ (x >> 30)) * _MIX1) & _MASK
    x = ((x ^ (x >> 27)) * _MIX2) & _MASK
    return x ^ (x >> 31)


def key(seed: int, stream: str, *coordinates: int) -> int:
    """A 64-bit key for a named stream of noise at integer coordinates."""
    state = _mix_int((seed * _STEP + zlib.crc32(stream.encode())) & _MASK)
    for coordinate in coordinates:
        state = _mix_int((state + (coordinate + 1) * _STEP) & _MASK)
    return state


def unit(seed: int, stream: str, *coordinates: int) -> float:
    """One number in [0, 1)."""
    return (key(seed, stream, *coordinates) >> 32) / 2**32


def choice(options: Sequence[_T], seed: int, stream: str, *coordinates: int) -> _T:
    """One of `options`."""
    return options[int(unit(seed, stream, *coordinates) * len(options))]


def spread(keys: Keys | int, coordinate: Ints) -> Keys:
    """Keys one coordinate further: `spread(key(s, n), x)[i] == key(s, n, x[i])`; broadcasts."""
    start = np.asarray(keys, dtype=np.uint64)
    with np.errstate(over="ignore"):
        x = start + (coordinate.astype(np.uint64) + np.uint64(1)) * np.uint64(_STEP)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(_MIX1)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(_MIX2)
    return np.asarray(x ^ (x >> np.uint64(31)))


def uniform(keys: Keys) -> Floats:
    """Numbers in [0, 1), multiples of 2**-32, so that adding one to an integer count stays exact."""
    return (keys >> np.uint64(32)).astype(np.float64) / 2**32


def normal(keys: Keys) -> Floats:
    """Standard normal numbers."""
    return np.asarray(special.ndtri(uniform(keys) + 2**-33))


def gamma(keys: Keys, shape: float) -> Floats:
    """Gamma numbers with mean 1 and variance 1/shape, by the cube root (Wilson and Hilferty 1931)."""
    root = 1 - 1 / (9 * shape) + normal(keys) / (3 * np.sqrt(shape))
    return np.asarray(np.maximum(root, 0.0) ** 3)


def smooth(keys: Keys, at: Floats) -> Floats:
    """Noise that wanders: standard normal knots at the whole numbers, blended between them.

    keys: broadcastable against `at`. The blend keeps the variance at 1 everywhere.
    """
    knot = np.floor(at)
    part = at - knot
    low, high = normal(spread(keys, knot.astype(np.int64))), normal(spread(keys, knot.astype(np.int64) + 1))
    return np.asarray((low * (1 - part) + high * part) / np.sqrt((1 - part) ** 2 + part**2))


def poisson(keys: Keys, mean: Floats) -> Ints:
    """Poisson counts by inverting the distribution at a hashed uniform; more mean never gives less."""
    u = uniform(keys)
    keys, mean, u = np.broadcast_arrays(keys, mean, u)
    z = np.asarray(special.ndtri(u + 2**-33))
    # Cornish-Fisher, to the third term, with the continuity correction: ceil(x - 1/2).
    large = mean + np.sqrt(mean) * z + (z * z - 1) / 6
    large += z * (1 - z * z) / (72 * np.sqrt(np.maximum(mean, 1.0)))
    count = np.maximum(np.ceil(large - 0.5), 0.0).astype(np.int64)
    small = (mean < _SMALL).nonzero()
    count[small] = _small_poisson(u[small], mean[small])
    return count


def _small_poisson(u: Floats, mean: Floats) -> Ints:
    count = np.zeros(u.shape, np.int64)
    term = np.exp(-mean)
    left = u - term
    todo = (left >= 0).nonzero()[0]
    # 2**-32 of the distribution at mean 16 lies above 47: sixty steps reach every uniform there is.
    for step in range(1, 60):
        if not todo.size:
            break
        count[todo] = step
        term[todo] *= mean[todo] / step
        left[todo] -= term[todo]
        todo = todo[left[todo] >= 0]
    return count


def apportion(count: Ints, shares: Floats, offset: Floats) -> Ints:
    """Split each count over the last axis of `shares`, exactly: systematic sampling.

    count, offset: shape (n,); shares: (n, k), cumulative, ending at 1.0; offset: in [0, 1). Each part is
    its share of the count, rounded down or up, and on average over offsets exactly its share.
    """
    edges = np.floor(count[:, None] * shares + offset[:, None]).astype(np.int64)
    return np.diff(edges, axis=1, prepend=0)
