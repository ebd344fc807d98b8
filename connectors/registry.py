"""Which sources there are: the modules of this room, and what other packages add by an entry point.

    [project.entry-points."paceline.connectors"]
    example = "example_package.connector:Example"

A module of this room is a source if it holds a Connector of its own name. Nothing is imported until it is
asked for, and a connector imports its platform's client no sooner than it fetches.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from connectors.contract import Connector

__all__ = ["GROUP", "BrokenSource", "UnknownSource", "connectors", "load"]

GROUP = "paceline.connectors"

_FRAME = {"contract", "errors", "part", "registry", "rows", "schema", "units", "web_rows"}
"""Modules of this room that are no sources."""


class UnknownSource(KeyError):
    """No source of that name; the message says the nearest right one, and all there are."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name = name
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
        self.message = f"{name!r} is no known source: {hint}"
        super().__init__(self.message)

    def __str__(self) -> str:  # KeyError would put it into quotes
        return self.message


class BrokenSource(Exception):
    """A source is there but cannot be loaded: its module fails, or holds no Connector of its name."""


def connectors() -> Mapping[str, type[Connector]]:
    """Every source by its name; each is imported when it is looked up."""
    return _Sources()


def load(name: str) -> type[Connector]:
    """The connector of a source. A built-in one wins over another package's of the same name.

    Raises UnknownSource, BrokenSource.
    """
    if name in _built_in():
        origin = f"connectors.{name}"
        try:
            module = importlib.import_module(origin)
        except ImportError as error:
            raise BrokenSource(f"{origin} cannot be imported: {error}") from error
        found: list[Any] = [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type) and issubclass(kind, Connector) and kind.__module__ == origin
        ]
    else:
        points = entry_points(group=GROUP, name=name)
        if not points:
            raise UnknownSource(name, sorted(_Sources()))
        point = next(iter(points))
        origin = point.value
        try:
            found = [point.load()]
        except (ImportError, AttributeError) as error:
            raise BrokenSource(f"{origin} cannot be imported: {error}") from error
    for kind in found:
        if isinstance(kind, type) and issubclass(kind, Connector) and getattr(kind, "name", "") == name:
            return kind
    raise BrokenSource(f"{origin} holds no Connector whose name is {name!r}")


def _built_in() -> set[str]:
    here = [str(Path(__file__).parent)]
    return {module.name for module in pkgutil.iter_modules(here) if module.name[0] != "_"} - _FRAME


class _Sources(Mapping[str, type[Connector]]):
    """Names without imports, classes on demand."""

    def __getitem__(self, name: str) -> type[Connector]:
        return load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(_built_in() | entry_points(group=GROUP).names))

    def __len__(self) -> int:
        return len(set(self))
