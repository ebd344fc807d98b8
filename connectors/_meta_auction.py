"""Rankings: how Meta rates an ad against those it competes with, told for the campaign.

Meta ranks ads, not campaigns, once an ad has had 500 impressions. A campaign's ranking on a day is the one
that most of its ranked impressions were delivered under.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors._meta_graph import Page

__all__ = ["FIELDS", "Rankings"]

_WHICH = ("quality_ranking", "engagement_rate_ranking", "conversion_rate_ranking")
FIELDS = ",".join(("campaign_id", "impressions", *_WHICH))
_UNRANKED = "unknown"


class Rankings:
    """The rankings of each campaign and day, from the pages of an ad-level report."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._votes: dict[tuple[str, str], tuple[Counter[str], ...]] = {}
        for page in pages:
            for row in page:
                cell = row["campaign_id"], row["date_start"]
                votes = self._votes.setdefault(cell, tuple(Counter() for _ in _WHICH))
                for name, counter in zip(_WHICH, votes, strict=True):
                    word = str(row.get(name, _UNRANKED)).lower()
                    if word != _UNRANKED:
                        counter[word] += int(row.get("impressions", 0))

    def of(self, campaign: str, day: str) -> tuple[str, str, str]:
        """Quality, engagement and conversion ranking; "" where no ad of the campaign was ranked."""
        quality, engagement, conversion = (
            max(votes, key=lambda word: (votes[word], word), default="")
            for votes in self._votes.get((campaign, day), (Counter(), Counter(), Counter()))
        )
        return quality, engagement, conversion
