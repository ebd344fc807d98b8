"""Batches: up to 50 requests in one, where one may use what an earlier one has answered.

[{"method": "GET", "name": "list", "relative_url": "act_1/campaigns"},
 {"method": "GET", "relative_url": "?ids={result=list:$.data.*.id}"}]
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sandbox.meta_errors import GraphError, bad_parameter
from sandbox.meta_params import flag, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.meta_wire import Call, Reply

__all__ = ["answer", "split_path"]

_MOST = 50
_REFERENCE = re.compile(r"\{result=([\w-]+):(\$[^}]*)\}")
_STEP = re.compile(r"\.(\w+|\*)|\[(\d+|\*)\]|\['([^']+)'\]")
_VERSION = re.compile(r"v\d+\.\d+")


def split_path(path: str, default: str) -> tuple[str, tuple[str, ...]]:
    """The version that a path begins with (or the default), and its parts after that."""
    parts = tuple(unquote(part) for part in path.split("/") if part)
    if parts and _VERSION.fullmatch(parts[0]):
        return parts[0], parts[1:]
    return default, parts


def answer(call: Call, each: Callable[[Call], Reply]) -> list[Any]:
    """The answers in order, each with its code, headers (unless not wanted) and body as text.

    None stands for one that was needed by another only. `each` answers a single request.
    """
    try:
        requests = read(call.params["batch"])
    except ValueError:
        raise bad_parameter("batch parameter must be a JSON array") from None
    if not isinstance(requests, list) or not all(isinstance(request, dict) for request in requests):
        raise bad_parameter("batch parameter must be a JSON array")
    if len(requests) > _MOST:
        raise GraphError(
            100,
            f"Too many requests in batch message. Maximum batch size is {_MOST}",
            type="GraphBatchException",
        )
    with_headers = flag(call.params, "include_headers", default=True)
    used = {name for request in requests for name in _references(request)}
    results: dict[str, Any] = {}
    answers: list[Any] = []
    for request in requests:
        reply, text = _one(call, request, results, each)
        name = request.get("name")
        if name:
            results[name] = reply.body
        if name in used and reply.status == 200 and request.get("omit_response_on_success", True):
            answers.append(None)
            continue
        told: dict[str, Any] = {"code": reply.status, "body": text}
        if with_headers:
            told["headers"] = [{"name": key, "value": value} for key, value in reply.headers.items()]
        answers.append(told)
    return answers


def _references(request: dict[str, Any]) -> list[str]:
    texts = (str(request.get("relative_url", "")), str(request.get("body", "")))
    return [match.group(1) for text in texts for match in _REFERENCE.finditer(unquote(text))]


def _one(
    call: Call, request: dict[str, Any], results: dict[str, Any], each: Callable[[Call], Reply]
) -> tuple[Reply, str | None]:
    parts = urlsplit(_resolved(str(request.get("relative_url", "")), results))
    version, path = split_path(parts.path, call.version)
    method = str(request.get("method", "GET")).upper()
    inherited = {
        key: value for key, value in call.params.items() if key in {"access_token", "appsecret_proof"}
    }
    params = {**inherited, **dict(parse_qsl(parts.query, keep_blank_values=True))}
    if request.get("body"):
        params |= dict(parse_qsl(_resolved(str(request["body"]), results), keep_blank_values=True))
    if params["access_token"] != call.params["access_token"] and params.get(
        "appsecret_proof"
    ) == call.params.get("appsecret_proof"):
        # The outer proof belongs to the outer token.
        params.pop("appsecret_proof", None)
    headers = {
        str(header["name"]).lower(): str(header["value"])
        for header in request.get("headers", [])
        if isinstance(header, dict) and {"name", "value"} <= header.keys()
    }
    inner = replace(call, method=method, version=version, path=path, params=params, headers=headers)
    reply = each(inner)
    unchanged = reply.status == 304
    return reply, None if unchanged else json.dumps(reply.body)


def _resolved(text: str, results: dict[str, Any]) -> str:
    """`text` with each reference replaced by what it finds, comma-separated where that is many."""

    def found(match: re.Match[str]) -> str:
        name, path = match.groups()
        if name not in results:
            raise bad_parameter(f"Unknown request name in batch dependency: {name}")
        return ",".join(str(value) for value in _values(results[name], path))

    return _REFERENCE.sub(found, unquote(text) if "%7Bresult" in text else text)


def _values(document: Any, path: str) -> list[Any]:
    """What a JSONPath of names, positions and wildcards finds in a document."""
    found = [document]
    for step in _STEP.finditer(path):
        key = next(group for group in step.groups() if group is not None)
        found = [child for value in found for child in _children(value, key)]
    return found


def _children(value: Any, key: str) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values()) if key == "*" else [value[key]] if key in value else []
    if isinstance(value, list):
        if key == "*":
            return list(value)
        return [value[int(key)]] if key.isdigit() and int(key) < len(value) else []
    return []
