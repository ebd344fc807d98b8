"""What figures can be grouped and filtered by, and where each dimension is found.

An identity brings its parents along (an ad its group, campaign, account and source), since ids are unique
only within them. Names, channels and labels are as they are now, not as they were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from metrics.header import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metrics.model import View

__all__ = ["DIMENSIONS", "Convention", "Dimension", "UnknownDimension", "resolve"]


class UnknownDimension(ValueError):
    """No such dimension, or the view of a metric does not have it."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One way to group.

    columns: output column -> SQL over `v` (the view's rows) and the joined relation; the last is its own.
    needs: columns the view must have. join: a key of JOINS, or "".
    """

    name: str
    title: str
    columns: Mapping[str, str]
    needs: tuple[str, ...] = ()
    join: str = ""

    @property
    def own(self) -> str:
        """The SQL of the dimension itself, without its parents."""
        return self.columns[self.name]


JOINS: Final[Mapping[str, str]] = {
    "account": "LEFT JOIN account AS da ON da.source = v.source AND da.account = v.account",
    "campaign": (
        "LEFT JOIN campaign AS dc ON dc.source = v.source AND dc.account = v.account "
        "AND dc.campaign = v.campaign"
    ),
    "ad": (
        "LEFT JOIN ad AS dd ON dd.source = v.source AND dd.account = v.account AND dd.campaign = v.campaign "
        "AND dd.ad_group = v.ad_group AND dd.ad = v.ad"
    ),
    "label": (
        "LEFT JOIN (SELECT source, account, campaign, unnest(string_split(labels, ',')) AS label "
        "FROM campaign) AS dl ON dl.source = v.source AND dl.account = v.account AND dl.campaign = v.campaign"
    ),
}
"""How each relation joins to a view's rows `v`. Only `label` may find several: a campaign with two labels
stands in both groups, so that these groups add up to more than the total."""

_ACCOUNT: Final = {"source": "v.source", "account": "v.account"}
_CAMPAIGN: Final = {**_ACCOUNT, "campaign": "v.campaign"}
_GROUP: Final = {**_CAMPAIGN, "ad_group": "v.ad_group"}


def _of(name: str, title: str, join: str, sql: str, needs: tuple[str, ...]) -> Dimension:
    return Dimension(name, title, {name: sql}, needs, join)


_ALL: Final = (
    Dimension("source", "Source", {"source": "v.source"}, ("source",)),
    Dimension("account", "Account", _ACCOUNT, ("account",)),
    _of("account_name", "Account", "account", "coalesce(da.name, v.account)", ("account",)),
    _of("currency", "Currency", "account", "coalesce(da.currency, '')", ("account",)),
    Dimension("campaign", "Campaign", _CAMPAIGN, ("campaign",)),
    _of("campaign_name", "Campaign", "campaign", "coalesce(dc.name, v.campaign)", ("campaign",)),
    _of("channel", "Campaign kind", "campaign", "coalesce(dc.channel, '')", ("campaign",)),
    _of("status", "Status", "campaign", "coalesce(dc.status, '')", ("campaign",)),
    _of("label", "Label", "label", "coalesce(dl.label, '')", ("campaign",)),
    Dimension("ad_group", "Ad group", _GROUP, ("ad_group",)),
    Dimension("ad", "Ad", {**_GROUP, "ad": "v.ad"}, ("ad",)),
    _of("ad_group_name", "Ad group", "ad", "coalesce(dd.ad_group_name, v.ad_group)", ("ad",)),
    _of("ad_name", "Ad", "ad", "coalesce(dd.ad_name, v.ad)", ("ad",)),
    *(
        Dimension(name, title, {name: f"v.{name}"}, (name,))
        for name, title in (
            ("device", "Device"),
            ("network", "Network"),
            ("action", "Conversion action"),
            ("category", "Conversion category"),
            ("is_primary", "Primary"),
            ("day", "Day"),
            ("hour_of_day", "Hour of day"),
            ("page", "Landing page"),
            ("came_by", "Channel of the session"),
            ("step", "Step"),
        )
    ),
)
DIMENSIONS: Final[Mapping[str, Dimension]] = {d.name: d for d in _ALL}


@dataclass(frozen=True)
class Convention:
    """How a team names its campaigns: a regular expression whose named groups are dimensions.

    For example `(?P<country>[A-Z]{2})_(?P<brand>[^_]+)_.*`. Where a name does not match, the dimension is "".
    Raises ValueError for a pattern that is wrong, has no named group, or names a dimension that exists.
    """

    pattern: str
    dimensions: Mapping[str, Dimension] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.pattern).groupindex
        except re.error as error:
            raise ValueError(f"the naming convention is no regular expression: {error}") from error
        try:
            # The database's kind of expression knows less than Python's: no lookahead, no back references.
            pc.match_substring_regex(pa.array([""]), self.pattern)
        except pa.ArrowInvalid as error:
            said = str(error).removeprefix("Invalid regular expression: ")
            raise ValueError(
                f"the naming convention is no regular expression of the database's kind (RE2): {said}"
            ) from error
        if not groups:
            raise ValueError("the naming convention has no named group; name a part: (?P<country>[A-Z]{2})")
        if taken := sorted(set(groups) & set(DIMENSIONS)):
            raise ValueError(f"`{taken[0]}` is a dimension already; give the part of the name another name")
        found = {
            name: _of(
                name,
                name.replace("_", " ").capitalize(),
                "campaign",
                f"coalesce(regexp_extract(dc.name, $convention, {index}), '')",
                ("campaign",),
            )
            for name, index in groups.items()
        }
        object.__setattr__(self, "dimensions", found)


def resolve(names: Iterable[str], view: View, convention: Convention | None = None) -> list[Dimension]:
    """The dimensions of these names. Raises UnknownDimension with the nearest right name."""
    known = {**DIMENSIONS, **(convention.dimensions if convention else {})}
    found = []
    for name in names:
        dimension = known.get(name)
        possible = [d.name for d in known.values() if set(d.needs) <= set(view.columns)]
        if dimension is None:
            raise UnknownDimension(f"unknown dimension `{name}`{nearest(name, possible)}")
        if name not in possible:
            raise UnknownDimension(f"`{view.name}` is not known by {name}; known: {', '.join(possible)}")
        found.append(dimension)
    return found
