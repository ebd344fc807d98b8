"""How good settled figures are, through the ledger: the sandbox's world watched for weeks, then asked.

Each local day of each account is asked some hours before or after its end, with nothing but what the ledger
had by then, against what the world says its clicks came to: the mean error over all conversions (WAPE) of the
raw and the settled figure, by campaign and by account, what chance alone leaves of it, the share of truths
inside the 80 % intervals of conversions and ROAS, and how often the settled CPA lies closer to the truth than
the raw one.
Run: python -m benchmarks.settled [--seeds 1 2] [--days 60]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks._watched import Watch
from connectors.contract import Window
from metrics import maturity, windows

START = datetime(2026, 9, 15, tzinfo=UTC)
AGES = (-12, -6, 0, 6, 12, 24, 48)
"""Hours after the day's end; before it: of the day so far."""

WARM = 28
"""Days watched before the first one is asked."""

EVERY = 2
"""Hours between polls of the present day."""

SAID = ("spend", "known", "revenue", "settled_cpa", "settled_roas", "settled_roas_low", "settled_roas_high")
ENDS = ("settled_conversions_low", "settled_conversions", "settled_conversions_high")


Truth = tuple[float, float, float]
"""Of a campaign's clicks, once all is settled: conversions, their value, and the variance of chance."""


def final(watch: Watch, key: windows.AccountKey, window: Window, looked: datetime) -> Mapping[str, Truth]:
    """What each campaign's clicks of the window came to, and how much chance there was in it after `looked`.

    Conversions are rare and independent, so the sum over those still to come, or to be taken back, of their
    squared credits estimates the variance about what they came to on average.
    """
    settled, known = (events(watch, key, window, as_of) for as_of in (None, looked))
    out: dict[str, Truth] = defaultdict(lambda: (0.0, 0.0, 0.0))
    for parts, sign in ((settled, 1), (settled - known, 0), (known - settled, 0)):
        for (campaign, quantity, value, *_), times in parts.items():
            counted, worth, chance = out[campaign]
            out[campaign] = (
                counted + sign * times * quantity,
                worth + sign * times * value / 1e6,
                chance + (1 - sign) * times * quantity**2,
            )
    return out


def events(watch: Watch, key: windows.AccountKey, window: Window, as_of: datetime | None) -> Counter:
    """The primary conversions of the window's clicks: campaign, credit, value, and what tells them apart."""
    a = watch.accounts[key]
    found = watch.world.conversions(a.id, start=window.start, end=window.end, as_of=as_of)
    primary = np.isin(found.action, [x.id for x in watch.world.conversion_actions(a.id) if x.primary])
    columns = (
        found.quantity,
        found.value_micros,
        found.action,
        found.click_hour,
        found.delay_hours,
        found.ad,
    )
    rows = zip(*(column[primary].tolist() for column in columns), strict=True)
    return Counter((str(c), *row) for c, row in zip(found.campaign[primary].tolist(), rows, strict=True))


def looked(then: datetime) -> datetime:
    """The last poll before `then`."""
    return then - timedelta(seconds=then.timestamp() % (EVERY * 3600))


def vouched(then: datetime, zone: ZoneInfo) -> datetime:
    """The end of the last full local hour whose clicks the last poll before `then` saw whole."""
    seen = looked(then) - timedelta(minutes=20)
    return seen - timedelta(minutes=seen.astimezone(zone).minute)


def measure(watch: Watch, first: date, last: date, step: int = 1) -> dict[int, dict[str, dict[str, float]]]:
    """Figures by age, then by campaign and by account."""
    known = windows.accounts(watch.warehouse)
    kept: dict[tuple[int, str], list] = defaultdict(list)
    for n in range(0, (last - first).days, step):
        day = first + timedelta(days=n)
        spans = windows.days(known, day, day)
        for age in AGES:
            for end in sorted({w.end for w in spans.values()}):
                then = end + timedelta(hours=age)
                of = {
                    key: Window(w.start, min(w.end, vouched(then, known[key].timezone)))
                    for key, w in spans.items()
                    if w.end == end
                }
                mature = maturity.learned(watch.warehouse, {key: known[key] for key in of}, then, as_of=then)
                truth = {key: final(watch, key, span, looked(then)) for key, span in of.items()}
                for by in ("campaign", "account"):
                    table = maturity.intervals(watch.warehouse, mature, of, (by,), as_of=then)
                    for row in table.to_pylist():
                        of_account = truth[row["source"], row["account"]]
                        parts = [of_account[row["campaign"]]] if by == "campaign" else of_account.values()
                        kept[age, by].append((*map(sum, zip(*parts, strict=True)), row))
    return {age: {by: summed(kept[age, by]) for by in ("campaign", "account")} for age in AGES}


def summed(rows: list[tuple[float, float, float, dict]]) -> dict[str, float]:
    """WAPE, coverage and who was closer, over the rows of one age.

    chance: the error that nobody can avoid who knows the true rates and the true lag.
    """
    truth, value, variance = (np.array([row[n] for row in rows]) for n in (0, 1, 2))
    n = {name: np.array([r[name] for *_, r in rows], dtype=float) for name in (*SAID, *ENDS)}
    low, mid, high = (n[name] for name in ENDS)
    with np.errstate(all="ignore"):
        cpa, roas = n["spend"] / truth, value / n["spend"]
        closer = np.abs(n["settled_cpa"] - cpa) < np.abs(n["spend"] / n["known"] - cpa)
        inside = (roas >= n["settled_roas_low"]) & (roas <= n["settled_roas_high"])
    return {
        "rows": len(rows),
        "raw": float(np.abs(n["known"] - truth).sum() / truth.sum()),
        "settled": float(np.abs(mid - truth).sum() / truth.sum()),
        "chance": float(np.sqrt(2 / np.pi * variance).sum() / truth.sum()),
        "bias": float((mid - truth).sum() / truth.sum()),
        "cover": float(((truth >= low - 1e-9) & (truth <= high + 1e-9)).mean()),
        "cpa closer": float(closer[truth > 0].mean()),
        "roas cover": float(inside[value > 0].mean()),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, nargs="+", default=[1])
    options.add_argument("--accounts", type=int, default=6)
    options.add_argument("--days", type=int, default=60)
    options.add_argument("--step", type=int, default=2, help="days from one that is asked to the next")
    chosen = options.parse_args()
    end = START + timedelta(days=chosen.days)
    for seed in chosen.seeds:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            watch = Watch(
                Path(folder) / "w.duckdb",
                seed=seed,
                accounts=chosen.accounts,
                campaigns=8,
                start=START,
                history=60,
            )
            watch.live(end, every=EVERY, recent=6, backfill=20)
            print(f"seed {seed}: {chosen.days} days watched in {time.monotonic() - began:.0f} s")
            first, last = (START + timedelta(days=WARM)).date(), (end - timedelta(days=3)).date()
            for age, said in measure(watch, first, last, chosen.step).items():
                for by, figures in said.items():
                    words = "  ".join(f"{k} {v:6.1%}" for k, v in figures.items() if k != "rows")
                    print(f"{age:3d} h after the day, {figures['rows']:4d} {by}-days  {words}")
            watch.warehouse.close()


if __name__ == "__main__":
    main()
