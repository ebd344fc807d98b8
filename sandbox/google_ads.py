"""The sandbox's Google Ads API: gRPC over TLS at v23 to v26, and a host for its REST face and OAuth.

One generic handler answers every version with the google-ads package's own messages, so that there are no
.proto files here. A version that is not served answers UNIMPLEMENTED, as one past its sunset does.
"""

from __future__ import annotations

import re
import threading
from concurrent import futures
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from sandbox import google_rest, http
from sandbox.google_errors import VERSIONS, Broken, Refused, failure, failure_key, types
from sandbox.google_field_service import field_named
from sandbox.google_quota import BASIC, Limits, Quota
from sandbox.google_service import Call, Cut, Malformed, Service, request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.model import World
    from sandbox.oauth import Tokens
    from sandbox.tls import Tls

__all__ = ["Served", "serve"]

_METHOD = re.compile(r"/google\.ads\.googleads\.(v\d+)\.services\.(\w+)/(\w+)")
_GARBAGE = b"\xff\xfe<html>502 Bad Gateway</html>"
_WORKERS = 24


@dataclass(frozen=True, slots=True)
class Served:
    """A Google Ads API that is up.

    endpoint: what GoogleAdsClient takes as its endpoint. rest_url: what stands before `/v26/customers/…`.
    """

    endpoint: str
    rest_url: str
    oauth_token_url: str
    service: Service
    _grpc: Any
    _rest: http.HttpServer

    @property
    def operations(self) -> int:
        """Operations of the last 24 hours, which the daily quota counts."""
        return self.service.quota.used(self.service.now())

    def stop(self) -> None:
        """Close both ports; calls under way are cancelled."""
        self._grpc.stop(grace=None).wait(5)
        self._rest.stop()


def serve(
    world: World,
    *,
    tls: Tls,
    tokens: Tokens,
    rate_limits: bool | Limits = False,
    port: int = 0,
    rest_port: int = 0,
) -> Served:
    """Serve `world` on the loopback interface. Raises OSError when a port is taken.

    tokens: those that the OAuth endpoint, which is served beside the REST face, issues.
    rate_limits: turn callers away who use up Basic access, or the limits that are given.
    """
    limits = rate_limits if isinstance(rate_limits, Limits) else BASIC if rate_limits else None
    service = Service(world, tokens, Quota(limits))
    server = grpc.server(
        futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="google-ads"),
        handlers=(_Handler(service),),
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    pair = (tls.key_pem.read_bytes(), tls.cert_pem.read_bytes())
    try:
        bound = server.add_secure_port(f"localhost:{port}", grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise OSError(f"port {port} is taken: {error}") from None
    rest = http.start(google_rest.app(service, tokens), tls=tls, port=rest_port, name="google-ads")
    server.start()
    url = f"https://localhost:{rest.port}"
    return Served(f"localhost:{bound}", url, f"{url}/token", service, server, rest)


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Finds the method of a path, whatever its version."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def service(self, handler_call_details: Any) -> Any:
        found = _METHOD.fullmatch(handler_call_details.method)
        if found is None or found[1] not in VERSIONS:
            return None
        version, where, method = found.groups()
        call = Call(version, dict(handler_call_details.invocation_metadata))
        makers = {
            ("GoogleAdsService", "Search"): self._search,
            ("GoogleAdsService", "SearchStream"): self._stream,
            ("CustomerService", "ListAccessibleCustomers"): self._accessible,
            ("GoogleAdsFieldService", "SearchGoogleAdsFields"): self._fields,
            ("GoogleAdsFieldService", "GetGoogleAdsField"): self._field,
        }
        make = makers.get((where, method))
        return make(call) if make else None

    def _search(self, call: Call) -> Any:
        request = types(call.version, "services.types.google_ads_service").SearchGoogleAdsRequest
        return self._unary(call, request, self._service.search)

    def _accessible(self, call: Call) -> Any:
        request = types(call.version, "services.types.customer_service").ListAccessibleCustomersRequest
        return self._unary(call, request, lambda call, _: self._service.accessible_customers(call))

    def _fields(self, call: Call) -> Any:
        request = types(call.version, "services.types.google_ads_field_service").SearchGoogleAdsFieldsRequest
        return self._unary(call, request, self._service.search_fields)

    def _field(self, call: Call) -> Any:
        request = types(call.version, "services.types.google_ads_field_service").GetGoogleAdsFieldRequest
        return self._unary(
            call, request, lambda call, one: field_named(call.version, one.resource_name.rpartition("/")[2])
        )

    def _unary(self, call: Call, request: Any, work: Callable[[Call, Any], Any]) -> Any:
        def answer(asked: Any, context: Any) -> Any:
            id_ = request_id()
            self._begin(asked, context, id_)
            try:
                return work(call, asked)
            except (Refused, Broken, Cut, Malformed) as error:
                return _fail(error, context, call.version, id_)

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=request.pb().FromString, response_serializer=_serialized
        )

    def _stream(self, call: Call) -> Any:
        request = types(call.version, "services.types.google_ads_service").SearchGoogleAdsStreamRequest

        def answer(asked: Any, context: Any) -> Iterator[Any]:
            id_ = request_id()
            self._begin(asked, context, id_)
            try:
                yield from self._service.stream(call, asked, id_)
            except (Refused, Broken, Cut, Malformed) as error:
                yield _fail(error, context, call.version, id_)

        return grpc.unary_stream_rpc_method_handler(
            answer, request_deserializer=request.pb().FromString, response_serializer=_serialized
        )

    def _begin(self, asked: Any, context: Any, id_: str) -> None:
        """Send the request's id, then hang as long as the world's faults say or the caller waits."""
        context.send_initial_metadata((("request-id", id_),))
        context.set_trailing_metadata((("request-id", id_),))
        seconds = self._service.faults(getattr(asked, "customer_id", "")).hang_seconds
        if seconds:
            gone = threading.Event()
            if context.add_callback(gone.set):
                gone.wait(seconds)


def _serialized(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())


def _fail(error: Exception, context: Any, version: str, id_: str) -> bytes:
    """End the call with the error's status, or with bytes that no client can read."""
    if isinstance(error, Malformed):
        return _GARBAGE
    if isinstance(error, Refused):
        details = failure(version, error, id_).SerializeToString()
        context.set_trailing_metadata(((failure_key(version), details), ("request-id", id_)))
        context.abort(error.status, error.summary)
    if isinstance(error, Cut):
        context.abort(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")
    context.abort(grpc.StatusCode.UNAVAILABLE, Broken.summary)
    raise AssertionError("abort never returns") from error
