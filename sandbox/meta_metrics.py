"""One insights row as Graph writes it: numbers are strings, and what has no data is not there at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sandbox import noise
from sandbox.meta_actions import CLICKED, CONVERSIONS, DEFAULT, tiers
from sandbox.meta_money import ratio, units
from sandbox.meta_nodes import objective, stamp

if TYPE_CHECKING:
    from sandbox.meta_book import Book
    from sandbox.meta_query import Query
    from sandbox.meta_report import Table
    from sandbox.model import Ad, AdGroup, Campaign

__all__ = ["Row"]

_ENOUGH = 500
"""Impressions from which an ad is ranked."""
_RANKS = ("ABOVE_AVERAGE", *["AVERAGE"] * 3, *(f"BELOW_AVERAGE_{percent}" for percent in (35, 20, 10)))
_ON_META = frozenset({"link_click", "post_engagement", "page_engagement"})
_RESULT = {
    "OUTCOME_SALES": "offsite_conversion.fb_pixel_purchase",
    "OUTCOME_LEADS": "lead",
}

Counts = dict[str, int]
"""By window (`value` for the default): how many, or how much in micros."""


@dataclass(frozen=True)
class Row:
    """Row `at` of a query's table."""

    book: Book
    query: Query
    table: Table
    at: int

    def answer(self, fields: tuple[str, ...]) -> dict[str, Any]:
        """The row's `fields`, its days, and the labels of its breakdowns."""
        values = {name: _FIELDS[name](self) for name in fields if name in _FIELDS}
        span = self.query.spans[int(self.table.span[self.at])]
        values |= {"date_start": span.since.isoformat(), "date_stop": span.until.isoformat()}
        for number, dimension in enumerate(self.query.dimensions or ()):
            values[dimension.name] = dimension.labels[int(self.table.labels[self.at, number])]
        return {name: value for name, value in values.items() if value not in (None, [], "")}

    @property
    def impressions(self) -> int:
        """How often it was shown."""
        return int(self.table.impressions[self.at])

    @property
    def clicks(self) -> int:
        """All clicks."""
        return int(self.table.clicks[self.at])

    @property
    def link_clicks(self) -> int:
        """Clicks on the link."""
        return int(self.table.link_clicks[self.at])

    @property
    def cost(self) -> float:
        """Spend in the currency's units."""
        return int(self.table.cost_micros[self.at]) / 1e6

    @property
    def reach(self) -> int | None:
        """Different people; None where it is not told."""
        return None if self.table.reach is None else int(self.table.reach[self.at])

    @property
    def unique_clicks(self) -> int | None:
        """Different people who clicked; None under an hourly breakdown."""
        return None if self.query.hourly else self.clicks - self.clicks * 6 // 100

    @cached_property
    def _ids(self) -> tuple[Campaign | None, AdGroup | None, Ad | None]:
        entity = int(self.table.entity[self.at])
        book = self.book
        match self.query.level:
            case "campaign":
                return book.campaigns[entity], None, None
            case "adset":
                adset = book.adsets[entity]
                return book.campaigns[adset.campaign], adset, None
            case "ad":
                ad = book.ads[entity]
                return book.campaigns[ad.campaign], book.adsets[ad.ad_group], ad
            case _:
                return None, None, None

    @property
    def campaign(self) -> Campaign | None:
        """The row's campaign, below account level."""
        return self._ids[0]

    @property
    def adset(self) -> AdGroup | None:
        """The row's ad set, at its level and below."""
        return self._ids[1]

    @property
    def ad(self) -> Ad | None:
        """The row's ad, at its level."""
        return self._ids[2]

    def actions(self) -> dict[str, Counts]:
        """By action type: counts by window, zeros included. Each event stands under each of its tiers."""
        found = self._tally(0)
        links = {DEFAULT: self.link_clicks}
        links |= {name: self.link_clicks for name in self.query.windows if name in CLICKED}
        engaged = dict.fromkeys(links, self.clicks)
        found |= {"link_click": links, "post_engagement": engaged, "page_engagement": engaged}
        if not self.query.hourly:
            # Whether the page has loaded is told by the site's tag, so hours leave it out too.
            landed = dict.fromkeys(links, int(self.table.landings[self.at]))
            found |= {"landing_page_view": landed, "omni_landing_page_view": landed}
        return self._filtered(found)

    def values(self) -> dict[str, Counts]:
        """By action type: conversion value in micros by window."""
        return self._filtered(self._tally(1))

    def _tally(self, which: int) -> dict[str, Counts]:
        found: dict[str, Counts] = {}
        for (event, window), arrays in self.table.tally.items():
            amount = int(arrays[which][self.at])
            for action_type in tiers(event):
                counts = found.setdefault(action_type, dict.fromkeys(self.query.windows, 0))
                counts[window] += amount
        return found

    def _filtered(self, found: dict[str, Counts]) -> dict[str, Counts]:
        asked = [condition for condition in self.query.conditions if condition.field == "action_type"]
        return {
            name: counts
            for name, counts in sorted(found.items())
            if any(counts.values()) and all(condition.holds(name) for condition in asked)
        }

    def listed(self, found: dict[str, Counts], write: Callable[[int], str | None]) -> list[dict[str, str]]:
        """Entries of an actions list; windows without a count are left out.

        Without `action_type` among the action breakdowns nothing is told apart, and nothing listed.
        """
        if "action_type" not in self.query.action_breakdowns:
            return []
        entries = []
        for action_type, counts in found.items():
            entry = {"action_type": action_type, **self._destination(action_type)}
            for window, amount in counts.items():
                text = write(amount) if amount or window == DEFAULT else None
                if text is not None:
                    entry[window] = text
            if len(entry) > 1:
                entries.append(entry)
        return entries

    def _destination(self, action_type: str) -> dict[str, str]:
        """What further action breakdowns tell; of what happens off Meta they tell nothing."""
        if action_type not in _ON_META or self.ad is None:
            return {}
        told = {
            "action_target_id": str(self.ad.creative),
            "action_destination": str(self.ad.creative),
            "action_device": "unknown",
        }
        return {name: told[name] for name in self.query.action_breakdowns if name in told}

    def money(self, micros: int) -> str:
        """Micros as Graph writes money."""
        return units(micros, self.book.advertiser.currency)

    def per_cost(self, found: dict[str, Counts], *, inverse: bool = False) -> list[dict[str, str]]:
        """Cost per event or, inversely, value per cost (micros by cost)."""
        if inverse:
            return self.listed(found, lambda micros: ratio(micros / 1e6, self.cost))
        return self.listed(found, lambda count: ratio(self.cost, count))


def _some(number: float | None) -> str | None:
    return None if number is None else str(number)


def _pick(found: dict[str, Counts], *names: str) -> dict[str, Counts]:
    return {name: counts for name, counts in found.items() if name in names}


def _rank(row: Row, which: str) -> str | None:
    if row.ad is None:
        return None
    if row.impressions < _ENOUGH:
        return "UNKNOWN"
    week = row.query.spans[int(row.table.span[row.at])].until.toordinal() // 7
    return noise.choice(_RANKS, 0, f"{which} ranking", row.ad.id, week)


def _objective(row: Row) -> str | None:
    return None if row.campaign is None else objective(row.book, row.campaign)


def _results(row: Row, *, per: bool = False) -> list[dict[str, Any]] | None:
    """The events that the campaign is optimised for; not told for a whole account."""
    goal = _objective(row)
    if goal is None:
        return None
    name = _RESULT[goal]
    count = row.actions().get(name, {}).get(DEFAULT, 0)
    value = ratio(row.cost, count) if per else str(count)
    if value is None or not count:
        return None
    entry = {"value": value, "attribution_windows": ["default"]}
    return [{"indicator": f"actions:{name}", "values": [entry]}]


def _one(action_type: str, value: str | None) -> list[dict[str, str]] | None:
    return None if value is None else [{"action_type": action_type, "value": value}]


_FIELDS: dict[str, Callable[[Row], Any]] = {
    "account_id": lambda row: str(row.book.advertiser.id),
    "account_name": lambda row: row.book.advertiser.name,
    "account_currency": lambda row: row.book.advertiser.currency,
    "campaign_id": lambda row: row.campaign and str(row.campaign.id),
    "campaign_name": lambda row: row.campaign and row.campaign.name,
    "adset_id": lambda row: row.adset and str(row.adset.id),
    "adset_name": lambda row: row.adset and row.adset.name,
    "ad_id": lambda row: row.ad and str(row.ad.id),
    "ad_name": lambda row: row.ad and row.ad.name,
    "objective": _objective,
    "optimization_goal": lambda row: row.adset and row.adset.optimises_for,
    "buying_type": lambda row: row.campaign and "AUCTION",
    "attribution_setting": lambda row: row.campaign and "7d_click_1d_view",
    "created_time": lambda row: row.ad and stamp(row.ad.created, row.book)[:10],
    "updated_time": lambda row: row.ad and stamp(row.ad.updated, row.book)[:10],
    "impressions": lambda row: str(row.impressions),
    "clicks": lambda row: str(row.clicks),
    "spend": lambda row: row.money(int(row.table.cost_micros[row.at])),
    "social_spend": lambda _: "0",
    "reach": lambda row: _some(row.reach),
    "frequency": lambda row: row.reach and ratio(row.impressions, row.reach),
    "cpp": lambda row: row.reach and ratio(row.cost * 1000, row.reach),
    "cpm": lambda row: ratio(row.cost * 1000, row.impressions),
    "cpc": lambda row: ratio(row.cost, row.clicks),
    "ctr": lambda row: ratio(row.clicks * 100, row.impressions),
    "inline_link_clicks": lambda row: str(row.link_clicks) if row.link_clicks else None,
    "inline_link_click_ctr": lambda row: ratio(row.link_clicks * 100, row.impressions),
    "cost_per_inline_link_click": lambda row: ratio(row.cost, row.link_clicks),
    "inline_post_engagement": lambda row: str(row.clicks) if row.clicks else None,
    "cost_per_inline_post_engagement": lambda row: ratio(row.cost, row.clicks),
    "unique_clicks": lambda row: _some(row.unique_clicks),
    "unique_ctr": lambda row: row.reach and ratio((row.unique_clicks or 0) * 100, row.reach),
    "cost_per_unique_click": lambda row: row.unique_clicks and ratio(row.cost, row.unique_clicks),
    "outbound_clicks": lambda row: _one("outbound_click", str(row.link_clicks) if row.link_clicks else None),
    "outbound_clicks_ctr": lambda row: _one("outbound_click", ratio(row.link_clicks * 100, row.impressions)),
    "cost_per_outbound_click": lambda row: _one("outbound_click", ratio(row.cost, row.link_clicks)),
    "website_ctr": lambda row: _one("link_click", ratio(row.link_clicks * 100, row.impressions)),
    "actions": lambda row: row.listed(row.actions(), str),
    "action_values": lambda row: row.listed(row.values(), row.money),
    "cost_per_action_type": lambda row: row.per_cost(row.actions()),
    "purchase_roas": lambda row: row.per_cost(_pick(row.values(), "omni_purchase"), inverse=True),
    "website_purchase_roas": lambda row: row.per_cost(
        _pick(row.values(), "offsite_conversion.fb_pixel_purchase"), inverse=True
    ),
    "conversions": lambda row: row.listed(_pick(row.actions(), *CONVERSIONS), str),
    "conversion_values": lambda row: row.listed(_pick(row.values(), *CONVERSIONS), row.money),
    "cost_per_conversion": lambda row: row.per_cost(_pick(row.actions(), *CONVERSIONS)),
    "results": _results,
    "cost_per_result": lambda row: _results(row, per=True),
    "quality_ranking": lambda row: _rank(row, "quality"),
    "engagement_rate_ranking": lambda row: _rank(row, "engagement rate"),
    "conversion_rate_ranking": lambda row: _rank(row, "conversion rate"),
}
"""What this world has data for; every other field that Graph knows is absent from the rows."""
