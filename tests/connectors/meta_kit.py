"""What the tests of the Meta connector share: the sandbox's Graph over TLS, and a Graph that says what it is told."""

import gc
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from connectors._meta_graph import Graph
from connectors.contract import Usage, Window
from connectors.meta_ads import MetaAds, Settings
from sandbox.world import World
from tests.sandbox.meta_kit import NOW, Sandbox

TOKEN = "token-of-a-test"
SECRET = "secret-of-a-test"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that gave up waiting has closed its end: that is what its test is about."""


class Script:
    """A Graph on the loopback interface that answers with whatever `answer(method, path, params)` returns.

    answer: gives (status, headers, body); a dict or list as the body is sent as JSON, text and bytes as they
    are; None as the body breaks the connection off in the middle of a reply.
    """

    def __init__(self):
        self.asked = []
        self.answer = lambda method, path, params: (200, {}, {"data": []})
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def go(self):
                url = urlsplit(self.path)
                length = int(self.headers.get("content-length") or 0)
                params = dict(parse_qsl(url.query)) | dict(parse_qsl(self.rfile.read(length).decode()))
                path = url.path.split("/", 2)[2]  # what follows the version
                script.asked.append((self.command, path, params))
                status, headers, body = script.answer(self.command, path, params)
                half = body is None
                raw = b'{"data": [{"id"' if half else body
                if isinstance(raw, (dict, list)):
                    raw = json.dumps(raw).encode()
                raw = raw.encode() if isinstance(raw, str) else raw
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, json.dumps(value) if isinstance(value, dict) else value)
                self.send_header("content-length", str(len(raw) + 100 * half))
                self.send_header("connection", "close")
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = go  # noqa: N815 (names of the base class)

            def log_message(self, *args):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def says(self, *replies):
        """Answer each request with the next of `replies`, and all that follow with the last."""
        left = list(replies)
        self.answer = lambda method, path, params: left.pop(0) if len(left) > 1 else left[0]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def refusal(code, subcode=None, message="no", **more):
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Atrace", **more}
    return {"error": error | ({"error_subcode": subcode} if subcode else {})}


def page(url, rows, after=None, params=None):
    """One page of a list; with `after`, its `next` link holds a token, as Graph's do."""
    paging = {"cursors": {"before": "b", "after": after or "end"}}
    if after:
        query = urlencode({**(params or {}), "after": after, "access_token": "somebody-elses", "limit": 7})
        paging["next"] = f"{url}/v26.0/elsewhere?{query}"
    return {"data": rows, "paging": paging}


@pytest.fixture
def script():
    one = Script()
    yield one
    one.stop()


@pytest.fixture
def waits():
    """The seconds that the code under test would have slept."""
    return []


@pytest.fixture
def usage():
    return Usage()


@pytest.fixture
def graph(script, waits, usage):
    return Graph(
        app_id="1",
        app_secret=SECRET,
        access_token=TOKEN,
        version="v26.0",
        url=script.url,
        ca_file=None,
        timeout=5,
        usage=usage,
        wait=waits.append,
    )


def _with_a_test(world):
    """Eight campaigns an account: from six on, one account runs an A/B test."""
    return World(1, accounts=6, campaigns=8, days=45, clock=world.clock, incidents=world.incidents)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    one = Sandbox(tmp_path_factory.mktemp("meta"), wrap=_with_a_test)
    yield one
    gc.collect()  # connectors close their sessions when they go: the server shall see that before it stops
    time.sleep(0.1)
    one.stop()


def connector(sandbox, *, now=NOW, wait=lambda seconds: None, **settings):
    own = sandbox.credentials.meta
    given = {
        "app_id": own.app_id,
        "app_secret": own.app_secret,
        "access_token": own.access_token,
        "graph_url": sandbox.server.url,
        "ca_file": sandbox.tls.ca_file,
        **settings,
    }
    return MetaAds(Settings(**given), now=now, wait=wait)


def fetched(source, stream, account, start, end):
    """The rows of a stream as dictionaries."""
    described = next(s for s in source.streams() if s.name == stream)
    batches = list(source.fetch(described, account, Window(start, end)))
    return [row for batch in batches for row in batch.to_pylist()]
