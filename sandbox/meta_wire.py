"""A call as it reaches Graph, and the pages in which lists are answered.

Cursors are opaque. They hold the place and the moment of the first page, so that a list that is read page by
page does not shift while time goes on.

A page may be empty and yet have a `next`: Graph applies privacy and permission checks after it has cut the
page. Here every list of more than two pages has one such page, its second; under the fault `empty_page` every
second page is empty. A client that stops at the first empty page loses all that follows. The rows of a
finished report run are a stored table and have no such gap.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from sandbox.meta_errors import bad_parameter, reduce_rows
from sandbox.meta_params import number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.meta_params import Params

__all__ = ["VERSIONS", "Call", "Place", "Reply", "cut", "place"]

VERSIONS = ("v24.0", "v25.0", "v26.0")
"""Served versions, oldest first; a path without a version means the oldest."""

_PAGE = 25
_MOST_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request. path: its parts after the version. base: scheme and host for the links in pages."""

    method: str
    version: str
    path: tuple[str, ...]
    params: Params
    now: datetime
    base: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The path as it was written, for links and messages."""
        return "/".join(self.path)


@dataclass(slots=True)
class Reply:
    """One answer: a JSON document, its status and headers, and the account that it was about, if one."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    account: int | None = None
    insights: bool = False


class Place(NamedTuple):
    """Where a page begins, when its list was first read, and whether this page is the empty one."""

    offset: int
    at: datetime
    gap: bool


def _cursor(offset: int, at: datetime, gap: bool) -> str:
    text = f"{offset}:{int(at.timestamp() * 1e6)}:{int(gap)}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str) -> Place:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        offset, micros, gap = (int(part) for part in text.split(":"))
        return Place(offset, datetime.fromtimestamp(micros / 1e6, UTC), bool(gap))
    except (ValueError, binascii.Error):
        raise bad_parameter("Invalid cursors values") from None


def place(params: Params, now: datetime) -> Place:
    """Where the page that `params` asks for begins (`after`, or `before`), and as of when."""
    if params.get("after"):
        return _read(params["after"])
    if params.get("before"):
        end = _read(params["before"])
        return end._replace(offset=max(0, end.offset - number(params, "limit", _PAGE, least=1)), gap=False)
    return Place(0, now, gap=False)


def cut(
    call: Call,
    total: int,
    rows: Callable[[int, int], Sequence[Any]],
    *,
    gaps: bool = True,
    gapped: bool = False,
    path: str = "",
    params: Params | None = None,
) -> dict[str, Any]:
    """One page of a list of `total` rows as Graph's `{"data": [...], "paging": {...}}`.

    rows: gives the rows from an offset to an offset. gaps: whether an empty page may stand in the list.
    gapped: every second page is empty. path, params: what the links ask for, if not the call's own.
    """
    asked = call.params if params is None else params
    limit = number(asked, "limit", _PAGE, least=1)
    if limit > _MOST_ROWS:
        raise reduce_rows()
    offset, at, gap = place(asked, call.now)
    if offset >= total and not gap:
        return {"data": []}
    stop = offset if gap else min(offset + limit, total)
    follows = stop < total
    second = offset == 0 and total > 2 * limit
    empty_next = gaps and follows and not gap and (gapped or second)
    before, after = _cursor(offset, at, gap=False), _cursor(stop, at, gap=empty_next)
    paging: dict[str, Any] = {"cursors": {"before": before, "after": after}}

    def link(**cursor: str) -> str:
        kept = {key: value for key, value in asked.items() if key not in ("after", "before")}
        kept["access_token"] = call.params["access_token"]
        query = urlencode({**kept, "limit": str(limit), **cursor})
        return f"{call.base}/{call.version}/{path or call.text}?{query}"

    if follows:
        paging["next"] = link(after=after)
    if offset > 0:
        paging["previous"] = link(before=before)
    return {"data": list(rows(offset, stop)), "paging": paging}
