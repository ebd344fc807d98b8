"""A mail server that takes what it is handed: SMTP with STARTTLS and AUTH, on the loopback interface.

Nothing leaves it. Every mail is kept as its recipient would find it.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import logging
import ssl
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aiosmtpd.smtp import Envelope, Session

    from sandbox.credentials import MailCredentials
    from sandbox.delivery_faults import DeliveryFault, DeliveryFaults
    from sandbox.tls import Tls

__all__ = ["Mail", "MailServer", "Mailbox", "serve"]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in a recipient's mailbox. raw: as it came over the wire."""

    number: int
    at: datetime
    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, read."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    def body(self, kind: str) -> str:
        """The part that is `plain` or `html`; "" where it has none."""
        part = self.message.get_body((kind,))
        return "" if part is None else str(part.get_content())

    def attachments(self) -> list[tuple[str, str, bytes]]:
        """(content id or file name, content type, bytes) of every part that is not text."""
        found = []
        for part in self.message.walk():
            if part.get_content_maintype() == "image":
                name = str(part.get("Content-ID", "")).strip("<>") or part.get_filename() or ""
                found.append((name, part.get_content_type(), part.get_payload(decode=True)))
        return [(name, kind, data) for name, kind, data in found if isinstance(data, bytes)]


class Mailbox:
    """All mail that arrived, one entry a recipient. Thread-safe; version grows with every mail."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: list[Mail] = []

    @property
    def version(self) -> int:
        """How many there are."""
        return len(self._held)

    def add(self, sender: str, recipients: list[str], raw: bytes) -> None:
        """A mail arrives."""
        with self._lock:
            for recipient in recipients:
                self._held.append(Mail(len(self._held) + 1, self._clock(), sender, recipient, raw))

    def all(self) -> list[Mail]:
        """Oldest first."""
        with self._lock:
            return list(self._held)


class MailServer:
    """A server that is up. address: `host:port`."""

    def __init__(
        self,
        server: asyncio.Server,
        mailbox: Mailbox,
        loop: asyncio.AbstractEventLoop,
        thread: threading.Thread,
    ) -> None:
        self.mailbox = mailbox
        self.port: int = server.sockets[0].getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._server, self._loop, self._thread = server, loop, thread

    def stop(self) -> None:
        """Close the port and every conversation."""

        async def end() -> None:
            self._server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            for _ in range(3):  # what was cancelled ends in the loop's next turns
                await asyncio.sleep(0)
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(end(), self._loop)
        self._thread.join(5)


def serve(
    *,
    tls: Tls,
    credentials: MailCredentials,
    clock: Callable[[], datetime],
    faults: DeliveryFaults,
    port: int = 0,
) -> MailServer:
    """Serve a mailbox. Raises OSError when the port is taken."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of its own old names
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert_pem, tls.key_pem)
    mailbox = Mailbox(clock)

    def admit(_server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        known = isinstance(given, LoginPassword) and (given.login, given.password) == (
            credentials.user.encode(),
            credentials.password.encode(),
        )
        return AuthResult(success=known, handled=False)

    loop = asyncio.new_event_loop()

    def answering() -> SMTP:
        return _Server(
            faults,
            _Handler(mailbox, faults),
            hostname="mail.northwind.test",
            ident="ESMTP",
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=admit,
            enable_SMTPUTF8=True,
            loop=loop,
        )

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        loop.close()

    thread = threading.Thread(target=run, name="smtp", daemon=True)
    thread.start()
    opening = asyncio.run_coroutine_threadsafe(loop.create_server(answering, "127.0.0.1", port), loop)
    try:
        server = opening.result(10)
    except OSError:
        loop.call_soon_threadsafe(loop.stop)
        raise
    return MailServer(server, mailbox, loop, thread)


class _Server(SMTP):
    def __init__(self, faults: DeliveryFaults, handler: object, **options: Any) -> None:
        self._faults = faults
        super().__init__(handler, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        fresh = self.transport is None  # not the same connection that has become encrypted
        if fresh and any(f.channel == "smtp" and f.fault == "down" for f in self._faults.all()):
            self._faults.take("smtp", "connect")
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is not None:  # else it was never let in
            super().connection_lost(error)


class _Handler:
    def __init__(self, mailbox: Mailbox, faults: DeliveryFaults) -> None:
        self._mailbox, self._faults = mailbox, faults

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        fault = self._faults.take("smtp", address, narrow=True)
        if fault is not None:
            return _refusal(fault, "550 5.1.1 The mail account that you tried to reach does not exist")
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        fault = self._faults.take("smtp", "DATA")
        kind = fault.fault if fault is not None else ""
        if fault is not None and kind in ("rate_limited", "server_error", "error", "malformed"):
            return _refusal(fault, "554 5.7.1 Message refused by policy")
        if kind != "drop_before":
            raw = envelope.original_content or b""
            self._mailbox.add(str(envelope.mail_from), list(envelope.rcpt_tos), raw)
        if kind in ("drop_before", "drop_after"):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if fault is not None and kind == "hang":
            await asyncio.sleep(fault.seconds)
        return f"250 2.0.0 OK queued as {self._mailbox.version:08X}"


def _refusal(fault: DeliveryFault, permanent: str) -> str:
    match fault.fault:
        case "rate_limited":
            return "450 4.7.1 Too many messages, slow down"
        case "server_error":
            return "451 4.3.0 Temporary failure, please try again later"
        case "malformed":
            return "999 what"
        case _:
            return fault.code or permanent
