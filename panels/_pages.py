"""Pages by their dashboards: where their files are, and the way to them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from metrics.dashboards import Dashboard
from panels._slot import Process

__all__ = ["file", "open_page", "shown", "there"]


def file(of: Process | None, one: Dashboard) -> str | Path:
    """A page's file: the team's own in the workspace's panels/, else ours."""
    own = None if of is None else of.workspace.folder / "panels" / one.file
    return own if own is not None and own.exists() else one.file


def there(of: Process | None, one: Dashboard) -> bool:
    """Whether its page is there: a file may go while the app runs, which is a problem of that page alone."""
    return (Path(__file__).parent / file(of, one)).exists()


def shown(of: Process, path: str) -> Dashboard:
    """The dashboard at a path of the address; the first has none."""
    dashboards = of.dashboards()
    return next((one for one in dashboards if one.id == path), dashboards[0])


def open_page(of: Process, one: Dashboard) -> None:
    """Go there."""
    st.switch_page(file(of, one))
