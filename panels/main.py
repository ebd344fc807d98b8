"""The app's frame: theme, navigation, and what every page needs before it can show a number."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.navigation.page import Page

from panels import _access, _live, _look, _saved, _wall
from panels._slot import process

st.set_page_config(page_title="Paceline", page_icon="📈", layout="wide")

WALL = _wall.on()

_look.apply()
if WALL:
    _wall.frame()


def _page(file: str, *, url_path: str = "", **said: Any) -> Page:
    """A page, listed only for whom it is open; who comes by its address is told whom to ask."""
    of = process()
    shown = of is None or _access.visible(of, url_path)
    return st.Page(file, url_path=url_path or None, visibility="visible" if shown else "hidden", **said)


PAGES = {
    "Monitor": [
        _page(
            "overview.py",
            title="Overview",
            icon=":material/dashboard:",
            default=True,
            help="The health of all accounts today.",
        ),
        _page(
            "acquisition.py",
            title="Acquisition",
            icon=":material/ads_click:",
            url_path="acquisition",
            help="What the money buys: traffic, its price, and what is lost at the auction.",
        ),
        _page(
            "engagement.py",
            title="Engagement",
            icon=":material/filter_alt:",
            url_path="engagement",
            help="How far the traffic goes, from being shown to converting.",
        ),
        _page(
            "revenue.py",
            title="Revenue",
            icon=":material/payments:",
            url_path="revenue",
            help="What the money brings back, against the targets.",
        ),
        _page(
            "pacing.py",
            title="Pacing",
            icon=":material/speed:",
            url_path="pacing",
            help="Will each plan's money be spent by the end of its flight, and what to change.",
        ),
        _page(
            "website.py",
            title="Website",
            icon=":material/language:",
            url_path="website",
            help="Whether the site can convert right now, and which ads pay where it cannot.",
        ),
    ],
    "Investigate": [
        _page(
            "campaign.py",
            title="Campaign",
            icon=":material/account_tree:",
            url_path="campaign",
            help="From an account down to the ad: what it spends, what it earns, what changed.",
        ),
        _page(
            "changes.py",
            title="Changes",
            icon=":material/history:",
            url_path="changes",
            help="Who changed what, what the sources took back, and what came of it.",
        ),
        _page(
            "alerts.py",
            title="Alerts",
            icon=":material/notifications:",
            url_path="alerts",
            help="What is wrong right now, what it costs an hour, and who has it in hand.",
        ),
        _page(
            "experiments.py",
            title="Experiments",
            icon=":material/science:",
            url_path="experiments",
            help="What each A/B test says, and whether it is safe to act on it.",
        ),
        _page(
            "health.py",
            title="Data health",
            icon=":material/monitor_heart:",
            url_path="data-health",
            help="How fresh each stream is, what failed, and how to mend it.",
        ),
    ],
}
of = process()
inside = of is not None and _access.enter(of)
page = st.navigation(PAGES, position="hidden" if WALL or not inside else "top")

if of is None:
    st.info("Paceline is starting. This page opens by itself in a moment.", icon=":material/hourglass_top:")
    _live.wait()
elif inside:
    if not WALL:
        _access.who(of)
        _saved.popover({p.url_path: p for pages in PAGES.values() for p in pages}, page.url_path)
    if _access.visible(of, page.url_path):
        page.run()
        _live.listen()
    else:
        _access.refused(of, page)
    if WALL:
        _wall.turn(page.url_path)
