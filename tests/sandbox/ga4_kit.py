"""What the tests of Google Analytics share: a world behind a server, and the official client against it."""

from datetime import timedelta

import grpc
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataGrpcTransport,
)
from google.analytics.data_v1beta.types import DateRange, Dimension, Metric, MinuteRange
from starlette.applications import Starlette

from sandbox import ga4, http, oauth
from sandbox.clock import SandboxClock
from sandbox.credentials import Credentials
from sandbox.ga4_sites import properties
from sandbox.oauth import Tokens
from tests.sandbox.google_kit import NOW, certificate, world

__all__ = ["NOW", "Analytics", "core", "live", "records"]


class Analytics:
    """A server, an access token that it knows, and clients. site: the first property's id."""

    def __init__(self, folder, *, rate_limits=False, **options):
        self.tls = certificate()[0]
        self.clock = SandboxClock(NOW, frozen=True)
        self.world = world(clock=self.clock, **options)
        self.credentials = Credentials.derive(1, folder).google
        tokens = self.tokens = Tokens(self.credentials)
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.credentials.refresh_token,
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
        }
        self.token = tokens.grant(form, now=NOW, revoked=False)["access_token"]
        self.server = ga4.serve(self.world, tls=self.tls, tokens=tokens, rate_limits=rate_limits)
        login = Starlette(routes=oauth.routes(tokens, self.clock.now, lambda: False))
        self.login = http.start(login, tls=self.tls, name="login")
        self.properties = properties(self.world)
        self.site = self.properties[0].id
        ca = self.tls.ca_file.read_bytes()
        caller = grpc.access_token_call_credentials(self.token)
        channel = grpc.secure_channel(
            self.server.endpoint,
            grpc.composite_channel_credentials(grpc.ssl_channel_credentials(ca), caller),
        )
        self.client = BetaAnalyticsDataClient(transport=BetaAnalyticsDataGrpcTransport(channel=channel))

    def stay(self):
        """Let the access token live on, however far the clock is set."""
        self.tokens._expiry[self.token] = NOW + timedelta(days=9)

    def settings(self):
        """What the connector needs to read the first site here."""
        return {
            "client_id": self.credentials.client_id,
            "client_secret": self.credentials.client_secret,
            "refresh_token": self.credentials.refresh_token,
            "endpoint": self.server.endpoint,
            "token_uri": self.login.url.replace("127.0.0.1", "localhost") + "/token",
            "ca_file": str(self.tls.ca_file),
            "properties": {"shop": str(self.site)},
        }

    def post(self, path, body):
        return requests.post(
            f"https://{self.server.rest}/v1beta/{path}",
            json=body,
            headers={"authorization": f"Bearer {self.token}"},
            verify=str(self.tls.ca_file),
            timeout=30,
        )

    def stop(self):
        self.client.transport.close()
        self.server.stop()
        self.login.stop()


def core(site, dimensions, metrics, start="yesterday", end="today", **more):
    """A request for a core report."""
    return {
        "property": f"properties/{site}",
        "dimensions": [Dimension(name=name) for name in dimensions],
        "metrics": [Metric(name=name) for name in metrics],
        "date_ranges": [DateRange(start_date=start, end_date=end)],
        **more,
    }


def live(site, dimensions, metrics, ago=None, **more):
    """A request for a realtime report. ago: (from, to) minutes."""
    spans = [MinuteRange(start_minutes_ago=ago[0], end_minutes_ago=ago[1])] if ago else []
    return {
        "property": f"properties/{site}",
        "dimensions": [Dimension(name=name) for name in dimensions],
        "metrics": [Metric(name=name) for name in metrics],
        "minute_ranges": spans,
        **more,
    }


def records(response):
    """A report's rows: dimension values, then numbers."""
    return [
        (*(v.value for v in row.dimension_values), *(float(v.value) for v in row.metric_values))
        for row in response.rows
    ]
