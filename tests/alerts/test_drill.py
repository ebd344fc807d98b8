"""A drill from the known condition to the channels, which are the sandbox's, over the wire."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.conditions import KINDS
from alerts.drill import Ground, drill
from alerts.explain import Words
from alerts.notify.book import CHAPTER, Threads
from alerts.notify.email import Email
from alerts.notify.settings import EmailSettings, SlackSettings
from alerts.notify.slack import Slack
from alerts.observation import Result
from alerts.provoke import PROVOKED
from alerts.records import Records
from alerts.routes import INBOX, Person, Receiver, Routing
from alerts.rules import Rule
from connectors.web_rows import PageCheck
from metrics import model
from service import rules as shipped
from tests.alerts.channels_kit import CHANNEL, running
from tests.alerts.conftest import BERLIN, EVERY, NOW, target
from warehouse.book import Book

METRICS = model.load()


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("channels")) as channels:
        yield channels


@pytest.fixture
def ground(up, world, tmp_path):
    world.campaign_of("brand", clicks=100, cost=20.0, conversions=5.0)
    world.budget("brand", 500)
    world.scene()
    checked = [
        PageCheck("https://shop.test/", NOW - timedelta(minutes=2), "", "", "https://shop.test/", 0, 200)
    ]
    world.reply("google_ads", "a", checked, seen_at=NOW)
    book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    began = time.monotonic()
    host, port = up.at["smtp"].split(":")
    keys, trusted = up.keys, {"ca_file": up.at["ca_file"]}
    slack = SlackSettings(channel=CHANNEL, token=keys["slack"]["bot_token"], url=up.at["slack"], **trusted)
    email = EmailSettings(
        host=host, port=int(port), user=keys["smtp"]["user"], password=keys["smtp"]["password"],
        sender="alerts@team.test", **trusted,
    )  # fmt: skip
    yield Ground(
        world.warehouse,
        Routing(people=(Person(name="marketing", email="dana@team.test"),)),
        {"slack": CHANNEL, "email": ""},
        {"slack": Slack(slack, Threads(book), sleep=lambda _s: None), "email": Email(email)},
        EVERY,
        [target("cpa", 10), target("roas", 0.1), target("cpl", 10)],
        METRICS,
        lambda warehouse: Words(warehouse, RULES, METRICS, BERLIN),
        lambda: NOW + timedelta(seconds=time.monotonic() - began),
    )
    book.close()


RULES = shipped.load(shipped.SHIPPED.parent, Routing(), METRICS)


IDLE = "nothing it watches delivers, or has a plan, target or page"
NEW = "no other campaign of the account spent a week ago: in a new account nothing is new"


def rule(name):
    return next(one for one in RULES if one.name == name)


def test_it_is_heard_marked_as_a_test_looked_up_and_ended(up, ground):
    before = len(up.slack())
    (done,) = drill(ground, [rule("spend-pace/critical")])
    assert done.well, done
    assert done.on.campaign == "brand"
    (heard,) = done.delivered
    assert (heard.channel, heard.to, heard.how) == ("slack", CHANNEL, "read back")
    parent, *replies = up.slack()[before:]
    assert "TEST" in parent["text"]
    assert "Spend" in parent["text"]
    course, end = replies
    assert [file["mimetype"] for file in course["files"]] == ["image/png"]
    assert "Resolved" in end["text"]
    # The real data are as they were: nothing spends forty times its pace.
    most = ground.warehouse.query("SELECT max(cost) / 1e6 AS most FROM delivery")["most"][0].as_py()
    assert most == 20


def test_a_mail_counts_once_its_server_has_taken_it(up, ground):
    (done,) = drill(ground, [rule("spend-pace/warning")])
    assert [(one.channel, one.how, one.fault) for one in done.delivered] == [("email", "accepted", "")]
    first, end = (dict(mail["headers"])["Subject"] for mail in up.mail("dana@team.test")[-2:])
    assert first.startswith("TEST: Spend")
    assert end.startswith("TEST: Resolved: Spend")


def test_a_channel_that_refuses_is_a_failing_drill(up, ground):
    up.fault("slack", "error", code="invalid_auth", only="chat.postMessage")
    try:
        (done,) = drill(ground, [rule("spend-pace/critical")])
    finally:
        up.calm()
    assert not done.well
    assert any(one.channel == "slack" and one.fault for one in done.delivered)


def test_what_is_for_the_inbox_must_stand_in_the_app(ground, monkeypatch):
    info = rule("spend-pace/critical").model_copy(update={"routes": (Receiver(INBOX, "owner"),)})
    (done,) = drill(ground, [info])
    assert [(one.channel, one.to, one.how, one.fault) for one in done.delivered] == [
        (INBOX, "marketing", "shown in the app", "")
    ]
    monkeypatch.setattr(Records, "keep_incident", lambda *_: None)  # told, and on no page
    (done,) = drill(ground, [info])
    assert not done.well
    assert done.delivered[0].fault == "the app does not show it"


def test_a_rule_that_does_not_see_its_condition_fails(ground):
    pace = rule("spend-pace/critical")
    # It spends 800 an hour, forty times its 20: a floor of a million ahead of plan is never reached.
    blind = pace.model_copy(update={"condition": pace.condition.model_copy(update={"floor": 1e6})})
    page = rule("landing-page/critical")

    class Deaf(type(page.condition)):
        def evaluate(self, scene, scope, watched):
            seen = super().evaluate(scene, scope, watched)
            return [replace(one, result=Result.FALSE) for one in seen]

    deaf = page.model_copy(update={"condition": Deaf(kind="landing_page")})
    for done in drill(ground, [blind, deaf]):
        assert (done.well, done.fault) == (False, "the rule did not fire on its known condition"), done


def test_a_rule_with_nothing_to_work_on_is_skipped(ground):
    pace = rule("spend-pace/critical")
    elsewhere = pace.model_copy(update={"scope": pace.scope.model_copy(update={"campaign": "nothing*"})})
    # No target, no auction figures, and one campaign alone, in an account that would be new without it.
    idle = [rule(name) for name in ("cost-per-lead/warning", "lost-to-budget/info", "new-spender/info")]
    done = drill(replace(ground, targets=()), [elsewhere, *idle])
    assert all(one.well and not one.fault and not one.delivered for one in done), done
    assert [one.skipped for one in done] == [IDLE, IDLE, IDLE, NEW]


def test_what_fires_anyway_proves_nothing(ground):
    pace = rule("spend-pace/critical")
    dear = {"kind": "threshold", "metric": "spend", "window": 1, "of": "one", "above": 19}
    fires = Rule.model_validate({**pace.model_dump(exclude={"condition"}, by_alias=True), "condition": dear})
    (done,) = drill(ground, [fires])  # it spends 20 an hour
    assert (done.well, done.skipped, done.delivered) == (
        True,
        "fires already: a drill would show nothing",
        (),
    )


def test_a_page_that_works_is_made_to_fail_where_another_is_down(ground, world):
    down = PageCheck("https://shop.test/sale", NOW, "status", "answers HTTP 500", "", 0, 500)
    world.reply("google_ads", "a", [replace(down, checked=NOW - timedelta(minutes=1)), down], seen_at=NOW)
    (done,) = drill(ground, [rule("landing-page/critical")])
    assert (done.well, done.skipped, done.on.part) == (True, "", "https://shop.test/")


def test_every_kind_has_a_drill():
    assert set(PROVOKED) >= set(KINDS)
