"""dashboards.yaml: what it changes, and what it refuses with the place and the nearest name."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from metrics import model
from metrics.dashboards import shipped
from service import dashboards
from service.settings import SettingsError
from warehouse.access import Actor, Role

METRICS = model.load()
OWN = """dashboards:
  - id: revenue
    owner: dana
    open_to: {groups: [finance]}
  - id: brand
    title: Brand
    owner: dana
    audience: The brand team
    purpose: What brand campaigns bring.
    panels: {Reach: [impressions, frequency], Both: [frequency, cpm]}
    review: 2027-02-01
    every: 30d
"""


def written(folder: Path, text: str) -> Path:
    (folder / "panels").mkdir(exist_ok=True)
    (folder / "panels" / "brand.py").touch()
    (folder / "dashboards.yaml").write_text(text)
    return folder


def refused(folder: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as told:
        dashboards.load(written(folder, text), METRICS, ["dana", "erin"])
    return [str(problem) for problem in told.value.problems]


def test_without_a_file_the_shipped_ones_hold(tmp_path):
    assert dashboards.load(tmp_path, METRICS, []) == shipped()


def test_an_entry_needs_only_what_differs_and_new_ones_follow(tmp_path):
    found = dashboards.load(written(tmp_path, OWN), METRICS, ["dana"])
    assert [one.id for one in found] == [*(one.id for one in shipped()), "brand"]
    revenue, brand = next(one for one in found if one.id == "revenue"), found[-1]
    assert (revenue.owner, revenue.title, revenue.review) == ("dana", "Revenue", date(2027, 2, 1))
    assert not revenue.open_to.admits(Actor("v", Role.VIEWER))
    assert revenue.open_to.admits(Actor("v", Role.VIEWER, frozenset({"finance"})))
    assert (brand.section, brand.file, brand.every) == ("Monitor", "brand.py", timedelta(days=30))
    assert brand.metrics == ("impressions", "frequency", "cpm")


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("id: revenue", "id: revenu", "dashboards.yaml:2:9: dashboards.0.id: 'revenu' is none of ours, did"),
        ("owner: dana\n    open", "owner: dan\n    open", "dashboards.yaml:3:12: dashboards.0.owner: 'dan' is none of alerts.people, did you mean 'dana'?"),
        ("groups:", "group:", "dashboards.0.open_to.group: is no known setting, did you mean 'groups'?"),
        ("[impressions,", "[impresions,", "dashboards.yaml:10:22: dashboards.1.panels.Reach.0: 'impresions' is no metric, did you mean 'impressions'?"),
        ("id: brand", "id: brandy", "dashboards.1.id: there is no page brandy.py, did you mean 'brand'?"),
        ("id: brand", "id: revenue", "dashboards.1.id: 'revenue' is entry 1 already"),
        ("    audience: The brand team\n", "", "dashboards.1.audience: is missing"),
        ("review: 2027-02-01", "review: soon", "dashboards.1.review:"),
        ("dashboards:", "dashbords:", "begins with `dashboards:`"),
        ("every: 30d", "every: 0s", "dashboards.yaml:12:12: dashboards.1.every: '0s' is no span between two reviews: write 1d to 366d"),
        ("every: 30d", "every: 400d", "'400d' is no span between two reviews"),
        ("every: 30d", "every: 30d\nboards: []", "boards: is no known setting, did you mean 'dashboards'?"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_the_nearest_right_name(tmp_path, was, becomes, told):
    assert was in OWN
    assert any(told in problem for problem in refused(tmp_path, OWN.replace(was, becomes)))
