"""Text messages, by Twilio's REST API: one part each, so that a phone shows all of it at once.

Twilio has no idempotency key. Each text ends in a short mark made from the message's key, by which it is
found again among what was sent to that number.
"""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

import requests

from alerts.notify.contract import Message, NotifyError, Receipt, Retry, Stop
from alerts.notify.words import clean, clip, subject

if TYPE_CHECKING:
    from alerts.notify.settings import SmsSettings

__all__ = ["Sms", "compose", "mark"]

_TIMEOUT: Final = (5, 20)
_ONE_PART: Final = {"gsm": 160, "ucs2": 70}
_MOST_PAGES: Final = 20

_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWO: Final = frozenset("^{}\\[~]|€")
"""GSM 03.38: its characters, and those that take two places. One other makes the whole text UCS-2."""
_SPELT: Final = str.maketrans(
    {
        "×": "x", "−": "-", "–": "-", "—": "-", "…": "...", "·": "-", "•": "-", "«": '"', "»": '"', "“": '"',
        "”": '"', "„": '"', "\u2018": "'", "’": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "≥": ">=",
        "≤": "<=", "→": "->", "₹": "Rs ", "₩": "KRW ",
    }
)  # fmt: skip

_MENDS: Final = {
    20003: "Check alerts.channels.sms.account_sid, and auth_token under [sms] in the secrets.",
    21211: "Check the number {to} under alerts.people: +, country code, number.",
    21214: "Check the number {to} under alerts.people: it cannot be reached.",
    21408: "Allow messages to that country in Twilio's console, under Messaging, Geo permissions.",
    21606: "Check alerts.channels.sms.sender: it must be a number of the account that can send messages.",
    21608: "A trial account writes to verified numbers alone: verify {to}, or upgrade the account.",
    21610: "{to} has answered STOP: it must send START before it can hear again.",
    21612: "The sender cannot reach {to}: choose another sender.",
    21614: "{to} is no mobile number.",
}


class Sms:
    """The channel `sms`."""

    name: Final = "sms"

    def __init__(self, settings: SmsSettings) -> None:
        self._settings = settings
        self._session = requests.Session()
        self._session.auth = (settings.account_sid, settings.auth_token.get_secret_value())
        self._trusted = str(settings.ca_file) if settings.ca_file else True
        self._messages = f"{settings.url}/2010-04-01/Accounts/{settings.account_sid}/Messages.json"

    def send(self, message: Message) -> Receipt:
        """Hand the text to Twilio. Raises Retry or Stop."""
        sender = self._settings.sender
        form = {"To": message.to, "Body": compose(message)}
        form["MessagingServiceSid" if sender.startswith("MG") else "From"] = sender
        said = self._ask("POST", self._messages, message.to, data=form)
        return Receipt(str(said["sid"]))

    def find(self, message: Message) -> Receipt | None:
        """Look for the text's mark among what was sent to that number since. Raises Retry or Stop."""
        since = (message.at.astimezone(UTC) - timedelta(minutes=5)).date()
        wanted = mark(message.key)
        url: str | None = self._messages
        params: dict[str, str] | None = {"To": message.to, "DateSent>": since.isoformat(), "PageSize": "100"}
        for _ in range(_MOST_PAGES):
            assert url is not None
            page = self._ask("GET", url, message.to, params=params)
            for one in page["messages"]:
                if str(one["body"]).endswith(wanted) and one["status"] not in ("failed", "undelivered"):
                    return Receipt(str(one["sid"]))
            rest = page.get("next_page_uri")
            if not rest:
                return None
            url, params = f"{self._settings.url}{rest}", None
        raise Retry(f"Twilio: more than {_MOST_PAGES * 100} texts to look through")

    def check(self) -> str:
        """Ask for nothing more than the account allows to see. Raises Retry or Stop."""
        self._ask("GET", self._messages, "", params={"PageSize": "1"})
        return f"Twilio account {self._settings.account_sid}"

    def _ask(self, method: str, url: str, to: str, **how: Any) -> dict[str, Any]:
        sending = method == "POST"
        try:
            # Redirects would carry the credentials elsewhere, and Twilio sends none.
            reply = self._session.request(
                method, url, timeout=_TIMEOUT, allow_redirects=False, verify=self._trusted, **how
            )
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Stop(
                    "Twilio: its certificate is not trusted", "Check alerts.channels.sms.url and ca_file."
                ) from None
            raise Retry("Twilio: the connection broke off", perhaps=sending) from None
        except requests.exceptions.ConnectTimeout:
            raise Retry("Twilio: no answer (ConnectTimeout)") from None
        except requests.RequestException as error:
            known = _refused_at_the_door(error)
            raise Retry(
                f"Twilio: no answer ({type(error).__name__})", perhaps=sending and not known
            ) from None
        try:
            said = reply.json()
        except ValueError:
            said = None
        if reply.ok and isinstance(said, dict) and ("sid" in said or "messages" in said):
            return said
        raise _fault(reply, said if isinstance(said, dict) else {}, to, sending=sending)


def compose(message: Message) -> str:
    """The text, in one part: the headline from its first character, as much as fits, and the mark."""
    head = subject(message)
    text = _spell(head)
    kind = "gsm" if _in_gsm(text) else "ucs2"
    if kind == "ucs2":
        text = clean(head)
    end = f" {mark(message.key)}"
    room = _ONE_PART[kind] - len(end)
    link = next((f" {one.url}" for one in message.links if _in_gsm(one.url)), "")
    while text and _size(text, kind) > room:
        text = clip(text, len(text) - 1)
        if kind == "gsm":
            text = text.removesuffix("…").rstrip()
    if link and _size(text + link, kind) <= room:
        text += link
    return text + end


def mark(key: str) -> str:
    """The mark at a text's end that tell it from any other to the same number."""
    return f"#{hashlib.sha256(key.encode()).hexdigest()[:6]}"


def _spell(text: str) -> str:
    """As GSM 03.38 can write it: signs spelt out, accents it does not know left off."""
    out = []
    for c in clean(text).translate(_SPELT):
        if c in _GSM or c in _GSM_TWO:
            out.append(c)
        else:
            plain = "".join(x for x in unicodedata.normalize("NFKD", c) if not unicodedata.combining(x))
            out.append(plain or c)
    return "".join(out)


def _in_gsm(text: str) -> bool:
    return all(c in _GSM or c in _GSM_TWO for c in text)


def _size(text: str, kind: str) -> int:
    if kind == "gsm":
        return sum(2 if c in _GSM_TWO else 1 for c in text)
    return len(text.encode("utf-16-be")) // 2


def _refused_at_the_door(error: requests.RequestException) -> bool:
    """Whether nobody took the connection, so that nothing can have gone out."""
    text = repr(error)
    return "NewConnectionError" in text or "NameResolutionError" in text


def _fault(reply: requests.Response, said: dict[str, Any], to: str, *, sending: bool) -> NotifyError:
    code = int(said.get("code") or 0)
    text = clip(clean(str(said.get("message", ""))), 200) or "no answer that makes sense"
    cause = f"Twilio: HTTP {reply.status_code}{f', {code}' if code else ''}: {text}"
    if reply.status_code == 429 or code == 20429:
        wait = reply.headers.get("Retry-After", "")
        return Retry(cause, after=timedelta(seconds=int(wait)) if wait.isdigit() else None)
    if reply.status_code >= 500 or reply.ok:
        return Retry(cause, perhaps=sending)
    mend = _MENDS.get(code, f"See https://www.twilio.com/docs/errors/{code}" if code else "")
    return Stop(cause, mend.format(to=to))
