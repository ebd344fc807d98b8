"""The guide's own connector, taken from its page, works."""

import http.server
import json
import re
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from connectors import contract, errors
from connectors.contract import Window

GUIDE = Path(__file__).parents[2] / "docs" / "write-a-connector.md"
CODE = re.search(r"```python\n(\"\"\"Example Ads.*?)```", GUIDE.read_text(), re.DOTALL)[1]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

HOUR = {
    "campaign": "7",
    "impressions": 10,
    "clicks": 2,
    "cost_micros": 5,
    "conversions": 0.5,
    "value_micros": 9,
}
ACCOUNT = {"id": "1", "name": "Shop", "currency": "EUR", "timezone": "Europe/Berlin"}


@pytest.fixture
def source():
    """The imaginary API; `status` and `body` stand in for its answer where they are set."""

    class Api(http.server.BaseHTTPRequestHandler):
        status, body, asked = 200, None, []

        def do_GET(self):
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            Api.asked.append((url.path, asked, self.headers["Authorization"]))
            if url.path.endswith("hours"):
                at = "2026-11-24T08:00:00+00:00" if "page" in asked else "2026-11-24T07:00:00+00:00"
                told = {"rows": [HOUR | {"hour": at}], "next": None if "page" in asked else "2"}
            else:
                told = {"rows": [ACCOUNT]}
            body = json.dumps(told).encode() if Api.body is None else Api.body
            self.send_response(Api.status)
            self.send_header("Retry-After", "40")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    Api.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield Api
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.fixture
def connector(source):
    names = {"__name__": "example_ads"}
    exec(compile(CODE, str(GUIDE), "exec"), names)
    kind = names["ExampleAds"]
    return kind(kind.Settings(token="hush-hush-1", url=source.url), now=NOW)


def test_it_reads_accounts_and_pages(source, connector):
    (account,) = connector.accounts()
    assert (account.id, account.timezone) == ("1", ZoneInfo("Europe/Berlin"))
    connector.check(account)
    window = Window(NOW - timedelta(days=1), NOW)
    rows = [r for b in connector.fetch(connector.streams()[0], account, window) for r in b.to_pylist()]
    assert [(r["hour"], r["day"], r["hour_of_day"]) for r in rows] == [
        (datetime(2026, 11, 24, 7, tzinfo=UTC), date(2026, 11, 24), 8),
        (datetime(2026, 11, 24, 8, tzinfo=UTC), date(2026, 11, 24), 9),
    ]
    assert rows[0]["conversions"] == Decimal("0.5")
    assert connector.usage.operations == 4
    assert {authorization for _, _, authorization in source.asked} == {"Bearer hush-hush-1"}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, b"slow down", errors.RateLimited),
        (401, b"who are you", errors.Unauthorized),
        (503, b"out of order", errors.Unavailable),
        (200, b"<html>", errors.Unexpected),
        (200, b'{"rowz": []}', errors.Unexpected),
    ],
)
def test_it_tells_errors_by_what_to_do_next(source, connector, status, body, expected):
    source.status, source.body = status, body
    with pytest.raises(expected) as told:
        list(connector.accounts())
    assert type(told.value) is expected
    if expected is errors.RateLimited:
        assert told.value.retry_after == timedelta(seconds=40)


def test_it_is_short_and_the_guide_names_every_error_and_every_argument_of_a_stream():
    text = GUIDE.read_text()
    code = [line for line in CODE.splitlines() if line.strip()]
    assert len(code) <= 75
    leaves = [*errors.Retry.__subclasses__(), *errors.Stop.__subclasses__()]
    assert [kind.__name__ for kind in leaves if f"`{kind.__name__}`" not in text] == []
    tiers = ("every", "recent", "recent_every", "restate", "restate_every", "cost")
    assert set(tiers) < set(contract.Stream.__dataclass_fields__)
    assert [name for name in tiers if f"`{name}`" not in text] == []
