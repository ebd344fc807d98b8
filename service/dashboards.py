"""`dashboards.yaml`: a workspace's own dashboards, and what it changes of those that Paceline ships.

An entry whose id Paceline knows needs only what differs. As with the settings, every fault is told at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from metrics.dashboards import FILE, Dashboard, shipped
from service.faults import explain, nearest
from service.marks import Marked, Problem, read
from service.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["FILE", "load", "pages"]

PAGES = Path(__file__).resolve().parents[1] / "panels"


def pages(folder: Path) -> set[str]:
    """The files, without `.py`, that a dashboard can have as its page: ours, and those of the workspace."""
    found = (path.stem for where in (PAGES, folder / "panels") for path in where.glob("[a-z]*.py"))
    return {*found} - {"main"}


def load(
    folder: Path, metrics: Collection[str], people: Iterable[str], *, any_page: bool = False
) -> tuple[Dashboard, ...]:
    """The shipped dashboards with the workspace's changes, then its own. Raises SettingsError.

    metrics: the names that panels may show. people: those of alerts.people, of whom an owner must be one.
    any_page: whether there is such a page is not asked.
    """
    path = folder / FILE
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
    there = None if any_page else pages(folder)
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
        problems += _cross_checks(marked, index, one, pages=there, metrics=metrics, people=asked)
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
    pages: Collection[str] | None,
    metrics: Collection[str],
    people: Collection[str],
) -> list[Problem]:
    """What no model can know alone: that there is such a page, such a metric, such a person."""
    place, problems = ("dashboards", index), []
    if pages is not None and one.stem not in pages:
        at = "page" if one.page else "id"
        problems.append(
            marked.problem((*place, at), f"there is no page {one.file}{nearest(one.stem, pages)}")
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
