"""What each channel needs to be told: `alerts.channels` in paceline.yaml, its secrets elsewhere.

A field typed `SecretStr` never stands in the shared file (see docs/channels.md).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

__all__ = [
    "CHANNELS",
    "AppriseSettings",
    "ChannelSettings",
    "EmailSettings",
    "SlackSettings",
    "SmsSettings",
]


def _starts(prefix: str, where: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and not text.startswith(prefix):
            raise ValueError(f"begins with {prefix}: {where}")
        return value

    return BeforeValidator(check)


def _decoded(value: Any) -> Any:
    """A table as the environment holds it: one variable of JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:  # its message would quote the value
        raise ValueError('is a table: as a variable, JSON such as {"ops": "…"}') from None


class ChannelSettings(BaseModel):
    """A channel's section: unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SlackSettings(ChannelSettings):
    """A Slack app in one workspace.

    channel: the id of the channel that hears unless a route names another. token: the bot's. app_token: for
    Socket Mode, by which buttons come back; without it messages have no buttons. url, ca_file: for a sandbox.
    """

    channel: Annotated[
        str,
        Field(pattern=r"^[CGD][A-Z0-9]{5,}$", description="at the foot of the channel's details in Slack"),
    ]
    token: Annotated[SecretStr, _starts("xoxb-", "the app's page, OAuth & Permissions")]
    app_token: Annotated[SecretStr, _starts("xapp-", "the app's page, Basic Information")] | None = None
    url: Annotated[str, Field(pattern=r"^https://\S+/$")] = "https://slack.com/api/"
    ca_file: Path | None = None


class EmailSettings(ChannelSettings):
    """A mail server that takes what we send.

    security: starttls (port 587), tls from the first byte (465), or none, for a relay on this machine alone.
    sender: the address that mails come from; its domain also makes their Message-IDs.
    """

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: SecretStr | None = None
    sender: Annotated[str, Field(pattern=r"^[^\s@<>]+@[^\s@<>]+$")]
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _guarded(self) -> EmailSettings:
        if self.security == "none" and self.password is not None:
            raise ValueError("a password is not sent over a connection that is not encrypted: use starttls")
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password go together")
        return self


class SmsSettings(ChannelSettings):
    """A Twilio account. sender: one of its numbers, or a messaging service's id (MG…)."""

    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-f]{32}$")]
    auth_token: SecretStr
    sender: Annotated[str, Field(pattern=r"^(\+[1-9]\d{6,14}|MG[0-9a-f]{32})$")]
    url: Annotated[str, Field(pattern=r"^https://\S+[^/]$")] = "https://api.twilio.com"
    ca_file: Path | None = None


class AppriseSettings(ChannelSettings):
    """Any other channel: a name, by which routes mean it, to an Apprise address, which holds its secrets."""

    urls: Annotated[dict[str, SecretStr], BeforeValidator(_decoded), Field(min_length=1)]


CHANNELS: Final[dict[str, type[ChannelSettings]]] = {
    "slack": SlackSettings,
    "email": EmailSettings,
    "sms": SmsSettings,
    "apprise": AppriseSettings,
}
"""Every channel that can be set up, by its name; the app's inbox needs nothing."""
