"""A landing page that does not work: clicks are paid for, and lead nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Labels, Observation, Result
from metrics import site
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene

_SAID: Final = {
    "dns": "Page down: no such host",
    "connect": "Page down: no connection",
    "certificate": "Page down: certificate",
    "timeout": "Page down: no answer",
    "redirect": "Page leads off the site",
    "tag": "Tag missing on page",
}
"""What is wrong by kind of failure, short enough to leave room for the money on a lock screen."""

PAGES: Final = ("landing_pages", "pages")
"""The account of pages that no ad leads to."""


class LandingPage(Condition):
    """`failures` looks at a page in a row that failed; a page that could not be asked counts as unknown.

    One series an account whose running ads lead to the page, for it pays for that; a page that no ad leads to
    is a series of its own. Those of one site are told together.
    """

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ("table page_check", "table ad")
    by_account: ClassVar[bool] = False

    kind: Literal["landing_page"] = "landing_page"
    failures: Annotated[int, Field(ge=1, le=20)] = 2

    def moments(self, scene: Scene) -> Moments:
        mark = scene.marks.get((*PAGES, "checks"))
        if mark is None or mark.polled_at is None:
            return {}
        return dict.fromkeys([*scene.accounts, PAGES], mark.polled_at)

    def site(self, labels: Labels) -> str:
        return (urlsplit(labels.part).hostname or "").removeprefix("www.")

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        rows = scene.ask(
            """SELECT url, list(failure ORDER BY checked DESC)[:$most] AS failures,
              arg_max(status, checked) AS status, max(checked) AS checked,
              min(checked) FILTER (checked > coalesce(worked, $since)) AS began
            FROM (SELECT *, max(checked) FILTER (failure = '') OVER (PARTITION BY url) AS worked
              FROM page_check WHERE checked >= $since) GROUP BY url""",
            {"most": self.failures, "since": scene.now - timedelta(days=1)},
        )
        led = _led_to(scene) if rows else {}
        inside = set(scene.scoped(scope))
        found = []
        for row in rows:
            last = row["failures"]
            known = "blocked" not in last
            down = known and len(last) == self.failures and all(last)
            for key, risk in (led.get(row["url"]) or {PAGES: 0.0}).items():
                labels = Labels(*key, "", row["url"])
                if not (down or labels in watched) or not (key in inside or scope.everything):
                    continue
                found.append(
                    Observation(
                        labels,
                        (Result.TRUE if down else Result.FALSE) if known else Result.NODATA,
                        row["checked"],
                        at_risk=risk,
                        said=_SAID.get(last[0], f"Page down: answers {row['status']}") if down else "",
                        began=row["began"] if down else None,
                    )
                )
        return found


def _led_to(scene: Scene) -> dict[str, dict[tuple[str, str], float]]:
    """Which accounts pay for each page, and how much an hour, in the account's currency."""
    found: dict[str, dict[tuple[str, str], float]] = {}
    for url, paying in site.payers(scene.warehouse, scene.metrics, scene.now).items():
        by_account = found.setdefault(url, {})
        for payer in paying:
            key = (payer.source, payer.account)
            by_account[key] = by_account.get(key, 0.0) + payer.an_hour
    return found
