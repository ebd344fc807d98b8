"""metrics.lock: the hash of each definition, so that no meaning changes unseen.

The file stands beside the definitions and is committed with them. A body (or its view, or its unit) that no
longer has the locked hash needs a new `version` and somebody else's `approved` before it can be locked again.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from metrics import expression
from metrics.header import DefinitionError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from metrics.model import Metric, View

__all__ = ["NAME", "digest", "move", "verify", "write"]

NAME: Final = "metrics.lock"


def digest(thing: Metric | View) -> str:
    """Hash of what a metric or a view means: its SQL without its spelling, a metric's view and unit."""
    meaning = [expression.normal(thing.sql)]
    view = getattr(thing, "view", None)
    if view is not None:
        meaning += [view.name, str(view.version), getattr(thing, "unit", "")]
    return hashlib.sha256("\n".join(meaning).encode()).hexdigest()


def verify(metrics: Iterable[Metric | View], path: Path, broken: Iterable[str] = ()) -> list[Problem]:
    """Where the definitions and the lock file disagree.

    broken: names of files that could not be read, which are reported for that and not as missing.
    """
    try:
        locked = _read(path)
    except DefinitionError as error:
        return list(error.problems)
    problems: list[Problem] = []
    names = set(broken)
    for metric in metrics:
        names.add(metric.name)
        entry = locked.get(metric.name)
        if entry is None:
            problems.append(_at(metric, "version", "is not locked yet: run `paceline metrics lock`"))
        elif metric.version < entry["version"]:
            was = f"version {metric.version} is older than the locked {entry['version']}"
            problems.append(_at(metric, "version", was))
        elif entry["hash"] != digest(metric):
            if metric.version == entry["version"]:
                problems.append(_at(metric, "version", _unmoved(metric)))
            else:
                problems.append(_at(metric, "version", "is newer than the lock: run `paceline metrics lock`"))
        elif entry["version"] != metric.version:
            problems.append(_at(metric, "version", "moved, the meaning did not: run `paceline metrics lock`"))
    problems += [
        Problem(path, 1, 1, f"`{name}` is locked, but {name}.sql is gone: run `paceline metrics lock`")
        for name in sorted(set(locked) - names)
    ]
    return problems


def write(metrics: Iterable[Metric | View], path: Path) -> list[str]:
    """Lock the definitions as they are; returns the names whose entry changed.

    Raises DefinitionError where a meaning changed and the version did not move: then nothing is written.
    """
    metrics = list(metrics)
    locked = _read(path)
    refused = [
        _at(m, "version", _unmoved(m))
        for m in metrics
        if m.name in locked and locked[m.name]["version"] >= m.version and locked[m.name]["hash"] != digest(m)
    ]
    if refused:
        raise DefinitionError(refused)
    entries = {m.name: _entry(m) for m in sorted(metrics, key=lambda m: m.name)}
    path.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    return sorted(n for n in {*locked, *entries} if locked.get(n) != entries.get(n))


def move(path: Path, name: str, metric: Metric | View | None) -> None:
    """Lock one definition as it is, and leave the others' entries alone; None: it is gone.

    Raises DefinitionError where its meaning changed and the version did not move: then nothing is written.
    """
    locked = _read(path)
    if metric is None:
        locked.pop(name, None)
    else:
        was = locked.get(name)
        if was is not None and was["version"] >= metric.version and was["hash"] != digest(metric):
            raise DefinitionError([_at(metric, "version", _unmoved(metric))])
        locked[name] = _entry(metric)
    path.write_text(json.dumps(dict(sorted(locked.items())), indent=2) + "\n", encoding="utf-8")


def _entry(metric: Metric | View) -> dict[str, Any]:
    return {"version": metric.version, "hash": digest(metric), "approved": metric.approved}


def _unmoved(metric: Metric | View) -> str:
    return (
        f"the meaning changed and the version is still {metric.version}: raise it, say why in `changes`, "
        "and have it approved"
    )


def _at(metric: Metric | View, key: str, message: str) -> Problem:
    """A problem at a header line of the metric's file."""
    lines = metric.text.split("\n")
    line = next((n for n, text in enumerate(lines, 1) if text.startswith(f"-- {key}:")), 1)
    return Problem(
        metric.path, line, 1, message if message.startswith("the ") else f"`{metric.name}` {message}"
    )


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DefinitionError(
            [Problem(path, error.lineno, error.colno, f"is not JSON: {error.msg}")]
        ) from error
    if not isinstance(entries, dict) or not all(map(_locked, entries.values())):
        raise DefinitionError([Problem(path, 1, 1, "is no lock: each name has its `version` and `hash`")])
    return entries


def _locked(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("version"), int) and "hash" in entry
