"""What the service tells Prometheus. Labels are sources, accounts and streams; never names or secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

    from service.budget import Budget
    from warehouse.store import Fetch, Watermark

__all__ = ["Measures"]


class Measures:
    """Counters that grow with every fetch, and gauges that are read when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._fetches = Counter(
            "paceline_fetches",
            "Fetches by what came of them.",
            ("source", "stream", "outcome"),
            registry=self.registry,
        )
        self._rows = Counter(
            "paceline_rows", "Rows that sources sent.", ("source", "stream"), registry=self.registry
        )
        self._changed = Counter(
            "paceline_rows_changed",
            "Rows that differed from what was stored.",
            ("source", "stream"),
            registry=self.registry,
        )
        self._took = Histogram(
            "paceline_fetch_seconds",
            "Time from asking to stored.",
            ("source", "stream"),
            buckets=(0.1, 0.3, 1, 3, 10, 30, 120, 600),
            registry=self.registry,
        )

    def count(self, fetch: Fetch) -> None:
        """Add one fetch."""
        self._fetches.labels(fetch.source, fetch.stream, fetch.outcome).inc()
        self._rows.labels(fetch.source, fetch.stream).inc(fetch.rows)
        self._changed.labels(fetch.source, fetch.stream).inc(fetch.changed)
        if fetch.outcome != "held":
            self._took.labels(fetch.source, fetch.stream).observe(fetch.took_ms / 1000)

    def watch(
        self,
        *,
        now: Callable[[], datetime],
        watermarks: Callable[[], Iterable[Watermark]],
        budgets: Callable[[], Iterable[Budget]],
        singles: Callable[[], dict[str, tuple[str, float]]],
    ) -> None:
        """Read these whenever measures are asked for. singles: help and value by name."""
        self.registry.register(_Gauges(now, watermarks, budgets, singles))


class _Gauges:
    def __init__(
        self,
        now: Callable[[], datetime],
        watermarks: Callable[[], Iterable[Watermark]],
        budgets: Callable[[], Iterable[Budget]],
        singles: Callable[[], dict[str, tuple[str, float]]],
    ) -> None:
        self._now, self._watermarks, self._budgets, self._singles = now, watermarks, budgets, singles

    def describe(self) -> Iterator[Metric]:
        """Nothing: or the registry would collect once, to learn names, before there is anything."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        now = self._now()
        labels = ("source", "account", "stream")
        fresh = GaugeMetricFamily("paceline_freshness_seconds", "Age of what is vouched for.", labels=labels)
        polled = GaugeMetricFamily("paceline_polled_seconds", "Time since the last success.", labels=labels)
        failing = GaugeMetricFamily("paceline_failing", "1 where the last attempt failed.", labels=labels)
        for mark in self._watermarks():
            where = (mark.source, mark.account, mark.stream)
            if mark.data_as_of is not None:
                fresh.add_metric(where, (now - mark.data_as_of).total_seconds())
            if mark.polled_at is not None:
                polled.add_metric(where, (now - mark.polled_at).total_seconds())
            failing.add_metric(where, float(bool(mark.error)))
        yield from (fresh, polled, failing)
        used = GaugeMetricFamily("paceline_operations_used", "In the last 24 hours.", labels=("source",))
        allowed = GaugeMetricFamily("paceline_operations_allowed", "In 24 hours.", labels=("source",))
        planned = GaugeMetricFamily("paceline_operations_planned", "In 24 hours.", labels=("source",))
        for budget in self._budgets():
            used.add_metric((budget.source,), budget.used_total)
            planned.add_metric((budget.source,), budget.planned_total)
            if budget.allowed is not None:
                allowed.add_metric((budget.source,), budget.allowed)
        yield from (used, allowed, planned)
        for name, (text, value) in self._singles().items():
            yield GaugeMetricFamily(f"paceline_{name}", text, value=value)
