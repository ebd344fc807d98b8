"""What goes wrong with a channel: switched at the control face, met by the next calls.

A fault holds for a number of calls, or until it is lifted. `only` narrows it to one method or recipient.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["CHANNELS", "FAULTS", "Cut", "DeliveryFault", "DeliveryFaults", "cuts"]

CHANNELS: Final = ("slack", "smtp", "twilio")

FAULTS: Final = {
    "rate_limited": "Too many requests: the reply says to wait `seconds`.",
    "server_error": "The reply is a 5xx; for mail, a 451 that asks to come again.",
    "error": "The reply is the channel's own refusal, by its `code`.",
    "drop_before": "The connection breaks off and nothing was taken in.",
    "drop_after": "The message is taken in, and the connection breaks off before the reply.",
    "hang": "The reply comes after `seconds`; the message is taken in.",
    "malformed": "The reply is not what the protocol says.",
    "down": "Nobody answers the door: mail is greeted with 421, HTTP with a closed connection.",
    "disconnect": "Slack's open sockets are closed, as Slack does every few hours.",
}


@dataclass(frozen=True, slots=True)
class DeliveryFault:
    """One fault of a channel. calls: how many it still hits, None: all until lifted."""

    id: int
    channel: str
    fault: str
    calls: int | None = None
    only: str = ""
    code: str = ""
    seconds: float = 1.0


class DeliveryFaults:
    """The faults of all channels. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[DeliveryFault] = []
        self._next = 1

    def start(
        self,
        channel: str,
        fault: str,
        *,
        calls: int | None = None,
        only: str = "",
        code: str = "",
        seconds: float = 1.0,
    ) -> DeliveryFault:
        """Begin one. Raises ValueError for what there is not."""
        if channel not in CHANNELS:
            raise ValueError(f"there is no channel {channel!r}; known: {', '.join(CHANNELS)}")
        if fault not in FAULTS:
            raise ValueError(f"there is no fault {fault!r}; known: {', '.join(FAULTS)}")
        with self._lock:
            begun = DeliveryFault(self._next, channel, fault, calls, only, code, seconds)
            self._next += 1
            self._held.append(begun)
        return begun

    def take(self, channel: str, *names: str, narrow: bool = False) -> DeliveryFault | None:
        """The fault that this call meets, which is then used up by one.

        names: what the call is about, for faults that are narrowed; narrow: those alone.
        """
        with self._lock:
            for place, held in enumerate(self._held):
                meant = held.only in names if held.only else not narrow
                if held.channel == channel and meant:
                    if held.calls is not None:
                        rest = asdict(held) | {"calls": held.calls - 1}
                        self._held[place : place + 1] = [DeliveryFault(**rest)] if held.calls > 1 else []
                    return held
        return None

    def drop(self, fault: DeliveryFault) -> None:
        """End one."""
        with self._lock:
            self._held = [held for held in self._held if held.id != fault.id]

    def all(self) -> list[DeliveryFault]:
        """Those that still hold, oldest first."""
        with self._lock:
            return list(self._held)

    def lift(self, channel: str | None = None) -> list[DeliveryFault]:
        """End those of a channel, or all; what was ended."""
        with self._lock:
            ended = [held for held in self._held if channel in (None, held.channel)]
            self._held = [held for held in self._held if held not in ended]
        return ended


class Cut(Response):
    """The connection breaks off without a word, as where a cable is pulled; for apps within `cuts`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Close the connection."""
        # ASGI has no word for this; uvicorn's `send` is a method of what holds the connection.
        transport: asyncio.Transport = scope[_CONNECTION].__self__.transport
        transport.abort()
        for _ in range(3):  # the loss is noticed in the loop's next turns
            await asyncio.sleep(0)


_CONNECTION: Final = "sandbox.connection"


def cuts(app: ASGIApp) -> ASGIApp:
    """An ASGI app that may answer with `Cut`."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope[_CONNECTION] = send
        await app(scope, receive, send)

    return wrapped
