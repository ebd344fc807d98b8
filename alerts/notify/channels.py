"""The channels of a workspace, from its settings. A channel's library is read only where it is set up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.notify.book import Pressed, Threads
from alerts.notify.settings import AppriseSettings, EmailSettings, SlackSettings, SmsSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from alerts.notify.contract import Act, Notifier
    from alerts.notify.settings import ChannelSettings
    from alerts.notify.slack_buttons import Buttons
    from alerts.routes import Person
    from warehouse.book import Book

__all__ = ["build", "buttons"]


def build(settings: Mapping[str, ChannelSettings], book: Book) -> dict[str, Notifier]:
    """Each channel that is set up, by its name."""
    found: dict[str, Notifier] = {}
    for name, own in settings.items():
        match own:
            case SlackSettings():
                from alerts.notify.slack import Slack  # noqa: PLC0415

                found[name] = Slack(own, Threads(book))
            case EmailSettings():
                from alerts.notify.email import Email  # noqa: PLC0415

                found[name] = Email(own)
            case SmsSettings():
                from alerts.notify.sms import Sms  # noqa: PLC0415

                found[name] = Sms(own)
            case AppriseSettings():
                from alerts.notify.apprise import Apprise  # noqa: PLC0415

                found[name] = Apprise(own)
    return found


def buttons(
    settings: Mapping[str, ChannelSettings],
    book: Book,
    act: Callable[[Act], None],
    clock: Callable[[], datetime],
    *,
    may: Callable[[str, str], None],
    people: Sequence[Person] = (),
) -> Buttons | None:
    """Who hears the buttons in Slack's messages; None where there are none. The rest: see Buttons."""
    own = settings.get("slack")
    if not isinstance(own, SlackSettings) or own.app_token is None:
        return None
    from alerts.notify.slack_buttons import Buttons  # noqa: PLC0415

    return Buttons(own, book, Pressed(book), act, clock, may=may, people=people)
