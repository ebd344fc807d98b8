"""What a digest says, and its picture."""

from __future__ import annotations

import io
import socket
from dataclasses import replace
from datetime import UTC, date, timedelta

from PIL import Image

from alerts.conditions.contract import Scope
from alerts.digest import chart
from alerts.digest.compose import compose
from alerts.digest.figures import gather
from alerts.drawing import png
from alerts.engine import Engine, Finding
from alerts.notify.contract import Reason
from alerts.notify.email import plain
from alerts.notify.slack_blocks import parent
from alerts.observation import Labels, Observation
from alerts.telling import Described
from connectors.contract import Window
from connectors.rows import Budget
from metrics import windows
from metrics.flights import Amount, SpendPlan
from sandbox.slack_blocks import check
from tests.alerts.digest_kit import APP, DEFAULTS, NOW, figures, ground, told, words
from tests.alerts.timeline import FALSE, ROUTING, TRUE, Told, labels, rule
from warehouse.access import local
from warehouse.store import Fetch

# -- words


def test_a_manager_reads_it_from_what_to_trust_down_to_what_to_open(usual, book):
    text = words(usual, book)
    order = [
        "As of:",
        "Spend:",
        "ROAS:",
        "CPA:",
        "Plans",
        "Up (revenue",
        "Down (revenue",
        "Open incidents",
        "About the data",
    ]
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    assert text.startswith("Mon 23 Nov: €260 spent, ROAS ")
    assert "As of: Google Ads 08:00 (fresh)" in text
    assert "Spend: €260 (+73 % vs 7-day average) · outside the usual €150 to €150" in text
    assert "● Nothing is open" in text
    assert (
        f"{APP}/campaign?source=google_ads&account=a&campaign=brand&win=custom&from=2026-11-23&to=2026-11-23"
        in text
    )


def test_a_digest_is_no_sign_of_life_of_alerts_that_do_not_work(usual, book):
    dead = told(usual, book, problems=lambda: ["alerts: alerts ended; restart the service"])
    made = compose(figures(usual), dead, NOW)
    text = plain(made.message(key="k", thread="t", to="a@b.test", at=NOW))
    assert "Alerts do not work: alerts: alerts ended; restart the service\nAs of:" in text
    assert "■ Nothing is known" in text
    assert "Nothing is open" not in text


def test_a_rule_that_cannot_be_judged_is_named_to_those_whose_accounts_it_is_about(usual, book):
    others = rule("theirs").model_copy(update={"scope": Scope(account="b")})
    names = ["spend/critical", others.name]
    made = compose(figures(usual), told(usual, book, rule("spend"), others, failing=lambda: names), NOW)
    text = plain(made.message(key="k", thread="t", to="a@b.test", at=NOW))
    assert "■ 1 rule cannot be judged: Spend" in text
    assert "● Nothing else is open" in text
    assert "Theirs" not in text
    assert "Alerts do not work" not in text
    assert "Nothing is known" not in text


def test_the_first_sixty_characters_say_the_day_the_spend_and_the_return(usual, book):
    made = compose(figures(usual), told(usual, book), NOW)
    assert "spent, ROAS" in made.headline[:60]


def test_plans_say_where_they_will_end(usual, book):
    plan = SpendPlan("Always on", "EUR", (Amount(3000.0),), period="month")
    usual.reply(
        "google_ads",
        "a",
        [Budget("b", "brand", "", "budget", 150_000_000, "daily", "campaign", shared=False)],
    )
    text = words(usual, book, plans=[plan])
    # 22 days of 150 and one of 260 are spent: 3,560 of 3,000.
    assert "■ Always on: €3.56k of €3.00k (+" in text
    assert "% over (€" in text
    assert f"{APP}/pacing?plan=Always+on" in text


def open_incident(book, *, rules, at, acknowledged=""):
    """An incident of the real engine, told, and in somebody's hand if one is named."""

    def describe(_alert, _notice, _now):
        return Described("Overspend, €240/h: Brand")

    engine = Engine(book, rules, ROUTING, DEFAULTS, describe)
    brand = labels("brand")
    engine.take({r.name: Finding({brand: Observation(brand, TRUE, at)}) for r in rules}, at)
    engine.tick(at + timedelta(minutes=1))
    if acknowledged:
        engine.acknowledge(1, by=local(acknowledged), now=at + timedelta(minutes=2))


def test_open_incidents_stand_with_age_and_owner(usual, book):
    at = NOW.astimezone(UTC) - timedelta(hours=50)
    open_incident(book, rules=[rule("spend")], at=at)
    text = words(usual, book)
    assert "Open incidents: 1, 1 not acknowledged" in text
    assert "■ Overspend, €240/h: Brand · 2 d, Dana" in text
    assert "1 incident open" in text.split("\n")[0]


def test_who_has_it_in_hand_is_told(usual, book):
    at = NOW.astimezone(UTC) - timedelta(hours=3)
    open_incident(book, rules=[rule("spend")], at=at, acknowledged="Dana")
    text = words(usual, book)
    assert "Open incidents: 1, none not acknowledged" in text
    assert "■ Overspend, €240/h: Brand · 3 h, Dana, acknowledged by Dana" in text


def test_another_account_s_incident_is_another_audience_s(usual, book):
    open_incident(book, rules=[rule("spend")], at=NOW.astimezone(UTC) - timedelta(hours=3))
    usual.account("google_ads", "b")
    usual.days("other", cost=1, conversions=1, value=1)
    usual.stored("b")
    own = {k: a for k, a in windows.accounts(usual.warehouse).items() if k[1] == "b"}
    made = compose(gather(ground(usual), own, "daily", NOW), told(usual, book), NOW)
    assert "nothing open" in made.headline


class Page(Told):
    """What is wrong with a page of a site, whichever account pays for it."""

    def site(self, labels):
        return "shop.test" if labels.part else ""


def test_a_site_and_a_plan_are_told_to_those_whose_accounts_they_are_about(usual, book):
    usual.account("google_ads", "b")
    usual.days("other", cost=1, conversions=1, value=1)
    usual.stored("b")
    page = rule("page").model_copy(update={"condition": Page()})
    series = {
        page.name: Labels("google_ads", "a", "", "https://shop.test/sale"),
        rule("flight").name: Labels("plans", "", "", "Mine"),
    }
    at = NOW.astimezone(UTC) - timedelta(hours=40)
    engine = Engine(
        book,
        [page, rule("flight"), rule("broken")],
        ROUTING,
        DEFAULTS,
        lambda a, *_: Described(a.members[0].key.labels.part),
    )
    found = {name: Finding({one: Observation(one, TRUE, at)}) for name, one in series.items()}
    engine.take(found | {rule("broken").name: Finding({}, fault="KeyError")}, at)
    engine.tick(at + timedelta(minutes=1))
    accounts = windows.accounts(usual.warehouse)
    plan = SpendPlan("Mine", "EUR", (Amount(3000.0),), period="month", accounts=("a",))

    def digest(kind, account):
        own = {key: one for key, one in accounts.items() if key[1] == account}
        made = compose(gather(ground(usual, [plan]), own, kind, NOW), told(usual, book), NOW)
        return plain(made.message(key="k", thread="t", to="a@b.test", at=NOW))

    def ended():
        gone = {labels: Observation(labels, FALSE, NOW.astimezone(UTC)) for labels in series.values()}
        engine.take({name: Finding({one: gone[one]}) for name, one in series.items()}, NOW.astimezone(UTC))
        engine.tick(NOW.astimezone(UTC) + timedelta(minutes=5))

    assert "Open incidents: 2, 2 not acknowledged" in digest("daily", "a")
    assert "Nothing is open" in digest("daily", "b")
    assert "2 incidents (2 critical), 0 the week before" in digest("weekly", "a")
    assert "0 incidents (0 critical), 0 the week before" in digest("weekly", "b")
    ended()
    assert "Nothing is open" in digest("daily", "a")
    assert "2 incidents (2 critical), 0 the week before" in digest("weekly", "a")
    assert "0 incidents (0 critical), 0 the week before" in digest("weekly", "b")


def test_a_weekly_digest_says_how_the_alerts_did(usual, book):
    late = rule("spend").model_copy(update={"review": date(2026, 11, 20)})
    fine = rule("mix").model_copy(update={"review": date(2027, 3, 1)})
    open_incident(
        book, rules=[rule("spend")], at=NOW.astimezone(UTC) - timedelta(hours=40), acknowledged="Dana"
    )
    text = words(usual, book, late, fine, kind="weekly")
    assert text.startswith("17 Nov to 23 Nov: €1.16k spent, ROAS ")
    assert "Alerts of the week" in text
    assert "1 incident (1 critical), 0 the week before" in text
    assert "● Acted on: 100 % (1 of 1)" in text
    assert "▲ Review due 20 Nov: Spend (Dana)" in text
    assert "Mix" not in text
    assert "Alerts of the week" not in words(usual, book, late)


def test_what_is_wrong_with_the_data_is_said(usual, book):
    window = Window(NOW.astimezone(UTC) - timedelta(hours=1), NOW.astimezone(UTC))
    usual.warehouse.record(
        Fetch("google_ads", "a", "delivery", window, NOW.astimezone(UTC), 1, "stop", error="Unauthorized", cause="dead token")
    )  # fmt: skip
    text = words(usual, book)
    assert "■ google_ads a: delivery fails: dead token" in text
    later = NOW + timedelta(hours=5)
    assert "Google Ads 08:00 (stale, 5 h)" in words(usual, book, now=later)


def test_any_digest_is_within_slack_s_limits(usual, book):
    names = ["<!channel> & " + "x" * 200 + str(n) for n in range(8)]
    for name in names:
        usual.days(name, cost=5, conversions=1, value=9, back=range(2 if name == names[0] else 1, 44))
    usual.days(names[0], cost=500, conversions=90, value=900, back=[1])
    usual.stored()
    made = compose(figures(usual, "weekly"), told(usual, book), NOW)
    message = made.message(key="k", thread="t", to="C1", at=NOW)
    blocks = parent(message, buttons=True)
    assert check(blocks) == []
    assert "<!channel>" not in str(blocks[1:])
    assert not any(block["type"] == "actions" for block in blocks)
    assert message.reason is Reason.DIGEST


# -- the picture


def test_the_picture_is_drawn_without_a_network(usual, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    plan = SpendPlan("Always <on> · 東京", "EUR", (Amount(4500.0),), period="month")
    drawing, said = chart.chart(figures(usual, plans=[plan]))
    made = png(drawing)
    assert made.startswith(b"\x89PNG")
    width, height = (int.from_bytes(made[n : n + 4], "big") for n in (16, 20))
    assert width > 1100
    assert height > 400
    with Image.open(io.BytesIO(made)) as picture:  # the title is written: a font that is missing leaves none
        top = picture.convert("L").crop((20, 20, 700, 64))
        assert min(top.get_flattened_data()) < 80
    assert said.startswith("Always <on> · 東京: €3.56k spent, ")
    assert "likely end" in said


def test_without_a_plan_the_days_are_drawn(usual):
    found = replace(figures(usual), paces=())
    drawing, said = chart.chart(found)
    assert len(drawing["data"]["values"]) == 29
    assert drawing["data"]["values"][-1] == {"at": "2026-11-23T00:00:00", "value": 260.0, "own": True}
    assert said == "Spend by day, in EUR; the last: €260"
    assert png(drawing).startswith(b"\x89PNG")
