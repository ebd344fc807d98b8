"""The page follows the data: it redraws when a poll has changed something, and costs nothing until then."""

from __future__ import annotations

import streamlit as st

from panels._slot import process

__all__ = ["PANELS", "listen", "wait"]

PANELS = "panels"
"""Key of the fragment that holds a page's numbers: only it reruns, so that open dialogs and drafts stay."""

_listener = st.components.v2.component(
    "data_version_listener",
    js="""
export default function ({ setTriggerValue, parentElement, data }) {
  parentElement.seen = Math.max(parentElement.seen || 0, data.version);
  if (parentElement.source) return;
  const source = new EventSource(data.url);
  parentElement.source = source;
  source.onmessage = (event) => {
    const version = Number(event.data);
    if (version !== parentElement.seen) {
      parentElement.seen = version;
      setTriggerValue("version", version);
    }
  };
  return () => { source.close(); parentElement.source = null; };
}
""",
)


def listen() -> None:
    """Redraw the page's numbers when the process says that stored data, or its freshness, has changed.

    A replayed moment does not change: such a page stands still.
    """
    running = process()
    if running is not None and "at" not in st.query_params:
        _listener(
            key="data_version",
            data={"url": "/api/events", "version": running.data_version()},
            on_version_change=lambda: st.rerun(PANELS),
        )


@st.fragment(run_every=2)
def wait() -> None:
    """Look every two seconds whether the process is up, then open the page."""
    if process() is not None:
        st.rerun()
