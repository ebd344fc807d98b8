"""Twilio's Messages resource, version 2010-04-01, for one account.

    POST /2010-04-01/Accounts/{sid}/Messages.json      To, From or MessagingServiceSid, Body
    GET  /2010-04-01/Accounts/{sid}/Messages.json      ?To=&From=&DateSent>=&DateSent<=&PageSize=
    GET  /2010-04-01/Accounts/{sid}/Messages/{id}.json

As with Twilio's own test numbers, +15005550001 is no valid number, +15005550004 has opted out, and
+15005550009 cannot get messages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import http
from sandbox.delivery_faults import Cut, cuts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from sandbox.credentials import TwilioCredentials
    from sandbox.delivery_faults import DeliveryFault, DeliveryFaults
    from sandbox.tls import Tls

__all__ = ["Phone", "Sms", "SmsServer", "segments", "serve"]

_ROOT: Final = "/2010-04-01/Accounts/{account}/Messages"
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_LONGEST: Final = 1600
_DELIVERED_AFTER: Final = timedelta(seconds=2)

_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWO: Final = frozenset("\f^{}\\[~]|€")
"""Characters of GSM 03.38, and those of its extension, which take two places."""

_REFUSED_NUMBERS: Final = {
    "+15005550001": (21211, "The 'To' number +15005550001 is not a valid phone number."),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number: +15005550009, is not a valid mobile number"),
}


@dataclass(frozen=True, slots=True)
class Sms:
    """A text message that was taken."""

    sid: str
    at: datetime
    sender: str
    to: str
    body: str


def segments(body: str) -> tuple[int, str]:
    """How many parts a text takes, and in which alphabet: 160 of GSM 03.38, or 70 of UCS-2."""
    if all(c in _GSM or c in _GSM_TWO for c in body):
        size, whole, part, name = sum(2 if c in _GSM_TWO else 1 for c in body), 160, 153, "GSM-7"
    else:
        size, whole, part, name = len(body.encode("utf-16-be")) // 2, 70, 67, "UCS-2"
    return (1 if size <= whole else -(-size // part)), name


class Phone:
    """All text messages that arrived. Thread-safe; version grows with every one."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._held: list[Sms] = []

    @property
    def version(self) -> int:
        """How many there are."""
        return len(self._held)

    def add(self, sender: str, to: str, body: str) -> Sms:
        """A text arrives."""
        with self._lock:
            number = hashlib.sha256(f"sms {len(self._held)} {time.monotonic_ns()}".encode()).hexdigest()[:32]
            made = Sms(f"SM{number}", self.clock(), sender, to, body)
            self._held.append(made)
        return made

    def all(self) -> list[Sms]:
        """Oldest first."""
        with self._lock:
            return list(self._held)


class SmsServer:
    """A server that is up. url: what stands for https://api.twilio.com."""

    def __init__(self, server: http.HttpServer, phone: Phone) -> None:
        self.url = server.url
        self.phone = phone
        self._server = server

    def stop(self) -> None:
        """Close the port."""
        self._server.stop()


def serve(
    *,
    tls: Tls,
    credentials: TwilioCredentials,
    clock: Callable[[], datetime],
    faults: DeliveryFaults,
    port: int = 0,
) -> SmsServer:
    """Serve the account. Raises OSError when the port is taken."""
    phone = Phone(clock)
    wire = _Wire(phone, credentials, faults)
    app = Starlette(
        routes=[
            Route(f"{_ROOT}.json", wire.create, methods=["POST"]),
            Route(f"{_ROOT}.json", wire.list, methods=["GET"]),
            Route(_ROOT + "/{sid}.json", wire.fetch, methods=["GET"]),
        ]
    )
    return SmsServer(http.start(cuts(app), tls=tls, port=port, name="twilio"), phone)


class _Wire:
    def __init__(self, phone: Phone, credentials: TwilioCredentials, faults: DeliveryFaults) -> None:
        self._phone, self._credentials, self._faults = phone, credentials, faults

    async def create(self, request: Request) -> Response:
        fault = self._faults.take("twilio", "create")
        refused = _early(fault) or self._refusal(request)
        if refused is not None:
            return refused
        async with request.form() as fields:
            form = {name: value for name, value in fields.items() if isinstance(value, str)}
        wrong = self._wrong(form)
        if wrong is not None:
            return _error(400, *wrong)
        sender = form.get("From") or self._credentials.number
        sent = self._phone.add(sender, form["To"], form["Body"])
        if fault is not None and fault.fault == "drop_after":
            return Cut()
        if fault is not None and fault.fault == "hang":
            await run_in_threadpool(time.sleep, fault.seconds)
        return JSONResponse(self._plain(sent), 201)

    def _wrong(self, form: Mapping[str, str]) -> tuple[int, str] | None:
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        if not to:
            return 21604, "A 'To' phone number is required."
        if not sender and not form.get("MessagingServiceSid"):
            return 21603, "A 'From' phone number is required."
        if to in _REFUSED_NUMBERS:
            return _REFUSED_NUMBERS[to]
        if not _NUMBER.fullmatch(to):
            return 21211, f"Invalid 'To' Phone Number: {to}"
        if sender and sender != self._credentials.number:
            return 21606, f"The 'From' phone number {sender} is not a valid, SMS-capable Twilio phone number."
        if not body:
            return 21602, "Message body is required."
        if len(body) > _LONGEST:
            return 21617, "The concatenated message body exceeds the 1600 character limit."
        return None

    async def list(self, request: Request) -> Response:
        refused = _early(self._faults.take("twilio", "list")) or self._refusal(request)
        if refused is not None:
            return refused
        asked = request.query_params
        size = min(int(asked.get("PageSize", 50)), 1000)
        page = int(asked.get("Page", 0))
        held = [m for m in reversed(self._phone.all()) if _wanted(m, asked)]
        shown = held[page * size : (page + 1) * size]
        path = request.url.path
        query = "&".join(f"{k}={v}" for k, v in asked.items() if k not in ("Page", "PageSize"))

        def uri(number: int) -> str:
            return f"{path}?{query}{'&' if query else ''}PageSize={size}&Page={number}".replace("+", "%2B")

        return JSONResponse(
            {
                "messages": [self._plain(m) for m in shown],
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(len(shown) - 1, 0),
                "first_page_uri": uri(0),
                "next_page_uri": uri(page + 1) if (page + 1) * size < len(held) else None,
                "previous_page_uri": uri(page - 1) if page else None,
                "uri": uri(page),
            }
        )

    async def fetch(self, request: Request) -> Response:
        refused = _early(self._faults.take("twilio", "fetch")) or self._refusal(request)
        if refused is not None:
            return refused
        sid = request.path_params["sid"]
        found = next((m for m in self._phone.all() if m.sid == sid), None)
        if found is None:
            return _error(404, 20404, f"The requested resource {request.url.path} was not found")
        return JSONResponse(self._plain(found))

    def _refusal(self, request: Request) -> Response | None:
        account, token = self._credentials.account_sid, self._credentials.auth_token
        given = request.headers.get("authorization", "").removeprefix("Basic ")
        try:
            known = base64.b64decode(given).decode() == f"{account}:{token}"
        except (binascii.Error, UnicodeDecodeError):
            known = False
        if not known or request.path_params["account"] != account:
            return _error(401, 20003, "Authenticate")
        return None

    def _plain(self, sms: Sms) -> dict[str, Any]:
        delivered = self._phone.clock() - sms.at >= _DELIVERED_AFTER
        count, _ = segments(sms.body)
        at = format_datetime(sms.at.astimezone(UTC))
        account = self._credentials.account_sid
        return {
            "sid": sms.sid,
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": sms.body,
            "from": sms.sender,
            "to": sms.to,
            "status": "delivered" if delivered else "queued",
            "direction": "outbound-api",
            "num_segments": str(count),
            "num_media": "0",
            "date_created": at,
            "date_sent": at if delivered else None,
            "date_updated": at,
            "error_code": None,
            "error_message": None,
            "messaging_service_sid": None,
            "price": None,
            "price_unit": "USD",
            "subresource_uris": {"media": f"/2010-04-01/Accounts/{account}/Messages/{sms.sid}/Media.json"},
            "uri": f"/2010-04-01/Accounts/{account}/Messages/{sms.sid}.json",
        }


def _wanted(sms: Sms, asked: Mapping[str, str]) -> bool:
    day = sms.at.astimezone(UTC).date()

    def on(name: str) -> Any:
        return datetime.fromisoformat(asked[name].replace(" ", "+")).date()

    return (
        asked.get("To", sms.to).replace(" ", "+") == sms.to
        and asked.get("From", sms.sender).replace(" ", "+") == sms.sender
        and ("DateSent" not in asked or day == on("DateSent"))
        and ("DateSent>" not in asked or day >= on("DateSent>"))
        and ("DateSent<" not in asked or day <= on("DateSent<"))
    )


def _early(fault: DeliveryFault | None) -> Response | None:
    """The reply of a fault that takes nothing in; None where the call goes on."""
    match fault.fault if fault is not None else "":
        case "rate_limited":
            return _error(429, 20429, "Too Many Requests")
        case "server_error":
            return _error(503, 20503, "Service unavailable")
        case "error":
            assert fault is not None
            code = int(fault.code or 21610)
            return _error(401 if code == 20003 else 400, code, f"Refused with {code}")
        case "malformed":
            return Response("<html>bad gateway</html>", media_type="text/html")
        case "drop_before" | "down":
            return Cut()
    return None


def _error(status: int, code: int, message: str) -> Response:
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return JSONResponse(body, status)
