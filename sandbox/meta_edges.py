"""Lists of objects: which ones an edge holds, and which of them a request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.meta_attributes import ATTRIBUTES, attribute, parent
from sandbox.meta_filters import Condition, conditions, unsupported
from sandbox.meta_history import cell_values, study_values
from sandbox.meta_nodes import ad_values, adset_values, campaign_values, creative_values
from sandbox.meta_params import moment, names

if TYPE_CHECKING:
    from collections.abc import Collection

    from sandbox.meta_book import Book
    from sandbox.meta_params import Params

__all__ = ["HOLDS", "listed", "values"]

HOLDS = {"campaigns": "campaign", "adsets": "adset", "ads": "ad", "adcreatives": "creative",
         "ad_studies": "study", "cells": "cell"}  # fmt: skip
"""The kind of object that each edge holds."""

_GONE = {"DELETED", "ARCHIVED"}


def values(book: Book, kind: str, object_id: int, wanted: Collection[str]) -> dict[str, Any]:
    """All fields of an object; `wanted` names those that cost something. Raises KeyError for no such id."""
    match kind:
        case "campaign":
            return campaign_values(book, book.campaigns[object_id], wanted)
        case "adset":
            return adset_values(book, book.adsets[object_id], wanted)
        case "ad":
            return ad_values(book, book.ads[object_id])
        case "creative":
            return creative_values(book, book.creatives[object_id])
        case "study":
            return study_values(book, book.studies[object_id])
        case _:
            arms = {arm[0]: arm for study in book.studies.values() for arm in study.arms}
            return cell_values(book, arms[object_id])


def listed(book: Book, kind: str, object_id: int, edge: str, params: Params) -> list[int]:
    """The ids that the edge of an object holds, filtered as `params` ask.

    Without a filter that names them, deleted objects are left out.
    """
    wanted = HOLDS[edge]
    if wanted in {"study", "cell"}:
        return _studies(book, kind, object_id, wanted)
    found = _held(book, kind, object_id, wanted)
    asked = conditions(params)
    statuses = names(params, "effective_status")
    if statuses:
        asked.append(Condition("", "effective_status", "IN", statuses))
    if params.get("updated_since"):
        since = moment(params["updated_since"], "updated_since").isoformat()
        asked.append(Condition("", "updated_time", "GREATER_THAN_OR_EQUAL", since))
    names_states = any(c.field in {"effective_status", "delivery_info", "delivery_status"} for c in asked)
    if not names_states and wanted != "creative":
        asked.append(Condition("", "effective_status", "NOT_IN", sorted(_GONE)))
    return [one for one in found if all(_holds(book, wanted, one, condition) for condition in asked)]


def _holds(book: Book, kind: str, object_id: int, condition: Condition) -> bool:
    if condition.field not in ATTRIBUTES:
        raise unsupported(condition)
    owner = condition.kind or kind
    above = parent(book, kind, object_id, owner)
    if above is None:
        raise unsupported(condition)
    return condition.holds(attribute(book, owner, above, condition.field))


def _held(book: Book, kind: str, object_id: int, wanted: str) -> list[int]:
    if kind == "cell":
        arms = {arm[0]: arm for study in book.studies.values() for arm in study.arms}
        campaigns = set(arms[object_id][4])
        if wanted == "campaign":
            return [one for one in book.campaigns if one in campaigns]
        return [one.id for one in book.adsets.values() if one.campaign in campaigns]
    everything = {
        "campaign": list(book.campaigns),
        "adset": list(book.adsets),
        "ad": list(book.ads),
        "creative": list(book.creatives),
    }[wanted]
    if kind == "account":
        return everything
    if wanted == "creative":
        ads = [ad for ad in book.ads.values() if object_id in (ad.id, ad.ad_group, ad.campaign)]
        return list(dict.fromkeys(ad.creative for ad in ads))
    return [one for one in everything if parent(book, wanted, one, kind) == object_id]


def _studies(book: Book, kind: str, object_id: int, wanted: str) -> list[int]:
    if wanted == "cell":
        return [arm[0] for arm in book.studies[object_id].arms]
    if kind == "account":
        return list(book.studies)
    campaign = parent(book, kind, object_id, "campaign")
    return [study.id for study in book.studies.values() if any(campaign in arm[4] for arm in study.arms)]
