"""The methods of Slack's Web API: what each takes, what it refuses, what it answers."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sandbox import slack_blocks, slack_directory
from sandbox.slack_store import (
    APP_ID,
    BOT_ID,
    BOT_USER,
    CHANNELS,
    PEOPLE,
    TEAM,
    Message,
    SlackStore,
    file_plain,
)
from sandbox.slack_views import Refusal, Views

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.credentials import SlackCredentials
    from sandbox.slack_socket import Sockets
    from sandbox.slack_store import Channel

__all__ = ["Busy", "Methods"]

_LONGEST_TEXT: Final = 40_000
_LARGEST_METADATA: Final = 8_000
_PER_MINUTE: Final = {
    "conversations.history": 50,
    "conversations.replies": 50,
    "chat.update": 50,
    "files.getUploadURLExternal": 100,
    "files.completeUploadExternal": 100,
    "auth.test": 100,
    "views.open": 100,
    "chat.postEphemeral": 100,
    "apps.connections.open": 20,
    "conversations.list": 20,
}


@dataclass(eq=False)
class _Refused(Exception):
    error: str
    more: dict[str, Any] | None = None


class Busy(Exception):
    """Too many requests. wait: whole seconds."""

    def __init__(self, wait: int) -> None:
        self.wait = wait
        super().__init__(wait)


class _Pace:
    """Slack's limits: one message a second a channel, other methods by the minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._posted: dict[str, float] = {}
        self._asked: dict[str, list[float]] = {}

    def post(self, channel: str) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._posted.get(channel, -1e9) < 0.95:  # clocks on both sides differ by a little
                raise Busy(1)
            self._posted[channel] = now

    def ask(self, method: str) -> None:
        most = _PER_MINUTE.get(method)
        if most is None:
            return
        with self._lock:
            now = time.monotonic()
            recent = [at for at in self._asked.get(method, []) if now - at < 60]
            if len(recent) >= most:
                raise Busy(int(60 - (now - recent[0])) + 1)
            self._asked[method] = [*recent, now]


class Methods:
    """The methods by name, for one app. pace: whether Slack's limits hold."""

    def __init__(
        self,
        store: SlackStore,
        sockets: Sockets,
        views: Views,
        credentials: SlackCredentials,
        *,
        pace: bool,
    ) -> None:
        self._store, self._sockets, self._credentials = store, sockets, credentials
        self._views = views
        self._pace = _Pace() if pace else None
        self._methods: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.getPermalink": self._permalink,
            "users.list": self._users,
            "users.info": self._user,
            "users.lookupByEmail": self._lookup,
            "conversations.info": self._info,
            "conversations.members": self._members,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.list": self._list,
            "conversations.open": self._open_direct,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete_upload,
            "views.open": self._open_view,
            "apps.connections.open": self._open,
        }

    def answer(self, method: str, token: str, asked: dict[str, Any], base: str) -> dict[str, Any]:
        """The reply's JSON. token: as in the header, "" for none; base: our own address. Raises Busy."""
        known = self._methods.get(method)
        if known is None:
            return {"ok": False, "error": "unknown_method", "req_method": method}
        try:
            self._admit(method, token or str(asked.get("token", "")))
            if self._pace is not None:
                self._pace.ask(method)
            return {"ok": True, **known(asked, base)}
        except _Refused as refused:
            return {"ok": False, "error": refused.error, **(refused.more or {})}

    def _admit(self, method: str, given: str) -> None:
        if not given:
            raise _Refused("not_authed")
        if given not in (self._credentials.bot_token, self._credentials.app_token):
            raise _Refused("invalid_auth")
        needs_app = method == "apps.connections.open"
        if needs_app != (given == self._credentials.app_token):
            raise _Refused("not_allowed_token_type")

    def _auth_test(self, _asked: dict[str, Any], _base: str) -> dict[str, Any]:
        return {
            "url": f"https://{TEAM['domain']}.slack.com/",
            "team": TEAM["name"],
            "user": "paceline",
            "team_id": TEAM["id"],
            "user_id": BOT_USER,
            "bot_id": BOT_ID,
            "is_enterprise_install": False,
        }

    def _post_message(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        channel = self._store.channel(str(asked.get("channel", "")), posting=True)
        if channel is None:
            raise _Refused("channel_not_found")
        if channel.archived:
            raise _Refused("is_archived")
        if not channel.member:
            raise _Refused("not_in_channel")
        thread = str(asked.get("thread_ts") or "")
        content = self._content(asked)
        if thread:
            parent = self._store.find(channel.id, thread)
            if parent is None:
                raise _Refused("cannot_reply_to_message")
            thread = parent.thread or parent.ts
        metadata = _metadata(asked.get("metadata"))
        if self._pace is not None:
            self._pace.post(channel.id)
        posted = self._store.post(
            Message(
                "",
                channel.id,
                **content,
                metadata=metadata,
                thread=thread,
                broadcast=bool(thread) and _flag(asked.get("reply_broadcast")),
            )
        )
        return {"channel": channel.id, "ts": posted.ts, "message": self._store.plain(posted)}

    def _post_ephemeral(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        channel, user = self._store.channel(str(asked.get("channel", ""))), str(asked.get("user", ""))
        if channel is None:
            raise _Refused("channel_not_found")
        if user not in slack_directory.member_ids(channel):
            raise _Refused("user_not_in_channel")
        said = Message("", channel.id, **self._content(asked), only=user)
        return {"message_ts": self._store.post(said).ts}

    def _update(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        channel = self._member(asked)
        message = self._store.find(channel, str(asked.get("ts", "")))
        if message is None:
            raise _Refused("message_not_found")
        changes: dict[str, Any] = self._content(asked)
        if "metadata" in asked:
            changes["metadata"] = _metadata(asked["metadata"])
        self._store.change(message, **changes)
        shown = self._store.plain(message)
        return {"channel": channel, "ts": message.ts, "text": message.text, "message": shown}

    def _delete(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        channel = self._member(asked)
        ts = str(asked.get("ts", ""))
        if not self._store.remove(channel, ts):
            raise _Refused("message_not_found")
        return {"channel": channel, "ts": ts}

    def _permalink(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        channel, ts = self._known(asked).id, str(asked.get("message_ts", ""))
        if self._store.find(channel, ts) is None:
            raise _Refused("message_not_found")
        link = f"https://{TEAM['domain']}.slack.com/archives/{channel}/p{ts.replace('.', '')}"
        return {"channel": channel, "permalink": link}

    def _users(self, _asked: dict[str, Any], _base: str) -> dict[str, Any]:
        members = [slack_directory.person_plain(user) for user in PEOPLE]
        return {"members": members, "response_metadata": {"next_cursor": ""}}

    def _user(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        user = str(asked.get("user", ""))
        if user not in PEOPLE:
            raise _Refused("user_not_found")
        return {"user": slack_directory.person_plain(user)}

    def _lookup(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        user = slack_directory.by_address(str(asked.get("email", "")))
        if user is None:
            raise _Refused("users_not_found")
        return {"user": slack_directory.person_plain(user)}

    def _info(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        return {"channel": slack_directory.channel_plain(self._known(asked))}

    def _members(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        members = slack_directory.member_ids(self._known(asked))
        return {"members": members, "response_metadata": {"next_cursor": ""}}

    def _content(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What a message is made of, checked."""
        text = str(asked.get("text") or "")
        blocks, attachments = asked.get("blocks"), asked.get("attachments")
        if isinstance(blocks, str) or isinstance(attachments, str):
            raise _Refused("invalid_blocks_format")
        if not text and not blocks and not attachments:
            raise _Refused("no_text")
        if len(text) > _LONGEST_TEXT:
            raise _Refused("msg_too_long")
        if blocks and (wrong := slack_blocks.check(blocks)):
            messages = [f"[ERROR] {one}" for one in wrong]
            raise _Refused("invalid_blocks", {"errors": wrong, "response_metadata": {"messages": messages}})
        if attachments and len(attachments) > 100:
            raise _Refused("too_many_attachments")
        return {"text": text, "blocks": blocks or [], "attachments": attachments or []}

    def _history(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        channel = self._member(asked)
        with self._store.lock:
            held = [m for m in reversed(self._store.messages[channel]) if not m.hidden]
        return self._page(held, asked, default=100, most=999)

    def _replies(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        channel = self._member(asked)
        parent = self._store.find(channel, str(asked.get("ts", "")))
        if parent is None:
            raise _Refused("thread_not_found")
        held = [parent, *self._store.replies(channel, parent.ts)]
        return self._page(held, asked, default=1000, most=1000)

    def _page(self, held: list[Message], asked: dict[str, Any], *, default: int, most: int) -> dict[str, Any]:
        limit = min(int(asked.get("limit") or default), most)
        oldest, latest = str(asked.get("oldest") or "0"), str(asked.get("latest") or "9" * 12)
        inside = _flag(asked.get("inclusive"))
        held = [
            m
            for m in held
            if _moment(oldest) < _moment(m.ts) < _moment(latest) or (inside and m.ts in (oldest, latest))
        ]
        cursor = str(asked.get("cursor") or "")
        if cursor:
            places = [n for n, m in enumerate(held) if m.ts == cursor]
            if not places:
                raise _Refused("invalid_cursor")
            held = held[places[0] :]
        metadata = _flag(asked.get("include_all_metadata"))
        page: dict[str, Any] = {
            "messages": [self._store.plain(m, metadata=metadata) for m in held[:limit]],
            "has_more": len(held) > limit,
        }
        if len(held) > limit:
            page["response_metadata"] = {"next_cursor": held[limit].ts}
        return page

    def _list(self, _asked: dict[str, Any], _base: str) -> dict[str, Any]:
        shown = [slack_directory.channel_plain(channel) for channel in CHANNELS]
        return {"channels": shown, "response_metadata": {"next_cursor": ""}}

    def _open_direct(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        user = str(asked.get("users", ""))
        if user not in PEOPLE:
            raise _Refused("user_not_found")
        return {"channel": {"id": self._store.direct(user).id}}

    def _upload_url(self, asked: dict[str, Any], base: str) -> dict[str, Any]:
        name, length = str(asked.get("filename") or ""), int(asked.get("length") or 0)
        if not name or length <= 0:
            raise _Refused("invalid_arguments")
        file = self._store.announce_file(name, length, str(asked.get("alt_txt") or ""))
        return {"upload_url": f"{base}/upload/v1/{file.id}", "file_id": file.id}

    def _complete_upload(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        named = asked.get("files")
        if not isinstance(named, list) or not named:
            raise _Refused("invalid_arguments")
        files = [self._store.files.get(str(one.get("id"))) for one in named]
        held = [file for file in files if file is not None and file.data is not None]
        if len(held) != len(named):
            raise _Refused("file_not_found")
        for file, one in zip(held, named, strict=True):
            file.title, file.shared = str(one.get("title") or file.name), True
        where = str(asked.get("channel_id") or asked.get("channels") or "")
        if where:
            channel = self._store.channel(where)
            if channel is None:
                raise _Refused("channel_not_found")
            text, thread = str(asked.get("initial_comment") or ""), str(asked.get("thread_ts") or "")
            self._store.post(Message("", channel.id, text, thread=thread, files=held))
        return {"files": [file_plain(file) for file in held]}

    def _open(self, _asked: dict[str, Any], _base: str) -> dict[str, Any]:
        return {"url": f"{self._sockets.base}/link/?ticket={self._sockets.ticket()}&app_id={APP_ID}"}

    def _open_view(self, asked: dict[str, Any], _base: str) -> dict[str, Any]:
        try:
            made = self._views.open(str(asked.get("trigger_id", "")), asked.get("view"))
        except Refusal as refused:
            told = {"response_metadata": {"messages": refused.told}} if refused.told else {}
            raise _Refused(refused.error, told) from None
        return {"view": made.plain()}

    def _known(self, asked: dict[str, Any]) -> Channel:
        channel = self._store.channel(str(asked.get("channel", "")))
        if channel is None:
            raise _Refused("channel_not_found")
        return channel

    def _member(self, asked: dict[str, Any]) -> str:
        channel = self._known(asked)
        if not channel.member:
            raise _Refused("not_in_channel")
        return channel.id


def _metadata(value: Any) -> dict[str, Any] | None:
    if not value:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("event_payload"), dict):
        raise _Refused("invalid_metadata_format")
    if not isinstance(value.get("event_type"), str) or not value["event_type"]:
        raise _Refused("invalid_metadata_schema")
    if len(json.dumps(value)) > _LARGEST_METADATA:
        raise _Refused("metadata_too_large")
    return value


def _flag(value: Any) -> bool:
    return str(value).lower() in ("true", "1")


def _moment(ts: str) -> tuple[int, int]:
    """A timestamp as its two whole numbers: as a float it would lose its last digit."""
    seconds, _, micros = ts.partition(".")
    return int(seconds or 0), int((micros or "0").ljust(6, "0")[:6])
