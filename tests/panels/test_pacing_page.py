"""The Pacing page in every state. Both euro accounts spend 10 an hour, so a month is 480 a day."""

import calendar
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
import yaml
from streamlit.testing.v1 import AppTest

from connectors.rows import AccountRow, Campaign
from metrics.flights import Amount, SpendPlan
from panels import _plans, _slot
from tests.panels.conftest import NOW, ROOT, failed, hours

MONTH = calendar.monthrange(NOW.year, NOW.month)[1]


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """The data was polled when the hour began, which may be longer ago than a page calls fresh."""
    monkeypatch.setattr(_plans, "_STALE", timedelta(hours=2))


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
    app.run()
    for name, value in query.items():
        app.query_params[name] = value
    return app.switch_page("pacing.py").run()


def text(app: AppTest) -> str:
    return "\n".join(m.value for m in [*app.markdown, *app.caption, *app.warning, *app.error])


def planned(running, *plans: SpendPlan) -> None:
    slot = _slot.process_slot()
    of = slot["process"]
    slot["process"] = replace(of, workspace=replace(of.workspace, plans=plans, timezone=UTC))
    running.state["version"] += 1


def plan(name: str, daily: float, **more) -> SpendPlan:
    return SpendPlan(name, "EUR", (Amount(daily * MONTH),), accounts=("Account 1", "Account 2"), **more)


@pytest.fixture
def spent(filled):
    """Two months of even spend."""
    for source, account in (("google_ads", "1"), ("meta_ads", "2"), ("google_ads", "3")):
        filled.write(source, account, hours(f"c{account}", days=60))
    planned(filled)
    return filled


def test_an_empty_warehouse_promises_the_first_numbers(running):
    app = opened()
    assert not app.exception
    assert "on their way" in text(app)
    assert not app.metric


def test_without_plans_the_platforms_budgets_are_paced_and_a_plan_is_offered(spent):
    app = opened()
    assert not app.exception
    table = app.dataframe[0].value
    assert [c[0] for c in table["plan"]] == ["Budgets in EUR", "Budgets in USD"]
    assert [list(c) for c in table["state"]] == [["● On plan"], ["● On plan"]]
    assert app.metric[0].value == "2 of 2"
    offered = next(yaml.safe_load(c.value)["plans"] for c in app.code if c.value.startswith("plans:"))
    assert [p["currency"] for p in offered] == ["EUR", "USD"]
    assert offered[0]["accounts"] == ["Account 1", "Account 2"]
    assert offered[0]["amount"] == pytest.approx(480 * MONTH, rel=0.05)
    assert "here the budgets are the plan" in text(app)


def test_over_and_under_look_different_and_the_worst_is_shown_first(spent):
    planned(spent, plan("Fine", 480), plan("Lean", 700), plan("Fat", 300))
    app = opened()
    assert not app.exception
    assert app.selectbox(key="url_plan").value == "Fat"
    states = dict(
        zip(
            (c[0] for c in app.dataframe[0].value["plan"]),
            (c[0] for c in app.dataframe[0].value["state"]),
            strict=True,
        )
    )
    assert states == {"Fine": "● On plan", "Lean": "▲ Under plan", "Fat": "■ Over plan"}
    total, to_date, end, _ = app.metric
    assert total.value == "1 of 3"
    assert "1 under plan · 1 over plan" in text(app)
    days = NOW.day - 1 + NOW.hour / 24
    assert to_date.value in {f"€{480 * days:.0f}", f"€{480 * days / 1e3:.2f}k", f"€{480 * days / 1e3:.1f}k"}
    assert end.value == f"€{480 * MONTH / 1e3:.1f}k"
    assert ":material/error: 100 % risk" in text(app)


def test_what_to_change_lands_on_the_plan_and_links_to_the_platform(spent):
    left = MONTH - NOW.day
    planned(spent, plan("Trim", 480 - 40 * left / MONTH))
    app = opened()
    assert not app.exception
    changes = app.dataframe[1].value
    # 20 a day less of each of two budgets of 240, over the days that are left.
    assert list(changes["new"]) == ["€220", "€220"]
    assert "instead of" in text(app)
    assert set(changes["link"]) == {
        "https://ads.google.com/aw/adgroups?campaignId=c1&__e=1",
        "https://adsmanager.facebook.com/adsmanager/manage/campaigns?act=2&selected_campaign_ids=c2",
    }


def test_the_address_chooses_the_plan(spent):
    planned(spent, plan("Fine", 480), plan("Fat", 300))
    app = opened(plan="Fine")
    assert not app.exception
    assert app.selectbox(key="url_plan").value == "Fine"


def test_a_plan_that_is_no_longer_there_falls_back(spent):
    planned(spent, plan("Fine", 480))
    app = opened(plan="Gone")
    assert not app.exception
    assert app.selectbox(key="url_plan").value == "Fine"


def test_money_of_another_currency_without_a_rate_is_refused(spent):
    planned(spent, SpendPlan("All", "EUR", (Amount(1000),)))
    app = opened()
    assert not app.exception
    assert "no rate from USD to EUR" in text(app)
    assert [list(c) for c in app.dataframe[0].value["state"]] == [["○ No rates"]]


def test_a_plan_that_matches_nothing_says_what_to_compare(spent):
    planned(spent, SpendPlan("Typo", "EUR", (Amount(1000),), accounts=("Acount*",)))
    app = opened()
    assert not app.exception
    assert "its patterns match nothing" in text(app)


def test_history_that_is_missing_withholds_the_verdict(spent):
    first = NOW.date() - timedelta(days=90)
    planned(spent, replace(plan("Long", 480), period="flight", starts=first, ends=NOW.date() + timedelta(3)))
    app = opened()
    assert not app.exception
    assert [list(c) for c in app.dataframe[0].value["state"]] == [["○ History missing"]]
    assert "are not fetched yet" in text(app)
    assert len(app.dataframe) == 1


def test_stale_plans_turn_grey_never_green(spent, monkeypatch):
    monkeypatch.setattr(_plans, "_STALE", timedelta(seconds=0))
    planned(spent, plan("Fine", 480))
    app = opened()
    assert not app.exception
    [[word]] = [list(c) for c in app.dataframe[0].value["state"]]
    assert word.startswith("○ Stale")
    assert app.metric[0].value == "—"
    assert ":material/check_circle: On plan" not in text(app)


def test_a_failing_account_shows_cause_and_mend(spent):
    planned(spent, plan("Fine", 480))
    failed(spent, cause="Error validating access token", mend="Create a new token.")
    app = opened()
    assert not app.exception
    assert "Error validating access token" in text(app)
    assert "Create a new token" in text(app)


def test_campaigns_outside_of_all_plans_are_told(spent):
    planned(spent, plan("Fine", 480))
    app = opened()
    assert not app.exception
    assert r"Outside of all plans: 1 campaign that spends \$240 a day" in text(app)


def test_hostile_names_are_shown_as_they_are(running):
    running.write("google_ads", "1", [AccountRow(":red[x] $y$", "EUR", "UTC")])
    running.write("google_ads", "1", [Campaign("c1", "[a](javascript:x) **b**", "enabled", "", "search")])
    running.write("google_ads", "1", hours("c1", days=60))
    planned(running, SpendPlan(":red[plan] **b**", "EUR", (Amount(240 * MONTH),)))
    app = opened()
    assert not app.exception
    assert r"\:red\[plan\] \*\*b\*\*" in text(app)
