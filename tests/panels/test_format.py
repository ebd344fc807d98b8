from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from panels import _format as f


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        (12_480, "USD", "$12.5k"),
        (1_204_000, "USD", "$1.20M"),
        (18.4, "EUR", "€18.40"),
        (0, "EUR", "€0.00"),
        (99.994, "EUR", "€99.99"),
        (99.996, "EUR", "€100"),
        (999.4, "EUR", "€999"),
        (999.6, "EUR", "€1.00k"),
        (9_996, "EUR", "€10.0k"),
        (99_960, "EUR", "€100k"),
        (999_600, "EUR", "€1.00M"),
        (-1_234, "GBP", "−£1.23k"),
        (42, "JPY", "¥42"),
        (5, "CHF", "CHF 5.00"),
        (None, "EUR", "—"),
        (float("nan"), "EUR", "—"),
    ],
)
def test_money(value, currency, shown):
    assert f.money(value, currency) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(678, "678"), (0, "0"), (2.5, "2.5"), (3.0, "3"), (12_499, "12.5k"), (-3, "−3"), (None, "—")],
)
def test_count(value, shown):
    assert f.count(value) == shown


def test_ratios():
    assert f.multiple(3.4195) == "3.42×"
    assert f.percent(0.0321) == "3.2 %"
    assert f.percent(0.87) == "87 %"
    assert f.change(0.062) == "+6.2 %"
    assert f.change(-0.12) == "−12 %"
    assert f.change(0.0) == "0.0 %"


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(seconds=20), "now"),
        (timedelta(minutes=47), "47 min"),
        (timedelta(minutes=130), "2 h"),
        (timedelta(days=3), "3 d"),
    ],
)
def test_age(span, shown):
    assert f.age(span) == shown


def test_clock_is_the_readers():
    now = datetime(2026, 11, 24, 14, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert f.clock(datetime(2026, 11, 24, 12, 5, tzinfo=UTC), now) == "13:05"
    assert f.clock(datetime(2026, 11, 23, 22, 5, tzinfo=UTC), now) == "23 Nov 23:05"


def test_hostile_names_are_shown_letter_by_letter():
    assert f.plain(":red[x] $a$ <b>") == r"\:red\[x\] \$a\$ \<b\>"
    assert f.plain("in\u202evoice\u0000") == "invoice"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (18.4, "money", "€18.40"),
        (678, "count", "678"),
        (0.0321, "percent", "3.2 %"),
        (3.417, "multiple", "3.42×"),
        (1.5, "ratio", "1.50"),
        (2.5, "days", "2.5 days"),
        (None, "days", "—"),
        (float("nan"), "money", "—"),
    ],
)
def test_a_figure_in_its_own_unit(value, unit, shown):
    assert f.figure(value, unit, "EUR") == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("https://evil.example", "https\\:\u2060//evil\\.example"),
        ("see WWW.evil.example", "see WWW\u2060\\.evil\\.example"),
        ("anna@example.com", "anna\\@\u2060example\\.com"),
    ],
)
def test_an_address_in_a_name_becomes_no_link(name, shown):
    assert f.plain(name) == shown
