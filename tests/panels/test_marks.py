"""Where what happened stands on a chart, whatever its axis."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from metrics.annotations import Annotation
from panels._marks import by_hour, by_moment, by_step, on

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 3, 8, tzinfo=UTC)


def named(names):
    return {
        "height": 100,
        "data": {"values": [{"n": n, "at": name, "value": 1} for n, name in enumerate(names)]},
        "mark": "line",
        "encoding": {"x": {"field": "at", "type": "ordinal"}, "y": {"field": "value"}},
    }


@pytest.mark.parametrize(
    ("minutes", "name"),
    [(-1, None), (0, "nine"), (59, "nine"), (60, "ten"), (179, "eleven"), (180, None)],
)
def test_a_moment_stands_at_the_step_that_holds_it(minutes, name):
    hours = [START + timedelta(hours=n) for n in range(3)]
    place = by_step(named(["nine", "ten", "eleven"]), hours, BERLIN)
    assert place(START + timedelta(minutes=minutes)) == name


@pytest.mark.parametrize(
    ("at", "name"),
    [
        # 23:30 UTC is the next day in Berlin
        (datetime(2026, 11, 1, 23, 30, tzinfo=UTC), "2 Nov"),
        (datetime(2026, 11, 1, 22, 30, tzinfo=UTC), None),
        (datetime(2026, 11, 3, 22, 59, tzinfo=UTC), "3 Nov"),
        (datetime(2026, 11, 3, 23, 0, tzinfo=UTC), None),
    ],
)
def test_a_day_is_the_readers(at, name):
    place = by_step(named(["2 Nov", "3 Nov"]), [date(2026, 11, 2), date(2026, 11, 3)], BERLIN)
    assert place(at) == name


def test_hours_and_moments_are_told_on_the_same_clock():
    assert by_hour(date(2026, 11, 3), BERLIN)(START + timedelta(minutes=15)) == 9.25
    assert by_hour(date(2026, 11, 4), BERLIN)(START) is None
    assert by_moment(BERLIN)(START) == "2026-11-03T09:00:00"
    day = by_moment(BERLIN, (START, START + timedelta(hours=1)))
    assert day(START) == "2026-11-03T09:00:00"
    assert day(START - timedelta(seconds=1)) is None
    assert day(START + timedelta(hours=2)) is None


def test_marks_lie_over_the_chart_and_say_their_story():
    spec = named(["nine", "ten"])
    hours = [START, START + timedelta(hours=1)]
    found = [
        Annotation(START, "change", "Brand: daily budget €50 → €80", "anna"),
        Annotation(START + timedelta(hours=1), "note", "Sale", "ben"),
        Annotation(START + timedelta(days=2), "note", "off the chart"),
    ]
    drawn = on(spec, found, by_step(spec, hours, BERLIN), BERLIN)

    chart, *layers = drawn["layer"]
    assert chart["mark"] == "line"
    assert (drawn["height"], "height" in chart) == (100, False)
    # a line and a symbol for each kind, in its own shape
    assert [(one["mark"]["type"], one["mark"].get("shape")) for one in layers] == [
        ("rule", None),
        ("point", "diamond"),
        ("rule", None),
        ("point", "circle"),
    ]
    assert [one["data"]["values"] for one in layers[1::2]] == [
        [
            {
                "at": "nine",
                "kind": "Change",
                "what": "Brand: daily budget €50 → €80",
                "who": "anna",
                "when": "Tue 3 Nov 09:00",
            }
        ],
        [{"at": "ten", "kind": "Note", "what": "Sale", "who": "ben", "when": "Tue 3 Nov 10:00"}],
    ]
    assert all(one["encoding"]["x"] == spec["encoding"]["x"] for one in layers)


def test_a_chart_without_marks_stays_as_it_is():
    spec = named(["nine"])
    assert on(spec, [], by_step(spec, [START], BERLIN), BERLIN) is spec
