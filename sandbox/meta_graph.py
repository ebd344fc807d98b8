"""Graph itself: finds the node that a path names, and answers its fields and edges.

Times and totals are as of the clock's moment, or for a page after the first as of the first one's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.meta_access import USER, Access
from sandbox.meta_book import Book, Library
from sandbox.meta_catalog import EMPTY_EDGES, KINDS, refuse_unknown_fields
from sandbox.meta_edges import HOLDS, listed, values
from sandbox.meta_errors import (
    GraphError,
    bad_token,
    no_permission,
    no_such_field,
    no_such_object,
    outage,
    sunset_version,
    too_much_data,
    unknown_path,
)
from sandbox.meta_fields import Field, parse
from sandbox.meta_history import activities
from sandbox.meta_insights import Reports
from sandbox.meta_nodes import BUSINESS, Ref, account_values
from sandbox.meta_params import names, number
from sandbox.meta_query import read_query
from sandbox.meta_runs import Runs, weight
from sandbox.meta_throttle import Throttle
from sandbox.meta_wire import VERSIONS, Call, Reply, cut, place

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sandbox.credentials import MetaCredentials
    from sandbox.meta_params import Params
    from sandbox.model import World

__all__ = ["Graph"]

_MOST_ROWS = 5_000
_MOST_WEIGHT, _MOST_SIZE = 20_000_000, 2_000_000
_PEOPLE = {"user": USER, "business": BUSINESS}


class _Node(NamedTuple):
    """A node whose edge is read; book: its account as of the moment, None for people and businesses."""

    kind: str
    object_id: int
    book: Book | None

    @property
    def name(self) -> str:
        """Its name in paths."""
        return f"act_{self.object_id}" if self.kind == "account" else str(self.object_id)


class Graph:
    """Answers single calls; batches, faults and the wire are around it."""

    def __init__(self, world: World, credentials: MetaCredentials, *, rate_limits: bool) -> None:
        self._world = world
        self._library = Library(world)
        self._access = Access(credentials, world)
        self._throttle = Throttle(enforced=rate_limits)
        self._runs = Runs()
        self._reports = Reports()

    def answer(self, call: Call) -> Reply:
        """The reply to a call, refusals included. Never raises GraphError."""
        reply = Reply(None)
        try:
            reply.body = self._answer(call, reply)
        except GraphError as error:
            reply.status = error.status
            reply.headers |= error.headers
            reply.body = error.body(f"{call.now.isoformat()} {call.text} {sorted(call.params.items())}")
            if error.code == 190:
                reply.headers["www-authenticate"] = (
                    f'OAuth "Facebook Platform" "invalid_token" "{error.message}"'
                )
        return reply

    def _answer(self, call: Call, reply: Reply) -> Any:
        if call.version not in VERSIONS:
            if float(call.version[1:]) < float(VERSIONS[0][1:]):
                raise sunset_version(VERSIONS[-1])
            raise unknown_path("/".join((call.version, *call.path)))
        match call.path:
            case ("oauth", "access_token"):
                return self._access.grant(call.params, call.now)
            case ("debug_token",):
                self._access.check(call.params, call.now)
                return self._access.explain(call.params, call.now)
        self._access.check(call.params, call.now)
        if call.params.get("ids") and len(call.path) <= 1:
            self._enter(None, call, reply)
            return self._many(call, reply)
        if not call.path:
            self._enter(None, call, reply)
            raise GraphError(100, "Unsupported get request. Please read the Graph API documentation.")
        if len(call.path) > 2:
            raise unknown_path("/".join(call.path[2:]))
        return self._path(call, reply)

    def _many(self, call: Call, reply: Reply) -> dict[str, Any]:
        """`?ids=a,b`: each object, or the edge that the path names of each."""
        found = {}
        for one in names(call.params, "ids"):
            params = {key: value for key, value in call.params.items() if key != "ids"}
            found[one] = self._path(replace(call, path=(one, *call.path), params=params), reply)
        return found

    def _path(self, call: Call, reply: Reply) -> Any:
        name, edge = call.path[0], call.path[1] if len(call.path) == 2 else ""
        kind, object_id, account = self._find(name, call)
        reply.insights = edge == "insights" or kind == "run"
        self._enter(account, call, reply)
        if call.method == "POST" and edge == "insights" and kind not in _PEOPLE:
            return self._start(call, kind, object_id, self._book(account, call.now))
        if call.method == "DELETE" and kind == "run" and not edge:
            self._runs.drop(name)
            return {"success": True}
        if call.method != "GET":
            raise no_permission("The user hasn't authorized the application to perform this action")
        if kind == "run":
            return self._run(call, name, edge)
        at = place(call.params, call.now).at if edge else call.now
        book = None if account is None else self._book(account, at)
        if edge:
            return self._edge(call, _Node(kind, object_id, book), edge, call.params)
        fields = parse(call.params.get("fields", ""))
        return self._node(call, Ref(kind, str(object_id)), fields, book)

    def _find(self, name: str, call: Call) -> tuple[str, int, int | None]:
        """The kind of node that a path's first part names, its id, and the account that it is in."""
        if name in {"me", USER}:
            return "user", int(USER), None
        if name == BUSINESS:
            return "business", int(BUSINESS), None
        if name.startswith("act_") and name[4:].isdecimal():
            account = int(name[4:])
            if any(one.id == account for one in self._library.accounts(call.now)):
                return "account", account, account
            raise no_such_object(call.method, name)
        if not name.isdecimal():
            raise GraphError(
                803, f"(#803) Some of the aliases you requested do not exist: {name}", status=404
            )
        run = self._runs.find(name, call.now)
        if run is not None:
            return "run", int(name), run.account
        found = self._library.find(int(name), call.now)
        if found is None:
            raise no_such_object(call.method, name)
        return found[0], int(name), found[1]

    def _book(self, account: int | None, at: datetime) -> Book:
        book = None if account is None else self._library.book(account, at)
        assert book is not None
        return book

    def _enter(self, account: int | None, call: Call, reply: Reply) -> None:
        """Let the call in, or raise what is wrong with the platform or with the account just now."""
        reply.account = account
        faults = self._world.faults("meta", account, at=call.now)
        if faults.outage:
            raise outage()
        if faults.token_revoked:
            raise bad_token(460)
        ads = 0
        if account is not None and reply.insights:
            ads = len(self._book(account, call.now).ads)
        cost = 1.0 if call.method == "GET" else 3.0
        self._throttle.enter(
            account or 0, call.now, cost=cost, insights=reply.insights, ads=ads, fault=faults.throttled
        )
        told = self._throttle.headers(account or 0, call.now, insights=reply.insights, ads=ads)
        reply.headers |= told if account is not None else {"x-app-usage": told["x-app-usage"]}

    def _start(self, call: Call, kind: str, object_id: int, book: Book) -> dict[str, str]:
        query = read_query(call.params, kind, object_id, book)
        return {"report_run_id": self._runs.start(book, query, call.now).id}

    def _run(self, call: Call, name: str, edge: str) -> dict[str, Any]:
        run = self._runs.find(name, call.now)
        assert run is not None
        if not edge:
            fields = parse(call.params.get("fields", ""))
            refuse_unknown_fields("run", fields)
            told = self._runs.describe(run, call.now, with_errors=call.version != "v24.0")
            wanted = {field.name for field in fields} | {"id"}
            return {key: value for key, value in told.items() if not fields or key in wanted}
        if edge != "insights":
            raise no_such_field(edge, "AdReportRun")
        book = self._book(run.account, self._runs.rows_of(run))
        report = self._reports.get(book, run.query, first=False)
        faults = self._world.faults("meta", run.account, at=call.now)
        page = cut(call, report.total, report.rows, gaps=faults.empty_page, gapped=faults.empty_page)
        if run.query.summary:
            page["summary"] = report.summary()
        return page

    def _node(self, call: Call, ref: Ref, fields: tuple[Field, ...], book: Book | None) -> dict[str, Any]:
        """The fields of a node, or what a node answers by default; what has no value is not there."""
        kind = KINDS[ref.kind]
        asked = fields or tuple(Field(name) for name in kind.default)
        refuse_unknown_fields(ref.kind, asked)
        known = self._values(ref, {field.name for field in asked}, book)
        answer: dict[str, Any] = {}
        for field in asked:
            if field.name in kind.edges:
                params = {key: value for key, value in field.args.items() if key != "as"}
                if field.inner is not None:
                    params["fields"] = ",".join(str(one) for one in field.inner)
                node = _Node(ref.kind, int(ref.id.removeprefix("act_")), book)
                answer[field.key] = self._edge(call, node, field.name, params)
            elif known.get(field.name) is not None:
                answer[field.key] = self._expanded(call, known[field.name], field.inner, book)
        return answer | {"id": known["id"]}

    def _expanded(self, call: Call, value: Any, inner: tuple[Field, ...] | None, book: Book | None) -> Any:
        if isinstance(value, Ref):
            return self._node(call, value, inner or (Field("id"),), book)
        if isinstance(value, dict) and inner:
            return {
                field.key: self._expanded(call, value[field.name], field.inner, book)
                for field in inner
                if field.name in value
            }
        if isinstance(value, list) and inner:
            return [self._expanded(call, item, inner, book) for item in value]
        return value

    def _values(self, ref: Ref, wanted: set[str], book: Book | None) -> dict[str, Any]:
        if ref.kind == "user":
            return {"id": USER, "name": "Reporting"}
        if ref.kind == "business":
            return {"id": BUSINESS, "name": "Marketing sandbox", "verification_status": "verified"}
        assert book is not None
        if ref.kind == "account":
            return account_values(book, wanted)
        try:
            return values(book, ref.kind, int(ref.id), wanted)
        except KeyError:
            raise no_such_object("GET", ref.id) from None

    def _edge(self, call: Call, node: _Node, edge: str, params: Params) -> dict[str, Any]:
        """One page of an edge. params: the request's own, or those of an expansion."""
        kind, object_id, book = node
        if edge not in KINDS[kind].edges:
            raise no_such_field(edge, KINDS[kind].node)
        fields = parse(params.get("fields", ""))
        account = book.advertiser.id if book is not None else None
        gapped = self._world.faults("meta", account, at=call.now).empty_page
        total: int
        rows: Callable[[int, int], list[Any]]
        if edge == "insights":
            assert book is not None
            return self._insights(call, node, params, gapped=gapped)
        if edge in EMPTY_EDGES:
            total, rows = 0, lambda _start, _stop: []
        elif kind in _PEOPLE:
            total, rows = self._owned(call, kind, edge, fields)
        elif edge == "activities":
            assert book is not None
            refuse_unknown_fields("activity", fields)
            told = activities(book, params | {"oid": node.name} if kind == "adset" else params)
            wanted = [field.name for field in fields] or list(KINDS["activity"].default)
            total = len(told)

            def rows(start: int, stop: int) -> list[Any]:
                return [{key: one[key] for key in wanted if key in one} for one in told[start:stop]]

        else:
            assert book is not None
            refuse_unknown_fields(HOLDS[edge], fields)
            ids = listed(book, kind, object_id, edge, params)
            total = len(ids)

            def rows(start: int, stop: int) -> list[Any]:
                return [self._node(call, Ref(HOLDS[edge], str(i)), fields, book) for i in ids[start:stop]]

        page = cut(call, total, rows, gapped=gapped, path=f"{node.name}/{edge}", params=params)
        if params.get("summary", "").lower() not in {"", "false", "0"}:
            page["summary"] = {"total_count": total}
        return page

    def _insights(self, call: Call, node: _Node, params: Params, *, gapped: bool) -> dict[str, Any]:
        book = node.book
        assert book is not None
        query = read_query(params, node.kind, node.object_id, book)
        if number(params, "limit", 25, least=1) > _MOST_ROWS or weight(book, query) > _MOST_WEIGHT:
            raise too_much_data()
        follows = bool(params.get("after") or params.get("before"))
        report = self._reports.get(book, query, first=not follows)
        if report.size > _MOST_SIZE:
            raise too_much_data()
        page = cut(
            call, report.total, report.rows, gapped=gapped, path=f"{node.name}/insights", params=params
        )
        if query.summary:
            page["summary"] = report.summary()
        return page

    def _owned(
        self, call: Call, kind: str, edge: str, fields: tuple[Field, ...]
    ) -> tuple[int, Callable[[int, int], list[Any]]]:
        """What the user or the business has: accounts, businesses, tests of all accounts."""
        at = place(call.params, call.now).at
        if edge == "businesses":
            return 1, lambda start, stop: [
                self._node(call, Ref("business", BUSINESS), fields, None) for _ in range(start, stop)
            ]
        books = [Book(self._world, account, at) for account in self._library.accounts(at)]
        if edge == "ad_studies":
            studies = [(book, study) for book in books for study in book.studies]
            return len(studies), lambda start, stop: [
                self._node(call, Ref("study", str(study)), fields, book)
                for book, study in studies[start:stop]
            ]
        if kind == "business" and len(books) > 1:
            # The last account belongs to a client, who shares it.
            books = books[:-1] if edge == "owned_ad_accounts" else books[-1:]
        elif edge == "client_ad_accounts":
            books = []
        refuse_unknown_fields("account", fields)
        return len(books), lambda start, stop: [
            self._node(call, Ref("account", f"act_{book.advertiser.id}"), fields, book)
            for book in books[start:stop]
        ]
