"""A Slack workspace: its channels, people, messages and files. Everything that Slack itself would keep."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = [
    "APP_ID",
    "BOT_ID",
    "BOT_USER",
    "CHANNELS",
    "PEOPLE",
    "TEAM",
    "Channel",
    "File",
    "Message",
    "SlackStore",
    "file_plain",
]

TEAM: Final = {"id": "T0SANDBOX", "name": "Northwind Marketing", "domain": "northwind"}
APP_ID: Final = "A0PACELINE"
BOT_ID: Final = "B0PACELINE"
BOT_USER: Final = "U0PACELINE"


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel. member: whether the bot was invited."""

    id: str
    name: str
    topic: str
    member: bool = True
    archived: bool = False


CHANNELS: Final = (
    Channel("C0MKTALERTS", "marketing-alerts", "Paceline tells when money is at risk"),
    Channel("C0MKTDIGEST", "marketing-digest", "Every morning at eight"),
    Channel("C0LEADERSHIP", "leadership", "Managers", member=False),
    Channel("C0OLDALERTS", "old-alerts", "", archived=True),
)

PEOPLE: Final = {
    "U0ANA00001": "ana",
    "U0BEN00002": "ben",
    "U0CHIOMA03": "chioma",
    BOT_USER: "paceline",
}


@dataclass(slots=True)
class File:
    """An uploaded file. data: None until the bytes came; shared: once completed."""

    id: str
    name: str
    length: int
    alt_text: str = ""
    title: str = ""
    data: bytes | None = None
    shared: bool = False


@dataclass(slots=True)
class Message:
    """A message as stored. thread: the parent's ts, of a reply."""

    ts: str
    channel: str
    text: str
    blocks: list[Any] = field(default_factory=list)
    attachments: list[Any] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    thread: str = ""
    broadcast: bool = False
    edited: str = ""
    files: list[File] = field(default_factory=list)
    only: str = ""
    """Whose eyes it is for; such a message is in no history."""
    seen: int = 0
    """The store's version when it last changed."""

    @property
    def hidden(self) -> bool:
        """Whether it is a reply that is shown in its thread alone."""
        return bool(self.thread) and self.thread != self.ts and not self.broadcast


class SlackStore:
    """Thread-safe: servers write, the page reads. version grows with every change."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.lock = threading.RLock()
        self.messages: dict[str, list[Message]] = {channel.id: [] for channel in CHANNELS}
        self.whispers: dict[str, list[Message]] = {}
        self._direct: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.version = 0
        self._last = 0
        self._files = 0

    def channels(self) -> list[Channel]:
        """The workspace's, then direct conversations in the order of their beginning."""
        with self.lock:
            return [*CHANNELS, *self._direct.values()]

    def channel(self, name: str, *, posting: bool = False) -> Channel | None:
        """A channel by its id; posting also takes `#name`, and a person's id for a direct one."""
        if posting and name in PEOPLE:
            return self.direct(name)
        for one in self.channels():
            if name == one.id or (posting and name.removeprefix("#") == one.name):
                return one
        return None

    def direct(self, user: str) -> Channel:
        """The conversation with one person, opened where there is none yet."""
        with self.lock:
            if user not in self._direct:
                made = Channel(f"D{user[1:]}", PEOPLE[user], "")
                self._direct[user] = made
                self.messages[made.id] = []
            return self._direct[user]

    def post(self, message: Message) -> Message:
        """Store a new message under a timestamp of its own."""
        with self.lock:
            message.ts = self._stamp()
            held = self.whispers if message.only else self.messages
            held.setdefault(message.channel, []).append(message)
            self._touch(message)
        return message

    def find(self, channel: str, ts: str) -> Message | None:
        """The message with that timestamp."""
        with self.lock:
            return next((m for m in self.messages[channel] if m.ts == ts), None)

    def change(self, message: Message, **fields: Any) -> None:
        """Edit a message."""
        with self.lock:
            for name, value in fields.items():
                setattr(message, name, value)
            message.edited = self._stamp()
            self._touch(message)

    def remove(self, channel: str, ts: str) -> bool:
        """Delete a message; whether there was one."""
        with self.lock:
            found = self.find(channel, ts)
            if found is not None:
                self.messages[channel].remove(found)
                self.version += 1
            return found is not None

    def replies(self, channel: str, ts: str) -> list[Message]:
        """A thread's replies, oldest first."""
        with self.lock:
            return [m for m in self.messages[channel] if m.thread == ts and m.ts != ts]

    def announce_file(self, name: str, length: int, alt_text: str) -> File:
        """Room for a file that is to come."""
        with self.lock:
            self._files += 1
            number = hashlib.sha256(f"file {self._files}".encode()).hexdigest()[:9].upper()
            made = File(f"F0{number}", name, length, alt_text)
            self.files[made.id] = made
        return made

    def plain(self, message: Message, *, metadata: bool = False) -> dict[str, Any]:
        """The message as the Web API shows it."""
        with self.lock:
            shown: dict[str, Any] = {
                "type": "message",
                "ts": message.ts,
                "user": BOT_USER,
                "bot_id": BOT_ID,
                "app_id": APP_ID,
                "team": TEAM["id"],
                "text": message.text,
            }
            if message.blocks:
                shown["blocks"] = message.blocks
            if message.attachments:
                shown["attachments"] = message.attachments
            if metadata and message.metadata:
                shown["metadata"] = message.metadata
            if message.edited:
                shown["edited"] = {"user": BOT_ID, "ts": message.edited}
            if message.files:
                shown["files"] = [file_plain(one) for one in message.files]
            replies = self.replies(message.channel, message.ts)
            if message.thread or replies:
                shown["thread_ts"] = message.thread or message.ts
            if message.broadcast:
                shown["subtype"] = "thread_broadcast"
            if replies:
                shown |= {
                    "reply_count": len(replies),
                    "reply_users": [BOT_USER],
                    "reply_users_count": 1,
                    "latest_reply": replies[-1].ts,
                }
            return shown

    def _stamp(self) -> str:
        """The present moment in Slack's notation, later than any before: an id within its channel."""
        micros = max(int(self._clock().timestamp() * 1_000_000), self._last + 1)
        self._last = micros
        return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"

    def _touch(self, message: Message) -> None:
        self.version += 1
        message.seen = self.version


def file_plain(file: File) -> dict[str, Any]:
    """A file as the Web API shows it."""
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": "image/png" if file.name.endswith(".png") else "application/octet-stream",
        "filetype": file.name.rsplit(".", 1)[-1],
        "size": file.length,
        "alt_txt": file.alt_text,
        "url_private": f"https://files.slack.com/files-pri/{TEAM['id']}-{file.id}/{file.name}",
    }
