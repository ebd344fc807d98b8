"""Any history of three series against a second implementation: a walk over a grid of half minutes."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.engine import Refused
from alerts.routes import Receiver, Routing
from tests.alerts.timeline import FALSE, PEOPLE, TRUE, Timeline, minutes, rule
from warehouse.access import local

REPEAT = 60
ROUTING = Routing(people=PEOPLE, escalation=(), repeat={"critical": timedelta(minutes=REPEAT)})
SERIES = ("c1", "c2", "c3")
APART = 21
"""Minutes between two evaluations of one series: three turns an hour at most, so that nothing flaps."""

END = 400


@st.composite
def histories(draw):
    """(minute, series, firing) in order, and the minutes at which somebody acknowledges what is open."""
    events = []
    for series in SERIES:
        at = draw(st.integers(0, 30))
        while at < 300:
            events.append((at, series, draw(st.booleans())))
            at += APART + draw(st.integers(0, 40))
    acks = draw(st.lists(st.integers(1, 300), max_size=3, unique=True))
    return sorted(events), sorted(acks)


def model(events, acks):
    """(minute, reason, what fires) of every message, by walking the grid and looking at everything anew."""
    said = []
    firing, told, open_, ack = set(), set(), False, None
    look = sent = None
    for half in range(END * 2):
        now = half / 2
        for at, series, fires in events:
            if at == now:
                (firing.add if fires else firing.discard)(series)
        if firing and not open_:
            open_, look, sent, told, ack = True, now + 0.5, None, set(), None
        if not open_:
            continue
        if ack is not None and firing - ack:
            ack = None
        reason = None
        if now == look:
            look += 5
            gone = told - firing
            if sent is None:
                reason = "first" if firing else None
            elif firing - told:
                reason = "new_alerts"
            elif told and not firing:
                reason = "all_resolved"
            elif gone:
                reason = "new_resolved"
            if reason is None and not firing and not told:
                open_ = False
                continue
        quiet = firing <= told and firing
        if reason is None and sent is not None and now >= sent + REPEAT and ack is None and quiet:
            reason = "repeat"
        if reason is not None:
            said.append((now, reason, ",".join(sorted(firing))))
            told = (told & firing) | firing if reason != "repeat" else told | firing
            sent = now
            if reason == "all_resolved":
                open_ = False
        if now in acks and open_ and ack is None:
            ack = firing | told
    return said


def engine(events, acks, folder):
    line = Timeline(folder, [rule("spend", routes=(Receiver("slack"),))], ROUTING)
    by_minute = {}
    for at, series, fires in events:
        by_minute.setdefault(at, {})[series] = TRUE if fires else FALSE
    for at, results in by_minute.items():
        line.at(at, account_fresh=(), spend=results)

    def acknowledge(engine, now):
        for incident in engine.records.open_incidents():
            try:
                if incident.acknowledged is None:
                    engine.acknowledge(incident.id, by=local("Dana"), now=now)
            except Refused:
                raise AssertionError(f"an open incident refuses: {incident}") from None

    for at in acks:
        line.do(at, acknowledge)
    line.compare = lambda: None
    line.play(END)
    messages = [(m, str(msg.reason), msg.headline.partition(": ")[2]) for m, _, msg in line.messages()]
    line.book.close()
    return messages


@settings(max_examples=40, deadline=None)
@given(histories())
def test_any_history(history):
    events, acks = history
    with tempfile.TemporaryDirectory() as folder:
        assert engine(events, acks, Path(folder)) == model(events, acks)


def test_the_walk_itself_on_a_history_worked_out_by_hand():
    events = [(0, "c1", True), (7, "c2", True), (70, "c1", False), (93, "c2", False)]
    assert model(events, []) == [
        (0.5, "first", "c1"),
        (10.5, "new_alerts", "c1,c2"),
        (70.5, "new_resolved", "c2"),
        (95.5, "all_resolved", ""),
    ]
    assert model([(0, "c1", True)], [61])[:3] == [(0.5, "first", "c1"), (60.5, "repeat", "c1")]
    assert minutes(1) == timedelta(minutes=1)
