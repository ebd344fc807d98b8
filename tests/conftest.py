"""Order: what takes long begins first, so that no file is left running alone while the other core idles.

And each test leaves the process's main module as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _main_module() -> Iterator[None]:
    """Streamlit leaves a page's script as the main module; a later test's worker processes would run it."""
    held = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = held
