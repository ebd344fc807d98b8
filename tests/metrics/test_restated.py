"""What sources took back or brought later, and what was known when somebody acted."""

from datetime import date, timedelta

import pytest

from connectors.contract import Window
from connectors.rows import Change
from metrics import annotations, notes, proposals
from metrics.changes import edits
from metrics.restated import known_then, restated
from tests.metrics.conftest import hour, midnight, named, total
from warehouse.access import local
from warehouse.book import Book

DAY = midnight(date(2026, 11, 2))
NEXT = midnight(date(2026, 11, 3))
WHOLE = Window(DAY, NEXT)


@pytest.fixture
def polled(store):
    """Monday of a Google and a Meta campaign: seen at 23:00, again on Tuesday at 9:00 and at 15:00."""
    store.account("google_ads", "g1")
    store.account("meta_ads", "m1")
    store.campaign("google_ads", "g1", named("1", "Brand"))
    for at, conversions, cost, meta in (
        (DAY + timedelta(hours=23), 3.0, 90, 5),
        (NEXT + timedelta(hours=9), 4.0, 90, 5),
        (NEXT + timedelta(hours=15), 7.0, 88, 4),
    ):
        store.reply(
            "google_ads",
            "g1",
            [
                hour(
                    "1",
                    "2026-11-02T09:00",
                    clicks=9,
                    cost=cost,
                    conversions=conversions,
                    value=conversions * 10,
                )
            ],
            seen_at=at,
            window=WHOLE,
        )
        store.reply(
            "meta_ads",
            "m1",
            [hour("7", "2026-11-02T10:00", clicks=9, cost=50, conversions=None)],
            seen_at=at,
            window=WHOLE,
        )
        store.reply(
            "meta_ads",
            "m1",
            [
                total("7", "2026-11-02", meta),
                total("7", "2026-11-02", meta * 3, category="cart", primary=False),
            ],
            seen_at=at,
            window=WHOLE,
        )
    return store


def test_what_the_sources_changed_since(polled):
    # What came by Tuesday at 9:00 had last been looked at on the day itself: arrival, not news of the past.
    google, meta = sorted(restated(polled.warehouse, NEXT), key=lambda r: r.source)

    assert (google.name, google.day) == ("Brand", date(2026, 11, 2))
    assert (google.polls, google.at) == (1, NEXT + timedelta(hours=15))
    assert (google.conversions, google.conversions_now, google.value) == (3, 7, 30)
    assert (google.cost, google.cost_now) == (-2, 88)
    assert google.sentence == "conversions 4 → 7 (+3); spend −€2.00, −2.2 %"
    # what is not primary is no conversion
    assert (meta.name, meta.conversions, meta.conversions_now, meta.cost) == ("7", -1, 4, 0)
    assert meta.sentence == "conversions 5 → 4 (−1)"


def test_only_since_then_and_only_of_whom(polled):
    later = restated(polled.warehouse, NEXT + timedelta(hours=9), {"source": "google_ads"})
    assert [r.conversions for r in later] == [3]
    assert restated(polled.warehouse, NEXT + timedelta(hours=15)) == []
    assert restated(polled.warehouse, NEXT, {"campaign": ["nothing"]}) == []


def cut(store, at):
    store.reply(
        "google_ads",
        "g1",
        [
            Change(
                "c",
                at,
                "anna",
                "web",
                "update",
                "campaign",
                "1",
                "1",
                "",
                '{"status": "ENABLED"}',
                '{"status": "PAUSED"}',
            )
        ],
        window=Window(DAY - timedelta(days=9), NEXT + timedelta(days=9)),
    )
    return edits(store.warehouse, Window(DAY - timedelta(days=9), NEXT + timedelta(days=9)))[0]


def test_what_was_known_when_somebody_acted(polled, book):
    seen = known_then(polled.warehouse, book, cut(polled, NEXT + timedelta(hours=1)))
    # At one in the night three conversions were known of Monday, at 90 spent.
    assert seen.then == {"spend": 90, "conversions": 3, "cpa": 30}
    assert seen.now == {"spend": 88, "conversions": 7, "cpa": pytest.approx(88 / 7)}
    assert seen.differs
    assert (
        seen.sentence == "Known then of the 24 hours before: 3 conversions at €30.00; known now: 7 at €12.57."
    )


def test_before_anybody_watched_nothing_was_known(polled, book):
    assert known_then(polled.warehouse, book, cut(polled, DAY + timedelta(hours=12))) is None


def test_what_is_unchanged_does_not_differ(polled, book):
    ten = NEXT + timedelta(hours=10)
    row = hour("1", "2026-11-03T10:00", clicks=1, cost=5, conversions=1)
    polled.reply(
        "google_ads",
        "g1",
        [row],
        seen_at=ten + timedelta(hours=5),
        window=Window(ten, ten + timedelta(hours=1)),
    )
    seen = known_then(polled.warehouse, book, cut(polled, ten + timedelta(hours=6)))
    assert seen.then == seen.now == {"spend": 5, "conversions": 1, "cpa": 5}
    assert not seen.differs


def test_marks_on_a_chart(polled, tmp_path):
    held = Book.open(tmp_path / "book.sqlite", [notes.CHAPTER, proposals.CHAPTER])
    notes.add(
        held, "Sale begins", at=NEXT + timedelta(hours=8), by=local("ben"), now=NEXT, source="google_ads"
    )
    polled.reply(
        "google_ads",
        "g1",
        [
            Change(
                str(n),
                NEXT + timedelta(hours=2, minutes=m),
                "anna",
                "web",
                "update",
                "campaign",
                "1",
                "1",
                "",
                "{}",
                '{"status": "PAUSED"}',
            )
            for n, m in enumerate((0, 4, 9, 30))
        ],
        window=Window(NEXT, NEXT + timedelta(days=1)),
    )
    found = annotations.marks(polled.warehouse, held, Window(DAY, NEXT + timedelta(days=1)))
    held.close()
    assert [(a.at, a.kind, a.label, a.who) for a in found] == [
        # 3 of Google's and -1 of Meta's, on the day they are about
        (DAY, "restatement", "conversions of this day +2 since", ""),
        (NEXT + timedelta(hours=2), "change", "Brand: status none → paused and 2 more", "anna"),
        (NEXT + timedelta(hours=2, minutes=30), "change", "Brand: status none → paused", "anna"),
        (NEXT + timedelta(hours=8), "note", "Sale begins", "ben"),
    ]
