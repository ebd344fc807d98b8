"""A warehouse filled by watching the sandbox's world for weeks: polls as the service makes them, fewer a day.

The world is asked in this process, so that months pass in minutes; the warehouse is written through its own
front door. The whole chain over the wire is tests/e2e/test_settled.py's affair.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from connectors.contract import Window
from connectors.rows import AccountRow, DayTotal, Delivery
from connectors.schema import Row, schema, to_batch
from sandbox.clock import SandboxClock
from sandbox.world import World
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice

SOURCES = {"google_ads": "google_ads", "meta": "meta_ads"}
HOUR = timedelta(hours=1)


class Watch:
    """Polls every account of a world from `start` to `end`: today every `every` hours, three days every
    `recent` hours, four weeks once a day; `backfill` days at the start.
    """

    def __init__(
        self, path: Path, *, seed: int, accounts: int, campaigns: int, start: datetime, history: int
    ):
        self.clock = SandboxClock(start, frozen=True)
        self.world = World(seed, accounts=accounts, campaigns=campaigns, days=history, clock=self.clock)
        self.warehouse = DuckWarehouse.open(path, min_free=0)
        self.accounts = {
            (SOURCES[platform], str(a.id)): a
            for platform in SOURCES
            for a in self.world.advertisers(platform, at=start)
            if not a.manager
        }
        for (source, account), a in self.accounts.items():
            rows = [AccountRow(a.name, a.currency, a.timezone.key)]
            self._write(
                source, account, AccountRow, to_batch(AccountRow, rows), Window(start, start + HOUR), start
            )

    def live(self, end: datetime, *, every: int, recent: int, backfill: int) -> None:
        start = now = self.clock.now()
        for (source, account), a in self.accounts.items():
            self._poll(source, account, self._midnight(a, now, backfill), self._midnight(a, now, 0), now)
        while now < end:
            now += HOUR
            for (source, account), a in self.accounts.items():
                n = int((now - start) / HOUR)
                local = now.astimezone(a.timezone)
                if n % every == 0:
                    self._poll(source, account, self._midnight(a, now, 0 if local.hour >= 3 else 1), now, now)
                if n % recent == 0:
                    self._poll(source, account, self._midnight(a, now, 3), self._midnight(a, now, 0), now)
                if local.hour == 4:
                    self._poll(source, account, self._midnight(a, now, 28), self._midnight(a, now, 3), now)
        self.clock.set(now, frozen=True)

    @staticmethod
    def _midnight(a, now: datetime, back: int) -> datetime:
        day = now.astimezone(a.timezone).date() - timedelta(days=back)
        return datetime.combine(day, time(), a.timezone).astimezone(UTC)

    def _poll(self, source: str, account: str, start: datetime, end: datetime, now: datetime) -> None:
        window = Window(start, end)
        hours, days = self.rows(source, account, start, end, now)
        self._write(source, account, Delivery, hours, window, now)
        if days is not None:
            self._write(source, account, DayTotal, days, window, now)

    def rows(self, source, account, start, end, as_of):
        """What a reply holds: the hours, and of a source without hourly conversions the days."""
        a = self.accounts[source, account]
        traffic = self.world.traffic(a.id, start=start, end=end, as_of=as_of)
        found = self.world.conversions(a.id, start=start, end=end, as_of=as_of)
        primary = np.isin(found.action, [x.id for x in self.world.conversion_actions(a.id) if x.primary])
        campaign, hour = found.campaign[primary], found.click_hour[primary]
        quantity, value = found.quantity[primary], found.value_micros[primary]
        zone = a.timezone
        offsets = {h: _local(h, zone) for h in np.unique(np.concatenate([traffic.hour, hour])).tolist()}
        keys = np.stack(
            [np.concatenate([traffic.campaign, campaign]), np.concatenate([traffic.hour, hour])], 1
        )
        unique, index = np.unique(keys, axis=0, return_inverse=True)
        index = index.ravel()
        n = len(traffic.campaign)

        def total(values, part):
            return np.bincount(index[part], values, minlength=len(unique))

        seen, clicked = slice(0, n), slice(n, None)
        conversions = total(quantity, clicked)
        silent = source == "meta_ads"
        begins = [offsets[h] for h in unique[:, 1].tolist()]
        # The repeated hour of a day on which the clock goes back stands at the first of the two.
        hours: dict[tuple, list] = {}
        columns = zip(
            unique[:, 0].tolist(),
            begins,
            total(traffic.impressions, seen),
            total(traffic.clicks, seen),
            total(traffic.cost_micros, seen),
            conversions,
            total(value, clicked),
            strict=True,
        )
        for c, (at, day, of_day), *measures in columns:
            kept = hours.setdefault((c, at), [day, of_day, *(0.0 for _ in measures)])
            for i, m in enumerate(measures):
                kept[2 + i] += m
        listed = sorted(hours.items(), key=lambda item: item[0][1])
        batch = pa.RecordBatch.from_pydict(
            {
                "campaign": [str(c) for (c, _), _ in listed],
                "hour": [at for (_, at), _ in listed],
                "day": [v[0] for _, v in listed],
                "hour_of_day": [v[1] for _, v in listed],
                "impressions": [round(v[2]) for _, v in listed],
                "clicks": [round(v[3]) for _, v in listed],
                "cost": [round(v[4]) for _, v in listed],
                "conversions": pa.array(
                    [None if silent else round(v[5], 6) for _, v in listed], pa.float64()
                ),
                "conversion_value": pa.array(
                    [None if silent else round(v[6]) for _, v in listed], pa.int64()
                ),
            },
        )
        hours_batch = to_batch(Delivery, batch)
        if not silent:
            return hours_batch, None
        actions = {x.id: x for x in self.world.conversion_actions(a.id)}
        days: dict[tuple, list] = {}
        of = zip(
            campaign.tolist(), hour.tolist(), found.action[primary].tolist(), quantity, value, strict=True
        )
        for c, h, action, q, v in of:
            kept = days.setdefault((c, action, offsets[h][1]), [0.0, 0.0])
            kept[0] += q
            kept[1] += v
        rows: list[Row] = [
            DayTotal(
                str(c),
                str(x),
                day,
                actions[x].category.lower(),
                primary=True,
                conversions=round(q, 6),
                conversion_value=round(v),
            )
            for (c, x, day), (q, v) in days.items()
        ]
        return hours_batch, (to_batch(DayTotal, rows) if rows else _empty(DayTotal))

    def _write(self, source, account, kind, batch, window: Window, now: datetime) -> None:
        zone = self.accounts[source, account].timezone
        piece = Slice(source, account, kind.table, kind, window, zone)
        fetch = Fetch(source, account, kind.table, window, now, 1, "ok")
        self.warehouse.write(piece, [batch], seen_at=now, vouched=min(window.end, now), fetch=fetch)


def _local(hour: int, zone) -> tuple[datetime, date, int]:
    at = datetime.fromtimestamp(hour * 3600, UTC)
    at -= timedelta(minutes=at.astimezone(zone).minute)
    local = at.astimezone(zone)
    return at - timedelta(hours=local.fold), local.date(), local.hour


def _empty(kind) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema(kind))
