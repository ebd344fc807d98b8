"""An account whose data stopped coming: polls missed in a row, or answers that stand still.

An answer vouches for what it says up to the source's own lag, so that a report that has frozen looks like an
account that delivers nothing. It is told from one by what is usual: what may still deliver did so in those
hours of almost every day of the week before and of the same weekday, its budget is not spent, and
no poll has changed anything for as long.

Told on the wall clock, by nature. While it fires, the account's numbers mean nothing, so that its other
alerts are muted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple

import numpy as np

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from metrics import windows
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.roster import Bools
    from alerts.scene import Scene

STOOD: Final = 3
"""Hours in which the account usually delivers, of which its source knows nothing."""

_ALMOST: Final = 0.8
_LEAST_DAYS: Final = 3
"""An hour is usual if it delivered on so many of the days before, of so many at least that are known."""

_SPENT: Final = 0.95
"""From this share of a budget on, of the day or in total, what delivers nothing may just have spent it."""

_DAY: Final = 24
_WEEK: Final = 7 * _DAY

_CANNOT: Final = re.compile(
    r"disapproved|not.eligible|misconfigured|suspended|billing|ended|paused|pending|removed", re.IGNORECASE
)
"""What a source says of a campaign that does not deliver by right."""


class Freshness(Condition):
    """Three polls of delivery missed in a row (see Scene.overdue), or three usual hours without news."""

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ()
    mutes_account: ClassVar[bool] = True
    by_clock: ClassVar[bool] = True

    kind: Literal["freshness"] = "freshness"

    def moments(self, scene: Scene) -> Moments:
        return dict.fromkeys(scene.accounts, scene.now)

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        found = []
        still = _still(scene)
        for key in scene.scoped(scope):
            labels = Labels(*key)
            late = scene.overdue(key)
            if late is None:
                found.append(Observation(labels, Result.NODATA, scene.now))
            elif not late and key in still:
                found.append(_stands(scene, labels, still[key]))
            elif late or labels in watched:
                found.append(_told(scene, key, labels, late=late))
        return found


class _Still(NamedTuple):
    """missing: usual hours without delivery, of the last day. since: hours. at_risk: money an hour."""

    missing: int
    since: int
    at_risk: float


def _still(scene: Scene) -> dict[tuple[str, str], _Still]:
    """Accounts whose source answers and says nothing new, though usual hours went by."""
    rows = scene.ask(
        """SELECT source, account, max(seen_at) FILTER (changed > 0) AS changed FROM journal
        WHERE stream = 'delivery' AND outcome = 'ok' AND seen_at > $since GROUP BY ALL""",
        {"since": scene.now - timedelta(days=1)},
    )
    quiet = {
        (row["source"], row["account"])
        for row in rows
        if row["changed"] is None or scene.now - row["changed"] >= timedelta(hours=STOOD)
    }
    found = {}
    for key in quiet & scene.until.keys():
        of = [i for i, one in enumerate(scene.campaigns.labels) if one[:2] == key]
        since = int((scene.spend[of].sum(0) > 0).argmax())
        if since < STOOD:
            continue
        could = _could(scene, key, of)
        # Ads, and what the budgets left to spend, are asked only where the hours would be missed.
        if _missing(scene, could, range(since), since) < STOOD:
            continue
        idle = _without_ads(scene)
        could = {i for i in could if scene.campaigns.labels[i][:3] not in idle}
        missing = sum(
            _missing(scene, could - spent, hours, since) for hours, spent in _spent_days(scene, key, of)
        )
        if missing >= STOOD:
            money = float(scene.spend[sorted(could)].sum())
            found[key] = _Still(missing, since, money / (scene.spend.shape[1] - since))
    return found


def _could(scene: Scene, key: tuple[str, str], of: Sequence[int]) -> set[int]:
    """The campaigns of an account that may deliver now: a source may call one active whose flight is over."""
    today = scene.now.astimezone(scene.accounts[key].timezone).date()
    ends = scene.ask("SELECT source, account, campaign, ends FROM campaign WHERE ends IS NOT NULL", {})
    over = {(r["source"], r["account"], r["campaign"]) for r in ends if r["ends"] < today}
    campaigns = scene.campaigns
    return {
        i
        for i in of
        if campaigns.enabled[i]
        and not _CANNOT.search(campaigns.serving[i])
        and campaigns.labels[i][:3] not in over
    }


def _without_ads(scene: Scene) -> set[tuple[str, str, str]]:
    """The campaigns whose ads are known and none may deliver: paused one by one, or by their groups."""
    rows = scene.ask(
        """SELECT source, account, campaign FROM ad GROUP BY ALL
        HAVING NOT bool_or(status = 'enabled' AND NOT regexp_matches(serving, $cannot, 'i'))""",
        {"cannot": _CANNOT.pattern},
    )
    return {(r["source"], r["account"], r["campaign"]) for r in rows}


def _spent_days(scene: Scene, key: tuple[str, str], of: Sequence[int]) -> list[tuple[range, set[int]]]:
    """The hours of today and of yesterday, and the campaigns whose budget for it was spent."""
    rows = scene.ask(
        """SELECT source, account, if(shared, budget, campaign) AS purse,
          list(DISTINCT campaign) AS campaigns, if(shared, max(amount), sum(amount)) / 1e6 AS amount
        FROM budget WHERE period = 'daily' GROUP BY source, account, shared, purse""",
        {},
    )
    ended = scene.ask(
        """SELECT source, account, campaign FROM delivery JOIN (
          SELECT source, account, campaign, sum(amount) AS amount, min(starts) AS starts
          FROM budget WHERE period = 'total' GROUP BY ALL
        ) USING (source, account, campaign)
        WHERE coalesce(hour >= starts, true)
        GROUP BY source, account, campaign, amount HAVING sum(cost) >= $share * amount""",
        {"share": _SPENT},
    )
    over = {(r["source"], r["account"], r["campaign"]) for r in ended}
    window = windows.today({key: scene.accounts[key]}, {key: scene.until[key]})[key]
    today = round((window.end - window.start) / timedelta(hours=1))
    place = {scene.campaigns.labels[i].campaign: i for i in of}
    found = []
    for hours in (range(today), range(today, today + 24)):
        spent = {i for i in of if scene.campaigns.labels[i][:3] in over}
        for row in rows:
            if (row["source"], row["account"]) == key:
                drawn = {place[one] for one in row["campaigns"] if one in place}
                if scene.spend[sorted(drawn), hours.start : hours.stop].sum() >= _SPENT * row["amount"]:
                    spent |= drawn
        found.append((hours, spent))
    return found


def _missing(scene: Scene, of: set[int], hours: range, since: int) -> int:
    """Of these hours, those of the last day in which the campaigns usually deliver and did not."""
    delivered = scene.spend[sorted(of)].sum(0) > 0
    return sum(_usual(delivered, back, since) for back in hours if back < min(since, _DAY))


def _usual(delivered: Bools, back: int, since: int) -> bool:
    """Whether campaigns deliver at this hour: on almost every day that is known, and on this weekday.

    delivered: by hours back; nothing since `since`. back: of the last day, so that a week ago is in sight.
    """
    days = np.arange(back, len(delivered), _DAY)
    known = delivered[days[days >= since]]
    return bool(delivered[back + _WEEK] and len(known) >= _LEAST_DAYS and known.mean() >= _ALMOST)


def _stands(scene: Scene, labels: Labels, found: _Still) -> Observation:
    return Observation(
        labels,
        Result.TRUE,
        scene.now,
        seen=float(found.missing),
        expected=Range(0.0, 0.0, STOOD - 1.0),
        at_risk=found.at_risk,
        said=f"Its source answers, and nothing new for {found.since} h",
        began=scene.until[labels.source, labels.account] - timedelta(hours=found.since),
    )


def _told(scene: Scene, key: tuple[str, str], labels: Labels, *, late: bool) -> Observation:
    mark = scene.marks.get((*key, "delivery"))
    polled = mark.polled_at if mark else None
    every = scene.every.get(key[0])
    span = (scene.now - (polled or scene.started)).total_seconds()
    missed = span / every.total_seconds() if every else 0.0
    why = f": {mark.error}" if mark and mark.error else ""
    of = [i for i, one in enumerate(scene.campaigns.labels) if one[:2] == key]
    return Observation(
        labels,
        Result.TRUE if late else Result.FALSE,
        scene.now,
        seen=float(int(missed)),
        expected=Range(0.0, 0.0, 1.0),
        at_risk=float(scene.spend[of, :24].sum()) / 24,
        said=f"No data for {span / 60:.0f} min{why}" if late else "",
    )
