"""Slack, by a bot in the team's workspace.

One message in the channel stands for an incident; what happens later is told in its thread, and the message
itself is kept to the present state. Slack has no idempotency key: each message carries its own in its
metadata, by which it is found again.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import ssl
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from alerts.notify import slack_blocks
from alerts.notify.contract import Message, Reason, Receipt, Retry, Stop
from alerts.notify.slack_errors import Gone, broken, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alerts.notify.book import Threads
    from alerts.notify.settings import SlackSettings

__all__ = ["Slack", "client"]

_LOG = logging.getLogger(__name__)

_TIMEOUT: Final = 15
_EVENT: Final = "paceline_message"
_SKEW: Final = timedelta(minutes=5)
"""How far Slack's clock may be behind ours when a message is looked up."""
_PAGE: Final = 200
_MOST_PAGES: Final = 50
_LONGEST_WAIT: Final = 5
"""Seconds that are waited out here when Slack is busy; a longer wait is the outbox's."""

_REWRITES: Final = frozenset(
    {Reason.NEW_ALERTS, Reason.ALL_RESOLVED, Reason.SEVERITY, Reason.NEW_RESOLVED, Reason.FLAPPING}
)
"""Reasons that change what the channel's message says."""
_LOUD: Final = frozenset({Reason.NEW_ALERTS, Reason.SEVERITY, Reason.REPEAT, Reason.ESCALATION})
"""Reasons whose reply the channel shows too: a thread alone is not noticed."""


class _Brief(RateLimitErrorRetryHandler):
    """Waits out a short rate limit; nothing else is retried here, for that would send twice."""

    def _can_retry(self, **how: Any) -> bool:
        response = how.get("response")
        if not super()._can_retry(**how) or response is None:
            return False
        headers = {name.lower(): value for name, value in response.headers.items()}
        wait = headers.get("retry-after", ["1"])
        return int(wait[0] if isinstance(wait, list) else wait) <= _LONGEST_WAIT


def client(settings: SlackSettings) -> WebClient:
    """The SDK's client, which retries nothing but short rate limits."""
    return WebClient(
        token=settings.token.get_secret_value(),
        base_url=settings.url,
        timeout=_TIMEOUT,
        ssl=ssl.create_default_context(cafile=settings.ca_file),
        retry_handlers=[_Brief(max_retry_count=1)],
    )


class Slack:
    """The channel `slack`. monotonic, sleep: for tests that do not want to wait."""

    name: Final = "slack"

    def __init__(
        self,
        settings: SlackSettings,
        threads: Threads,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._threads = settings, threads
        self._client = client(settings)
        self._pace = _Pace(monotonic, sleep)
        self._direct: dict[str, str] = {}

    def send(self, message: Message) -> Receipt:
        """Post it, or reply in its incident's thread. Raises Retry or Stop."""
        channel = self._channel(message)
        root = self._root(message, channel)
        if root is not None:
            try:
                return self._reply(message, channel, root)
            except Gone:  # somebody deleted the parent: the incident gets a new one
                self._threads.forget(message.incident, message.to)
        try:
            return self._post(message, channel)
        except Gone as gone:
            raise Stop(f"Slack: {gone.code}") from None

    def find(self, message: Message) -> Receipt | None:
        """Look the message up by its key, in the channel and in its incident's thread. Raises Retry, Stop.

        Its picture is sent after it where it is missing.
        """
        channel = self._channel(message)
        oldest = (message.at - _SKEW).timestamp()
        for found in self._history(channel, oldest):
            said = _payload(found)
            if said.get("dedup_key") == message.key:
                root = found.get("thread_ts") or found["ts"]
                if root == found["ts"]:
                    self._threads.put(message.incident, message.to, channel, root)
                self._draw(message, channel, root)
                return Receipt(f"{channel}/{found['ts']}")
        root = self._root(message, channel)
        if root is None:
            return None
        for found in self._replies(channel, root, oldest):
            if _payload(found).get("dedup_key") == message.key:
                self._draw(message, channel, root)
                return Receipt(f"{channel}/{found['ts']}")
        return None

    def check(self) -> str:
        """Which workspace the token opens, and as whom. Raises Retry or Stop."""
        app_token = self._settings.app_token
        if app_token is not None:
            token = app_token.get_secret_value()
            self._call(
                "apps.connections.open", "", lambda: self._client.apps_connections_open(app_token=token)
            )
        said = self._call("auth.test", "", self._client.auth_test)
        return f"{said['team']} as {said['user']}"

    # -- what is sent

    def _post(self, message: Message, channel: str) -> Receipt:
        self._pace.wait(channel)
        buttons = self._settings.app_token is not None
        said = self._call(
            "chat.postMessage",
            channel,
            lambda: self._client.chat_postMessage(
                channel=channel,
                text=slack_blocks.notification(message),
                blocks=slack_blocks.parent(message, buttons=buttons),
                metadata=_metadata(message),
                unfurl_links=False,
                unfurl_media=False,
            ),
        )
        self._threads.put(message.incident, message.to, said["channel"], said["ts"])
        self._draw(message, said["channel"], said["ts"], fresh=True)
        return Receipt(f"{said['channel']}/{said['ts']}")

    def _reply(self, message: Message, channel: str, root: str) -> Receipt:
        text = slack_blocks.notification(message)
        if message.reason in _REWRITES:
            # First, for it may be done twice: a fall between the two leaves the reply to be sent.
            blocks = slack_blocks.parent(message, buttons=self._settings.app_token is not None)
            blocks += slack_blocks.notes(self._blocks(channel, root))
            self._call(
                "chat.update",
                channel,
                lambda: self._client.chat_update(channel=channel, ts=root, text=text, blocks=blocks),
            )
        self._pace.wait(channel)
        said = self._call(
            "chat.postMessage",
            channel,
            lambda: self._client.chat_postMessage(
                channel=channel,
                thread_ts=root,
                reply_broadcast=message.reason in _LOUD,
                text=text,
                blocks=slack_blocks.reply(message),
                metadata=_metadata(message),
                unfurl_links=False,
                unfurl_media=False,
            ),
        )
        self._draw(message, channel, root, fresh=True)
        return Receipt(f"{channel}/{said['ts']}")

    def _draw(self, message: Message, channel: str, root: str, *, fresh: bool = False) -> None:
        """Put the chart into the thread, once. fresh: the message has just been posted."""
        chart = message.chart
        if chart is None:
            return
        name = f"chart-{hashlib.sha256(message.key.encode()).hexdigest()[:12]}.png"
        if not fresh:
            held = (f for m in self._replies(channel, root, 0.0) for f in m.get("files", ()))
            if any(f.get("name") == name for f in held):
                return
        alt = slack_blocks.escape(message.chart_text) or "chart"
        try:
            self._call(
                "files.upload",
                channel,
                lambda: self._client.files_upload_v2(
                    channel=channel, thread_ts=root, content=chart, filename=name, title=alt, alt_txt=alt
                ),
            )
        except Stop as error:
            # The message is there: that its picture may not be sent is no reason to call it undelivered.
            _LOG.warning("the chart of a Slack message was refused: %s. %s", error.cause, error.mend)
        except Retry as error:
            raise Retry(error.cause, after=error.after, perhaps=True) from None

    # -- what is there

    def _channel(self, message: Message) -> str:
        """The id of the conversation: a person's is opened first."""
        to = message.to or self._settings.channel
        if to[:1] not in "UW":
            return to
        if to not in self._direct:
            said = self._call("conversations.open", to, lambda: self._client.conversations_open(users=to))
            self._direct[to] = said["channel"]["id"]
        return self._direct[to]

    def _root(self, message: Message, channel: str) -> str | None:
        """The ts of the incident's message in the channel, if there is one."""
        known = self._threads.get(message.incident, message.to)
        if known is not None and known[0] == channel:
            return known[1]
        if message.reason is Reason.FIRST or message.at == message.began:
            return None
        for found in self._history(channel, (message.began - _SKEW).timestamp()):
            if _payload(found).get("incident") == message.incident and not found.get("subtype"):
                self._threads.put(message.incident, message.to, channel, found["ts"])
                return str(found["ts"])
        return None

    def _blocks(self, channel: str, ts: str) -> list[slack_blocks.Block]:
        """What a message of the channel is made of at present; nothing where it is gone."""
        found = self._call(
            "conversations.history",
            channel,
            lambda: self._client.conversations_history(
                channel=channel, oldest=ts, latest=ts, inclusive=True, limit=1
            ),
        )
        return next((list(one.get("blocks") or ()) for one in found["messages"]), [])

    def _history(self, channel: str, oldest: float) -> Iterator[dict[str, Any]]:
        yield from self._pages(
            "conversations.history",
            channel,
            lambda cursor: self._client.conversations_history(
                channel=channel,
                oldest=f"{oldest:.6f}",
                limit=_PAGE,
                include_all_metadata=True,
                cursor=cursor,
            ),
        )

    def _replies(self, channel: str, root: str, oldest: float) -> Iterator[dict[str, Any]]:
        try:
            yield from self._pages(
                "conversations.replies",
                channel,
                lambda cursor: self._client.conversations_replies(
                    channel=channel,
                    ts=root,
                    oldest=f"{oldest:.6f}",
                    limit=_PAGE,
                    include_all_metadata=True,
                    cursor=cursor,
                ),
            )
        except Gone:
            return

    def _pages(self, method: str, channel: str, ask: Callable[[str | None], Any]) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = self._call(method, channel, lambda at=cursor: ask(at))  # type: ignore[misc]
            yield from page["messages"]
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
        raise Retry(f"Slack: more than {_PAGE * _MOST_PAGES} messages to look through in {channel}")

    @staticmethod
    def _call(method: str, channel: str, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except SlackApiError as error:
            raise refused(method, channel, error) from None
        except SlackRequestError:  # the upload of a file's bytes
            raise Retry(f"Slack: {method} failed", perhaps=True) from None
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            raise broken(method, error) from None


class _Pace:
    """One message a second a channel, as Slack asks."""

    def __init__(self, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._monotonic, self._sleep = monotonic, sleep
        self._lock = threading.Lock()
        self._free: dict[str, float] = {}

    def wait(self, channel: str) -> None:
        with self._lock:
            now = self._monotonic()
            at = max(self._free.get(channel, now), now)
            self._free[channel] = at + 1.0
        if at > now:
            self._sleep(at - now)


def _metadata(message: Message) -> dict[str, Any]:
    return {
        "event_type": _EVENT,
        "event_payload": {"dedup_key": message.key, "incident": message.incident},
    }


def _payload(found: dict[str, Any]) -> dict[str, Any]:
    """What we attached to a message of ours; {} for anybody else's."""
    metadata = found.get("metadata") or {}
    return metadata.get("event_payload") or {} if metadata.get("event_type") == _EVENT else {}
