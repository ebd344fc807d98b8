"""What people look at, counted for the reviews: a page when they go to it, an entry when they open it."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from metrics import usage
from metrics.catalog import Ref
from panels import _pages
from panels._access import actor
from panels._slot import Process

__all__ = ["entry", "page"]


def page(of: Process, path: str) -> None:
    """Somebody is on a page; counted once until they go to another."""
    _once(of, Ref("dashboard", _pages.shown(of, path).id), "seen_page")


def entry(of: Process, ref: Ref) -> None:
    """Somebody reads what an entry means; counted once until they open another."""
    _once(of, ref, "seen_entry")


def _once(of: Process, ref: Ref, key: str) -> None:
    if st.session_state.get(key) != ref:
        st.session_state[key] = ref
        usage.count(of.book, ref, actor().name, datetime.now(UTC))
