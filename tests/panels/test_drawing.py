"""Every chart of every page is drawn by the browser's own library: one that fails there would be an empty box."""

import json
import re
from typing import Any

import pyarrow as pa
import pytest
import vl_convert
from streamlit.testing.v1 import AppTest

from panels._look import SHORT
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


def test_a_day_is_named_under_its_bar(filled):
    """Its name stood at its midnight, between two bars, so that each could be taken for either."""
    spec = charts(opened("changes", scope="EUR", win="7d"))[0]
    svg = vl_convert.vegalite_to_svg(spec)
    number = r"([-+.\de]+)"
    named = re.findall(rf'translate\({number},[\d.]+\)"[^>]*>\d+ Nov</text>', svg)
    bars = re.findall(rf'<path aria-label="at: [^>]*? d="M{number},{number}h{number}v', svg)
    assert len(bars) == len(named) == 7
    middles = [float(left) + float(width) / 2 for left, _, width in bars]
    assert [float(x) for x in named] == pytest.approx(middles, abs=1)


def test_an_axis_of_thousands_begins_at_nought():
    spec = {
        "data": {"values": [{"spent": 0}, {"spent": 20_000}]},
        "mark": "bar",
        "encoding": {"x": {"field": "spent", "type": "quantitative", "axis": SHORT}},
    }
    svg = vl_convert.vegalite_to_svg(spec)
    assert ">20k<" in svg
    assert ">0<" in svg
    assert ">0k<" not in svg
