"""What polling costs in Google's operations: 25 accounts every five minutes, inside Basic access.

Nothing is timed: the figures follow from the streams' own declarations and the default settings, by the same
code that enforces the budget at run time. Run: python -m benchmarks.operations
"""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta

from connectors.google_ads import GoogleAds
from service.budget import Budget, planned
from service.line import Tier
from service.settings import Polling, Source

DAY = timedelta(days=1)
BASIC = 15_000
TARGET = 25


def configured() -> Source:
    """Google Ads at the default intervals; settings hold placeholders, for nobody is asked anything."""
    settings = GoogleAds.Settings(client_id="id", client_secret="secret", refresh_token="token")
    every = {stream.name: stream.every for stream in GoogleAds.streams()}
    return Source(GoogleAds.name, GoogleAds, settings, every)


def budget(source: Source, accounts: int) -> Budget:
    """The budget of so many accounts before anything is spent."""
    nothing = dict.fromkeys(Tier, 0)
    reserve = Polling().reserve
    return Budget(source.name, accounts, BASIC, reserve, planned(source, accounts), nothing)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=TARGET)
    accounts = options.parse_args().accounts
    source = configured()
    print("operations a day of one account, by stream: newest + recent past + whole past")
    by_hand = 0.0
    for stream in source.connector.streams():
        tiers = (stream.every, stream.recent_every, stream.restate_every)
        parts = [stream.cost * (DAY / tier) if tier else 0 for tier in tiers]
        by_hand += sum(parts)
        print(f"  {stream.name:20} {sum(parts):6.0f} = " + " + ".join(f"{part:.0f}" for part in parts))
    print(f"  {'how far back':20} {1:6.0f}")
    asked = budget(source, accounts)
    discovery = DAY / Polling().discover
    assert abs(asked.planned_total - accounts * (by_hand + 1)) < 1e-6
    total = asked.planned_total + discovery
    most = next(n for n in range(1, BASIC) if not budget(source, n + 1).fits)
    print(f"{accounts} accounts: {asked.planned_total:,.0f}, and {discovery:.0f} to list them: {total:,.0f}")
    print(f"  of {BASIC:,} in Basic access, {asked.usable:,.0f} of them without the reserve for people")
    print(f"  the most accounts that fit beside the reserve: {most}")
    return int(total > BASIC or not asked.fits)


if __name__ == "__main__":
    sys.exit(main())
