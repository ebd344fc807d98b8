"""Campaigns, ads, budgets, changes and A/B tests as Meta describes them, in the words all sources share."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from connectors.rows import Ad, Budget, Campaign, Change, Experiment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from connectors._meta_graph import Node
    from connectors.contract import Account

__all__ = [
    "ADSET_FIELDS",
    "AD_FIELDS",
    "CAMPAIGN_FIELDS",
    "CHANGE_FIELDS",
    "STUDY_FIELDS",
    "ad",
    "budget",
    "campaign",
    "change",
    "experiment",
    "kind",
    "moment",
]

CAMPAIGN_FIELDS = (
    "id,name,status,effective_status,objective,bid_strategy,smart_promotion_type,issues_info,"
    "daily_budget,lifetime_budget,start_time,stop_time,adlabels{name}"
)
ADSET_FIELDS = "id,campaign_id,name,status,effective_status,daily_budget,lifetime_budget,start_time,end_time"
AD_FIELDS = (
    "id,campaign_id,adset_id,name,status,effective_status,issues_info,adset{name},"
    "creative{link_url,object_url,template_url,object_story_spec,asset_feed_spec}"
)
CHANGE_FIELDS = (
    "event_time,event_type,translated_event_type,actor_id,actor_name,application_name,"
    "object_id,object_name,object_type,extra_data"
)
STUDY_FIELDS = (
    "id,name,type,start_time,end_time,canceled_time,"
    "cells{id,name,treatment_percentage,control_percentage,campaigns{id},adsets{campaign_id}}"
)

_WITHOUT_CENTS = frozenset(["CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND"])
"""Currencies whose budgets are in whole units; all others' are in hundredths.

https://developers.facebook.com/docs/marketing-api/currencies
"""


def _unit(currency: str) -> int:
    """Micros of the unit in which Meta tells budgets."""
    return 1_000_000 if currency in _WITHOUT_CENTS else 10_000


_STATUSES = {"ACTIVE": "enabled", "PAUSED": "paused", "ARCHIVED": "removed", "DELETED": "removed"}
_CHANNELS = (
    (re.compile(r"re-?(target|market)", re.IGNORECASE), "retargeting"),
    (re.compile(r"prospect", re.IGNORECASE), "prospecting"),
)


def moment(text: str | None) -> datetime | None:
    """A time as Graph writes it ("2026-11-23T10:00:00-0800"), in UTC; None for none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _day(text: str | None, zone: ZoneInfo) -> date | None:
    at = moment(text)
    return at.astimezone(zone).date() if at else None


def _status(node: Node) -> str:
    return _STATUSES.get(node.get("effective_status", ""), _STATUSES.get(node.get("status", ""), "enabled"))


def _serving(node: Node) -> str:
    """What keeps an object from delivering: its effective status where that is not active, and its issues."""
    state = node.get("effective_status", "")
    issues = [issue.get("error_summary", "") for issue in node.get("issues_info", ())]
    said = "" if state == "ACTIVE" else state.lower()
    return ": ".join(filter(None, (said, ", ".join(filter(None, dict.fromkeys(issues))))))


def campaign(node: Node, account: Account) -> Campaign:
    """Meta has no kind of campaign that says whom it is for: its name decides, as teams name them."""
    name = node.get("name", "")
    shopping = node.get("smart_promotion_type") == "AUTOMATED_SHOPPING_ADS"
    named = next((channel for pattern, channel in _CHANNELS if pattern.search(name)), "other")
    labels = node.get("adlabels", ())
    labels = labels.get("data", ()) if isinstance(labels, dict) else labels
    return Campaign(
        campaign=node["id"],
        name=name,
        status=_status(node),
        serving=_serving(node),
        channel="shopping" if shopping else named,
        objective=node.get("objective", "").lower(),
        bidding=node.get("bid_strategy", "").lower(),
        starts=_day(node.get("start_time"), account.timezone),
        ends=_day(node.get("stop_time"), account.timezone),
        labels=",".join(sorted(label["name"] for label in labels)),
    )


def ad(node: Node) -> Ad:
    """An ad, its ad set's name, and the page that its creative leads to."""
    return Ad(
        campaign=node["campaign_id"],
        ad_group=node["adset_id"],
        ad=node["id"],
        ad_group_name=node.get("adset", {}).get("name", ""),
        ad_name=node.get("name", ""),
        status=_STATUSES.get(node.get("status", ""), _status(node)),
        serving=_serving(node),
        final_url=_link(node.get("creative", {})),
    )


def _link(creative: Node) -> str:
    """Where a creative leads: each format keeps it in a place of its own."""
    story = creative.get("object_story_spec", {})
    for part in ("link_data", "video_data", "template_data", "photo_data"):
        data = story.get(part, {})
        link = data.get("link") or data.get("call_to_action", {}).get("value", {}).get("link")
        if link:
            return str(link)
    for entry in creative.get("asset_feed_spec", {}).get("link_urls", ()):
        if entry.get("website_url"):
            return str(entry["website_url"])
    return str(creative.get("link_url") or creative.get("object_url") or creative.get("template_url") or "")


def budget(node: Node, account: Account) -> Budget | None:
    """The budget that a campaign or an ad set holds itself; None where the other of the two holds it.

    A campaign's own state is in `campaign`; an ad set has no such row, so one that is paused, archived or
    deleted keeps its budget with an amount of 0, for it plans to spend nothing.
    """
    daily, lifetime = (int(node.get(name) or 0) for name in ("daily_budget", "lifetime_budget"))
    if not daily and not lifetime:
        return None
    group = "campaign_id" in node
    idle = group and node.get("status", "ACTIVE") != "ACTIVE"
    return Budget(
        budget=node["id"],
        campaign=node["campaign_id"] if group else node["id"],
        ad_group=node["id"] if group else "",
        name=node.get("name", ""),
        amount=0 if idle else (daily or lifetime) * _unit(account.currency),
        period="daily" if daily else "total",
        level="ad_group" if group else "campaign",
        shared=False,
        starts=_day(node.get("start_time"), account.timezone),
        ends=_day(node.get("end_time") or node.get("stop_time"), account.timezone),
    )


_KINDS = {
    "CAMPAIGN": "campaign",
    "CAMPAIGN_GROUP": "campaign",
    "ADSET": "ad_group",
    "AD_SET": "ad_group",
    "ADGROUP": "ad",
    "AD": "ad",
}


def kind(activity: Node) -> str:
    """One of campaign, ad_group, ad, or what Meta calls the object; the event's name is clearest."""
    event_type, object_type = str(activity["event_type"]), str(activity.get("object_type", ""))
    if "ad_set" in event_type:
        return "ad_group"
    if "campaign" in event_type:
        return "campaign"
    return _KINDS.get(object_type, object_type.lower())


def change(node: Node, campaigns: Mapping[str, str], currency: str) -> Change:
    """An activity. It has no id of its own: what it says makes one, so that it is stored once.

    campaigns: the campaign of each ad set and ad, by id.
    """
    at = moment(node["event_time"])
    if at is None:
        raise ValueError("an activity came without its time")
    event, entity = node["event_type"], str(node.get("object_id", ""))
    changed = kind(node)
    before, after = _values(event, node.get("extra_data"), currency)
    operation = "create" if event.startswith("create_") else "update"
    if event.startswith(("delete_", "remove_")) or "deleted" in str(after.get("run_status", "")).lower():
        operation = "remove"
    mark = "|".join(
        str(node.get(name, ""))
        for name in ("event_time", "event_type", "object_id", "actor_id", "extra_data")
    )
    return Change(
        change=hashlib.sha256(mark.encode()).hexdigest()[:20],
        at=at,
        actor=node.get("actor_name", ""),
        via=node.get("application_name", "").lower(),
        operation=operation,
        entity_type=changed,
        entity=entity,
        campaign=entity if changed == "campaign" else campaigns.get(entity, ""),
        summary=_summary(node, before, after),
        before=json.dumps(before, sort_keys=True),
        after=json.dumps(after, sort_keys=True),
    )


_SUBJECT = re.compile(r"^(?:update|delete|remove)_(?:campaign_group|campaign|ad_set|ad)_")


def _values(event: str, extra: Any, currency: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The changed field's values before and after; a budget is `amount_micros`, like everywhere."""
    try:
        told = json.loads(extra or "{}")
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return {}, {"text": extra}
    field = "name" if event.startswith("create_") else _SUBJECT.sub("", event)

    def side(name: str) -> dict[str, Any]:
        value = told.get(name)
        if isinstance(value, dict):
            value = value.get(name, value)
        if value in (None, ""):
            return {}
        if field == "budget" and str(value).isdigit():
            return {"amount_micros": int(value) * _unit(currency)}
        return value if isinstance(value, dict) else {field: value}

    return side("old_value"), side("new_value")


def _summary(node: Node, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """For people: "Campaign budget updated: Summer: amount 50 → 60"; money in units of the currency."""
    said = node.get("translated_event_type") or node["event_type"].replace("_", " ")
    moves = ", ".join(
        f"{field.removesuffix('_micros').replace('_', ' ')} {_said(field, before)} → {_said(field, after)}"
        for field in sorted(before)
    )
    return ": ".join(filter(None, (said, node.get("object_name", ""), moves)))


def _said(field: str, side: Mapping[str, Any]) -> str:
    value = side.get(field)
    if value is None:
        return "none"
    return f"{value / 1e6:g}" if field.endswith("_micros") else str(value)


def experiment(node: Node, account: Account, now: datetime) -> list[Experiment]:
    """The arms of an A/B test. Meta marks no control in a split test: where no cell is one, the first is.

    Meta finds the winner by the lowest cost per result.
    """
    cells = node.get("cells", {}).get("data", ())
    starts, ends = moment(node.get("start_time")), moment(node.get("end_time"))
    controls = [cell for cell in cells if float(cell.get("control_percentage") or 0) > 0]
    control = (controls or list(cells) or [{"id": ""}])[0]["id"]
    if node.get("canceled_time"):
        status = "canceled"
    elif starts and now < starts:
        status = "scheduled"
    else:
        status = "ended" if ends and now >= ends else "running"
    return [
        Experiment(
            experiment=node["id"],
            arm=cell["id"],
            name=node.get("name", ""),
            arm_name=cell.get("name", ""),
            status=status,
            control=cell["id"] == control,
            split=float(cell.get("treatment_percentage") or 0) / 100,
            campaigns=",".join(sorted(_campaigns(cell))),
            starts=_day(node.get("start_time"), account.timezone),
            ends=_day(node.get("end_time"), account.timezone),
            goals="cpa:decrease",
        )
        for cell in cells
    ]


def _campaigns(cell: Node) -> set[str]:
    """A cell holds campaigns, or ad sets of them."""
    whole = {node["id"] for node in cell.get("campaigns", {}).get("data", ())}
    return whole | {node["campaign_id"] for node in cell.get("adsets", {}).get("data", ())}
