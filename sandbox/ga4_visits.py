"""Visits of the advertisers' sites: sessions that follow the world's clicks, and what their visitors did.

Every valid click of an ad leads to its landing page, and most begin a session there; others come by search,
by mail or by themselves. What is wrong with a page, its tag or its checkout at that moment is wrong with the
session: an unanswered page or one without its tag records none, a broken checkout none that gets past it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from sandbox import incidents as inc
from sandbox import noise
from sandbox.noise import Floats, Ints, Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.ga4_sites import Property
    from sandbox.model import Incident
    from sandbox.world import World

__all__ = ["KEY_EVENTS", "Visits"]

KEY_EVENTS: Final = ("purchase", "generate_lead")
"""Events that the sites are there for."""

Flags = npt.NDArray[np.bool_]

_HOUR, _DAY = 3600, 86_400
_ARRIVE = 0.92
"""Share of the clicks whose visitor waits for the page and its tag."""
_DAYS_KEPT = 16

_CHANNELS = {
    "search": "Paid Search",
    "shopping": "Paid Shopping",
    "performance_max": "Cross-network",
    "prospecting": "Display",
    "retargeting": "Display",
}
_UNPAID = {"Organic Search": 34.0, "Direct": 22.0, "Referral": 7.0, "Email": 5.0}
"""Sessions an hour over the day's average, at each site."""
_UNPAID_CVR = 0.03

_SHOP = (
    ("view_item", 0.62, 0.0),
    ("add_to_cart", 0.0, 4.2),
    ("begin_checkout", 0.0, 1.9),
    ("purchase", 0.0, 1.0),
)
_LEADS = (("view_item", 0.62, 0.0), ("form_start", 0.0, 2.6), ("generate_lead", 0.0, 1.0))
"""A step, the share of sessions that get there, or how many do for one that converts."""
_STEP_SECONDS = 35
_VIEW_SECONDS = 20


class Visits:
    """Events of the sites' visitors, worked out by the UTC day and kept for a while. Thread-safe."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._days: OrderedDict[tuple[object, ...], pd.DataFrame] = OrderedDict()

    def events(self, of: Property, start: datetime, end: datetime) -> pd.DataFrame:
        """Events of sessions that began in the UTC days that [start, end) and the day before touch.

        One row an event, in no order: at (seconds since 1970), session, visitor (numbers), event, channel,
        page (categories), engaged, processed (when reports that are not of the present moment have it).
        """
        first = int(start.timestamp()) // _DAY - 1
        last = int((end - timedelta(microseconds=1)).timestamp()) // _DAY
        found = pd.concat([self._day(of, n) for n in range(first, last + 1)], ignore_index=True)
        return found[(found["at"] >= start.timestamp()) & (found["at"] < end.timestamp())]

    def _day(self, of: Property, number: int) -> pd.DataFrame:
        begin = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)
        end = begin + timedelta(days=1)
        concerned = [
            i for i in self._world.incidents.all() if i.at < end and (i.until is None or i.until > begin)
        ]
        key = (of.id, number, *((i.id, i.until) for i in concerned))
        with self._lock:
            if key in self._days:
                self._days.move_to_end(key)
                return self._days[key]
        made = _events(self._world, of, begin, end, concerned)
        with self._lock:
            self._days[key] = made
            while len(self._days) > _DAYS_KEPT:
                self._days.popitem(last=False)
        return made


@dataclass(frozen=True, slots=True)
class _Names:
    """Channels and paths in the order in which they were met; each is then told by its place."""

    channels: dict[str, int] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)

    def channel(self, name: str) -> int:
        return self.channels.setdefault(name, len(self.channels))

    def page(self, path: str) -> int:
        return self.pages.setdefault(path, len(self.pages))


_Cells = tuple[Keys, Ints, Ints, Ints, Ints, Ints, Floats]
"""Clock hours by way in: keys, begin, sessions, channel, page, campaign, conversion rate."""


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """Who came in a day, one element a session. cell: a number of its own for each way in and hour.

    channel, page: places in `names`. campaign: its id, or 0.
    """

    keys: Keys
    start: Ints
    channel: Ints
    page: Ints
    campaign: Ints
    cvr: Floats
    names: _Names


def _events(
    world: World, of: Property, begin: datetime, end: datetime, concerned: Sequence[Incident]
) -> pd.DataFrame:
    came = _arrivals(world, of, begin, end)
    inclined: Floats = np.ones(came.keys.shape)
    finishes: Floats = np.ones(came.keys.shape)
    recorded = _draw(came.keys, 0) < np.where(came.campaign > 0, _ARRIVE, 1.0)
    slowed: Flags = np.zeros(came.keys.shape, np.bool_)
    campaigns = {c.id: s for s in world.setups() if s.position in of.positions for c in s.campaigns}
    for incident in concerned:
        bent = inc.strength(incident, came.start.astype(np.float64))
        if not bent.any():
            continue
        pages = [world.concerns_page(incident, f"https://{of.host}{path}") for path in came.names.pages]
        here = bent * np.array(pages)[came.page]
        if incident.name == "landing_page_down" and incident.options.get("how") == "slow":
            slowed |= here > 0
        elif incident.name == "checkout_broken":
            finishes *= 1 - here * (1 - inc.factor(incident, "keeps_events"))
        elif incident.name in _SILENCED:
            recorded &= _draw(came.keys, 5) < 1 - here * (1 - inc.factor(incident, _SILENCED[incident.name]))
        if incident.name != "landing_page_down":
            hit = [
                id_
                for id_, setup in campaigns.items()
                if inc.hits(incident, setup.platform, setup.advertiser.id, id_)
            ]
            poorer = bent * np.isin(came.campaign, hit)
            inclined *= 1 - poorer * (1 - inc.factor(incident, "keeps_clicks"))
    inclined[slowed] *= 0.05
    return _told(of, came, recorded, (inclined, finishes, slowed))


_SILENCED = {
    "landing_page_down": "keeps_clicks",
    "tracking_outage": "keeps_events",
    "tracking_half": "keeps_events",
}
"""Incidents that leave no trace of a session, by the factor that says how many are left."""


def _arrivals(world: World, of: Property, begin: datetime, end: datetime) -> _Arrivals:
    cells: list[_Cells] = []
    names = _Names()
    setups = [s for s in world.setups() if s.position in of.positions]
    for setup in setups:
        by_campaign = {c.id: c for c in setup.campaigns}
        meta = setup.platform == "meta"
        ways = {
            c.id: names.channel("Paid Social" if meta else _CHANNELS[c.plan.kind]) for c in setup.campaigns
        }
        leads = {
            ad.id: names.page(urlsplit(ad.final_url).path)
            for c in setup.campaigns
            for g in c.groups
            for ad in g.ads
        }
        homes = {c.id: names.page(urlsplit(c.landing_page).path) for c in setup.campaigns}
        traffic = world.traffic(setup.advertiser.id, start=begin, end=end, as_of=None, by_ad=True)
        root = noise.key(world.seed, "visit", setup.position)
        pairs = list(zip(traffic.campaign.tolist(), traffic.ad.tolist(), strict=True))
        cells.append(
            (
                noise.spread(
                    noise.spread(root, np.where(traffic.ad > 0, traffic.ad, traffic.campaign)), traffic.hour
                ),
                _begins(traffic.hour, of.timezone),
                traffic.clicks,
                np.array([ways[c] for c, _ in pairs], np.int64),
                np.array([leads[ad] if ad else homes[c] for c, ad in pairs], np.int64),
                traffic.campaign,
                np.array([by_campaign[c].cvr for c, _ in pairs]),
            )
        )
    cells.append(_unpaid(world, of, (begin, end), names))
    keys, begins, counts, channel, page, campaign, cvr = (
        np.concatenate(parts) for parts in zip(*cells, strict=True)
    )
    which = np.repeat(np.arange(counts.size), counts)
    place = np.arange(which.size) - np.repeat(np.cumsum(counts) - counts, counts)
    own = noise.spread(keys[which], place)
    return _Arrivals(
        own,
        begins[which] + np.floor(_draw(own, 1) * _HOUR).astype(np.int64),
        channel[which],
        page[which],
        campaign[which],
        cvr[which],
        names,
    )


def _unpaid(world: World, of: Property, span: tuple[datetime, datetime], names: _Names) -> _Cells:
    """Who comes without an ad: most in the afternoon of the site's own clock."""
    root = noise.key(world.seed, "unpaid", of.id)
    begin, end = span
    setup = next(s for s in world.setups() if s.position in of.positions)
    home = f"/{setup.brand.market.lower()}/"
    paths = [home, *(home + r.lower().replace(" ", "-") for r in setup.brand.ranges)]
    first = int(max(begin, world.born).timestamp()) // _HOUR
    hours = np.arange(first, max(int(end.timestamp()) // _HOUR, first))
    local = np.array([datetime.fromtimestamp(h * _HOUR, of.timezone).hour for h in hours.tolist()])
    shape = 1 + 0.85 * np.cos((local - 17) / 24 * 2 * np.pi)
    ways = [
        (names.channel(name), mean, names.page(path), m)
        for name, mean in _UNPAID.items()
        for m, path in enumerate(paths)
    ]
    h, w = (grid.ravel() for grid in np.meshgrid(np.arange(hours.size), np.arange(len(ways)), indexing="ij"))
    parts = np.array([mean * (0.4 if m == 0 else 0.6 / (len(paths) - 1)) for _, mean, _, m in ways])
    keys = noise.spread(noise.spread(root, hours[h]), w)
    return (
        keys,
        hours[h] * _HOUR,
        noise.poisson(noise.spread(keys, np.array(-2)), parts[w] * shape[h]),
        np.array([channel for channel, *_ in ways])[w],
        np.array([page for _, _, page, _ in ways])[w],
        np.zeros(w.shape, np.int64),
        np.full(w.shape, _UNPAID_CVR),
    )


def _begins(hour: Ints, zone: ZoneInfo) -> Ints:
    """When the clock hours of Traffic begin: half an hour before where the zone is half an hour off."""
    offset = datetime.fromtimestamp(int(hour[0]) * _HOUR, zone).utcoffset() if hour.size else None
    return hour * _HOUR - int((offset or timedelta(0)).total_seconds()) % _HOUR


def _draw(keys: Keys, n: int) -> Floats:
    return noise.uniform(noise.spread(keys, np.array(n)))


def _told(
    of: Property, came: _Arrivals, recorded: Flags, bends: tuple[Floats, Floats, Flags]
) -> pd.DataFrame:
    """The events of the sessions that were recorded."""
    inclined, finishes, slowed = bends
    keys = came.keys
    steps = _SHOP if of.goal == "purchase" else _LEADS
    will, last = _draw(keys, 2), len(steps) - 1
    depth = np.zeros(keys.shape, np.int64)
    for n, (_, share, times) in enumerate(steps):
        reach = (share or came.cvr * times) * inclined * (finishes if n == last else 1.0)
        depth = np.where(will < np.minimum(reach, 0.9), n + 1, depth)
    stuck = (depth == last) & (finishes < 1)
    views = 1 + depth + (_draw(keys, 3) < 0.45)
    engaged = (views > 1) | (_draw(keys, 4) < 0.2)
    failed = (_draw(keys, 6) < 0.006) | stuck | (slowed & (_draw(keys, 7) < 0.3))
    # A sixth come again and again, and are few.
    again = _draw(keys, 8) < 1 / 6
    visitor = np.where(again, keys % np.uint64(4000), keys >> np.uint64(16)).astype(np.int64)
    hours = np.where(_draw(keys, 9) < 0.02, 24 + 16 * _draw(keys, 10), 2 + 4 * _draw(keys, 10))
    wait = np.floor(hours * _HOUR).astype(np.int64)

    names = ["session_start", "page_view", *(name for name, _, _ in steps), "exception"]
    told: list[tuple[int, Flags, Ints]] = [(0, recorded, np.zeros(keys.shape, np.int64))]
    told += [(1, recorded & (views > n), np.full(keys.shape, n * _VIEW_SECONDS)) for n in range(last + 3)]
    told += [
        (n + 2, recorded & (depth > n), np.full(keys.shape, (n + 1) * _STEP_SECONDS)) for n in range(last + 1)
    ]
    told.append((last + 3, recorded & failed, np.where(stuck, (last + 1) * _STEP_SECONDS, 5)))
    which = np.concatenate([some.nonzero()[0] for _, some, _ in told])
    event = np.concatenate([np.full(int(some.sum()), name) for name, some, _ in told])
    at = came.start[which] + np.concatenate([after[some] for _, some, after in told])
    return pd.DataFrame(
        {
            "at": at,
            "session": (keys[which] >> np.uint64(1)).astype(np.int64),
            "visitor": visitor[which],
            "event": pd.Categorical.from_codes(event, categories=pd.Index(names)),
            "channel": pd.Categorical.from_codes(
                came.channel[which], categories=pd.Index(list(came.names.channels))
            ),
            "page": pd.Categorical.from_codes(came.page[which], categories=pd.Index(list(came.names.pages))),
            "engaged": engaged[which],
            "processed": at + wait[which],
        }
    )
