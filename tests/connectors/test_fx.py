"""The bank's rates over a real socket, and every way in which it can fail."""

import http.server
import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from connectors import errors, registry
from connectors.contract import Window
from connectors.fx import Fx, FxSettings

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
DAY = """<Cube time='{day}'><Cube currency='USD' rate='{usd}'/><Cube currency='JPY' rate='161.2'/></Cube>"""
FILE = """<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
  xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
<gesmes:subject>Reference rates</gesmes:subject><Cube>{days}</Cube></gesmes:Envelope>"""
GOOD = FILE.format(days=DAY.format(day="2026-11-24", usd="1.10") + DAY.format(day="2026-11-23", usd="1.09"))


@pytest.fixture
def bank():
    """A server that answers whatever a test puts into it."""

    class Bank(http.server.BaseHTTPRequestHandler):
        status, body, asked = 200, GOOD, []

        def do_GET(self):
            Bank.asked.append(self.path)
            body = Bank.body.encode()
            self.send_response(Bank.status)
            self.send_header("content-length", str(len(body) + (Bank.status == 206)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bank)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    Bank.url = f"http://127.0.0.1:{server.server_port}/stats"
    yield Bank
    server.shutdown()
    server.server_close()
    thread.join()


def rates(bank, window: Window) -> list[tuple]:
    source = Fx(FxSettings(url=bank.url), now=NOW)
    (account,) = source.accounts()
    (stream,) = source.streams()
    batches = list(source.fetch(stream, account, window))
    return [(r["day"], r["currency"], r["per_eur"]) for b in batches for r in b.to_pylist()]


def window(days: float) -> Window:
    return Window(NOW - timedelta(days=days), NOW)


def test_the_windows_days_and_no_others(bank):
    assert rates(bank, window(0.1)) == [(date(2026, 11, 24), "USD", 1.1), (date(2026, 11, 24), "JPY", 161.2)]
    assert len(rates(bank, window(30))) == 4
    assert rates(bank, Window(NOW + timedelta(days=1), NOW + timedelta(days=2))) == []


def test_the_smallest_file_that_reaches_far_enough(bank):
    rates(bank, window(1))
    rates(bank, window(100))

    assert bank.asked == ["/stats/eurofxref-hist-90d.xml", "/stats/eurofxref-hist.xml"]


def test_it_is_a_source_with_an_account_that_spends_nothing():
    assert registry.load("fx") is Fx
    (account,) = Fx(FxSettings(), now=NOW).accounts()
    assert (account.currency, account.timezone.key) == ("", "Europe/Berlin")


def test_a_check_asks_for_one_day(bank):
    source = Fx(FxSettings(url=bank.url + "/"), now=NOW)
    (account,) = source.accounts()

    source.check(account)
    assert bank.asked == ["/stats/eurofxref-daily.xml"]
    assert source.usage.operations == 1

    bank.body = FILE.format(days="")
    with pytest.raises(errors.Unexpected, match="holds no rate"):
        source.check(account)


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (429, "", errors.RateLimited, "429"),
        (503, "", errors.Unavailable, "503"),
        (404, "", errors.Unexpected, "404"),
        (206, GOOD, errors.Unexpected, "206"),
        (200, GOOD[:-40], errors.Unexpected, "is not what the bank publishes"),
        (200, "<html>please log in</html>", errors.Unexpected, "holds no rate"),
        (200, '<!DOCTYPE x [<!ENTITY a "b">]>' + GOOD, errors.Unexpected, "it has a DTD"),
        (200, FILE.format(days=DAY.format(day="2026-11-24", usd="-1")), errors.Unexpected, "a rate of -1"),
        (200, FILE.format(days=DAY.format(day="2026-11-24", usd="nan")), errors.Unexpected, "a rate of nan"),
        (200, FILE.format(days=DAY.format(day="yesterday", usd="1")), errors.Unexpected, "yesterday"),
    ],
)
def test_what_the_bank_does_not_publish_is_refused(bank, status, body, error, message):
    bank.status, bank.body = status, body
    source = Fx(FxSettings(url=bank.url), now=NOW)

    with pytest.raises(error, match=message):
        source.check(next(source.accounts()))


def test_nobody_there_is_a_reason_to_ask_again(bank):
    source = Fx(FxSettings(url="http://127.0.0.1:9", timeout=2), now=NOW)

    with pytest.raises(errors.Unavailable):
        source.check(next(source.accounts()))
