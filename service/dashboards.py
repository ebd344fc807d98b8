"""`dashboards.yaml`: a workspace's own dashboards, and what it changes of those that Paceline ships.

An entry whose id Paceline knows needs only what differs. As with the settings, every fault is told at once.
While the file cannot be used, what last could be stays in force, over restarts too.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from metrics import model
from metrics.dashboards import FILE, Dashboard, shipped
from service.faults import explain, nearest
from service.marks import Marked, Problem, read
from service.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

__all__ = ["FILE", "InForce", "load"]

_LOG = logging.getLogger(__name__)

PAGES = Path(__file__).resolve().parents[1] / "panels"


def load(
    folder: Path, metrics: Collection[str], people: Iterable[str], *, file: Path | None = None
) -> tuple[Dashboard, ...]:
    """The shipped dashboards with the workspace's changes, then its own. Raises SettingsError.

    metrics: the names that panels may show. people: those of alerts.people, of whom an owner must be one.
    file: instead of the folder's own.
    """
    path = file or folder / FILE
    if not path.exists():
        return shipped()
    marked = read(path)
    listed = marked.data.get("dashboards") if isinstance(marked.data, dict) else None
    problems = list(marked.problems)
    if not isinstance(listed, list):
        if not problems:
            problems.append(marked.problem((), "begins with `dashboards:` and a list of dashboards"))
        raise SettingsError(problems)
    problems += [
        marked.problem((str(key),), f"is no known setting{nearest(str(key), ['dashboards'])}", at_key=True)
        for key in marked.data
        if key != "dashboards"
    ]
    known = {one.id: one for one in shipped()}
    found, own = dict(known), dict[str, int]()
    pages = {path.stem for where in (PAGES, folder / "panels") for path in where.glob("[a-z]*.py")} - {"main"}
    for index, written in enumerate(listed):
        one, faults = _one(marked, index, written, known)
        problems += faults
        if one is None:
            continue
        if one.id in own:
            problems.append(
                marked.problem(("dashboards", index, "id"), f"{one.id!r} is entry {own[one.id] + 1} already")
            )
        own[one.id] = index
        found[one.id] = one
        asked = list(people) if "owner" in written else []
        problems += _cross_checks(marked, index, one, pages=pages, metrics=metrics, people=asked)
    if problems:
        raise SettingsError(problems)
    return tuple(found.values())


def _one(
    marked: Marked, index: int, written: Any, known: Mapping[str, Dashboard]
) -> tuple[Dashboard | None, list[Problem]]:
    place = ("dashboards", index)
    if not isinstance(written, dict):
        return None, [marked.problem(place, "is no dashboard: write its id and what follows")]
    base = known.get(str(written.get("id")))
    try:
        return Dashboard.model_validate({**(base.model_dump() if base else {}), **written}), []
    except ValidationError as error:
        problems = explain(marked, error, Dashboard, place)
        if base is None and "id" in written and len(written) < 4:
            hint = nearest(str(written["id"]), known)
            problems.insert(0, marked.problem((*place, "id"), f"{written['id']!r} is none of ours{hint}"))
        return None, problems


def _cross_checks(
    marked: Marked,
    index: int,
    one: Dashboard,
    *,
    pages: Collection[str],
    metrics: Collection[str],
    people: Collection[str],
) -> list[Problem]:
    """What no model can know alone: that there is such a page, such a metric, such a person."""
    place, problems = ("dashboards", index), []
    if one.file.removesuffix(".py") not in pages:
        at = "page" if one.page else "id"
        problems.append(
            marked.problem((*place, at), f"there is no page {one.file}{nearest(one.file[:-3], pages)}")
        )
    for panel, shown in one.panels.items():
        problems += [
            marked.problem((*place, "panels", panel, n), f"{name!r} is no metric{nearest(name, metrics)}")
            for n, name in enumerate(shown)
            if name not in metrics
        ]
    if people and one.owner not in people:
        hint = nearest(one.owner, people)
        problems.append(marked.problem((*place, "owner"), f"{one.owner!r} is none of alerts.people{hint}"))
    return problems


class InForce:
    """The dashboards that hold now: the file's, read again when it changes; safe from any thread.

    metrics: the names of those in force. state: where the text that last could be used is kept.
    Raises SettingsError where the file cannot be used and none is kept.
    """

    def __init__(
        self,
        folder: Path,
        state: Path,
        people: Iterable[str],
        metrics: Callable[[], Collection[str]] = model.load,
    ) -> None:
        self._folder, self._kept, self._people = folder, state / "in-force" / FILE, tuple(people)
        self._metrics = metrics
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._problems: list[str] = []
        try:
            self._now = self._load()
        except SettingsError as error:
            if not self._kept.exists():
                raise
            self._refuse(error)
            try:
                self._now = self._load(self._kept)
            except SettingsError:  # what it shows, or an owner, is gone meanwhile: a start goes on without it
                self._now = shipped()
        self._seen = self._stamp()

    def __call__(self) -> tuple[Dashboard, ...]:
        """The dashboards, in the navigation's order."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                try:
                    self._now = self._load()
                    self._problems = []
                except SettingsError as error:
                    self._refuse(error)
            return self._now

    def problems(self) -> list[str]:
        """What is wrong with the file, while an earlier state is in force."""
        self()
        return list(self._problems)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = (self._folder / FILE).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def _load(self, file: Path | None = None) -> tuple[Dashboard, ...]:
        found = load(self._folder, self._metrics(), self._people, file=file)
        if file is None and (self._folder / FILE).exists():
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            self._kept.write_bytes((self._folder / FILE).read_bytes())
        elif file is None:
            self._kept.unlink(missing_ok=True)
        return found

    def _refuse(self, error: Exception) -> None:
        _LOG.error("%s: the last good state stays in force: %s", FILE, error)
        lines = str(error).splitlines()
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        self._problems = [f"{lines[0]}{more}: the last good state stays in force"]
