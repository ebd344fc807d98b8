"""The page follows the data: it redraws when a poll has changed something, and costs nothing until then."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from panels import _access
from panels._slot import process

__all__ = ["follow", "wait"]

P = ParamSpec("P")

_PANELS = "panels"
"""Key of the fragment that holds a page's numbers: only it reruns, so that open dialogs and drafts stay."""

_listener = st.components.v2.component(
    "data_version_listener",
    js="""
export default function ({ setTriggerValue, parentElement, data }) {
  parentElement.drawn = data.version;
  if (parentElement.listens) return;
  parentElement.listens = true;
  let newest = data.version, source, again;
  // A page that nobody sees is not drawn; it catches up when it is looked at.
  const look = () => {
    if (document.hidden || newest === parentElement.drawn) return;
    parentElement.drawn = newest;
    setTriggerValue("version", newest);
  };
  // The browser comes back by itself after a broken line, and never after a refusal: of a service that is
  // starting, or that has too many visitors. Not all at once, for all of them were cut off at once.
  const listen = () => {
    source = new EventSource(data.url);
    source.onmessage = (event) => { newest = Number(event.data); look(); };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) again = setTimeout(listen, 2000 + 3000 * Math.random());
    };
  };
  listen();
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    clearTimeout(again);
    source.close();
    parentElement.listens = false;
  };
}
""",
)


def follow(draw: Callable[P, None]) -> Callable[P, None]:
    """Make of `draw` the part of a page that changes with the data (a decorator; one on a page).

    It is drawn again when the process says that stored data, or its freshness, has changed. The listener is
    inside of it: what it asks for waits for a draw that is under way, where a rerun by a key would begin it
    anew, and a slow draw would never end while data comes in. A replayed moment stands still.

    A page that has been closed to its reader since gives no new figures: the whole app runs, and says so.
    """

    @st.fragment(key=_PANELS)
    def panels(*args: P.args, **kwargs: P.kwargs) -> None:
        running = process()
        if running is not None and not _access.open_still(running):
            st.rerun(scope="app")
        if running is not None and "at" not in st.query_params:
            with st.container(key="live"):
                _listener(key="data_version", data={"url": "/api/events", "version": running.data_version()})
        draw(*args, **kwargs)

    return panels


@st.fragment(run_every=2)
def wait() -> None:
    """Look every two seconds whether the process is up, then open the page."""
    if process() is not None:
        st.rerun()
