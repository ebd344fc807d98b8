"""Google's change log: asked in pieces that fit its limit, and told in a sentence a change."""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict

from connectors._google_cells import id_of, rows
from connectors._google_queries import MOST_CHANGES
from connectors.errors import TooMuchData
from connectors.rows import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from zoneinfo import ZoneInfo

    from connectors._google_rows import Columns
    from connectors.contract import Window

__all__ = ["read"]

_KEPT = timedelta(days=30) - timedelta(hours=1)
"""How far back Google answers, less what a request may wait before it is sent."""

_SECOND = timedelta(seconds=1)
_VERBS = {"CREATE": "created", "UPDATE": "updated", "REMOVE": "removed"}


def read(
    ask: Callable[[datetime, datetime], Iterator[Columns]],
    window: Window,
    timezone: ZoneInfo,
    *,
    now: datetime,
    version: str,
) -> Iterator[list[Change]]:
    """The changes of `window`, oldest first, each once.

    ask: a request for the changes from one local moment to another, both included; a span whose reply
    reaches Google's limit is halved and asked again. Changes of the hour that a clock repeats stand at
    the first of the two. Raises TooMuchData for more than the limit in one second.
    """
    start = max(window.start, now - _KEPT)
    if start >= window.end:
        return
    first = start.astimezone(timezone).replace(tzinfo=None, fold=0, microsecond=0)
    last = (window.end.astimezone(timezone) + _SECOND).replace(tzinfo=None, fold=0, microsecond=0)
    if window.end.astimezone(timezone).fold:
        last += timedelta(hours=1)  # what stands at the first of two hours may bear a later local time
    types = importlib.import_module(f"google.ads.googleads.{version}.resources.types.change_event")
    parse = types.ChangeEvent.ChangedResource.pb().FromString
    seen: set[str] = set()
    spans = [(first, max(last, first + _SECOND))]
    while spans:
        begin, end = spans.pop()
        found = [row for columns in ask(begin, end) for row in rows(columns)]
        if len(found) >= MOST_CHANGES:
            middle = begin + ((end - begin) // 2 // _SECOND) * _SECOND
            if middle == begin:
                raise TooMuchData(f"over {MOST_CHANGES} changes between {begin} and {end}")
            spans += [(middle, end), (begin, middle)]  # both hold the middle's second: seen takes care
            continue
        changes = []
        for row in found:
            change = _change(row, timezone, parse)
            if start <= change.at < window.end and change.change not in seen:
                seen.add(change.change)
                changes.append(change)
        yield changes


def _change(row: dict[str, Any], timezone: ZoneInfo, parse: Callable[[bytes], Any]) -> Change:
    local = datetime.fromisoformat(row["change_event.change_date_time"])
    kind = row["change_event.change_resource_type"].lower()
    paths = _paths(row["change_event.changed_fields"])
    before = _values(parse(row["change_event.old_resource"]), kind, paths)
    after = _values(parse(row["change_event.new_resource"]), kind, paths)
    verb = _VERBS.get(row["change_event.resource_change_operation"], "changed")
    return Change(
        change=row["change_event.resource_name"].rpartition("/")[2],
        at=local.replace(tzinfo=timezone).astimezone(UTC),
        actor=row["change_event.user_email"],
        via=row["change_event.client_type"].lower(),
        operation=row["change_event.resource_change_operation"].lower(),
        entity_type=kind,
        entity=id_of(row["change_event.change_resource_name"]),
        campaign=id_of(row["change_event.campaign"]),
        summary=_summary(kind, verb, before, after),
        before=json.dumps(before, sort_keys=True),
        after=json.dumps(after, sort_keys=True),
    )


def _paths(mask: bytes) -> list[str]:
    return list(FieldMask.FromString(mask).paths)


def _values(changed: Any, kind: str, paths: list[str]) -> dict[str, Any]:
    """The values of `paths` in the one resource that `changed` holds, but for fields that are not set."""
    if kind not in changed.DESCRIPTOR.fields_by_name or not changed.HasField(kind):
        return {}
    found = {}
    for path in paths:
        value = _at(getattr(changed, kind), path.split("."))
        if value is not None:
            found[path] = value
    return found


def _at(message: Any, path: list[str]) -> Any:
    """The value at `path` as JSON: enums by name, messages as dictionaries; None where it is not set."""
    fields = message.DESCRIPTOR.fields_by_name
    field = fields.get(path[0]) or fields.get(f"{path[0]}_")
    if field is None:
        return None
    value = getattr(message, field.name)
    if field.is_repeated:
        return [MessageToDict(v) if field.message_type else _plain(field, v) for v in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.message_type is not None:
        return _at(value, path[1:]) if path[1:] else MessageToDict(value, preserving_proto_field_name=True)
    return _plain(field, value)


def _plain(field: Any, value: Any) -> Any:
    if field.enum_type is None:
        return value
    known = field.enum_type.values_by_number.get(value)
    return known.name if known else value


def _summary(kind: str, verb: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """For people: "campaign budget updated: amount 50 → 60, name … → …"; money in units of the currency."""
    changes = []
    for path in sorted(before.keys() | after.keys()):
        old, new = (_said(path, side.get(path)) for side in (before, after))
        if old != new:
            changes.append(f"{path.removesuffix('_micros').replace('_', ' ')} {old} → {new}" if old else new)
    said = f"{kind.replace('_', ' ')} {verb}"
    return f"{said}: {', '.join(changes)}" if changes and verb == "updated" else said


def _said(path: str, value: Any) -> str:
    if value is None:
        return "none"
    if path.endswith("_micros"):
        return f"{value / 1e6:g}"
    return str(value).lower().replace("_", " ") if isinstance(value, str) and value.isupper() else str(value)
