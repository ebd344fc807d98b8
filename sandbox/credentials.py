"""What a program needs to be let in: clients of the ad platforms, and of the channels that people hear by.

Derived from the seed, so that a program set up once is still let in after the sandbox was restarted. They
open nothing but a sandbox on the loopback interface.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "Credentials",
    "GoogleCredentials",
    "MailCredentials",
    "MetaCredentials",
    "SlackCredentials",
    "TwilioCredentials",
]


def _derive(seed: int, name: str, length: int = 40) -> str:
    return hashlib.sha256(f"sandbox credential {seed} {name}".encode()).hexdigest()[:length]


@dataclass(frozen=True, slots=True)
class GoogleCredentials:
    """An OAuth client with a user's refresh token, and a service account.

    service_account_key: its RSA key; the OAuth token endpoint checks JWT assertions with its public half.
    service_account_file: where the file that google-auth reads is written once the endpoint is known.
    """

    client_id: str
    client_secret: str
    refresh_token: str
    service_account_email: str
    service_account_key: rsa.RSAPrivateKey = field(repr=False, compare=False)
    service_account_file: Path

    def write_service_account_file(self, token_uri: str) -> None:
        """Write the JSON file by which google-auth signs its assertions for `token_uri`."""
        pem = self.service_account_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.service_account_file.touch(mode=0o600)
        self.service_account_file.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": "marketing-sandbox",
                    "private_key_id": _derive(0, pem),
                    "private_key": pem,
                    "client_email": self.service_account_email,
                    "client_id": self.client_id,
                    "token_uri": token_uri,
                },
                indent=2,
            )
        )


@dataclass(frozen=True, slots=True)
class MetaCredentials:
    """A Meta app with a system user's access token."""

    app_id: str
    app_secret: str
    access_token: str


@dataclass(frozen=True, slots=True)
class SlackCredentials:
    """A Slack app's bot token, and its app-level token for Socket Mode."""

    bot_token: str
    app_token: str


@dataclass(frozen=True, slots=True)
class MailCredentials:
    """Who may hand mail to the mail server."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class TwilioCredentials:
    """A Twilio account and the number that it sends from."""

    account_sid: str
    auth_token: str
    number: str


@dataclass(frozen=True, slots=True)
class OidcCredentials:
    """The app, as the login's provider knows it."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything that the servers let in; nothing else is."""

    google: GoogleCredentials
    meta: MetaCredentials
    slack: SlackCredentials
    smtp: MailCredentials
    twilio: TwilioCredentials
    oidc: OidcCredentials

    @classmethod
    def derive(cls, seed: int, folder: Path) -> Credentials:
        """The credentials of a seed; the service account's key is new each time and lives in `folder`."""
        google = GoogleCredentials(
            client_id=f"{int(_derive(seed, 'client', 10), 16)}-sandbox.apps.googleusercontent.com",
            client_secret=f"GOCSPX-{_derive(seed, 'client secret', 28)}",
            refresh_token=f"1//0s{_derive(seed, 'refresh token')}",
            service_account_email="poller@marketing-sandbox.iam.gserviceaccount.com",
            service_account_key=rsa.generate_private_key(public_exponent=65537, key_size=2048),
            service_account_file=folder / "service-account.json",
        )
        meta = MetaCredentials(
            app_id=str(10**14 + int(_derive(seed, "app", 11), 16)),
            app_secret=_derive(seed, "app secret", 32),
            access_token=f"EAA{_derive(seed, 'access token', 60)}",
        )
        slack = SlackCredentials(
            bot_token=f"xoxb-{_derive(seed, 'slack bot', 48)}",
            app_token=f"xapp-1-A0PACELINE-{_derive(seed, 'slack app', 64)}",
        )
        smtp = MailCredentials("alerts", _derive(seed, "mail", 24))
        twilio = TwilioCredentials(
            f"AC{_derive(seed, 'twilio', 32)}", _derive(seed, "twilio token", 32), "+15005550006"
        )
        oidc = OidcCredentials("paceline", _derive(seed, "oidc", 48))
        return cls(google, meta, slack, smtp, twilio, oidc)
