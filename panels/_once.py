"""What many visitors look at is worked out once: by whoever asks first, for each version of the data.

    @once
    def load(version: int, view: View) -> Figures: ...

What comes back is shared by reference, and nobody changes it. A copy for each visitor, as `st.cache_data`
makes, costs more than most pages do: 15 ms for a thousand campaigns.

Before visitors are told of a new version, `prepare` asks again what they asked of the one before: who then
draws a page finds its figures there. What nobody has asked since is left out the next time, so that pages
that were closed cost one more reading and no second one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

__all__ = ["Renewed", "once", "prepare"]

_LOG = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

MOST = 64
"""Views that are kept at a time, and questions that are asked ahead. Those of before a change are let go."""


@runtime_checkable
class Renewed(Protocol):
    """An argument that says itself what it is once the data has changed."""

    def renewed(self) -> Renewed:
        """The same, of the present version of the data."""


@dataclass(slots=True)
class _Question:
    """What visitors asked of a version, and how often."""

    ask: Callable[..., object]
    args: tuple[object, ...]
    kwargs: dict[str, object]
    times: int = 0


_lock = threading.Lock()
_newest: dict[tuple[str, str], int] = {}
"""The version that a function was last asked for; here, for a page's own globals last one run."""
_asked: dict[int, dict[str, _Question]] = {}
"""By version, of the last two that anything was asked of: what visitors asked."""


def once(work: Callable[Concatenate[int, P], R]) -> Callable[Concatenate[int, P], R]:
    """Keep what `work` gives for a version of the data and its further arguments (a decorator)."""
    # A view's own words tell it apart; Streamlit's way through all its windows takes a millisecond.
    told: dict[str | type[Any], Callable[[Any], Any]] = {"panels._view.View": repr}
    kept = st.cache_resource(max_entries=MOST, show_spinner=False, hash_funcs=told)(work)
    name = (work.__code__.co_filename, work.__qualname__)

    @wraps(work)
    def shared(version: int, /, *args: P.args, **kwargs: P.kwargs) -> R:
        visitor = get_script_run_ctx(suppress_warning=True) is not None
        words = repr((name, args, kwargs)) if visitor else ""
        with _lock:  # a second clearing would let go what the first is about to keep
            if version > _newest.get(name, 0):
                _newest[name] = version
                kept.clear()
            if visitor:
                _note(version, words, _Question(shared, args, kwargs))
        found: R = kept(version, *args, **kwargs)
        return found

    return shared


def _note(version: int, words: str, question: _Question) -> None:
    """Remember what a visitor asks; the lock is held."""
    if version not in _asked:
        for old in sorted(_asked)[:-1]:
            del _asked[old]
    _asked.setdefault(version, {}).setdefault(words, question).times += 1


def prepare(version: int) -> None:
    """Work out for a version what visitors asked of the one before, what most of them did first.

    Ends early where a newer version has come. What fails is logged: who draws the page is told.
    """
    with _lock:
        asked = sorted(_asked.get(version - 1, {}).values(), key=lambda one: -one.times)[:MOST]
    for one in asked:
        with _lock:
            if max(_newest.values()) > version:
                return
        try:
            one.ask(version, *(_renewed(arg) for arg in one.args), **one.kwargs)
        except Exception as error:  # noqa: BLE001  # whatever it is, the others have their turn
            _LOG.warning("%s could not be worked out ahead: %s", one.ask.__qualname__, error)


def _renewed(arg: object) -> object:
    return arg.renewed() if isinstance(arg, Renewed) else arg
