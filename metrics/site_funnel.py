"""Where visitors stay behind: each site's funnel now and over the last day, against its own usual."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

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
_FRESH: Final = timedelta(minutes=20)
_SILENT: Final = 0.25
"""Of the usual visits of an hour: fewer are no quiet hour."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the funnel: how often it was reached. kept: as a share of the step before, None at the first.

    usual: that share in the seven days before the last one. expected: how often it would usually be reached
    from the step before; at the first one of the present hour, at this hour of the day.
    """

    name: str
    reached: int
    kept: float | None
    usual: float | None
    expected: float | None
    breaks: bool
    """Whether so few would be in one of a thousand sound periods at most."""


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
        step = self.broken
        return 0.0 if step is None or step.expected is None else step.expected - step.reached


def funnels(warehouse: Warehouse, now: datetime) -> list[Funnel]:
    """Every site of which steps are known: first those that break, the largest loss first."""
    rows = warehouse.query(
        """SELECT source, account, step,
          sum(sessions) FILTER (WHERE hour >= $day)::BIGINT AS day,
          sum(sessions) FILTER (WHERE hour < $day)::BIGINT AS before,
          sum(events) FILTER (WHERE hour < $day)::BIGINT AS events_before,
          sum(events) FILTER (
            WHERE hour < $day AND date_part('hour', hour) = date_part('hour', $half::TIMESTAMPTZ)
          ) / 7 AS at_this_hour,
          sum(sessions) FILTER (WHERE hour >= $day AND page = $withheld)::BIGINT AS withheld
        FROM web WHERE hour >= $week GROUP BY ALL""",
        {"day": now - _DAY, "week": now - 8 * _DAY, "half": now - _NOW / 2, "withheld": WITHHELD},
    ).to_pylist()
    told: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(dict)
    for row in rows:
        told[row["source"], row["account"]][row["step"]] = {
            name: row[name] or 0 for name in ("day", "before", "events_before", "at_this_hour", "withheld")
        }
    lately = _lately(warehouse, now)
    listed = warehouse.query("SELECT source, account, name FROM account").to_pylist()
    names = {(r["source"], r["account"]): r["name"] for r in listed}
    found = []
    for key in {**told, **lately}:
        counts: Mapping[str, Mapping[str, Any]] = told.get(key, {})
        order = SHOP if any(name in {*counts, *lately.get(key, {})} for name in SHOP[2:]) else LEADS
        start = counts.get(order[0], {"day": 0, "withheld": 0})
        found.append(
            Funnel(
                *key,
                name=names.get(key, key[1]),
                now=_steps(
                    order,
                    lately[key],
                    {s: c["events_before"] for s, c in counts.items()},
                    counts.get(order[0], {}).get("at_this_hour"),
                )
                if key in lately
                else [],
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
    """Events of the last hour by step, of each site that was asked just now: only theirs is silence."""
    found: dict[tuple[str, str], dict[str, int]] = {
        (m.source, m.account): {}
        for m in warehouse.watermarks()
        if m.stream == "steps" and not m.error and m.polled_at is not None and now - m.polled_at < _FRESH
    }
    rows = warehouse.query(
        """SELECT source, account, step, sum(events)::BIGINT AS events FROM web_step
        WHERE minute >= $since GROUP BY ALL""",
        {"since": now - _NOW},
    ).to_pylist()
    for row in rows:
        if (row["source"], row["account"]) in found:
            found[row["source"], row["account"]][row["step"]] = row["events"]
    return found


def _steps(
    order: Sequence[str],
    counts: Mapping[str, int],
    before: Mapping[str, float],
    visits: float | None = None,
) -> list[Step]:
    """A step that is usual and was not reached counts as reached by nobody; [] where nothing is known.

    visits: how often the first is usually reached.
    """
    found: list[Step] = []
    last = ""
    for name in order:
        if name not in counts and not before.get(name):
            continue
        reached = counts.get(name, 0)
        kept = reached / counts[last] if last and counts.get(last) else None
        usual = before.get(name, 0) / before[last] if last and before.get(last) else None
        expected = counts.get(last, 0) * usual if usual is not None else None
        if not last and visits:
            expected = visits
            # Days differ: half of the usual is taken as what a quiet one may bring.
            breaks = reached < _SILENT * visits and _few(reached, visits / 2)
        else:
            breaks = expected is not None and reached < LOST * expected and _few(reached, expected)
        found.append(Step(name, reached, kept, usual, expected, breaks))
        last = name
    return found


def _few(reached: int, expected: float) -> bool:
    return bool(stats.poisson.cdf(reached, expected) < _CHANCE)
