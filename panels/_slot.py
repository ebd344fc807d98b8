"""What the running process hands to its pages.

Streamlit purges page modules when a file is edited, so a module's global would vanish while the scheduler
runs on. A cached resource outlives that: the process fills it once, before the first visitor; pages read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import streamlit as st

from metrics.dashboards import Dashboard, shipped
from metrics.model import load
from warehouse.access import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from alerts.catalog import Current
    from alerts.effect import Replaying
    from alerts.engine import Engine
    from metrics.dimensions import Convention
    from metrics.effect import MetricEffect
    from metrics.experiments import Test
    from metrics.flights import SpendPlan
    from metrics.model import Metric
    from metrics.practice import Practised
    from metrics.proposals import Proposal
    from warehouse.access import Actor
    from warehouse.book import Book
    from warehouse.store import Warehouse

__all__ = ["Process", "Target", "Workspace", "process", "process_slot"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a result is measured against; of several that match, the last one holds.

    metric: roas (a ratio), or cpa, cpl (in the account's currency).
    source, account, campaign: patterns with `*` and `?`; account and campaign match names or ids.
    """

    metric: str
    value: float
    source: str = "*"
    account: str = "*"
    campaign: str = "*"


@dataclass(frozen=True, slots=True)
class Workspace:
    """What pages may know of the settings: nothing in here is secret.

    folder: where metrics/*.sql of the team are. currency: the reporting currency. sources: title by name.
    demo: whether the numbers come from the sandbox. naming: how the team's campaign names are made up.
    experiments: the tests that the team wrote down.
    """

    name: str
    folder: Path
    currency: str
    timezone: ZoneInfo
    sources: Mapping[str, str]
    targets: tuple[Target, ...] = ()
    plans: tuple[SpendPlan, ...] = ()
    demo: bool = False
    naming: Convention | None = None
    experiments: tuple[Test, ...] = ()


class Changes(Protocol):
    """Changes of the workspace's files by proposal, as the service has them (service.changes)."""

    def text(self, path: str) -> str | None:
        """A file as it is; None where there is none. Raises ValueError."""

    def propose(self, path: str, text: str | None, *, why: str, by: Actor) -> Proposal:
        """Propose that a file be so. Raises Denied, ValueError."""

    def approve(self, number: int, *, by: Actor, comment: str = "") -> Proposal:
        """Approve it and write it. Raises Denied, KeyError, ValueError."""

    def reject(self, number: int, *, by: Actor, comment: str = "") -> Proposal:
        """Decide against it. Raises Denied, KeyError, ValueError."""

    def withdraw(self, number: int, *, by: Actor) -> Proposal:
        """Take it back, as its author. Raises Denied, KeyError, ValueError."""

    def revert(self, number: int, *, by: Actor) -> Proposal:
        """Propose that it be as before. Raises Denied, KeyError, ValueError."""

    def effect(self, found: Proposal) -> MetricEffect | None:
        """What it does to a metric's figures. Raises ValueError."""

    def replay(self, number: int, *, begin: Actor | None = None) -> Replaying | None:
        """What its rules would have fired, under way or found; None where nobody has begun."""


class Practice(Protocol):
    """Incidents to find, as the service begins them in the sandbox (service.practice)."""

    def current(self) -> Practised | None:
        """The one under way."""

    def begin(self, *, by: Actor) -> None:
        """Begin one at random. Raises Denied, ValueError."""

    def end(self, *, by: Actor) -> None:
        """End it. Raises Denied, ValueError."""


@dataclass(frozen=True, slots=True)
class Process:
    """The running process.

    status: what `/api/status` says: `state`, `problems`, `budgets`, `backfill` (see docs/operate.md).
    backfill: that part of it alone, at no cost; None where no history was asked for.
    data_version: a number that grows whenever stored data, or its freshness, has changed.
    alerts: the engine that watches; None where nothing does.
    metrics: those in force, by name.
    access: who is what. providers: by which to log in; () where nobody has to.
    dashboards: those in force, in the navigation's order. catalog: every definition, as of a moment.
    changes: proposals and what they do; None where files are changed by hand alone.
    practice: incidents to find; None where no sandbox is polled.
    """

    warehouse: Warehouse
    book: Book
    workspace: Workspace
    status: Callable[[], Mapping[str, Any]] = field(repr=False)
    data_version: Callable[[], int] = field(repr=False)
    backfill: Callable[[], Mapping[str, Any] | None] = field(default=lambda: None, repr=False)
    alerts: Engine | None = field(default=None, repr=False)
    metrics: Callable[[], Mapping[str, Metric]] = field(default=load, repr=False)
    access: Access = field(default_factory=Access)
    providers: tuple[str, ...] = ()
    dashboards: Callable[[], tuple[Dashboard, ...]] = field(default=shipped, repr=False)
    changes: Changes | None = field(default=None, repr=False)
    practice: Practice | None = field(default=None, repr=False)
    catalog: Current | None = field(default=None, repr=False)


@st.cache_resource(show_spinner=False)
def process_slot() -> dict[str, Process]:
    """The holder: empty until the process has filled it; never a starter of anything."""
    return {}


def process() -> Process | None:
    """The running process, or None before it is up (and in tests of pages that need none)."""
    return process_slot().get("process")
