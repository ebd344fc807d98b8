"""How good the projections are: synthetic accounts without incidents, every figure out of sample.

WAPE is the sum of absolute errors over the sum of truths; coverage the share of truths inside the 80 %
interval. `linear` is spend so far times 24 / hour, what a spreadsheet would say.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.adsim import make, realise
from metrics.projection import project_day, project_days

HOURS = (6, 12, 18)
REMAINDERS = (5, 10, 20)


def days(seeds: range, step: int = 3) -> dict[int, dict[str, float]]:
    """WAPE and coverage of the day's total by hour of the forecast, over campaigns."""
    kept: dict[int, list[tuple[np.ndarray, ...]]] = {h: [] for h in HOURS}
    for seed in seeds:
        account = realise(make(seed))
        spend = account.spend.reshape(account.C, -1, 24)
        for day in range(30, spend.shape[1], step):
            past, weekdays = spend[:, day - 28 : day], np.arange(day - 28, day) % 7
            truth = spend[:, day].sum(1)
            for hour in HOURS:
                spent = spend[:, day, :hour].sum(1)
                said = project_day(past, weekdays, day % 7, spent, hour)
                kept[hour].append((truth, said.mid, said.low, said.high, spent * 24 / hour))
    out = {}
    for hour, parts in kept.items():
        truth, mid, low, high, linear = (np.concatenate(x) for x in zip(*parts, strict=True))
        out[hour] = {
            "wape": float(np.abs(mid - truth).sum() / truth.sum()),
            "linear": float(np.abs(linear - truth).sum() / truth.sum()),
            "coverage": float(((truth >= low) & (truth <= high)).mean()),
        }
    return out


def remainders(seeds: range, step: int = 5) -> dict[int, dict[str, float]]:
    """WAPE and coverage of the total of the coming days, over campaigns."""
    kept: dict[int, list[tuple[float, ...]]] = {r: [] for r in REMAINDERS}
    for seed in seeds:
        account = realise(make(seed))
        totals = account.spend.reshape(account.C, -1, 24).sum(2)
        for one in totals:
            for day in range(30, len(one) - max(REMAINDERS), step):
                for rest in REMAINDERS:
                    draws = project_days(
                        one[day - 28 : day], np.arange(day - 28, day) % 7, np.arange(day, day + rest) % 7
                    )
                    kept[rest].append((one[day : day + rest].sum(), *np.quantile(draws, [0.1, 0.5, 0.9])))
    out = {}
    for rest, rows in kept.items():
        truth, low, mid, high = np.array(rows).T
        out[rest] = {
            "wape": float(np.abs(mid - truth).sum() / truth.sum()),
            "coverage": float(((truth >= low) & (truth <= high)).mean()),
        }
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=12)
    options.add_argument("--first-seed", type=int, default=900)
    chosen = options.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.accounts)
    print(f"campaigns of {chosen.accounts} accounts")
    for hour, said in days(seeds).items():
        print(f"day at {hour:02d}:00  " + "  ".join(f"{k} {v:6.1%}" for k, v in said.items()))
    for rest, said in remainders(seeds).items():
        print(f"next {rest:2d} days  " + "  ".join(f"{k} {v:6.1%}" for k, v in said.items()))


if __name__ == "__main__":
    main()
