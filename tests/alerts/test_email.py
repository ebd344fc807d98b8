"""Mail over the wire, by the standard library's client, STARTTLS and login included; every way to fail."""

from __future__ import annotations

import email
import email.policy
import smtplib
import socket
import ssl
import threading
import time
from datetime import timedelta

import pytest

from alerts.notify.contract import Fact, Line, Link, Member, Reason, Retry, Section, Stop
from alerts.notify.email import Email, compose
from alerts.notify.settings import EmailSettings
from tests.alerts.channels_kit import AT, HOSTILE, PNG, message, running

SENDER = "alerts@northwind.test"
ANA, BEN = "ana@northwind.test", "ben@northwind.test"


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
    host, port = up.at["smtp"].split(":")
    keys = up.keys["smtp"]
    return EmailSettings(
        host=host, port=port, user=keys["user"], password=keys["password"], sender=SENDER, ca_file=up.at["ca_file"]
    )  # fmt: skip


@pytest.fixture
def mail(settings):
    return Email(settings)


def note(reason=Reason.FIRST, **fields):
    return message(reason, to=fields.pop("to", ANA), **fields)


def headers(one):
    return dict(one["headers"])


def arrived(up, made, to=ANA):
    """The mails of one incident, by what their headers thread."""
    domain = SENDER.split("@")[1]
    root = str(compose(note(incident=made.incident, to=to), sender=SENDER)["Message-ID"])
    assert root.endswith(f"@{domain}>")
    return [m for m in up.mail(to) if root in (headers(m).get("Message-ID"), headers(m).get("In-Reply-To"))]


def test_a_mail_is_text_and_html_with_what_must_be_known(up, mail):
    first = note()
    receipt = mail.send(first)
    (one,) = arrived(up, first)
    said = headers(one)
    assert receipt.provider_id == said["Message-ID"]
    assert one["subject"] == "Overspend, €240/h over plan: Brand DE at 3.1× its pace"
    assert said["From"] == f"Paceline <{SENDER}>"
    assert (said["Auto-Submitted"], said["List-Id"]) == (
        "auto-generated",
        "Paceline alerts <alerts.northwind.test>",
    )
    assert said["Importance"] == "high"
    for text in (
        "Expected: €76 an hour",
        "• Brand DE",
        "Open in Paceline: https://app.test/alerts?incident=7&x=1",
    ):
        assert text in one["text"]
    assert one["html"]


def test_what_follows_answers_the_first_mail(up, mail):
    first = note()
    later = note(Reason.ALL_RESOLVED, incident=first.incident, at=AT + timedelta(minutes=20))
    for one in (first, later):
        mail.send(one)
    root, reply = arrived(up, first)
    assert headers(reply)["In-Reply-To"] == headers(reply)["References"] == headers(root)["Message-ID"]
    assert reply["subject"].startswith("Resolved: Overspend")
    assert "Importance" not in headers(reply)


def test_two_copies_of_a_mail_are_the_same_mail():
    one = note(chart=PNG, chart_text="spend by hour")
    first, second = (compose(one, sender=SENDER).as_bytes() for _ in range(2))
    assert first == second
    assert compose(note(), sender=SENDER)["Message-ID"] != compose(note(), sender=SENDER)["Message-ID"]
    # The same notification to two people is two mails.
    others = [compose(note(incident="i", to=to), sender=SENDER)["Message-ID"] for to in (ANA, BEN)]
    assert others[0] != others[1]


def test_names_from_outside_make_no_header_and_no_markup():
    made = note(
        headline=HOSTILE, facts=(Fact("Campaign", HOSTILE),), members=(Member(HOSTILE),),
        sections=(Section("<b>", (Line(HOSTILE, "javascript:alert(1)", rest=HOSTILE), Line("x", 'https://a.test/"onx='))),),
        links=(Link("bad", "javascript:alert(1)"), Link("<i>", "https://app.test/?a=1&b=2")),
    )  # fmt: skip
    raw = compose(made, sender=SENDER).as_bytes()
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert "Bcc" not in read
    assert "\n" not in read["Subject"]
    html = read.get_body(("html",)).get_content()
    assert "<script" not in html
    assert "javascript:" not in html
    assert "&lt;script&gt;" in html
    assert 'href="https://app.test/?a=1&amp;b=2"' in html
    assert "onx" not in html
    assert "\u202e" not in html
    with pytest.raises(Stop):
        compose(note(to="ana@x.test\nBcc: b@evil.test"), sender=SENDER)
    with pytest.raises(Stop):
        compose(note(to="not an address"), sender=SENDER)


def test_a_chart_lies_within_the_mail():
    made = note(Reason.DIGEST, chart=PNG, chart_text="spend against plan")
    read = email.message_from_bytes(compose(made, sender=SENDER).as_bytes(), policy=email.policy.default)
    (picture,) = [p for p in read.walk() if p.get_content_type() == "image/png"]
    assert (picture["Content-ID"], picture.get_payload(decode=True)) == ("<chart>", PNG)
    html = read.get_body(("html",)).get_content()
    assert 'src="cid:chart"' in html
    assert 'alt="spend against plan"' in html
    assert read["List-Id"] == "Paceline digests <digests.northwind.test>"


def test_a_drill_says_so_first(up, mail):
    drill = note(test=True)
    mail.send(drill)
    (one,) = arrived(up, drill)
    assert one["subject"].startswith("TEST: ")
    assert "TEST: " in one["text"]


@pytest.mark.parametrize(
    ("fault", "perhaps", "arrives"),
    [
        ("down", False, False),
        ("drop_before", True, False),
        ("drop_after", True, True),
        ("server_error", False, False),
        ("rate_limited", False, False),
    ],
)
def test_a_server_that_fails_for_now_is_tried_again(up, mail, fault, perhaps, arrives):
    first = note()
    up.fault("smtp", fault, calls=1)
    with pytest.raises(Retry) as caught:
        mail.send(first)
    assert caught.value.perhaps is perhaps
    assert mail.find(first) is None
    assert len(arrived(up, first)) == int(arrives)
    mail.send(first)
    # Nothing is lost; a second copy, where there is one, is the same mail to a mail program.
    assert len({headers(m)["Message-ID"] for m in arrived(up, first)}) == 1


def test_one_recipient_who_is_refused_keeps_nobody_else_from_hearing(up, mail):
    first, other = note(), note(to=BEN)
    up.fault("smtp", "error", only=ANA)
    with pytest.raises(Stop) as caught:
        mail.send(first)
    assert "550" in caught.value.cause
    assert "alerts.people" in caught.value.mend
    mail.send(other)
    assert len(arrived(up, other, BEN)) == 1


def test_a_recipient_who_is_full_for_now_is_tried_again(up, mail):
    up.fault("smtp", "error", only=ANA, code="452 4.2.2 The mailbox is full", calls=1)
    with pytest.raises(Retry):
        mail.send(note())


def test_a_refusal_for_good_stops(up, mail):
    up.fault("smtp", "error", calls=1)
    with pytest.raises(Stop) as caught:
        mail.send(note())
    assert "554 5.7.1" in caught.value.cause


def test_wrong_passwords_and_certificates_stop_and_no_secret_is_told(up, settings):
    secret = type(settings.password)("wrong-password-1")
    with pytest.raises(Stop) as caught:
        Email(settings.model_copy(update={"password": secret})).check()
    assert "535" in caught.value.cause
    assert "under [email]" in caught.value.mend
    assert "wrong-password" not in repr(caught.value)
    with pytest.raises(Stop) as caught:
        Email(settings.model_copy(update={"ca_file": None})).check()
    assert "ca_file" in caught.value.mend


def test_nobody_at_the_door_is_tried_again_and_a_plain_server_is_not_written_to(settings):
    with pytest.raises(Retry) as caught:
        Email(settings.model_copy(update={"port": 9})).send(note())
    assert not caught.value.perhaps
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plain = threading.Thread(target=_without_tls, args=(listener,), daemon=True)
        plain.start()
        with pytest.raises(Stop) as refused:
            Email(settings.model_copy(update={"port": listener.getsockname()[1]})).send(note())
        plain.join(5)
    assert "security" in refused.value.mend


def _without_tls(listener):
    talk, _ = listener.accept()
    with talk:
        talk.sendall(b"220 old.test\r\n")
        talk.recv(1000)
        talk.sendall(b"250 old.test\r\n")
        talk.recv(1000)


def test_the_credentials_say_whom_they_speak_for(mail, up):
    assert mail.check() == f"{up.at['smtp']} as alerts"


def test_the_sandbox_takes_mail_over_tls_from_those_it_knows_alone(up):
    host, port = up.at["smtp"].split(":")
    with smtplib.SMTP(host, int(port), timeout=10) as server:
        assert server.ehlo()[0] == 250
        assert server.docmd("MAIL FROM:<a@b.test>")[0] == 530  # must issue STARTTLS first
        server.starttls(context=ssl.create_default_context(cafile=up.at["ca_file"]))
        server.ehlo()
        assert server.docmd("MAIL FROM:<a@b.test>")[0] == 530  # authentication required
        with pytest.raises(smtplib.SMTPAuthenticationError):
            server.login("alerts", "guess")


def test_a_call_that_hangs_counts_as_perhaps_sent(up, settings, monkeypatch):
    monkeypatch.setattr("alerts.notify.email._TIMEOUT", 0.5)
    first = note()
    up.fault("smtp", "hang", calls=1, seconds=2)
    began = time.monotonic()
    with pytest.raises(Retry) as caught:
        Email(settings).send(first)
    assert caught.value.perhaps
    assert time.monotonic() - began < 2
    assert len(arrived(up, first)) == 1
