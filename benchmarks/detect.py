"""How often the detectors are wrong, what they find and how fast: synthetic accounts with known incidents.

Each account of ten weeks is watched hour by hour, exactly as the product does it: a reference once a day from
what was known at midnight, the tests of every hour from what was known at its end, false-discovery control
over the account. The first four weeks are history only.

False: notifications a week and account without an incident, one a family and day at most (14 days for drift,
7 for the mix), as a person would receive them. Found: the share of incidents with a notification of the right
family and entity while they lasted; the delay in hours is the median.

`--generator` names a module with make, inject and realise as benchmarks.adsim has them, and QUIET: kinds of
quiet account. Thresholds were chosen on accounts of seeds 40,000 to 140,200 and 300,000 to 310,100; the
default is others.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from dataclasses import replace

import numpy as np

from benchmarks.adsim import L
from benchmarks.maturity import ledger
from metrics import forecasts, mix, reference, watch
from metrics.lag import learn as learn_lag

START = 28 * 24
"""Hours of history before the first verdict."""

QUIET = {"normal": {}, "weekend_dip": {"weekend": 0.30}, "long_lag": {"lag": "long"}}
INCIDENTS = {
    "tracking_outage": ("conversions",),
    "tracking_half": ("conversions",),
    "budget_runaway": ("spend",),
    "cpc_spike": ("cpc",),
    "lp_failure": ("conversions",),
    "drift_cvr": ("conversions", "drift"),
    "mix_shift": ("mix",),
}
LIMITS = {
    "tracking_outage": 1,
    "tracking_half": 4,
    "budget_runaway": 2,
    "cpc_spike": 1,
    "lp_failure": 12,
    "drift_cvr": 8 * 24,
    "mix_shift": 37,
}
COOL = {"drift": 14 * 24, "mix": 7 * 24}


class Replay:
    """An account of the generator as the product would have stored it.

    A cell is an hour of the account's clock: two hours long where the clock goes back.
    """

    def __init__(self, account) -> None:
        self.account = account
        hour = np.arange(account.T)
        first = np.append(True, account.how[1:] != account.how[:-1])
        self.edges = np.flatnonzero(first)
        self.cell = np.cumsum(first) - 1
        self.start = hour[first].astype(float)
        self.length = np.diff(np.append(self.start, account.T))
        self.day = account.day[first] + 1  # the generator's weeks begin on Mondays, as do ordinals
        self.hour_of_day = account.how[first] % 24
        self.clicks = np.add.reduceat(account.clicks, self.edges, axis=1).astype(float)
        self.spend = np.add.reduceat(account.spend, self.edges, axis=1)
        # Withdrawals do not undo arrivals.
        arrived = np.maximum(account.N, 0)
        self.arrived = np.zeros((account.C, account.T))
        for late in range(L + 1):
            self.arrived[:, late:] += arrived[:, : account.T - late, late]

    def hours(self, low: int, now: int, known_from: int) -> reference.Hours:
        """The cells of [low, now) as known at `now`; conversions from `known_from` on."""
        cells = slice(self.cell[low], self.cell[now - 1] + 1)
        begin = self.start[cells].astype(int)
        known = np.zeros((self.account.C, len(begin)))
        hours = np.arange(known_from, now)
        seen = self.account.cum[:, hours, np.minimum(now - hours - 1, L)]
        np.add.at(known.T, self.cell[hours] - self.cell[low], seen.T)
        found = reference.Hours(
            start=self.start[cells],
            born=self.start[cells],
            looked=np.full(len(begin), float(now)),
            length=np.minimum(self.length[cells], now - begin),
            day=self.day[cells],
            hour_of_day=self.hour_of_day[cells],
            clicks=self.clicks[:, cells],
            spend=self.spend[:, cells],
            known=known,
        )
        last = self.cell[now - 1]
        if now < self.start[last] + self.length[last]:  # in the middle of a double hour
            part = slice(self.edges[last], now)
            clicks, spend = found.clicks.copy(), found.spend.copy()
            clicks[:, -1] = self.account.clicks[:, part].sum(1)
            spend[:, -1] = self.account.spend[:, part].sum(1)
            found = replace(found, clicks=clicks, spend=spend)
        return found


def growth(account, start: int, now: int):
    """The account's ledger, what was withdrawn apart from what came."""
    found = ledger(account, start, now)
    return replace(found, gained=np.maximum(found.gained, 0.0), lost=np.maximum(-found.gained, 0.0))


def signals(account, method="bands") -> list[tuple[str, int, np.ndarray]]:
    """(family, entity, hours at which it is a signal); entity -1 is the account."""
    replay, entities = Replay(account), account.C + 1
    found = {
        family: np.zeros((entities, account.T), bool) for family in ("conversions", "spend", "cpc", "drift")
    }
    found["mix"] = shifts(account)
    ref, curve, memory = None, None, {}
    told = slice(-1, None) if method == "decomposition" else slice(None)
    for now in range(START, account.T):
        day = int(replay.day[replay.cell[now]])
        if ref is None or ref.day != day:
            low = max(0, now - reference.HISTORY_DAYS * 24 - 25)
            if curve is None or day % 7 == 1:
                curve = learn_lag(growth(account, max(0, now - START - L), now), now)
            past = seen_by(method, replay.hours(low, now, low))
            ref = reference.learn(past, curve, day=day, memory=memory, forecast=forecasts.METHODS[method])
            found["drift"][told, now] = watch.graded([watch.decline(ref)])[0][told]
        hours = seen_by(method, replay.hours(now + 1 - reference.RECENT_HOURS, now + 1, now + 1 - 48))
        edges = now + 1.0 - np.arange(watch.ARRIVAL_HOURS, -1, -1.0)
        looked = np.where(edges[None] > hours.start[:, None], edges[None], -np.inf)
        known = watch.seen_by(curve, hours.born, hours.start + 1, looked)
        arrived = replay.arrived[:, now + 1 - watch.ARRIVAL_HOURS : now + 1]
        if method == "decomposition":
            arrived = arrived.sum(0, keepdims=True)
        tests = watch.judge(ref, hours, watch.Arrivals(edges, arrived, known))
        for test, hit in zip(tests, watch.graded(tests), strict=True):
            found[test.family][told, now] |= hit[told]
    order = [*range(account.C), -1]
    return [(family, order[row], hits) for family, rows in found.items() for row, hits in enumerate(rows)]


def seen_by(method, hours: reference.Hours) -> reference.Hours:
    """A decomposition judges the account as one."""
    if method != "decomposition":
        return hours
    sums = {name: getattr(hours, name).sum(0, keepdims=True) for name in ("clicks", "spend", "known")}
    return replace(hours, **sums)


def shifts(account, window: int = 24, days: int = 26) -> np.ndarray:
    """Hours at which the mix of sources is a signal, shape (campaigns + 1, hours): the account's only."""
    found = np.zeros((account.C + 1, account.T), bool)
    total = np.concatenate([np.zeros((len(account.src), 1)), account.src.cumsum(1)], axis=1).astype(float)
    at = np.arange(12 * 24, account.T + 1)
    current = (total[:, at] - total[:, at - window]).T
    before = (total[:, at - window] - total[:, np.maximum(at - window - days * 24, 0)]).T
    statistics = np.full(account.T + 1, np.nan)
    statistics[at] = mix.g_statistic(current, before)
    for end in range(START + 1, account.T + 1):
        past = statistics[end - 21 * 24 : end : 24]
        said = mix.shifted(current[end - at[0]], before[end - at[0]], past[np.isfinite(past)])
        found[-1, end - 1] = said.p is not None and said.signal
    return found


def notifications(found, cool: int = 24) -> list[tuple[int, str, int]]:
    """(hour, family, entity): a signal that lasts is told once in its cool-down."""
    told = []
    for family, entity, hits in found:
        last = -(10**9)
        for hour in np.flatnonzero(hits):
            if hour >= START and hour - last >= COOL.get(family, cool):
                told.append((int(hour), family, entity))
                last = hour
    return sorted(told)


def received(told, cool: int = 24) -> list[tuple[int, str]]:
    """What a person gets: the entities of an account together."""
    out, last = [], {}
    for hour, family, _ in told:
        if hour - last.get(family, -(10**9)) >= cool:
            out.append((hour, family))
            last[family] = hour
    return out


def false(account, found) -> dict[str, float]:
    weeks = (account.T - START) / 168
    got = [family for _, family in received(notifications(found))]
    return {family: got.count(family) / weeks for family in ("conversions", "spend", "cpc", "drift", "mix")}


def delay(account, found) -> float:
    """Hours from the incident's onset to the first right notification, NaN without one."""
    incident = account.incident
    grace = 0 if incident["kind"] in ("drift_cvr", "mix_shift") else 6
    for hour, family, entity in notifications(found):
        inside = incident["onset"] <= hour <= incident["end"] + grace
        right = -1 in (entity, incident["camp"]) or entity == incident["camp"]
        if inside and right and family in INCIDENTS[incident["kind"]]:
            return hour - incident["onset"]
    return float("nan")


def quiet(generator, kind: str, seeds, method="bands") -> list[dict[str, float]]:
    how = getattr(generator, "QUIET", QUIET)[kind]
    accounts = (generator.realise(generator.make(seed, **how)) for seed in seeds)
    return [false(account, signals(account, method)) for account in accounts]


def delays(generator, kind: str, seeds, method="bands", **how) -> list[float]:
    out = []
    for seed in seeds:
        account = generator.make(seed, **how)
        onset = int(np.random.default_rng(seed).integers(36 * 24, 48 * 24))
        account = generator.realise(generator.inject(account, kind, onset))
        out.append(delay(account, signals(account, method)))
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=12, help="in each cell")
    options.add_argument("--first-seed", type=int, default=70_000)
    options.add_argument("--generator", default="benchmarks.adsim")
    options.add_argument("--method", choices=forecasts.METHODS, default="bands", help="of spend")
    options.add_argument("--only", nargs="*", help="kinds of account or incident")
    chosen = options.parse_args()
    generator = importlib.import_module(chosen.generator)
    seeds = range(chosen.first_seed, chosen.first_seed + 7 * chosen.accounts, 7)
    began = time.process_time()
    count = 0
    print(f"{chosen.generator}, {chosen.accounts} accounts a cell, seeds from {chosen.first_seed}")
    for kind in getattr(generator, "QUIET", QUIET):
        if chosen.only and kind not in chosen.only:
            continue
        rows = quiet(generator, kind, seeds, chosen.method)
        count += len(rows)
        total = sum(sum(row.values()) for row in rows) / len(rows)
        by = {family: round(float(np.mean([row[family] for row in rows])), 3) for family in rows[0]}
        print(f"false an account-week, {kind:16} {total:5.2f}  {json.dumps(by)}", flush=True)
    for kind, limit in LIMITS.items():
        if chosen.only and kind not in chosen.only:
            continue
        got = np.array(delays(generator, kind, seeds, chosen.method))
        count += len(got)
        some = got[np.isfinite(got)]
        middle = np.median(some) if len(some) else np.nan
        print(
            f"{kind:16} found {np.isfinite(got).mean():4.0%}, after {middle:.0f} h "
            f"(aim {limit} h; longest {max(some, default=np.nan):.0f} h)",
            flush=True,
        )
    print(f"{(time.process_time() - began) / max(count, 1):.2f} s of CPU an account of ten weeks")


if __name__ == "__main__":
    main()
