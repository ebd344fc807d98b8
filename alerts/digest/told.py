"""What a digest tells of beside its figures: alerts, rules, freshness, reviews."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from alerts.digest import reviews
from alerts.review import overdue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from alerts.digest.figures import Figures
    from alerts.records import Records
    from alerts.rules import Rule
    from metrics.catalog import Catalog
    from warehouse.store import Watermark

__all__ = ["Told"]


@dataclass(frozen=True, slots=True)
class Told:
    """What else a digest tells of. marks: the streams' freshness. app: the app's address, or "".

    titles: of sources, by name. catalog: of whose reviews it tells; None: of the rules' own dates alone.
    problems: what keeps all alerts from working, for a digest is taken for a sign that they do. failing: the
    names of rules that cannot be judged.
    """

    records: Records
    rules: Sequence[Rule]
    marks: Callable[[], Sequence[Watermark]]
    titles: Mapping[str, str]
    app: str = ""
    catalog: Callable[[datetime], Catalog] | None = None
    problems: Callable[[], Sequence[str]] = list
    failing: Callable[[], Collection[str]] = list

    def unjudged(self, figures: Figures) -> list[str]:
        """The titles of the rules about these accounts that cannot be judged."""
        failing = self.failing()
        return [
            rule.title
            for rule in self.rules
            if rule.name in failing
            and any(rule.scope.takes_account(*key, one.name) for key, one in figures.accounts.items())
        ]

    def reviews(self, now: datetime) -> list[tuple[date, str, str, str]]:
        """What is due for review: until when, what, whose, and where to decide it."""
        if self.catalog is None:
            return [(rule.review, rule.title, rule.owner, "alerts") for rule in overdue(self.rules, now)]
        return [
            (one.review, one.title, one.owner, f"reviews?{urlencode([(one.ref.kind, one.ref.name)])}")
            for one in reviews.due(self.catalog(now), now.date())
            if one.review is not None
        ]
