"""The grammar, against the published one, and the error that each mistake gets."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.gaql import Condition, Ordering, Query, Value, parse
from sandbox.google_errors import Refused


def literal(text):
    return Value("literal", text)


def number(text):
    return Value("number", text)


def string(text):
    return Value("string", text)


def condition(text):
    return parse(f"SELECT a.b FROM c WHERE {text}").where[0]


def test_every_clause():
    query = parse(
        """
        select campaign.id, metrics.clicks
        From campaign
        wHERE campaign.status = ENABLED AND metrics.clicks > 3
        ORDER  BY metrics.clicks DESC, campaign.id, campaign.name asc
        LIMIT 50
        PARAMETERS include_drafts=true, omit_unselected_resource_names = TRUE;
        """
    )
    assert query == Query(
        select=("campaign.id", "metrics.clicks"),
        resource="campaign",
        where=(
            Condition("campaign.status", "=", (literal("ENABLED"),)),
            Condition("metrics.clicks", ">", (number("3"),)),
        ),
        order_by=(
            Ordering("metrics.clicks", descending=True),
            Ordering("campaign.id"),
            Ordering("campaign.name"),
        ),
        limit=50,
        include_drafts=True,
        omit_unselected_resource_names=True,
    )


def test_from_may_be_left_out_for_the_field_service():
    assert parse("SELECT name WHERE name LIKE 'campaign.%'").resource == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=1", Condition("a.b", "=", (number("1"),))),
        ("a.b != -1.5", Condition("a.b", "!=", (number("-1.5"),))),
        ("a.b >= 'x'", Condition("a.b", ">=", (string("x"),))),
        ("a.b <= x", Condition("a.b", "<=", (literal("x"),))),
        ("a.b < 20261101", Condition("a.b", "<", (number("20261101"),))),
        ("a.b in (MOBILE, DESKTOP)", Condition("a.b", "IN", (literal("MOBILE"), literal("DESKTOP")))),
        ("a.b NOT  IN (1,2)", Condition("a.b", "NOT IN", (number("1"), number("2")))),
        ("a.b LIKE '%x[_]%'", Condition("a.b", "LIKE", (string("%x[_]%"),))),
        ("a.b not like 'x'", Condition("a.b", "NOT LIKE", (string("x"),))),
        ("a.b CONTAINS ANY ('x', 'y')", Condition("a.b", "CONTAINS ANY", (string("x"), string("y")))),
        ("a.b contains all ('x')", Condition("a.b", "CONTAINS ALL", (string("x"),))),
        ('a.b CONTAINS NONE ("x")', Condition("a.b", "CONTAINS NONE", (string("x"),))),
        ("a.b IS NULL", Condition("a.b", "IS NULL")),
        ("a.b is not null", Condition("a.b", "IS NOT NULL")),
        ("a.b DURING LAST_30_DAYS", Condition("a.b", "DURING", (literal("LAST_30_DAYS"),))),
        ("a.b BETWEEN '1' AND '2'", Condition("a.b", "BETWEEN", (string("1"), string("2")))),
        ("a.b REGEXP_MATCH '.*'", Condition("a.b", "REGEXP_MATCH", (string(".*"),))),
        ("a.b NOT REGEXP_MATCH '.*'", Condition("a.b", "NOT REGEXP_MATCH", (string(".*"),))),
        (r"a.b = 'it\'s'", Condition("a.b", "=", (string("it's"),))),
        (r'a.b = "say \"x\" \\ y"', Condition("a.b", "=", (string('say "x" \\ y'),))),
        ("a.b = 'ünïcode'", Condition("a.b", "=", (string("ünïcode"),))),
    ],
)
def test_conditions(text, expected):
    assert condition(text) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "EXPECTED_SELECT"),
        ("garbage", "EXPECTED_SELECT"),
        ("DELETE FROM campaign", "EXPECTED_SELECT"),
        ("SELECT", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT a.b FROM", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT a.b FROM c WHERE", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT a.b FROM c WHERE a.b =", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT a.b FROM c LIMIT", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT a.b, FROM c", "UNEXPECTED_INPUT"),
        ("SELECT * FROM c", "UNEXPECTED_INPUT"),
        ("SELECT a.b FROM c, d", "UNEXPECTED_INPUT"),
        ("SELECT a.b FROM c LIMIT 5 WHERE a.b = 1", "UNEXPECTED_INPUT"),
        ("SELECT a.b FROM c WHERE a.b = 1 OR a.b = 2", "UNEXPECTED_INPUT"),
        ("SELECT a.b FROM c ORDER a.b", "EXPECTED_BY"),
        ("SELECT a.b FROM c WHERE a.b ~ 1", "BAD_OPERATOR"),
        ("SELECT a.b FROM c WHERE a.b 1", "BAD_OPERATOR"),
        ("SELECT a.b FROM c WHERE a.b BETWEEN 1 2", "EXPECTED_AND"),
        (
            "SELECT a.b FROM c WHERE a.b BETWEEN 1 AND '2'",
            "PROHIBITED_VALUE_COMBINATION_WITH_BETWEEN_OPERATOR",
        ),
        ("SELECT a.b FROM c WHERE a.b = 'x", "STRING_NOT_TERMINATED"),
        ("SELECT a.b FROM c WHERE a.b = 'x\ny'", "PROHIBITED_NEWLINE_IN_STRING"),
        (r"SELECT a.b FROM c WHERE a.b = 'x\qy'", "BAD_ESCAPE_SEQUENCE"),
        ("SELECT ä.b FROM c", "BAD_SYMBOL"),
        ("SELECT a.b FROM c WHERE a.b IN ()", "PROHIBITED_EMPTY_LIST_IN_CONDITION"),
        ("SELECT a.b FROM c WHERE a.b IN (1, 'x')", "PROHIBITED_VALUE_COMBINATION_IN_LIST"),
        ("SELECT a.b FROM c WHERE a.b IN 1", "EXPECTED_LIST"),
        ("SELECT a.b FROM c WHERE a.b = (1, 2)", "EXPECTED_SINGLE_VALUE"),
        ("SELECT a.b FROM c LIMIT five", "BAD_LIMIT_VALUE"),
        ("SELECT a.b FROM c LIMIT 1.5", "BAD_LIMIT_VALUE"),
        ("SELECT a.b FROM c LIMIT 0", "LIMIT_VALUE_TOO_LOW"),
        ("SELECT a.b FROM c PARAMETERS fast=true", "BAD_PARAMETER_NAME"),
        ("SELECT a.b FROM c PARAMETERS include_drafts=perhaps", "BAD_PARAMETER_VALUE"),
    ],
)
def test_mistakes(query, code):
    with pytest.raises(Refused) as caught:
        parse(query)
    assert (caught.value.kind, caught.value.code) == ("query_error", code)


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text):
    for query in (text, f"SELECT a.b FROM c {text}", f"SELECT a.b FROM c WHERE a.b = {text}"):
        with contextlib.suppress(Refused):
            assert isinstance(parse(query), Query)


@given(st.text(st.characters(exclude_characters="\n"), max_size=40))
def test_a_quoted_string_comes_back_as_it_was(text):
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert condition(f"a.b = '{quoted}'").values == (string(text),)
