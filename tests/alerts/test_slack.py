"""Slack over the wire, by the official SDK: threads, updates, look-up, every way to fail, buttons."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from alerts.notify import slack_forms
from alerts.notify.book import CHAPTER, Pressed, Threads
from alerts.notify.contract import Action, Fact, Member, Reason, Retry, Stop
from alerts.notify.settings import SlackSettings
from alerts.notify.slack import Slack
from alerts.notify.slack_buttons import Buttons
from alerts.routes import Person
from tests.alerts.channels_kit import AT, CHANNEL, HOSTILE, PNG, message, running
from warehouse.book import Book


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("channels")) as channels:
        yield channels


@pytest.fixture(autouse=True)
def calm(up):
    yield
    up.calm()


@pytest.fixture
def book(tmp_path):
    book = Book.open(tmp_path / "book.sqlite", [CHAPTER])
    yield book
    book.close()


@pytest.fixture(scope="module")
def settings(up):
    keys = up.keys["slack"]
    return SlackSettings(
        channel=CHANNEL, token=keys["bot_token"], app_token=keys["app_token"], url=up.at["slack"], ca_file=up.at["ca_file"]
    )  # fmt: skip


@pytest.fixture
def slack(settings, book):
    return Slack(settings, Threads(book), sleep=lambda _: None)


def of(up, incident):
    """The parent and the replies of an incident, as the workspace holds them."""
    found = [
        m for m in up.slack() if m.get("metadata", {}).get("event_payload", {}).get("incident") == incident
    ]
    parents = [m for m in found if m.get("thread_ts", m["ts"]) == m["ts"]]
    return parents, [m for m in found if m not in parents]


def header(parent):
    return parent["blocks"][0]["text"]["text"]


def test_an_incident_is_one_message_and_what_follows_is_its_thread(up, slack):
    first = message()
    receipt = slack.send(first)
    more = message(
        Reason.NEW_ALERTS, incident=first.incident, at=AT + timedelta(minutes=5),
        headline="Overspend, €410/h over plan: 2 campaigns", members=(Member("Brand DE"), Member("Generic")),
    )  # fmt: skip
    slack.send(more)
    over = message(
        Reason.ALL_RESOLVED, incident=first.incident, at=AT + timedelta(minutes=30),
        members=(Member("Brand DE", resolved=True),),
    )  # fmt: skip
    slack.send(over)
    (parent,), replies = of(up, first.incident)
    assert receipt.provider_id == f"{CHANNEL}/{parent['ts']}"
    assert [r["thread_ts"] for r in replies] == [parent["ts"]] * 2
    # News is shown in the channel too, the end only in the thread: the channel's message says it.
    assert [r.get("subtype") for r in replies] == ["thread_broadcast", None]
    assert header(parent) == "✅ Resolved: Overspend, €240/h over plan: Brand DE at 3.1× its pace"
    # What can still be said of it, and nothing that is to be done about it.
    assert [e["action_id"] for e in parent["blocks"][-1]["elements"]] == ["note", "useful", "noise"]
    # The parent is still found by the key it was first sent with.
    assert slack.find(first) == receipt


def test_the_lock_screen_shows_the_headline_from_its_first_character(up, slack):
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    assert parent["text"][:60] == "Overspend, €240/h over plan: Brand DE at 3.1× its pace"
    drill = message(test=True)
    slack.send(drill)
    (parent,), _ = of(up, drill.incident)
    assert parent["text"].startswith("TEST: Overspend")
    assert "TEST: " in header(parent)


def test_names_from_outside_cannot_call_a_channel_or_make_a_link(up, slack):
    first = message(headline=HOSTILE, facts=(Fact("Campaign", HOSTILE),), members=(Member(HOSTILE),))
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    said = str(parent["blocks"][1:]) + parent["text"]
    assert "<!channel>" not in said
    assert "&lt;!channel&gt; &amp; &lt;script&gt;" in said
    assert "\u202e" not in str(parent)
    assert "\\x00" not in repr(parent)


def test_a_chart_lies_in_the_thread_once(up, slack):
    first = message(chart=PNG, chart_text="spend by hour")
    slack.send(first)
    assert slack.find(first) is not None
    (parent,), _ = of(up, first.incident)
    files = [m for m in up.slack() if m.get("files") and m.get("thread_ts") == parent["ts"]]
    assert [(f["files"][0]["alt_txt"], f["files"][0]["size"]) for f in files] == [("spend by hour", len(PNG))]


def test_a_chart_that_did_not_get_through_is_sent_when_the_message_is_found(up, slack):
    first = message(chart=PNG)
    up.fault("slack", "drop_before", calls=1, only="upload")
    with pytest.raises(Retry) as caught:
        slack.send(first)
    assert caught.value.perhaps
    assert slack.find(first) is not None
    (parent,), _ = of(up, first.incident)
    assert len([m for m in up.slack() if m.get("files") and m.get("thread_ts") == parent["ts"]]) == 1


@pytest.mark.parametrize(
    ("fault", "how", "arrives"),
    [
        ("drop_after", {}, True),  # in the middle: it is there and nobody said so
        ("drop_before", {}, False),
        ("server_error", {}, False),
        ("malformed", {}, False),
        ("error", {"code": "internal_error"}, False),
        ("error", {"code": "fatal_error"}, False),
    ],
)
def test_an_open_end_is_looked_up_and_never_sent_twice(up, slack, fault, how, arrives):
    first = message()
    up.fault("slack", fault, calls=1, only="chat.postMessage", **how)
    with pytest.raises(Retry) as caught:
        slack.send(first)
    assert caught.value.perhaps
    found = slack.find(first)
    assert (found is not None) is arrives
    if found is None:
        slack.send(first)
    assert len(of(up, first.incident)[0]) == 1


def test_a_reply_is_looked_up_in_its_thread(up, slack):
    first = message()
    slack.send(first)
    later = message(Reason.NEW_RESOLVED, incident=first.incident, at=AT + timedelta(minutes=1))
    assert slack.find(later) is None
    up.fault("slack", "drop_after", calls=1, only="chat.postMessage")
    with pytest.raises(Retry):
        slack.send(later)
    (_,), (reply,) = of(up, first.incident)
    assert slack.find(later).provider_id == f"{CHANNEL}/{reply['ts']}"


def test_after_a_fall_the_thread_is_found_by_the_incident(up, settings, tmp_path):
    books = [Book.open(tmp_path / name, [CHAPTER]) for name in ("one", "two")]
    first = message()
    Slack(settings, Threads(books[0]), sleep=lambda _: None).send(first)
    later = message(Reason.REPEAT, incident=first.incident, at=AT + timedelta(hours=4))
    Slack(settings, Threads(books[1]), sleep=lambda _: None).send(later)
    for book in books:
        book.close()
    parents, replies = of(up, first.incident)
    assert (len(parents), len(replies)) == (1, 1)


def test_a_short_rate_limit_is_waited_out_and_a_long_one_left_to_the_outbox(up, slack):
    first = message()
    up.fault("slack", "rate_limited", calls=1, only="chat.postMessage", seconds=1)
    began = time.monotonic()
    slack.send(first)
    assert time.monotonic() - began >= 1
    up.fault("slack", "rate_limited", calls=1, only="chat.postMessage", seconds=120)
    with pytest.raises(Retry) as caught:
        slack.send(message())
    assert (caught.value.after, caught.value.perhaps) == (timedelta(seconds=120), False)


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        ("not_in_channel", "/invite @Paceline"),
        ("channel_not_found", CHANNEL),
        ("invalid_auth", "bot token under [slack]"),
        ("missing_scope", "OAuth & Permissions"),
        ("is_archived", "archived"),
        ("something_new", ""),
    ],
)
def test_a_refusal_stops_and_says_how_to_mend_it(up, slack, code, mend):
    up.fault("slack", "error", calls=1, code=code)
    with pytest.raises(Stop) as caught:
        slack.send(message())
    assert code in caught.value.cause
    assert mend in caught.value.mend


def test_no_error_holds_a_token(up, book, settings, caplog):
    wrong = settings.model_copy(update={"token": type(settings.token)("xoxb-wrong-token-1")})
    with pytest.raises(Stop) as caught:
        Slack(wrong, Threads(book)).check()
    said = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert "invalid_auth" in said
    assert "xoxb-wrong" not in said
    nobody = settings.model_copy(update={"url": "https://127.0.0.1:9/api/"})
    with pytest.raises(Retry) as refused:
        Slack(nobody, Threads(book)).send(message())
    assert not refused.value.perhaps
    untrusted = settings.model_copy(update={"ca_file": None})
    with pytest.raises(Stop) as mistrusted:
        Slack(untrusted, Threads(book)).send(message())
    assert "ca_file" in mistrusted.value.mend
    assert not any(s in f"{refused.value!r} {mistrusted.value!r} {caplog.text}" for s in up.secrets())


def test_a_person_hears_in_a_conversation_of_their_own(up, slack):
    first = message(to="U0BEN00002")
    receipt = slack.send(first)
    slack.send(
        message(Reason.ESCALATION, incident=first.incident, to="U0BEN00002", at=AT + timedelta(minutes=15))
    )
    channel = receipt.provider_id.split("/")[0]
    assert channel.startswith("D")
    assert len(up.slack(channel)) == 2
    assert slack.find(first) == receipt


def test_the_credentials_say_whom_they_speak_for(slack):
    assert slack.check() == "Northwind Marketing as paceline"


def test_one_message_a_second_a_channel(settings, book):
    waited = []
    slack = Slack(settings, Threads(book), monotonic=lambda: 100.0, sleep=waited.append)
    for _ in range(3):
        slack.send(message())
    slack.send(message(to="C0MKTDIGEST"))
    assert waited == [1.0, 2.0]


def test_at_the_real_pace_slack_never_has_to_say_no(tmp_path, book):
    with running(tmp_path, "--rate-limits") as channels:
        keys = channels.keys["slack"]
        own = SlackSettings(
            channel=CHANNEL, token=keys["bot_token"], url=channels.at["slack"], ca_file=channels.at["ca_file"]
        )
        slack = Slack(own, Threads(book))
        sent = [message() for _ in range(4)]
        for one in sent:
            slack.send(one)
        assert len(channels.slack()) == 4


def test_a_call_that_hangs_counts_as_perhaps_sent(up, settings, book, monkeypatch):
    monkeypatch.setattr("alerts.notify.slack._TIMEOUT", 0.5)
    first = message()
    up.fault("slack", "hang", calls=1, seconds=60, only="chat.postMessage")
    began = time.monotonic()
    with pytest.raises(Retry) as caught:
        Slack(settings, Threads(book)).send(first)
    assert caught.value.perhaps
    assert time.monotonic() - began < 15  # it hangs for a minute
    assert len(of(up, first.incident)[0]) == 1


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_what_breaks_off_is_sent_once_by_the_sdk(up, slack, fault):
    first = message()
    up.fault("slack", fault, only="chat.postMessage", calls=2)
    with pytest.raises(Retry):
        slack.send(first)
    # The second fault was never met: nobody called again.
    assert [f["calls"] for f in up.calm()] == [1]
    assert len(of(up, first.incident)[0]) == (fault == "drop_after")


# -- buttons

PEOPLE = (
    Person(name="Ana", slack="U0ANA00001"),
    Person(name="Ben <b>", slack="U0BEN00002"),
    Person(name="Eve"),
)


@pytest.fixture(scope="module")
def heard(settings, tmp_path_factory):
    """One listener for all: the SDK takes three seconds to hang up."""
    book = Book.open(tmp_path_factory.mktemp("heard") / "book.sqlite", [CHAPTER])
    acts, refuse = [], []

    def act(one):
        if refuse:
            raise ValueError(refuse[0])
        acts.append(one)

    def may(user, name):
        if user == "U0CHIOMA03":
            raise ValueError(f"{name} ({user}) may not act on alerts")

    buttons = Buttons(settings, book, Pressed(book), act, lambda: datetime.now(UTC), may=may, people=PEOPLE)
    buttons.start()
    yield acts, refuse, buttons
    buttons.stop()
    book.close()


@pytest.fixture
def listening(heard):
    """What was asked for by buttons, and a switch to make it be refused."""
    acts, refuse, buttons = heard
    acts.clear()
    refuse.clear()
    wait_for(lambda: buttons.connected)
    return acts, refuse, buttons


def wait_for(what, seconds=15.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def test_a_button_acts_once_and_says_so_under_the_message(up, slack, listening):
    acts, _, _ = listening
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    assert up.press(parent["ts"], "acknowledge")
    assert up.press(parent["ts"], "acknowledge")  # impatience
    assert up.press(parent["ts"], "useful", user="U0BEN00002")
    wait_for(lambda: len(acts) == 2)
    assert [(a.incident, a.action, a.user, a.name) for a in acts] == [
        (first.incident, Action.ACKNOWLEDGE, "U0ANA00001", "ana"),
        (first.incident, Action.USEFUL, "U0BEN00002", "ben"),
    ]
    wait_for(lambda: "useful" in str(of(up, first.incident)[0][0]["blocks"][-1]))
    notes = of(up, first.incident)[0][0]["blocks"][-1]["elements"]
    assert [n["text"].split(" · ")[0] for n in notes] == [
        "✓ <@U0ANA00001> acknowledged this", "✓ <@U0BEN00002> found this useful",
    ]  # fmt: skip


def test_who_has_it_in_hand_still_stands_under_the_message_when_there_is_news(up, slack, listening):
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    assert up.press(parent["ts"], "acknowledge")
    noted(up, first.incident, "acknowledged this")
    slack.send(
        message(Reason.NEW_ALERTS, incident=first.incident, at=AT + timedelta(minutes=5), headline="More")
    )
    (parent,), _ = of(up, first.incident)
    assert header(parent) == "🔴 More"
    assert "<@U0ANA00001> acknowledged this" in parent["blocks"][-1]["elements"][0]["text"]
    assert [b["block_id"] for b in parent["blocks"][-2:]] == ["paceline_actions", "paceline_notes"]


def test_a_refused_act_is_told_to_who_pressed(up, slack, listening):
    acts, refuse, _ = listening
    refuse.append("incident 7 ended at 10:00 UTC")
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    assert up.press(parent["ts"], "acknowledge")
    wait_for(lambda: "ended at 10:00" in str(of(up, first.incident)[0][0]["blocks"][-1]))
    assert acts == []
    refuse.clear()  # what was refused may be asked again
    assert up.press(parent["ts"], "acknowledge")
    wait_for(lambda: len(acts) == 1)


def opened(up, slack, action):
    """The form that a press opens, and the message that it is about."""
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    assert up.press(parent["ts"], action)
    (form,) = [v for v in up.forms() if first.incident in v["private_metadata"]]
    return form, first.incident


def noted(up, incident, what):
    def last():
        return str(of(up, incident)[0][0]["blocks"][-1])

    wait_for(lambda: what in last())
    return last()


@pytest.mark.parametrize(
    ("action", "values", "text", "lasts", "note"),
    [
        ("snooze", {"lasts": "4 hours", "text": "sale"}, "sale", 4, "snoozed this until <!date^"),
        ("assign", {"text": "Ben <b>"}, "Ben <b>", 0, "gave this to <@U0BEN00002> · "),
        ("assign", {"text": "Eve"}, "Eve", 0, "gave this to Eve · "),
        (
            "note",
            {"text": "the tag <was> gone"},
            "the tag <was> gone",
            0,
            "noted: the tag &lt;was&gt; gone · ",
        ),
    ],
)
def test_a_form_asks_for_what_a_press_cannot_say(up, slack, listening, action, values, text, lasts, note):
    acts, _, _ = listening
    form, incident = opened(up, slack, action)
    assert form["blocks"][0]["text"]["text"].startswith("Overspend, €240/h")
    assert up.submit(form["id"], values) == {}
    (act,) = acts
    assert (act.incident, act.action, act.user) == (incident, Action(action), "U0ANA00001")
    assert (act.text, act.lasts) == (text, timedelta(hours=lasts))
    assert noted(up, incident, note).count("✓ <@U0ANA00001>") == 1
    assert [v["id"] for v in up.forms()] == []


def test_assigning_offers_the_person_who_pressed_first(up, slack, listening):
    form, _ = opened(up, slack, "assign")
    element = form["blocks"][1]["element"]
    assert [o["value"] for o in element["options"]] == ["Ana", "Ben <b>", "Eve"]
    assert element["initial_option"]["value"] == "Ana"
    up._call("POST", "/channels/submit", {"view": form["id"]})  # closed unsent
    assert (up.forms(), listening[0]) == ([], [])


@pytest.mark.parametrize("action", ["snooze", "assign", "note"])
def test_who_may_not_act_sees_no_form_and_hears_why_alone(up, slack, listening, action):
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    before, forms = [m["ts"] for m in up.slack() if m.get("only")], up.forms()
    assert up.press(parent["ts"], action, user="U0CHIOMA03")
    told = [m for m in up.slack() if m.get("only") and m["ts"] not in before]
    assert [(m["only"], m["text"]) for m in told] == [
        ("U0CHIOMA03", "chioma (U0CHIOMA03) may not act on alerts"),
    ]  # fmt: skip
    assert up.forms() == forms


def test_a_form_says_whom_it_has_no_room_for_and_always_offers_who_pressed():
    team = [Person(name=f"Person {n:03}", slack=f"U0P{n:07}") for n in range(130)]
    about = {"headline": "x", "channel": "C1", "ts": "1"}
    made = slack_forms.form(Action.ASSIGN, "i-1", people=team, user="U0P0000129", **about)
    field = made["blocks"][1]
    offered = [one["value"] for one in field["element"]["options"]]
    assert offered == ["Person 129", *(f"Person {n:03}" for n in range(99))]
    assert field["element"]["initial_option"]["value"] == "Person 129"
    assert field["hint"]["text"] == "30 more stand in the app: assign them there."
    made = slack_forms.form(Action.ASSIGN, "i-1", people=team[:100], user="U0NOBODY01", **about)
    assert len(made["blocks"][1]["element"]["options"]) == 100
    assert "hint" not in made["blocks"][1]
    assert "initial_option" not in made["blocks"][1]["element"]


def test_a_name_is_no_longer_than_slack_shows():
    assert Person(name="x" * 75).name
    with pytest.raises(ValidationError, match="at most 75 characters"):
        Person(name="x" * 76)


def test_what_is_wrong_is_told_in_the_form_and_can_be_mended(up, slack, listening):
    acts, refuse, _ = listening
    form, incident = opened(up, slack, "note")
    refuse.append("incident 7 is of another installation")
    assert up.submit(form["id"], {"text": "done"}) == {"text": "incident 7 is of another installation"}
    assert [(v["id"], v["faults"]) for v in up.forms()] == [(form["id"], {"text": refuse.pop()})]
    assert acts == []
    assert up.submit(form["id"], {"text": "done"}) == {}
    assert [a.text for a in acts] == ["done"]
    noted(up, incident, "noted: done")


def test_what_is_submitted_twice_is_done_once(up, slack, listening):
    acts, _, buttons = listening
    form, _ = opened(up, slack, "note")
    view = form | {"state": {"values": {"text": {"value": {"type": "plain_text_input", "value": "once"}}}}}
    payload = {"user": {"id": "U0ANA00001", "username": "ana"}, "view": view}
    given = slack_forms.given(view)
    first, again = (buttons._submit(payload, given) for _ in range(2))
    assert "noted: once" in first[1]
    assert again == ({}, "")
    assert [a.text for a in acts] == ["once"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("expired_trigger_id", "Slack was too slow): press again"),
        ("invalid_arguments", "Slack says invalid_arguments): press again"),
        ("exchanged_trigger_id", ""),  # a redelivered press: the form is open
    ],
)
def test_a_form_that_slack_does_not_open_is_told_to_who_pressed_alone(up, slack, listening, code, said):
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    before = [m["ts"] for m in up.slack() if m.get("only")]
    up.fault("slack", "error", calls=1, only="views.open", code=code)
    assert up.press(parent["ts"], "snooze", user="U0BEN00002")
    told = [m for m in up.slack() if m.get("only") and m["ts"] not in before]
    assert [(m["only"], said in m["text"]) for m in told] == ([("U0BEN00002", True)] if said else [])
    assert of(up, first.incident)[0][0]["blocks"] == parent["blocks"]
    assert listening[0] == []


def test_buttons_are_heard_again_after_slack_closes_the_connection(up, slack, listening):
    acts, _, buttons = listening
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    up.fault("slack", "disconnect")
    wait_for(lambda: up.arrived()["sockets"] == 1 and buttons.connected, 30)
    assert up.press(parent["ts"], "noise")
    wait_for(lambda: [a.action for a in acts] == [Action.NOISE])


def test_without_an_app_token_there_are_no_buttons(up, settings, book):
    slack = Slack(settings.model_copy(update={"app_token": None}), Threads(book))
    first = message()
    slack.send(first)
    (parent,), _ = of(up, first.incident)
    assert not any(b["type"] == "actions" for b in parent["blocks"])
