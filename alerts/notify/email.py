"""Mail, by the standard library: text and HTML, threaded by incident.

A mail server cannot be asked what it holds, so a mail may go out twice after a fall; both then have the same
Message-ID, which mail programs show once.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from alerts.notify.contract import Message, NotifyError, Reason, Receipt, Retry, Severity, Stop
from alerts.notify.words import MARKS, WHY, clean, clip, follow, subject

if TYPE_CHECKING:
    from alerts.notify.settings import EmailSettings

__all__ = ["Email", "compose", "plain"]

_TIMEOUT: Final = 20
_SUBJECT: Final = 200
_PLAIN: Final = re.compile(r"[\w.+\-]+@[\w\-]+(\.[\w\-]+)*", re.ASCII)
_CHART: Final = "chart"
_ALONE: Final = frozenset({Reason.FIRST, Reason.DIGEST, Reason.HEARTBEAT, Reason.TEST, Reason.UNDELIVERED})
"""Reasons of a mail that answers none before it."""


class Email:
    """The channel `email`."""

    name: Final = "email"

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings

    def send(self, message: Message) -> Receipt:
        """Hand the mail to the server. Raises Retry or Stop."""
        mail = compose(message, sender=self._settings.sender)
        with self._connected() as server:
            try:
                server.send_message(mail, self._settings.sender, [message.to])
            except (smtplib.SMTPException, OSError) as error:
                raise self._fault(error, message.to, perhaps=True) from None
            with suppress(smtplib.SMTPException, OSError):  # the mail is taken; a goodbye is courtesy
                server.quit()
        return Receipt(str(mail["Message-ID"]))

    def find(self, message: Message) -> Receipt | None:  # noqa: ARG002  # the protocol's
        """None: a mail server does not say what it has taken."""
        return None

    def check(self) -> str:
        """Log in and leave. Raises Retry or Stop."""
        with self._connected() as server, suppress(smtplib.SMTPException, OSError):
            server.quit()
        return f"{self._settings.host}:{self._settings.port} as {self._settings.user or 'nobody'}"

    def _connected(self) -> smtplib.SMTP:
        own = self._settings
        context = ssl.create_default_context(cafile=own.ca_file)
        here = own.sender.rpartition("@")[2]  # asking the network for our name may take a minute
        try:
            if own.security == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    own.host, own.port, here, timeout=_TIMEOUT, context=context
                )
            else:
                server = smtplib.SMTP(own.host, own.port, here, timeout=_TIMEOUT)
        except (smtplib.SMTPException, OSError) as error:
            raise self._fault(error, "") from None
        try:
            if own.security == "starttls":
                server.starttls(context=context)
            if own.password is not None:
                server.login(own.user, own.password.get_secret_value())
        except (smtplib.SMTPException, OSError) as error:
            server.close()
            raise self._fault(error, "") from None
        return server

    def _fault(self, error: Exception, to: str, *, perhaps: bool = False) -> NotifyError:
        """What went wrong, by what to do next. perhaps: the mail was being handed over."""
        own = self._settings
        where = f"mail server {own.host}:{own.port}"
        match error:
            case ssl.SSLCertVerificationError():
                return Stop(
                    f"{where}: its certificate is not trusted: {error.verify_message}",
                    "Check alerts.channels.email.host, or name the authority's certificate as ca_file.",
                )
            case smtplib.SMTPNotSupportedError():
                return Stop(
                    f"{where}: {error}", "Set alerts.channels.email.security to tls (465), or starttls (587)."
                )
            case smtplib.SMTPRecipientsRefused():
                code, said = next(iter(error.recipients.values()), (550, b""))
                return self._answered(
                    code, said, f"{where} refuses {to}", "Check the address under alerts.people."
                )
            case smtplib.SMTPAuthenticationError():
                mend = "Check alerts.channels.email.user, and the password under [email] in the secrets."
                return self._answered(error.smtp_code, error.smtp_error, f"{where} refuses the login", mend)
            case smtplib.SMTPSenderRefused():
                mend = "Use a sender that the account may write as: alerts.channels.email.sender."
                return self._answered(error.smtp_code, error.smtp_error, f"{where} refuses the sender", mend)
            case smtplib.SMTPResponseException():
                mend = "See what the mail server's administrator says to this refusal."
                return self._answered(error.smtp_code, error.smtp_error, f"{where} refuses the mail", mend)
            case _:
                return Retry(f"{where}: no answer ({type(error).__name__})", perhaps=perhaps)

    def _answered(self, code: int, said: bytes | str, what: str, mend: str) -> NotifyError:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        password = self._settings.password
        if password is not None:
            text = text.replace(password.get_secret_value(), "…")
        cause = f"{what}: {code} {clip(clean(text), 300)}"
        return Retry(cause) if 400 <= code < 500 or code < 0 else Stop(cause, mend)


def compose(message: Message, *, sender: str) -> EmailMessage:
    """The mail of a message: the same one however often it is composed. Raises Stop for a wrong address."""
    if not _PLAIN.fullmatch(message.to):
        raise Stop(
            f"{clean(message.to)!r} is no mail address that can be written to",
            "Check it under alerts.people.",
        )
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address("Paceline", addr_spec=sender)
    mail["To"] = message.to
    mail["Subject"] = clip(subject(message), _SUBJECT)
    mail["Date"] = format_datetime(message.at)
    root = _message_id(f"{message.incident}\n{message.to}", domain)
    if message.reason in _ALONE:
        mail["Message-ID"] = root
    else:
        mail["Message-ID"] = _message_id(message.key, domain)
        mail["In-Reply-To"] = root
        mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    kind = "digests" if message.reason is Reason.DIGEST else "alerts"
    mail["List-Id"] = f"Paceline {kind} <{kind}.{domain}>"
    if message.severity is Severity.CRITICAL and not message.resolved:
        mail["Importance"] = "high"
    shown = _shown(message)
    mail.set_content(plain(message))
    mail.add_alternative(_templates().get_template("message.html").render(shown), subtype="html")
    if message.chart is not None:
        html: Any = mail.get_payload(1)
        html.add_related(message.chart, "image", "png", cid=f"<{_CHART}>", filename="chart.png")
    for place, part in enumerate(mail.walk()):  # drawn by lot, boundaries would make two copies differ
        if part.is_multipart():
            part.set_boundary(f"=={hashlib.sha256(f'{message.key} {place}'.encode()).hexdigest()[:24]}")
    return mail


def plain(message: Message) -> str:
    """The message as text, as it stands in a mail for readers without HTML."""
    return _templates().get_template("message.txt").render(_shown(message))


def _message_id(key: str, domain: str) -> str:
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def _shown(message: Message) -> dict[str, Any]:
    """What the templates say, each text made harmless; what is HTML in it they escape."""
    return {
        "subject": subject(message),
        "headline": clean(message.headline),
        "why": WHY[message.reason],
        "severity": str(message.severity),
        "resolved": message.resolved,
        "test": message.test,
        "at": message.at.strftime("%a %d %b %Y, %H:%M %Z"),
        "facts": [(clean(f.label), clean(f.text, lines=True)) for f in message.facts],
        "members": [(clean(m.text), m.resolved) for m in message.members],
        "sections": [
            (
                clean(s.title),
                [
                    (clean(line.text), follow(line.rest), _safe(line.url), line.state, MARKS[line.state])
                    for line in s.lines
                ],
            )
            for s in message.sections
        ],
        "links": [(clean(link.title), link.url) for link in message.links if _safe(link.url)],
        "chart": _CHART if message.chart is not None else "",
        "chart_text": clean(message.chart_text),
        "digest": message.reason is Reason.DIGEST,
    }


def _safe(url: str) -> str:
    """An address that may stand in a link; "" for one that runs something."""
    return url if url.startswith(("https://", "http://")) and not re.search(r"[\s<>\"]", url) else ""


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
