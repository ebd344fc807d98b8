"""How late conversions are, for all pages: learned once for each version of the data."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from metrics import maturity, windows
from metrics.maturity import Maturity
from panels._slot import process

__all__ = ["learned"]


@st.cache_resource(max_entries=4, show_spinner=False)
def learned(version: int, as_of: datetime | None = None) -> Maturity:
    """The maturity of every account by now, or as it was known at a moment that is replayed.

    Its `relations` are what settled metrics need.
    """
    del version
    of = process()
    assert of is not None
    now = as_of or datetime.now(UTC)
    return maturity.learned(of.warehouse, windows.accounts(of.warehouse), now, as_of=as_of)
