"""The one table: what the browser gets, what the URL keeps, what a click opens."""

import json
import tomllib

import pyarrow as pa
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from metrics.model import load
from panels import _table as t
from panels._rows import cells as made
from panels._status import Status
from tests.panels.conftest import ROOT

PAGE = """
from datetime import UTC, datetime
import streamlit as st
from panels._status import Status
from panels._table import About, Column, Pill, table

table(
    {
        "campaign": ["[a, b]", ":material/home: x", "=1+1"],
        "spend": [1234.5, 2.0, None],
        "share": [0.1234, None, 1.0],
        "state": [Pill(Status.act, "Over plan"), None, Pill(Status.good, "On plan")],
        "trend": [[1.0, 2.0], None, []],
        "id": ["7", "8", "9"],
    },
    [
        Column("campaign", "Campaign", "name"),
        Column("spend", "Spend", "money", currency="EUR"),
        Column("share", "Share", "percent"),
        Column("state", "State", "state"),
        Column("trend", "Trend", "line"),
        Column("id", "Id", shown=False),
    ],
    key="t",
    title="Campaigns",
    alt="A table",
    about=About("Campaigns", "Today", datetime(2026, 11, 24, tzinfo=UTC), {"spend": 1}),
    empty="Nothing.",
    ids=["x", "y", "z"],
    opens=lambda of: st.session_state.update(opened=of),
    noun="campaign",
)
"""


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_string(PAGE, default_timeout=30)


def test_cells_are_what_the_names_are(app):
    app.run()
    assert not app.exception
    frame = app.dataframe[0].value
    assert list(frame.columns) == ["campaign", "spend", "share", "state", "trend"]
    assert [list(v) for v in frame["campaign"]] == [["[a, b]"], [":\u2060material/home: x"], ["=1+1"]]
    assert frame["spend"].tolist()[:2] == [1234.0, 2.0]
    assert frame["share"][0] == pytest.approx(12.34)
    assert [list(v) for v in frame["state"]] == [["■ Over plan"], [], ["● On plan"]]
    assert app.dataframe[0].proto.alt == "A table"
    looks = json.loads(app.dataframe[0].proto.columns)
    assert looks["spend"]["label"] == "Spend, EUR"
    assert looks["spend"]["type_config"]["format"] == "localized"
    assert looks["state"]["type_config"]["options"] == [
        {"value": "■ Over plan", "color": "red"},
        {"value": "● On plan", "color": "green"},
    ]


def test_the_choice_of_columns_stands_in_the_url(app):
    app.run()
    app.multiselect(key="url_t_cols").set_value(["id", "spend"]).run()
    assert list(app.dataframe[0].value.columns) == ["campaign", "spend", "id"]
    again = AppTest.from_string(PAGE, default_timeout=30)
    assert app.query_params["t_cols"] == "spend,id"
    again.query_params["t_cols"] = "id,spend,gone"
    again.run()
    assert list(again.dataframe[0].value.columns) == ["campaign", "spend", "id"]


def test_a_row_opens_by_its_name_from_the_keyboard(app):
    app.run()
    assert "opened" not in app.session_state
    app.selectbox(key="t_find").set_value(2).run()
    assert app.session_state["opened"] == "z"


EMPTY = """
from panels._table import About, Column, table

name = Column("campaign", "Campaign", "name")
table({"campaign": []}, [name], key="t", title="T", alt="", about=About("x"), empty="No campaign delivered.")
"""


def test_without_rows_the_reason_stands_there():
    app = AppTest.from_string(EMPTY).run()
    assert not app.exception
    assert not app.dataframe
    assert "No campaign delivered." in app.markdown[1].value


@pytest.mark.parametrize(
    ("kind", "values", "form", "cells"),
    [
        ("money", [999.994, 1.0], "%.2f", [999.994, 1.0]),
        ("money", [1000.4, 1.0], "localized", [1000.0, 1.0]),
        ("count", [3.0, 12.0], "localized", [3.0, 12.0]),
        ("count", [3.5, 12.0], "%.1f", [3.5, 12.0]),
        ("percent", [0.5], "%.1f %%", [50.0]),
        ("change", [-0.25], "%+.0f %%", [-25.0]),
        ("multiple", [3.456], "%.2f×", [3.456]),
        ("multiple", [float("nan"), None], "%.2f×", [None, None]),
    ],
)
def test_numbers_by_their_unit(kind, values, form, cells):
    column = t.Column("x", "X", kind)
    assert t._config(column, values, "")["type_config"]["format"] == form
    assert made(column, values).to_pylist() == cells


def test_a_metric_describes_its_column():
    column = t.of_metric(load()["cpa"], "EUR")
    assert (column.kind, column.label, column.exported) == ("money", "Cost per acquisition, EUR", "cpa_eur")
    assert column.help.startswith("Lower is better. Conversions restate")
    assert column.help.endswith("(version 1)")


def test_a_click_opens_the_row_that_was_drawn(monkeypatch):
    """A poll between drawing and click may have put another campaign into that place."""
    state: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", state)
    opened = []
    t._opened("t", ["a", "b"], opened.append)
    state["t_open"] = {"row": 1, "label": "b"}
    t._clicked("t")
    t._opened("t", ["b", "a"], opened.append)
    assert opened == ["b"]
    t._opened("t", ["b", "a"], opened.append)
    assert opened == ["b"]
    state["t_open"] = {"row": 7, "label": "gone"}
    t._clicked("t")
    t._opened("t", ["b", "a"], opened.append)
    assert opened == ["b"]


def test_streamlits_own_download_stays_off():
    read = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert read["client"]["disableDataExport"] is True


def test_pills_tell_their_state_without_colour():
    assert t.Pill(Status.watch, "Under plan").text == "▲ Under plan"
    assert pa.types.is_list(made(t.Column("s", "S", "state"), [None]).type)
