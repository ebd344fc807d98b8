"""Scripted disturbances: what each kind is, which are under way, and how each bends the world's numbers.

An incident multiplies volume or price, or thins conversions, within [at, until). It never draws new noise:
what it leaves alone is the same with and without it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.model import Incident, Platform

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sandbox.noise import Floats

__all__ = ["KINDS", "IncidentBook", "Kind", "factor", "hits", "leads_to", "overlap", "strength"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of incident does.

    volume, price: factors on impressions and clicks, and on the cost of a click. keeps_clicks: share of
    the conversions kept whose click falls inside. keeps_events: the same for those that themselves
    happen inside and need the site's tag. past_budget: the budget's daily limit does not hold.
    The factor that `size` replaces is named in `sized`. fault: it shows on the wire.
    """

    sentence: str
    lasts: timedelta
    sized: str = ""
    volume: float = 1.0
    price: float = 1.0
    keeps_clicks: float = 1.0
    keeps_events: float = 1.0
    past_budget: bool = False
    ramp: timedelta | None = None
    """How long the effect takes to grow to its full size; None: at once."""
    shift: float = 0.0
    """Share of the traffic that moves from the largest network and device to the smallest."""
    fault: bool = False
    hang_seconds: float = 0.0


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

KINDS: dict[str, Kind] = {
    "tracking_outage": Kind(
        "The site's tag is gone: conversions that happen meanwhile are never recorded.",
        6 * _HOUR,
        sized="keeps_events",
        keeps_events=0.0,
    ),
    "tracking_half": Kind(
        "The tag fires on some pages only: half of the conversions that happen meanwhile are lost.",
        _DAY,
        sized="keeps_events",
        keeps_events=0.5,
    ),
    "budget_runaway": Kind(
        "Clicks of poor quality pour in at three times the pace, and the budget does not stop them.",
        8 * _HOUR,
        sized="volume",
        volume=3.0,
        keeps_clicks=0.5,
        past_budget=True,
    ),
    "cpc_spike": Kind(
        "A competitor bids the price of a click up by four fifths.", _DAY, sized="price", price=1.8
    ),
    "landing_page_down": Kind(
        "The landing page answers with an error: clicks are paid for and almost none converts.",
        3 * _HOUR,
        sized="keeps_clicks",
        keeps_clicks=0.03,
    ),
    "checkout_broken": Kind(
        "A fault in the checkout's script: visitors get as far as the last step, and hardly any past it.",
        6 * _HOUR,
        sized="keeps_events",
        keeps_events=0.1,
    ),
    "conversion_decay": Kind(
        "The conversion rate sinks by two fifths over two weeks, and crosses no threshold on any one day.",
        21 * _DAY,
        sized="keeps_clicks",
        keeps_clicks=0.6,
        ramp=14 * _DAY,
    ),
    "mix_shift": Kind(
        "Over three days a fifth of the traffic moves from the best network and device to the weakest.",
        14 * _DAY,
        sized="shift",
        shift=0.2,
        ramp=3 * _DAY,
    ),
    "viral_moment": Kind(
        "A post goes round: eight times the traffic, cheaper and far less inclined to buy.",
        5 * _HOUR,
        sized="volume",
        volume=8.0,
        price=0.35,
        keeps_clicks=0.35,
        past_budget=True,
    ),
    "account_suspended": Kind(
        "The platform suspends the account: nothing is shown any more.", _DAY, volume=0.0, fault=True
    ),
    "token_revoked": Kind("The credentials are refused until they are renewed.", _DAY, fault=True),
    "api_outage": Kind("Every call to the platform answers 5xx.", _HOUR, fault=True),
    "throttling": Kind("Every second call hits the platform's rate limit.", _HOUR, fault=True),
    "hang": Kind(
        "Calls are taken and not answered for `size` seconds.",
        _HOUR,
        sized="hang_seconds",
        hang_seconds=600.0,
        fault=True,
    ),
    "broken_stream": Kind("Replies break off in the middle.", _HOUR, fault=True),
    "empty_page": Kind("A page in the middle of a reply is empty, though more follow.", _HOUR, fault=True),
    "malformed": Kind("Replies are not what the protocol says.", _HOUR, fault=True),
}


def hits(incident: Incident, platform: Platform, advertiser: int, campaign: int | None = None) -> bool:
    """Whether the incident concerns the account or, where one is named, its campaign."""
    return (
        incident.platform in (None, platform)
        and incident.advertiser in (None, advertiser)
        and (campaign is None or incident.campaign in (None, campaign))
    )


def leads_to(incident: Incident, url: str) -> bool:
    """Whether the incident concerns ads that lead to `url`: below its own url, or all where it has none."""
    return url.startswith(str(incident.options.get("url", "")))


def factor(incident: Incident, name: str) -> float:
    """The incident's full effect on volume, price, keeps_clicks, keeps_events, shift or hang_seconds."""
    kind = KINDS[incident.name]
    if kind.sized == name and incident.size is not None:
        return incident.size
    return float(getattr(kind, name))


def overlap(incident: Incident, start: Floats, end: Floats) -> Floats:
    """Share (0..1) of each span of seconds since 1970 that lies within the incident."""
    begin = incident.at.timestamp()
    until = incident.until.timestamp() if incident.until else np.inf
    inside = np.minimum(end, until) - np.maximum(start, begin)
    return np.clip(inside / np.maximum(end - start, 1e-9), 0.0, 1.0)


def strength(incident: Incident, at: Floats) -> Floats:
    """How far (0..1) the effect has grown at each moment, in seconds since 1970; 0 outside."""
    begin = incident.at.timestamp()
    until = incident.until.timestamp() if incident.until else np.inf
    inside = (at >= begin) & (at < until)
    ramp = KINDS[incident.name].ramp
    grown = np.ones_like(at) if ramp is None else np.clip((at - begin) / ramp.total_seconds(), 0.0, 1.0)
    return np.where(inside, grown, 0.0)


class IncidentBook:
    """The incidents of a sandbox, past and present. Thread-safe; readers get an immutable tuple."""

    def __init__(self, incidents: Iterable[Incident] = ()) -> None:
        self._lock = threading.Lock()
        self._all = tuple(incidents)
        self._next = max((incident.id for incident in self._all), default=0) + 1

    def all(self) -> tuple[Incident, ...]:
        """Every incident, in the order in which they were started."""
        return self._all

    def active(self, at: datetime) -> list[Incident]:
        """Those under way at a moment."""
        return [i for i in self._all if i.at <= at and (i.until is None or at < i.until)]

    def start(
        self,
        name: str,
        *,
        at: datetime,
        lasts: timedelta | None = None,
        platform: Platform | None = None,
        advertiser: int | None = None,
        campaign: int | None = None,
        size: float | None = None,
        options: dict[str, Any] | None = None,
    ) -> Incident:
        """Begin an incident at `at` for `lasts` (None: as long as its kind usually does).

        Raises ValueError for an unknown name, naming those there are.
        """
        if name not in KINDS:
            raise ValueError(f"there is no incident {name!r}; there are: {', '.join(KINDS)}")
        until = at + (KINDS[name].lasts if lasts is None else lasts)
        if until <= at:
            raise ValueError(f"an incident lasts longer than nothing, got {lasts}")
        with self._lock:
            made = Incident(
                self._next, name, at, until, platform, advertiser, campaign, size, dict(options or {})
            )
            self._next += 1
            self._all = (*self._all, made)
        return made

    def stop(self, id_: int, *, at: datetime) -> Incident:
        """End an incident at `at`; one that has not begun is forgotten. Raises KeyError for no such id."""
        with self._lock:
            found = next((i for i in self._all if i.id == id_), None)
            if found is None:
                raise KeyError(id_)
            if found.until is not None and found.until <= at:
                return found
            ended = replace(found, until=max(at, found.at))
            kept = (ended if i.id == id_ else i for i in self._all)
            self._all = tuple(i for i in kept if i.until is None or i.until > i.at)
        return ended
