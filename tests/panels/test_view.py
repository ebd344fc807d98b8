"""Views: windows cut at each account's watermark, on its own calendar, and as known at a moment."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.contract import Account
from metrics.compare import Comparison
from panels._scope import Scope
from panels._view import comparisons, view

BERLIN = ("google_ads", "1")
YORK = ("meta_ads", "2")
KNOWN = {
    BERLIN: Account(*BERLIN, "Shop", "EUR", ZoneInfo("Europe/Berlin")),
    YORK: Account(*YORK, "Store", "EUR", ZoneInfo("America/New_York")),
}
BOTH = Scope("EUR", "All in EUR", "EUR", (BERLIN, YORK))
NOW = datetime(2026, 11, 10, 15, 20, tzinfo=UTC)
"""16:20 in Berlin, 10:20 in New York, a Tuesday."""
UNTIL = {BERLIN: datetime(2026, 11, 10, 15, tzinfo=UTC), YORK: datetime(2026, 11, 10, 13, tzinfo=UTC)}


def spans(shown):
    return {key: (f"{w.start:%d %H}", f"{w.end:%d %H}") for key, w in shown.windows.items()}


@pytest.mark.parametrize(
    ("span", "berlin", "york"),
    [
        ("1h", ("10 14", "10 15"), ("10 12", "10 13")),
        ("today", ("09 23", "10 15"), ("10 05", "10 13")),
        ("yesterday", ("08 23", "09 23"), ("09 05", "10 05")),
        ("7d", ("03 23", "10 15"), ("04 05", "10 13")),
        ("month", ("31 23", "10 15"), ("01 04", "10 13")),  # New York's clock went back on 1 November
    ],
)
def test_windows_are_each_accounts_own(span, berlin, york):
    assert spans(view(KNOWN, UNTIL, BOTH, span=span, now=NOW)) == {BERLIN: berlin, YORK: york}


def test_custom_days_are_whole_and_cut_at_the_watermark():
    shown = view(KNOWN, UNTIL, BOTH, span="custom", now=NOW, dates=(date(2026, 11, 9), date(2026, 11, 10)))
    assert spans(shown) == {BERLIN: ("08 23", "10 15"), YORK: ("09 05", "10 13")}
    assert shown.step == timedelta(hours=1)


def test_an_account_without_todays_data_is_left_out_of_today_and_named():
    late = {**UNTIL, YORK: NOW - timedelta(hours=13)}
    today = view(KNOWN, late, BOTH, span="today", now=NOW)
    assert (list(today.windows), today.left_out) == ([BERLIN], ("Store",))
    week = view(KNOWN, late, BOTH, span="7d", now=NOW)
    assert set(week.windows) == {BERLIN, YORK}


def test_no_data_is_no_view():
    assert view(KNOWN, {}, BOTH, span="today", now=NOW) is None
    long_ago = dict.fromkeys(KNOWN, NOW - timedelta(days=40))
    assert view(KNOWN, long_ago, BOTH, span="7d", now=NOW) is None


def test_a_replay_is_cut_at_its_moment():
    then = datetime(2026, 11, 8, 9, 40, tzinfo=UTC)
    shown = view(KNOWN, UNTIL, BOTH, span="today", now=NOW, as_of=then)
    assert spans(shown) == {BERLIN: ("07 23", "08 09"), YORK: ("08 05", "08 09")}
    assert shown.as_of == then


def test_what_a_window_cannot_be_compared_with_falls_back():
    assert (
        view(KNOWN, UNTIL, BOTH, span="7d", now=NOW, against=Comparison.YESTERDAY).against == Comparison.PRIOR
    )
    assert view(KNOWN, UNTIL, BOTH, span="today", now=NOW).against == Comparison.WEEK_AVERAGE
    assert (
        view(KNOWN, UNTIL, BOTH, span="today", now=NOW, against=Comparison.YESTERDAY).against == "yesterday"
    )
    assert Comparison.WEEK_AVERAGE not in comparisons("28d")


def test_the_counted_accounts_are_the_filter():
    shown = view(KNOWN, UNTIL, BOTH, span="today", now=NOW)
    assert shown.where == {"source": ["google_ads", "meta_ads"], "account": ["1", "2"]}
    assert shown.as_known == UNTIL[YORK]
