"""How often a test that is looked at again and again declares a winner: among equals, and where there is one.

    python -m benchmarks.experiments [--tests 4000]

The plain z test, looked at as often, is the peer that shows what peeking costs.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from metrics.arms import Arm, compare_logs
from metrics.sequential import boundaries, sequence

RATE = 0.03


def counts(
    rng: np.random.Generator, rate: float, lift: float, looks: int, per_look: int
) -> tuple[np.ndarray, ...]:
    """Cumulative visits and conversions of both arms at each look."""
    na = rng.binomial(2 * per_look, 0.5, looks)
    nb = 2 * per_look - na
    ca, cb = rng.binomial(na, rate), rng.binomial(nb, rate * (1 + lift))
    return tuple(x.cumsum() for x in (na, nb, ca, cb))


def run(name: str, tests: int, *, looks: int, per_look: int, lift: float, rate: float = RATE) -> None:
    """Print the share of tests in which a winner was declared, by method."""
    rng = np.random.default_rng(41)
    planned = 2 * looks * per_look
    limits = np.array(boundaries([n / looks for n in range(1, looks + 1)])) if looks <= 60 else None
    always = naive = grouped = once = 0
    for _ in range(tests):
        na, nb, ca, cb = counts(rng, rate, lift, looks, per_look)
        both = (ca + cb) / (na + nb)
        with np.errstate(all="ignore"):
            z = np.abs(cb / nb - ca / na) / np.sqrt(both * (1 - both) * (1 / na + 1 / nb))
        z = np.nan_to_num(z)
        naive += bool((z > stats.norm.ppf(0.975)).any())
        once += bool(z[-1] > stats.norm.ppf(0.975))
        grouped += limits is not None and bool((z > limits).any())
        for k in np.flatnonzero(np.minimum(ca, cb) >= 5):
            effect = compare_logs(Arm.rate(ca[k], na[k]), Arm.rate(cb[k], nb[k]))
            if sequence(effect, planned=planned).p < 0.05:
                always += 1
                break
    shares = {"always valid": always, "one look": once, "z, every look": naive}
    if limits is not None:
        shares["group-sequential"] = grouped
    print(f"{name:46} " + "   ".join(f"{k} {100 * v / tests:5.1f} %" for k, v in shares.items()), flush=True)


def main() -> None:
    """Winners declared among equals (goal: at most 5 %), and effects found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tests", type=int, default=4000)
    tests = parser.parse_args().tests
    few = max(tests // 10, 100)
    print("winners declared")
    run(f"no effect, {tests} tests, 56 looks", tests, looks=56, per_look=300, lift=0.0)
    run(
        f"no effect, rate 0.5 %, {tests} tests, 56 looks", tests, looks=56, per_look=300, lift=0.0, rate=0.005
    )
    run(f"no effect, {few} tests, 2,000 looks", few, looks=2000, per_look=8, lift=0.0)
    for lift in (0.1, 0.2, 0.4):
        run(f"{lift:+.0%}, {few} tests, 56 looks", few, looks=56, per_look=300, lift=lift)


if __name__ == "__main__":
    main()
