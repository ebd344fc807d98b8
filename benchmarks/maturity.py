"""How good settled conversions are: synthetic accounts without incidents, learned as of each moment.

WAPE over campaigns of one day's conversions, as known some hours after the day's end, against what they
came to; coverage of the 80 % interval; and how often the settled cost per conversion of an account-day lies
closer to the truth than the raw one.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.adsim import L, make, realise
from metrics.estimate import settle, usual_rate
from metrics.lag import Growth, Looks, learn

AGES = (0, 6, 24, 48)


def ledger(account, start: int, now: int) -> Growth:
    """How the account's click hours [start, now) grew, as polls at every full hour saw it."""
    counts = account.N.sum(0)[start:now]
    cohort, lag = np.nonzero(counts)
    amount = counts[cohort, lag].astype(float)
    cohort = cohort + start
    seen = cohort + lag + 1
    known = seen <= now
    starts, index = np.unique(cohort[known].astype(float), return_inverse=True)
    hours = np.arange(start, now, dtype=float)
    looks = Looks(np.append(hours, start), np.append(hours + 1, now), np.append(hours + 1, now))
    high = seen[known].astype(float)
    return Growth(starts, looks, index, high - 1, high, amount[known], np.zeros(len(high)))


def measure(seeds: range, lag: str = "mid", step: int = 3) -> dict[int, dict[str, float]]:
    kept: dict[int, list[tuple[np.ndarray, ...]]] = {a: [] for a in AGES}
    closer: dict[int, list[bool]] = {a: [] for a in AGES}
    for seed in seeds:
        account = realise(make(seed, lag=lag))
        for day in range(36, account.T // 24 - L // 24 - 4, step):
            for age in AGES:
                now = (day + 1) * 24 + age
                curve = learn(ledger(account, now - 28 * 24 - L, now), now)
                past = np.arange(now - 14 * 24, now)
                ages = now - past
                reference = account.cum[:, past, np.minimum(ages - 1, L)].sum(1).astype(float)
                rate = usual_rate(reference, (account.clicks[:, past] * curve.at(ages)).sum(1))
                hours = np.arange(day * 24, (day + 1) * 24)
                seen = np.minimum(now - hours - 1, L)
                known = account.cum[:, hours, seen].sum(1).astype(float)
                said = settle(
                    known,
                    account.clicks[:, hours],
                    curve.at(now - hours),
                    rate,
                    error=curve.error_at(now - hours),
                )
                truth = account.cum[:, hours, L].sum(1).astype(float)
                kept[age].append((truth, known, said.mid, said.low, said.high))
                if known.sum():
                    spend = account.spend[:, hours].sum()
                    raw, settled, final = (spend / x.sum() for x in (known, said.mid, truth))
                    closer[age].append(abs(settled - final) < abs(raw - final))
    out = {}
    for age, parts in kept.items():
        truth, known, mid, low, high = (np.concatenate(x) for x in zip(*parts, strict=True))
        out[age] = {
            "raw": float(np.abs(known - truth).sum() / truth.sum()),
            "settled": float(np.abs(mid - truth).sum() / truth.sum()),
            "coverage": float(((truth >= low) & (truth <= high)).mean()),
            "cpa closer": float(np.mean(closer[age])),
        }
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=12)
    options.add_argument("--first-seed", type=int, default=50)
    chosen = options.parse_args()
    for lag in ("short", "mid", "long"):
        for age, said in measure(range(chosen.first_seed, chosen.first_seed + chosen.accounts), lag).items():
            print(
                f"{lag:5} lag, {age:2d} h after the day  "
                + "  ".join(f"{k} {v:6.1%}" for k, v in said.items())
            )


if __name__ == "__main__":
    main()
