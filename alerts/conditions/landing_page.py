"""A landing page that does not work: clicks are paid for, and lead nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Labels, Observation, Range, Result
from connectors.landing_pages import page_of
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene

_SOURCE = ("landing_pages", "pages")


class LandingPage(Condition):
    """`failures` looks at a page in a row that failed; a page that could not be asked counts as unknown.

    One series an account whose running ads lead to the page, for the account's owner pays for it; a page that
    no ad leads to is a series of its own.
    """

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ("table page_check", "table ad")

    kind: Literal["landing_page"] = "landing_page"
    failures: Annotated[int, Field(ge=1, le=20)] = 2

    def moments(self, scene: Scene) -> Moments:
        mark = scene.marks.get((*_SOURCE, "checks"))
        if mark is None or mark.polled_at is None:
            return {}
        return dict.fromkeys([*scene.accounts, _SOURCE], mark.polled_at)

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        rows = scene.ask(
            """SELECT url, list(failure ORDER BY checked DESC)[:$most] AS failures,
              arg_max(words, checked) AS words, max(checked) AS checked
            FROM page_check WHERE checked >= $since GROUP BY url""",
            {"most": self.failures, "since": scene.now - timedelta(days=1)},
        )
        led = _led_to(scene) if rows else {}
        inside = set(scene.scoped(scope))
        found = []
        for row in rows:
            last = row["failures"]
            known = "blocked" not in last
            down = known and len(last) == self.failures and all(last)
            for key, risk in (led.get(row["url"]) or {_SOURCE: 0.0}).items():
                labels = Labels(*key, "", row["url"])
                if not (down or labels in watched) or not (key in inside or scope.everything):
                    continue
                found.append(
                    Observation(
                        labels,
                        (Result.TRUE if down else Result.FALSE) if known else Result.NODATA,
                        row["checked"],
                        seen=float(sum(map(bool, last))),
                        expected=Range(0.0, 0.0, 0.0),
                        at_risk=risk,
                        said=f"Landing page down, {row['words']}"[:34] if down else "",
                    )
                )
        return found


def _led_to(scene: Scene) -> dict[str, dict[tuple[str, str], float]]:
    """Which accounts pay for each page, and how much an hour: a campaign's spend in shares of its ads."""
    rows = scene.ask(
        """SELECT source, account, campaign, final_url
        FROM ad JOIN campaign AS c USING (source, account, campaign)
        WHERE ad.status = 'enabled' AND c.status = 'enabled' AND final_url <> ''""",
        {},
    )
    place = {one[:3]: i for i, one in enumerate(scene.campaigns.labels)}
    ads = Counter((r["source"], r["account"], r["campaign"]) for r in rows)
    found: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        campaign = (row["source"], row["account"], row["campaign"])
        spend = float(scene.spend[place[campaign], :24].sum()) / 24 if campaign in place else 0.0
        payers = found.setdefault(page_of(row["final_url"]), {})
        payers[campaign[:2]] = payers.get(campaign[:2], 0.0) + spend / ads[campaign]
    return found
