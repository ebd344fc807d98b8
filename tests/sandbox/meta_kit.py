"""What the tests of the Meta sandbox share: one world behind one server, and the official client against it."""

import time
from datetime import UTC, datetime

import pytest
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession

from sandbox import meta
from sandbox.clock import SandboxClock
from sandbox.credentials import Credentials
from sandbox.incidents import IncidentBook
from sandbox.tls import issue
from sandbox.world import World

NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
NEW_YORK = "act_120304986325001"
NEW_YORK_ID = 120304986325001


class Sandbox:
    """A world (seed 1: three accounts on Meta of four campaigns each), its clock, incidents and server."""

    def __init__(self, folder, *, now=NOW, rate_limits=False, campaigns=4, wrap=lambda world: world):
        self.tls = issue(folder)
        self.credentials = Credentials.derive(1, folder)
        self.clock = SandboxClock(now, frozen=True)
        self.incidents = IncidentBook()
        self.world = wrap(
            World(1, accounts=6, campaigns=campaigns, days=45, clock=self.clock, incidents=self.incidents)
        )
        self.sessions = []
        self.server = meta.serve(
            self.world, tls=self.tls, credentials=self.credentials, rate_limits=rate_limits
        )
        self.requests = self.session().requests

    def session(self, *, secret=True, token=None):
        session = FacebookSession(
            app_id=self.credentials.meta.app_id,
            app_secret=self.credentials.meta.app_secret if secret is True else secret,
            access_token=token or self.credentials.meta.access_token,
            timeout=20,
        )
        session.GRAPH = self.server.url
        session.requests.verify = str(self.tls.ca_file)
        self.sessions.append(session.requests)
        return session

    def api(self, version="v26.0", **session):
        return FacebookAdsApi(self.session(**session), api_version=version)

    def get(self, path, version="v26.0", **params):
        """One GET without the client's own opinions: (status, document)."""
        reply = self.requests.get(
            f"{self.server.url}/{version}/{path}".replace("//v", "/v"), params=params, timeout=20
        )
        return reply.status_code, reply.json()

    def stop(self):
        for session in self.sessions:
            # Closing the session leaves a pool open for as long as somebody holds one of its replies.
            pools = session.get_adapter(self.server.url).poolmanager.pools
            for key in pools.keys():  # noqa: SIM118 (urllib3's container cannot be iterated)
                pools[key].close()
            session.close()
        # Let the server see the ends of its connections: what it must cut off it leaves unclosed.
        time.sleep(0.1)
        self.server.stop()


@pytest.fixture(scope="module", autouse=True)
def no_bundle_from_the_environment():
    """REQUESTS_CA_BUNDLE would override the sandbox's own authority."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        patch.delenv("CURL_CA_BUNDLE", raising=False)
        yield


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    one = Sandbox(tmp_path_factory.mktemp("meta"))
    yield one
    one.stop()


def drained(sandbox, path, **params):
    """Every row of an edge by following `next` to the end, however empty a page in the middle is."""
    status, page = sandbox.get(path, **params)
    assert status == 200, page
    rows, pages = list(page["data"]), [len(page["data"])]
    session = sandbox.requests
    while "next" in page.get("paging", {}):
        assert len(pages) < 500
        reply = session.get(page["paging"]["next"], timeout=20)
        page = reply.json()
        rows += page["data"]
        pages.append(len(page["data"]))
    return rows, pages
