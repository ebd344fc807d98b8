"""Euro reference rates of the European Central Bank, by which money of several currencies is converted.

The bank publishes three files of one form without a key: the last day, the last 90 days, everything since
1999. Rates are fixed on TARGET working days and appear around 16:00 in Frankfurt; they are for information,
not for transactions, which is what a report needs.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, ClassVar, Final
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import requests
from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Account, Connector, Window, stream
from connectors.errors import RateLimited, SourceError, Unavailable, Unexpected
from connectors.rows import Rate
from connectors.schema import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Fx", "FxSettings"]

_FRANKFURT: Final = ZoneInfo("Europe/Berlin")
_CUBE: Final = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"
_RECENT: Final = timedelta(days=85)
"""How far back the 90-day file surely reaches."""
_LARGEST: Final = 32 * 2**20
_MEND: Final = "see what stands between this machine and the bank: a proxy, or a log-in page of the network"


class FxSettings(BaseModel):
    """Where the bank's files are. url: the folder that holds them. timeout: seconds for one file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "https://www.ecb.europa.eu/stats/eurofxref"
    timeout: float = Field(default=30, gt=0, le=300)


class Fx(Connector):
    """The bank as a source: one account, which has no currency of its own and spends nothing."""

    name: ClassVar[str] = "fx"
    title: ClassVar[str] = "ECB reference rates"
    Settings: ClassVar[type[BaseModel]] = FxSettings
    settings: FxSettings

    def accounts(self) -> Iterator[Account]:
        """The bank."""
        yield Account("fx", "ecb", "European Central Bank", "", _FRANKFURT)

    def check(self, account: Account) -> None:
        """Fetch the last day's rates."""
        del account
        if not list(self._rates("eurofxref-daily.xml")):
            raise Unexpected("the file of the last day holds no rate", mend=_MEND)

    @stream(
        Rate,
        every=timedelta(hours=3),
        restate=timedelta(days=80),
        restate_every=timedelta(days=1),
        lag=timedelta(days=1),
    )
    def rates(self, account: Account, window: Window) -> Iterator[Batch]:
        """Every rate of the window's days; none on days on which the bank fixes none."""
        days = window.days(account.timezone)
        whole = self.now - window.start > _RECENT
        file = "eurofxref-hist.xml" if whole else "eurofxref-hist-90d.xml"
        yield [rate for rate in self._rates(file) if days[0] <= rate.day <= days[-1]]

    def _rates(self, file: str) -> Iterator[Rate]:
        """The rates of one of the bank's files. Raises SourceError."""
        try:
            root = ET.fromstring(self._read(file))  # noqa: S314  # documents with a DTD were refused
            for day in root.iter(_CUBE):
                if "time" in day.attrib:
                    for rate in day:
                        yield _rate(day.attrib["time"], rate.attrib)
        except (ET.ParseError, KeyError, ValueError) as error:
            raise Unexpected(f"{file} is not what the bank publishes: {error!r}", mend=_MEND) from error

    def _read(self, file: str) -> bytes:
        self.usage.operations += 1
        url = f"{self.settings.url.rstrip('/')}/{file}"
        try:
            with requests.get(url, timeout=self.settings.timeout, stream=True) as reply:
                self._refuse(reply.status_code, file)
                body = b""
                for part in reply.iter_content(2**16):
                    body += part
                    if len(body) > _LARGEST:
                        raise Unexpected(f"{file} is larger than {_LARGEST // 2**20} MB", mend=_MEND)
        except requests.RequestException as error:
            raise Unavailable(f"{file}: {error}") from error
        if b"<!DOCTYPE" in body:
            raise Unexpected(f"{file} is not what the bank publishes: it has a DTD", mend=_MEND)
        return body

    @staticmethod
    def _refuse(status: int, file: str) -> None:
        if status == requests.codes.too_many_requests:
            raise RateLimited(f"{file}: 429", retry_after=timedelta(minutes=10))
        if status >= requests.codes.internal_server_error:
            raise Unavailable(f"{file}: {status}")
        if status != requests.codes.ok:
            refusal: SourceError = Unexpected(f"{file}: {status}", mend="see whether sources.fx.url is right")
            raise refusal


def _rate(day: str, attributes: dict[str, str]) -> Rate:
    """One rate. Raises KeyError or ValueError where it is none."""
    per_eur = float(attributes["rate"])
    if not (math.isfinite(per_eur) and per_eur > 0):
        raise ValueError(f"a rate of {attributes['rate']}")
    return Rate(date.fromisoformat(day), attributes["currency"], per_eur)
