"""The evidence for a review, and who hears that one is overdue."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from alerts import evidence
from alerts.catalog import whole
from alerts.digest.reviews import due, remind
from alerts.evidence import Level, Sign, Signs
from alerts.notify.contract import Severity, unpack
from alerts.outbox import Outbox
from alerts.records import CHAPTER
from alerts.review import Reviewed
from alerts.routes import Routing
from metrics import model
from metrics.catalog import Catalog, Ref
from metrics.dashboards import shipped
from metrics.usage import Usage
from service import rules
from warehouse.book import Book

NOW = datetime(2027, 2, 3, 10, tzinfo=UTC)  # a Wednesday of week 5
METRICS = model.load()
RULES = rules.load(Path("nowhere"), Routing(), METRICS)
KNOWN = whole(METRICS, shipped(), ["google_ads"], RULES)
CPL = next(rule for rule in RULES if rule.id == "cost-per-lead" and str(rule.severity) == "warning")


INFO = CPL.model_copy(update={"severity": Severity.INFO})


def figures(**said) -> Reviewed:
    base = Reviewed(CPL, 20, 9, 30.0, 0, 10, 10, 5, timedelta(minutes=8), 3, 1)
    return replace(base, **said)


def signs(**said) -> Signs:
    base = Signs(KNOWN, NOW.date(), timedelta(days=91), {}, date(2026, 11, 1), ["marketing"], (), {})
    return replace(base, **said)


def first(ref: str, told: Signs) -> Sign:
    return told.of(KNOWN.entries[Ref.of(ref)])[0]


@pytest.mark.parametrize(
    ("ref", "told", "state", "text"),
    [
        ("dashboard revenue", signs(), "bad", "Nobody opened it in 91 days."),
        ("dashboard revenue", signs(counted=date(2027, 1, 20)), "none", "Not opened in the 15 days since looks are counted."),
        ("dashboard revenue", signs(looks={"dashboard revenue": Usage(7, 2, date(2027, 2, 2))}), "good", "marketing owns it"),
        ("dashboard revenue", signs(people=["dana"], looks={"dashboard revenue": Usage(1, 1, NOW.date())}), "warn", "none of alerts.people"),
        ("dashboard revenue", signs(people=[], looks={"dashboard revenue": Usage(1, 1, NOW.date())}), "none", "names nobody yet"),
        ("dashboard revenue", signs(changed={"dashboard revenue": NOW}, looks={"dashboard revenue": Usage(1, 1, NOW.date())}), "warn", "Changed on 3 Feb 2027."),
        ("rule cost-per-lead", signs(figures=[figures()]), "good", "marketing owns it"),
        ("rule cost-per-lead", signs(figures=[figures(acted=2)]), "bad", "10 incidents told, 20 % acted on; called useful 3, noise 1 times. Hardly anybody acts on it"),
        ("rule cost-per-lead", signs(figures=[figures(told=4, acted=0)]), "good", "marketing owns it"),
        ("rule cost-per-lead", signs(figures=[figures(acted=0, days=1)]), "good", "marketing owns it"),  # today's
        ("rule cost-per-lead", signs(figures=[figures(acted=0, rule=INFO)]), "good", "marketing owns it"),
        ("rule cost-per-lead", signs(figures=[figures(noise=4)]), "warn", "More people call it noise than useful."),
        ("rule cost-per-lead", signs(figures=[figures(flaps=4)]), "warn", "It came and went 4 times"),
        ("rule cost-per-lead", signs(figures=[figures(fires=0)]), "none", "Warning: never fired in 91 days."),
        ("rule cost-per-lead", signs(figures=[figures(fires=0)], counted=NOW.date()), "none", "Warning: has not fired in 1 day; too few to judge it by."),
        ("metric settled_cpl", signs(people=["performance-team"]), "warn", "Nothing uses it"),
        ("view segments", signs(people=["performance-team"]), "none", "No metric is read from it"),
    ],
)  # fmt: skip
def test_the_evidence_says_the_worst_first(ref, told, state, text):
    found = first(ref, told)
    assert (found.state, text in found.text) == (state, True), found


def test_a_metric_says_how_many_use_it():
    found = signs(people=["performance-team"]).of(KNOWN.entries[Ref("metric", "cpa")])
    by = {one.kind for one in KNOWN.readers(Ref("metric", "cpa"))}
    assert by == {"rule", "dashboard"}
    assert any(sign.state == "good" and sign.text.startswith("Used by ") for sign in found)


@pytest.mark.parametrize(
    ("values", "state", "text"),
    [
        ([30, 45], "good", "B €45.00, fires over €120; A €30.00, fires over €120"),
        ([30, 130], "bad", "1 of 2 accounts are past it on average"),
        ([10, 29], "warn", "No account comes near it"),  # 29 of 120 is less than a quarter
    ],
)
def test_a_limit_is_held_against_the_present(values, state, text):
    at = evidence.limit(CPL, 60.0, None)
    assert at == 120.0
    levels = [Level(name, "EUR", value, at) for name, value in zip("AB", values, strict=True)]
    found = evidence.present(METRICS["cpl"], levels, below=False)
    assert found is not None
    assert (found.state, text in found.text) == (state, True), found.text


def test_a_rule_without_a_target_has_no_plain_limit():
    assert evidence.limit(CPL, None, 30.0) is None
    pace = next(rule for rule in RULES if rule.id == "spend-pace")
    assert evidence.limit(pace, 60.0, 30.0) is None
    week = next(rule for rule in RULES if rule.id == "conversion-rate-as-worded")
    assert evidence.limit(week, None, 0.04) == 0.02


def test_due_is_what_is_overdue_or_within_a_week():
    listed = [replace(one, review=date(2027, 5, 1)) for one in KNOWN.entries.values() if one.review]
    listed[0] = replace(listed[0], review=date(2027, 2, 10))
    listed[1] = replace(listed[1], review=date(2027, 2, 11))
    listed[2] = replace(listed[2], review=date(2027, 1, 2))
    assert [one.ref for one in due(Catalog(listed), NOW.date())] == [listed[2].ref, listed[0].ref]


def test_each_owner_hears_once_a_week_of_all_that_waits(tmp_path):
    book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    outbox = Outbox(book)
    routing = Routing.model_validate(
        {
            "people": [
                {"name": "dana", "email": "dana@example.com"},
                {"name": "erin", "slack": "U0ERIN0001", "email": "erin@example.com"},
            ],
            "manager": "erin",
        }
    )
    overview, revenue = (KNOWN.entries[Ref("dashboard", name)] for name in ("overview", "revenue"))
    waiting = [
        replace(overview, owner="dana", review=date(2027, 2, 1)),
        replace(revenue, owner="dana", review=date(2027, 1, 1)),
        replace(KNOWN.entries[Ref("metric", "cpa")], review=date(2027, 1, 31)),  # a team's name owns it
    ]

    def tell(now: datetime) -> int:
        defaults = {"email": "", "slack": "#marketing"}
        return remind(outbox, routing, defaults, waiting, app="https://p.example", installation="i", now=now)

    assert tell(NOW.replace(hour=8)) == 0
    assert tell(NOW) == 2
    assert tell(NOW + timedelta(days=4)) == 0  # Sunday of the same week
    letters = {letter["recipient"]: letter for letter in outbox.letters()}
    assert set(letters) == {"dana@example.com", "erin@example.com"}
    message = unpack(
        book.read("SELECT message FROM outbox WHERE recipient = 'dana@example.com'")[0]["message"]
    )
    assert message.headline == "2 reviews of dana wait for a decision"
    assert [line.text for line in message.sections[0].lines] == ["Overview", "Revenue"]
    assert message.sections[0].lines[1].url == "https://p.example/reviews?dashboard=revenue"
    assert tell(NOW + timedelta(days=5)) == 2
    book.close()
