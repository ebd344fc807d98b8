"""Any other channel, by Apprise: Teams, Telegram, PagerDuty, a webhook, a hundred more."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from alerts.notify.contract import Message, Receipt, Retry, Severity, Stop
from alerts.notify.words import MARKS, clean, clip, follow, subject

if TYPE_CHECKING:
    from alerts.notify.settings import AppriseSettings

__all__ = ["Apprise", "body"]

_TITLE: Final = 250
_KINDS: Final = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.INFO: "info"}


class Apprise:
    """The channel `apprise`; a message's `to` is the name of an address, or "" for all of them."""

    name: Final = "apprise"

    def __init__(self, settings: AppriseSettings) -> None:
        self._urls = {name: url.get_secret_value() for name, url in settings.urls.items()}
        self._lock = threading.Lock()
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs addresses, which hold secrets

    def send(self, message: Message) -> Receipt:
        """Hand it to Apprise, which says yes or no: every no is tried again. Raises Retry or Stop."""
        import apprise  # noqa: PLC0415  # half a second, for those who use it

        wanted = {name: url for name, url in self._urls.items() if message.to in ("", name)}
        if not wanted:
            raise Stop(
                f"Apprise: there is no address named {message.to!r}",
                f"Known: {', '.join(sorted(self._urls))}; write it under [apprise.urls] in the secrets.",
            )
        target = apprise.Apprise()
        for name, url in wanted.items():
            if not target.add(url):
                raise Stop(
                    f"Apprise: the address {name} is not understood",
                    "Its form is told at https://github.com/caronc/apprise/wiki.",
                )
        kind = "success" if message.resolved else _KINDS[message.severity]
        with self._lock:
            done = target.notify(
                title=clip(subject(message), _TITLE), body=body(message), notify_type=kind, body_format="text"
            )
        if not done:
            raise Retry(f"Apprise: {', '.join(sorted(wanted))} did not take it", perhaps=len(wanted) > 1)
        return Receipt(message.key)

    def find(self, message: Message) -> Receipt | None:  # noqa: ARG002  # the protocol's
        """None: Apprise cannot be asked."""
        return None

    def check(self) -> str:
        """Whether every address is understood; none is called. Raises Stop."""
        import apprise  # noqa: PLC0415

        for name, url in self._urls.items():
            if apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
                raise Stop(f"Apprise: the address {name} is not understood")
        return ", ".join(sorted(self._urls))


def body(message: Message) -> str:
    """The message as plain text."""
    lines = [f"{clean(f.label)}: {clean(f.text, lines=True)}" for f in message.facts]
    lines += [f"{'✓' if m.resolved else '•'} {clean(m.text)}" for m in message.members]
    for section in message.sections:
        lines += ["", clean(section.title)]
        lines += [f"{MARKS[line.state]} {clean(line.text)}{follow(line.rest)}" for line in section.lines]
    lines += [f"{clean(link.title)}: {link.url}" for link in message.links]
    return "\n".join(lines) or clean(message.headline)
