"""What the engine keeps in the book: instances, incidents, silences, and what happened when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import TypeAdapter

from alerts.incident import Incident, Silence
from alerts.observation import Labels
from alerts.state import Instance, Key, State
from warehouse.audit import Audit
from warehouse.book import Book, Chapter

__all__ = ["CHAPTER", "Records"]

CHAPTER: Final = Chapter(
    "alerts",
    (
        """
CREATE TABLE alert (
    key TEXT PRIMARY KEY,
    rule TEXT NOT NULL, severity TEXT NOT NULL,
    source TEXT NOT NULL, account TEXT NOT NULL, campaign TEXT NOT NULL, part TEXT NOT NULL,
    state TEXT NOT NULL, since TEXT NOT NULL, incident INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE incident (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL, source TEXT NOT NULL, account TEXT NOT NULL, severity TEXT NOT NULL,
    opened TEXT NOT NULL, closed TEXT, headline TEXT NOT NULL DEFAULT '', body TEXT NOT NULL
);
CREATE INDEX incident_open ON incident (closed);
CREATE TABLE happened (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL, incident INTEGER NOT NULL, alert TEXT NOT NULL, what TEXT NOT NULL,
    who TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX happened_incident ON happened (incident);
CREATE TABLE silence (
    id INTEGER PRIMARY KEY,
    starts TEXT NOT NULL, ends TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    incident TEXT NOT NULL, channel TEXT NOT NULL, recipient TEXT NOT NULL, reason TEXT NOT NULL,
    message TEXT NOT NULL,
    status TEXT NOT NULL, tries INTEGER NOT NULL, unsure INTEGER NOT NULL,
    created TEXT NOT NULL, due TEXT NOT NULL, ended TEXT,
    provider_id TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', mend TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outbox_waiting ON outbox (channel, status, id);
CREATE INDEX outbox_thread ON outbox (incident, channel, recipient, status);
CREATE TABLE alerts_about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO alerts_about VALUES ('installation', lower(hex(randomblob(6))));
""",
    ),
)
"""Tables of this room. `alerts_about.installation` tells two installations apart that share a channel."""

_INSTANCE: Final = TypeAdapter(Instance)
_INCIDENT: Final = TypeAdapter(Incident)
_SILENCE: Final = TypeAdapter(Silence)


def name(key: Key) -> str:
    """An instance's name in the book."""
    return json.dumps([key.rule, str(key.severity), *key.labels], ensure_ascii=False)


class Records:
    """Reads what is committed; writes belong to the caller's transaction (`book.write()`).

    revision: grows with whatever happened since the start that people may want to see.
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        (row,) = book.read("SELECT value FROM alerts_about WHERE name = 'installation'")
        self.installation: str = row["value"]
        self.revision = 0

    # -- instances

    def instances(self) -> dict[Key, Instance]:
        """Every instance that is kept."""
        rows = self.book.read("SELECT body FROM alert ORDER BY key")
        found = [_INSTANCE.validate_json(row["body"]) for row in rows]
        return {instance.key: instance for instance in found}

    def members(self, incident: int) -> list[Instance]:
        """The instances that belong to an incident."""
        rows = self.book.read("SELECT body FROM alert WHERE incident = ? ORDER BY key", [incident])
        return [_INSTANCE.validate_json(row["body"]) for row in rows]

    def watched(self) -> dict[str, frozenset[Labels]]:
        """The series that have a state, by the rule's name."""
        found: dict[str, set[Labels]] = {}
        for row in self.book.read("SELECT rule, severity, source, account, campaign, part FROM alert"):
            labels = Labels(row["source"], row["account"], row["campaign"], row["part"])
            found.setdefault(f"{row['rule']}/{row['severity']}", set()).add(labels)
        return {rule: frozenset(labels) for rule, labels in found.items()}

    def keep(self, before: Mapping[Key, Instance], after: Mapping[Key, Instance]) -> None:
        """Store what differs."""
        changed = [i for key, i in after.items() if before.get(key) != i]
        gone = [name(key) for key in before if key not in after]
        with self.book.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        name(i.key),
                        i.key.rule,
                        str(i.key.severity),
                        *i.key.labels,
                        str(i.state),
                        stamp(i.since),
                        i.incident,
                        _INSTANCE.dump_json(i).decode(),
                    )
                    for i in changed
                ],
            )
            connection.executemany("DELETE FROM alert WHERE key = ?", [(one,) for one in gone])

    # -- incidents

    def open_incidents(self) -> list[Incident]:
        """Every incident that has not ended."""
        rows = self.book.read("SELECT body FROM incident WHERE closed IS NULL ORDER BY id")
        return [_INCIDENT.validate_json(row["body"]) for row in rows]

    def incident(self, number: int) -> Incident | None:
        """One incident, ended or not."""
        rows = self.book.read("SELECT body FROM incident WHERE id = ?", [number])
        return _INCIDENT.validate_json(rows[0]["body"]) if rows else None

    def next_number(self) -> int:
        """The number of the next incident; none is ever used twice."""
        (row,) = self.book.read("SELECT coalesce(max(id), 0) + 1 AS number FROM incident")
        return int(row["number"])

    def keep_incident(self, incident: Incident, headline: str | None = None) -> None:
        """Store an incident; None leaves its headline as it is."""
        where = incident.group
        with self.book.write() as connection:
            connection.execute(
                "INSERT INTO incident (id, owner, source, account, severity, opened, closed, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET closed = excluded.closed, body = excluded.body",
                [
                    incident.id,
                    where.owner,
                    where.source,
                    where.account,
                    str(where.severity),
                    stamp(incident.opened),
                    stamp(incident.closed) if incident.closed else None,
                    _INCIDENT.dump_json(incident).decode(),
                ],
            )
            if headline is not None:
                connection.execute("UPDATE incident SET headline = ? WHERE id = ?", [headline, incident.id])

    # -- silences

    def silences(self, now: datetime) -> list[Silence]:
        """Those that have not ended."""
        rows = self.book.read("SELECT body FROM silence WHERE ends > ? ORDER BY id", [stamp(now)])
        return [_SILENCE.validate_json(row["body"]) for row in rows]

    def keep_silence(self, silence: Silence) -> int:
        """Store a silence, a new one where its id is 0; its id."""
        with self.book.write() as connection:
            number = silence.id
            if not number:
                (row,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM silence").fetchall()
                number = int(row[0])
            body = _SILENCE.dump_python(silence, mode="json") | {"id": number}
            connection.execute(
                "INSERT OR REPLACE INTO silence VALUES (?, ?, ?, ?, ?, ?)",
                [
                    number,
                    stamp(silence.starts),
                    stamp(silence.ends),
                    silence.by,
                    silence.reason,
                    json.dumps(body, ensure_ascii=False),
                ],
            )
            return number

    # -- what happened

    def happened(
        self,
        what: str,
        *,
        at: datetime,
        incident: int = 0,
        key: Key | None = None,
        who: str = "",
        **detail: Any,
    ) -> None:
        """Add a line to the timeline of an incident: a turn of a member, a message, a human act."""
        self.revision += 1
        with self.book.write() as connection:
            connection.execute(
                "INSERT INTO happened (at, incident, alert, what, who, detail) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    stamp(at),
                    incident,
                    name(key) if key else "",
                    what,
                    who,
                    json.dumps(detail, ensure_ascii=False, default=str),
                ],
            )
            if who:  # a human act
                subject = f"incident {incident}" if incident else "alerts"
                Audit(self.book).record(who, what, subject, now=at, detail=detail)

    def timeline(self, incident: int) -> list[dict[str, Any]]:
        """An incident's timeline, oldest first."""
        rows = self.book.read(
            "SELECT at, alert, what, who, detail FROM happened WHERE incident = ? ORDER BY id", [incident]
        )
        return [{**row, "detail": json.loads(row["detail"])} for row in rows]

    def firing(self) -> Iterable[Instance]:
        """The instances that fire."""
        rows = self.book.read("SELECT body FROM alert WHERE state = ? ORDER BY key", [str(State.FIRING)])
        return [_INSTANCE.validate_json(row["body"]) for row in rows]


def stamp(at: datetime) -> str:
    """A moment as the book has it: ISO 8601, UTC, microseconds, so that texts sort as times."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
