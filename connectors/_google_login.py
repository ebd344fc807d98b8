"""How Google lets a program in: an OAuth client with a user's refresh token, or a service account's key."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.errors import Unauthorized, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

__all__ = ["Login", "LoginSettings"]


class LoginSettings(BaseModel):
    """What every source of Google's needs.

    client_id, client_secret, refresh_token: an OAuth client and a user who may read; or
        service_account_file, the key of a service account that may.
    timeout_seconds: how long one request may take, all of its rows included.
    endpoint, token_uri, ca_file: for a server other than Google's, such as the sandbox.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    refresh_token: SecretStr = SecretStr("")
    service_account_file: Path | None = None
    timeout_seconds: float = Field(default=300, gt=0)
    endpoint: str
    token_uri: str = ""
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.service_account_file is None:
            needed = {
                "client_id": self.client_id,
                "client_secret": self.client_secret.get_secret_value(),
                "refresh_token": self.refresh_token.get_secret_value(),
            }
            missing = [name for name, value in needed.items() if not value]
            if missing:
                raise ValueError(
                    f"{', '.join(missing)} missing: give all three, or a service_account_file instead"
                )
        return self


class Login:
    """An authorised gRPC channel. reauthorise: the mend where the credentials are dead."""

    def __init__(
        self,
        settings: LoginSettings,
        scope: str,
        *,
        reauthorise: str,
        options: Sequence[tuple[str, int]] = (),
    ) -> None:
        # Google's packages take seconds to import: only who fetches pays for them.
        import google.auth.transport.grpc  # noqa: PLC0415
        import google.auth.transport.requests  # noqa: PLC0415
        import grpc  # noqa: PLC0415

        self._reauthorise = reauthorise
        self._credentials = _credentials(settings, scope)
        self._http = functools.partial(
            google.auth.transport.requests.Request(),
            timeout=settings.timeout_seconds,
            # On the request, not on its session: there REQUESTS_CA_BUNDLE would win over it.
            verify=str(settings.ca_file) if settings.ca_file else None,
        )
        self.channel: grpc.Channel = google.auth.transport.grpc.secure_authorized_channel(
            self._credentials,
            self._http,
            settings.endpoint,
            ssl_credentials=grpc.ssl_channel_credentials(
                settings.ca_file.read_bytes() if settings.ca_file else None
            ),
            options=options,
        )

    def authorise(self) -> None:
        """Get an access token if there is no valid one, here rather than inside gRPC, which hides why not.

        Raises Unauthorized, Unavailable.
        """
        import google.auth.exceptions  # noqa: PLC0415  # as above

        if self._credentials.valid:
            return
        try:
            self._credentials.refresh(self._http)
        except google.auth.exceptions.RefreshError as error:
            words = str(error.args[0] if error.args else error)
            if error.retryable:
                raise Unavailable(f"no access token: {words}") from None
            raise Unauthorized(f"no access token: {words}", mend=self._reauthorise) from None
        except google.auth.exceptions.TransportError as error:
            raise Unavailable(f"no access token: {error}") from None


def _credentials(settings: LoginSettings, scope: str) -> Any:
    """A user's or a service account's credentials, not yet exchanged for an access token."""
    if settings.service_account_file is not None:
        from google.oauth2 import service_account  # noqa: PLC0415  # one of the two is needed

        made = service_account.Credentials.from_service_account_file(
            str(settings.service_account_file), scopes=[scope]
        )
        return made.with_token_uri(settings.token_uri) if settings.token_uri else made
    from google.oauth2.credentials import Credentials  # noqa: PLC0415  # one of the two is needed

    return Credentials(
        None,
        refresh_token=settings.refresh_token.get_secret_value(),
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value(),
        token_uri=settings.token_uri or "https://oauth2.googleapis.com/token",
    )
