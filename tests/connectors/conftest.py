"""A Google that answers what a test tells it to, over real TLS, gRPC and HTTP on loopback."""

import http.server
import importlib
import json
import ssl
import threading
from concurrent import futures
from datetime import UTC, datetime
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import grpc
import pytest
import trustme
from google.protobuf import json_format

from connectors.contract import Account, Window
from connectors.google_ads import GoogleAds
from tests.connectors.meta_kit import graph, sandbox, script, usage, waits  # noqa: F401 (fixtures)

VERSION = "v26"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
REFRESH_TOKEN = "1//0sRefreshRefresh"
CLIENT_SECRET = "GOCSPX-clientsecretclientsecret"


def types(name, version=VERSION):
    return importlib.import_module(f"google.ads.googleads.{version}.{name}")


class ScriptedGoogle(grpc.GenericRpcHandler):
    """answer(request, context) -> chunks: lists of rows in the REST spelling, or bytes as they are."""

    def __init__(self, folder):
        self.asked = []  # (method, metadata, request)
        self.answer = lambda _request, _context: [[]]
        self.accessible = ["customers/100"]
        self.token_reply = (200, {"access_token": "ya29.first-access-token", "expires_in": 3599})
        self.token_calls = []
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        key = issued.private_key_pem.bytes()
        self._grpc = grpc.server(futures.ThreadPoolExecutor(4))
        self._grpc.add_generic_rpc_handlers((self,))
        self.port = self._grpc.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, chain)]))
        self._grpc.start()
        self._http = http.server.ThreadingHTTPServer(("localhost", 0), _token_endpoint(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(context)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._serving = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._serving.start()

    def stop(self):
        self._http.shutdown()
        self._serving.join(5)
        self._http.server_close()
        self._grpc.stop(0).wait(5)

    def settings(self, **others):
        return GoogleAds.Settings(
            **{
                "client_id": "client-id",
                "client_secret": CLIENT_SECRET,
                "refresh_token": REFRESH_TOKEN,
                "endpoint": f"localhost:{self.port}",
                "token_uri": f"https://localhost:{self._http.server_port}/token",
                "ca_file": self.ca_file,
                "timeout_seconds": 10,
            }
            | others
        )

    def connector(self, *, now=NOW, **others):
        return GoogleAds(self.settings(**others), now=now)

    def rows(self, *chunks):
        """Answer every search with these chunks."""
        self.answer = lambda _request, _context: chunks

    def tables(self, **tables):
        """Answer with the rows of the resource that a query is FROM; none for those not given."""
        self.answer = lambda request, _context: [tables.get(request.query.split(" FROM ")[1].split()[0], [])]

    def queries(self):
        return [request.query for method, _, request in self.asked if method.endswith("SearchStream")]

    def refuse(self, kind, name, *, status, message="no", wait=None, version=VERSION):
        """Answer every call with a GoogleAdsFailure of one error."""

        def answer(_request, context):
            failure = types("errors.types.errors", version).GoogleAdsFailure.pb()()
            error = failure.errors.add(message=message)
            field = error.error_code.DESCRIPTOR.fields_by_name[kind]
            setattr(error.error_code, kind, field.enum_type.values_by_name[name].number)
            if wait is not None:
                error.details.quota_error_details.retry_delay.seconds = wait
            context.set_trailing_metadata(
                (
                    (
                        f"google.ads.googleads.{version}.errors.googleadsfailure-bin",
                        failure.SerializeToString(),
                    ),
                    ("request-id", "req-refused"),
                )
            )
            context.abort(status, message)

        self.answer = answer

    def service(self, call):
        method = call.method
        version = method.split(".")[3]
        if version != VERSION:
            return None
        metadata = dict(call.invocation_metadata)
        if method.endswith("ListAccessibleCustomers"):
            service = types("services.types.customer_service")
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: self._accessible(service, method, metadata, request, context),
                request_deserializer=service.ListAccessibleCustomersRequest.pb().FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
        service = types("services.types.google_ads_service")
        return grpc.unary_stream_rpc_method_handler(
            lambda request, context: self._search(service, method, metadata, request, context),
            request_deserializer=service.SearchGoogleAdsStreamRequest.pb().FromString,
            response_serializer=lambda message: message,
        )

    def _accessible(self, service, method, metadata, request, context):
        self.asked.append((method, metadata, request))
        context.set_trailing_metadata((("request-id", "req-list"),))
        return service.ListAccessibleCustomersResponse.pb()(resource_names=self.accessible)

    def _search(self, service, method, metadata, request, context):
        self.asked.append((method, metadata, request))
        for chunk in self.answer(request, context):
            if isinstance(chunk, bytes):
                yield chunk
                continue
            message = service.SearchGoogleAdsStreamResponse.pb()()
            json_format.ParseDict({"results": chunk, "requestId": "req-search"}, message)
            yield message.SerializeToString()


def _token_endpoint(google):
    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            google.token_calls.append({name: values[0] for name, values in form.items()})
            status, reply = google.token_reply
            body = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Endpoint


@pytest.fixture
def google(tmp_path):
    server = ScriptedGoogle(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def account():
    return Account("google_ads", "200", "Shop", "EUR", ZoneInfo("Europe/Berlin"), via="100")


@pytest.fixture
def fetch(account):
    """fetch(connector, stream, start, end) -> rows as dictionaries."""

    def run(connector, stream, start, end, of=account):
        described = next(s for s in connector.streams() if s.name == stream)
        batches = list(connector.fetch(described, of, Window(start, end)))
        return [row for batch in batches for row in batch.to_pylist()]

    return run
