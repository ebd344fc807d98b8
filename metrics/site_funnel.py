"""Where visitors stay behind: each site's funnel now and over the last day, against its own usual."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from scipy import stats

from connectors.ga4 import WITHHELD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.store import Warehouse

__all__ = ["LEADS", "LOST", "SHOP", "Funnel", "Step", "funnels"]

SHOP: Final = ("session_start", "view_item", "add_to_cart", "begin_checkout", "purchase")
LEADS: Final = ("session_start", "view_item", "form_start", "generate_lead")
"""The steps of a shop, and of a site for leads, by GA4's recommended names."""

LOST: Final = 0.75
"""Of the usual share that goes on to a step: below this, where chance does not explain it, it breaks."""
_CHANCE: Final = 0.001
_NOW: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the funnel: how often it was reached. kept: as a share of the step before, None at the first.

    usual: that share in the seven days before the last one.
    """

    name: str
    reached: int
    kept: float | None
    usual: float | None
    breaks: bool
    """Whether so few would go on in one of a thousand sound periods at most."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """A site's steps. now: events of the last hour, known at once. day: sessions of the last 24 hours, as far
    as the source has processed them. withheld: the share of the day's that has no page or channel.
    """

    source: str
    account: str
    name: str
    now: Sequence[Step]
    day: Sequence[Step]
    withheld: float

    @property
    def broken(self) -> Step | None:
        """The step at which it breaks: now, or where nobody tells of now, over the day."""
        told = self.now or self.day
        return next((step for step in told if step.breaks), None)

    @property
    def lost(self) -> float:
        """How many more would have got through the step at which it breaks, by its usual share."""
        told = list(self.now or self.day)
        for before, step in pairwise(told):
            if step.breaks and step.usual is not None:
                return before.reached * step.usual - step.reached
        return 0.0


def funnels(warehouse: Warehouse, now: datetime) -> list[Funnel]:
    """Every site of which steps are known: first those that break, the largest loss first."""
    rows = warehouse.query(
        """SELECT source, account, step,
          sum(sessions) FILTER (WHERE hour >= $day)::BIGINT AS day,
          sum(sessions) FILTER (WHERE hour < $day)::BIGINT AS before,
          sum(events) FILTER (WHERE hour < $day)::BIGINT AS events_before,
          sum(sessions) FILTER (WHERE hour >= $day AND page = $withheld)::BIGINT AS withheld
        FROM web WHERE hour >= $week GROUP BY ALL""",
        {"day": now - _DAY, "week": now - 8 * _DAY, "withheld": WITHHELD},
    ).to_pylist()
    told: dict[tuple[str, str], dict[str, dict[str, int]]] = defaultdict(dict)
    for row in rows:
        told[row["source"], row["account"]][row["step"]] = {
            name: row[name] or 0 for name in ("day", "before", "events_before", "withheld")
        }
    lately = _lately(warehouse, now)
    listed = warehouse.query("SELECT source, account, name FROM account").to_pylist()
    names = {(r["source"], r["account"]): r["name"] for r in listed}
    found = []
    for key in {**told, **lately}:
        counts = told.get(key, {})
        order = SHOP if any(name in {*counts, *lately.get(key, {})} for name in SHOP[2:]) else LEADS
        start = counts.get(order[0], {"day": 0, "withheld": 0})
        found.append(
            Funnel(
                *key,
                name=names.get(key, key[1]),
                now=_steps(order, lately.get(key, {}), {s: c["events_before"] for s, c in counts.items()}),
                day=_steps(
                    order,
                    {s: c["day"] for s, c in counts.items()},
                    {s: c["before"] for s, c in counts.items()},
                ),
                withheld=start["withheld"] / start["day"] if start["day"] else 0.0,
            )
        )
    return sorted(found, key=lambda f: (f.broken is None, -f.lost, -sum(s.reached for s in f.day[:1])))


def _lately(warehouse: Warehouse, now: datetime) -> dict[tuple[str, str], dict[str, int]]:
    """Events of the last hour by site and step."""
    rows = warehouse.query(
        """SELECT source, account, step, sum(events)::BIGINT AS events FROM web_step
        WHERE minute >= $since GROUP BY ALL""",
        {"since": now - _NOW},
    ).to_pylist()
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row["source"], row["account"]][row["step"]] = row["events"]
    return found


def _steps(order: Sequence[str], counts: Mapping[str, int], before: Mapping[str, int]) -> list[Step]:
    """A step that is usual and was not reached counts as reached by nobody; [] where none was reached."""
    if not any(counts.get(name) for name in order):
        return []
    found: list[Step] = []
    last = ""
    for name in order:
        if name not in counts and not before.get(name):
            continue
        reached = counts.get(name, 0)
        kept = reached / counts[last] if last and counts.get(last) else None
        usual = before.get(name, 0) / before[last] if last and before.get(last) else None
        breaks = False
        if kept is not None and usual and kept < LOST * usual:
            breaks = bool(stats.poisson.cdf(reached, counts[last] * usual) < _CHANCE)
        found.append(Step(name, reached, kept, usual, breaks))
        last = name
    return found
