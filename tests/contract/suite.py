"""What every connector must do, tried against its sandbox server over the real wire.

`SourceContract` is what any source owes, `ConnectorContract` also what one of advertisements does.

    class TestExample(ConnectorContract):
        connector = Example
        platform = "example"

        def settings(self, sandbox):
            return {"token": sandbox.at["credentials"]["example"]["token"], "url": sandbox.at["example"]}

`Settings` needs a `timeout_seconds`; everything else is asked through the contract alone.
"""

import time
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from connectors.contract import Window
from connectors.errors import RateLimited, SourceError, Unauthorized, Unavailable, Unexpected
from connectors.rows import Ad, Budget, Campaign, Change, DayTotal, Delivery, SegmentDelivery
from connectors.schema import schema

DAY = timedelta(days=1)
MEASURES = ("impressions", "clicks", "cost", "conversions", "conversion_value")


class SourceContract:
    """Inherit, name the connector and the platform, give its settings."""

    connector: type
    platform: str
    """What the sandbox calls it."""

    asked: type = Delivery
    """The row type that is asked for where any will do."""

    def settings(self, sandbox):
        """The connector's settings for this sandbox, as a dictionary."""
        raise NotImplementedError

    # Helpers

    def connect(self, sandbox, **others):
        return self.connector(
            self.connector.Settings(**{**self.settings(sandbox), **others}), now=sandbox.now
        )

    def account(self, sandbox):
        """The first account."""
        return next(self.connect(sandbox).accounts())

    def stream(self, row):
        for stream in self.connector.streams():
            if stream.row is row:
                return stream
        return pytest.skip(f"{self.connector.name} has no stream of {row.__name__}")

    def batches(self, sandbox, row, account, start, end, **settings):
        """A window's batches, from a connector of its own."""
        fetched = self.connect(sandbox, **settings).fetch(self.stream(row), account, Window(start, end))
        return list(fetched)

    def rows(self, *what, **settings):
        """The same as dictionaries."""
        return [row for batch in self.batches(*what, **settings) for row in batch.to_pylist()]

    def last_day(self, sandbox, account, **settings):
        return self.rows(sandbox, self.asked, account, sandbox.now - DAY, sandbox.now, **settings)

    def refused(self, sandbox, kind, account, **settings):
        """The error of a fetch of the last day: of `kind`, and silent about every secret."""
        with pytest.raises(kind) as told:
            self.last_day(sandbox, account, **settings)
        shown = f"{told.value} {told.value!r} {vars(told.value)}"
        assert not [secret for secret in sandbox.secrets() if secret in shown]
        assert told.value.cause
        return told.value

    # Discovery and streams

    def test_every_account_is_found_once_as_the_source_describes_it(self, sandbox):
        connector = self.connect(sandbox)
        found = list(connector.accounts())
        want = sandbox.accounts(self.platform)
        assert Counter(account.id for account in found) == Counter(want.keys())
        for account in found:
            told = want[account.id]
            assert account.source == self.connector.name
            assert (account.name, account.currency) == (told["name"], told["currency"])
            assert account.timezone.key == told["timezone"]
        assert connector.unreachable == {}
        assert connector.usage.operations >= 1

    def test_every_account_answers(self, sandbox):
        connector = self.connect(sandbox)
        for account in connector.accounts():
            connector.check(account)

    def test_every_stream_yields_its_rows(self, sandbox, subtests):
        accounts = list(self.connect(sandbox).accounts())
        for stream in self.connector.streams():
            with subtests.test(stream=stream.name):
                assert any(self._yields(sandbox, stream, account) for account in accounts)

    def _yields(self, sandbox, stream, account):
        """Whether a week of the account has rows of the stream, which are as its type says."""
        start, end = sandbox.now - 7 * DAY, sandbox.now
        connector = self.connect(sandbox)
        batches = list(connector.fetch(stream, account, Window(start, end)))
        assert all(batch.schema == schema(stream.row) for batch in batches)
        rows = [row for batch in batches for row in batch.to_pylist()]
        keys = Counter(tuple(row[column] for column in stream.row.key) for row in rows)
        assert [key for key, times in keys.items() if times > 1] == []
        days = set(Window(start, end).days(account.timezone))
        for row in rows if stream.row.time else ():
            at = row[stream.row.time]
            assert start <= at < end if isinstance(at, datetime) else at in days
        assert connector.usage.operations >= 1
        assert connector.usage.api_version
        return bool(rows)

    def test_a_streams_horizon_is_a_span_of_time(self, sandbox):
        connector, account = self.connect(sandbox), self.account(sandbox)
        for stream in self.connector.streams():
            back = stream.restate
            back = getattr(connector, back)(account) if isinstance(back, str) else back
            assert timedelta(0) <= back <= 90 * DAY

    def test_before_there_was_anything_there_is_nothing(self, sandbox):
        start = datetime(2024, 1, 1, tzinfo=UTC)
        assert self.rows(sandbox, self.asked, self.account(sandbox), start, start + DAY) == []

    def test_the_same_window_twice_is_the_same(self, sandbox):
        account = self.account(sandbox)
        for stream in self.connector.streams():
            what = (sandbox, stream.row, account, sandbox.now - 2 * DAY, sandbox.now)
            assert self.rows(*what) == self.rows(*what)

    # What goes wrong

    def test_a_throttle_names_its_wait(self, sandbox):
        account = self.account(sandbox)
        with sandbox.incident("throttling", platform=self.platform):
            errors = list(filter(None, (self._error(sandbox, account) for _ in range(4))))
        assert errors, "every second call was refused, and nobody told"  # a call may be one of the others
        for error in errors:
            assert isinstance(error, RateLimited)
            assert timedelta(0) < error.retry_after <= DAY

    def _error(self, sandbox, account):
        try:
            self.last_day(sandbox, account)
        except SourceError as error:
            return error
        return None

    def test_an_outage_passes(self, sandbox):
        account = self.account(sandbox)
        with sandbox.incident("api_outage", platform=self.platform):
            self.refused(sandbox, Unavailable, account)
        assert self.last_day(sandbox, account)

    def test_a_dead_token_waits_for_a_person(self, sandbox):
        account = self.account(sandbox)
        with sandbox.incident("token_revoked", platform=self.platform):
            assert self.refused(sandbox, Unauthorized, account).mend
            with pytest.raises(Unauthorized):
                list(self.connect(sandbox).accounts())
        assert self.last_day(sandbox, account)

    def test_a_hang_is_ended_by_its_timeout(self, sandbox):
        account = self.account(sandbox)
        with sandbox.incident("hang", platform=self.platform, size=6):
            began = time.monotonic()
            self.refused(sandbox, Unavailable, account, timeout_seconds=0.5)
            assert time.monotonic() - began < 4

    def test_a_reply_that_breaks_off_is_no_reply(self, sandbox):
        account = self.account(sandbox)
        with sandbox.incident("broken_stream", platform=self.platform):
            self.refused(sandbox, Unavailable, account)
        assert self.last_day(sandbox, account)

    def test_a_malformed_reply_is_not_believed(self, sandbox):
        account = self.account(sandbox)
        with sandbox.incident("malformed", platform=self.platform):
            self.refused(sandbox, (Unexpected, Unavailable), account)

    def test_one_accounts_failure_is_its_own(self, sandbox):
        first, *others = self.connect(sandbox).accounts()
        with sandbox.incident("account_suspended", platform=self.platform, account=first.id):
            with pytest.raises(Unauthorized) as told:
                self.connect(sandbox).check(first)
            assert told.value.mend
            assert {account.id for account in self.connect(sandbox).accounts()} >= {a.id for a in others}
            for account in others:
                assert self.last_day(sandbox, account)
        assert self.last_day(sandbox, first)


class ConnectorContract(SourceContract):
    """What a source of advertisements owes beside: every hour true to the micro."""

    page_rows = 10_000
    """The most rows that the source returns at once."""

    def true_delivery(self, sandbox, account, start, end, as_of):
        """Delivery as it must be, by campaign and hour; where a clock goes back, two hours are one."""
        found = defaultdict(lambda: dict.fromkeys(MEASURES, 0))
        for row in sandbox.truth(account.id, start, end, as_of):
            local = row["start"].astimezone(account.timezone).replace(fold=0)
            total = found[str(row["campaign"]), local.astimezone(UTC)]
            total["impressions"] += row["impressions"]
            total["clicks"] += row["clicks"]
            total["cost"] += row["cost_micros"]
            total["conversions"] += Decimal(str(row["conversions"]))
            total["conversion_value"] += row["conversion_value_micros"]
        return found

    def assert_true(self, sandbox, account, start, end):
        """What is fetched now is, to the micro, what the world says now; returns the rows."""
        rows = self.rows(sandbox, Delivery, account, start, end)
        want = self.true_delivery(sandbox, account, start, end, sandbox.now)
        got = {(row["campaign"], row["hour"]): row for row in rows}
        assert len(got) == len(rows), "a campaign has two rows for one hour"
        by_hour = [m for m in MEASURES if any(row[m] is not None for row in rows)]
        active = {key for key, row in want.items() if any(row[m] for m in by_hour)}
        assert {key for key, row in got.items() if any(row[m] for m in by_hour)} == active
        for key in active:
            assert {m: got[key][m] for m in by_hour} == {m: want[key][m] for m in by_hour}, key
        for (_, hour), row in got.items():
            local = hour.astimezone(account.timezone)
            assert (row["day"], row["hour_of_day"]) == (local.date(), local.hour)
        return rows

    def test_what_is_set_up_is_told_whole(self, sandbox):
        for account in self.connect(sandbox).accounts():
            what = (account, sandbox.now - DAY, sandbox.now)
            there = sandbox.entities(account.id)
            campaigns = {row["campaign"]: row["name"] for row in self.rows(sandbox, Campaign, *what)}
            assert campaigns == {str(one["id"]): one["name"] for one in there["campaigns"]}
            ads = {row["ad"]: row["final_url"] for row in self.rows(sandbox, Ad, *what)}
            assert ads == {str(one["id"]): one["final_url"] for one in there["ads"]}
            budgets = self.rows(sandbox, Budget, *what)
            amounts = sorted((row["amount"], row["shared"]) for row in _once(budgets, "budget"))
            assert amounts == sorted((one["amount_micros"], one["shared"]) for one in there["budgets"])
            assert {row["campaign"] for row in budgets} == set(campaigns)

    def test_every_change_is_told_once(self, sandbox):
        told = 0
        for account in self.connect(sandbox).accounts():
            span = (account, sandbox.now - 14 * DAY, sandbox.now)
            changes = self.rows(sandbox, Change, *span)
            there = sandbox.changes(account.id, *span[1:])
            assert sorted(row["at"].replace(microsecond=0) for row in changes) == sorted(
                datetime.fromisoformat(one["at"]).replace(microsecond=0) for one in there
            )
            assert {row["campaign"] for row in changes} == {str(one["campaign"] or "") for one in there}
            told += len(changes)
        assert told

    def test_hours_are_true_to_the_micro(self, sandbox):
        for account in self.connect(sandbox).accounts():
            assert self.assert_true(sandbox, account, sandbox.now - 3 * DAY, sandbox.now)

    def test_a_window_has_its_own_hours_and_no_others(self, sandbox):
        account = self.account(sandbox)
        noon = sandbox.now.replace(minute=0) - DAY
        rows = self.assert_true(sandbox, account, noon, noon + timedelta(hours=3))
        assert len({row["hour"] for row in rows}) == 3
        assert all(noon <= row["hour"] < noon + timedelta(hours=3) for row in rows)

    def test_many_pages_are_one_answer(self, sandbox):
        account = self.account(sandbox)
        days = 2 + self.page_rows // (24 * len(sandbox.entities(account.id)["campaigns"])) * 2
        start, end = sandbox.now - days * DAY, sandbox.now
        rows = self.assert_true(sandbox, account, start, end)
        assert len(rows) > self.page_rows

    def test_an_empty_page_in_the_middle_ends_nothing(self, sandbox):
        account = self.account(sandbox)
        start, end = sandbox.now - 5 * DAY, sandbox.now
        whole = self.rows(sandbox, Delivery, account, start, end)
        with sandbox.incident("empty_page", platform=self.platform):
            assert self.rows(sandbox, Delivery, account, start, end) == whole

    def test_the_days_on_which_clocks_change(self, sandbox, subtests):
        tried = Counter()
        for account in self.connect(sandbox).accounts():
            for day, length in _odd_days(account.timezone, sandbox.now):
                with subtests.test(account=account.id, day=day):
                    start = _midnight(account.timezone, day)
                    rows = self.assert_true(sandbox, account, start, start + length)
                    assert {row["day"] for row in rows} == {day}
                    self._days_agree(sandbox, account, day, rows)
                tried[length] += 1
        assert set(tried) == {23 * timedelta(hours=1), 25 * timedelta(hours=1)}, "no account on such a clock"

    def _days_agree(self, sandbox, account, day, hours):
        """The day's total, which the source adds up itself, is the sum of its hours."""
        start = _midnight(account.timezone, day)
        end = _midnight(account.timezone, day + DAY)
        daily = self.rows(sandbox, SegmentDelivery, account, start, end)
        assert {row["day"] for row in daily} == {day}
        for measure in ("impressions", "clicks", "cost"):
            sums = [defaultdict(int), defaultdict(int)]
            for total, rows in zip(sums, (hours, daily), strict=True):
                for row in rows:
                    total[row["campaign"]] += row[measure]
            assert sums[0] == sums[1], measure

    def test_the_past_is_restated(self, sandbox):
        account = self.account(sandbox)
        start, end = sandbox.now - DAY, sandbox.now - timedelta(hours=3)
        seen = []
        for _ in range(2):
            self.assert_true(sandbox, account, start, end)
            seen.append([self.rows(sandbox, row, account, start, end) for row in (Delivery, DayTotal)])
            sandbox.now += 5 * DAY
        assert seen[0] != seen[1], "five days later the same conversions as on the first evening"


def _once(rows, column):
    """One row for each value of a column."""
    return {row[column]: row for row in rows}.values()


def _midnight(zone: ZoneInfo, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _odd_days(zone: ZoneInfo, now: datetime):
    """The days of the last 240 that did not have 24 hours, with their length."""
    for back in range(240, 0, -1):
        day = (now - back * DAY).date()
        length = _midnight(zone, day + DAY) - _midnight(zone, day)
        if length != DAY:
            yield day, length
