from collections import defaultdict
from datetime import timedelta

import pytest

from connectors.errors import RateLimited, Unavailable
from connectors.ga4 import WITHHELD, Ga4
from connectors.web_rows import Web
from tests.contract.suite import DAY, SourceContract


class TestGa4(SourceContract):
    connector = Ga4
    platform = "ga4"
    asked = Web

    def settings(self, sandbox):
        keys = sandbox.at["credentials"]["google"]
        return {
            "client_id": keys["client_id"],
            "client_secret": keys["client_secret"],
            "refresh_token": keys["refresh_token"],
            "endpoint": sandbox.at["ga4"],
            "token_uri": sandbox.at["oauth_token_url"],
            "ca_file": sandbox.at["ca_file"],
            "properties": {one["name"]: id_ for id_, one in sandbox.accounts("ga4").items()},
        }

    def test_a_reply_that_lacks_rows_is_no_reply(self, sandbox):
        account = self.account(sandbox)
        with sandbox.incident("empty_page", platform=self.platform):
            self.refused(sandbox, Unavailable, account)

    def test_a_day_of_25_hours_has_all_of_its_sessions(self, sandbox):
        """Google tells the repeated hour once; the day's sessions are those of its 24 hours."""
        account = next(a for a in self.connect(sandbox).accounts() if a.timezone.key == "Europe/Berlin")
        start = sandbox.now.replace(month=10, day=24, hour=22, minute=0)
        rows = self.rows(sandbox, Web, account, start, start + 25 * DAY / 24)
        assert len({row["hour"] for row in rows}) == 24
        assert {row["day"].isoformat() for row in rows} == {"2026-10-25"}
        day = rows[0]["day"]
        told = self.connect(sandbox)._wire.report(account.id, ("eventName",), ("sessions",), day, day)
        whole = dict(zip(*told.dimensions, *told.metrics, strict=True))["session_start"]
        assert sum(r["sessions"] for r in rows if r["step"] == "session_start") == whole > 1000

    def test_what_is_withheld_stands_apart_and_nothing_is_lost(self, sandbox):
        """The last site's small rows are withheld: hour by hour the sums are those of the coarse report."""
        account = list(self.connect(sandbox).accounts())[-1]
        day = (sandbox.now - 4 * DAY).date()
        start = sandbox.now.replace(day=day.day, hour=12, minute=30)
        rows = self.rows(sandbox, Web, account, start, start + DAY / 4)
        hidden = [row for row in rows if row["page"] == WITHHELD]
        assert hidden
        assert min(row["users"] for row in rows if row["page"] != WITHHELD) >= 5
        told = self.connect(sandbox)._wire.report(
            account.id, ("dateHour", "eventName"), ("sessions",), day, day
        )
        want = {(h, e): n for h, e, n in zip(*told.dimensions, *told.metrics, strict=True)}
        got = defaultdict(int)
        for row in rows:
            got[f"{row['hour'].astimezone(account.timezone):%Y%m%d%H}", row["step"]] += row["sessions"]
        assert got
        assert all(want.get(key, 0) <= got[key] for key in got)
        assert sum(got.values()) == sum(n for key, n in want.items() if key in got)

    @pytest.mark.parametrize("failed", [5, 6])
    def test_the_breaker_opens_at_six_failures_and_says_until_when(self, sandbox, failed):
        account, now = self.account(sandbox), sandbox.now
        failures = {account.id: [now - timedelta(minutes=50 - n) for n in range(failed)] + [now - 2 * DAY]}
        connector = self.connect(sandbox, failures=failures)
        if failed == 5:
            connector.check(account)
            return
        with pytest.raises(RateLimited, match="until 18:40 UTC") as told:
            connector.check(account)
        assert told.value.retry_after == timedelta(minutes=10)
        assert connector.usage.operations == 0  # nobody was asked
