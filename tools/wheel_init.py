"""Paceline, installed: one top-level name, the checkout's rooms inside it.

The rooms have plain names (`connectors`, `metrics`, …) that must not land in anybody's site-packages.
They lie in this folder, which goes to the front of `sys.path` of a program that imports `paceline`.
`paceline.connectors.contract` and `connectors.contract` are then one module, so that a connector of
somebody else's, registered by the entry point `paceline.connectors`, shares our classes.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["main"]

_HOME = Path(__file__).resolve().parent
_ROOMS = ("connectors", "warehouse", "metrics", "alerts", "panels", "service", "sandbox")


class _Rooms(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers `import paceline.<room>…` with the room itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, name = fullname.partition(".")
        if package != __name__ or name.partition(".")[0] not in _ROOMS:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(module.__name__.partition(".")[2])


if str(_HOME) not in sys.path:
    sys.path.insert(0, str(_HOME))
    sys.meta_path.insert(0, _Rooms())


def main() -> None:
    """Run the command line."""
    importlib.import_module("service.cli").main()
