"""What the tests of the Google Ads sandbox share: a world behind a server, and the official client against it."""

import functools
import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from google.ads.googleads.client import GoogleAdsClient
from google.oauth2.credentials import Credentials as UserCredentials

from sandbox import google_ads
from sandbox.clock import SandboxClock
from sandbox.credentials import Credentials
from sandbox.gaql import parse
from sandbox.google_check import check
from sandbox.google_fields import catalogue
from sandbox.google_report import answer
from sandbox.google_snapshot import Snapshot
from sandbox.incidents import IncidentBook
from sandbox.oauth import Tokens
from sandbox.tls import issue
from sandbox.world import World

NOW = datetime(2026, 11, 12, 15, tzinfo=UTC)
ROOT, RETAIL = "4025494740", "4024177471"
"""The manager above all, and the one below it."""
BERLIN, NEW_YORK, TOKYO = 4583500000, 4763150002, 4400910004
"""The advertisers of seed 1: reached directly, below both managers, and below the second alone."""

logging.getLogger("google.ads.googleads").setLevel(logging.CRITICAL)


@functools.cache
def certificate():
    """One authority for the whole process: gRPC reads its roots once, before the first channel."""
    folder = tempfile.TemporaryDirectory(prefix="google-ads-tests-")
    tls = issue(Path(folder.name))
    os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(tls.ca_file)
    return tls, folder


def world(*, clock=None, **options):
    return World(
        1,
        **{"accounts": 6, "campaigns": 8, "days": 45, "incidents": IncidentBook()} | options,
        clock=clock or SandboxClock(NOW, frozen=True),
    )


def report(of, customer, query, *, version="v26", at=NOW):
    """The report without a server around it."""
    advertiser = next(a for a in of.advertisers("google_ads", at=at) if a.id == customer)
    snapshot = Snapshot(of, advertiser, at)
    plan = check(parse(query), catalogue(version), now=snapshot.local(at), manager=advertiser.manager)
    return answer(plan, snapshot)


def records(found):
    """A report's rows as dictionaries by GAQL name."""
    names = found.plan.query.select
    return [
        {
            name: found.columns[name][n] if name in found.columns else found.attributes[name][entity]
            for name in names
        }
        for n, entity in enumerate(found.entity)
    ]


class Google:
    """A server and the ways in. tokens are of the user who may enter ROOT and BERLIN."""

    def __init__(self, folder, *, rate_limits=False, **options):
        self.tls = certificate()[0]
        self.credentials = Credentials.derive(1, folder)
        self.clock = SandboxClock(NOW, frozen=True)
        self.world = world(clock=self.clock, **options)
        self.incidents = self.world.incidents
        self.server = google_ads.serve(
            self.world, tls=self.tls, tokens=Tokens(self.credentials.google), rate_limits=rate_limits
        )
        self.credentials.google.write_service_account_file(self.server.oauth_token_url)
        self.kept = []
        self.session = requests.Session()
        self.session.verify = str(self.tls.ca_file)

    def user(self, **changes):
        known = self.credentials.google
        return UserCredentials(
            None,
            **{
                "refresh_token": known.refresh_token,
                "client_id": known.client_id,
                "client_secret": known.client_secret,
                "token_uri": self.server.oauth_token_url,
            }
            | changes,
        )

    def client(self, version="v26", *, plus=False, login=ROOT, credentials=None):
        return GoogleAdsClient(
            credentials=credentials or self.user(),
            endpoint=self.server.endpoint,
            login_customer_id=login,
            version=version,
            use_proto_plus=plus,
        )

    def ads(self, version="v26", **options):
        service = self.client(version, **options).get_service("GoogleAdsService")
        self.kept.append(service)  # a stream dies with its service
        return service

    def rows(self, query, customer=BERLIN, **options):
        service = self.ads(**options)
        stream = service.search_stream(customer_id=str(customer), query=query, timeout=60)
        return [row for chunk in stream for row in chunk.results]

    def token(self, **changes):
        known = self.credentials.google
        form = {
            "grant_type": "refresh_token",
            "refresh_token": known.refresh_token,
            "client_id": known.client_id,
            "client_secret": known.client_secret,
        } | changes
        return self.session.post(self.server.oauth_token_url, data=form, timeout=20)

    def headers(self, login=ROOT):
        return {
            "authorization": f"Bearer {self.token().json()['access_token']}",
            "login-customer-id": login,
        }

    def post(self, path, body, headers=None):
        return self.session.post(
            self.server.rest_url + path, json=body, headers=headers or self.headers(), timeout=60
        )

    def stop(self):
        self.session.close()
        self.server.stop()


@pytest.fixture(scope="module")
def bundle():
    """google-auth asks requests for the token, which finds the authority here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificate()[0].ca_file))
        yield


@pytest.fixture(scope="module")
def google(tmp_path_factory, bundle):
    one = Google(tmp_path_factory.mktemp("google"))
    yield one
    one.stop()


@pytest.fixture
def fresh(tmp_path, bundle):
    """A server of one test's own, to be disturbed."""
    one = Google(tmp_path)
    yield one
    one.stop()
