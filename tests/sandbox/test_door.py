"""Where a TLS connection wants to go, by its first message as real TLS stacks write it."""

import asyncio
import ssl

import pytest

from sandbox.door import PUBLIC, Hello, destination, hear, port
from sandbox.tls import HOSTS

ANNOUNCED = {
    "google_ads": "localhost:1001", "google_ads_rest": "https://localhost:1002", "ga4": "localhost:1003",
    "ga4_rest": "localhost:1004", "meta": "https://localhost:1005", "slack": "https://127.0.0.1:1006/api/",
    "twilio": "https://127.0.0.1:1007",
}  # fmt: skip


def first_message(host, protocols):
    context = ssl.create_default_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=host).do_handshake()
    return sent.read()


def heard(*pieces):
    async def read():
        reader = asyncio.StreamReader()
        for piece in pieces:
            reader.feed_data(piece)
        reader.feed_eof()
        return await hear(reader)

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("host", "protocols", "expected"),
    [
        ("googleads.googleapis.com", ["h2"], 1001),
        ("googleads.googleapis.com", ["http/1.1"], 1002),
        ("googleads.googleapis.com", ["h2", "http/1.1"], 1002),
        ("oauth2.googleapis.com", [], 1002),
        ("analyticsdata.googleapis.com", ["h2"], 1003),
        ("analyticsdata.googleapis.com", ["http/1.1"], 1004),
        ("graph.facebook.com", ["http/1.1"], 1005),
        ("slack.com", [], 1006),
        ("api.twilio.com", ["http/1.1"], 1007),
    ],
)
def test_a_client_is_brought_to_the_server_it_means(host, protocols, expected):
    message = first_message(host, protocols)
    raw, hello = heard(message)
    assert raw == message
    assert hello == Hello(host, tuple(protocols))
    assert destination(hello, ANNOUNCED) == expected


def test_a_hello_in_several_records_is_read_whole():
    message = first_message("graph.facebook.com", ["http/1.1"])
    body = message[5:]
    records = b"".join(
        message[:3] + len(part).to_bytes(2, "big") + part for part in (body[:3], body[3:60], body[60:])
    )
    raw, hello = heard(records, b"what follows")
    assert raw == records
    assert hello.host == "graph.facebook.com"


def test_what_is_no_tls_and_who_is_not_here_are_refused():
    with pytest.raises(ValueError, match="does not begin as TLS does"):
        heard(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ValueError, match="cannot be read"):
        heard(b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00")
    with pytest.raises(LookupError, match=r"example\.org"):
        destination(Hello("example.org", ()), ANNOUNCED)


def test_every_public_name_is_on_the_certificate():
    assert set(PUBLIC) <= set(HOSTS)
    assert {port(address) for address in ANNOUNCED.values()} == set(range(1001, 1008))
