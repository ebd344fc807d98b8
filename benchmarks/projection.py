"""How good the projections are: synthetic accounts without incidents, every figure out of sample.

WAPE is the sum of absolute errors over the sum of truths; coverage the share of truths inside the 80 %
interval. `linear` is spend so far times 24 / hour, what a spreadsheet would say.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.adsim import make, realise
from metrics.outlook import Limits, Past, outlook
from metrics.projection import project_day

HOURS = (6, 12, 18)
MONTH = 30
DAYS = (1, 5, 10, 15, 20, 25, 28)
"""Whole days of the month that are over when the rest is forecast."""


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


def months(seeds: range, *, together: bool, hour: int = 12, step: int = 4) -> dict[int, dict[str, float]]:
    """WAPE and coverage of what is still to come of a month of thirty days, by the day of the forecast.

    together: a plan over the whole account; else one for each campaign. `month` is the error over the whole
    month's spend, as a reader of "ends at" sees it; `linear` that of spend so far times 30 over the days.
    """
    kept: dict[int, list[tuple[float, ...]]] = {day: [] for day in DAYS}
    for seed in seeds:
        account = make(seed)
        spend = (account.clicks * account.cpc).reshape(account.C, -1, 24)
        groups = [list(range(account.C))] if together else [[c] for c in range(account.C)]
        for first in range(28, spend.shape[1] - MONTH + 1, step):
            for day in DAYS:
                for group in groups:
                    kept[day].append(_month(spend[group], first, first + day, hour))
    out = {}
    for day, rows in kept.items():
        before, truth, low, mid, high, passed = np.array(rows).T
        total = before + truth
        out[day] = {
            "wape": float(np.abs(mid - truth).sum() / truth.sum()),
            "month": float(np.abs(mid - truth).sum() / total.sum()),
            "linear": float(np.abs(passed * MONTH / (day + hour / 24) - total).sum() / total.sum()),
            "coverage": float(((truth >= low) & (truth <= high)).mean()),
            "n": len(rows),
        }
    return out


def _month(spend: np.ndarray, first: int, today: int, hour: int) -> tuple[float, ...]:
    """Spent before today; from today on: the truth, P10, P50, P90; and spent so far."""
    purses, ahead = len(spend), first + MONTH - today - 1
    past, weekdays = spend[:, today - 28 : today], np.arange(today - 28, today) % 7
    spent = spend[:, today, :hour].sum(1)
    said = project_day(past, weekdays, today % 7, spent, hour)
    known = Past(past.sum(2), np.full(purses, today % 7), said, spent, np.zeros(purses))
    # The generator knows no platform's limits, so that none may help the projection.
    free = Limits(
        np.full(purses, np.inf), np.zeros((purses, ahead), dtype=np.int64), np.full((purses, 1), np.inf)
    )
    end = outlook(known, np.ones((purses, ahead), dtype=bool), free, seed=today).days.sum(1)
    before = spend[:, first:today].sum()
    truth = spend[:, today : first + MONTH].sum()
    return before, truth, *np.quantile(end, [0.1, 0.5, 0.9]), before + spent.sum()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=12)
    options.add_argument("--first-seed", type=int, default=900)
    chosen = options.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.accounts)
    print(f"campaigns of {chosen.accounts} accounts")
    for hour, said in days(seeds).items():
        print(f"day at {hour:02d}:00  " + "  ".join(f"{k} {v:6.1%}" for k, v in said.items()))
    for name, together in (("plan over an account", True), ("plan over a campaign", False)):
        found = months(seeds, together=together)
        print(name)
        for day, said in found.items():
            figures = "  ".join(f"{k} {v:6.1%}" for k, v in said.items() if k != "n")
            print(f"  day {day + 1:2d} of {MONTH}, noon  {figures}  ({said['n']:.0f} months)")
        total = sum(said["n"] for said in found.values())
        inside = sum(said["coverage"] * said["n"] for said in found.values()) / total
        print(f"  all of them covered {inside:.1%}")


if __name__ == "__main__":
    main()
