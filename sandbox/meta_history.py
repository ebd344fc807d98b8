"""The activities of an account, from the world's changes, and its A/B tests."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from sandbox import noise
from sandbox.meta_money import minor
from sandbox.meta_nodes import BUSINESS, Ref, stamp
from sandbox.meta_params import moment, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.meta_book import Book
    from sandbox.meta_params import Params
    from sandbox.model import Ad, AdGroup, Campaign, ChangeEvent, Experiment

__all__ = ["activities", "cell_values", "study_values"]

_DEFAULT_SPAN = timedelta(days=7)
_WORDS = {
    "create_campaign_group": "Campaign created",
    "create_ad_set": "Ad set created",
    "create_ad": "Ad created",
    "update_campaign_budget": "Campaign budget updated",
    "update_campaign_run_status": "Campaign status updated",
    "update_campaign_name": "Campaign name updated",
    "update_campaign_schedule": "Campaign schedule updated",
    "update_ad_set_budget": "Ad set budget updated",
    "update_ad_set_run_status": "Ad set status updated",
    "update_ad_set_name": "Ad set name updated",
    "update_ad_set_duration": "Ad set schedule updated",
    "update_ad_set_bidding": "Ad set bidding updated",
    "update_ad_run_status": "Ad status updated",
    "update_ad_friendly_name": "Ad name updated",
    "update_ad_creative": "Ad creative updated",
    "unknown": "Change",
}
_CATEGORY = {
    "BUDGET": {"update_campaign_budget", "update_ad_set_budget"},
    "STATUS": {"update_campaign_run_status", "update_ad_set_run_status", "update_ad_run_status"},
    "DATE": {"update_campaign_schedule", "update_ad_set_duration"},
    "BID": {"update_ad_set_bidding"},
}
_CREATED = {"CAMPAIGN": "create_campaign_group", "AD_GROUP": "create_ad_set", "AD": "create_ad"}
_UPDATED = {
    ("CAMPAIGN", "status"): "update_campaign_run_status",
    ("CAMPAIGN", "name"): "update_campaign_name",
    ("CAMPAIGN", "ends"): "update_campaign_schedule",
    ("AD_GROUP", "status"): "update_ad_set_run_status",
    ("AD_GROUP", "name"): "update_ad_set_name",
    ("AD_GROUP", "ends"): "update_ad_set_duration",
    ("AD_GROUP", "bidding"): "update_ad_set_bidding",
    ("AD", "status"): "update_ad_run_status",
    ("AD", "name"): "update_ad_friendly_name",
}
_STATUS = {"ENABLED": "Active", "PAUSED": "Inactive", "REMOVED": "Deleted"}


def activities(book: Book, params: Params) -> list[dict[str, Any]]:
    """What was changed between `since` and `until` (the last week, where not told), newest first.

    `category` and `oid` (an object's id) narrow it down.
    """
    until = moment(params["until"], "until") if params.get("until") else book.at
    since = moment(params["since"], "since") if params.get("since") else until - _DEFAULT_SPAN
    if since >= min(until, book.at):
        return []
    changes = book.world.changes(book.advertiser.id, start=since, end=min(until, book.at))
    told = [_activity(book, change) for change in changes]
    wanted = names(params, "category")
    if wanted:
        kept = set().union(*(_CATEGORY.get(name, set()) for name in wanted))
        kinds = {name for name in wanted if name in {"CAMPAIGN", "AD_SET", "AD"}}
        told = [
            one
            for one in told
            if one["event_type"] in kept or one["object_type"].replace("ADSET", "AD_SET") in kinds
        ]
    if params.get("oid"):
        told = [one for one in told if one["object_id"] == params["oid"].strip("\"'")]
    return told[::-1]


def _activity(book: Book, change: ChangeEvent) -> dict[str, Any]:
    kind, object_id = change.entity_type, change.entity
    if kind == "CAMPAIGN_BUDGET":
        # Meta knows no budgets by themselves: the change is their campaign's, or their ad set's.
        held = next((adset.id for adset in book.adsets.values() if adset.budget == object_id), None)
        kind, object_id = ("AD_GROUP", held) if held is not None else ("CAMPAIGN", change.campaign)
    event_type, extra = _told(book, change, kind)
    known: dict[str, Mapping[int, Campaign | AdGroup | Ad]] = {
        "CAMPAIGN": book.campaigns,
        "AD_GROUP": book.adsets,
        "AD": book.ads,
    }
    named = known[kind].get(object_id)
    local = change.at.astimezone(book.advertiser.timezone)
    return {
        "event_time": change.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S%z"),
        "date_time_in_timezone": f"{local:%m/%d/%Y} at {local.hour % 12 or 12}:{local:%M %p}",
        "event_type": event_type,
        "translated_event_type": _WORDS[event_type],
        "object_id": str(object_id),
        "object_name": named.name if named is not None else "",
        "object_type": {"AD_GROUP": "ADSET"}.get(kind, kind),
        "actor_id": str(noise.key(0, change.actor) % 10**15),
        "actor_name": change.actor,
        "application_id": "1862952583919182",
        "application_name": change.client.replace("_", " ").title(),
        "tool": change.client,
        "extra_data": json.dumps(extra, separators=(",", ":")),
    }


def _told(book: Book, change: ChangeEvent, kind: str) -> tuple[str, dict[str, Any]]:
    """The event's type, and its values before and after as Meta tells them."""
    if change.operation == "CREATE":
        return _CREATED[kind], {"new_value": change.after.get("name", ""), "type": "created"}
    if change.operation == "REMOVE":
        extra = {"old_value": "Active", "new_value": "Deleted", "type": "run_status"}
        return _UPDATED[kind, "status"], extra
    if "amount_micros" in change.after:
        currency = book.advertiser.currency
        money = {
            "old_value": int(minor(change.before["amount_micros"], currency)),
            "new_value": int(minor(change.after["amount_micros"], currency)),
            "currency": currency,
            "type": "payment_amount",
        }
        return ("update_ad_set_budget" if kind == "AD_GROUP" else "update_campaign_budget"), money
    for name, value in change.after.items():
        if (kind, name) in _UPDATED:
            old = change.before.get(name)
            if name == "status":
                states: dict[str, Any] = {
                    "old_value": _STATUS.get(str(old), ""),
                    "new_value": _STATUS.get(str(value), ""),
                }
                return _UPDATED[kind, name], {**states, "type": "run_status"}
            return _UPDATED[kind, name], {"old_value": old, "new_value": value, "type": name}
    values: dict[str, Any] = {"old_value": change.before, "new_value": change.after}
    return ("update_ad_creative" if kind == "AD" else "unknown"), values


def study_values(book: Book, study: Experiment) -> dict[str, Any]:
    """An A/B test's fields."""
    begins, ends = book.midnight(study.starts), book.midnight(study.ends + timedelta(days=1))
    values: dict[str, Any] = {
        "id": str(study.id),
        "name": study.name,
        "type": "SPLIT_TEST",
        "description": study.name,
        "start_time": stamp(begins, book),
        "end_time": stamp(ends - timedelta(seconds=1), book),
        "observation_end_time": stamp(ends - timedelta(seconds=1), book),
        "results_first_available_date": (study.starts + timedelta(days=1)).isoformat(),
        "created_time": stamp(begins - timedelta(days=1), book),
        "updated_time": stamp(begins - timedelta(days=1), book),
        "confidence_level": 0.9,
        "cells": [cell_values(book, arm) for arm in study.arms],
        "business": Ref("business", BUSINESS),
    }
    if study.status in {"CANCELED", "REMOVED"}:
        values["canceled_time"] = values["end_time"]
    return values


def cell_values(book: Book, arm: tuple[int, str, bool, float, tuple[int, ...]]) -> dict[str, Any]:
    """A cell's fields: one arm of a test, its share of people and its campaigns."""
    cell_id, name, control, share, campaigns = arm
    ads = [ad.id for ad in book.ads.values() if ad.campaign in campaigns]
    percent = round(share * 100, 2)
    return {
        "id": str(cell_id),
        "name": name,
        "treatment_percentage": percent,
        "control_percentage": percent if control else 0,
        "ad_entities_count": len(campaigns),
        "ad_ids": [str(ad) for ad in ads],
    }
