"""Every page in every state, run by Streamlit itself against a real warehouse."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from connectors.contract import Window
from connectors.rows import AccountRow, Budget, Campaign, Delivery
from connectors.schema import to_batch
from metrics.dashboards import shipped
from panels import _slot
from tests.panels.conftest import NOW, ROOT, failed, hours, rates
from warehouse.store import Fetch, Slice


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def text(app: AppTest) -> str:
    return "\n".join(m.value for m in [*app.markdown, *app.caption, *app.error, *app.success, *app.warning])


def test_before_the_process_is_up_the_page_says_so():
    app = opened()
    assert not app.exception
    assert "starting" in app.info[0].value


def test_an_empty_warehouse_promises_the_first_numbers(running):
    app = opened()
    assert not app.exception
    assert "on their way" in text(app)
    assert not app.metric


def test_figures_of_the_accounts_in_one_currency(filled):
    app = opened()
    assert not app.exception
    pacing, roas, cost, conversions = app.metric
    assert [m.label.split(": ")[-1] for m in app.metric] == [
        "Spend pacing",
        "ROAS",
        "Cost per result",
        "Conversions",
    ]
    # Two accounts, 10 an hour each, one conversion worth 40 an hour each.
    assert pacing.value == (f"€{20 * NOW.hour}" if NOW.hour >= 5 else f"€{20 * NOW.hour:.2f}")
    assert roas.value == "4.00×"
    assert cost.value == "€10.00"
    assert conversions.value == str(2 * NOW.hour)
    assert pacing.proto.delta_description == f"of plan to {NOW.hour:02d}:00"
    assert ":material/check_circle: On plan" in text(app)
    assert "All accounts answer, no campaign is far over plan" in text(app)


def test_currencies_are_chosen_and_never_added_up(filled):
    app = opened()
    app.selectbox(key="url_scope").set_value("google_ads/3").run()
    assert not app.exception
    assert app.metric[2].value == "$10.00"


def test_all_accounts_in_the_reporting_currency(banked):
    rates(banked, usd=1.25)
    app = opened()
    assert not app.exception
    assert list(app.selectbox(key="url_scope").options) == [
        "All accounts, in EUR",
        "All in EUR · 2 accounts",
        "Account 1 · Google Ads 1 · EUR",
        "Account 3 · Google Ads 3 · USD",
        "Account 2 · Meta Ads 2 · EUR",
    ]
    pacing, roas, cost, conversions = app.metric
    # Two accounts spend 10 euros an hour each, the third 10 dollars, which are 8 euros.
    assert pacing.value == (f"€{28 * NOW.hour}" if NOW.hour >= 4 else f"€{28 * NOW.hour:.2f}")
    assert roas.value == "4.00×"
    assert cost.value == "€9.33"
    assert conversions.value == str(3 * NOW.hour)
    assert sorted(app.dataframe[0].value["spend"]) == [8 * NOW.hour, 10 * NOW.hour, 10 * NOW.hour]


def test_a_missing_rate_is_told_and_one_currency_still_shown(banked):
    app = opened()
    assert not app.exception
    assert "Not shown in EUR" in text(app)
    assert "no rate from USD to EUR" in text(app)
    assert not app.metric
    app.selectbox(key="url_scope").set_value("EUR").run()
    assert not app.exception
    assert app.metric[3].value == str(2 * NOW.hour)


def test_the_bank_is_no_account_that_can_be_chosen(banked):
    app = opened()
    assert not any("Central Bank" in label for label in app.selectbox(key="url_scope").options)


def test_a_failed_account_shows_cause_and_mend(filled):
    failed(filled, cause="Error validating access token", mend="Create a new token in Business settings.")
    app = opened()
    assert not app.exception
    shown = text(app)
    assert "Error validating access token" in shown
    assert "Create a new token" in shown


def test_hostile_causes_are_shown_as_they_are(filled):
    failed(filled, cause=":red[x] **b** $y$", mend="")
    app = opened()
    assert not app.exception
    assert r"\:red\[x\] \*\*b\*\* \$y\$" in text(app)


def test_data_health_lists_every_stream(filled):
    failed(filled, cause="Error validating access token", mend="Create a new token.")
    app = opened()
    app.switch_page("health.py").run()
    assert not app.exception
    assert "Create a new token" in text(app)
    late, streams = (table.value for table in app.dataframe)
    assert sorted(late["account"]) == ["Account 1", "Account 2", "Account 3"]
    assert "about two weeks of polling" in text(app)
    assert set(streams["stream"]) == {"Account", "Campaign", "Budget", "Delivery by the hour"}


def test_wall_hides_navigation_and_keeps_the_numbers(filled):
    app = opened(mode="wall")
    assert not app.exception
    assert len(app.metric) == 4


@pytest.mark.parametrize("window", ["1h", "today", "7d"])
def test_every_window(filled, window):
    app = opened()
    app.get("button_group")[0].set_value(window).run()
    assert not app.exception
    assert app.session_state["url_win"] == window
    assert app.metric[1].value == "4.00×"
    hours = {"1h": 1, "today": NOW.hour, "7d": 6 * 24 + NOW.hour}[window]
    assert app.metric[3].value == str(2 * hours)
    if window == "1h":
        assert "Too early" in text(app)


def test_an_account_without_todays_data_is_left_out_and_named(filled):
    filled.write("meta_ads", "9", [AccountRow("Gone client", "EUR", "UTC")])
    long_ago = Window(NOW - timedelta(days=90), NOW - timedelta(days=89))
    hour = long_ago.start
    piece = Slice("meta_ads", "9", "delivery", Delivery, long_ago, ZoneInfo("UTC"))
    rows = [Delivery("old", hour, hour.date(), hour.hour, 1000, 50, 900_000_000, 1.0, 0)]
    fetch = Fetch("meta_ads", "9", "delivery", long_ago, hour, 5, "ok")
    filled.warehouse.write(
        piece, [to_batch(Delivery, rows)], seen_at=long_ago.end, vouched=long_ago.end, fetch=fetch
    )
    app = opened()
    assert not app.exception
    assert app.metric[3].value == str(2 * NOW.hour)
    assert "Gone client" in text(app)


def test_a_backfill_shows_its_progress(filled):
    plain = {"days": 40, "done": 10, "rows": 5, "state": "running", "waits_for": "", "given_up": ()}
    filled.state["status"]["backfill"] = plain
    app = opened()
    app.switch_page("health.py").run()
    assert not app.exception
    assert "10 of 40 days" in app.get("progress")[0].proto.text


def test_without_history_numbers_are_provisional_not_judged_raw(running):
    running.write("google_ads", "1", [AccountRow("Account 1", "EUR", "UTC")])
    running.write("google_ads", "1", hours("c1", days=1))
    app = opened()
    assert not app.exception
    assert "nothing to compare with yet" in app.metric[1].proto.delta_description
    assert "once settled" in text(app)
    assert "Provisional" in text(app)


def test_the_pace_is_learned_anew_when_a_backfill_brings_more_days(running):
    running.write("google_ads", "1", [AccountRow("Shop", "EUR", "UTC")])
    running.write("google_ads", "1", [Campaign("c1", "Brand", "enabled", "", "search")])
    budget = Budget("b1", "c1", "", "", 240_000_000, "daily", "campaign", shared=False)
    running.write("google_ads", "1", [budget])
    running.write("google_ads", "1", hours("c1", days=1))
    before = opened().metric[0].delta  # the usual shape of a day, or even: about on plan
    # Four weeks in which everything was spent before noon: an even morning is now far behind its plan.
    morning = [row for row in hours("c1", cost=20.0) if row.hour_of_day < 12 and row.day < NOW.date()]
    running.write("google_ads", "1", [*morning, *hours("c1", days=1)])
    after = opened().metric[0].delta
    # Ten an hour against 240 in twelve hours: half of it in the morning, then ever less behind.
    planned = 240 * min(NOW.hour / 12, 1)
    assert float(after.rstrip(" %").replace("−", "-")) == pytest.approx(
        100 * (10 * NOW.hour / planned - 1), abs=2
    )
    assert after != before


def test_a_page_whose_file_has_gone_takes_no_other_page_with_it(running):
    slot = _slot.process_slot()
    gone = shipped()[1].model_copy(update={"id": "own", "title": "Own", "file": "own.py"})
    slot["process"] = replace(slot["process"], dashboards=lambda: (*shipped(), gone))
    app = AppTest.from_file(str(ROOT / "panels" / "main.py"), default_timeout=60).run()
    assert not app.exception, app.exception
