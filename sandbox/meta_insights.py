"""Reports: a query's rows, sorted, filtered and summed up, and kept while somebody pages through them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sandbox.meta_actions import DEFAULT, tiers
from sandbox.meta_attributes import ATTRIBUTES
from sandbox.meta_dates import Span
from sandbox.meta_metrics import Row
from sandbox.meta_report import compute

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.meta_book import Book
    from sandbox.meta_filters import Condition
    from sandbox.meta_query import Query
    from sandbox.noise import Floats

__all__ = ["Report", "Reports"]


class Report:
    """The rows of a query as of its book's moment."""

    def __init__(self, book: Book, query: Query) -> None:
        self.book = book
        self.query = query
        self._table = compute(book, query)

    @cached_property
    def _order(self) -> list[int]:
        """The rows to answer, in their order."""
        table = self._table
        if table is None:
            return []
        rows = list(range(table.total))
        for condition in self.query.conditions:
            if condition.field not in ATTRIBUTES | {"action_type"}:
                column = self._metric(condition.field)
                rows = [row for row in rows if condition.holds(_told(column[row]))]
        for metric, descending in reversed(self.query.sort):
            column = self._metric(metric)
            rows.sort(key=column.__getitem__, reverse=descending)
        return rows

    def _metric(self, name: str) -> Floats:
        table = self._table
        assert table is not None
        if name.startswith("actions:"):
            found = np.zeros(table.total)
            for (event, window), (counts, _) in table.tally.items():
                if window == DEFAULT and name.removeprefix("actions:") in tiers(event):
                    found += counts
            return table.link_clicks.astype(np.float64) if name == "actions:link_click" else found
        cost = table.cost_micros / 1e6
        reach = table.impressions * np.nan if table.reach is None else table.reach
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = {
                "impressions": table.impressions,
                "clicks": table.clicks,
                "unique_clicks": table.clicks - table.clicks * 6 // 100,
                "inline_link_clicks": table.link_clicks,
                "spend": cost,
                "reach": reach,
                "frequency": table.impressions / reach,
                "cpm": cost * 1000 / table.impressions,
                "cpc": cost / table.clicks,
                "ctr": table.clicks * 100 / table.impressions,
                "date_start": table.span,
                "account_id": np.full(table.total, self.book.advertiser.id),
            }
        return np.asarray(columns[name], np.float64)

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self._order)

    @property
    def size(self) -> int:
        """Rows times fields: what has to be carried."""
        return self.total * len(self.query.fields)

    def rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        """The rows from one place to another as Graph writes them."""
        assert self._table is not None or start >= stop
        return [self._row(at).answer(self.query.fields) for at in self._order[start:stop]]

    def _row(self, at: int) -> Row:
        assert self._table is not None
        return Row(self.book, self.query, self._table, at)

    def summary(self) -> dict[str, Any]:
        """One row over all days and objects, in the fields that the summary asks for."""
        spans = self.query.spans
        whole = Span(min(span.since for span in spans), max(span.until for span in spans))
        query = replace(
            self.query,
            spans=(whole,),
            overlapping=False,
            level="account",
            dimensions=None if self.query.dimensions is None else (),
            conditions=tuple(_pinned(self.query)),
            sort=(),
        )
        table = compute(self.book, query)
        days = {"date_start": whole.since.isoformat(), "date_stop": whole.until.isoformat()}
        if table is None or not table.total:
            return days
        return Row(self.book, query, table, 0).answer(self.query.summary)


def _told(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _pinned(query: Query) -> list[Condition]:
    """The conditions on attributes, each told of which kind it is; those on single rows do not carry over."""
    return [
        replace(condition, kind=condition.kind or query.level)
        for condition in query.conditions
        if condition.field in ATTRIBUTES | {"action_type"}
    ]


class Reports:
    """The latest reports, so that a page after the first shows the same rows. Thread-safe."""

    def __init__(self, kept: int = 24) -> None:
        self._kept = kept
        self._held: OrderedDict[tuple[int, str, datetime], Report] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, book: Book, query: Query, *, first: bool) -> Report:
        """The query's report as of the book's moment; made anew for a list's first page."""
        key = (book.advertiser.id, query.key, book.at)
        with self._lock:
            if not first and key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        report = Report(book, query)
        with self._lock:
            self._held[key] = report
            while len(self._held) > self._kept:
                self._held.popitem(last=False)
        return report
