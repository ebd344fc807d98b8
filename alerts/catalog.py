"""Rules as entries of the catalogue, and the catalogue of a workspace as it is in force."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING

import yaml

from metrics import catalog, history, reviews
from metrics.catalog import Catalog, Entry, Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from alerts.rules import Rule
    from metrics.dashboards import Dashboard
    from metrics.model import Metric
    from metrics.reviews import Decision
    from warehouse.book import Book

__all__ = ["Current", "entries", "next_reviews", "whole"]


class Current:
    """The catalogue of a workspace, made anew when a definition changes; safe from any thread.

    What changed is noted in the book (metrics.history), and the reviews in the book set its dates.
    """

    def __init__(
        self,
        book: Book,
        *,
        metrics: Callable[[], Mapping[str, Metric]],
        dashboards: Callable[[], Sequence[Dashboard]],
        sources: Iterable[str],
        rules: Callable[[], Sequence[Rule]] = tuple,
    ) -> None:
        self._book = book
        self._metrics, self._dashboards, self._rules = metrics, dashboards, rules
        self._sources = tuple(sources)
        self._lock = threading.Lock()
        self._seen: tuple[object, ...] = ()
        self._filed = Catalog(())

    def __call__(self, now: datetime) -> Catalog:
        """As of now, with each entry's last and next review."""
        return Catalog(reviews.dated(self.filed(now).entries.values(), reviews.latest(self._book)))

    def filed(self, now: datetime) -> Catalog:
        """As the files have it."""
        with self._lock:
            metrics, dashboards, rules = self._metrics(), self._dashboards(), self._rules()
            seen = (metrics, dashboards, rules)
            # What is in force is made anew as a whole, so that the same one has not changed.
            if len(self._seen) != len(seen) or any(a is not b for a, b in zip(seen, self._seen, strict=True)):
                found = whole(metrics, dashboards, self._sources, rules)
                self._seen = seen
                history.note(self._book, found, now)
                self._filed = Catalog(history.numbered(self._book, found.entries.values()))
            return self._filed


def whole(
    metrics: Mapping[str, Metric],
    dashboards: Sequence[Dashboard],
    sources: Iterable[str],
    rules: Sequence[Rule],
) -> Catalog:
    """Everything that a workspace has, as its files say it."""
    return Catalog([*catalog.entries(metrics, dashboards, sources), *entries(rules)])


def next_reviews(rules: Sequence[Rule], decided: Mapping[str, Decision]) -> dict[str, date]:
    """When each rule is next reviewed, by its id: as its file has it, or as was decided since.

    decided: the newest decisions by the entry's name (metrics.reviews.latest).
    """
    written: dict[str, date] = {}
    for rule in rules:
        written[rule.id] = min(rule.review, written.get(rule.id, rule.review))
    made = {name: decided.get(str(Ref("rule", name))) for name in written}
    return {
        name: one.next if (one := made[name]) is not None and one.filed == day.isoformat() else day
        for name, day in written.items()
    }


def entries(rules: Sequence[Rule]) -> list[Entry]:
    """One entry an id: two rules that share it are one matter in two degrees."""
    by_id: dict[str, list[Rule]] = {}
    for rule in rules:
        by_id.setdefault(rule.id, []).append(rule)
    return [_rule(degrees) for degrees in by_id.values()]


def _rule(degrees: Sequence[Rule]) -> Entry:
    first = degrees[0]
    kinds = {type(rule.condition): rule.condition for rule in degrees}
    modules = [inspect.getmodule(kind) for kind in kinds]
    told = [catalog.base(module.__doc__ if module else "") for module in modules]
    # As it is written, figures and all; what was left out of the file is said with its usual value.
    written = [rule.model_dump(mode="json", by_alias=True, exclude_none=True) for rule in degrees]
    text = yaml.safe_dump(written, sort_keys=False, allow_unicode=True)
    metric = {str(name) for rule in degrees if (name := getattr(rule.condition, "metric", None))}
    reads = [Ref("metric", name) for name in sorted(metric)] or [
        Ref.of(name) for kind in kinds for name in kind.reads
    ]
    return Entry(
        Ref("rule", first.id),
        first.title,
        first.owner,
        " ".join(dict.fromkeys(means for means, _ in told)),
        text,
        formula=text,
        language="yaml",
        how="\n\n".join(dict.fromkeys(how for _, how in told if how)),
        review=min(rule.review for rule in degrees),
        reads=tuple(reads),
        parts={f"{rule.severity}": rule.title for rule in degrees},
        facts={
            "Severity": ", ".join(str(rule.severity) for rule in degrees),
            "What to do": " ".join(dict.fromkeys(rule.runbook for rule in degrees if rule.runbook)),
            "Kind": ", ".join(sorted({rule.condition.kind for rule in degrees})),
        },
    )
