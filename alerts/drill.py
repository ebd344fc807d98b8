"""A fire drill: the known condition is made in a shadow of the data, and must be heard on the real channel.

    shadow -> provoke -> judge -> state -> pipeline -> outbox -> channel -> read back

All of it is the installation's own code; only the data and the book are copies, and every message is marked
as a test. What was sent is looked up where the channel can be asked (Slack, Twilio); a mail counts once its
server has taken it. At the end the incident is ended, which people see too, and the copies are gone.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alerts.backtest import LOOK_BACK
from alerts.conditions.flight import PLANS, Flight
from alerts.conditions.landing_page import PAGES
from alerts.engine import Engine, Finding
from alerts.judge import judge
from alerts.notify.contract import NotifyError, unpack
from alerts.observation import Labels, Observation, Result
from alerts.outbox import Dispatcher, Inbox
from alerts.provoke import Unprovoked, page_to_fail, provoke
from alerts.records import CHAPTER, Records
from alerts.routes import INBOX
from alerts.scene import Scene
from alerts.telling import Describer
from warehouse.book import Book
from warehouse.shadow import Shadow, scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from alerts.notify.contract import Message, Notifier
    from alerts.outbox import Outbox
    from alerts.routes import Routing
    from alerts.rules import Rule
    from alerts.scene import Target
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["Delivered", "Drilled", "Ground", "drill"]

_CANDIDATES: Final = 8
"""Campaigns that are tried, the largest first: not every one has a target, a plan, or conversions to lose."""
_COSTS: Final = ("cpa", "cpl")
_WEEK: Final = 168
_WITHIN: Final = 60.0
"""Seconds in which a message must have gone out."""
_RETRY: Final = 0.5
_ASKED: Final = ("slack", "sms")
"""Channels that can be asked what they hold."""
_IDLE: Final = "nothing it watches delivers, or has a plan, target or page"
_KNOWN: Final = (Result.FALSE, Result.ERROR)
"""What a series says that could have fired: others have nothing to judge by."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message of a drill. fault: "" where it arrived. how: read back, accepted, or shown in the app.

    seconds: from what the rule found to the channel's word that it has the message.
    """

    channel: str
    to: str
    how: str
    seconds: float
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What came of one rule. on: the series that it fired on. skipped: why there was no drill, or ""."""

    rule: str
    on: Labels | None
    delivered: tuple[Delivered, ...] = ()
    fault: str = ""
    skipped: str = ""

    @property
    def well(self) -> bool:
        """Whether it fired and was heard, or nobody could try."""
        return not self.fault and all(not one.fault for one in self.delivered)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a drill works with: the installation's own parts.

    every: time between polls, by source. describe: makes the words for what a warehouse holds.
    """

    warehouse: Warehouse
    routing: Routing
    defaults: Mapping[str, str]
    notifiers: Mapping[str, Notifier]
    every: Mapping[str, timedelta]
    targets: Sequence[Target]
    metrics: Mapping[str, Metric]
    describe: Callable[[Warehouse], Describer]
    clock: Callable[[], datetime]


def drill(ground: Ground, rules: Sequence[Rule]) -> list[Drilled]:
    """Drill some rules; what came of each.

    Rules of one degree are told together, as they would be, so that all of them make a handful of messages.
    """
    now = ground.clock()
    with scratch() as folder, Shadow.of(ground.warehouse, folder, since=now - LOOK_BACK, start=now) as shadow:
        done: dict[str, Drilled] = {}
        found: dict[str, tuple[Rule, Observation]] = {}
        for rule in rules:
            try:
                hit = _provoked(shadow, ground, rule, now)
            except Unprovoked as why:
                done[rule.name] = Drilled(rule.name, None, skipped=str(why))
                continue
            if hit is None:
                done[rule.name] = Drilled(
                    rule.name, None, fault="the rule did not fire on its known condition"
                )
            else:
                found[rule.name] = (rule, hit)
                done[rule.name] = Drilled(rule.name, hit.labels)
        groups: dict[tuple[str, bool], list[str]] = {}
        for key, (rule, _) in found.items():
            groups.setdefault((str(rule.severity), rule.condition.mutes_account), []).append(key)
        for number, names in enumerate(groups.values()):
            book = Book.open(folder / f"{number}.sqlite", [CHAPTER])
            heard = _told(book, shadow, ground, [found[n] for n in names], now)
            book.close()
            for key in names:
                fault = "" if heard[key] else "it fired, and nobody was to hear of it"
                done[key] = replace(done[key], delivered=heard[key], fault=fault)
    return [done[rule.name] for rule in rules]


def _provoked(shadow: Shadow, ground: Ground, rule: Rule, now: datetime) -> Observation | None:
    """The rule's observation of its known condition; None where it does not see it on any candidate.

    What fires by itself proves nothing, and is left out. Raises Unprovoked where nothing is left to try.
    """
    scene = _scene(shadow, ground, now)
    # A condition may show at the campaign, at its account, or at the page that is made to fail.
    url = page_to_fail(shadow)
    pages = [Labels(*key, "", url) for key in (*scene.accounts, PAGES)] if url else []
    ranked = [
        (on, frozenset([on, Labels(*on[:2]), *pages, *_plans(rule, scene, on)]))
        for on in _candidates(scene, rule)
    ]
    before = _judged(scene, rule, [labels for _, mine in ranked for labels in mine])
    firing = {labels for labels, found in before.items() if found.result is Result.TRUE}
    free = [(on, mine) for on, mine in ranked if not mine & firing]
    if ranked and not free:
        raise Unprovoked("fires already: a drill would show nothing")
    blind, why = False, Unprovoked(_IDLE)
    for on, mine in free[:_CANDIDATES]:
        try:
            provoke(shadow, rule.condition, on, scene.until[on.source, on.account])
            told = _judged(_scene(shadow, ground, now), rule, mine)
        except Unprovoked as error:
            why = error
            continue
        finally:
            shadow.reset()
        ours = [o for o in told.values() if o.labels in mine or _about(o.labels, on)]
        ours = [o for o in ours if o.labels not in firing]
        hit = next((o for o in ours if o.result is Result.TRUE), None)
        if hit is not None:
            return hit
        could = [*ours, *(before[labels] for labels in mine & before.keys())]
        blind = blind or any(o.result in _KNOWN for o in could)
    if blind:
        return None
    raise why


def _judged(scene: Scene, rule: Rule, watched: Iterable[Labels]) -> Mapping[Labels, Observation]:
    """What a rule says, of the watched series also that it does not fire, or cannot tell."""
    return judge(scene, [rule], {rule.name: frozenset(watched)})[rule.name].told


def _candidates(scene: Scene, rule: Rule) -> list[Labels]:
    """Campaigns to try, those with the most to lose first: results where it is about their cost, else spend.

    The largest of each account come before the second largest: some rules look at an account as a whole.
    """
    metric = getattr(rule.condition, "metric", None)
    weight = scene.spend.sum(1)
    if metric in _COSTS:
        known = scene.sums((metric, "spend"), _WEEK)
        with np.errstate(all="ignore"):
            weight = np.nan_to_num(known["spend"] / known[metric], posinf=0.0)
    chosen = scene.selected(rule.scope) & (scene.spend[:, :24].sum(1) > 0)
    seen: Counter[tuple[str, ...]] = Counter()
    ranked: list[tuple[int, int, Labels]] = []
    for place in weight.argsort()[::-1]:
        labels = scene.campaigns.labels[place]
        if chosen[place]:
            ranked.append((seen[labels[:2]], len(ranked), labels))
            seen[labels[:2]] += 1
    return [labels for _, _, labels in sorted(ranked)]


def _plans(rule: Rule, scene: Scene, on: Labels) -> list[Labels]:
    """The plans that pay for a campaign, where the rule is about plans."""
    if not isinstance(rule.condition, Flight):
        return []
    account = scene.accounts[on.source, on.account]
    name = scene.campaigns.names[scene.campaigns.labels.index(on)]
    return [
        Labels(*PLANS, "", plan.name)
        for plan in rule.condition.plans
        if plan.covers(on.source, (account.id, account.name), (on.campaign, name))
    ]


def _about(labels: Labels, on: Labels) -> bool:
    """Whether a series is the campaign's, or its account's; a page may be anybody's."""
    mine = labels[:2] == on[:2] and labels.campaign in ("", on.campaign)
    return mine or (bool(labels.part) and labels[:2] != PLANS)


def _scene(shadow: Shadow, ground: Ground, now: datetime) -> Scene:
    return Scene(
        shadow,
        now,
        every=ground.every,
        started=now - timedelta(days=2),
        targets=ground.targets,
        metrics=ground.metrics,
    )


def _told(
    book: Book,
    shadow: Shadow,
    ground: Ground,
    found: Sequence[tuple[Rule, Observation]],
    now: datetime,
) -> dict[str, tuple[Delivered, ...]]:
    """Tell of what fired, look up what arrived, and end it: by rule, what became of its messages."""
    at_once = {"hold": timedelta(0), "keep_firing_for": timedelta(0)}
    rules = [rule.model_copy(update=at_once) for rule, _ in found]
    second = timedelta(seconds=1)
    routing = ground.routing.model_copy(
        update={"group_wait": timedelta(0), "group_interval": second, "escalation": ()}
    )
    engine = Engine(book, rules, routing, ground.defaults, ground.describe(shadow), test=True)
    sender = _Sender(engine.outbox, {INBOX: Inbox(), **ground.notifiers}, ground.clock)
    engine.take({rule.name: Finding({o.labels: o}) for rule, o in found}, now)
    arrived = sender.deliver()
    home = {(key.rule, key.severity): one.incident for key, one in engine.records.instances().items()}
    over = [(rule, replace(o, result=Result.FALSE, at=o.at + second)) for rule, o in found]
    engine.take({rule.name: Finding({o.labels: o}) for rule, o in over}, now + 2 * second)
    arrived += [(number, one) for number, one in sender.deliver() if one.fault]
    return {
        rule.name: tuple(one for number, one in arrived if number == str(home[rule.id, rule.severity]))
        for rule in rules
    }


class _Sender:
    """Sends what an outbox holds, and says of each message how its channel has it."""

    def __init__(
        self, outbox: Outbox, channels: Mapping[str, Notifier], clock: Callable[[], datetime]
    ) -> None:
        self._outbox, self._channels, self._began = outbox, channels, time.monotonic()
        self._dispatcher = Dispatcher(outbox, channels, clock)
        self._seen = 0

    def deliver(self) -> list[tuple[str, Delivered]]:
        """What became of the messages since the last call, with their incidents' numbers."""
        end = time.monotonic() + _WITHIN
        while time.monotonic() < end and self._outbox.counts().keys() & {"pending", "sending"}:
            turns = [self._dispatcher.turn(name, notifier) for name, notifier in self._channels.items()]
            if not any(turns):
                time.sleep(_RETRY)
        rows = self._outbox.book.read(
            "SELECT id, incident, channel, recipient, status, error, message FROM outbox "
            "WHERE id > ? ORDER BY id",
            [self._seen],
        )
        self._seen = max((row["id"] for row in rows), default=self._seen)
        return [(row["incident"].rpartition("-")[2], self._looked_up(row)) for row in rows]

    def _shown(self, message: Message) -> bool:
        """Whether the page Alerts has the message's incident: it reads the book, not what was sent."""
        records, number = Records(self._outbox.book), int(message.incident.rpartition("-")[2])
        headlines = self._outbox.book.read("SELECT headline FROM incident WHERE id = ?", [number])
        members = {one.incident for one in records.instances().values()}
        ended = (incident := records.incident(number)) is not None and incident.closed is not None
        return [row["headline"] for row in headlines] == [message.headline] and (ended or number in members)

    def _looked_up(self, row: Mapping[str, Any]) -> Delivered:
        channel = row["channel"]
        how = fault = ""
        if row["status"] != "sent":
            fault = row["error"] or "not sent in time"
        elif channel == INBOX:
            how = "shown in the app"
            fault = "" if self._shown(unpack(row["message"])) else "the app does not show it"
        else:
            try:
                held = self._channels[channel].find(unpack(row["message"]))
            except NotifyError as error:
                fault = f"sent, and not to be looked up: {error.cause}"
            else:
                how = "read back" if held else "accepted"
                if held is None and channel in _ASKED:
                    fault = "sent, and not to be found"
        return Delivered(channel, row["recipient"], how, time.monotonic() - self._began, fault)
