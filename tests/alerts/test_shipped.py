"""The rules that are shipped, beside the thresholds that they stand for."""

from alerts.conditions.landing_page import LandingPage
from alerts.routes import Routing
from metrics import model
from service import rules
from tests.alerts.test_drill import RULES

BY_NAME = {rule.name: rule for rule in RULES}


def written(name):
    rule = BY_NAME[name]
    found = rule.condition.model_dump(mode="json")
    return found, rule.hold.total_seconds() / 60, rule.keep_firing_for.total_seconds() / 60


def test_the_thresholds_as_they_are_worded_are_information(tmp_path):
    worded = {
        "cost-per-lead-as-worded": ("cpl", 24, "target", 2.0, None),  # over twice the target
        "conversion-rate-as-worded": ("conversion_rate", 24, "week", None, 0.5),  # under half of 7 days
        "hourly-spend-as-worded": ("spend", 1, "budget", 1.2, None),  # over 120 % of the budget's pace
    }
    for name, wanted in worded.items():
        found, _, _ = written(f"{name}/info")
        names = ("metric", "window", "of", "above", "below")
        assert tuple(found[one] for one in names) == wanted
    # Nobody is called by them: nothing else of the plain kind is more than information.
    plain = {rule.name for rule in RULES if rule.condition.kind == "threshold" and rule.severity.rank}
    assert plain == set()
    assert {rule.name for rule in rules.load(tmp_path, Routing(), model.load())} == BY_NAME.keys()


def test_spend_calls_people_by_two_windows_the_end_of_the_day_and_persistence():
    found, hold, keep = written("spend-pace/warning")
    ways = [[(one["hours"], one["times"]) for one in way] for way in found["windows"]]
    assert ways == [[(1, 2.0)], [(6, 1.4), (1, 1.4)]]
    assert (found["projected"], hold, keep) == (1.1, 15, 60)
    worse, hold, keep = written("spend-pace/critical")
    assert (hold, keep) == (15, 60)
    # The higher degree is stricter in every figure, so that it never fires alone.
    assert worse["projected"] > found["projected"]
    assert worse["floor"] > found["floor"]
    assert min(one["times"] for way in worse["windows"] for one in way) >= 2


def test_what_stops_the_money_from_working_is_critical():
    assert isinstance(BY_NAME["landing-page/critical"].condition, LandingPage)
    assert {"stale/critical", "tracking/critical"} <= BY_NAME.keys()
