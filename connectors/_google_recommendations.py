"""Google's own suggestions, as rows: what it would change, and what it expects of that.

A query can select the parts of a recommendation only as whole messages, so they are read here.
"""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors._google_cells import id_of
from connectors.rows import Recommendation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["read"]


class _Said(NamedTuple):
    """What a suggestion is about: money that is set and would be set, or words."""

    current: int | None = None
    proposed: int | None = None
    subject: str = ""


def _budget(part: Any) -> _Said:
    return _Said(part.current_budget_amount_micros or None, part.recommended_budget_amount_micros or None)


def _unused(part: Any) -> _Said:
    return _budget(part.budget_recommendation)


def _keyword(part: Any) -> _Said:
    return _Said(subject=part.keyword.text)


def _cpa(part: Any) -> _Said:
    return _Said(proposed=part.recommended_target_cpa_micros or None)


def _roas(part: Any) -> _Said:
    ratio = part.recommended_target_roas
    return _Said(subject=f"{ratio:.0%}" if ratio else "")


_PARTS: Mapping[str, tuple[str, Callable[[Any], _Said]]] = {
    "campaign_budget": ("CampaignBudgetRecommendation", _budget),
    "forecasting_campaign_budget": ("CampaignBudgetRecommendation", _budget),
    "marginal_roi_campaign_budget": ("CampaignBudgetRecommendation", _budget),
    "move_unused_budget": ("MoveUnusedBudgetRecommendation", _unused),
    "keyword": ("KeywordRecommendation", _keyword),
    "target_cpa_opt_in": ("TargetCpaOptInRecommendation", _cpa),
    "target_roas_opt_in": ("TargetRoasOptInRecommendation", _roas),
}
"""By type: the message that says more of it, and how that is read. Other types say all by their name."""


@lru_cache(maxsize=64)
def _message(version: str, name: str) -> Any:
    module = importlib.import_module(f"google.ads.googleads.{version}.resources.types.recommendation")
    return getattr(module.Recommendation, name).pb()


def read(row: Mapping[str, Any], version: str) -> Iterator[Recommendation]:
    """The rows of one recommendation: one for each campaign, one for the account where it names none.

    One that somebody dismissed has no rows; Google goes on naming it.
    """
    if row["recommendation.dismissed"]:
        return
    advice = row["recommendation.type"].lower()
    said = _Said()
    if advice in _PARTS:
        name, parse = _PARTS[advice]
        said = parse(_message(version, name).FromString(row[f"recommendation.{advice}_recommendation"]))
    impact = _message(version, "RecommendationImpact").FromString(row["recommendation.impact"])
    named = [*row["recommendation.campaigns"]] or [row["recommendation.campaign"]]
    for campaign in dict.fromkeys(map(id_of, named)):
        yield Recommendation(
            recommendation=id_of(row["recommendation.resource_name"]),
            campaign=campaign,
            advice=advice,
            current=said.current,
            proposed=said.proposed,
            subject=said.subject,
            impressions=_more(impact, "impressions"),
            clicks=_more(impact, "clicks"),
            cost=_whole(_more(impact, "cost_micros")),
            conversions=_more(impact, "conversions"),
            conversion_value=_whole(_more(impact, "conversions_value"), 1e6),
        )


def _more(impact: Any, metric: str) -> float | None:
    """The potential of a metric less its base; None where Google does not tell both."""
    base, potential = impact.base_metrics, impact.potential_metrics
    if not (base.HasField(metric) and potential.HasField(metric)):
        return None
    return float(getattr(potential, metric) - getattr(base, metric))


def _whole(value: float | None, factor: float = 1) -> int | None:
    return None if value is None else round(value * factor)
