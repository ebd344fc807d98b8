"""What a rule found of one series: a result, and the figures that people are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Labels", "Observation", "Range", "Result"]


class Result(StrEnum):
    """TRUE: the condition holds. FALSE: it does not. The other three say why nobody can tell.

    NODATA: there is nothing to judge by. STALE: there is, and it is too old. ERROR: judging it failed.
    """

    TRUE = "true"
    FALSE = "false"
    NODATA = "nodata"
    ERROR = "error"
    STALE = "stale"


class Labels(NamedTuple):
    """Which series: an account, one of its campaigns, or a part of either (a stream, an ad, a page)."""

    source: str = ""
    account: str = ""
    campaign: str = ""
    part: str = ""


class Range(NamedTuple):
    """What was to be expected, with its interval; low and high equal mid where it is a plain limit."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Observation:
    """One series at one evaluation.

    at: the moment for which it is judged: the watermark of the series' data, not the wall clock.
    seen, expected: in the unit of the rule's condition. sure: how likely the condition truly holds, 0..1.
    at_risk: money per hour in units of the account's currency. said: what is wrong in a few words. began:
    since when it is so by the data, where they tell: before the rule could be sure of it.
    """

    labels: Labels
    result: Result
    at: datetime
    seen: float | None = None
    expected: Range | None = None
    sure: float | None = None
    at_risk: float = 0.0
    said: str = ""
    began: datetime | None = None
