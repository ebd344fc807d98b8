"""Insights, asked in the way that fits their size: at once, by a report run, or in ever smaller pieces.

A few days are answered while we wait. More are asked of an asynchronous report run, which is complete only
when it says "Job Completed": at 100 percent it may still fail. Runs fail or are skipped at random, so one
that did is started once more; what fails twice, or is refused for its size, is split: first into halves of
the account's campaigns, then, one campaign at a time, into halves of the days.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from connectors._meta_errors import MISSING, Refusal, translate
from connectors.errors import SourceError, TooMuchData, Unavailable, Unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors._meta_graph import Graph, Page, Wait

__all__ = ["STATUSES", "Insights"]

STATUSES = ["ACTIVE", "PAUSED", "IN_PROCESS", "WITH_ISSUES", "ARCHIVED", "DELETED"]
"""Every effective_status of a campaign; without naming them Graph leaves out archived and deleted ones."""

_AT_ONCE = 3
"""Days up to which a request is answered while we wait."""
_ROWS = 1_000
_FIRST_LOOK, _SLOWER, _SLOWEST = 0.5, 1.6, 15.0
"""Seconds until a run is first looked at, the factor between looks, and the most: looks count as calls."""
_PATIENCE = 900.0
"""Seconds that one fetch waits for its report runs altogether."""
_UNBORN = 4
"""Looks for which a run that was just started may not be found yet."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Days from `since` to `until` of some campaigns: of `only` these, or of all but `never`.

    The second half of a split is "all but the first", so that a campaign we do not know of is in it.
    """

    since: date
    until: date
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    def params(self) -> dict[str, Any]:
        span = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        condition = None
        if self.only:
            condition = {"field": "campaign.id", "operator": "IN", "value": list(self.only)}
        elif self.never:
            condition = {"field": "campaign.id", "operator": "NOT_IN", "value": list(self.never)}
        return {"time_range": span} | ({"filtering": [condition]} if condition else {})

    def halves(self, campaigns: Sequence[str]) -> list[_Piece]:
        """Two pieces that together are this one; none where it is one campaign's day."""
        if len(self.only) > 1:
            middle = len(self.only) // 2
            return [replace(self, only=self.only[:middle]), replace(self, only=self.only[middle:])]
        rest = [] if self.only else [known for known in campaigns if known not in set(self.never)]
        if rest:
            taken = tuple(rest[: (len(rest) + 1) // 2])
            return [replace(self, only=taken, never=()), replace(self, never=self.never + taken)]
        days = (self.until - self.since).days + 1
        if days == 1:
            return []
        middle_day = self.since + timedelta(days=days // 2)
        return [replace(self, until=middle_day - timedelta(days=1)), replace(self, since=middle_day)]


class Insights:
    """The insights of one account, for one fetch."""

    def __init__(self, graph: Graph, account: str, wait: Wait) -> None:
        self._graph = graph
        self._node = f"act_{account}"
        self._wait = wait
        self._waited = 0.0
        self._campaigns: list[str] | None = None

    def pages(self, query: Mapping[str, Any], days: Sequence[date]) -> Iterator[Page]:
        """Rows of `query` (fields, level, breakdowns, windows), one a day, for `days` without a gap.

        Raises SourceError: TooMuchData or Unavailable where not even one campaign's day can be had.
        """
        query = {**query, "time_increment": 1}
        piece = _Piece(days[0], days[-1])
        if len(days) > _AT_ONCE:
            yield from self._by_runs(query, piece)
            return
        begun = False
        try:
            for page in self._graph.pages((self._node, "insights"), {**query, **piece.params()}, limit=_ROWS):
                begun = True
                yield page
        except TooMuchData:
            if begun:  # its pieces would bring again what is already on its way
                raise
        else:
            return
        yield from self._by_runs(query, piece)

    def _by_runs(self, query: Mapping[str, Any], piece: _Piece) -> Iterator[Page]:
        run, failure = self._completed({**query, **piece.params()})
        if run is not None:
            yield from self._graph.pages((run, "insights"), {}, limit=_ROWS)
            return
        halves = piece.halves(() if piece.only else self._known())
        if not halves:
            raise failure or Unexpected("a report run ended without a word")
        for half in halves:
            yield from self._by_runs(query, half)

    def _completed(self, params: Mapping[str, Any]) -> tuple[str | None, SourceError | None]:
        """The id of a run that has completed; or None and why two of them failed, or one was too large."""
        failure: SourceError | None = None
        for _ in range(2):
            try:
                run = str(self._graph.post((self._node, "insights"), params)["report_run_id"])
                failure = self._outcome(run)
            except TooMuchData as refused:
                return None, refused
            if failure is None:
                return run, None
            if isinstance(failure, TooMuchData):
                break
            if not isinstance(failure, Unavailable):
                raise failure
        return None, failure

    def _outcome(self, run: str) -> SourceError | None:
        """None once the run has completed, or why it failed. Raises Unavailable when patience ends."""
        pause, looks = _FIRST_LOOK, 0
        while True:
            if self._waited >= _PATIENCE:
                raise Unavailable(f"report run {run} had not completed after {_PATIENCE / 60:.0f} minutes")
            self._wait(pause)
            self._waited += pause
            pause = min(pause * _SLOWER, _SLOWEST)
            looks += 1
            try:
                told = self._graph.get((run,))
            except SourceError as refused:
                if refused.code != MISSING:
                    raise
                if looks >= _UNBORN:
                    return Unavailable(f"report run {run} was never found", code=refused.code)
                continue
            status = told.get("async_status")
            if status == "Job Completed":
                return None
            if status in ("Job Failed", "Job Skipped"):
                return self._failure(run, str(status), told)

    @staticmethod
    def _failure(run: str, status: str, told: Mapping[str, Any]) -> SourceError:
        """Why a run failed: before v25.0, and sometimes after, it does not say."""
        refusal = Refusal(
            code=int(told.get("error_code") or -2),
            subcode=int(told.get("error_subcode") or 0),
            message=f"{status} (report run {run}): {told.get('error_message') or 'no reason was given'}",
        )
        return translate(refusal)

    def _known(self) -> list[str]:
        """Ids of the account's campaigns, whatever their status; asked once."""
        if self._campaigns is None:
            params = {"fields": "id", "effective_status": STATUSES}
            self._campaigns = [
                str(node["id"])
                for page in self._graph.pages((self._node, "campaigns"), params)
                for node in page
            ]
        return self._campaigns
