"""Slack's methods about who and what is in the workspace: people, and channels one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.slack_store import BOT_ID, BOT_USER, PEOPLE, TEAM

if TYPE_CHECKING:
    from sandbox.slack_store import Channel

__all__ = ["address", "by_address", "channel_plain", "member_ids", "person_plain"]


def address(user: str) -> str:
    """A person's mail address."""
    return f"{PEOPLE[user]}@example.com"


def by_address(given: str) -> str | None:
    """The id of the person with a mail address."""
    return next((user for user in PEOPLE if user != BOT_USER and address(user) == given.lower()), None)


def person_plain(user: str) -> dict[str, Any]:
    """A person as the Web API shows them."""
    name, bot = PEOPLE[user], user == BOT_USER
    profile = {"real_name": name.title(), "display_name": name, "team": TEAM["id"]}
    profile |= {"bot_id": BOT_ID} if bot else {"email": address(user)}
    return {
        "id": user,
        "team_id": TEAM["id"],
        "name": name,
        "real_name": name.title(),
        "deleted": False,
        "is_bot": bot,
        "is_admin": False,
        "tz": "Europe/Berlin",
        "profile": profile,
    }


def channel_plain(channel: Channel) -> dict[str, Any]:
    """A channel as the Web API shows it; one that begins with D is a conversation with one person."""
    direct = channel.id.startswith("D")
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not direct,
        "is_im": direct,
        "is_private": direct,
        "is_archived": channel.archived,
        "is_member": channel.member,
        "topic": {"value": channel.topic},
    }


def member_ids(channel: Channel) -> list[str]:
    """Who is in a channel: everybody, and the app where it was invited."""
    if channel.id.startswith("D"):
        return [user for user in PEOPLE if user == BOT_USER or PEOPLE[user] == channel.name]
    return [user for user in PEOPLE if user != BOT_USER or channel.member]
