"""Changes of the workspace's files by proposal: checked as a whole, approved by somebody else, then written.

A proposal is checked in a copy of the workspace, by all that a start would check; what does not hold there is
refused before anybody sees it, and again when it is approved. Then its files are written each by a rename,
committed where the workspace is a git repository, and in force before the call returns. A fall in between is
made good at the next start.
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from alerts.conditions.flight import flying
from alerts.effect import Replaying, differing, effects
from alerts.scene import Target
from metrics import lock, model, proposals
from metrics.effect import MetricEffect, effect
from metrics.header import DefinitionError, Problem
from metrics.model import DEFINITIONS, Metric, views
from metrics.stamp import approved, stamped
from service import dashboards, experiments, git, in_force, rules, settings
from service.in_force import METRICS, InForce
from service.plans import planned
from warehouse.access import Permission, allow

if TYPE_CHECKING:
    from alerts.rules import Rule
    from metrics.proposals import Proposal
    from service.settings import Setup
    from service.workspace import Workspace
    from warehouse.access import Actor
    from warehouse.book import Book
    from warehouse.store import Warehouse

__all__ = ["AT_START", "FILES", "Changes"]

FILES: Final = (rules.FILE, dashboards.FILE, experiments.FILE, settings.FILE)
"""What can be proposed beside metrics/NAME.sql."""

_LOG = logging.getLogger(__name__)

AT_START: Final = (experiments.FILE, settings.FILE)
"""Files that take force when the service starts next."""

_METRIC: Final = re.compile(r"metrics/([a-z][a-z0-9_]{0,59})\.sql")
_LARGEST: Final = 200_000
"""Characters of a file."""


class Changes:
    """The proposals of one workspace, and what they do to its files. Safe from any thread."""

    def __init__(
        self,
        workspace: Workspace,
        book: Book,
        warehouse: Warehouse,
        held: InForce,
        *,
        setup: Setup,
        clock: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._workspace, self._book, self._warehouse, self._in_force = workspace, book, warehouse, held
        self._setup, self._clock, self._changed = setup, clock, changed
        self._lock = threading.Lock()
        self._replays: dict[int, Replaying] = {}
        self._replays_lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()

    def text(self, path: str) -> str | None:
        """A file as it is; of a metric that the workspace has not, the built-in one. Raises ValueError."""
        name = _named(path)
        own = self._workspace.folder / path
        if own.is_file():
            return own.read_text(encoding="utf-8")
        shipped = DEFINITIONS / f"{name}.sql" if name else rules.SHIPPED.with_name(path)
        usual = name or path in (rules.FILE, dashboards.FILE)
        return shipped.read_text(encoding="utf-8") if usual and shipped.is_file() else None

    def propose(
        self, path: str, text: str | None, *, why: str, by: Actor, reverts: int | None = None
    ) -> Proposal:
        """Propose that a file be `text`; None: gone. Raises Denied, ValueError with what is wrong."""
        name, now = _named(path), self._clock()
        allow(self._book, by, Permission.PROPOSE, path, now=now)
        before = self._own(path)
        after = None if text is None else text.replace("\r\n", "\n").rstrip() + "\n"
        if after is not None and len(after) > _LARGEST:
            raise ValueError(f"{path} would have {len(after):,} characters; at most {_LARGEST:,} fit")
        unchanged = after == (before if before is not None else self.text(path))
        if name and after is not None and not unchanged:
            why_line = " ".join(why.split())
            after = stamped(Path(path), after, before=self.text(path), why=why_line or "?", today=now.date())
        if not unchanged:
            with self._staged(path, after, "somebody else") as folder:
                _check(folder)
        found = proposals.propose(
            self._book,
            path,
            before=before,
            after=before if unchanged else after,
            why=why,
            by=by,
            now=now,
            reverts=reverts,
        )
        self._changed()
        return found

    def approve(self, number: int, *, by: Actor, comment: str = "") -> Proposal:
        """Approve a proposal and write it. Raises Denied, KeyError, ValueError with why it cannot be."""
        allow(self._book, by, Permission.DECIDE, f"proposal {number}", now=self._clock())
        with self._lock:
            found = proposals.find(self._book, number)
            after = found.after
            if after is not None and _named(found.path):
                after = approved(Path(found.path), after, by.name)
            self._in_order(found)
            with self._staged(found.path, after, by.name) as folder:
                _check(folder)
                found = proposals.began(self._book, number, after, by=by, comment=comment, now=self._clock())
                try:
                    self._write(found, folder)
                except OSError as error:
                    if self._own(found.path) != found.before:
                        raise  # written, and not yet in force: the next start finishes it
                    why = f"{found.path} could not be written: {error.strerror}. Mend it and approve again."
                    proposals.reopened(self._book, number, why, now=self._clock())
                    raise ValueError(why) from None
        return proposals.find(self._book, number)

    def reject(self, number: int, *, by: Actor, comment: str = "") -> Proposal:
        """Decide against it. Raises Denied, KeyError, ValueError."""
        found = proposals.closed(self._book, number, "rejected", by=by, comment=comment, now=self._clock())
        self._changed()
        return found

    def withdraw(self, number: int, *, by: Actor) -> Proposal:
        """Take it back, as its author. Raises Denied, KeyError, ValueError."""
        found = proposals.closed(self._book, number, "withdrawn", by=by, now=self._clock())
        self._changed()
        return found

    def revert(self, number: int, *, by: Actor) -> Proposal:
        """Propose that what a proposal changed be as it was before. Raises Denied, KeyError, ValueError."""
        found = proposals.find(self._book, number)
        if found.state != "applied":
            raise ValueError(f"proposal {number} is {found.state}: there is nothing to revert")
        if self._own(found.path) != found.after:
            raise ValueError(f"{found.path} was changed again since: propose what it should be now")
        return self.propose(
            found.path,
            found.before,
            why=f"reverts proposal {number}: {found.why}"[:200],
            by=by,
            reverts=number,
        )

    def effect(self, found: Proposal) -> MetricEffect | None:
        """What a metric's proposal does to its figures of the last 28 days; None for other files.

        Raises ValueError where it cannot be computed.
        """
        name = _named(found.path)
        if not name:
            return None
        old, new = self._metric(name, self._was(found)), self._metric(name, found.after)
        return effect(self._warehouse, old, new, now=self._clock(), currency=self._setup.settings.currency)

    def replay(self, number: int, *, begin: Actor | None = None) -> Replaying | None:
        """What a proposal of rules.yaml would have fired in the last 28 days: under way, or found.

        begin: who starts it, where nobody has; it takes seconds to minutes, beside all else. None for
        other files, and where nobody has. Raises Denied, KeyError.
        """
        if begin is not None:
            allow(self._book, begin, Permission.PROPOSE, f"proposal {number}", now=self._clock())
        found = proposals.find(self._book, number)
        with self._replays_lock:
            held = self._replays.get(number)
            if held is None and begin is not None and found.path == rules.FILE:
                held = self._replays[number] = Replaying()
                thread = threading.Thread(target=self._replay, args=(found, held), name=f"replay {number}")
                self._threads.append(thread)
                thread.start()
        return held

    def _replay(self, found: Proposal, into: Replaying) -> None:
        def progress(done: float) -> None:
            into.share = done
            if self._stopping.is_set():
                raise ValueError("Paceline was stopped meanwhile")

        try:
            before, after = (self._rules(text) for text in (found.before, found.after))
            into.found = effects(
                self._warehouse,
                differing(before, after),
                now=self._clock(),
                routing=self._setup.settings.alerts,
                targets=[Target(**target.model_dump()) for target in self._setup.settings.targets],
                metrics=self._in_force.now.metrics,
                progress=progress,
            )
        except ValueError as error:
            into.fault = str(error)
        except Exception as error:  # noqa: BLE001  # told to whoever waits for it
            _LOG.exception("proposal %d could not be replayed", found.id)
            into.fault = f"{type(error).__name__}, see the log"

    def stop(self) -> None:
        """End what is being replayed. At most some seconds."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(5)

    def recover(self) -> None:
        """Finish what a fall interrupted: approved, and perhaps not written."""
        for found in proposals.read(self._book):
            if found.state != "applying":
                continue
            why = ""
            if self._own(found.path) not in (found.before, found.after):
                why = f"{found.path} was changed meanwhile"
            else:
                try:
                    with self._staged(found.path, found.after, found.decided_by) as folder:
                        _check(folder)
                        self._write(found, folder)
                except (OSError, ValueError) as error:  # a start goes on without it
                    why = str(error)
            if why:
                proposals.reopened(self._book, found.id, why, now=self._clock())

    # -- parts

    def _own(self, path: str) -> str | None:
        own = self._workspace.folder / path
        return own.read_text(encoding="utf-8") if own.is_file() else None

    def _was(self, found: Proposal) -> str | None:
        """What held before: the team's own text, or the built-in definition that it was to replace."""
        if found.before is not None:
            return found.before
        shipped = DEFINITIONS / Path(found.path).name
        return shipped.read_text(encoding="utf-8") if shipped.is_file() else None

    def _in_order(self, found: Proposal) -> None:
        """Raises ValueError where the file, or another, is not as it was when the change was proposed."""
        if self._own(found.path) != found.before:
            raise ValueError(f"{found.path} was changed since this was proposed: propose it anew")
        self._in_force.look()
        if self._in_force.problems:
            raise ValueError(f"mend the workspace's files first: {self._in_force.problems[0]}")

    @contextmanager
    def _staged(self, path: str, after: str | None, approver: str) -> Iterator[Path]:
        """A copy of the workspace in which the change is made; what is not to change is only linked."""
        source = self._workspace.folder
        with TemporaryDirectory(prefix="paceline-") as made:
            folder = Path(made)
            for entry in source.iterdir():
                if entry.name not in (METRICS, path):
                    (folder / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
            if (source / METRICS).is_dir():
                shutil.copytree(source / METRICS, folder / METRICS)
            target = folder / path
            target.parent.mkdir(exist_ok=True)
            if after is None:
                target.unlink(missing_ok=True)
            else:
                text = approved(Path(path), after, approver) if _named(path) else after
                target.write_text(text, encoding="utf-8")
            if _named(path):
                _lock(folder / METRICS, target)
            yield folder

    def _write(self, found: Proposal, folder: Path) -> None:
        """Move the staged files to their places, commit them, and take them into force."""
        paths = [found.path] + ([f"{METRICS}/{lock.NAME}"] if _named(found.path) else [])
        with self._in_force.still():
            for path in paths:
                _put(folder / path, self._workspace.folder / path)
            self._in_force.look(who=f"{found.author}, approved by {found.decided_by}")
        revision = git.commit(
            self._workspace.folder,
            paths,
            message=f"{found.why}\n\nProposal {found.id}\nApproved-by: {found.decided_by}",
            author=found.author,
            committer=found.decided_by,
        )
        proposals.applied(self._book, found.id, revision)
        self._changed()

    def _rules(self, text: str | None) -> tuple[Rule, ...]:
        """The rules of a file's text; None: those that Paceline ships."""
        with TemporaryDirectory(prefix="paceline-") as made:
            if text is not None:
                (Path(made) / rules.FILE).write_text(text, encoding="utf-8")
            try:
                found = rules.load(Path(made), self._setup.settings.alerts, self._in_force.now.metrics)
            except settings.SettingsError as error:
                raise ValueError("\n".join(map(str, error.problems))) from error
        plans = [planned(plan, self._setup.settings.currency) for plan in self._setup.settings.plans]
        return flying(found, plans, self._setup.settings.timezone)

    def _metric(self, name: str, text: str | None) -> Metric | None:
        if text is None:
            return None
        with TemporaryDirectory(prefix="paceline-") as folder:
            path = Path(folder) / f"{name}.sql"
            path.write_text(text, encoding="utf-8")
            read = model.read_metric(path, views())
        if isinstance(read, Metric):
            return read
        raise ValueError(f"{name}.sql: {read[0].message}")


def _named(path: str) -> str:
    """The metric's name, or "" for one of the other files. Raises ValueError for what cannot be proposed."""
    match = _METRIC.fullmatch(path)
    if match:
        return match[1]
    if path not in FILES:
        raise ValueError(f"{path!r} cannot be proposed: there are metrics/NAME.sql, {', '.join(FILES)}")
    return ""


def _check(folder: Path) -> None:
    """All that a start would check. Raises ValueError with every fault."""
    try:
        setup = settings.load(folder)
        in_force.read(folder, setup.settings.alerts)
        experiments.load(folder)
    except settings.SettingsError as error:
        raise ValueError("\n".join(map(str, error.problems))) from error


def _lock(own: Path, changed: Path) -> None:
    """Lock the changed metric alone: what others changed meanwhile stays unlocked, and is refused."""
    read = model.read_metric(changed, views()) if changed.is_file() else None
    if isinstance(read, list):
        raise ValueError(_lines(read))  # noqa: TRY004  # the file's fault, not a type's
    try:
        lock.move(own / lock.NAME, changed.stem, read)
    except DefinitionError as error:
        raise ValueError(_lines(error.problems)) from error


def _lines(problems: Sequence[Problem]) -> str:
    return "\n".join(f"{METRICS}/{p.path.name}:{p.line}:{p.column}: {p.message}" for p in problems)


def _put(source: Path, target: Path) -> None:
    """Make the target what the source is, at once or not at all."""
    if not source.is_file():
        target.unlink(missing_ok=True)
        return
    target.parent.mkdir(exist_ok=True)
    fresh = target.with_name(f".{target.name}.fresh")
    shutil.copyfile(source, fresh)
    fresh.replace(target)
