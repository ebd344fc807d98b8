"""The things that money is spent on, from the account down to the ad: their names, their set-up, their past.

An id is unique only within its parents, so an entity is always named from the account on.
"""

from __future__ import annotations

import difflib
import itertools
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from connectors.contract import Window
from metrics import changes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from warehouse.store import Warehouse

__all__ = ["Changed", "Described", "Entity", "Limit", "described", "history", "limits", "near"]

LEVELS: Final = ("account", "campaign", "ad_group", "ad")


@dataclass(frozen=True, slots=True)
class Entity:
    """An account, a campaign, an ad group (or ad set) or an ad; what is not given is "" from there on."""

    source: str
    account: str
    campaign: str = ""
    ad_group: str = ""
    ad: str = ""

    @property
    def level(self) -> str:
        """account, campaign, ad_group or ad."""
        return (
            "ad" if self.ad else "ad_group" if self.ad_group else "campaign" if self.campaign else "account"
        )

    @property
    def id(self) -> str:
        """Its own id, within its parent."""
        return self.ad or self.ad_group or self.campaign or self.account

    @property
    def where(self) -> dict[str, str]:
        """The filter of a question about it alone."""
        return {name: value for name in ("source", *LEVELS) if (value := getattr(self, name))}

    @property
    def path(self) -> tuple[Entity, ...]:
        """From its account to itself."""
        steps = [replace(self, campaign="", ad_group="", ad="")]
        if self.campaign:
            steps.append(replace(self, ad_group="", ad=""))
        if self.ad_group:
            steps.append(replace(self, ad=""))
        return tuple(steps) if not self.ad else (*steps, self)

    def child(self, id: str) -> Entity:  # noqa: A002  # it is the id of the child
        """The entity one level down with this id. Raises ValueError below an ad."""
        if self.ad:
            raise ValueError("an ad has no parts")
        return replace(self, **{LEVELS[LEVELS.index(self.level) + 1]: id})


@dataclass(frozen=True, slots=True)
class Described:
    """How an entity is set up now. name: its id where the source gave none.

    status: enabled, paused, removed, or "" where it has none of its own (an ad group; some accounts).
    serving: what keeps it from delivering, in the source's words. facts: all else that is known, by title.
    """

    entity: Entity
    name: str
    status: str = ""
    serving: str = ""
    channel: str = ""
    facts: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of the set-up. at: when the source says it was made, or the poll that first saw it.

    who: in the source's log, "" where only the polls saw it. what: old → new in words.
    """

    at: datetime
    who: str
    what: str
    kind: changes.Kind


_FACTS: Final = {
    "objective": "Objective",
    "bidding": "Bidding",
    "starts": "Starts",
    "ends": "Ends",
    "labels": "Labels",
    "final_url": "Leads to",
    "currency": "Currency",
    "timezone": "Time zone",
}


def described(warehouse: Warehouse, entity: Entity) -> Described | None:
    """The entity as its source describes it; None where neither a description nor any delivery is known."""
    table = "ad" if entity.ad_group else "campaign" if entity.campaign else "account"
    conditions = " AND ".join(f"{name} = ${name}" for name in entity.where)
    rows = warehouse.query(
        f"SELECT * FROM {table} WHERE {conditions} ORDER BY ALL LIMIT 1",  # noqa: S608  # names from above
        entity.where,
    ).to_pylist()
    if not rows:
        return Described(entity, entity.id) if _delivered(warehouse, entity) else None
    row = rows[0]
    name = row[{"ad": "ad_name", "ad_group": "ad_group_name"}.get(entity.level, "name")]
    grouped = entity.level == "ad_group"  # the row is one of its ads: only the group's name is its own
    facts = {} if grouped else {t: str(row[n]) for n, t in _FACTS.items() if row.get(n)}
    return Described(
        entity,
        name or entity.id,
        "" if grouped else row.get("status", ""),
        "" if grouped else row.get("serving", ""),
        row.get("channel", ""),
        facts,
    )


def _delivered(warehouse: Warehouse, entity: Entity) -> bool:
    table = "ad_delivery" if entity.ad_group else "delivery"
    conditions = " AND ".join(f"{name} = ${name}" for name in entity.where)
    found = warehouse.query(f"SELECT 1 FROM {table} WHERE {conditions} LIMIT 1", entity.where)  # noqa: S608
    return bool(found.num_rows)


def near(warehouse: Warehouse, entity: Entity, count: int = 5) -> list[tuple[Entity, str]]:
    """Campaigns that a wrong id may have meant, the likeliest first, with their names.

    Those with the same id elsewhere, or whose id or name resembles what was asked for.
    """
    rows = warehouse.query("SELECT source, account, campaign, name FROM campaign ORDER BY ALL").to_pylist()
    asked = (entity.campaign or entity.account).casefold()

    def likeness(row: Mapping[str, Any]) -> float:
        if row["campaign"].casefold() == asked:
            return 2.0
        name = row["name"].casefold()
        alike = max(
            difflib.SequenceMatcher(None, asked, row["campaign"].casefold()).ratio(),
            difflib.SequenceMatcher(None, asked, name).ratio(),
            0.9 if asked and asked in name else 0.0,
        )
        home = (row["source"], row["account"]) == (entity.source, entity.account)
        return alike + (0.1 if home else 0.0)

    scored = sorted(((likeness(row), n) for n, row in enumerate(rows)), key=lambda pair: (-pair[0], pair[1]))
    return [
        (Entity(row["source"], row["account"], row["campaign"]), row["name"] or row["campaign"])
        for score, n in scored[:count]
        if score >= 0.5
        for row in (rows[n],)
    ]


_WATCHED: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, tuple[str, changes.Kind]]]]] = {
    "campaign": (
        ("campaign",),
        {
            "name": ("Name", "name"),
            "status": ("Status", "status"),
            "serving": ("Serving", "other"),
            "bidding": ("Bidding", "bidding"),
            "objective": ("Objective", "other"),
            "starts": ("Starts", "other"),
            "ends": ("Ends", "other"),
            "labels": ("Labels", "other"),
        },
    ),
    "budget": (
        ("budget", "campaign", "ad_group"),
        {"amount": ("Budget", "budget"), "period": ("Budget's period", "budget")},
    ),
    "ad": (
        ("campaign", "ad_group", "ad"),
        {
            "ad_name": ("Ad's name", "name"),
            "status": ("Ad's status", "status"),
            "serving": ("Ad's serving", "other"),
            "final_url": ("Ad leads to", "other"),
        },
    ),
}
"""By table: the key of a row, and the columns whose changes are told: title, and what a log calls it."""

_LOG_DAYS: Final = 90
_SAME: Final = timedelta(days=1)
"""A poll sees a change after the source's log has it; within this the two are one."""


def history(warehouse: Warehouse, entity: Entity, *, until: datetime, limit: int = 200) -> list[Changed]:
    """What changed in a campaign or below, newest first: the source's log, and what only the polls saw.

    until: changes of the 90 days before, and of the hours after it, are looked up. A set-up that the first
    poll found is no change. Money is in units of the account's currency.
    """
    span = Window(until - timedelta(days=_LOG_DAYS), until + timedelta(days=1))
    edits = changes.edits(warehouse, span, entity.where)
    own = entity.ad or entity.ad_group
    log = [e for e in edits if e.campaigns and (not own or own in (e.entity, *e.entity.split("~")))]
    found = [Changed(e.at, e.actor or e.via, e.what, e.kind) for e in log]
    for table, (key, told) in _WATCHED.items():
        if table == "campaign" and entity.ad_group:
            continue
        names = [n for n in entity.where if n in ("source", "account", *key)]
        conditions = " AND ".join(f"{name} = ${name}" for name in names)
        columns = ", ".join([*key, *told, "valid_from"])
        rows = warehouse.query(
            f"SELECT {columns} FROM {table}_history WHERE {conditions} "  # noqa: S608  # names from above
            f"ORDER BY {', '.join(key)}, valid_from",
            {name: entity.where[name] for name in names},
        ).to_pylist()
        found += [
            c
            for c in _differences(rows, key, told)
            if span.start <= c.at < span.end
            and not any(e.kind == c.kind and abs(c.at - e.at) <= _SAME for e in log)
        ]
    return sorted(found, key=lambda c: c.at, reverse=True)[:limit]


def _differences(
    rows: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    told: Mapping[str, tuple[str, changes.Kind]],
) -> list[Changed]:
    out = []
    for old, new in itertools.pairwise(rows):
        if any(old[name] != new[name] for name in key):
            continue
        out += [
            Changed(
                new["valid_from"], "", f"{title} {_said(name, old[name])} → {_said(name, new[name])}", kind
            )
            for name, (title, kind) in told.items()
            if old[name] != new[name]
        ]
    return out


def _said(name: str, value: Any) -> str:
    if value is None:
        return "nothing"
    return f"{value / 1e6:,.2f}" if name == "amount" else str(value) or "nothing"


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget that an entity spends from. amount: in units of the account's currency.

    period: daily or total. campaigns: how many draw on it. ad_group: where it sits on one, its id.
    """

    name: str
    amount: float
    period: str
    campaigns: int
    ad_group: str


def limits(warehouse: Warehouse, entity: Entity) -> list[Limit]:
    """The budgets in force of a campaign, or of one of its ad groups; the largest first."""
    if not entity.campaign:
        return []
    condition = "AND b.ad_group IN ('', $ad_group)" if entity.ad_group else ""
    rows = warehouse.query(
        f"""
        SELECT b.name, b.amount / 1e6 AS amount, b.period, b.ad_group, (
          SELECT count(DISTINCT o.campaign) FROM budget_history AS o
          WHERE o.source = b.source AND o.account = b.account AND o.budget = b.budget AND o.valid_to IS NULL
        ) AS campaigns
        FROM budget_history AS b
        WHERE b.source = $source AND b.account = $account AND b.campaign = $campaign AND b.valid_to IS NULL
          {condition}
        ORDER BY b.amount DESC, b.budget
        """,  # noqa: S608  # the condition is one of the two above
        {name: value for name, value in entity.where.items() if name != "ad"},
    )
    return [Limit(**row) for row in rows.to_pylist()]
