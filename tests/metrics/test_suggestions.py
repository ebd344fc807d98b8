"""What a platform suggests, in words that were written by hand."""

from datetime import UTC, datetime

import pytest

from connectors.rows import Budget, Recommendation
from metrics.entities import Entity
from metrics.suggestions import Suggestion, suggestions
from tests.metrics.conftest import Store

CAMPAIGN = Entity("google_ads", "1", "7")
THEN, NOW = datetime(2026, 11, 23, 12, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)


def told(store: Store, *rows: Recommendation, entity: Entity = CAMPAIGN) -> list[Suggestion]:
    store.account("google_ads", "1")
    budget = Budget("b", "7", "", "", 100_000_000, "daily", "campaign", shared=False)
    store.reply("google_ads", "1", [budget])
    store.reply("google_ads", "1", rows)
    return suggestions(store.warehouse, entity, "EUR")


@pytest.mark.parametrize(
    ("row", "what", "effect"),
    [
        (
            Recommendation(
                "a", "7", "campaign_budget", 100_000_000, 120_000_000,
                clicks=14.0, conversions=1.2, cost=140_400_000, conversion_value=-18_400_000,
            ),
            "raise the daily budget from €100 to €120",
            "+14 clicks, +1.2 conversions, +€140 cost, −€18.40 conversion value a week",
        ),
        (
            Recommendation("a", "7", "move_unused_budget", 100_500_000, 90_000_000, clicks=1.0),
            "lower the daily budget from €100.50 to €90 with what another budget leaves unused",
            "+1 click a week",
        ),
        (
            Recommendation("a", "7", "forecasting_campaign_budget", None, 120_000_000, clicks=0.01, cost=0),
            "raise the daily budget to €120 for the demand that is expected",
            "",
        ),
        (Recommendation("a", "7", "keyword", subject="floor lamps"), "add the keyword “floor lamps”", ""),
        (Recommendation("a", "7", "target_cpa_opt_in", None, 20_000_000), "bid by a target CPA of €20", ""),
        (Recommendation("a", "7", "target_roas_opt_in", subject="350%"), "bid by a target ROAS of 350 %", ""),
        (Recommendation("a", "7", "sitelink_asset"), "add sitelinks", ""),
        (Recommendation("a", "7", "campaign_budget"), "campaign budget", ""),
        (Recommendation("a", "7", "one_of_next_year"), "one of next year", ""),
    ],
)  # fmt: skip
def test_a_suggestion_in_words(store, row, what, effect):
    assert told(store, row) == [Suggestion(what, effect)]


def test_a_shared_budget_says_so_and_one_for_the_flight_is_no_daily_one(store):
    rows = [Recommendation("a", of, "campaign_budget", None, 9_000_000) for of in ("6", "7", "8")]
    assert told(store, *rows)[0].what == "raise the daily budget that 3 campaigns share to €9"
    other = suggestions(store.warehouse, Entity("google_ads", "1", "8"), "EUR")
    assert other[0].what == "raise the budget that 3 campaigns share to €9"


def test_budgets_come_first_and_each_campaign_and_account_has_its_own(store):
    rows = [
        Recommendation("1", "7", "sitelink_asset"),
        Recommendation("2", "7", "keyword", subject="a", clicks=2.0),
        Recommendation("3", "7", "keyword", subject="b", clicks=9.0),
        Recommendation("4", "7", "campaign_budget", None, 1_000_000),
        Recommendation("5", "8", "callout_asset"),
        Recommendation("6", "", "call_asset"),
    ]
    assert [one.what for one in told(store, *rows)] == [
        "raise the daily budget to €1",
        "add the keyword “b”",
        "add the keyword “a”",
        "add sitelinks",
    ]
    account = suggestions(store.warehouse, Entity("google_ads", "1"), "EUR")
    assert account == [Suggestion("add a phone number", "")]


def test_what_is_no_longer_suggested_is_known_of_its_time_alone(store):
    store.account("google_ads", "1")
    store.reply("google_ads", "1", [Recommendation("a", "7", "sitelink_asset")], seen_at=THEN)
    store.reply("google_ads", "1", [Recommendation("b", "7", "callout_asset")], seen_at=NOW)

    def at(moment=None):
        return [one.what for one in suggestions(store.warehouse, CAMPAIGN, "EUR", as_of=moment)]

    assert at() == at(NOW) == ["add callouts"]
    assert at(datetime(2026, 11, 24, tzinfo=UTC)) == ["add sitelinks"]
    assert at(datetime(2026, 11, 22, tzinfo=UTC)) == []
