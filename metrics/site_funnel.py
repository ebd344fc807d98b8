"""Where visitors stay behind: each site's funnel now and over the last day, against its own usual."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from scipy import stats

from connectors.contract import Window
from connectors.ga4 import WITHHELD
from metrics.compute import answer, evaluate
from metrics.model import views
from metrics.plan import Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metrics.model import Metric
    from metrics.windows import AccountKey
    from warehouse.store import Warehouse

__all__ = ["DAY", "LEADS", "LOST", "NOW", "SHOP", "Funnel", "Step", "funnels"]

SHOP: Final = ("session_start", "view_item", "add_to_cart", "begin_checkout", "purchase")
LEADS: Final = ("session_start", "view_item", "form_start", "generate_lead")
"""The steps of a shop, and of a site for leads, by GA4's recommended names."""

LOST: Final = 0.75
"""Of the usual share that goes on to a step: below this, where chance does not explain it, it breaks."""
_CHANCE: Final = 0.001
NOW: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
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
    reached: float
    kept: float | None
    usual: float | None
    expected: float | None
    breaks: bool
    """Whether so few would be in one of a thousand sound periods at most."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """A site's steps. now: `funnel_events` of the last hour, known at once. day: `funnel_sessions` of the
    last 24 hours, as far as the source has processed them. withheld: the share of the day's that has no page
    or channel.
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


def funnels(warehouse: Warehouse, metrics: Mapping[str, Metric], now: datetime) -> list[Funnel]:
    """Every site of which steps are known: first those that break, the largest loss first."""
    sessions, events = metrics["funnel_sessions"], metrics["funnel_events"]
    half = (now - NOW / 2).replace(minute=0, second=0, microsecond=0)
    this_hour = [Window(half - n * DAY, half - n * DAY + timedelta(hours=1)) for n in range(1, 8)]
    slots = [[Window(now - DAY, now)], [Window(now - 8 * DAY, now - DAY)], this_hour]
    question = Question((sessions, events.over(views()["web"])), ("account", "step"))
    told: dict[AccountKey, dict[str, dict[str, float]]] = defaultdict(dict)
    for row in answer(warehouse, question, slots, {}).to_pylist():
        told[row["source"], row["account"]][row["step"]] = {
            "day": row["funnel_sessions"] or 0.0,
            "before": row["funnel_sessions__1"] or 0.0,
            "events_before": row["funnel_events__1"] or 0.0,
            "at_this_hour": (row["funnel_events__2"] or 0.0) / len(this_hour),
        }
    withheld = _withheld(warehouse, sessions, now) if told else {}
    lately = _lately(warehouse, metrics["funnel_events"], now)
    listed = warehouse.query("SELECT source, account, name FROM account").to_pylist()
    names = {(r["source"], r["account"]): r["name"] for r in listed}
    found = []
    for key in {**told, **lately}:
        counts: Mapping[str, Mapping[str, Any]] = told.get(key, {})
        order = SHOP if any(name in {*counts, *lately.get(key, {})} for name in SHOP[2:]) else LEADS
        start = counts.get(order[0], {}).get("day", 0.0)
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
                withheld=withheld.get((*key, order[0]), 0.0) / start if start else 0.0,
            )
        )
    return sorted(found, key=lambda f: (f.broken is None, -f.lost, -sum(s.reached for s in f.day[:1])))


def _withheld(warehouse: Warehouse, metric: Metric, now: datetime) -> dict[tuple[str, str, str], float]:
    """The day's sessions without page and channel, by source, account and step."""
    rows = evaluate(
        warehouse, [metric], Window(now - DAY, now), by=("account", "step"), where={"page": WITHHELD}
    ).to_pylist()
    return {(row["source"], row["account"], row["step"]): row[metric.name] or 0.0 for row in rows}


def _lately(warehouse: Warehouse, metric: Metric, now: datetime) -> dict[AccountKey, dict[str, float]]:
    """Events of the last hour by step, of each site that was asked just now: only theirs is silence."""
    found: dict[AccountKey, dict[str, float]] = {
        (m.source, m.account): {}
        for m in warehouse.watermarks()
        if m.stream == "steps" and not m.error and m.polled_at is not None and now - m.polled_at < _FRESH
    }
    rows = evaluate(warehouse, [metric], Window(now - NOW, now), by=("account", "step")).to_pylist()
    for row in rows:
        if (row["source"], row["account"]) in found:
            found[row["source"], row["account"]][row["step"]] = row[metric.name] or 0.0
    return found


def _steps(
    order: Sequence[str],
    counts: Mapping[str, float],
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


def _few(reached: float, expected: float) -> bool:
    return bool(stats.poisson.cdf(reached, expected) < _CHANCE)
