"""Conditions of a query as tests of a value, and as the range of days that they leave."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.google_errors import query_error
from sandbox.google_fields import CORE_DATES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sandbox.gaql import Condition, Value
    from sandbox.google_fields import Field

__all__ = ["Range", "date_range", "during", "period_end", "period_start", "predicate"]

_ORDERED = {"INT32", "INT64", "UINT64", "DOUBLE", "FLOAT", "DATE"}
_TEXT = {"STRING", "RESOURCE_NAME", "DATE"}

Range = tuple[date | None, date | None]
"""First and last day, both inclusive; None where a side is open."""


def predicate(condition: Condition, field: Field, today: date) -> Callable[[Any], bool]:
    """A test for one value of `field`: an enum's constant, a number, text, a boolean, or a list of those.

    today: the day on the account's clock, which DURING counts from. An unset value passes only IS NULL and
    CONTAINS NONE. Raises Refused where operator or value does not fit the field.
    """
    operator = condition.operator
    if operator == "IS NULL":
        return lambda value: value is None or value in ([], "")
    if operator == "IS NOT NULL":
        return lambda value: not (value is None or value in ([], ""))
    if operator.startswith("CONTAINS"):
        return _contains(condition, field)
    if field.repeated:
        raise _mismatch(condition)
    if operator == "DURING":
        low, high = during(condition, field, today)
        first, after = low.isoformat(), (high + timedelta(days=1)).isoformat()
        return lambda value: value is not None and first <= value < after
    if operator in {"LIKE", "NOT LIKE", "REGEXP_MATCH", "NOT REGEXP_MATCH"}:
        return _pattern(condition, field)
    values = [_value(value, field, condition) for value in condition.values]
    if operator in {"=", "IN"}:
        return set(values).__contains__
    if operator in {"!=", "NOT IN"}:
        excluded = set(values)
        return lambda value: value is not None and value not in excluded
    if field.kind not in _ORDERED:
        raise _mismatch(condition)
    bound = values[0]
    if operator == "BETWEEN":
        low_bound, high_bound = values
        return lambda value: value is not None and low_bound <= value <= high_bound
    if operator == ">":
        return lambda value: value is not None and value > bound
    if operator == ">=":
        return lambda value: value is not None and value >= bound
    if operator == "<":
        return lambda value: value is not None and value < bound
    return lambda value: value is not None and value <= bound


def _contains(condition: Condition, field: Field) -> Callable[[Any], bool]:
    if not field.repeated:
        raise _mismatch(condition)
    wanted = {_value(value, field, condition) for value in condition.values}

    def held(value: Collection[Any] | None) -> set[Any]:
        return wanted.intersection(value or ())

    if condition.operator == "CONTAINS ANY":
        return lambda value: bool(held(value))
    if condition.operator == "CONTAINS ALL":
        return lambda value: held(value) == wanted
    return lambda value: not held(value)


def _pattern(condition: Condition, field: Field) -> Callable[[Any], bool]:
    if field.kind not in _TEXT:
        raise _mismatch(condition)
    text = condition.values[0]
    negated = condition.operator.startswith("NOT")
    if condition.operator.endswith("LIKE"):
        if text.kind != "string":
            raise query_error("INVALID_VALUE_WITH_LIKE_OPERATOR", f"Invalid value with LIKE: {text.text}.")
        pattern = _like(text.text)
    else:
        try:
            pattern = re.compile(text.text)
        except re.error as error:
            raise query_error("BAD_VALUE", f"Invalid regular expression '{text.text}': {error}.") from None
    return lambda value: value is not None and (pattern.fullmatch(value) is not None) != negated


def _like(text: str) -> re.Pattern[str]:
    """LIKE's wildcards % and _, either of them literal in brackets; letter case does not count."""
    parts = re.findall(r"\[[\[\]%_]\]|.", text, re.DOTALL)
    special = {"%": ".*", "_": "."}
    return re.compile(
        "".join(
            re.escape(part[1]) if len(part) == 3 else special.get(part, re.escape(part)) for part in parts
        ),
        re.IGNORECASE | re.DOTALL,
    )


def _value(value: Value, field: Field, condition: Condition) -> Any:
    text = value.text
    if field.kind == "ENUM":
        if field.enum is None or text not in field.enum:
            raise query_error(
                "BAD_ENUM_CONSTANT", f"Invalid enum value cannot be included in WHERE clause: '{text}'."
            )
        if text in {"UNSPECIFIED", "UNKNOWN"}:
            raise query_error(
                "PROHIBITED_ENUM_CONSTANT", f"Enum value cannot be included in WHERE clause: '{text}'."
            )
        return text
    if field.kind == "BOOLEAN":
        if text.lower() not in {"true", "false", "0", "1"}:
            raise query_error("BAD_VALUE", f"Invalid value for {field.name}: '{text}'.")
        return text.lower() in {"true", "1"}
    if field.kind == "DATE":
        return _moment(value, condition)
    if field.kind in _ORDERED:
        try:
            return int(text) if field.kind.endswith(("32", "64")) else float(text)
        except ValueError:
            raise query_error("BAD_VALUE", f"Invalid value for {field.name}: '{text}'.") from None
    if value.kind != "string":
        raise query_error("INVALID_STRING_VALUE", f"The value of {field.name} must be a string: {text}.")
    return text


def _moment(value: Value, condition: Condition) -> str:
    """A day as YYYY-MM-DD, or a moment as YYYY-MM-DD HH:MM:SS[.ffffff]; comparable as text."""
    text = value.text
    if re.fullmatch(r"\d{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    try:
        datetime.fromisoformat(text)
    except ValueError:
        code = (
            "INVALID_VALUE_WITH_BETWEEN_OPERATOR"
            if condition.operator == "BETWEEN"
            else "INVALID_DATE_FORMAT"
        )
        raise query_error(code, f"Invalid date format: '{value.text}'. Expected 'YYYY-MM-DD'.") from None
    return text


def _mismatch(condition: Condition) -> Exception:
    return query_error(
        "OPERATOR_FIELD_MISMATCH",
        f"Operator '{condition.operator}' cannot be used with the field '{condition.field}'.",
    )


def during(condition: Condition, field: Field, today: date) -> tuple[date, date]:
    """First and last day of a DURING literal; weeks start on Monday unless the literal says Sunday."""
    if field.kind != "DATE":
        raise _mismatch(condition)
    day = timedelta(days=1)
    monday = today - today.weekday() * day
    sunday = today - ((today.weekday() + 1) % 7) * day
    first_of_month = today.replace(day=1)
    ranges = {
        "TODAY": (today, today),
        "YESTERDAY": (today - day, today - day),
        "LAST_7_DAYS": (today - 7 * day, today - day),
        "LAST_14_DAYS": (today - 14 * day, today - day),
        "LAST_30_DAYS": (today - 30 * day, today - day),
        "LAST_BUSINESS_WEEK": (monday - 7 * day, monday - 3 * day),
        "LAST_WEEK_MON_SUN": (monday - 7 * day, monday - day),
        "LAST_WEEK_SUN_SAT": (sunday - 7 * day, sunday - day),
        "LAST_MONTH": ((first_of_month - day).replace(day=1), first_of_month - day),
        "THIS_MONTH": (first_of_month, today),
        "THIS_WEEK_MON_TODAY": (monday, today),
        "THIS_WEEK_SUN_TODAY": (sunday, today),
    }
    literal = condition.values[0]
    if literal.kind != "literal" or literal.text.upper() not in ranges:
        raise query_error(
            "INVALID_VALUE_WITH_DURING_OPERATOR",
            f"Invalid date literal supplied for DURING operator: {literal.text}.",
        )
    return ranges[literal.text.upper()]


def date_range(
    conditions: Collection[Condition], field_of: Callable[[str], Field | None], today: date
) -> Range:
    """The days that the conditions on core date segments leave; either side may be open.

    Raises Refused for a start after the end, and for a week, month or quarter that starts at no such day.
    """
    first: date | None = None
    last: date | None = None
    for condition in conditions:
        field = field_of(condition.field)
        if condition.field not in CORE_DATES or field is None:
            continue
        low, high = _bounds(condition, field, today)
        first = low if first is None else first if low is None else max(first, low)
        last = high if last is None else last if high is None else min(last, high)
    if first is not None and last is not None and first > last:
        raise query_error(
            "DATE_RANGE_TOO_NARROW", f"The date range is empty: it starts at {first} and ends at {last}."
        )
    return first, last


def _bounds(condition: Condition, field: Field, today: date) -> Range:
    if condition.operator == "DURING":
        return during(condition, field, today)
    if condition.operator not in {"=", "BETWEEN", ">", ">=", "<", "<=", "IN"}:
        return None, None
    days = []
    for value in condition.values:
        if field.name == "segments.year":
            days.append(date(int(_value(value, field, condition)), 1, 1))
            continue
        day = datetime.fromisoformat(_moment(value, condition)).date()
        if period_start(field.name, day) != day:
            raise query_error(
                "MISALIGNED_DATE_FOR_FILTER",
                f"The date '{day}' of the filter on '{field.name}' is not the start of such a period.",
            )
        days.append(day)
    low, high = min(days), max(days)
    if condition.operator in {"=", "BETWEEN", "IN"}:
        return low, period_end(field.name, high)
    if condition.operator == ">":
        return period_end(field.name, low) + timedelta(days=1), None
    if condition.operator == ">=":
        return low, None
    if condition.operator == "<":
        return None, low - timedelta(days=1)
    return None, period_end(field.name, low)


def period_start(segment: str, day: date) -> date:
    """The first day of the week (from Monday), month, quarter or year that `day` falls in."""
    if segment == "segments.week":
        return day - timedelta(days=day.weekday())
    if segment == "segments.month":
        return day.replace(day=1)
    if segment == "segments.quarter":
        return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    return day.replace(month=1, day=1) if segment == "segments.year" else day


def period_end(segment: str, start: date) -> date:
    """The last day of the period that starts at `start`."""
    lengths = {"segments.date": 0, "segments.week": 6, "segments.month": 31, "segments.quarter": 93}
    if segment in {"segments.date", "segments.week"}:
        return start + timedelta(days=lengths[segment])
    later = start + timedelta(days=lengths.get(segment, 366))
    return period_start(segment, later) - timedelta(days=1)
