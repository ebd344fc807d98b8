"""A page with one card's two buttons, over the last 24 hours; what it is about stands in the session."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from connectors.contract import Window
from metrics import windows
from metrics.compare import Comparison
from panels._scope import scopes
from panels._slot import process
from panels._trace import info_button
from panels._view import View
from panels._why import why_button

of = process()
known = windows.accounts(of.warehouse)
scope = next(s for s in scopes(known) if s.key == "EUR")
later = timedelta(hours=st.session_state.get("later", 0))
end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + later
window = Window(end - timedelta(hours=24), end)
view = View(
    scope,
    "today",
    dict.fromkeys(scope.accounts, window),
    Comparison.YESTERDAY,
    None,
    timedelta(hours=1),
    end,
)
name = st.session_state.get("metric", "cpa")
why_button(name, view)
info_button(name, view)
