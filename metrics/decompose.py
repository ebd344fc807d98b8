"""A change taken apart so that its parts add up to it: into factors, and over the members of a group.

Factors: the logarithmic mean Divisia index, additive form (LMDI-I: Ang 2004, "Decomposition analysis for
policymaking in energy", Energy Policy 32, 1131-1139). With V a product of factors x_i^p_i and
L(a, b) = (a - b) / ln(a / b), the effect of a factor is L(V1, V0) * p_i * ln(x_i1 / x_i0): the effects add up
to V1 - V0 without a rest, and swapping the two periods only turns their signs. Where a factor is zero the
limit is taken, not a small number (Ang and Liu 2007, Energy Policy 35, 238-246).

Members: a ratio V = N / D is the sum of each member's v = N_e / D. A member's contribution is
(v1 - v0) - V * (w1 - w0), with w = D_e / D its weight and V the mean of the two periods' ratios: the weights
change by nothing in total, so that contributions add up to V1 - V0; and where everything doubles, nobody is
to blame. Of it, L(v1, v0) * ln(r1 / r0) is the member's own rate r = N_e / D_e (LMDI again); the rest is
the mix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Factor", "Split", "contributions", "effects", "logarithmic_mean"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Factor:
    """`over` / `under` to a power of 1 or -1, both names of sums; `under` is "" for a sum by itself.

    In a chain the parents come first: `under` is another factor's `over`, or stands in no factor.
    """

    over: str
    under: str
    power: int


@dataclass(frozen=True, slots=True)
class Split:
    """What each member adds to a change: mix + rate = total, and the totals add up to the change."""

    total: Floats
    mix: Floats
    rate: Floats


def logarithmic_mean(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """(a - b) / ln(a / b); a where both are equal, 0 where either is 0. For a, b >= 0."""
    first, second = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(b, dtype=float))
    out = np.zeros(first.shape)
    positive = (first > 0) & (second > 0)
    ratio = np.log(np.divide(first, second, where=positive, out=np.ones(first.shape)))
    # Near equality the quotient loses its digits; the mean of the two is exact to the second order.
    near = positive & (np.abs(ratio) < 1e-6)
    out[near] = (first[near] + second[near]) / 2
    far = positive & ~near
    out[far] = (first[far] - second[far]) / ratio[far]
    return out


def effects(
    chain: Sequence[Factor],
    before: Mapping[str, float],
    now: Mapping[str, float],
    values: tuple[float, float],
) -> list[float]:
    """What each factor adds to the change from `values[0]` to `values[1]`, in the order of the chain.

    chain: factors whose product is proportional to the value; `before` and `now` hold their sums by name.
    A sum that is zero in one of the periods says nothing of its own factor: that counts as unchanged, and
    the next in the chain has it all. From or to a value of zero, the first factor of power 1 that came from
    or went to zero has it all.
    """
    old, new = values
    if old <= 0 or new <= 0:
        given = [0.0] * len(chain)
        if old != new:
            up = [n for n, f in enumerate(chain) if f.power > 0] or [len(chain) - 1]
            turned = [n for n in up if (before[chain[n].over] > 0) != (now[chain[n].over] > 0)]
            given[(turned or up[-1:])[0]] = new - old
        return given
    moved: dict[str, float] = {"": 0.0}
    under = {f.over: f.under for f in chain}

    def moves(name: str) -> float:
        if name not in moved:
            known = before[name] > 0 and now[name] > 0
            moved[name] = float(np.log(now[name] / before[name])) if known else moves(under.get(name, ""))
        return moved[name]

    mean = float(logarithmic_mean(new, old))
    found = [mean * f.power * (moves(f.over) - moves(f.under)) for f in chain]
    # What rounding leaves (some 1e-16 of the whole) goes to the largest, so that nothing is left.
    largest = max(range(len(found)), key=lambda n: abs(found[n]))
    found[largest] += (new - old) - sum(found)
    return found


def contributions(before: tuple[Floats, Floats], now: tuple[Floats, Floats]) -> Split:
    """What each member adds to the change of sum(N) / sum(D).

    before, now: (N, D) with one element a member; a member that is new or gone is zero in the other period.
    A member that has a rate in one of the periods only, although it was there in both (money spent, nothing
    sold), changed its rate. Raises ValueError where sum(D) is not positive: there is no ratio then.
    """
    (n0, d0), (n1, d1) = before, now
    whole0, whole1 = float(d0.sum()), float(d1.sum())
    if whole0 <= 0 or whole1 <= 0:
        raise ValueError("a ratio over nothing does not change: both periods need a positive denominator")
    v0, v1, w0, w1 = n0 / whole0, n1 / whole1, d0 / whole0, d1 / whole1
    middle = (float(v0.sum()) + float(v1.sum())) / 2
    total = (v1 - v0) - middle * (w1 - w0)
    rated = (n0 > 0) & (d0 > 0) & (n1 > 0) & (d1 > 0)
    logs = np.zeros(len(total))
    logs[rated] = np.log((n1[rated] / d1[rated]) / (n0[rated] / d0[rated]))
    there = ((n0 != 0) | (d0 != 0)) & ((n1 != 0) | (d1 != 0))
    weighed = there & (d0 > 0) & (d1 > 0)
    # Without a numerator in one period: the limit of the formula below. Without a denominator: all rate.
    rate = np.where(there, np.where(weighed, v1 - v0, total), 0.0)
    rate[rated] = logarithmic_mean(v1[rated], v0[rated]) * logs[rated]
    return Split(total, total - rate, rate)
