"""Calls to Meta's Graph API through the official client: one session of our own, one reply at a time.

The client is used for what it knows (sessions, proofs, versions, encoding of parameters) and not for what it
loses: its cursors stop at the first empty page, which Graph may send in the middle of a list; its objects
cost three times the row. Nothing global is touched: no default API, no crash reporter, so that two sessions
with different tokens never meet.

The token travels in the query, as the client has it. So every text that leaves this module (errors, links,
log lines of the HTTP library) has passed through `redact` first, and no error keeps the client's own as its
context.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import requests
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookError, FacebookRequestError
from facebook_business.session import FacebookSession

from connectors._meta_errors import Refusal, translate
from connectors._meta_limits import load
from connectors.errors import SourceError, TooMuchData, Unavailable, Unexpected, redact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from connectors._meta_limits import Load
    from connectors.contract import Usage

__all__ = ["Graph", "Node", "Page", "Route", "Wait"]

Node = dict[str, Any]
Page = list[Node]
Route = tuple[str, ...]
Wait = Callable[[float], None]
"""Sleeps for seconds; tests pass one that does not."""

_PAUSES = (0.5, 2.0, 5.0)
"""Seconds before a call that failed for a passing reason is repeated; after the last one it has failed."""
_BETWEEN = "see what stands between this machine and Meta: a proxy, or a log-in page of the network"
_LEAST_ROWS = 25
_MOST_EMPTY = 1_000
"""Empty pages in a row after which a list is taken to have no end."""
_OURS = frozenset({"access_token", "appsecret_proof", "limit"})
"""Parameters of a `next` link that are set by us and never taken from a reply."""


class _Redacting(logging.Filter):
    """The HTTP library logs each request's query at DEBUG, token and all."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return True


_redacting = _Redacting()


class _Session(requests.Session):
    """A session whose `verify` is final: REQUESTS_CA_BUNDLE would override the settings' CA file."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


class _Seen:
    """What came in, before the client looks at it: its own failures do not tell the status."""

    status = 0

    def __call__(self, response: requests.Response, **_: Any) -> None:
        self.status = response.status_code
        response.encoding = "utf-8"  # Graph's, where no header says so; guessing it costs more than parsing


class Graph:
    """One app's and one token's view of Graph. Not safe for use by two threads.

    usage: gains an operation, a request id and the utilisation with every reply.
    """

    def __init__(
        self,
        *,
        app_id: str,
        app_secret: str,
        access_token: str,
        version: str,
        url: str,
        ca_file: Path | None,
        timeout: float,
        usage: Usage,
        wait: Wait,
    ) -> None:
        logging.getLogger("urllib3.connectionpool").addFilter(_redacting)
        session = FacebookSession(app_id or None, app_secret or None, access_token, timeout=timeout)
        session.GRAPH = url.rstrip("/")
        if ca_file is not None:
            pinned = _Session()
            pinned.params = session.requests.params
            pinned.verify = str(ca_file)
            session.requests = pinned
        self._seen = _Seen()
        session.requests.hooks["response"].append(self._seen)
        weakref.finalize(self, session.requests.close)
        self._api = FacebookAdsApi(session, api_version=version)
        self._secrets = tuple(
            filter(None, (access_token, app_secret, getattr(session, "appsecret_proof", "")))
        )
        self._usage = usage
        self._wait = wait
        self._timeout = timeout

    def get(self, path: Route, params: Mapping[str, Any] | None = None) -> Node:
        """One object. Raises SourceError."""
        return self._ask("GET", path, params or {})

    def post(self, path: Route, params: Mapping[str, Any]) -> Node:
        """What a request that starts something answers. Raises SourceError."""
        return self._ask("POST", path, params)

    def pages(self, path: Route, params: Mapping[str, Any], *, limit: int = 500) -> Iterator[Page]:
        """The pages of a list to its end, empty ones skipped. Raises SourceError.

        An empty page ends nothing: the list goes on for as long as there is a `next`. Where a page would
        be too large, its limit is halved, down to 25 rows, before TooMuchData is raised.
        """
        following: Mapping[str, str] = {}
        seen: set[tuple[tuple[str, str], ...]] = set()
        empty = 0
        while True:
            try:
                reply = self._ask("GET", path, {**params, **following, "limit": limit})
            except TooMuchData:
                if limit <= _LEAST_ROWS:
                    raise
                limit = max(limit // 2, _LEAST_ROWS)
                continue
            rows = reply.get("data")
            if not isinstance(rows, list):
                raise Unexpected(f"a list of {'/'.join(path)} came without its data")
            if rows:
                empty = 0
                yield rows
            else:
                empty += 1
            found = _next(reply.get("paging"))
            if found is None:
                return
            mark = tuple(sorted(found.items()))
            if mark in seen or empty > _MOST_EMPTY:
                raise Unexpected(f"the pages of {'/'.join(path)} go round in a circle")
            seen.add(mark)
            following = found

    def _ask(self, method: str, path: Route, params: Mapping[str, Any]) -> Node:
        for pause in (*_PAUSES, None):
            answer, passing = self._once(method, path, params)
            if not isinstance(answer, SourceError):
                return answer
            if pause is None or not passing:
                raise answer
            self._wait(pause)
        raise AssertionError("unreachable: the last pause is None")

    def _once(self, method: str, path: Route, params: Mapping[str, Any]) -> tuple[Node | SourceError, bool]:
        """A reply, or its error and whether that may pass while we wait. A hang has cost enough already.

        Errors are returned, not raised: raised inside `except` they would carry the client's own error,
        token included, as their context.
        """
        self._usage.operations += 1
        try:
            response = self._api.call(method, path, params=dict(params))
        except FacebookRequestError as error:
            answer = self._refused(error)
            return answer, isinstance(answer, Unavailable)
        except requests.Timeout:
            where = "/".join(path)
            return Unavailable(f"Meta did not answer within {self._timeout:g} s ({where})"), False
        except requests.exceptions.SSLError as error:
            mend = "check ca_file, or what stands between this machine and Meta and opens its TLS"
            return Unavailable(self._clean(f"no trust in Meta's certificate: {error}"), mend=mend), False
        except requests.RequestException as error:
            mend = "if it lasts, look for what keeps this machine from Meta: a firewall, a proxy, DNS"
            return Unavailable(self._clean(f"no connection to Meta: {_lost(error)}"), mend=mend), True
        except (FacebookError, TypeError, ValueError, LookupError, AttributeError) as error:
            # The client expects Graph's JSON: some HTML makes it fail in all these ways.
            return self._strange(f"{type(error).__name__}: {error}")
        self._note(response.headers(), trace="")
        reply = response.json()
        if not isinstance(reply, dict) or self._seen.status >= 400:
            return self._strange(str(response.body()))
        return reply, False

    def _strange(self, said: str) -> tuple[SourceError, bool]:
        """A reply that is not Graph's: a gateway's error passes, anything else somebody must look at."""
        cause = f"Meta answered {self._seen.status} with what is not Graph's JSON: {self._clean(said)[:200]}"
        if self._seen.status >= 500:
            return Unavailable(cause), True
        return Unexpected(cause, mend=_BETWEEN), False

    def _refused(self, error: FacebookRequestError) -> SourceError:
        headers, body = error.http_headers(), error.body()
        told = body.get("error") if isinstance(body, dict) else None
        if not isinstance(told, dict):
            return self._strange(str(body))[0]
        used = self._note(headers, trace=str(told.get("fbtrace_id", "")))
        wait = used.regain or used.reset
        refusal = Refusal.read(told, status=error.http_status(), wait=wait)
        return translate(replace(refusal, message=self._clean(refusal.message)))

    def _note(self, headers: Mapping[str, str], *, trace: str) -> Load:
        """Add what a reply's headers say to the usage."""
        trace = trace or headers.get("x-fb-trace-id", "") or headers.get("x-fb-request-id", "")
        if trace:
            self._usage.request_ids.append(trace)
        told = load(headers)
        self._usage.utilisation = max(self._usage.utilisation, told.used)
        if told.pause is not None:
            self._usage.retry_after = max(told.pause, self._usage.retry_after or told.pause)
        return told

    def _clean(self, text: str) -> str:
        """`text` without our secrets, whatever form they have."""
        for secret in self._secrets:
            text = text.replace(secret, "...")
        return redact(text)


def _lost(error: requests.RequestException) -> str:
    """Why there is no connection, in the words below all layers; the whole address tells nobody more."""
    below = error.args[0] if error.args else error
    return str(getattr(below, "reason", None) or below).rpartition("): ")[2]


def _next(paging: Any) -> dict[str, str] | None:
    """The parameters of the page that follows, or None at the end.

    Only the query of the `next` link is used: its host and token never decide where we send ours.
    """
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    query = dict(parse_qsl(urlsplit(str(paging["next"])).query))
    found = {name: value for name, value in query.items() if name not in _OURS}
    after = (paging.get("cursors") or {}).get("after")
    if after:
        found["after"] = str(after)
    if not found:
        raise Unexpected("a list says that it goes on, but not where")
    return found
