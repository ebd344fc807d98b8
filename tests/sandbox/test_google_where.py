"""Conditions on values, worked out by hand on one calendar."""

from datetime import date

import pytest

from sandbox.gaql import parse
from sandbox.google_errors import Refused
from sandbox.google_fields import catalogue
from sandbox.google_where import date_range, period_end, period_start, predicate

FIELDS = catalogue("v26")
THURSDAY = date(2026, 11, 12)


def compiled(text):
    condition = parse(f"SELECT campaign.id FROM campaign WHERE {text}").where[0]
    return predicate(condition, FIELDS.field(condition.field), THURSDAY)


@pytest.mark.parametrize(
    ("condition", "passing", "failing"),
    [
        ("campaign.id = 5", [5], [4, None]),
        ("campaign.id = '5'", [5], [4]),
        ("campaign.id != 5", [4], [5, None]),
        ("campaign.id IN (1, 2)", [1, 2], [3, None]),
        ("campaign.id NOT IN (1, 2)", [3], [1, None]),
        ("metrics.clicks >= 3", [3, 4], [2, None]),
        ("metrics.ctr < 0.5", [0.4], [0.5, None]),
        ("metrics.cost_micros BETWEEN 1 AND 3", [1, 2, 3], [0, 4]),
        ("campaign.status = 'ENABLED'", ["ENABLED"], ["PAUSED"]),
        ("campaign.status IN (ENABLED, PAUSED)", ["PAUSED"], ["REMOVED"]),
        ("customer_client.manager = FALSE", [False], [True, None]),
        ("campaign_budget.explicitly_shared = true", [True], [False]),
        # LIKE does not heed letter case; a bracketed wildcard stands for itself.
        ("campaign.name LIKE '%brand%'", ["DE | Brand", "brand"], ["bran", None]),
        ("campaign.name LIKE 'a_c'", ["abc"], ["ac", "abbc"]),
        ("campaign.name LIKE '100[%] off'", ["100% off"], ["100 x off"]),
        ("campaign.name LIKE '[[]a]'", ["[a]"], ["a"]),
        ("campaign.name NOT LIKE '%x%'", ["abc"], ["axc", None]),
        # REGEXP_MATCH matches the whole.
        ("campaign.name REGEXP_MATCH 'a.*'", ["abc"], ["cab", None]),
        ("campaign.name NOT REGEXP_MATCH '(?i)A.*'", ["cab"], ["abc"]),
        ("campaign.labels CONTAINS ANY ('x', 'y')", [["y", "z"]], [["z"], [], None]),
        ("campaign.labels CONTAINS ALL ('x', 'y')", [["y", "x", "z"]], [["x"], None]),
        ("campaign.labels CONTAINS NONE ('x', 'y')", [["z"], [], None], [["x", "z"]]),
        ("campaign.end_date_time IS NULL", [None, ""], ["2026-11-12 00:00:00"]),
        ("campaign.end_date_time IS NOT NULL", ["2026-11-12 00:00:00"], [None]),
        ("segments.date = 20261112", ["2026-11-12"], ["2026-11-11"]),
        ("segments.date DURING YESTERDAY", ["2026-11-11"], ["2026-11-12", "2026-11-10"]),
        # A day stands for its midnight beside a moment.
        (
            "change_event.change_date_time <= '2026-11-12'",
            ["2026-11-11 23:59:59.000000"],
            ["2026-11-12 00:00:01"],
        ),
        ("change_event.change_date_time DURING TODAY", ["2026-11-12 23:59:59.9"], ["2026-11-13 00:00:00.0"]),
    ],
)
def test_operators(condition, passing, failing):
    test = compiled(condition)
    assert [test(value) for value in passing] == [True] * len(passing)
    assert [test(value) for value in failing] == [False] * len(failing)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("campaign.status = RUNNING", "BAD_ENUM_CONSTANT"),
        ("campaign.status = UNKNOWN", "PROHIBITED_ENUM_CONSTANT"),
        ("campaign.status > ENABLED", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.status LIKE 'EN%'", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.id = abc", "BAD_VALUE"),
        ("campaign.id = 1.5", "BAD_VALUE"),
        ("campaign.name = 5", "INVALID_STRING_VALUE"),
        ("campaign.name = brand", "INVALID_STRING_VALUE"),
        ("campaign.name > 'a'", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.name LIKE brand", "INVALID_VALUE_WITH_LIKE_OPERATOR"),
        ("campaign.name REGEXP_MATCH '('", "BAD_VALUE"),
        ("campaign.name CONTAINS ANY ('x')", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.labels = 'x'", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.name DURING TODAY", "OPERATOR_FIELD_MISMATCH"),
        ("customer_client.manager = maybe", "BAD_VALUE"),
        ("segments.date = '2026-02-30'", "INVALID_DATE_FORMAT"),
        ("segments.date = '12.11.2026'", "INVALID_DATE_FORMAT"),
        ("segments.date BETWEEN 'x' AND 'y'", "INVALID_VALUE_WITH_BETWEEN_OPERATOR"),
        ("segments.date DURING LAST_90_DAYS", "INVALID_VALUE_WITH_DURING_OPERATOR"),
    ],
)
def test_what_does_not_fit_its_field(condition, code):
    with pytest.raises(Refused) as caught:
        compiled(condition)
    assert caught.value.code == code


def days(text):
    conditions = parse(f"SELECT campaign.id FROM campaign WHERE {text}").where
    first, last = date_range(conditions, FIELDS.field, THURSDAY)
    return str(first), str(last)


@pytest.mark.parametrize(
    ("literal", "first", "last"),
    [
        ("TODAY", "2026-11-12", "2026-11-12"),
        ("YESTERDAY", "2026-11-11", "2026-11-11"),
        ("LAST_7_DAYS", "2026-11-05", "2026-11-11"),
        ("LAST_14_DAYS", "2026-10-29", "2026-11-11"),
        ("LAST_30_DAYS", "2026-10-13", "2026-11-11"),
        ("THIS_MONTH", "2026-11-01", "2026-11-12"),
        ("LAST_MONTH", "2026-10-01", "2026-10-31"),
        ("THIS_WEEK_MON_TODAY", "2026-11-09", "2026-11-12"),
        ("THIS_WEEK_SUN_TODAY", "2026-11-08", "2026-11-12"),
        ("LAST_WEEK_MON_SUN", "2026-11-02", "2026-11-08"),
        ("LAST_WEEK_SUN_SAT", "2026-11-01", "2026-11-07"),
        ("LAST_BUSINESS_WEEK", "2026-11-02", "2026-11-06"),
    ],
)
def test_every_during_literal(literal, first, last):
    assert days(f"segments.date DURING {literal}") == (first, last)


@pytest.mark.parametrize(
    ("condition", "first", "last"),
    [
        ("segments.date = '2026-11-03'", "2026-11-03", "2026-11-03"),
        ("segments.date > '2026-11-03' AND segments.date < 20261107", "2026-11-04", "2026-11-06"),
        ("segments.date >= '2026-11-03'", "2026-11-03", "None"),
        ("segments.date BETWEEN '2026-11-03' AND '2026-11-05'", "2026-11-03", "2026-11-05"),
        ("segments.week = '2026-11-02'", "2026-11-02", "2026-11-08"),
        ("segments.month = '2026-02-01'", "2026-02-01", "2026-02-28"),
        ("segments.month > '2026-01-01' AND segments.month <= '2026-03-01'", "2026-02-01", "2026-03-31"),
        ("segments.quarter = '2026-10-01'", "2026-10-01", "2026-12-31"),
        ("segments.year = 2024", "2024-01-01", "2024-12-31"),
        ("segments.year = 2026 AND segments.month >= '2026-11-01'", "2026-11-01", "2026-12-31"),
        ("segments.date IN ('2026-11-03', '2026-11-09')", "2026-11-03", "2026-11-09"),
    ],
)
def test_ranges_of_core_dates(condition, first, last):
    assert days(condition) == (first, last)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("segments.date > '2026-11-03' AND segments.date < '2026-11-03'", "DATE_RANGE_TOO_NARROW"),
        ("segments.week = '2026-11-03'", "MISALIGNED_DATE_FOR_FILTER"),
        ("segments.month = '2026-11-02'", "MISALIGNED_DATE_FOR_FILTER"),
        ("segments.quarter = '2026-11-01'", "MISALIGNED_DATE_FOR_FILTER"),
    ],
)
def test_ranges_that_cannot_be(condition, code):
    with pytest.raises(Refused) as caught:
        days(condition)
    assert caught.value.code == code


@pytest.mark.parametrize("segment", ["segments.week", "segments.month", "segments.quarter", "segments.year"])
def test_periods_follow_each_other_without_gap(segment):
    day = start = date(2023, 1, 1) if segment != "segments.week" else date(2023, 1, 2)
    for _ in range(60):
        assert period_start(segment, day) == day
        end = period_end(segment, day)
        assert period_start(segment, end) == day
        day = date.fromordinal(end.toordinal() + 1)
    assert day > start
