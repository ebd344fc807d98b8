"""Any other channel: a webhook of the test's own hears what Apprise sends."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from alerts.notify.apprise import Apprise
from alerts.notify.channels import build
from alerts.notify.contract import Reason, Retry, Stop
from alerts.notify.settings import AppriseSettings
from tests.alerts.channels_kit import message


@pytest.fixture
def hook():
    """(address, what it heard, the status that it answers with)."""
    heard, status = [], [200]

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"json://user:hidden-word@127.0.0.1:{server.server_port}", heard, status
        server.shutdown()
        thread.join(5)


def channel(**urls):
    return Apprise(AppriseSettings(urls=urls))


def test_an_address_hears_by_its_name(hook):
    url, heard, _ = hook
    made = message(to="on_call")
    channel(on_call=url, other="json://127.0.0.1:9").send(made)
    (one,) = heard
    assert (one["title"], one["type"]) == (made.headline, "failure")
    assert "Expected: €76 an hour" in one["message"]
    assert "Open in Paceline: https://app.test/alerts?incident=7&x=1" in one["message"]
    channel(on_call=url).send(message(Reason.ALL_RESOLVED, to="on_call"))
    assert (heard[1]["type"], heard[1]["title"][:10]) == ("success", "Resolved: ")


def test_a_no_is_tried_again_and_tells_no_secret(hook, caplog):
    url, _, status = hook
    status[0] = 500
    with pytest.raises(Retry) as caught:
        channel(on_call=url).send(message(to="on_call"))
    assert "on_call" in caught.value.cause
    assert "hidden-word" not in f"{caught.value!r}{caplog.text}"


def test_a_name_that_is_not_there_stops(hook):
    with pytest.raises(Stop) as caught:
        channel(on_call=hook[0]).send(message(to="nobody"))
    assert "Known: on_call" in caught.value.mend


def test_an_address_that_is_not_understood_is_told_by_name(hook, caplog):
    wrong = channel(on_call=hook[0], odd="nothing://hidden-word")
    with pytest.raises(Stop) as caught:
        wrong.check()
    assert "odd" in caught.value.cause
    with pytest.raises(Stop):
        wrong.send(message(to="odd"))
    assert "hidden-word" not in f"{caught.value!r}{caplog.text}"
    assert channel(on_call=hook[0]).check() == "on_call"


def test_channels_are_built_from_their_settings(hook):
    built = build({"apprise": AppriseSettings(urls={"on_call": hook[0]})}, None)
    assert {name: one.name for name, one in built.items()} == {"apprise": "apprise"}
