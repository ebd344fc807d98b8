"""Channels over the wire for the engine's tests: a Slack that can be asked, and mail that cannot."""

from __future__ import annotations

import itertools
import json
import smtplib
import socket
import threading
import time
import urllib.parse
from email.message import EmailMessage
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from alerts.notify.contract import Receipt, Retry, Stop


class Slack:
    """By the official client: the key lies in the message's metadata, by which it is found again."""

    name = "slack"

    def __init__(self, url):
        self._client = WebClient("xoxb-test", base_url=url, retry_handlers=[], timeout=5)

    def send(self, message):
        metadata = {"event_type": "alert", "event_payload": {"dedup_key": message.key}}
        try:
            said = self._client.chat_postMessage(channel=message.to, text=message.headline, metadata=metadata)
        except SlackApiError as error:
            if error.response.status_code == 429 or error.response.status_code >= 500:
                raise Retry(str(error), perhaps=error.response.status_code >= 500) from None
            raise Stop(str(error)) from None
        except OSError as error:
            raise Retry(str(error), perhaps=True) from None
        return Receipt(said["ts"])

    def find(self, message):
        said = self._client.conversations_history(
            channel=message.to, include_all_metadata=True, limit=999, oldest="0"
        )
        for one in said["messages"]:
            if one.get("metadata", {}).get("event_payload", {}).get("dedup_key") == message.key:
                return Receipt(one["ts"])
        return None

    def check(self):
        return "a test"


class Mail:
    """By smtplib: a mail server cannot be asked, but the same message has the same Message-ID."""

    name = "email"

    def __init__(self, port):
        self._port = port

    def send(self, message):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "alerts@team.test", message.to, message.headline
        mail["Message-ID"] = f"<{message.key.replace('/', '.').replace('@', '.at.')}@team.test>"
        mail.set_content(message.headline)
        try:
            with smtplib.SMTP("127.0.0.1", self._port, timeout=5) as server:
                server.send_message(mail)
        except OSError as error:
            raise Retry(str(error), perhaps=True) from None
        return Receipt(mail["Message-ID"])

    def find(self, message):
        return None

    def check(self):
        return "a test"


class SlackServer:
    """Enough of Slack's Web API: post and history, with metadata."""

    def __init__(self):
        self.posted, self._lock, self._count = [], threading.Lock(), itertools.count(1)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                if "json" in self.headers.get("content-type", ""):
                    asked = json.loads(raw or "{}")
                else:
                    asked = {key: values[0] for key, values in urllib.parse.parse_qs(raw).items()}
                if isinstance(asked.get("metadata"), str):
                    asked["metadata"] = json.loads(asked["metadata"])
                self._reply(outer.answer(self.path.rpartition("/")[2], asked))

            do_GET = do_POST  # noqa: N815

            def _reply(self, said):
                body = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, method, asked):
        with self._lock:
            if method == "chat.postMessage":
                ts = f"{time.time():.0f}.{next(self._count):06d}"
                self.posted.append({"ts": ts, **asked})
                return {"ok": True, "channel": asked["channel"], "ts": ts}
            return {"ok": True, "messages": self.posted[::-1], "has_more": False}

    def keys(self):
        return [one["metadata"]["event_payload"]["dedup_key"] for one in self.posted]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class MailServer:
    """A real SMTP server that keeps what it is given."""

    def __init__(self):
        self.mails = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        self.mails.append(BytesParser().parsebytes(envelope.content))
        return "250 OK"

    def keys(self):
        return [mail["Message-ID"] for mail in self.mails]

    def close(self):
        self._controller.stop()
