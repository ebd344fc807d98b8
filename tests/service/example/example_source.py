"""A source for tests: a real connector, whose platform is a JSON file that says how each account behaves.

It runs in worker processes like any other, so it is told what to do, and tells what it was asked, by files.
"""

from __future__ import annotations

import json
import os
import time
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, SecretStr

from connectors.contract import Account, Connector, stream
from connectors.errors import RateLimited, TooMuchData, Unauthorized, Unavailable, Unexpected
from connectors.rows import Campaign, Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Window
    from connectors.schema import Batch

DAY = timedelta(days=1)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    platform: Path
    token: SecretStr
    accounts: tuple[str, ...] = ()


class Example(Connector):
    name: ClassVar[str] = "example"
    title: ClassVar[str] = "Example"
    Settings: ClassVar[type[BaseModel]] = Settings

    def _platform(self, what: str, account: str = "", window: Window | None = None) -> dict[str, Any]:
        folder = self.settings.platform
        said = {"what": what, "account": account, "pid": os.getpid(), "now": self.now.isoformat()}
        if window is not None:
            said |= {"start": window.start.isoformat(), "end": window.end.isoformat()}
        with (folder / "asked").open("a") as log:
            log.write(json.dumps(said) + "\n")
        return json.loads((folder / "platform.json").read_text())

    def _behave(self, platform: dict[str, Any], account: str, what: str, window: Window | None) -> None:
        how = platform["behaviour"].get(f"{account}/{what}", platform["behaviour"].get(account, "ok"))
        token = self.settings.token.get_secret_value()
        match how:
            case "hang":
                time.sleep(3600)
            case "die":
                os._exit(7)
            case "bug":
                raise RuntimeError(f"cannot go on with {token}")
            case "rate":
                raise RateLimited("slow down", retry_after=timedelta(seconds=90))
            case "token":
                raise Unauthorized(f"token {token} is dead", mend="Renew the token.")
            case "down":
                raise Unavailable("503")
            case "odd":
                raise Unexpected("no such field", mend="Update Paceline.")
            case "big" if window is not None and window.end - window.start > 2 * DAY:
                raise TooMuchData("ask for less")

    def operations_per_day(self) -> int | None:
        return self._platform("allowance")["allowed"]

    def accounts(self) -> Iterator[Account]:
        self.usage.operations += 1
        platform = self._platform("accounts")
        self._behave(platform, "", "accounts", None)
        for key, zone in platform["accounts"].items():
            yield Account("example", key, f"Account {key}", "EUR", ZoneInfo(zone))

    def check(self, account: Account) -> None:
        self.usage.operations += 1
        self._behave(self._platform("check", account.id), account.id, "check", None)

    def look_back(self, account: Account) -> timedelta:
        self.usage.operations += 1
        platform = self._platform("look_back", account.id)
        self._behave(platform, account.id, "look_back", None)
        return timedelta(days=platform["look_back"])

    @stream(
        Delivery,
        every=timedelta(minutes=5),
        recent=3 * DAY,
        recent_every=timedelta(hours=1),
        restate="look_back",
        restate_every=DAY,
        lag=timedelta(hours=3),
    )
    def delivery(self, account: Account, window: Window) -> Iterator[Batch]:
        """Each hour of campaign 1 has 100 impressions and costs the platform's `cost`."""
        self.usage.operations += 1
        platform = self._platform("delivery", account.id, window)
        self._behave(platform, account.id, "delivery", window)
        hour = window.start
        while hour < window.end:
            local = hour.astimezone(account.timezone)
            if not local.fold:  # a source reports the repeated hour once
                yield [
                    Delivery("1", hour, local.date(), local.hour, 100, 10, platform["cost"], 1.0, 5_000_000)
                ]
            hour += timedelta(hours=1)

    @stream(Campaign, every=timedelta(hours=1))
    def campaigns(self, account: Account, window: Window) -> Iterator[Batch]:
        self.usage.operations += 1
        platform = self._platform("campaigns", account.id, window)
        self._behave(platform, account.id, "campaigns", window)
        yield [Campaign("1", "Campaign 1", "enabled", "", "search", starts=date(2026, 1, 1))]
