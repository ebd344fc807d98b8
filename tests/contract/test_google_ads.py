from collections import defaultdict
from decimal import Decimal

from connectors.contract import DayTotal, Delivery
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
