"""Presets and spans, worked out on a calendar: 2026-11-24 is a Tuesday."""

from datetime import date

import pytest

from sandbox.meta_dates import PRESETS, months_before, spans
from sandbox.meta_errors import GraphError

TODAY = date(2026, 11, 24)
OLDEST = date(2026, 1, 15)


def told(**params):
    return [(span.since.isoformat(), span.until.isoformat()) for span in spans(params, TODAY, OLDEST)]


@pytest.mark.parametrize(
    ("preset", "since", "until"),
    [
        ("today", "2026-11-24", "2026-11-24"),
        ("yesterday", "2026-11-23", "2026-11-23"),
        ("last_3d", "2026-11-21", "2026-11-23"),
        ("last_7d", "2026-11-17", "2026-11-23"),
        ("last_14d", "2026-11-10", "2026-11-23"),
        ("last_28d", "2026-10-27", "2026-11-23"),
        ("last_30d", "2026-10-25", "2026-11-23"),
        ("last_90d", "2026-08-26", "2026-11-23"),
        ("this_week_mon_today", "2026-11-23", "2026-11-24"),
        ("this_week_sun_today", "2026-11-22", "2026-11-24"),
        ("last_week_mon_sun", "2026-11-16", "2026-11-22"),
        ("last_week_sun_sat", "2026-11-15", "2026-11-21"),
        ("this_month", "2026-11-01", "2026-11-24"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("this_quarter", "2026-10-01", "2026-11-24"),
        ("last_quarter", "2026-07-01", "2026-09-30"),
        ("this_year", "2026-01-01", "2026-11-24"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("maximum", "2026-01-15", "2026-11-24"),
        ("data_maximum", "2026-01-15", "2026-11-24"),
    ],
)
def test_presets(preset, since, until):
    assert told(date_preset=preset) == [(since, until)]
    assert preset in PRESETS


def test_without_any_it_is_the_last_thirty_days():
    assert told() == told(date_preset="last_30d")


@pytest.mark.parametrize(
    ("increment", "expected"),
    [
        ("all_days", [("2026-01-30", "2026-03-02")]),
        (
            "monthly",
            [("2026-01-30", "2026-01-31"), ("2026-02-01", "2026-02-28"), ("2026-03-01", "2026-03-02")],
        ),
        ("14", [("2026-01-30", "2026-02-12"), ("2026-02-13", "2026-02-26"), ("2026-02-27", "2026-03-02")]),
        ("90", [("2026-01-30", "2026-03-02")]),
    ],
)
def test_increments(increment, expected):
    time_range = '{"since":"2026-01-30","until":"2026-03-02"}'
    assert told(time_range=time_range, time_increment=increment) == expected


def test_ranges_are_taken_as_they_are_whatever_the_increment():
    ranges = "[{'since':'2026-11-02','until':'2026-11-03'},{since:'2026-11-01',until:'2026-11-03'}]"
    assert told(time_ranges=ranges, time_increment="1") == [
        ("2026-11-02", "2026-11-03"),
        ("2026-11-01", "2026-11-03"),
    ]


def test_months_end_where_they_end():
    assert months_before(date(2026, 3, 31), 1) == date(2026, 2, 28)
    assert months_before(date(2026, 1, 31), 37) == date(2022, 12, 31)


@pytest.mark.parametrize(
    "params",
    [
        {"time_range": "x"},
        {"time_range": '{"since":"2026-11-01"}'},
        {"time_range": '{"since":"2026-13-01","until":"2026-11-01"}'},
        {"time_range": '{"since":"2026-11-01","until":"9999-12-31"}'},
        {"time_ranges": "[]"},
        {"time_increment": "0"},
    ],
)
def test_refusals(params):
    with pytest.raises(GraphError):
        told(**params)


def test_older_than_37_months_is_refused_with_its_own_code():
    assert told(time_range='{"since":"2023-10-24","until":"2023-10-24"}')
    with pytest.raises(GraphError) as caught:
        told(time_range='{"since":"2023-10-23","until":"2023-10-24"}')
    assert caught.value.code == 3018
