"""The A/B tests of an installation: those that the platforms run, those that the team writes down.

An arm is a set of campaigns. Its hours are the units of the comparison (its days, where a source knows
conversions by the day only). Late conversions are late in both arms alike, so they do not move the ratio of
the two. `metrics.verdict` says what follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.contract import Account, Window
from metrics import page_arms, windows
from metrics.compute import series
from metrics.model import Metric
from metrics.platform_effects import Beside, beside, told
from metrics.verdict import Data, Judgement, Ratio, Rules, judge
from metrics.windows import AccountKey
from warehouse.store import Warehouse

__all__ = ["METRICS", "TOTALS", "Group", "Result", "Test", "platform_tests", "read", "resolve", "results"]

Floats = npt.NDArray[np.float64]
CampaignKey = tuple[str, str, str]

METRICS: Final[Mapping[str, Ratio]] = {
    ratio.name: ratio
    for ratio in (
        Ratio("conversion_rate", "conversions", "clicks", higher=True),
        Ratio("cpa", "cost", "conversions", higher=False),
        Ratio("roas", "revenue", "cost", higher=True),
        Ratio("ctr", "clicks", "impressions", higher=True),
        Ratio("cpc", "cost", "clicks", higher=False),
        Ratio("average_order_value", "revenue", "conversions", higher=True),
        Ratio(page_arms.METRIC, "conversions", "clicks", higher=True),  # of sessions, for tests of pages
    )
}
"""What a test can be about: ratios of sums, so that arms of unlike size compare."""

TOTALS: Final[Mapping[str, Ratio]] = {
    ratio.name: ratio
    for ratio in (
        Ratio("conversions", "conversions", "", higher=True),
        Ratio("revenue", "revenue", "", higher=True),
        Ratio("clicks", "clicks", "", higher=True),
        Ratio("impressions", "impressions", "", higher=True),
        Ratio("spend", "cost", "", higher=False),
    )
}
"""What a platform's test can be about besides, for a platform gives each arm its share of the traffic."""

USUAL: Final = "cpa"
"""What a platform's test is judged by where it names no goal: both platforms tell how arms do by that."""

_COLUMNS: Final = {
    "impressions": "impressions",
    "clicks": "clicks",
    "cost": "spend",
    "conversions": "conversions",
    "revenue": "revenue",
}
_LENGTH: Final = 28
"""Days that a test without an end is planned for."""

_DAILY: Final = frozenset({"meta_ads"})
"""Sources whose conversions are placed into hours by an estimate: their units are days."""


_UNCOUNTED: Final = {
    "google_ads": "Google splits searches, or people by their cookies, before the auction, and does not tell "
    "how many fell to each arm. Impressions and clicks are what an arm made of its share, by bids and ads.",
    "meta_ads": "Meta splits people before the auction, and does not tell how many fell to each cell. Reach "
    "and impressions are what a cell made of its share.",
    "": "Nothing counts what was split between these campaigns: impressions and clicks are what they made of "
    "it.",
}


@dataclass(frozen=True, slots=True)
class Group:
    """An arm: its name, its meant share of the traffic (None: nobody splits it), and its campaigns.

    patterns: ids or names with `*` and `?`, where the campaigns are yet to be found (`resolve`).
    pages: patterns of landing pages instead, where pages are what is tested.
    """

    name: str
    share: float | None = None
    campaigns: tuple[CampaignKey, ...] = ()
    patterns: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Test:
    """An experiment; the first arm is the control. `starts` and `ends` are local days, both included."""

    __test__ = False  # pytest collects by this name

    id: str
    title: str
    source: str
    arms: tuple[Group, ...]
    starts: date
    ends: date | None = None
    metric: str = "conversion_rate"
    hypothesis: str = ""
    owner: str = ""
    minimum_effect: float = 0.1
    guardrails: tuple[str, ...] = ()
    alpha: float = 0.05
    fault: str = ""
    """Why it cannot be judged; empty where it can."""
    more: Mapping[str, bool] = field(default_factory=dict)
    """Of a metric, whether more of it is wanted, where the platform says so itself."""
    goal: str = ""
    """Who says by what it is judged: the sentence that the metric ends; empty where the team wrote it."""

    def ratio(self, name: str) -> Ratio:
        """A metric that it is about, with what is wanted of it."""
        found = {**METRICS, **TOTALS}[name]
        return replace(found, higher=self.more.get(name, found.higher))

    @property
    def split(self) -> str:
        """Why it cannot be watched whether the split is as it was meant to be; "" where it can."""
        if self.arms and self.arms[0].pages:
            return ""
        return _UNCOUNTED.get(self.source, _UNCOUNTED[""])

    @property
    def planned_days(self) -> int:
        """Days from the start to the planned end."""
        return (self.ends - self.starts).days + 1 if self.ends else _LENGTH


@dataclass(frozen=True)
class Result:
    """A test with its verdicts: one for each arm after the first, and the data they rest on."""

    test: Test
    judgements: tuple[tuple[Group, Judgement], ...]
    data: tuple[Data, ...]
    rules: Rules | None
    unit: timedelta
    data_as_of: datetime | None
    platform: tuple[Beside, ...] = ()
    """What the platform that runs it says itself."""


def platform_tests(warehouse: Warehouse) -> list[Test]:
    """The tests that Google Ads and Meta run, from their own lists; newest first."""
    rows = warehouse.query(
        """SELECT * FROM experiment WHERE starts IS NOT NULL
        ORDER BY starts DESC, source, account, experiment, control DESC, arm"""
    ).to_pylist()
    found: dict[tuple[str, str, str], list[dict[str, object]]] = {}
    for row in rows:
        found.setdefault((row["source"], row["account"], row["experiment"]), []).append(row)
    return [_platform_test(key, arms) for key, arms in found.items()]


def _platform_test(key: tuple[str, str, str], rows: Sequence[Mapping[str, object]]) -> Test:
    source, account, number = key
    arms = tuple(
        Group(
            str(row["arm_name"]) or f"Arm {n + 1}",
            float(str(row["split"])) or None,
            tuple((source, account, c) for c in str(row["campaigns"]).split(",") if c),
        )
        for n, row in enumerate(rows)
    )
    first = rows[0]
    starts, ends = first["starts"], first["ends"]
    assert isinstance(starts, date)
    metric, guardrails, more, goal = _goals(str(first["goals"]))
    return Test(
        id=f"{source}/{account}/{number}",
        title=str(first["name"]) or f"Experiment {number}",
        source=source,
        arms=arms,
        starts=starts,
        ends=ends if isinstance(ends, date) else None,
        fault=_fault(arms),
        metric=metric,
        guardrails=guardrails,
        more=more,
        goal=goal,
    )


def _goals(told: str) -> tuple[str, tuple[str, ...], dict[str, bool], str]:
    """The metric, the guardrails, of which more is wanted, and the sentence that says so.

    A goal that may stay as it is (no_change_or_increase) is a guardrail, unless there is no other.
    """
    pairs = [(metric, way) for metric, _, way in (one.partition(":") for one in told.split(",") if one)]
    known = [(metric, way) for metric, way in pairs if metric in METRICS or metric in TOTALS]
    more = {m: w.endswith("increase") for m, w in known if w.endswith(("increase", "decrease"))}
    aims = [m for m, w in known if not w.startswith("no_change")] or [m for m, _ in known]
    plain = ", ".join(m.replace("_", " ") for m, _ in pairs)
    if not aims:
        why = (
            f"The platform's goal ({plain}) cannot be worked out here"
            if pairs
            else "The platform names no goal"
        )
        return USUAL, (), {}, f"{why}: judged by"
    kept = tuple(m for m, w in known if m != aims[0] and w.startswith("no_change_or"))
    return aims[0], kept, more, "Judged by the platform's own goal:"


def resolve(test: Test, campaigns: Mapping[CampaignKey, str]) -> Test:
    """A written test with the campaigns that its patterns mean. campaigns: name by key."""
    arms = tuple(
        replace(
            arm,
            campaigns=arm.campaigns
            or tuple(
                key
                for key, name in campaigns.items()
                if any(fnmatchcase(name, p) or fnmatchcase(key[2], p) for p in arm.patterns)
            ),
        )
        for arm in test.arms
    )
    return replace(test, arms=arms, fault=test.fault or _fault(arms))


def _fault(arms: Sequence[Group]) -> str:
    if len(arms) < 2:
        return "It has fewer than two arms."
    if all(arm.pages for arm in arms):
        return ""
    if empty := [arm.name for arm in arms if not arm.campaigns]:
        return f"No campaign belongs to {', '.join(empty)}: check its ids or patterns."
    seen: dict[CampaignKey, str] = {}
    for arm in arms:
        for key in arm.campaigns:
            if seen.setdefault(key, arm.name) != arm.name:
                return (
                    f"Campaign {key[2]} belongs to {seen[key]} and to {arm.name}: "
                    "their figures cannot be told apart."
                )
    return ""


def read(
    warehouse: Warehouse,
    metrics: Mapping[str, Metric],
    known: Mapping[AccountKey, Account],
    test: Test,
    *,
    currency: str | None = None,
) -> tuple[tuple[Data, ...], timedelta, datetime | None]:
    """Each treatment's data beside the control's, the unit, and up to when the sources vouch for it.

    metrics: the definitions in force. currency: convert money to it, where the arms spend in several.
    """
    if test.arms[0].pages:
        data, as_of = page_arms.read(
            warehouse, metrics, [arm.pages for arm in test.arms], test.starts, test.ends
        )
        return data, timedelta(hours=1), as_of
    keys = [key for arm in test.arms for key in arm.campaigns]
    accounts = sorted({key[:2] for key in keys if key[:2] in known})
    until = windows.watermarks(warehouse, known)
    ends = [until[key] for key in accounts if key in until]
    if not ends or len(ends) < len(accounts):
        return (), timedelta(hours=1), None
    daily = any(source in _DAILY for source, _ in accounts)
    unit = timedelta(days=1) if daily else timedelta(hours=1)
    asked: dict[AccountKey, Window] = {}
    for key in accounts:
        zone = known[key].timezone
        start = datetime.combine(test.starts, datetime.min.time(), zone)
        stop = until[key].astimezone(zone)
        if daily:
            stop = stop.replace(hour=0, minute=0, second=0, microsecond=0)
        if test.ends:
            stop = min(stop, datetime.combine(test.ends + timedelta(days=1), datetime.min.time(), zone))
        if stop <= start:
            return (), unit, min(ends)
        asked[key] = Window(start.astimezone(UTC), stop.astimezone(UTC))
    table = series(
        warehouse,
        [metrics[name] for name in _COLUMNS.values()],
        asked,
        step=unit,
        by=("source", "account", "campaign"),
        where={"campaign": [key[2] for key in keys]},
        currency=currency,
    )
    rows = list(zip(*(table[c].to_pylist() for c in ("source", "account", "campaign", "at")), strict=True))
    moments = {at: n for n, at in enumerate(sorted({row[3] for row in rows}))}
    arms = []
    for arm in test.arms:
        chosen = set(arm.campaigns)
        sums = {name: np.zeros(len(moments)) for name in _COLUMNS}
        mine = [n for n, row in enumerate(rows) if row[:3] in chosen]
        place = [moments[rows[n][3]] for n in mine]
        for name, metric in _COLUMNS.items():
            values = np.nan_to_num(np.asarray(table[metric].to_numpy(zero_copy_only=False), dtype=float))
            np.add.at(sums[name], place, values[mine])
        arms.append(sums)
    days = min((w.end - w.start) / timedelta(days=1) for w in asked.values())
    last = max(w.end.astimezone(known[k].timezone).date() for k, w in asked.items())
    over = test.ends is not None and last > test.ends
    return tuple(Data(arms[0], b, days, over) for b in arms[1:]), unit, min(ends)


def results(
    warehouse: Warehouse,
    metrics: Mapping[str, Metric],
    known: Mapping[AccountKey, Account],
    tests: Sequence[Test],
    *,
    currency: str | None = None,
) -> list[Result]:
    """Every test with its verdict by now, by the definitions in force."""
    out = []
    platforms = told(warehouse)
    for test in tests:
        if test.fault:
            out.append(Result(test, (), (), None, timedelta(hours=1), None))
            continue
        data, unit, as_of = read(warehouse, metrics, known, test, currency=currency)
        shares = [arm.share for arm in test.arms]
        rules = Rules(
            metric=test.ratio(test.metric),
            planned=2 * test.planned_days * (timedelta(days=1) / unit),
            minimum_effect=test.minimum_effect,
            alpha=test.alpha,
            guardrails=tuple(map(test.ratio, test.guardrails)),
            treatments=len(test.arms) - 1,
        )
        said = []
        for arm, columns in zip(test.arms[1:], data, strict=False):
            split = (shares[0], arm.share)
            meant = (split[0], split[1]) if split[0] and split[1] else None
            names = (test.arms[0].name, arm.name)
            said.append((arm, judge(replace(rules, shares=meant), columns, names=names)))
        asked = {name: test.ratio(name) for name in (test.metric, *test.guardrails, "cpa", "roas")}
        platform = beside(platforms.get(test.id, ()), rules, data, asked)
        out.append(Result(test, tuple(said), data, rules, unit, as_of, platform))
    return out
