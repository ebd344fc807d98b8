"""A widget whose choice stands in the URL by its own name: `win=7d`, whatever the label on the screen says.

Streamlit's own binding writes the label; a link in an alert must outlive a change of wording.

    st.segmented_control("Window", list(SPANS), required=True, **kept("win", SPANS, "today"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import streamlit as st

from panels._format import plain

__all__ = ["kept", "kept_many", "kept_text"]

T = TypeVar("T")


def kept(name: str, options: Iterable[T], default: T) -> dict[str, Any]:
    """Key and callback for a selection widget whose choice is `name` in the URL; str(option) is its value.

    The URL is the truth: what it says is chosen, also after Back. A value that is no option (any more) is
    taken out of it, and the default is chosen. The widget is given no index and no default of its own.
    """
    by_value = {str(option): option for option in options}
    asked = st.query_params.get(name)
    key = f"url_{name}"
    if asked is not None and asked not in by_value:
        del st.query_params[name]
        _told(name, asked, key)
        asked = None
    st.session_state[key] = by_value[asked] if asked is not None else default
    return {"key": key, "on_change": partial(_write, name, key, str(default))}


def kept_text(name: str, read: Callable[[str], T], default: T) -> dict[str, Any]:
    """The same for a widget that holds any value; `read` makes it of the URL's text, or raises ValueError."""
    value, asked = default, st.query_params.get(name)
    key = f"url_{name}"
    if asked is not None:
        try:
            value = read(asked)
        except ValueError:
            del st.query_params[name]
            _told(name, asked, key)
    st.session_state[key] = value
    return {"key": key, "on_change": partial(_write, name, key, str(default))}


def _told(name: str, asked: str, key: str) -> None:
    """Say that a link's value does not hold; a choice that another choice has ruled out needs no words."""
    if key not in st.session_state:
        said = plain(asked[:40])
        st.toast(
            f"**{name}** {said} is no choice here (any more): the usual one is shown.", icon=":material/info:"
        )


def kept_many(name: str, options: Iterable[str], default: Sequence[str]) -> dict[str, Any]:
    """The same for a widget that chooses several: `name=a,b` in the URL, in the order of `options`."""
    order = list(options)
    asked = st.query_params.get(name)
    parts = [part for part in (asked or "").split(",") if part in order]
    if asked is not None and asked and not parts:
        del st.query_params[name]
        asked = None
    key = f"url_{name}"
    st.session_state[key] = list(default) if asked is None else parts
    return {"key": key, "on_change": partial(_write_many, name, key, order, list(default))}


def _write_many(name: str, key: str, order: list[str], default: list[str]) -> None:
    """Put the choice into the URL; the default is the URL without it, nothing at all an empty value."""
    chosen = st.session_state[key]
    if sorted(chosen) == sorted(default):
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = ",".join(part for part in order if part in chosen)


def _write(name: str, key: str, default: str) -> None:
    """Put the choice into the URL; the default is the URL without it."""
    value = st.session_state.get(key)
    if value is None or str(value) == default:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = str(value)
