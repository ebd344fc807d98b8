"""Who changed what: the platforms' own logs (Google's change_event, Meta's activities), in words.

    daily budget €50 → €80, Brand Search DE, anna@example.com, 10:14

A log names ids and fields; people know names. Which of the changes is likely to be behind a movement is a
matter of scope and time: `suspects` puts those first that touch what moved, shortly before or while it did.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from metrics.words import exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connectors.contract import Window
    from metrics.explanation import Explanation
    from warehouse.store import Warehouse

__all__ = ["KINDS", "Edit", "Kind", "Suspect", "edits", "suspects"]

Kind: TypeAlias = Literal["budget", "bidding", "status", "name", "created", "removed", "other"]

KINDS: Final[Mapping[Kind, str]] = {
    "budget": "Budget",
    "bidding": "Bidding",
    "status": "Status",
    "name": "Name",
    "created": "Created",
    "removed": "Removed",
    "other": "Other",
}
"""What a change is about, and its title."""

_NOUNS: Final = {
    "meta_ads ad_group": "ad set",
    "campaign_budget": "budget",
    "ad_group_ad": "ad",
    "ad_group_criterion": "keyword or audience",
    "campaign_criterion": "targeting",
    "ad_group_bid_modifier": "bid adjustment",
    "ad_group_asset": "asset",
    "campaign_asset": "asset",
    "customer_asset": "asset",
}
_FIELDS: Final = {"run_status": "status", "effective_status": "status", "amount": "budget"}
"""Fields that the platforms call by other words than people do."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change that somebody made at a source.

    at: UTC. campaigns: ids of those it touches; () for what concerns the whole account. campaign: the name
    of the campaign, "3 campaigns" for several, "" for none. entity_name: the changed thing's own name where
    it has one. what: old → new in words, money in the account's currency. before, after: the changed fields
    as stored. via: the tool it was made with.
    """

    id: str
    at: datetime
    source: str
    account: str
    account_name: str
    currency: str
    campaigns: tuple[str, ...]
    campaign: str
    entity_type: str
    entity: str
    entity_name: str
    actor: str
    via: str
    kind: Kind
    what: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def where(self) -> dict[str, Any]:
        """The filter of a question about what it touches."""
        found: dict[str, Any] = {"source": self.source, "account": self.account}
        return found | ({"campaign": list(self.campaigns)} if self.campaigns else {})

    @property
    def scope(self) -> str:
        """What it touches, by name."""
        return self.campaign or self.entity_name or self.account_name

    @property
    def sentence(self) -> str:
        """What, where and who; the moment is the reader's to place on a clock."""
        return ", ".join(filter(None, (f"{self.scope}: {self.what}", self.actor)))


_SQL: Final = """
SELECT c.source, c.account, c.change, c."at", c.actor, c.via, c.operation, c.entity_type, c.entity,
  c.campaign, c.summary, c.before, c.after,
  coalesce(a.name, c.account) AS account_name, coalesce(a.currency, '') AS currency,
  b.period, b.campaigns, g.ad_group_name, d.ad_name
FROM change AS c
LEFT JOIN account AS a ON a.source = c.source AND a.account = c.account
LEFT JOIN (
  SELECT source, account, budget, min(period) AS period,
    list(DISTINCT campaign ORDER BY campaign) AS campaigns
  FROM budget GROUP BY source, account, budget
) AS b ON b.source = c.source AND b.account = c.account AND b.budget = c.entity
LEFT JOIN (
  SELECT source, account, ad_group, min(ad_group_name) AS ad_group_name FROM ad
  GROUP BY source, account, ad_group
) AS g ON g.source = c.source AND g.account = c.account AND g.ad_group = c.entity
LEFT JOIN (
  SELECT source, account, ad, min(ad_name) AS ad_name FROM ad GROUP BY source, account, ad
) AS d ON d.source = c.source AND d.account = c.account AND d.ad = regexp_replace(c.entity, '^.*~', '')
WHERE c."at" >= $start AND c."at" < $stop
ORDER BY c."at" DESC, c.source, c.account, c.change
"""


def edits(warehouse: Warehouse, window: Window, where: Mapping[str, Any] | None = None) -> list[Edit]:
    """What people (and their tools) changed in a window, newest first, with names.

    where: as a question's filters, of which those on source, account and campaign are heeded; a change to a
    whole account belongs to each of its campaigns.
    """
    rows = warehouse.query(_SQL, {"start": window.start, "stop": window.end}).to_pylist()
    if not rows:
        return []
    names = {
        (r["source"], r["account"], r["campaign"]): r["name"]
        for r in warehouse.query("SELECT source, account, campaign, name FROM campaign").to_pylist()
    }
    kept = {name: _listed((where or {}).get(name)) for name in ("source", "account", "campaign")}
    found = (_edit(row, names) for row in rows)
    return [edit for edit in found if _within(edit, kept)]


def _within(edit: Edit, kept: Mapping[str, Sequence[str] | None]) -> bool:
    sources, accounts, campaigns = kept["source"], kept["account"], kept["campaign"]
    return (
        (sources is None or edit.source in sources)
        and (accounts is None or edit.account in accounts)
        and (campaigns is None or not edit.campaigns or bool(set(edit.campaigns) & set(campaigns)))
    )


def _edit(row: Mapping[str, Any], names: Mapping[tuple[str, str, str], str]) -> Edit:
    campaigns = (row["campaign"],) if row["campaign"] else tuple(row["campaigns"] or ())
    single = names.get((row["source"], row["account"], campaigns[0]), campaigns[0]) if campaigns else ""
    before, after = (_fields(row[side]) for side in ("before", "after"))
    own = {"ad_group": row["ad_group_name"], "ad": row["ad_name"], "ad_group_ad": row["ad_name"]}
    if row["entity_type"] == "campaign":
        own["campaign"] = names.get((row["source"], row["account"], row["entity"]))
    name = own.get(row["entity_type"]) or str((after or before).get("name") or "")
    kind, what = _told(row, before, after, name)
    return Edit(
        id=row["change"],
        at=row["at"],
        source=row["source"],
        account=row["account"],
        account_name=row["account_name"],
        currency=row["currency"],
        campaigns=campaigns,
        campaign=single if len(campaigns) <= 1 else f"{len(campaigns)} campaigns",
        entity_type=row["entity_type"],
        entity=row["entity"],
        entity_name=name,
        actor=row["actor"],
        via=row["via"].replace("_", " "),
        kind=kind,
        what=what,
        before=before,
        after=after,
    )


def _fields(text: str) -> dict[str, Any]:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}


def _told(
    row: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], name: str
) -> tuple[Kind, str]:
    """What a change is about, and what it says."""
    kind = row["entity_type"]
    noun = _NOUNS.get(f"{row['source']} {kind}") or _NOUNS.get(kind) or kind.replace("_", " ")
    told = f"{noun} “{name}”" if name and kind != "campaign" else noun
    if row["operation"] == "create":
        return "created", f"{told} created"
    if row["operation"] == "remove":
        return "removed", f"{told} removed"
    moves, kinds = [], set[Kind]()
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old != new:
            kinds.add(_about(kind, path))
            field = _field(path, row["period"])
            moves.append(f"{field} {_value(path, old, row)} → {_value(path, new, row)}")
    if not moves:
        return "other", row["summary"]
    about: Kind = next((k for k in KINDS if k in kinds), "other")
    # A budget is known by what draws on it; an ad group or an ad by its own name.
    of = f"{told}: " if kind not in ("campaign", "campaign_budget") else ""
    return about, of + ", ".join(moves)


def _about(entity: str, path: str) -> Kind:
    last = path.rpartition(".")[2]
    if entity == "campaign_budget" or last in ("amount_micros", "amount", "budget", "spend_cap"):
        return "budget"
    if "status" in last:
        return "status"
    if last == "name":
        return "name"
    if any(word in path for word in ("bid", "target_cpa", "target_roas", "cpc", "cpm", "optimization_goal")):
        return "bidding"
    return "other"


def _field(path: str, period: str | None) -> str:
    last = path.rpartition(".")[2].removesuffix("_micros")
    word = _FIELDS.get(last, last)
    if word == "budget" and period:
        return f"{period} budget"
    return word.replace("_", " ").replace("cpa", "CPA").replace("cpc", "CPC").replace("roas", "ROAS")


def _value(path: str, value: Any, row: Mapping[str, Any]) -> str:
    if value is None:
        return "none"
    if path.endswith("_micros") and isinstance(value, int | float):
        return exact(value / 1e6, row["currency"])
    if isinstance(value, list):
        return f"{len(value)} values" if len(value) != 1 else str(value[0])
    text = str(value)
    if path.rpartition(".")[2].endswith("status") or (text.isupper() and "_" in text):
        text = text.lower().replace("_", " ")
    return textwrap.shorten(text, 60, placeholder=" …") or "none"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A change that may be behind a movement.

    share: of all that moved, up or down, the part that its campaigns moved; None where the movement is not
    known by campaign or account. score: share times nearness; 1 is a change in the window to all that moved.
    """

    edit: Edit
    share: float | None
    score: float


_FADES: Final = timedelta(hours=24)
"""Half as likely for each day that a change lies before the window it may have moved."""


def suspects(found: Explanation, among: Iterable[Edit], window: Window) -> list[Suspect]:
    """`among` (edits of both windows) by how near they are to what moved, the likeliest first.

    window: the later of the two that `found` compares. A change after it cannot have moved anything, and is
    left out. Nearness is 1 within the window and halves with each day before its start.
    """
    by_account = len(found.movers[0].key) >= 2 if found.movers else False
    whole = sum(abs(m.amount) for m in found.movers)
    told = []
    for edit in among:
        if edit.at >= window.end:
            continue
        share = None
        if by_account and whole > 0:
            share = sum(abs(m.amount) for m in found.movers if _touches(edit, m.key)) / whole
        near = 0.5 ** max((window.start - edit.at) / _FADES, 0.0)
        told.append(Suspect(edit, share, near * (1.0 if share is None else share)))
    return sorted(told, key=lambda s: (-s.score, -s.edit.at.timestamp(), s.edit.id))


def _touches(edit: Edit, key: tuple[str, ...]) -> bool:
    source, account, *rest = key
    same = (source, account) == (edit.source, edit.account)
    return same and (not edit.campaigns or not rest or rest[0] in edit.campaigns)


def _listed(value: Any) -> Sequence[str] | None:
    return [value] if isinstance(value, str) else value
