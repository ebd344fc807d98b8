"""A test of landing pages: sessions and key events of each arm's pages, hour by hour, for all who came.

Whoever splits the visitors sends them to different pages: an arm is the pages that its patterns mean. The
same site may be told of by two sources; the one that knows more of its sessions counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np

from connectors.contract import Window
from metrics.compute import series
from metrics.verdict import Data

if TYPE_CHECKING:
    from metrics.model import Metric
    from warehouse.store import Warehouse

__all__ = ["METRIC", "read"]

METRIC: Final = "session_conversion_rate"
"""What a test of pages is about."""

_STREAM: Final = "web"


def read(
    warehouse: Warehouse,
    metrics: Mapping[str, Metric],
    arms: Sequence[Sequence[str]],
    starts: date,
    ends: date | None,
) -> tuple[tuple[Data, ...], datetime | None]:
    """Each treatment's hours beside the control's, and up to when the source vouches for them.

    metrics: the definitions in force. arms: patterns of each arm, over a page's path or `site/path`.
    starts, ends: days of the site's clock.
    """
    # Sites spend nothing and have no currency: they are not among the accounts that do.
    listed = warehouse.query("SELECT source, account, name, timezone FROM account").to_pylist()
    known = {(r["source"], r["account"]): (str(r["name"]), ZoneInfo(r["timezone"])) for r in listed}
    until = {
        (m.source, m.account): m.data_as_of
        for m in warehouse.watermarks()
        if m.stream == _STREAM and m.data_as_of is not None and (m.source, m.account) in known
    }
    sites = warehouse.query("SELECT DISTINCT source, account, page FROM web").to_pylist()
    of = {
        (row["source"], row["account"], row["page"]): place
        for row in sites
        for place, patterns in enumerate(arms)
        if (row["source"], row["account"]) in until
        and any(
            fnmatchcase(row["page"], p)
            or fnmatchcase(known[row["source"], row["account"]][0] + row["page"], p)
            for p in patterns
        )
    }
    spans = {key: _span(known[key][1], until[key], starts, ends) for key in {page[:2] for page in of}}
    chosen = [metrics["sessions"], metrics["key_events"]]
    rows = [
        row
        for key, span in spans.items()
        if span is not None
        for row in series(
            warehouse,
            chosen,
            span,
            by=("account", "page"),
            where={
                "source": key[0],
                "account": key[1],
                "page": [page for *owner, page in of if tuple(owner) == key],
            },
        ).to_pylist()
    ]
    if not rows:
        return (), min(until.values(), default=None)
    fullest = Counter[str]()
    for row in rows:
        fullest[row["source"]] += row["sessions"] or 0
    ((source, _),) = fullest.most_common(1)
    rows = [row for row in rows if row["source"] == source]
    moments = {at: n for n, at in enumerate(sorted({row["at"] for row in rows}))}
    columns = [{name: np.zeros(len(moments)) for name in ("clicks", "conversions")} for _ in arms]
    for row in rows:
        mine = columns[of[row["source"], row["account"], row["page"]]]
        mine["clicks"][moments[row["at"]]] += row["sessions"] or 0
        mine["conversions"][moments[row["at"]]] += row["key_events"] or 0
    told = [{**arm, "units": arm["clicks"]} for arm in columns]
    asked = [span for key, span in spans.items() if span is not None and key[0] == source]
    days = min((span.end - span.start) / timedelta(days=1) for span in asked)
    newest = min(until[key] for key in spans if key[0] == source)
    over = ends is not None and newest.date() > ends
    return tuple(Data(told[0], other, days, over) for other in told[1:]), newest


def _span(zone: ZoneInfo, until: datetime, starts: date, ends: date | None) -> Window | None:
    """The test's whole hours on the site's clock, as far as they are vouched for."""
    start = datetime.combine(starts, datetime.min.time(), zone).astimezone(UTC)
    end = until.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if ends is not None:
        last = datetime.combine(ends + timedelta(days=1), datetime.min.time(), zone)
        end = min(end, last.astimezone(UTC))
    return Window(start, end) if start < end else None
