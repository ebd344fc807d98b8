"""What a platform itself suggests for a campaign, in words: its view, never Paceline's.

raise the daily budget from €100 to €120 (+14 clicks, +€140 cost a week)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from metrics.words import count, exact, money

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from metrics.entities import Entity
    from warehouse.store import Warehouse

__all__ = ["STREAM", "Suggestion", "asked", "suggestions"]

STREAM: Final = "recommendations"
"""The stream in which a source tells what it suggests."""

_BUDGETS: Final = {
    "campaign_budget": "",
    "forecasting_campaign_budget": " for the demand that is expected",
    "marginal_roi_campaign_budget": "",
    "move_unused_budget": " with what another budget leaves unused",
}
"""Suggestions of another budget, and what is to be said of each beside the amounts."""

_WORDS: Final = {
    "call_asset": "add a phone number",
    "callout_asset": "add callouts",
    "display_expansion_opt_in": "show the ads on the Display Network too",
    "lead_form_asset": "add a lead form",
    "maximize_clicks_opt_in": "bid for as many clicks as the budget buys",
    "maximize_conversion_value_opt_in": "bid for as much conversion value as the budget buys",
    "maximize_conversions_opt_in": "bid for as many conversions as the budget buys",
    "responsive_search_ad": "add a responsive search ad",
    "responsive_search_ad_asset": "add texts to a responsive search ad",
    "search_partners_opt_in": "show the ads at search partners too",
    "sitelink_asset": "add sitelinks",
    "use_broad_match_keyword": "match keywords broadly",
}
"""Suggestions that a few words say; others are told by the platform's own word for them."""

_SQL: Final = """
WITH in_force AS (
  SELECT * FROM recommendation_history WHERE source = $source AND account = $account
    AND ($as_of::TIMESTAMPTZ IS NULL AND valid_to IS NULL
      OR valid_from <= $as_of AND (valid_to IS NULL OR valid_to > $as_of))
)
SELECT one.*,
  (SELECT count(*) FROM in_force AS o WHERE o.recommendation = one.recommendation) AS campaigns,
  EXISTS (
    FROM budget_history AS b WHERE b.source = one.source AND b.account = one.account
      AND b.campaign = one.campaign AND b.valid_to IS NULL AND b.period = 'daily'
  ) AS daily
FROM in_force AS one WHERE one.campaign = $campaign
ORDER BY proposed IS NULL, clicks DESC NULLS LAST, advice, recommendation
"""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """what: in the imperative. effect: what the platform expects of it in a week, "" where it is silent."""

    what: str
    effect: str


def asked(warehouse: Warehouse, entity: Entity) -> datetime | None:
    """When the entity's source was last asked what it suggests; None where it never told."""
    return next(
        (
            mark.polled_at
            for mark in warehouse.watermarks()
            if (mark.source, mark.account, mark.stream) == (entity.source, entity.account, STREAM)
        ),
        None,
    )


def suggestions(
    warehouse: Warehouse, entity: Entity, currency: str, *, as_of: datetime | None = None
) -> list[Suggestion]:
    """What is suggested for a campaign, or for an account as a whole: budgets and targets first.

    currency: the account's. as_of: as it was known at a moment.
    """
    params = {"source": entity.source, "account": entity.account, "campaign": entity.campaign}
    rows = warehouse.query(_SQL, {**params, "as_of": as_of}).to_pylist()
    return [Suggestion(_what(row, currency), _effect(row, currency)) for row in rows]


def _what(row: Mapping[str, Any], currency: str) -> str:
    advice, current, proposed = row["advice"], row["current"], row["proposed"]
    said = exact(proposed / 1e6, currency) if proposed else ""
    if advice in _BUDGETS and proposed:
        verb = "lower" if current and proposed < current else "raise"
        start = f" from {exact(current / 1e6, currency)}" if current else ""
        budget = "daily budget" if row["daily"] else "budget"
        if row["campaigns"] > 1:
            budget += f" that {row['campaigns']} campaigns share"
        return f"{verb} the {budget}{start} to {said}{_BUDGETS[advice]}"
    if advice == "keyword" and row["subject"]:
        return f"add the keyword “{row['subject']}”"
    if advice == "target_cpa_opt_in":
        return f"bid by a target CPA of {said}" if said else "bid by a target CPA"
    if advice == "target_roas_opt_in":
        ratio = row["subject"].replace("%", " %")
        return f"bid by a target ROAS of {ratio}" if ratio else "bid by a target ROAS"
    return _WORDS.get(advice) or str(advice).replace("_", " ")


def _effect(row: Mapping[str, Any], currency: str) -> str:
    parts = [
        *(_signed(row[name], count(row[name]), f" {name}") for name in ("clicks", "conversions")),
        *(
            _signed(row[name], money(row[name] / 1e6 if row[name] else None, currency), f" {noun}")
            for name, noun in (("cost", "cost"), ("conversion_value", "conversion value"))
        ),
    ]
    told = ", ".join(filter(None, parts))
    return f"{told} a week" if told else ""


def _signed(value: float | None, figure: str, noun: str) -> str:
    """A difference and what it is of; nothing for one that is not told or rounds to nothing."""
    if not value or not any(digit in figure for digit in "123456789"):
        return ""
    one = figure.lstrip("−") == "1"
    return f"{'+' if value > 0 else ''}{figure}{noun.removesuffix('s') if one else noun}"
