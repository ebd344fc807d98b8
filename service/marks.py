"""A YAML file together with where each of its values stands, so that a message can point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Marked", "Problem", "read"]

Step: TypeAlias = str | int
"""A key of a mapping, or an index of a sequence."""

_REPEATED: Final = 20_000
"""Values that a document's aliases may write again, all together: ten lines of them could mean billions."""
_DEEPEST: Final = 100
"""Levels of a document."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a file: where (from 1; 0 where a place has no line), and what."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Marked:
    """data: the plain document. keys, values: (line, column) of each path's key and value, from 1."""

    file: str
    data: Any
    keys: Mapping[tuple[Step, ...], tuple[int, int]]
    values: Mapping[tuple[Step, ...], tuple[int, int]]
    problems: tuple[Problem, ...]
    """Faults of the document itself: no YAML at all, a key written twice."""

    def problem(self, path: tuple[Step, ...], message: str, *, at_key: bool = False) -> Problem:
        """A problem at `path`, or at the nearest enclosing place that the file has."""
        places = self.keys if at_key else self.values
        near = path
        while near and near not in places:
            near = near[:-1]
            places = self.keys if near in self.keys else self.values
        line, column = places.get(near, (1, 1))
        return Problem(self.file, line, column, ".".join(map(str, path)), message)


def read(path: Path) -> Marked:
    """The document at `path` with its marks; what cannot be read at all comes as its one problem."""
    file = path.name
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        problem = Problem(file, 0, 0, "", f"cannot be read: {error.strerror}: {path}")
        return Marked(file, None, {}, {}, (problem,))
    except UnicodeDecodeError as error:
        problem = Problem(file, 0, 0, "", f"is not UTF-8 text (byte {error.start})")
        return Marked(file, None, {}, {}, (problem,))
    walk = _Walk(file)
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return Marked(file, None, {}, {}, ())
        _Size().of(root)
        walk.into(root, ())
        data = loader.construct_document(root)  # last: it moves what a merge key brings
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(filter(None, (error.context, error.problem)))
        return Marked(file, None, {}, {}, (Problem(file, line, column, "", f"is not YAML: {what}"),))
    except (yaml.YAMLError, ValueError) as error:  # the latter of a value such as 2026-13-01
        return Marked(file, None, {}, {}, (Problem(file, 0, 0, "", f"is not YAML: {error}"),))
    except RecursionError:
        problem = Problem(file, 0, 0, "", f"is nested more than {_DEEPEST} levels deep")
        return Marked(file, None, {}, {}, (problem,))
    except _TooLargeError as error:
        return Marked(file, None, {}, {}, (Problem(file, *error.place, "", str(error)),))
    finally:
        loader.dispose()
    return Marked(file, data, walk.keys, walk.values, tuple(walk.doubled))


class _TooLargeError(Exception):
    """A document that would be too large, or without end, if its aliases were written out; and where."""

    def __init__(self, node: yaml.Node, message: str) -> None:
        super().__init__(message)
        self.place = (node.start_mark.line + 1, node.start_mark.column + 1)


class _Size:
    """What a document is with all its aliases written out, found without writing them out."""

    def __init__(self) -> None:
        self._found: dict[yaml.Node, tuple[int, int] | None] = {}
        self._repeated = 0

    def of(self, node: yaml.Node) -> tuple[int, int]:
        """Values and levels of a node. Raises _TooLargeError."""
        self._found[node] = None
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        values, levels = 1, 0
        for part in (one for pair in parts for one in (pair if isinstance(pair, tuple) else (pair,))):
            if part not in self._found:
                size = self.of(part)
            else:
                again = self._found[part]
                if again is None:
                    raise _TooLargeError(node, "contains itself by an alias: write it without")
                size = again
                self._repeated += size[0]
            values, levels = values + size[0], max(levels, size[1])
            if self._repeated > _REPEATED:
                message = f"has aliases for more than {_REPEATED:,} values: write out what is meant"
                raise _TooLargeError(node, message)
        if levels >= _DEEPEST:
            raise _TooLargeError(node, f"is nested more than {_DEEPEST} levels deep")
        self._found[node] = (values, levels + 1)
        return values, levels + 1


class _Walk:
    """Collects the places of a document's keys and values."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys: dict[tuple[Step, ...], tuple[int, int]] = {}
        self.values: dict[tuple[Step, ...], tuple[int, int]] = {}
        self.doubled: list[Problem] = []

    def into(self, node: yaml.Node, path: tuple[Step, ...]) -> None:
        self.values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                place = (key.start_mark.line + 1, key.start_mark.column + 1)
                if inner in self.keys:
                    message = f"is written twice, first on line {self.keys[inner][0]}"
                    self.doubled.append(Problem(self.file, *place, ".".join(map(str, inner)), message))
                    continue
                self.keys[inner] = place
                self.into(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.into(value, (*path, index))
