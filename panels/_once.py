"""What many visitors look at is worked out once: by whoever asks first, for each version of the data.

    @once
    def load(version: int, view: View) -> Figures: ...

What comes back is shared by reference, and nobody changes it. A copy for each visitor, as `st.cache_data`
makes, costs more than most pages do: 15 ms for a thousand campaigns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import streamlit as st

__all__ = ["once"]

P = ParamSpec("P")
R = TypeVar("R")

MOST = 64
"""Views that are kept at a time. Once the data has changed, those of before are let go."""

_lock = threading.Lock()
_newest: dict[tuple[str, str], int] = {}
"""The version that a function was last asked for; here, for a page's own globals last one run."""


def once(work: Callable[Concatenate[int, P], R]) -> Callable[Concatenate[int, P], R]:
    """Keep what `work` gives for a version of the data and its further arguments (a decorator)."""
    # A view's own words tell it apart; Streamlit's way through all its windows takes a millisecond.
    told: dict[str | type[Any], Callable[[Any], Any]] = {"panels._view.View": repr}
    kept = st.cache_resource(max_entries=MOST, show_spinner=False, hash_funcs=told)(work)
    name = (work.__code__.co_filename, work.__qualname__)

    @wraps(work)
    def shared(version: int, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with _lock:  # a second clearing would let go what the first is about to keep
            if version > _newest.get(name, 0):
                _newest[name] = version
                kept.clear()
        found: R = kept(version, *args, **kwargs)
        return found

    return shared
