"""What is asked of the alerts of a running service, in plain values: for the API and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from alerts.catalog import next_reviews
from alerts.digest.audience import KINDS
from alerts.notify.contract import Message, Reason, Severity
from alerts.notify.email import plain
from alerts.propose import verdicts
from alerts.review import review
from alerts.routes import Receiver
from connectors.units import duration
from metrics import reviews
from warehouse.access import Actor, Permission, allow
from warehouse.audit import Audit

if TYPE_CHECKING:
    from service.alerting import Alerting

__all__ = ["ACTS", "UnknownAct", "act", "shown"]


class UnknownAct(LookupError):
    """There is no such act; the text names those there are."""


def shown(alerting: Alerting) -> dict[str, Any]:
    """Open incidents with their members, silences, and the last messages."""
    engine = alerting.engine
    now = alerting.now()
    instances = list(engine.records.instances().values())
    headlines = {
        row["id"]: row["headline"]
        for row in engine.records.book.read("SELECT id, headline FROM incident WHERE closed IS NULL")
    }
    return {
        "incidents": [
            {
                "id": one.id,
                "headline": headlines.get(one.id, ""),
                "owner": one.group.owner,
                "source": one.group.source,
                "account": one.group.account,
                "site": one.group.site,
                "severity": str(one.group.severity),
                "opened": one.opened.isoformat(),
                "acknowledged": one.acknowledged.by if one.acknowledged else None,
                "members": [
                    {
                        "rule": i.key.rule,
                        **i.key.labels._asdict(),
                        "state": str(i.state),
                        "since": i.since.isoformat(),
                        "seen": i.told.seen,
                        "expected": list(i.told.expected) if i.told.expected else None,
                        "sure": i.told.sure,
                        "at_risk": i.told.at_risk,
                        "said": i.told.said,
                    }
                    for i in instances
                    if i.incident == one.id
                ],
            }
            for one in engine.records.open_incidents()
        ],
        "pending": sum(i.state == "pending" for i in instances),
        "silences": [
            {
                "id": s.id,
                "starts": s.starts.isoformat(),
                "ends": s.ends.isoformat(),
                "by": s.by,
                "reason": s.reason,
                "match": dict(s.match),
                "members": len(s.members),
            }
            for s in engine.records.silences(now)
        ],
        "messages": engine.outbox.letters(last=50),
    }


def act(alerting: Alerting, name: str, asked: Mapping[str, Any], by: Actor) -> dict[str, Any]:
    """Do what a person asks. Raises UnknownAct, Denied, and ValueError, KeyError for what cannot be done."""
    if name not in ACTS:
        raise UnknownAct(f"there is no {name!r}; there are {', '.join(ACTS)}")
    done = ACTS[name](alerting, asked, by, alerting.now())
    alerting.decided()
    return done


def _ack(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    held = alerting.engine.acknowledge(int(asked["incident"]), by=by, now=now)
    return {"incident": held.id}


def _snooze(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    made = alerting.engine.snooze(
        int(asked["incident"]),
        by=by,
        reason=str(asked["reason"]),
        until=now + duration(asked["lasts"]),
        now=now,
    )
    return {"silence": made}


def _silence(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    starts = now + duration(asked.get("after", "0s"))
    made = alerting.engine.silence(
        {str(k): str(v) for k, v in asked["match"].items()},
        by=by,
        reason=str(asked["reason"]),
        starts=starts,
        ends=starts + duration(asked["lasts"]),
        now=now,
    )
    return {"silence": made}


def _unsilence(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    alerting.engine.unsilence(int(asked["silence"]), by=by, now=now)
    return {"silence": int(asked["silence"])}


def _note(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    what = str(asked["what"])
    if what not in ("useful", "noise", "assigned", "note"):
        raise ValueError(f"{what!r} is none of useful, noise, assigned, note")
    number, text = int(asked["incident"]), str(asked.get("text", ""))
    if what == "assigned":
        alerting.engine.assign(number, text, by=by, now=now)
    else:
        alerting.engine.note(number, what, by=by, text=text, now=now)
    return {"incident": int(asked["incident"])}


def _again(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    alerting.engine.again(int(asked["message"]), by=by, now=now)
    return {"message": int(asked["message"])}


def _test(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    """A message marked as a test, by the whole way out."""
    allow(alerting.engine.records.book, by, Permission.ALERTS, "alerts", now=now)
    channel, _, to = str(asked["to"]).partition(" ")
    address = alerting.engine.teller.address(Receiver(channel, to), by.name)
    if address is None:
        raise ValueError(f"{asked['to']!r} cannot be reached: see alerts in paceline.yaml")
    thread = f"{alerting.engine.records.installation}-test-{now.timestamp():.6f}"
    message = Message(
        key=f"{thread}/{address.channel}/{address.to}",
        incident=thread,
        to=address.to,
        reason=Reason.TEST,
        severity=Severity.INFO,
        headline=f"Test from Paceline, asked for by {by.name}",
        at=now,
        began=now,
        test=True,
        actions=False,
    )
    book = alerting.engine.records.book
    Audit(book).record(by.name, "tested", f"receiver {asked['to']}", now=now)
    alerting.engine.outbox.put(address.channel, [message], now)
    alerting.engine.outbox.wake()
    return {"key": message.key}


def _digest(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    """A digest as it is now: its text, and on demand on its way to whom it is for."""
    made, kind, name = alerting.digests, str(asked["kind"]), asked.get("audience")
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    known = [audience.name for audience in made.audiences]
    if not known:
        raise ValueError("nobody reads a digest: set up Slack, or write alerts.digests (docs/digests.md)")
    if name is not None and name not in known:
        raise ValueError(f"there is no audience {name!r}; there are {', '.join(known)}")
    if asked.get("send"):
        book = alerting.engine.records.book
        allow(book, by, Permission.ALERTS, "digests", now=now)
        Audit(book).record(by.name, "sent", f"digest {kind}", now=now, detail={"to": name or "all"})
        return {"messages": made.send(kind, now, name)}
    shown = []
    for audience in made.audiences:
        if name in (None, audience.name):
            addresses = [" ".join(address).strip() for address in made.addresses(audience)]
            digest = made.make(audience, kind, now)
            text = None
            if digest is not None:
                at = now.astimezone(made.zone)
                text = plain(digest.message(key="shown", thread="shown", to="", at=at))
            shown.append({"audience": audience.name, "to": addresses, "text": text})
    return {"digests": shown}


def _review(alerting: Alerting, asked: Mapping[str, Any], _actor: Actor, now: datetime) -> dict[str, Any]:
    """What came of each rule, most fires first, and when it is next reviewed."""
    days = int(asked.get("days", 28))
    if not 1 <= days <= 180:
        raise ValueError(f"{days} days: what happened is kept for 1 to 180")
    records, today = alerting.engine.records, now.astimezone(alerting.digests.zone).date()
    found = review(records, alerting.rules, now - timedelta(days=days), now)
    dates = next_reviews(alerting.rules, reviews.latest(records.book))
    return {
        "days": days,
        "rules": [
            {
                "rule": one.rule.name,
                "title": one.rule.title,
                "owner": one.rule.owner,
                "fires": one.fires,
                "fired_days": one.days,
                "hours": round(one.hours, 1),
                "flaps": one.flaps,
                "incidents": one.incidents,
                "told": one.told,
                "acted": one.acted,
                "acknowledged_after_s": (
                    one.acknowledged_after.total_seconds() if one.acknowledged_after else None
                ),
                "useful": one.useful,
                "noise": one.noise,
                "due": dates[one.rule.id].isoformat(),
                "overdue": dates[one.rule.id] < today,
            }
            for one in sorted(found, key=lambda r: (-r.fires, r.rule.name))
        ],
    }


def _verdicts(alerting: Alerting, asked: Mapping[str, Any], _actor: Actor, now: datetime) -> dict[str, Any]:
    """What people thought of each episode of a rule that they were told of."""
    name, days = str(asked["rule"]), int(asked.get("days", 28))
    rule = next((r for r in alerting.rules if r.name == name), None)
    if rule is None:
        raise ValueError(f"there is no rule {name!r}; there are {', '.join(r.name for r in alerting.rules)}")
    found = verdicts(alerting.engine.records, rule, now - timedelta(days=days), now)
    return {
        "verdicts": [
            {
                "labels": list(one.labels),
                "start": one.start.isoformat(),
                "end": one.end.isoformat(),
                "good": one.good,
            }
            for one in found
        ]
    }


def _drill(alerting: Alerting, asked: Mapping[str, Any], by: Actor, now: datetime) -> dict[str, Any]:
    """Begin a drill of a rule, or of all; `drilled` says what came of it."""
    allow(alerting.engine.records.book, by, Permission.ALERTS, "drill", now=now)
    name = asked.get("rule")
    chosen = [rule for rule in alerting.rules if name in (None, rule.id, rule.name)]
    if not chosen:
        raise ValueError(f"there is no rule {name!r}; there are {', '.join(r.name for r in alerting.rules)}")
    alerting.drills.start(chosen, now, by=by.name, whole=name is None)
    detail = {"rules": [rule.name for rule in chosen]}
    Audit(alerting.engine.records.book).record(by.name, "began", "drill", now=now, detail=detail)
    return {"rules": len(chosen), "at": now.isoformat()}


def _drilled(alerting: Alerting, _asked: Mapping[str, Any], _by: Actor, _now: datetime) -> dict[str, Any]:
    """The last drill that ended, and whether one is under way."""
    return {"running": alerting.drills.running, "last": alerting.drills.last()}


ACTS: Mapping[str, Callable[[Alerting, Mapping[str, Any], Actor, datetime], dict[str, Any]]] = {
    "ack": _ack,
    "snooze": _snooze,
    "silence": _silence,
    "unsilence": _unsilence,
    "note": _note,
    "again": _again,
    "test": _test,
    "digest": _digest,
    "review": _review,
    "verdicts": _verdicts,
    "drill": _drill,
    "drilled": _drilled,
}
"""Every act by its name in the API: `POST /api/alerts/NAME`."""
