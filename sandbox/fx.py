"""The European Central Bank's reference rates, made up: the same files in the same form.

    GET /eurofxref-daily.xml  GET /eurofxref-hist-90d.xml  GET /eurofxref-hist.xml

A rate wanders around what the world's prices assume, is fixed on TARGET working days and appears at 16:00 in
Frankfurt, as the real ones do. Any day's rate is a pure function of the seed and the day.
"""

from __future__ import annotations

import math
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from sandbox import noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from sandbox.clock import SandboxClock

__all__ = ["PAR", "app", "rates", "working"]

PAR: Final = {
    "AUD": 1.65, "BGN": 1.9558, "BRL": 6.2, "CAD": 1.5, "CHF": 0.94, "CNY": 7.9, "CZK": 25.1, "DKK": 7.46,
    "GBP": 0.86, "HKD": 8.6, "HUF": 395.0, "IDR": 17900.0, "ILS": 4.0, "INR": 92.0, "JPY": 165.0,
    "KRW": 1500.0, "MXN": 20.1, "NOK": 11.7, "NZD": 1.82, "PHP": 63.0, "PLN": 4.3, "RON": 4.98, "SEK": 11.4,
    "SGD": 1.46, "THB": 38.5, "TRY": 37.0, "USD": 1.1, "ZAR": 20.0,
}  # fmt: skip
"""Units of each currency that one euro buys on average."""

_FRANKFURT: Final = ZoneInfo("Europe/Berlin")
_FIXED: Final = time(16)
_SPREAD: Final = 0.02
"""Standard deviation of a rate around its average, relative to it."""
_WEEKS: Final = 6.0
"""How slowly it wanders."""
_HISTORY: Final = timedelta(days=3 * 365)

_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
    'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">\n'
    "\t<gesmes:subject>Reference rates</gesmes:subject>\n"
    "\t<gesmes:Sender>\n\t\t<gesmes:name>European Central Bank</gesmes:name>\n\t</gesmes:Sender>\n\t<Cube>\n"
)
_TAIL: Final = "\t</Cube>\n</gesmes:Envelope>\n"


def working(day: date) -> bool:
    """Whether rates are fixed on a day: no weekend, and none of TARGET's six closing days."""
    easter = _easter(day.year)
    closed = {easter - timedelta(days=2), easter + timedelta(days=1)}
    return (
        day.weekday() < 5
        and day not in closed
        and (day.month, day.day) not in {(1, 1), (5, 1), (12, 25), (12, 26)}
    )


def rates(seed: int, days: Sequence[date]) -> list[dict[str, float]]:
    """Units of each currency for one euro on each day, to five digits."""
    at = np.array([day.toordinal() for day in days]) / (7 * _WEEKS)
    found: list[dict[str, float]] = [{} for _ in days]
    for currency, par in PAR.items():
        wander = noise.smooth(np.asarray(noise.key(seed, f"fx {currency}"), dtype=np.uint64), at)
        digits = max(4 - math.floor(math.log10(par)), 0)
        for each, rate in zip(found, par * np.exp(_SPREAD * wander), strict=True):
            each[currency] = round(float(rate), digits)
    return found


def app(clock: SandboxClock, *, seed: int) -> Starlette:
    """The bank's web server at the sandbox's time."""

    def published(most: timedelta, count: int | None = None) -> list[date]:
        """Days whose rates are out by now, newest first."""
        local = clock.now().astimezone(_FRANKFURT)
        newest = local.date() if local.time() >= _FIXED else local.date() - timedelta(days=1)
        days = (newest - timedelta(days=n) for n in range(most.days + 1))
        return [day for day in days if working(day)][:count]

    def serve(most: timedelta, count: int | None = None) -> Response:
        cubes = []
        days = published(most, count)
        for day, fixed in zip(days, rates(seed, days), strict=True):
            lines = "".join(f"\t\t\t<Cube currency='{c}' rate='{r}'/>\n" for c, r in fixed.items())
            cubes.append(f"\t\t<Cube time='{day.isoformat()}'>\n{lines}\t\t</Cube>\n")
        return Response(_HEAD + "".join(cubes) + _TAIL, media_type="text/xml")

    def daily(_: Request) -> Response:
        return serve(timedelta(days=10), 1)

    def recent(_: Request) -> Response:
        return serve(timedelta(days=90))

    def history(_: Request) -> Response:
        return serve(_HISTORY)

    return Starlette(
        routes=[
            Route("/eurofxref-daily.xml", daily),
            Route("/eurofxref-hist-90d.xml", recent),
            Route("/eurofxref-hist.xml", history),
        ]
    )


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher)."""
    century, within = divmod(year, 100)
    golden = year % 19
    leap, rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - correction + 15) % 30
    weekday = (32 + 2 * rest + 2 * (within // 4) - epact - within % 4) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)
