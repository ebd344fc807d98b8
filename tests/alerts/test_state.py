"""One series under one rule, minute by minute: every sentence of docs/alerts.md on states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.notify.contract import Severity
from alerts.observation import Labels, Observation, Result
from alerts.state import Key, State, Timing, calm, step

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
KEY = Key("spend", Severity.CRITICAL, Labels("google_ads", "a", "c"))
LETTERS = {
    "T": Result.TRUE,
    "F": Result.FALSE,
    "N": Result.NODATA,
    "E": Result.ERROR,
    "S": Result.STALE,
}
MINUTE = timedelta(minutes=1)


def timing(hold=0, keep=0, no_data="keep"):
    return Timing(hold * MINUTE, keep * MINUTE, no_data)


def play(results, times, data=None, before=None):
    """One letter a minute (T F N E S; `-` the series is missing; `.` no evaluation); the states as letters:
    `p`ending, `f`iring, `r`esolved, `-` none. data: the watermark in minutes by minute; else the minute.
    """
    instance, states = before, []
    for minute, letter in enumerate(results):
        at = START + (minute if data is None else data[minute]) * MINUTE
        now = START + minute * MINUTE
        if letter == "-":
            instance = step(instance, None, times, key=KEY, now=now, fresh=at)
        elif letter != ".":
            told = Observation(KEY.labels, LETTERS[letter], at)
            instance = step(instance, told, times, key=KEY, now=now, fresh=at)
        states.append("-" if instance is None else str(instance.state)[0])
    return "".join(states), instance


TIMELINES = {
    "fires at once without for": ("FTTF", timing(), "-ffr"),
    "pending starts at the first TRUE and fires when for is over": ("TTTTT", timing(hold=3), "pppff"),
    "FALSE clears pending at once, and it starts anew": ("TTFTTTT", timing(hold=3), "pp-pppf"),
    "keep_firing_for counts from the first FALSE": ("TFFFFF", timing(keep=3), "ffffrr"),
    "keep_firing_for restarts on TRUE": ("TFFTFFFF", timing(keep=3), "fffffffr"),
    "NODATA, ERROR and STALE do not reset pending": ("TNESTT", timing(hold=4), "ppppff"),
    "pending fires on a TRUE only": ("TNNNNNT", timing(hold=3), "ppppppf"),
    "NODATA, ERROR and STALE do not resolve": ("TNESNES", timing(), "fffffff"),
    "nor do they start the wait of keep_firing_for": ("TNNNFFF", timing(keep=2), "ffffffr"),
    "no_data: alert counts them as TRUE": ("NESNF", timing(hold=2, no_data="alert"), "ppff" + "r"),
    "no_data: ok counts them as FALSE": ("TNTSTE", timing(no_data="ok"), "frfrfr"),
    "no_data: ok clears pending": ("TN", timing(hold=2, no_data="ok"), "p-"),
    "a missing series resolves after two fresh evaluations": ("T--", timing(), "ffr"),
    "even within keep_firing_for": ("T--", timing(keep=60), "ffr"),
    "a series that is back in between does not": ("T-T-T-N-T", timing(), "fffffffff"),
    "a pending series that is missing twice is forgotten": ("T--", timing(hold=9), "pp-"),
    "what was never TRUE has no state": ("FNES-", timing(), "-----"),
    "what has resolved can be pending again": ("TFTT", timing(hold=1), "p-pf"),
}


@pytest.mark.parametrize(("results", "times", "wanted"), TIMELINES.values(), ids=TIMELINES)
def test_timeline(results, times, wanted):
    assert play(results, times)[0] == wanted


def test_time_is_the_datas_not_the_clocks():
    # Evaluated every minute, but the data stood still at minute 1: pending does not ripen.
    assert play("TTTTTT", timing(hold=3), data=[0, 1, 1, 1, 1, 1])[0] == "pppppp"
    # The source caught up three minutes at once.
    assert play("TTT", timing(hold=3), data=[0, 1, 4])[0] == "ppf"


def test_data_that_is_not_newer_changes_nothing():
    # After a restart the same data are seen again: no resolve before something fresh.
    assert play("TFF--F", timing(), data=[5, 5, 4, 5, 5, 6])[0] == "fffffr"


def test_since_fired_and_resolved_are_told_by_the_datas_clock():
    _, instance = play("TTTFF", timing(hold=2, keep=1), data=[0, 10, 20, 30, 40])
    assert instance.state is State.RESOLVED
    assert [(at - START) / MINUTE for at in (instance.since, instance.fired, instance.resolved)] == [
        0,
        10,
        40,
    ]


def test_it_began_when_it_was_first_told_to_have_begun():
    """A window of three hours begins later with each look, and what it found does not."""
    instance = None
    for minute in range(0, 600, 60):
        at = START + minute * MINUTE
        told = Observation(KEY.labels, Result.TRUE, at, began=at - 180 * MINUTE)
        instance = step(instance, told, timing(hold=120), key=KEY, now=at, fresh=at)
    assert instance.told.began == START - 180 * MINUTE
    later, again = at + MINUTE, at + 2 * MINUTE
    well = Observation(KEY.labels, Result.FALSE, later)
    over = step(instance, well, timing(), key=KEY, now=later, fresh=later)
    told = Observation(KEY.labels, Result.TRUE, again, began=at)
    assert step(over, told, timing(), key=KEY, now=again, fresh=again).told.began == at


def test_four_turns_within_an_hour_are_flapping():
    _, three = play("TFT", timing())
    assert not three.flapping
    _, four = play("TFTF", timing())
    assert four.flapping
    apart = play("T" + "." * 19 + "F" + "." * 19 + "T" + "." * 19 + "F", timing())[1]
    assert [(at - START) / MINUTE for at in apart.turns] == [20, 40, 60]
    assert not apart.flapping


def test_flapping_ends_with_an_hour_without_a_turn():
    _, four = play("TFTF", timing())  # the last turn is at minute 3
    assert calm(four, START + 62 * MINUTE).flapping
    assert not calm(four, START + 63 * MINUTE).flapping
    _, on = play("TFTF" + "." * 30 + "T", timing())  # one more at 34
    assert calm(on, START + 93 * MINUTE).flapping
    assert not calm(on, START + 94 * MINUTE).flapping


class Naive:
    """The same semantics, written as one looks back over the whole history each time."""

    def __init__(self, hold, keep, no_data):
        self.hold, self.keep, self.no_data = hold, keep, no_data
        self.history = []

    def firing_after(self, letter):
        self.history.append(letter)
        counted = []  # (minute, "T" | "F" | "-"), what neither counts nor is missing left out
        for minute, one in enumerate(self.history):
            if one in "NES":
                one = {"keep": "n", "alert": "T", "ok": "F"}[self.no_data]  # noqa: PLW2901
            counted.append((minute, one))
        state, since, ceased, misses = "-", None, None, 0
        for minute, one in counted:
            misses = misses + 1 if one == "-" else 0
            if one == "T":
                ceased = None
                if state == "-":
                    state, since = "p", minute
                if state == "p" and minute - since >= self.hold:
                    state = "f"
            elif one == "F":
                if state == "p":
                    state = "-"
                if state == "f":
                    ceased = minute if ceased is None else ceased
                    if minute - ceased >= self.keep:
                        state, ceased = "-", None
            elif misses >= 2:
                state, ceased = "-", None
        return state


@settings(max_examples=400, deadline=None)
@given(
    st.text("TTTFFNES--", max_size=30),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from(["keep", "alert", "ok"]),
)
def test_any_history_against_a_naive_model(results, hold, keep, no_data):
    states, _ = play(results, timing(hold, keep, no_data))
    naive = Naive(hold, keep, no_data)
    wanted = "".join(naive.firing_after(letter) for letter in results)
    assert states.replace("r", "-") == wanted
