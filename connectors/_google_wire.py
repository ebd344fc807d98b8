"""The wire to Google Ads: one authorised gRPC channel, its calls, and what they cost.

Messages, request headers and channel options are the official client's. Its service classes are left out:
they wrap every row in proto-plus, hide some refusals' details, and take no roots of trust per channel.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import grpc
from google.ads.googleads.interceptors import MetadataInterceptor
from google.api_core.gapic_v1.client_info import ClientInfo
from google.api_core.gapic_v1.routing_header import to_grpc_metadata

from connectors._google_errors import REAUTHORISE, UPGRADE, translate
from connectors._google_login import Login
from connectors._google_rows import Columns, Query, reply
from connectors.errors import RateLimited, Unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from connectors.contract import Usage
    from connectors.google_ads import Settings

__all__ = ["Wire"]

_SCOPE = "https://www.googleapis.com/auth/adwords"
_OPTIONS = [
    ("grpc.max_metadata_size", 16 * 1024 * 1024),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
]


class Wire:
    """Calls to one version of the API, made as one user; costs are added to `usage`.

    Raises SourceError only: of whatever kind says what to do next.
    """

    def __init__(self, settings: Settings, usage: Usage) -> None:
        self._settings = settings
        self._usage = usage
        usage.api_version = settings.api_version
        self._login = Login(settings, _SCOPE, reauthorise=REAUTHORISE, options=_OPTIONS)

    def accessible(self) -> list[str]:
        """Ids of the accounts and managers that the user was given access to directly."""
        types = self._types("customer_service")
        call = self._channel_via("").unary_unary(
            self._method("CustomerService/ListAccessibleCustomers"),
            request_serializer=types.ListAccessibleCustomersRequest.serialize,
            response_deserializer=types.ListAccessibleCustomersResponse.pb().FromString,
        )
        self._login.authorise()
        self._usage.operations += 1
        try:
            answer, ended = call.with_call(
                types.ListAccessibleCustomersRequest(),
                timeout=self._settings.timeout_seconds,
                metadata=[ClientInfo().to_grpc_metadata()],
            )
        except grpc.RpcError as error:
            raise self._translated(error, customer="", via="") from None
        self._usage.request_ids += [str(v) for k, v in ended.trailing_metadata() if k == "request-id"]
        return [name.removeprefix("customers/") for name in answer.resource_names]

    def search(
        self,
        query: Query,
        customer: str,
        *,
        via: str,
        narrow: tuple[str, date, date] | tuple[()] = (),
    ) -> Iterator[Columns]:
        """The columns of `query` asked of `customer`, a chunk of up to 10,000 rows at a time.

        via: the manager through which the account is reached, or "". narrow: see Query.text.
        One operation, however many chunks.
        """
        if not (customer.isdecimal() and (via == "" or via.isdecimal())):
            raise ValueError(f"account ids are digits, got {customer!r} through {via!r}")
        types = self._types("google_ads_service")
        reading = reply(query, self._settings.api_version)
        call = self._channel_via(via).unary_stream(
            self._method("GoogleAdsService/SearchStream"),
            request_serializer=types.SearchGoogleAdsStreamRequest.serialize,
            response_deserializer=reading.read,
        )
        self._login.authorise()
        self._usage.operations += 1
        chunks = call(
            types.SearchGoogleAdsStreamRequest(customer_id=customer, query=query.text(*narrow)),
            timeout=self._settings.timeout_seconds,
            metadata=[
                to_grpc_metadata({"customer_id": customer}),
                ClientInfo().to_grpc_metadata(),
            ],
        )
        request_id = ""
        try:
            for told, columns in chunks:
                if told != request_id:
                    request_id = told
                    self._usage.request_ids.append(request_id)
                if any(columns.values()):
                    yield columns
        except grpc.RpcError as error:
            raise self._translated(error, customer=customer, via=via) from None
        finally:
            chunks.cancel()

    def _translated(self, error: grpc.RpcError, *, customer: str, via: str) -> Exception:
        told = translate(error, customer=customer, via=via)
        if isinstance(told, RateLimited):
            self._usage.retry_after = told.retry_after
        if told.request_id and told.request_id not in self._usage.request_ids:
            self._usage.request_ids.append(told.request_id)
        return told

    def _channel_via(self, via: str) -> grpc.Channel:
        developer_token = self._settings.developer_token.get_secret_value()
        return grpc.intercept_channel(
            self._login.channel, MetadataInterceptor(developer_token or None, via or None)
        )

    def _method(self, name: str) -> str:
        return f"/google.ads.googleads.{self._settings.api_version}.services.{name}"

    def _types(self, name: str) -> Any:
        version = self._settings.api_version
        try:
            return importlib.import_module(f"google.ads.googleads.{version}.services.types.{name}")
        except ModuleNotFoundError as error:
            raise Unexpected(
                f"the installed google-ads package has no {version}: {error}", mend=UPGRADE
            ) from error
