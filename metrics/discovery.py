"""Which of many tests are worth a person's attention, and the words for it.

An installation tests every series at every tick. A signal must be unlikely by itself, must survive the
control of false discoveries over the whole installation, and must be large enough to matter. Accounts and
campaigns are families of their own, as are tests of the hour and of the day: the few series that matter most
do not pay for thousands of others (Yekutieli 2008).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["RATE", "WATCH", "Grade", "benjamini_hochberg", "expectation", "grade", "signals"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Grade = Literal["normal variation", "watch", "signal"]

WATCH = 0.01
"""p below which a series is worth a look."""

RATE = 0.05
"""Share of false ones among the signals of a tick, at most, on average."""


def benjamini_hochberg(p: Floats, rate: float = RATE) -> Bools:
    """Which hypotheses are rejected at this false discovery rate (Benjamini & Hochberg 1995).

    p: shape (tests,), in any order. Holds for independent tests and for those that depend positively.
    """
    count = len(p)
    if not count:
        return np.zeros(0, dtype=bool)
    order = np.argsort(p)
    passed = np.nonzero(p[order] <= rate * np.arange(1, count + 1) / count)[0]
    found = np.zeros(count, dtype=bool)
    if len(passed):
        found[order[: passed[-1] + 1]] = True
    return found


def signals(p: Floats, limits: Floats, matters: Bools, rate: float = RATE) -> Bools:
    """Which tests of one tick are signals.

    p: of every series of a family in the installation, NaN where there is no verdict. limits: what each p
    must be below by itself, however few series there are: ticks come every few minutes, and the control of
    one tick does not add them up. matters: whether the effect is large enough. All of shape (tests,).
    """
    told = np.isfinite(p)
    found = np.zeros(len(p), dtype=bool)
    found[told] = benjamini_hochberg(p[told], rate)
    return found & matters & (np.nan_to_num(p, nan=1.0) <= limits)


def grade(p: float, *, signal: bool) -> Grade:
    """The word for a test: a watch is unlikely, and not or not yet a signal."""
    return "signal" if signal else "watch" if p < WATCH else "normal variation"


def expectation(low: float, high: float, seen: float, unit: str = "") -> str:
    """The sentence for a reader: "expected 12-23, saw 9"."""
    if float(low).is_integer() and float(high).is_integer() and float(seen).is_integer():
        places = 0
    else:
        places = 0 if max(abs(high), abs(seen)) >= 100 else 2
    ends = [f"{value:,.{places}f}" for value in (low, high, seen)]
    mark = f" {unit}" if unit else ""
    return f"expected {ends[0]}–{ends[1]}{mark}, saw {ends[2]}{mark}"
