"""SMS over the wire: one part each, found again by its mark, Twilio's refusals told by what to do."""

from __future__ import annotations

import time

import pytest
import requests
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alerts.notify.contract import Link, Reason, Retry, Stop
from alerts.notify.settings import SmsSettings
from alerts.notify.sms import Sms, compose, mark
from sandbox.sms import segments
from tests.alerts.channels_kit import message, running

ANA = "+4915112345678"


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("channels")) as channels:
        yield channels


@pytest.fixture(autouse=True)
def calm(up):
    yield
    up.calm()


@pytest.fixture
def settings(up):
    keys = up.keys["twilio"]
    return SmsSettings(
        account_sid=keys["account_sid"], auth_token=keys["auth_token"], sender=keys["number"], url=up.at["twilio"],
        ca_file=up.at["ca_file"],
    )  # fmt: skip


@pytest.fixture
def sms(settings):
    return Sms(settings)


def text(reason=Reason.FIRST, **fields):
    return message(reason, to=fields.pop("to", ANA), **fields)


def test_the_first_sixty_characters_say_what_is_wrong_and_what_it_costs(up, sms):
    first = text()
    receipt = sms.send(first)
    one = up.sms(ANA)[-1]
    assert one["sid"] == receipt.provider_id
    # The sign of multiplication is not in a phone's alphabet: it would halve the room.
    assert one["body"][:60].startswith("Overspend, €240/h over plan: Brand DE at 3.1x its pace")
    assert one["body"].endswith(f"https://app.test/alerts?incident=7&x=1 {mark(first.key)}")
    assert one["segments"] == 1
    assert sms.find(first) == receipt


def test_a_text_is_found_by_its_mark_alone(up, sms):
    first = text()
    again = text(incident=first.incident)  # the same words, another message
    sms.send(first)
    assert sms.find(again) is None


def test_a_text_is_found_among_many(up, sms):
    first = text(to="+4915199999999")
    receipt = sms.send(first)
    for _ in range(120):  # more than a page
        sms.send(text(to="+4915199999999"))
    assert sms.find(first) == receipt


@pytest.mark.parametrize(
    ("fault", "perhaps", "arrives"),
    [
        ("server_error", True, False),
        ("drop_before", True, False),
        ("drop_after", True, True),
        ("malformed", True, False),
        ("rate_limited", False, False),
    ],
)
def test_an_open_end_is_looked_up_and_never_sent_twice(up, sms, fault, perhaps, arrives):
    first = text(to="+4915100000001")
    up.fault("twilio", fault, calls=1, only="create")
    with pytest.raises(Retry) as caught:
        sms.send(first)
    assert caught.value.perhaps is perhaps
    found = sms.find(first)
    assert (found is not None) is arrives
    if found is None:
        sms.send(first)
    assert sum(mark(first.key) in m["body"] for m in up.sms()) == 1


@pytest.mark.parametrize(
    ("to", "code", "mend"),
    [
        ("+15005550001", 21211, "alerts.people"),
        ("+15005550004", 21610, "START"),
        ("+15005550009", 21614, "mobile"),
    ],
)
def test_a_number_that_cannot_hear_stops_and_says_why(sms, to, code, mend):
    with pytest.raises(Stop) as caught:
        sms.send(text(to=to))
    assert str(code) in caught.value.cause
    assert mend in caught.value.mend


def test_wrong_credentials_stop_and_no_secret_is_told(up, settings):
    secret = type(settings.auth_token)("wrong-token-12345")
    wrong = Sms(settings.model_copy(update={"auth_token": secret}))
    with pytest.raises(Stop) as caught:
        wrong.send(text())
    assert "20003" in caught.value.cause
    assert "under [sms]" in caught.value.mend
    assert "wrong-token" not in repr(caught.value)
    with pytest.raises(Stop) as caught:
        Sms(settings.model_copy(update={"ca_file": None})).check()
    assert "ca_file" in caught.value.mend
    with pytest.raises(Retry) as refused:
        Sms(settings.model_copy(update={"url": "https://127.0.0.1:9"})).send(text())
    assert not refused.value.perhaps


def test_a_sender_that_is_not_ours_stops(settings):
    with pytest.raises(Stop) as caught:
        Sms(settings.model_copy(update={"sender": "+4930000000"})).send(text())
    assert "21606" in caught.value.cause


def test_the_credentials_say_whom_they_speak_for(sms, settings):
    assert sms.check() == f"Twilio account {settings.account_sid}"


def test_twilio_shows_one_text_by_its_id(up, sms):
    receipt = sms.send(text())
    keys = up.keys["twilio"]
    base = f"{up.at['twilio']}/2010-04-01/Accounts/{keys['account_sid']}/Messages"
    how = {"auth": (keys["account_sid"], keys["auth_token"]), "verify": up.at["ca_file"], "timeout": 10}
    one = requests.get(f"{base}/{receipt.provider_id}.json", **how).json()
    assert (one["to"], one["from"], one["num_segments"]) == (ANA, keys["number"], "1")
    none = requests.get(f"{base}/SM{'0' * 32}.json", **how)
    assert (none.status_code, none.json()["code"]) == (404, 20404)


@given(
    st.text(max_size=300),
    st.sampled_from([Reason.FIRST, Reason.ALL_RESOLVED]),
    st.booleans(),
    st.one_of(st.none(), st.text("abc/", max_size=200)),
)
@hypothesis_settings(deadline=None)
def test_every_text_is_one_part_and_ends_in_its_mark(headline, reason, test, path):
    links = () if path is None else (Link("Open", f"https://app.test/{path}"),)
    made = text(reason, headline=headline, test=test, links=links)
    body = compose(made)
    assert segments(body)[0] == 1
    assert body.endswith(mark(made.key))
    assert made.test == body.startswith("TEST: ")


@pytest.mark.parametrize(
    ("headline", "said"),
    [
        ("ROAS 2.1× → 0.9×", "ROAS 2.1x -> 0.9x"),
        ("Şişli: spend −40 %", "Sisli: spend -40 %"),
        ("Überschreitung: “Größe”", 'Überschreitung: "Größe"'),
        ("東京 ブランド: €240/h", "東京 ブランド: €240/h"),
    ],
)
def test_words_are_spelt_as_a_phone_can_write_them(headline, said):
    assert compose(text(headline=headline, links=())).startswith(said + " #")


def test_a_long_headline_keeps_its_beginning():
    body = compose(text(headline="Overspend €240/h " + "x" * 300))
    assert body.startswith("Overspend €240/h xxx")
    assert segments(body) == (1, "GSM-7")


def test_a_call_that_hangs_counts_as_perhaps_sent(up, settings, monkeypatch):
    monkeypatch.setattr("alerts.notify.sms._TIMEOUT", (5, 0.5))
    first = text(to="+4915100000077")
    up.fault("twilio", "hang", calls=1, seconds=2, only="create")
    began = time.monotonic()
    with pytest.raises(Retry) as caught:
        Sms(settings).send(first)
    assert caught.value.perhaps
    assert time.monotonic() - began < 2
    assert sum(mark(first.key) in m["body"] for m in up.sms()) == 1
