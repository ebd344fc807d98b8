from collections import defaultdict
from datetime import UTC, datetime, time
from decimal import Decimal

import pytest

from connectors.google_ads import GoogleAds
from connectors.rows import Budget, DayTotal, Delivery, Experiment, ExperimentEffect, Recommendation
from tests.contract.suite import DAY, ConnectorContract


class TestGoogleAds(ConnectorContract):
    connector = GoogleAds
    platform = "google_ads"

    def settings(self, sandbox):
        keys = sandbox.at["credentials"]["google"]
        return {
            "client_id": keys["client_id"],
            "client_secret": keys["client_secret"],
            "refresh_token": keys["refresh_token"],
            "endpoint": sandbox.at["google_ads"],
            "token_uri": sandbox.at["oauth_token_url"],
            "ca_file": sandbox.at["ca_file"],
        }

    def test_a_days_conversions_are_true_by_action_and_add_up(self, sandbox):
        """Every action's from the world itself; the primary ones' sum from the hours of the same day."""
        account = self.account(sandbox)
        end = sandbox.now
        start = end.astimezone(account.timezone).replace(hour=0, minute=0).astimezone(end.tzinfo) - DAY
        rows = self.rows(sandbox, DayTotal, account, start, end)
        want = defaultdict(Decimal)
        for hour in sandbox.truth(account.id, start, end, end):
            for action, credit in hour["by_action"].items():
                day = hour["start"].astimezone(account.timezone).date()
                want[str(hour["campaign"]), day, action] += Decimal(str(credit))
        assert {(r["campaign"], r["day"], r["action"]): r["conversions"] for r in rows} == want
        hours = self.rows(sandbox, Delivery, account, start, end)
        primary = sum(r["conversions"] for r in rows if r["primary"])
        assert primary == sum(r["conversions"] for r in hours) > 0
        assert any(r["conversions"] for r in rows if not r["primary"])

    def test_what_google_says_an_experiment_changed_is_what_its_arms_brought(self, sandbox):
        """Of the arms' own delivery over the experiment's whole days, as the same API tells it."""
        told = 0
        for account in self.connect(sandbox).accounts():
            today = datetime.combine(
                sandbox.now.astimezone(account.timezone).date(), time(), account.timezone
            )
            effects = self.rows(sandbox, ExperimentEffect, account, sandbox.now - DAY, sandbox.now)
            arms = self.rows(sandbox, Experiment, account, sandbox.now - DAY, sandbox.now)
            for effect in effects:
                control, treatment = sorted(
                    (a for a in arms if a["experiment"] == effect["experiment"]),
                    key=lambda a: not a["control"],
                )
                begin = datetime.combine(control["starts"], time(), account.timezone)
                end = min(today, datetime.combine(control["ends"] + DAY, time(), account.timezone))
                delivery = self.rows(sandbox, Delivery, account, begin.astimezone(UTC), end.astimezone(UTC))

                def over(arm, above, below, of=delivery):
                    rows = [r for r in of if r["campaign"] in arm["campaigns"].split(",")]
                    return float(sum(r[above] for r in rows)) / (
                        float(sum(r[below] for r in rows)) if below else 1
                    )

                ratio = {
                    "cpa": ("cost", "conversions"),
                    "roas": ("conversion_value", "cost"),
                    "spend": ("cost", ""),
                    "revenue": ("conversion_value", ""),
                    "clicks": ("clicks", ""),
                    "impressions": ("impressions", ""),
                }[effect["metric"]]
                want = over(treatment, *ratio) / over(control, *ratio) - 1
                assert effect["effect"] == pytest.approx(want, rel=1e-4)
                assert 0 <= effect["p_value"] <= 1
                assert effect["margin"] > 0
                # An interval of 95 % that holds "no effect" and a p-value above 0.05 say one and the same;
                # the one is symmetric in the ratio, the other in its logarithm, so near the edge they may not.
                if abs(effect["effect"]) < 0.8 * effect["margin"]:
                    assert effect["p_value"] > 0.05
                if abs(effect["effect"]) > 1.3 * effect["margin"]:
                    assert effect["p_value"] < 0.05
                told += 1
        assert told

    def test_googles_suggestions_are_told_whole(self, sandbox):
        """As the world has them, each budget's with every campaign that draws on it."""
        shared = 0
        for account in self.connect(sandbox).accounts():
            what = (account, sandbox.now - DAY, sandbox.now)
            budgets = self.rows(sandbox, Budget, *what)
            rows = self.rows(sandbox, Recommendation, *what)
            drawing = {
                b["campaign"]: {o["campaign"] for o in budgets if o["budget"] == b["budget"]} for b in budgets
            }
            want = {}
            for one in sandbox.entities(account.id)["recommendations"]:
                own, values = str(one["campaign"]), one["values"]
                of_budget = one["kind"] == "CAMPAIGN_BUDGET"
                gain = one["potential"]["clicks"] - one["base"]["clicks"] if of_budget else None
                for campaign in drawing[own] if of_budget else {own}:
                    want[str(one["id"]), campaign] = (
                        one["kind"].lower(),
                        values.get("current_budget_micros"),
                        values.get("recommended_budget_micros", values.get("target_cpa_micros")),
                        values.get("text", ""),
                        gain,
                    )
                shared += of_budget and len(drawing[own]) > 1
            told = ("advice", "current", "proposed", "subject", "clicks")
            found = {(r["recommendation"], r["campaign"]): tuple(r[c] for c in told) for r in rows}
            assert found == want
            assert any(r["proposed"] and r["current"] and r["proposed"] > r["current"] > 0 for r in rows)
        assert shared
