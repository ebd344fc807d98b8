"""The bands on six public series of ad-exchange prices, by the scoring of the Numenta Anomaly Benchmark.

Scoring as published (Lavin & Ahmad 2015, "Evaluating Real-Time Anomaly Detection Algorithms: the Numenta
Anomaly Benchmark"), the standard profile: a window's first hit earns up to 1, the earlier the more, a missed
window costs 1, a false alarm up to 0.11, the first 15 % of a series are not scored; 0 is a detector that says
nothing, 100 one that is perfect.

The detector is what the price of a click gets (metrics.baseline): the logarithm of the price against its own
median at that hour of the day over 14 days, over the robust spread of the errors of the last 21 days out of
sample; dearer only; told once a day. Its threshold is never chosen with the labels of the file under test:
`others` chooses it on the other five files, `fixed` is what rules on money use (p < 1e-4). `all` is what
published figures do: the best threshold for the files that are scored.

Data: the folder realAdExchange of the benchmark's data, v1.1, and its windows by file name as windows.json.
Run: python -m benchmarks.nab --data FOLDER
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import stats

from metrics import baseline
from metrics.watch import LIMITS

FALSE_WEIGHT, PROBATION = 0.11, 0.15
DAYS, ERROR_DAYS, LEAST_SPREAD = 14, 21, 0.05
TOLD_ONCE_IN = 24
THRESHOLDS = np.linspace(2, 10, 161)
AIM, GAUSSIAN = 75.0, 56.9


class Series:
    """A file: hours, values, and what an alarm at each of them earns."""

    def __init__(self, path: Path, windows: list[list[str]]) -> None:
        rows = list(csv.reader(path.open()))[1:]
        self.times = [datetime.fromisoformat(at) for at, _ in rows]
        self.values = np.array([float(value) for _, value in rows])
        place = {at: n for n, at in enumerate(self.times)}
        self.windows = [tuple(place[datetime.fromisoformat(end)] for end in window) for window in windows]
        self.window = np.full(len(rows), -1)
        self.earns = np.full(len(rows), -1.0)
        for n, (first, last) in enumerate(self.windows):
            inside = np.arange(first, last + 1)
            self.window[inside] = n
            self.earns[inside] = _fall(-(last + 1 - inside) / (last + 1 - first)) / _fall(-1.0)
        ends = [*self.windows, (len(rows), len(rows))]
        for (first, last), (following, _) in pairwise(ends):
            after = np.arange(last + 1, following)
            away = (after - last) / (last - first)
            self.earns[after] = np.where(away >= 3, -1.0, _fall(away))

    def score(self, hits: np.ndarray) -> float:
        """What these alarms earn, by the standard profile."""
        first = min(int(PROBATION * len(hits)), int(PROBATION * 5000))
        told = _once(hits & (np.arange(len(hits)) >= first))
        false = FALSE_WEIGHT * self.earns[told & (self.window < 0)].sum()
        found = [self.earns[told & (self.window == n)].max(initial=-1.0) for n in range(len(self.windows))]
        return float(false + sum(found))


def _fall(position):
    """The scaled sigmoid: near 1 at a window's beginning, 0 at its end, near -1 one width later."""
    return 2 / (1 + np.exp(5 * position)) - 1


def _once(hits: np.ndarray) -> np.ndarray:
    """An alarm that lasts is told once a day."""
    out, last = np.zeros_like(hits), -TOLD_ONCE_IN
    for hour in np.flatnonzero(hits):
        if hour - last >= TOLD_ONCE_IN:
            out[hour], last = True, hour
    return out


def bands(series: Series) -> np.ndarray:
    """How far each price is above its usual one at that hour, in spreads of past errors."""
    price = np.log(np.maximum(series.values, 1e-9))
    hour = np.array([at.hour for at in series.times])
    error = np.zeros(len(price))
    z = np.zeros(len(price))
    for now in range(len(price)):
        past = slice(max(0, now - DAYS * 24), now)
        same = price[past][hour[past] == hour[now]]
        error[now] = price[now] - np.median(same) if len(same) >= 3 else 0.0
        before = error[max(0, now - ERROR_DAYS * 24) : now]
        if len(before) >= 48:
            z[now] = error[now] / baseline.spread(before, np.ones(len(before), bool), LEAST_SPREAD)
    return z


def gaussian(series: Series) -> np.ndarray:
    """The benchmark's own windowed Gaussian: distance from the mean of the last 1,000 values."""
    z = np.zeros(len(series.values))
    for now in range(2, len(z)):
        past = series.values[max(0, now - 1000) : now]
        z[now] = abs(series.values[now] - past.mean()) / max(past.std(), 1e-6)
    return z


def scores(files: list[Series], detector) -> dict[str, float]:
    """Normalised scores with the threshold chosen on the other files, fixed, and on all of them."""
    said = [detector(series) for series in files]
    earned = np.array(
        [[series.score(z >= limit) for series, z in zip(files, said, strict=True)] for limit in THRESHOLDS]
    )
    windows = sum(len(series.windows) for series in files)

    def normal(total: float) -> float:
        return 100 * (total + windows) / (2 * windows)

    others = sum(earned[np.delete(earned, n, axis=1).sum(1).argmax(), n] for n in range(len(files)))
    fixed = float(stats.norm.isf(LIMITS["spend"][1]))
    at_fixed = sum(series.score(z >= fixed) for series, z in zip(files, said, strict=True))
    return {
        "others": normal(float(others)),
        "fixed": normal(at_fixed),
        "all": normal(float(earned.sum(1).max())),
    }


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=Path(__file__).parent / "nab")
    folder = options.parse_args().data
    if not (folder / "windows.json").exists():
        print(f"no series in {folder}: see --help for what belongs there")
        return 0
    windows = json.loads((folder / "windows.json").read_text())
    files = [Series(folder / name, of) for name, of in sorted(windows.items())]
    print(f"{len(files)} series, {sum(len(s.windows) for s in files)} windows; thresholds chosen on:")
    found = {}
    for detector in (bands, gaussian):
        found[detector.__name__] = scores(files, detector)
        print(
            f"{detector.__name__:9}", ", ".join(f"{k} {v:.1f}" for k, v in found[detector.__name__].items())
        )
    print(json.dumps({"nab_real_ad_exchange": found, "aim": AIM, "published_windowed_gaussian": GAUSSIAN}))
    return int(found["bands"]["others"] <= GAUSSIAN)


if __name__ == "__main__":
    sys.exit(main())
