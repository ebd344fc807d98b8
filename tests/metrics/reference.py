"""A made-up fortnight over two DST changes, and its figures worked out by pandas, without any SQL.

Berlin's clock goes back on 25 October 2026, New York's on 1 November; Kolkata's hours begin at half past.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from connectors.rows import Ad, AdDelivery, Auction, Delivery, SegmentDelivery
from tests.metrics.conftest import UTC, Store, named, total

FIRST, LAST = date(2026, 10, 20), date(2026, 11, 4)
ACCOUNTS = {
    ("google_ads", "g1"): ("EUR", "Europe/Berlin"),
    ("google_ads", "g2"): ("USD", "America/New_York"),
    ("meta_ads", "m1"): ("EUR", "Europe/Berlin"),
    ("meta_ads", "m2"): ("INR", "Asia/Kolkata"),
}
NAMES = {"a": "DE_shoes", "b": "AT_hats", "c": "something else"}
CHANNELS = {"a": "search", "b": "shopping", "c": "search"}
LABELS = {"a": "autumn,brand", "b": "autumn", "c": ""}
MEASURES = ["impressions", "clicks", "cost", "conversions", "value", "leads", "purchases", "purchase_value"]

FORMULAS = {
    "spend": lambda s: s.cost,
    "impressions": lambda s: s.impressions,
    "clicks": lambda s: s.clicks,
    "ctr": lambda s: s.clicks / s.impressions,
    "cpc": lambda s: s.cost / s.clicks,
    "cpm": lambda s: 1000 * s.cost / s.impressions,
    "conversions": lambda s: s.conversions,
    "conversion_rate": lambda s: s.conversions / s.clicks,
    "cpa": lambda s: s.cost / s.conversions,
    "cpl": lambda s: s.cost / s.leads,
    "revenue": lambda s: s.value,
    "roas": lambda s: s.value / s.cost,
    "average_order_value": lambda s: s.purchase_value / s.purchases,
}
RATIOS = set(FORMULAS) - {"spend", "impressions", "clicks", "conversions", "revenue"}


def local_hours(zone: str) -> list[datetime]:
    """Every hour of the days as a source reports it: by the clock, a repeated one once, a skipped one never."""
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    return [datetime(d.year, d.month, d.day, h, tzinfo=ZoneInfo(zone)) for d in days for h in range(24)]


def fill(store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the fortnight; returns its delivery rows and its day totals, money in units."""
    rng = np.random.default_rng(7)
    delivered, totals = [], []
    for (source, account), (currency, zone) in ACCOUNTS.items():
        store.account(source, account, currency=currency, zone=zone)
        store.campaign(
            source, account, *(named(c, NAMES[c], channel=CHANNELS[c], labels=LABELS[c]) for c in NAMES)
        )
        hourly = source == "google_ads"
        rows, days = [], []
        for campaign in NAMES:
            for local in local_hours(zone):
                if rng.random() < 0.15:
                    continue
                impressions = int(rng.poisson(40))
                clicks = int(rng.binomial(impressions, 0.2))
                cost = int(rng.integers(0, 9_000_000)) if clicks else 0
                got = float(rng.integers(0, 8)) / 2 if hourly and clicks else 0.0
                row = Delivery(
                    campaign,
                    local.astimezone(UTC),
                    local.date(),
                    local.hour,
                    impressions,
                    clicks,
                    cost,
                    got if hourly else None,
                    int(got * 31_500_000) if hourly else None,
                )
                rows.append(row)
            for number in range((LAST - FIRST).days + 1):
                day = str(FIRST + timedelta(days=number))
                for category in ("purchase", "lead"):
                    if rng.random() < 0.8:
                        n = float(rng.integers(0, 9))
                        days.append(
                            total(
                                campaign, day, n, n * 20 if category == "purchase" else 0, category=category
                            )
                        )
        store.reply(source, account, rows)
        store.reply(source, account, days)
        delivered += [(source, account, r) for r in rows]
        totals += [(source, account, r) for r in days]
    return _frame(delivered), _frame(totals)


def _frame(rows: list) -> pd.DataFrame:
    listed = [
        {"source": s, "account": a, **{f: getattr(r, f) for f in type(r).__dataclass_fields__}}
        for s, a, r in rows
    ]
    frame = pd.DataFrame(listed)
    for name in {"cost", "conversion_value"} & set(frame):
        frame[name] = frame[name].astype(float) / 1e6
    return frame.rename(columns={"conversion_value": "value"})


def placed(delivery: pd.DataFrame, totals: pd.DataFrame) -> pd.DataFrame:
    """The hours with all measures: what comes by the day spread over its hours.

    By hourly conversions where the source has them, else by clicks; on a day without rows, not at all.
    """
    frame = delivery.copy()
    keys = ["source", "account", "campaign", "day"]
    by_day = frame.groupby(keys)[["conversions", "clicks"]].transform("sum")
    reports = frame["conversions"].notna()
    share = frame["clicks"] / by_day["clicks"]
    share = share.where(
        ~(reports & (by_day["conversions"] > 0)), frame["conversions"] / by_day["conversions"]
    )
    pivot = totals.pivot_table(index=keys, columns="category", values=["conversions", "value"], aggfunc="sum")
    pivot = pivot.fillna(0)
    daily = pd.DataFrame(
        {
            "leads": pivot["conversions"]["lead"],
            "purchases": pivot["conversions"]["purchase"],
            "purchase_value": pivot["value"]["purchase"],
        }
    ).reset_index()
    daily["all"] = daily["leads"] + daily["purchases"]
    frame = frame.merge(daily, on=keys, how="left").fillna({c: 0 for c in daily if c not in keys})
    for name in ("leads", "purchases", "purchase_value", "all"):
        frame[name] *= share
    frame["conversions"] = frame["conversions"].where(reports, frame["all"])
    frame["value"] = frame["value"].where(reports, frame["purchase_value"])
    return frame[["source", "account", "campaign", "hour", "day", "hour_of_day", *MEASURES]]


def figures(sums: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Metrics of summed measures; a ratio over nothing is NaN."""
    with np.errstate(all="ignore"):
        found = pd.DataFrame({name: FORMULAS[name](sums) for name in names})
    return found.replace([np.inf, -np.inf], np.nan)


def fill_by_the_day(store: Store) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Ads, segments and auctions of one account, two days; returned as frames."""
    day = [date(2026, 10, 30), date(2026, 10, 31)]
    store.reply(
        "google_ads", "g1", [Ad("a", "ag1", ad, "Group one", f"Ad {ad}", "enabled", "") for ad in "xy"]
    )
    ads = [
        AdDelivery("a", "ag1", ad, d, 100 * n, 10 * n, n * 1_000_000, float(n), n * 7_000_000)
        for n, (ad, d) in enumerate(((ad, d) for ad in "xy" for d in day), 1)
    ]
    segments = [
        SegmentDelivery("a", device, network, d, 50 * n, 5 * n, n * 2_000_000, float(n), n * 9_000_000)
        for n, (device, network, d) in enumerate(
            ((dv, nw, d) for dv in ("mobile", "desktop") for nw in ("search", "partners") for d in day), 1
        )
    ]
    auctions = [
        Auction("a", day[0], 300, 0.30, 0.50, 0.20, None, None),
        Auction("a", day[1], 400, 0.80, 0.10, 0.10, None, None),
        Auction("b", day[0], 90, None, None, None, 45, 2.0),
        Auction("b", day[1], 60, None, None, None, 20, 3.0),
    ]
    for rows in (ads, segments, auctions):
        store.reply("google_ads", "g1", rows)
    return tuple(_frame([("google_ads", "g1", r) for r in rows]) for rows in (ads, segments, auctions))
