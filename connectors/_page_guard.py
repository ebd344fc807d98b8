"""Which addresses a probe may talk to: public ones, resolved once, and connected to as resolved.

An ad's URL is text that somebody else wrote. Without this, whoever may write an ad could make this machine
ask its own network: the router, a database's console, the cloud's metadata service.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Blocked", "NoSuchHost", "Place", "locate", "public"]

Resolver = Callable[[str, int], Iterable[str]]

_PORTS: Final = {"http": 80, "https": 443}
_EMBEDS: Final = (
    # Networks of IPv6 whose addresses carry one of IPv4, which a translator on the way may reach.
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
    ipaddress.ip_network("::/96"),
    ipaddress.ip_network("::ffff:0:0/96"),
    ipaddress.ip_network("::ffff:0:0:0/96"),
)


class Blocked(Exception):
    """The URL leads to where a probe must not go; says why."""


class NoSuchHost(Exception):
    """The name has no address."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL is asked: the address to connect to, and the name by which the server knows itself."""

    scheme: str
    host: str
    address: str
    port: int


def public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and no wrapping of another that is not."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.sixtofour or ip.teredo or ip.is_site_local or any(ip in network for network in _EMBEDS):
            return False
        if int(ip) & 0xFFFFFFFF00000000 in (0x5EFE00000000, 0x2005EFE00000000):  # ISATAP
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def locate(url: str, *, allowed: Iterable[str] = (), resolve: Resolver | None = None) -> Place:
    """Where to ask for a URL. Raises Blocked, NoSuchHost.

    allowed: host names (`*` matches) that may lie at private addresses and answer on any port. Every
    address of a name must be public: who answers with one of each may answer with the other next time.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Blocked(f"it is no URL: {error}") from None
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme not in _PORTS:
        raise Blocked(f"its scheme is {parts.scheme or 'missing'}, not http or https")
    if not host:
        raise Blocked("it names no host")
    if "%" in host:
        raise Blocked("its address names an interface of this machine")
    if parts.username is not None or parts.password is not None:
        raise Blocked("it carries a user name")
    trusted = any(fnmatchcase(host, pattern.lower()) for pattern in allowed)
    port = port or _PORTS[parts.scheme]
    if port not in _PORTS.values() and not trusted:
        raise Blocked(f"its port is {port}, not 80 or 443")
    addresses = list((resolve or _resolve)(host, port))
    if not addresses:
        raise NoSuchHost(f"{host} has no address")
    if not trusted:
        for address in addresses:
            if not public(address):
                raise Blocked(f"{host} lies at {address}, which is no public address")
    return Place(parts.scheme, host, addresses[0], port)


def _resolve(host: str, port: int) -> list[str]:
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise NoSuchHost(f"{host} has no address: {error}") from None
