"""The catalogue as pages read it, and the way to an entry."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NoReturn

import streamlit as st

from metrics.catalog import Catalog, Ref
from panels._slot import Process

__all__ = ["PAGE", "catalog", "open_entry"]

PAGE = "catalogue.py"


def catalog(of: Process) -> Catalog:
    """Every definition in force."""
    assert of.catalog is not None
    return of.catalog(datetime.now(UTC))


def open_entry(ref: Ref) -> NoReturn:
    """Go to the page of an entry; Back leads here again."""
    st.switch_page(PAGE, query_params=[(ref.kind, ref.name)])
