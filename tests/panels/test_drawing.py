"""Every chart of every page is drawn by the browser's own library: one that fails there would be an empty box."""

import json
from typing import Any

import pyarrow as pa
import pytest
import vl_convert
from streamlit.testing.v1 import AppTest

from tests.panels.test_monitor import opened

PAGES = {"overview": 1, "acquisition": 1, "engagement": 1, "revenue": 1, "pacing": 1, "changes": 1}
"""Pages with the least number of charts that each has."""


def charts(app: AppTest) -> list[dict[str, Any]]:
    """The specifications as they are sent to the browser, with their data."""
    found = []
    for element in app.get("vega_lite_chart"):
        spec = json.loads(element.proto.spec)
        if element.proto.data.data:
            rows = pa.ipc.open_stream(element.proto.data.data).read_all().to_pylist()
            spec["data"] = {"values": json.loads(json.dumps(rows, default=str))}
        found.append(spec)
    return found


@pytest.mark.parametrize("win", ["today", "7d"])
@pytest.mark.parametrize("page", PAGES)
def test_charts_are_drawn(filled, page, win):
    app = opened(page, scope="EUR", win=win)
    assert not app.exception
    drawn = charts(app)
    assert len(drawn) >= PAGES[page]
    for spec in drawn:
        # What the library cannot draw raises here; a chart without an axis' label has no text.
        assert "<text" in vl_convert.vegalite_to_svg(spec)
