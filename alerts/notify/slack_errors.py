"""What Slack says no with: what to do next, and how a person mends it."""

from __future__ import annotations

import re
import ssl
from datetime import timedelta
from typing import Any, Final
from urllib.error import URLError

from slack_sdk.errors import SlackApiError

from alerts.notify.contract import NotifyError, Retry, Stop

__all__ = ["Gone", "broken", "refused"]

_GONE: Final = frozenset({"message_not_found", "thread_not_found", "cannot_reply_to_message"})
_AGAIN: Final = frozenset(
    {
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "ratelimited",
        "rate_limited",
        "message_limit_exceeded",
        "team_added_to_org",
    }
)
_INSTALL: Final = (
    "Install the app again in Slack and put its bot token under [slack] into .streamlit/secrets.toml."
)
_MENDS: Final = {
    "invalid_auth": _INSTALL,
    "not_authed": _INSTALL,
    "account_inactive": _INSTALL,
    "token_revoked": _INSTALL,
    "token_expired": _INSTALL,
    "not_allowed_token_type": "The bot token begins with xoxb-, the one for buttons with xapp-.",
    "missing_scope": "Give the app the scope {needed} under OAuth & Permissions and install it again.",
    "channel_not_found": "Check the id {channel} at the foot of the channel's details; a private channel "
    "must invite the app.",
    "not_in_channel": "Invite the app: write /invite @Paceline in the channel {channel}.",
    "is_archived": "The channel {channel} is archived: name another under alerts.channels.slack.channel.",
    "user_not_found": "Check the member id {channel} under alerts.people.",
    "restricted_action": "A workspace admin has to let the app post in {channel}.",
}


class Gone(NotifyError):
    """What was to be changed or answered is no longer there."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def refused(method: str, channel: str, error: SlackApiError) -> NotifyError:
    """A refusal, told by what to do next. The SDK's own text holds the whole reply, so it stays out."""
    response: Any = error.response
    status = getattr(response, "status_code", 0) or (response.get("status", 0) if _is_map(response) else 0)
    data = getattr(response, "data", None) or response
    code = str(data.get("error", "")) if _is_map(data) else ""
    if not re.fullmatch(r"[a-z0-9_]+", code):
        code = ""  # the SDK's own words about a page that is no JSON
    if status == 429 or code in ("ratelimited", "rate_limited"):
        headers = {k.lower(): v for k, v in (getattr(response, "headers", None) or {}).items()}
        return Retry("Slack: too many requests", after=timedelta(seconds=int(headers.get("retry-after", 30))))
    if status >= 500 or code in _AGAIN or not code:
        return Retry(
            f"Slack: {method}: {code or f'no answer that makes sense (HTTP {status})'}", perhaps=True
        )
    if code in _GONE:
        return Gone(code)
    needed = str(data.get("needed", "")) or "that it lacks"
    mend = _MENDS.get(code, "").format(channel=channel, needed=needed)
    told = "; ".join(str(one) for one in data.get("errors") or ())[:300]
    return Stop(f"Slack: {method}: {code}{f': {told}' if told else ''}", mend)


def broken(method: str, error: Exception) -> NotifyError:
    """No answer: whether the message went out is known only where nobody answered the door."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Stop(
            f"Slack: its certificate is not trusted: {reason.verify_message}",
            "Check alerts.channels.slack.url and ca_file, or what stands between us and Slack.",
        )
    known = isinstance(reason, ConnectionRefusedError) or type(reason).__name__ == "gaierror"
    return Retry(f"Slack: {method}: no answer ({type(reason).__name__})", perhaps=not known)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)
