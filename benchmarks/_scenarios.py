"""What is played to a live Alertmanager and to the engine, and what each is to tell, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

WAIT, INTERVAL = 1, 4
"""group_wait and group_interval, in units of a scenario's time."""
NEVER: Final = 1000.0
END: Final = 18.0


class Series(NamedTuple):
    """What fires: written `c1` (account a), `b/c1`, `c1?` for the warning, `stale` for the account itself."""

    rule: str
    severity: str
    account: str
    campaign: str


def series(written: str) -> Series:
    """What is written, read."""
    text = written.removesuffix("?")
    account, _, campaign = text.rpartition("/")
    severity = "warning" if written.endswith("?") else "critical"
    rule = "stale" if campaign == "stale" else "spend"
    return Series(rule, severity, account or "a", "" if rule == "stale" else campaign)


def said(one: Series) -> str:
    """As it is written."""
    name = one.campaign or one.rule
    return (
        ("" if one.account == "a" else f"{one.account}/") + name + ("?" if one.severity == "warning" else "")
    )


class Told(NamedTuple):
    """A notification: when, and what it says fires and has resolved; or that something flaps."""

    at: float
    firing: str
    resolved: str = ""


class Event(NamedTuple):
    """At a time, what begins and ends to fire, or a silence of a campaign until a time. since: it began."""

    at: float
    on: str = ""
    off: str = ""
    mute: str = ""
    until: float = 0.0
    since: float | None = None


@dataclass(frozen=True)
class Scenario:
    """theirs, ours: what each is to tell; why: they differ, or "" where `ours` is what both tell."""

    name: str
    events: Sequence[Event]
    ours: Sequence[Told]
    theirs: Sequence[Told] | None = None
    why: str = ""
    repeat: float = NEVER
    end: float = END


SCENARIOS: Final = (
    Scenario("company within group_wait", [Event(0, "c1"), Event(0.5, "c2")], [Told(1, "c1 c2")]),
    Scenario(
        "groups by account and severity",
        [Event(0, "c1 b/c1 c2?")],
        [Told(1, "b/c1"), Told(1, "c1"), Told(1, "c2?")],
    ),
    Scenario("ends within group_wait", [Event(0, "c1"), Event(0.5, off="c1")], []),
    Scenario("began before group_wait", [Event(0, "c1", since=-5)], [Told(0, "c1")]),
    Scenario(
        "news at the next look",
        [Event(0, "c1"), Event(2, "c2"), Event(6, "c3")],
        [Told(1, "c1"), Told(5, "c1 c2"), Told(9, "c1 c2 c3")],
    ),
    Scenario("ends", [Event(0, "c1"), Event(2, off="c1")], [Told(1, "c1"), Told(5, "", "c1")], repeat=7.5),
    Scenario(
        "one of two ends",
        [Event(0, "c1 c2"), Event(2, off="c1")],
        [Told(1, "c1 c2"), Told(5, "c2", "c1")],
    ),
    Scenario(
        "one begins, one ends",
        [Event(0, "c1"), Event(2, "c2"), Event(3, off="c1")],
        [Told(1, "c1"), Told(5, "c2", "c1")],
    ),
    Scenario(
        "goes and comes between two looks",
        [Event(0, "c1"), Event(2, off="c1"), Event(3, "c1")],
        [Told(1, "c1")],
    ),
    Scenario("critical mutes the warning", [Event(0, "c1 c1? c2?")], [Told(1, "c1"), Told(1, "c2?")]),
    Scenario(
        "what was muted is heard when that ends",
        [Event(0, "c1 c1?"), Event(2, off="c1")],
        [Told(1, "c1"), Told(5, "", "c1"), Told(5, "c1?")],
    ),
    Scenario(
        "a stale account mutes its campaigns",
        [Event(0, "stale c1 b/c1"), Event(2, off="stale")],
        [Told(1, "b/c1"), Told(1, "stale"), Told(5, "c1", "stale")],
    ),
    Scenario(
        "resolves while muted by another",
        [Event(0, "c1?"), Event(2, "c1"), Event(4, off="c1?")],
        [Told(1, "c1?"), Told(3, "c1"), Told(5, "", "c1?")],
        [Told(1, "c1?"), Told(3, "c1")],
        "whoever heard of the firing hears its end, also where it is muted by then",
    ),
    Scenario(
        "resolves while silenced",
        [Event(0, "c1"), Event(2, mute="c1", until=20), Event(3, off="c1")],
        [Told(1, "c1"), Told(5, "", "c1")],
        [Told(1, "c1")],
        "whoever heard of the firing hears its end, also where it is muted by then",
    ),
    Scenario("a silence ends", [Event(0, mute="c1", until=7), Event(1, "c1")], [Told(10, "c1")]),
    Scenario("a silence of one", [Event(0, mute="c1", until=30), Event(1, "c1 c2")], [Told(2, "c2")]),
    Scenario(
        "a silence of what is known ends", [Event(0, "c1"), Event(2, mute="c1", until=7)], [Told(1, "c1")]
    ),
    Scenario(
        "a silence of what is known ends after other news",
        [Event(0, "c1"), Event(2, mute="c1", until=12), Event(3, "c2")],
        [Told(1, "c1"), Told(5, "c2")],
        [Told(1, "c1"), Told(5, "c2"), Told(13, "c1 c2")],
        "what people know to fire is no news after a silence, only due to be repeated",
    ),
    Scenario(
        "repeats",
        [Event(0, "c1")],
        [Told(1, "c1"), Told(8.5, "c1"), Told(16, "c1")],
        [Told(1, "c1"), Told(9, "c1"), Told(17, "c1")],
        "a repeat comes exactly so long after the last message, not at the next look",
        repeat=7.5,
    ),
    Scenario(
        "news when a repeat is near",
        [Event(0, "c1"), Event(8, "c2")],
        [Told(1, "c1"), Told(9, "c1 c2")],
        repeat=7.5,
        end=16,
    ),
    Scenario(
        "comes back after its end was told",
        [Event(0, "c1"), Event(2, off="c1"), Event(6, "c1")],
        [Told(1, "c1"), Told(5, "", "c1"), Told(7, "c1")],
        [Told(1, "c1"), Told(5, "", "c1"), Told(9, "c1")],
        "it is a new incident, and waits for company only, not for the old one's next look",
    ),
    Scenario(
        "flaps",
        [Event(0, "c1"), Event(2, off="c1"), Event(6, "c1"), Event(10, off="c1"), Event(14, "c1")],
        [Told(1, "c1"), Told(5, "", "c1"), Told(7, "c1"), Told(11, "flapping")],
        [Told(1, "c1"), Told(5, "", "c1"), Told(9, "c1"), Told(13, "", "c1"), Told(17, "c1")],
        "the fourth turn within an hour is told as flapping, then nothing until an hour was quiet",
    ),
)
