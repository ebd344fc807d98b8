"""A metric and a view as files: parsed, checked, and refused with the line and the nearest right name.

Metric: `definitions/NAME.sql` (and the workspace's `metrics/NAME.sql`): a header, one aggregate expression.
View: `views/NAME.sql`: a header that documents every column, one SELECT over the warehouse's tables.
docs/write-a-metric.md is the guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict, get_args

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from metrics import expression
from metrics import lock as locks
from metrics.header import DefinitionError, Header, Problem, missing, nearest, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metrics.expression import Parts

__all__ = [
    "DEFINITIONS",
    "VIEWS",
    "Column",
    "Metric",
    "View",
    "check",
    "load",
    "lock",
    "read_metric",
    "views",
]

DEFINITIONS: Final = Path(__file__).parent / "definitions"
VIEWS: Final = Path(__file__).parent / "views"

Unit: TypeAlias = Literal["money", "count", "ratio", "percent", "multiple", "seconds", "days"]
Better: TypeAlias = Literal["higher", "lower", "neutral"]
Kind: TypeAlias = Literal["dimension", "time", "count", "money", "share", "flag"]
Grain: TypeAlias = Literal["moment", "hour", "day"]

_COMMON: Final = ("title", "owner", "version", "reviewed", "approved")
_METRIC: Final = (*_COMMON, "from", "unit", "better", "limits", "changes")
_VIEW: Final = (*_COMMON, "grain", "time", "reads", "column", "limits", "changes")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_CHANGE: Final = re.compile(r"(\d+)\s+(\d{4}-\d{2}-\d{2})\s+(\S.*)")


@dataclass(frozen=True, slots=True)
class Column:
    """A documented column of a view.

    kind: dimension (groups and filters), time, count (may be summed), money (micros of the account's
    currency, may be summed within one), share (never summed), flag.
    """

    name: str
    kind: Kind
    text: str


@dataclass(frozen=True, eq=False)
class View:
    """A named relation over warehouse tables.

    grain: how fine its `time` column is: a moment, the start of an hour (UTC), or an account-local day.
    reads: the tables (or other relations that the caller supplies) it is made of.
    probe: (part, of): branches of the union that read `part` give nothing where `of` is empty, so that asking
        the cheap `of` first saves planning them. ("", "") where there is no such part.
    sql: one SELECT; `$start`, `$stop` (moments) and `$first_day`, `$last_day` bound what it need yield.
    text: the file word for word, as it was when it was read.
    """

    name: str
    title: str
    owner: str
    version: int
    reviewed: date
    approved: str
    grain: Grain
    time: str
    reads: tuple[str, ...]
    probe: tuple[str, str]
    columns: Mapping[str, Column]
    limits: str
    changes: tuple[str, ...]
    sql: str
    path: Path
    text: str


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric's definition. `sql` is the expression; all else describes it.

    text: the file word for word, as it was when it was read; at `path` another may stand by now, or none.

    A value is in units of the currency (money), a fraction of one (percent), or as it is.
    """

    name: str
    title: str
    owner: str
    version: int
    reviewed: date
    approved: str
    view: View
    unit: Unit
    better: Better
    limits: str
    changes: tuple[str, ...]
    sql: str
    path: Path
    text: str
    format: str = ""

    @cached_property
    def parts(self) -> Parts:
        """The aggregates it is made of."""
        return expression.parts(self.sql)

    @property
    def additive(self) -> bool:
        """Whether figures of disjoint groups or windows may be summed."""
        return self.parts.additive

    @property
    def monetary(self) -> bool:
        """Whether it reads money, so that currencies must not mix."""
        return any(self.view.columns[name].kind == "money" for name in self.parts.columns)

    def over(self, view: View) -> Metric:
        """The same expression over another view, such as an ad's day beside a campaign's hour.

        Raises ValueError where that view lacks one of its columns, or holds something else under the name.
        """
        for name in sorted(self.parts.columns):
            own, other = self.view.columns[name], view.columns.get(name)
            if other is None or other.kind != own.kind:
                raise ValueError(f"{self.name} needs the {own.kind} `{name}`, which `{view.name}` has not")
        return replace(self, view=view)


def load(*folders: Path) -> dict[str, Metric]:
    """Every metric by name: the built-in ones, then those of `folders`, which may replace them.

    Raises DefinitionError with every problem found.
    """
    read = [_built_in(), *map(_folder, folders)]
    if problems := [p for _, found in read for p in found]:
        raise DefinitionError(sorted(problems))
    return {metric.name: metric for good, _ in read for metric in good}


def check(folder: Path, lock: Path | None = None) -> list[Problem]:
    """What is wrong with the definitions of a folder, and how to mend it; empty when all is well.

    lock: the lock file that the meanings are compared with; by default `metrics.lock` in the folder.
    """
    good, problems = _folder(folder)
    broken = {p.path.stem for p in problems}
    problems += locks.verify(good, lock or folder / locks.NAME, broken=broken)
    if folder == DEFINITIONS:
        problems += locks.verify(views().values(), VIEWS / locks.NAME)
    return sorted(problems)


def lock(folder: Path, path: Path | None = None) -> list[str]:
    """Lock the definitions of a folder as they are; returns the names that are new, changed or gone.

    path: the lock file; by default `metrics.lock` in the folder. Raises DefinitionError for a definition
    with a problem, or whose meaning changed while its version did not.
    """
    good, problems = _folder(folder)
    if problems:
        raise DefinitionError(sorted(problems))
    changed = locks.write(good, path or folder / locks.NAME)
    if folder == DEFINITIONS:
        changed += locks.write(views().values(), VIEWS / locks.NAME)
    return changed


@lru_cache(maxsize=1)
def _built_in() -> tuple[list[Metric], list[Problem]]:
    """What Paceline comes with; it does not change while the process runs."""
    return _folder(DEFINITIONS)


def _folder(folder: Path) -> tuple[list[Metric], list[Problem]]:
    """A folder's metrics, and what is wrong with the others."""
    good: list[Metric] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.sql")):
        read = read_metric(path, views())
        if isinstance(read, Metric):
            good.append(read)
        else:
            problems += read
    return good, problems


@lru_cache(maxsize=1)
def views() -> Mapping[str, View]:
    """The views by name. Raises DefinitionError."""
    found: dict[str, View] = {}
    problems: list[Problem] = []
    for path in sorted(VIEWS.glob("*.sql")):
        read = read_view(path)
        if isinstance(read, View):
            found[read.name] = read
        else:
            problems.extend(read)
    if problems:
        raise DefinitionError(sorted(problems))
    return found


def read_metric(path: Path, known: Mapping[str, View]) -> Metric | list[Problem]:
    """A metric from its file, or everything that is wrong with it."""
    text = path.read_text(encoding="utf-8")
    header = parse(path, text)
    problems = [*missing(header, _METRIC, ("format",)), *_governed(header)]
    problems += _choice(header, "unit", get_args(Unit)) + _choice(header, "better", get_args(Better))
    if not _NAME.fullmatch(path.stem):
        problems.append(Problem(path, 1, 1, f"`{path.stem}` is no name: lower case letters, digits and _"))
    source = header.get("from")
    view = known.get(source.value) if source else None
    if source and source.value and view is None:
        problems.append(header.at(source, f"unknown view `{source.value}`{nearest(source.value, known)}"))
    if view is not None:
        kinds = {c.name: c.kind for c in view.columns.values()}
        found = expression.faults(header.body, kinds)
        problems += [header.at_body(offset, message) for offset, message in found]
    if problems or view is None:
        return problems
    return Metric(
        name=path.stem,
        **_shared(header),
        view=view,
        unit=header.value("unit"),  # type: ignore[arg-type]  # one of Unit: checked above
        better=header.value("better"),  # type: ignore[arg-type]  # one of Better: checked above
        sql=header.body.strip(),
        path=path,
        text=text,
        format=header.value("format"),
    )


def read_view(path: Path) -> View | list[Problem]:
    """A view from its file, or everything that is wrong with it."""
    text = path.read_text(encoding="utf-8")
    header = parse(path, text)
    problems = [
        *missing(header, _VIEW, ("probe",)),
        *_governed(header),
        *_choice(header, "grain", get_args(Grain)),
    ]
    columns: dict[str, Column] = {}
    for entry in header.all("column"):
        name, kind, *told = [*entry.value.split(None, 2), "", ""]
        if kind not in get_args(Kind) or not told[0]:
            problems.append(
                header.at(entry, "a column is `name kind what-it-is`" + nearest(kind, get_args(Kind)))
            )
        else:
            columns[name] = Column(name, kind, told[0])  # type: ignore[arg-type]  # one of Kind
    problems += _selects(header, columns)
    if problems:
        return problems
    return View(
        name=path.stem,
        **_shared(header),
        grain=header.value("grain"),  # type: ignore[arg-type]  # one of Grain: checked above
        time=header.value("time"),
        reads=tuple(part.strip() for part in header.value("reads").split(",")),
        probe=_probe(header),
        columns=columns,
        sql=header.body.strip(),
        path=path,
        text=text,
    )


def _selects(header: Header, columns: Mapping[str, Column]) -> Iterator[Problem]:
    """A view's body is one SELECT whose columns are the documented ones and whose tables it says it reads."""
    try:
        trees = sqlglot.parse(header.body, dialect=expression.DIALECT)
    except SqlglotError as error:
        yield header.at_body(0, f"cannot be read as SQL: {error}")
        return
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        yield header.at_body(0, "a view is one SELECT")
        return
    tree = trees[0]
    given = list(tree.named_selects)
    if given != list(columns):
        yield header.at_body(0, f"the SELECT gives {', '.join(given)}; documented are {', '.join(columns)}")
    inner = {cte.alias for cte in tree.find_all(exp.CTE)}
    used = {table.name for table in tree.find_all(exp.Table)} - inner
    said = {part.strip() for part in header.value("reads").split(",")}
    probed = [name for name in _probe(header) if name]
    if unknown := [name for name in probed if name not in inner]:
        yield header.at_body(0, f"`probe` names {unknown[0]}, which is no WITH of the SELECT")
    if used != said:
        yield header.at_body(
            0, f"the SELECT reads {', '.join(sorted(used))}; `reads` says {', '.join(sorted(said))}"
        )


def _probe(header: Header) -> tuple[str, str]:
    part, _, of = header.value("probe").partition(" ")
    return part, of


class _Shared(TypedDict):
    title: str
    owner: str
    version: int
    reviewed: date
    approved: str
    limits: str
    changes: tuple[str, ...]


def _shared(header: Header) -> _Shared:
    return {
        "title": header.value("title"),
        "owner": header.value("owner"),
        "version": int(header.value("version")),
        "reviewed": date.fromisoformat(header.value("reviewed")),
        "approved": header.value("approved"),
        "limits": " ".join(e.value for e in header.all("limits")),
        "changes": tuple(e.value for e in header.all("changes")),
    }


def _governed(header: Header) -> Iterator[Problem]:
    """Version, dates, approval and the log of changes, the same for metrics and views."""
    version, reviewed = header.get("version"), header.get("reviewed")
    if version and not (version.value.isdigit() and int(version.value) > 0):
        yield header.at(version, f"version `{version.value}` is not a whole number from 1")
    if reviewed and _date(reviewed.value) is None:
        yield header.at(reviewed, f"`{reviewed.value}` is not a date like 2026-11-01")
    approved = header.get("approved")
    if approved and approved.value and approved.value == header.value("owner"):
        yield header.at(approved, "author and approver must differ: somebody else reads it before it counts")
    changes = header.all("changes")
    for entry in changes:
        match = _CHANGE.fullmatch(entry.value)
        if match is None or _date(match[2]) is None:
            yield header.at(
                entry, "a change is `version date what-changed`, as in `3 2026-11-01 counts purchases once`"
            )
        elif entry is changes[0] and version and match[1] != version.value:
            yield header.at(
                entry, f"the newest change is of version {match[1]}, the metric of {version.value}"
            )


def _choice(header: Header, key: str, allowed: tuple[str, ...]) -> list[Problem]:
    entry = header.get(key)
    if entry is None or not entry.value or entry.value in allowed:
        return []
    return [header.at(entry, f"`{entry.value}` is no {key}{nearest(entry.value, allowed)}")]


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
