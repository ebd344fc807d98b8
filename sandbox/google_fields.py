"""What may be asked of the Google Ads API: fields as the messages of a version declare them.

The types come from the google-ads package's descriptors.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.google_errors import types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["CONVERSION_SEGMENTS", "CORE_DATES", "Catalogue", "Field", "catalogue", "describe"]

CORE_DATES = ("segments.date", "segments.week", "segments.month", "segments.quarter", "segments.year")
"""The segments that may stand in WHERE alone, and need a finite range there when selected."""

CONVERSION_SEGMENTS = frozenset(
    f"segments.{name}"
    for name in (
        "conversion_action",
        "conversion_action_category",
        "conversion_action_name",
        "conversion_adjustment",
        "conversion_attribution_event_type",
        "conversion_lag_bucket",
        "conversion_or_adjustment_lag_bucket",
        "external_conversion_source",
    )
)

_SCALARS = {
    1: "DOUBLE", 2: "FLOAT", 3: "INT64", 4: "UINT64", 5: "INT32", 8: "BOOLEAN", 9: "STRING", 11: "MESSAGE",
    12: "STRING", 14: "ENUM",
}  # fmt: skip

_WHOLE_MESSAGES = {"change_event.old_resource", "change_event.new_resource"}
_WHOLE_TYPES = frozenset(
    {
        "AdAppDeepLinkAsset", "AdCallToActionAsset", "AdGroupAdAssetPolicySummary", "AdImageAsset",
        "AdMediaBundleAsset", "AdTextAsset", "AudienceExclusionDimension", "ContactDetails", "FieldMask",
        "KeywordPlanForecastPeriod", "LegacyAppInstallAdInfo", "ListingDimensionPath",
        "ListingGroupFilterDimensionPath", "LocationGroupInfo", "SearchVolumeRange",
    }
)  # fmt: skip
"""Messages that are selected whole; of any other the fields are."""
_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Field:
    """One field. path: its attributes in a raw GoogleAdsRow. kind: GoogleAdsFieldDataType's constant."""

    name: str
    path: tuple[str, ...]
    kind: str
    repeated: bool
    enum: Mapping[str, int] | None
    message: str
    """Full name of its message or enum type, or ""."""
    selectable: bool

    @property
    def resource(self) -> str:
        """The resource it belongs to, or `segments`, or `metrics`."""
        return self.name.partition(".")[0]

    @property
    def filterable(self) -> bool:
        """Whether it may stand in WHERE."""
        return self.kind != "MESSAGE"

    @property
    def sortable(self) -> bool:
        """Whether it may stand in ORDER BY."""
        return self.kind != "MESSAGE" and not self.repeated


class Catalogue:
    """The fields of one version."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.row: Any = types(version, "services.types.google_ads_service").GoogleAdsRow.pb()
        self._known: dict[str, Field | None] = {}
        self.resources = frozenset(f.name for f in self.row.DESCRIPTOR.fields) - {"metrics", "segments"}

    def field(self, name: str) -> Field | None:
        """The field of that name, or None."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Field | None:
        parts = name.split(".")
        if len(parts) < 2:
            return None
        message, path = self.row.DESCRIPTOR, []
        leaf: Any = None
        for part in parts:
            if message is None or (leaf is not None and leaf.is_repeated):
                return None
            leaf = message.fields_by_name.get(part) or message.fields_by_name.get(part + "_")
            if leaf is None:
                return None
            path.append(leaf.name)
            message = leaf.message_type
            if message is not None and message.name in _WHOLE_TYPES:
                message = None
        return describe(name, tuple(path), leaf)

    def fields(self, resource: str) -> Iterator[Field]:
        """Every selectable field of a resource, of `segments` or of `metrics`."""
        top = self.row.DESCRIPTOR.fields_by_name[resource]
        yield from self._walk(resource, (top.name,), top.message_type)

    def _walk(self, name: str, path: tuple[str, ...], message: Any) -> Iterator[Field]:
        for leaf in message.fields:
            one = describe(f"{name}.{leaf.name.rstrip('_')}", (*path, leaf.name), leaf)
            if one.selectable:
                yield one
            elif leaf.message_type is not None and len(path) < _MAX_DEPTH:
                yield from self._walk(one.name, one.path, leaf.message_type)


def describe(name: str, path: tuple[str, ...], leaf: Any) -> Field:
    """A field from its descriptor."""
    kind = _SCALARS[leaf.type]
    if kind == "STRING" and name.endswith("resource_name"):
        kind = "RESOURCE_NAME"
    elif kind == "STRING" and (name.endswith(("date", "date_time")) or name in CORE_DATES):
        kind = "DATE"
    whole = (
        leaf.is_repeated
        or name in _WHOLE_MESSAGES
        or (name.startswith("recommendation.") and name.count(".") == 1)
        or (kind == "MESSAGE" and (not leaf.message_type.fields or leaf.message_type.name in _WHOLE_TYPES))
    )
    return Field(
        name=name,
        path=path,
        kind=kind,
        repeated=leaf.is_repeated,
        enum={n: v.number for n, v in leaf.enum_type.values_by_name.items()} if leaf.enum_type else None,
        message=(leaf.message_type or leaf.enum_type).full_name
        if leaf.message_type or leaf.enum_type
        else "",
        selectable=kind != "MESSAGE" or whole,
    )


@functools.cache
def catalogue(version: str) -> Catalogue:
    """The catalogue of a version; built once, filled as fields are asked for."""
    return Catalogue(version)
