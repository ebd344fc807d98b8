"""A definition file's header: `-- key: value` lines above one piece of SQL, and problems with their place."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["DefinitionError", "Entry", "Header", "Problem", "nearest", "parse"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong with a definition, where, and how to mend it. Line and column count from 1."""

    path: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


class DefinitionError(ValueError):
    """Definitions that cannot be used; `problems` says why, one a line in the message."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Entry:
    """One header line: its value, its line, and the column at which the value starts."""

    key: str
    value: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Header:
    """A file taken apart: header entries in order, and the body with the line on which it starts."""

    path: Path
    entries: tuple[Entry, ...]
    body: str
    body_line: int

    def get(self, key: str) -> Entry | None:
        """The first entry of a key."""
        return next((e for e in self.entries if e.key == key), None)

    def all(self, key: str) -> list[Entry]:
        """Every entry of a key that may stand more than once, top to bottom."""
        return [e for e in self.entries if e.key == key]

    def value(self, key: str, default: str = "") -> str:
        """The first entry's value; of an absent key, `default`."""
        entry = self.get(key)
        return entry.value if entry else default

    def at_body(self, offset: int, message: str) -> Problem:
        """A problem at a character offset of the body."""
        before = self.body[:offset]
        line = self.body_line + before.count("\n")
        return Problem(self.path, line, offset - (before.rfind("\n") + 1) + 1, message)

    def at(self, entry: Entry, message: str) -> Problem:
        """A problem with an entry's value."""
        return Problem(self.path, entry.line, entry.column, message)


def parse(path: Path, text: str) -> Header:
    """Split a file's text: header lines are `-- key: value`, the body starts at the first other line."""
    lines = text.split("\n")
    entries: list[Entry] = []
    end = 0
    for end, line in enumerate(lines):
        if line.strip() and not line.startswith("--"):
            break
        key, colon, value = line[2:].partition(":")
        if not colon:
            if line.strip():
                break
            continue
        column = len(line) - len(value.lstrip()) + 1
        entries.append(Entry(key.strip(), value.strip(), end + 1, column))
    return Header(path, tuple(entries), "\n".join(lines[end:]).rstrip(), end + 1)


def missing(header: Header, required: Iterable[str], allowed: Iterable[str]) -> Iterator[Problem]:
    """Header keys that are absent, empty, doubled without leave, or unknown (with the nearest right one)."""
    known = [*required, *allowed]
    for key in required:
        entry = header.get(key)
        if entry is None:
            yield Problem(header.path, 1, 1, f"the header has no `-- {key}:` line")
        elif not entry.value:
            yield header.at(entry, f"`{key}` is empty")
    seen: set[str] = set()
    for entry in header.entries:
        if entry.key not in known:
            message = f"unknown header key `{entry.key}`{nearest(entry.key, known)}"
            yield Problem(header.path, entry.line, 4, message)
        if entry.key in seen and entry.key not in {"changes", "column", "limits"}:
            yield Problem(header.path, entry.line, 4, f"`{entry.key}` stands twice")
        seen.add(entry.key)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean `x`?`, or the known names where none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.55)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; known: {', '.join(names)}"
