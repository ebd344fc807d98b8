"""Report runs and their pieces, against a Graph that fails them in each of the ways that Meta does."""

import json
from collections import Counter
from datetime import date, timedelta

import pytest

from connectors._meta_insights import Insights
from connectors.errors import RateLimited, TooMuchData, Unavailable, Unexpected
from tests.connectors.meta_kit import page, refusal

FIRST = date(2026, 10, 1)
MONTH = [FIRST + timedelta(days=n) for n in range(28)]
FAILED = {"error_code": -2, "error_subcode": 2490547, "error_message": "Generating the report failed."}


class Reports:
    """Ten campaigns, one row a campaign and day; the tenth is not listed on the campaigns edge.

    statuses: what the looks at a run find, one after the other; `weight(rows)` says which runs fail.
    """

    campaigns = tuple(str(n) for n in range(1, 11))

    def __init__(self, script):
        self.script = script
        self.runs = {}
        self.looks = Counter()
        self.statuses = ["Job Not Started", "Job Running", "Job Completed"]
        self.fails = lambda rows, tries: None
        self.started = []
        self.tries = Counter()
        self.refused = {}
        script.answer = self.answer

    def answer(self, method, path, params):
        if path == "act_1/campaigns":
            return 200, {}, page(self.script.url, [{"id": name} for name in self.campaigns[:9]])
        if path == "act_1/insights" and method == "POST":
            rows = self.rows(params)
            mark = params["time_range"] + params.get("filtering", "")
            self.tries[mark] += 1
            run = str(1000 + len(self.runs))
            self.runs[run] = rows, self.fails(rows, self.tries[mark])
            self.started.append(len(rows))
            return 200, {}, {"report_run_id": run}
        if path == "act_1/insights":
            return 400, {}, refusal(100, 1487534, "Please reduce the amount of data you're asking for")
        run, _, edge = path.partition("/")
        rows, failure = self.runs[run]
        if edge:
            if self.refused.get(run):
                return self.refused[run].pop(0)
            return 200, {}, page(self.script.url, rows)
        self.looks[run] += 1
        if self.looks[run] == 1 and "unborn" in self.statuses:
            return 400, {}, refusal(100, 33, "Unsupported get request. Object with ID does not exist")
        told = [status for status in self.statuses if status != "unborn"]
        status = told[min(self.looks[run], len(told)) - 1]
        if failure and status == "Job Completed":
            return 200, {}, {"id": run, "async_percent_completion": 100, **failure}
        return 200, {}, {"id": run, "async_status": status, "async_percent_completion": 100}

    def rows(self, params):
        span = json.loads(params["time_range"])
        since, until = (date.fromisoformat(span[name]) for name in ("since", "until"))
        kept = set(self.campaigns)
        for condition in json.loads(params.get("filtering", "[]")):
            named = set(condition["value"])
            kept = kept & named if condition["operator"] == "IN" else kept - named
        days = [since + timedelta(days=n) for n in range((until - since).days + 1)]
        return [{"campaign_id": name, "date_start": str(day)} for name in sorted(kept) for day in days]


@pytest.fixture
def reports(script):
    return Reports(script)


@pytest.fixture
def ask(graph, waits):
    def run(days=MONTH):
        query = {"fields": "campaign_id", "level": "campaign"}
        return [row for rows in Insights(graph, "1", waits.append).pages(query, days) for row in rows]

    return run


def once_each(rows, days=MONTH):
    cells = Counter((row["campaign_id"], row["date_start"]) for row in rows)
    return cells == Counter((name, str(day)) for name in Reports.campaigns for day in days)


def test_a_month_is_a_run_and_only_completed_is_completed(reports, ask, waits):
    reports.statuses = ["Job Not Started", "Job Started", "Job Running", "Job Running", "Job Completed"]
    assert once_each(ask())  # every look said 100 percent
    assert reports.started == [280]
    assert waits == [0.5, 0.8, pytest.approx(1.28), pytest.approx(2.048), pytest.approx(3.2768)]


def test_a_few_days_are_asked_at_once(script, ask):
    script.says((200, {}, {"data": [{"campaign_id": "1"}]}))
    assert ask(MONTH[:3]) == [{"campaign_id": "1"}]
    assert [method for method, _, _ in script.asked] == ["GET"]
    assert script.asked[0][2]["time_increment"] == "1"


def test_a_few_days_that_are_too_much_at_once_become_a_run(reports, ask):
    assert once_each(ask(MONTH[:2]), MONTH[:2])
    assert reports.started == [20]


@pytest.mark.parametrize("status", ["Job Failed", "Job Skipped"])
@pytest.mark.parametrize("why", [FAILED, {}])  # before v25.0 a run does not say why it failed
def test_a_run_that_failed_is_started_once_more(reports, ask, status, why):
    reports.fails = lambda rows, tries: {"async_status": status, **why} if tries == 1 else None
    assert once_each(ask())
    assert reports.started == [280, 280]


def test_what_fails_twice_is_split_by_campaigns_and_loses_none(reports, ask):
    """A campaign that the account's list does not show is in the half that is "all but the others"."""
    reports.fails = lambda rows, tries: {"async_status": "Job Failed", **FAILED} if len(rows) > 100 else None
    assert once_each(ask())
    # 280 rows: 5 of the 9 listed campaigns against all others (140 each), then 2 + 3 and 2 + 3 of them.
    assert reports.started == [280, 280, 140, 140, 56, 84, 140, 140, 56, 84]


def test_one_campaign_is_split_by_days(reports, ask):
    reports.campaigns = ("1",)
    reports.fails = lambda rows, tries: {"async_status": "Job Failed", **FAILED} if len(rows) > 9 else None
    got = Counter(row["date_start"] for row in ask())
    assert got == Counter(str(day) for day in MONTH)


def test_too_much_is_split_without_a_second_try(reports, ask):
    too_much = {"async_status": "Job Failed", "error_code": 100, "error_subcode": 1487534}
    reports.fails = lambda rows, tries: too_much if len(rows) > 150 else None
    assert once_each(ask())
    assert reports.started == [280, 140, 140]


def test_what_fails_in_every_piece_fails_in_the_end(reports, ask):
    reports.fails = lambda rows, tries: {"async_status": "Job Failed", **FAILED}
    with pytest.raises(Unavailable, match="Generating the report failed"):
        ask()
    assert reports.started[-2:] == [1, 1]  # one campaign's day, twice
    assert len(reports.started) < 25


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ({"error_code": 2, "error_subcode": 1504041}, Unexpected),  # these breakdowns never work
        ({"error_code": 80000, "error_subcode": 2446079}, RateLimited),
    ],
)
def test_a_failure_that_pieces_would_not_mend_is_not_split(reports, ask, why, kind):
    reports.fails = lambda rows, tries: {"async_status": "Job Failed", **why}
    with pytest.raises(kind):
        ask()
    assert reports.started == [280]


def test_a_run_may_not_be_found_right_after_its_start(reports, ask):
    reports.statuses = ["unborn", "Job Running", "Job Completed"]
    assert once_each(ask())
    assert reports.started == [280]


def test_a_completed_run_that_cannot_be_loaded_is_loaded_a_moment_later(reports, ask, waits):
    reports.refused["1000"] = [(400, {}, refusal(2601, 1815107, "Error accessing adreport job."))]
    assert once_each(ask())
    assert reports.started == [280]
    assert waits[-1] == 0.5


def test_patience_ends(reports, ask, waits):
    reports.statuses = ["Job Running"]
    with pytest.raises(Unavailable, match="15 minutes"):
        ask()
    assert 900 <= sum(waits) < 930
    assert max(waits) == 15.0


def test_too_much_in_the_middle_of_a_list_is_not_started_over(script, ask):
    """Its first page is already on its way: pieces would bring its rows twice."""
    enough = page(script.url, [{"campaign_id": "1"}], after="a")
    refused = refusal(100, 1487534, "Please reduce the amount of data you're asking for")
    script.answer = lambda method, path, params: (
        (400, {}, refused) if params.get("after") else (200, {}, enough)
    )
    with pytest.raises(TooMuchData):
        ask(MONTH[:1])
    assert {method for method, _, _ in script.asked} == {"GET"}
