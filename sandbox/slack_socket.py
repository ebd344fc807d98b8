"""Socket Mode: envelopes over a websocket, acknowledged within three seconds or delivered again.

A connection is opened with a ticket that `apps.connections.open` gave out, used once. An envelope goes to one
of the app's connections; where no acknowledgement comes it goes out again, on any connection that is then
open, up to three times.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sandbox.slack_store import APP_ID

__all__ = ["ACK_WITHIN", "TRIES", "Envelope", "Sockets"]

ACK_WITHIN: Final = 3.0
TRIES: Final = 3

_UNKNOWN_TICKET: Final = 4404


@dataclass(eq=False)
class Envelope:
    """What the app is to acknowledge. answer: what it said with that."""

    body: dict[str, Any]
    tries: int = 0
    acked: threading.Event = field(default_factory=threading.Event)
    answer: dict[str, Any] = field(default_factory=dict)


class Sockets:
    """The app's open connections. `send` may be called from any thread. base: where they are opened.

    Slack's own SDK speaks TLS to port 443 alone, whatever the address says, so here it is `ws://`.
    """

    def __init__(self, *, ack_within: float = ACK_WITHIN) -> None:
        self.ack_within = ack_within
        self.base = ""
        self._lock = threading.Lock()
        self._tickets: set[str] = set()
        self._open: list[WebSocket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, Envelope] = {}
        self._parked: list[Envelope] = []
        self._turn = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def ticket(self) -> str:
        """A ticket for one connection."""
        made = secrets.token_urlsafe(16)
        with self._lock:
            self._tickets.add(made)
        return made

    async def serve(self, socket: WebSocket) -> None:
        """One connection, for as long as it lasts."""
        ticket = socket.query_params.get("ticket", "")
        with self._lock:
            known = ticket in self._tickets
            self._tickets.discard(ticket)
        await socket.accept()
        if not known:
            await socket.close(_UNKNOWN_TICKET, "unknown ticket")
            return
        self._loop = asyncio.get_running_loop()
        self._open.append(socket)
        try:
            await socket.send_json(
                {
                    "type": "hello",
                    "num_connections": len(self._open),
                    "debug_info": {"host": "applink-sandbox", "approximate_connection_time": 3600},
                    "connection_info": {"app_id": APP_ID},
                }
            )
            parked, self._parked = self._parked, []
            for envelope in parked:
                self._go(envelope)
            while True:
                self._heard(await socket.receive_text())
        except WebSocketDisconnect:
            pass
        finally:
            with contextlib.suppress(ValueError):
                self._open.remove(socket)

    def send(self, kind: str, payload: dict[str, Any]) -> Envelope:
        """Deliver an envelope, again where nobody acknowledges it."""
        number = secrets.token_hex(16)
        body = {
            "envelope_id": number,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind == "slash_commands" or payload.get("type") == "view_submission",
        }
        envelope = Envelope(body)
        with self._lock:
            self._waiting[number] = envelope
        if self._loop is None or not self._open:
            self._parked.append(envelope)
        else:
            self._loop.call_soon_threadsafe(self._go, envelope)
        return envelope

    def disconnect(self, reason: str = "refresh_requested") -> int:
        """Close every connection as Slack does when it moves apps to another host; how many."""
        if self._loop is None:
            return 0
        sockets = list(self._open)
        for socket in sockets:
            asyncio.run_coroutine_threadsafe(self._goodbye(socket, reason), self._loop)
        return len(sockets)

    async def _goodbye(self, socket: WebSocket, reason: str) -> None:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.send_json(
                {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox"}}
            )
            await socket.close()

    def _heard(self, text: str) -> None:
        try:
            said = json.loads(text)
        except ValueError:
            return  # Slack ignores what it does not understand
        with self._lock:
            envelope = self._waiting.pop(str(said.get("envelope_id")), None)
        if envelope is not None:
            answer = said.get("payload")
            envelope.answer = answer if isinstance(answer, dict) else {}
            envelope.acked.set()

    def _go(self, envelope: Envelope) -> None:
        task = asyncio.ensure_future(self._deliver(envelope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, envelope: Envelope) -> None:
        while envelope.tries < TRIES and not envelope.acked.is_set():
            live = [s for s in self._open if s.client_state is WebSocketState.CONNECTED]
            if not live:
                self._parked.append(envelope)
                return
            again = {"retry_attempt": envelope.tries, "retry_reason": "timeout"} if envelope.tries else {}
            envelope.tries += 1
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await live[next(self._turn) % len(live)].send_json(envelope.body | again)
            for _ in range(20):
                if envelope.acked.is_set():
                    return
                await asyncio.sleep(self.ack_within / 20)
