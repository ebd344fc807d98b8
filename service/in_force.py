"""The definitions in force: what the workspace's files say once all of them hold together.

A changed file takes force within seconds, without a restart, when everything is valid, every metric is locked
as it is, and somebody else has approved it. Otherwise the last good state stays, over a restart too, and what
is wrong is told on Data health, by /healthz and by `paceline check`.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from metrics import lock, model, proposals
from metrics.header import DefinitionError
from service import dashboards, rules
from service.marks import Problem
from service.settings import SettingsError
from service.workspace import write_private
from warehouse.audit import Audit

if TYPE_CHECKING:
    from alerts.routes import Routing
    from alerts.rules import Rule
    from metrics.dashboards import Dashboard
    from metrics.header import Problem as Fault
    from metrics.model import Metric
    from service.workspace import Workspace
    from warehouse.book import Book

__all__ = ["Definitions", "InForce", "read"]

_LOG = logging.getLogger(__name__)

EVERY: Final = 3.0
"""Seconds between two looks at the files."""

METRICS: Final = "metrics"

FILES: Final = "the workspace's files"
"""Who changed a definition past the app, as the audit log has it: git knows the name."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """Metrics by name, rules, and dashboards in the navigation's order."""

    metrics: Mapping[str, Metric]
    rules: tuple[Rule, ...]
    dashboards: tuple[Dashboard, ...]


def read(folder: Path, routing: Routing) -> Definitions:
    """What a folder's files define. Raises SettingsError with every fault at once.

    That goes for what nobody foresaw too: a file that breaks its readers is refused, as one that is wrong.
    """
    try:
        return _read(folder, routing)
    except SettingsError:
        raise
    except Exception as error:
        _LOG.exception("the definitions cannot be read")
        why = f"cannot be read: {type(error).__name__}: {error} (the log says where)"
        raise SettingsError([Problem("the definitions", 0, 0, "", why)]) from error


def _read(folder: Path, routing: Routing, *, any_page: bool = False) -> Definitions:
    own = folder / METRICS
    try:
        faults = model.check(own) if own.is_dir() else []
        if faults:
            raise SettingsError([_pointed(fault) for fault in faults])
        metrics = model.load(*([own] if own.is_dir() else []))
    except DefinitionError as error:
        raise SettingsError([_pointed(fault) for fault in error.problems]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(METRICS, 0, 0, "", f"cannot be read: {error}")]) from error
    people = [person.name for person in routing.people]
    return Definitions(
        metrics,
        rules.load(folder, routing, metrics),
        dashboards.load(folder, metrics, people, any_page=any_page),
    )


class InForce:
    """The definitions of one workspace; follows its files from `start` to `stop`. Safe from any thread.

    use: called with what came into force. Raises SettingsError where the files cannot be used and no good
    state is known from before.
    """

    def __init__(
        self,
        workspace: Workspace,
        routing: Routing,
        book: Book,
        *,
        clock: Callable[[], datetime],
        use: Callable[[Definitions], None] = lambda _: None,
    ) -> None:
        self._workspace, self._routing, self._book, self._clock = workspace, routing, book, clock
        self._copy = workspace.state / "in-force" / "definitions.json"
        self.use = use
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="definitions", daemon=True)
        self._refused: tuple[str, ...] = ()
        self._fault = ""
        self._seen = _looks(workspace.folder)
        before = self._kept()
        try:
            self.now = read(workspace.folder, routing)
        except SettingsError as error:
            if before is None:
                raise
            self._told = before
            pages = dashboards.pages(workspace.folder)
            self.now = replace(before, dashboards=tuple(d for d in before.dashboards if d.stem in pages))
            self._refuse(error)
            return
        self._told = before or self.now
        self._tell(self.now, "")
        self._keep()

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the files, or the way that they take, are not what is in force."""
        return (*self._refused, *([self._fault] if self._fault else []))

    def start(self) -> None:
        """Follow the files from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Follow them no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Look at nothing while several files are written that belong together."""
        with self._lock:
            yield

    def look(self, *, who: str = "") -> None:
        """Take the files' present state into force, if it is another and all of it is good.

        who: by whom the change is, where that is known.
        """
        with self._lock:
            looks = _looks(self._workspace.folder)
            if looks == self._seen:
                return
            try:
                fresh = read(self._workspace.folder, self._routing)
            except SettingsError as error:
                self._refuse(error)
                self.use(self.now)
                self._seen = looks
                return
            self._tell(fresh, who)  # first: what is drawn anew by these finds their mark
            self._refused, self.now = (), fresh
            self.use(fresh)
            self._keep()
            self._seen = looks  # last: what failed on the way is tried again at the next look

    def _follow(self) -> None:
        while not self._stopping.wait(EVERY):
            try:
                self.look()
                self._fault = ""
            except Exception as error:  # noqa: BLE001  # the next look tries again; until then it is told
                fault = f"the workspace's files cannot be followed: {type(error).__name__}: {error}"
                if fault != self._fault:
                    _LOG.exception("the workspace's files cannot be followed")
                self._fault = fault

    def _refuse(self, error: SettingsError) -> None:
        self._refused = tuple(f"{problem} (what held before stays in force)" for problem in error.problems)
        for problem in self._refused:
            _LOG.error("not in force: %s", problem)

    def _tell(self, after: Definitions, who: str) -> None:
        """Write down what is new since it was last told, for the charts and the log: all or nothing.

        A chart has no mark of a dashboard: it moves no figure.
        """
        at, before = self._clock(), self._told
        marks = [
            proposals.Came(at, kind, name, what, who)
            for kind, name, what in (*_metrics(before, after), *_rules(before, after))
        ]
        found = [(one.kind, one.name, one.what) for one in marks] + _dashboards(before, after)
        if found:
            with self._book.write():
                proposals.came_into_force(self._book, marks)
                for kind, name, what in found if not who else ():  # a proposal's own steps are logged already
                    Audit(self._book).record(
                        FILES, "changed", f"{kind} {name}", now=at, detail={"what": what}
                    )
            _LOG.info("in force: %s", "; ".join(f"{kind} {name}: {what}" for kind, name, what in found))
        self._told = after

    def _keep(self) -> None:
        write_private(
            self._copy,
            json.dumps(_texts(self._workspace.folder)),
        )

    def _kept(self) -> Definitions | None:
        """The last good state that this workspace had, if it can still be read; pages may be gone by now."""
        try:
            texts = json.loads(self._copy.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        with TemporaryDirectory(prefix="paceline-") as folder:
            for name, text in texts.items():
                path = Path(folder) / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            # That somebody has left the team, or a page was removed, is no reason to forget the rest, such as
            # whom the other pages are open to. A newer program may ask more of a definition.
            with suppress(SettingsError):
                nobody = self._routing.model_copy(update={"people": ()})
                return _read(Path(folder), nobody, any_page=True)
        return None


def _metrics(before: Definitions, after: Definitions) -> list[tuple[str, str, str]]:
    told = []
    for name in sorted({*before.metrics, *after.metrics}):
        was, now = before.metrics.get(name), after.metrics.get(name)
        if was is None and now is not None:
            told.append(("metric", name, f"{now.title} is new"))
        elif now is None and was is not None:
            told.append(("metric", name, f"{was.title} is gone"))
        elif was and now and (was.version, lock.digest(was)) != (now.version, lock.digest(now)):
            why = now.changes[0].split(None, 2)[-1] if now.changes else ""
            told.append(("metric", name, f"{now.title} is version {now.version} now: {why}"))
    return told


def _rules(before: Definitions, after: Definitions) -> list[tuple[str, str, str]]:
    were, are = ({rule.name: rule for rule in one.rules} for one in (before, after))
    told = [("rule", name, f"{are[name].title} watches now") for name in sorted(are.keys() - were)]
    told += [("rule", name, f"{were[name].title} watches no more") for name in sorted(were.keys() - are)]
    told += [
        ("rule", name, f"{are[name].title} was changed")
        for name in sorted(are.keys() & were)
        if are[name] != were[name]
    ]
    return told


def _dashboards(before: Definitions, after: Definitions) -> list[tuple[str, str, str]]:
    were, are = ({one.id: one for one in state.dashboards} for state in (before, after))
    told = [
        ("dashboard", id_, f"{are[id_].title} is new, {_open(are[id_])}") for id_ in sorted(are.keys() - were)
    ]
    told += [("dashboard", id_, f"{were[id_].title} is gone") for id_ in sorted(were.keys() - are)]
    for id_ in sorted(are.keys() & were):
        was, now = were[id_], are[id_]
        fields = [name for name in type(now).model_fields if getattr(was, name) != getattr(now, name)]
        if fields:
            opened = f"; it is {_open(now)}, and was {_open(was)}" if "open_to" in fields else ""
            told.append(("dashboard", id_, f"{now.title} was changed: {', '.join(fields)}{opened}"))
    return told


def _open(dashboard: Dashboard) -> str:
    reach = dashboard.open_to
    named = [*(f"the role {role}" for role in reach.roles), *reach.groups, *reach.people]
    return f"open to {', '.join(named) or 'everybody'}"


def _files(folder: Path) -> list[Path]:
    own = folder / METRICS
    known = (*sorted(own.glob("*.sql")), own / lock.NAME, folder / rules.FILE, folder / dashboards.FILE)
    return [path for path in known if path.is_file()]


def _looks(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """What tells one state of the files from another without reading them."""
    found = [(name, 0, 0, 0) for name in sorted(dashboards.pages(folder))]  # what an entry may name
    for path in _files(folder):
        with suppress(FileNotFoundError):  # between the listing and the look
            stat = path.stat()
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return tuple(found)


def _texts(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text(encoding="utf-8") for p in _files(folder)}


def _pointed(fault: Fault) -> Problem:
    return Problem(f"{METRICS}/{fault.path.name}", fault.line, fault.column, "", fault.message)
