"""The catalogue: an entry for every file, found by name, formula and owner, with its way from source to dashboard."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from alerts.catalog import Current, entries, next_reviews, whole
from alerts.routes import Routing
from connectors import registry
from metrics import catalog, history, model, reviews, usage
from metrics.catalog import Ref
from metrics.dashboards import shipped
from metrics.in_words import in_words
from service import rules
from warehouse.access import Actor, Denied, Role, local
from warehouse.audit import Audit
from warehouse.book import Book

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
METRICS = model.load()
RULES = rules.load(Path("nowhere"), Routing(), METRICS)
KNOWN = whole(METRICS, shipped(), registry.connectors(), RULES)


@pytest.fixture
def book(tmp_path):
    chapters = [history.CHAPTER, reviews.CHAPTER, usage.CHAPTER]
    opened = Book.open(tmp_path / "book.sqlite", chapters)
    yield opened
    opened.close()


def refs(*texts: str) -> list[Ref]:
    return [Ref.of(text) for text in texts]


def test_every_file_has_its_entry_with_an_owner_and_a_meaning():
    named = {str(ref) for ref in KNOWN.entries}
    root = Path(__file__).resolve().parents[2]
    assert {f"metric {p.stem}" for p in (root / "metrics/definitions").glob("*.sql")} <= named
    assert {f"view {p.stem}" for p in (root / "metrics/views").glob("*.sql")} <= named
    assert {f"rule {rule.id}" for rule in RULES} <= named
    assert {"source google_ads", "table delivery", "dashboard overview"} <= named
    assert [ref for ref, one in KNOWN.entries.items() if not (one.owner and one.means)] == []


def test_nobody_reads_what_is_not_there():
    assert {to for one in KNOWN.entries.values() for to in one.reads} - set(KNOWN.entries) == set()


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("cpa", "Spend ÷ primary conversions"),
        ("roas", "Value of the primary conversions ÷ spend"),
        ("cpm", "Spend ÷ times shown × 1,000"),
        ("ctr", "Clicks ÷ times shown"),
        ("impression_share", "Times shown (where that is known) ÷ impressions it was eligible for"),
        ("active_users", "Visitors who did something in the minute ÷ how many different minutes"),
    ],
)
def test_a_formula_is_said_in_the_words_of_its_columns(metric, said):
    assert in_words(METRICS[metric]) == said


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("cpa", "metric cpa"),
        ("Cost per acquisition", "metric cpa"),
        ("return on ad", "metric roas"),
        ("overview", "dashboard overview"),
        ("performance-team roas", "metric roas"),
        ("sum(cost) nullif leads", "metric cpl"),
        ("google ads", "source google_ads"),
        ("spend-pace", "rule spend-pace"),
    ],
)
def test_search_finds_by_name_title_owner_and_formula(asked, first):
    assert str(KNOWN.search(asked)[0].ref) == first


def test_a_search_for_nothing_that_is_there_finds_nothing():
    assert KNOWN.search("zeppelin") == []
    assert KNOWN.search("cpa zeppelin") == []


def test_the_way_of_a_number_from_its_sources_to_what_people_see():
    steps = set(KNOWN.lineage(Ref("metric", "cpa")))
    assert {
        (Ref("source", "google_ads"), Ref("table", "delivery")),
        (Ref("table", "day_totals"), Ref("view", "delivery")),
        (Ref("view", "delivery"), Ref("metric", "cpa")),
        (Ref("metric", "cpa"), Ref("rule", "cost-per-acquisition")),
        (Ref("metric", "cpa"), Ref("dashboard", "overview")),
    } <= steps
    # Not what its view feeds besides, nor what else its dashboards show.
    assert not any(Ref("metric", "cpc") in step for step in steps)


def test_a_metric_is_for_whom_its_dashboards_are():
    assert KNOWN.audience(Ref("metric", "availability")) == next(
        one.audience for one in shipped() if one.id == "website"
    )


def test_two_degrees_of_a_rule_are_one_entry():
    (one,) = [one for one in entries(RULES) if one.ref.name == "cost-per-lead"]
    assert one.facts["Severity"] == "warning, critical"
    assert one.reads == (Ref("metric", "cpl"),)
    assert "Pause the campaign unless somebody knows why" in one.facts["What to do"]


def test_a_change_of_any_definition_is_noted_once_and_shown(book):
    boards = [shipped()]
    current = Current(book, metrics=lambda: METRICS, dashboards=lambda: boards[0], sources=["fx"])
    current(NOW)
    assert history.newest(book) == []
    first, *rest = shipped()
    boards[0] = (first.model_copy(update={"owner": "dana"}), *rest)
    later = NOW + timedelta(hours=1)
    assert current(later).entries[Ref("dashboard", "overview")].owner == "dana"
    current(later)
    ((subject, change),) = history.newest(book)
    assert (subject, change.at, change.what) == ("dashboard overview", later, "changed")
    assert "-owner: marketing" in change.diff
    assert "+owner: dana" in change.diff
    boards[0] = tuple(rest)
    current(later)
    assert [c.what for c in history.read(book, Ref("dashboard", "overview"))] == [
        "removed",
        "changed",
        "first seen",
    ]


def test_looks_are_counted_by_day_and_readers_are_not_named(book):
    cpa, today = Ref("metric", "cpa"), NOW.date()
    for reader, days in (("ana", 0), ("ana", 0), ("ben", 3), ("ana", 100)):
        usage.count(book, cpa, reader, NOW - timedelta(days=days))
    assert usage.read(book, today - timedelta(days=91)) == {"metric cpa": usage.Usage(3, 2, today)}
    stored = book.read("SELECT * FROM viewed")
    assert "ana" not in str(stored)
    usage.count(book, cpa, "ana", NOW + timedelta(days=301))
    assert len(book.read("SELECT * FROM viewed")) == 3  # the look of 401 days before that is forgotten


def test_a_decision_sets_the_next_date_until_the_file_has_another(book):
    rule = KNOWN.entries[Ref("rule", "stale")]
    assert rule.review == date(2027, 2, 1)
    made = reviews.decide(
        book, rule, "change", note="Too slow.", upon=date(2026, 12, 8), by=local("dana"), now=NOW
    )
    (after,) = reviews.dated([rule], reviews.latest(book))
    assert (after.review, after.reviewed) == (date(2026, 12, 8), date(2026, 11, 24))
    assert after.overdue(date(2026, 12, 9))
    assert not after.overdue(date(2026, 12, 8))
    assert next_reviews(RULES, reviews.latest(book))["stale"] == date(2026, 12, 8)
    assert next_reviews(RULES, reviews.latest(book))["spend-pace"] == date(2027, 2, 1)
    moved = catalog.Entry(rule.ref, rule.title, rule.owner, "", "", review=date(2027, 5, 1))
    assert reviews.dated([moved], reviews.latest(book))[0].review == date(2027, 5, 1)
    assert reviews.history(book, rule.ref) == [made]
    entry = Audit(book).entries()[0]
    assert (entry.actor, entry.action, entry.subject) == ("dana", "reviewed", "rule stale")
    assert entry.detail["decision"] == "change"


@pytest.mark.parametrize(
    ("choice", "note", "days", "told"),
    [
        ("retire", " ", 14, "say what to retire, and why"),
        ("keep", "", 0, "cannot be on 2026-11-24"),
        ("keep", "", 367, "within a year"),
        ("burn", "x", 14, "is no decision"),
    ],
)
def test_a_decision_that_says_too_little_is_refused(book, choice, note, days, told):
    entry = KNOWN.entries[Ref("dashboard", "overview")]
    with pytest.raises(ValueError, match=told):
        reviews.decide(
            book, entry, choice, note=note, upon=NOW.date() + timedelta(days=days), by=local("dana"), now=NOW
        )
    assert reviews.latest(book) == {}


def test_a_viewer_decides_nothing(book):
    entry = KNOWN.entries[Ref("dashboard", "overview")]
    with pytest.raises(Denied):
        reviews.decide(
            book, entry, "keep", note="", upon=date(2027, 1, 1), by=Actor("v", Role.VIEWER), now=NOW
        )
    assert Audit(book).entries()[0].action == "was refused"


def test_the_reference_pages_are_those_of_the_definitions():
    root = Path(__file__).resolve().parents[2]
    # In a process of its own: what other tests plug in is none of our sources.
    script = "import json; from tools.reference import pages; print(json.dumps(pages()))"
    made = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    folder = root / "docs" / "reference"
    pages = json.loads(made.stdout)
    stale = [name for name, text in pages.items() if (folder / name).read_text(encoding="utf-8") != text]
    assert stale == [], "run python tools/reference.py"
