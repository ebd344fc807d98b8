from collections import defaultdict
from decimal import Decimal

from connectors.contract import Budget, DayTotal, Delivery, Recommendation
from connectors.google_ads import GoogleAds
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
