"""The one door at port 443: which of the sandbox's servers a TLS connection means, by its first message.

In it a client names its host and the protocols it speaks (RFC 8446, section 4.1.2), before anything is
encrypted. That is enough to pass the connection on untouched, as a load balancer does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Reader(Protocol):
        """What a connection is read from."""

        async def readexactly(self, n: int, /) -> bytes:
            """Exactly `n` bytes."""
            ...


__all__ = ["PUBLIC", "Hello", "destination", "hear", "port"]

PUBLIC: Mapping[str, str] = {
    "googleads.googleapis.com": "google_ads_rest",
    "oauth2.googleapis.com": "google_ads_rest",
    "accounts.google.com": "google_ads_rest",
    "www.googleapis.com": "google_ads_rest",
    "analyticsdata.googleapis.com": "ga4_rest",
    "graph.facebook.com": "meta",
    "graph-video.facebook.com": "meta",
    "slack.com": "slack",
    "www.slack.com": "slack",
    "hooks.slack.com": "slack",
    "api.twilio.com": "twilio",
}
"""Public host names, and the announcement's key of the server that stands for each."""

_GRPC = {"googleads.googleapis.com": "google_ads", "analyticsdata.googleapis.com": "ga4"}
"""Hosts at which gRPC has a server of its own; its clients speak HTTP/2 alone."""

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _ALPN = 0, 16
_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Hello:
    """host: the server that the client means. protocols: those that it offers, such as `h2`."""

    host: str
    protocols: tuple[str, ...]


def port(address: str) -> int:
    """The port of an announced address, whether `host:port` or a URL."""
    return int(address.partition("://")[2].partition("/")[0].rpartition(":")[2] or address.rpartition(":")[2])


def destination(hello: Hello, announced: Mapping[str, Any]) -> int:
    """The port of the server that a client means. Raises LookupError where no server stands for its host."""
    if hello.host not in PUBLIC:
        raise LookupError(f"no server of the sandbox stands for {hello.host!r}")
    key = PUBLIC[hello.host]
    if hello.protocols == ("h2",) and hello.host in _GRPC:
        key = _GRPC[hello.host]
    return port(announced[key])


async def hear(reader: Reader) -> tuple[bytes, Hello]:
    """The bytes of a client's first message, and what it says. Raises ValueError for what is no TLS."""
    raw, message = b"", b""
    while len(message) < 4 or len(message) < 4 + int.from_bytes(message[1:4]):
        head = await reader.readexactly(5)
        size = int.from_bytes(head[3:])
        if head[0] != _HANDSHAKE or len(raw) > _LIMIT:
            raise ValueError("the connection does not begin as TLS does")
        body = await reader.readexactly(size)
        raw, message = raw + head + body, message + body
    if message[0] != _CLIENT_HELLO:
        raise ValueError("the connection does not begin with a client's hello")
    try:
        return raw, _read(message[4:])
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"a client's hello that cannot be read: {error}") from error


def _read(message: bytes) -> Hello:
    at = 2 + 32  # the version and the random bytes
    at += 1 + message[at]  # the session's id
    at += 2 + int.from_bytes(message[at : at + 2])  # cipher suites
    at += 1 + message[at]  # compression methods
    at += 2  # the extensions' length
    host, protocols = "", []
    while at < len(message):
        kind, size = struct.unpack_from("!HH", message, at)
        body = message[at + 4 : at + 4 + size]
        at += 4 + size
        if kind == _SERVER_NAME:
            host = body[5 : 5 + int.from_bytes(body[3:5])].decode("ascii")
        elif kind == _ALPN:
            place = 2
            while place < len(body):
                protocols.append(body[place + 1 : place + 1 + body[place]].decode("ascii"))
                place += 1 + body[place]
    return Hello(host.lower(), tuple(protocols))
