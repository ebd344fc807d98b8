"""Tokens, proofs, versions, and what Graph refuses."""

import hashlib
import hmac
from datetime import timedelta

import pytest
import requests
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.exceptions import FacebookRequestError

from tests.sandbox.meta_kit import (  # noqa: F401 (fixtures)
    NEW_YORK,
    NOW,
    Sandbox,
    no_bundle_from_the_environment,
    sandbox,
)


def bare(sandbox, path, headers=None, **params):  # noqa: F811
    """A request with neither token nor proof of its own."""
    return requests.get(
        f"{sandbox.server.url}/{path}",
        params=params,
        headers=headers,
        verify=str(sandbox.tls.ca_file),
        timeout=20,
    )


def refused(reply):
    error = reply.json()["error"]
    assert {"message", "type", "code", "fbtrace_id"} <= error.keys()
    return reply.status_code, error["code"], error.get("error_subcode")


def test_a_token_comes_as_parameter_form_field_or_header(sandbox):  # noqa: F811
    token = sandbox.credentials.meta.access_token
    assert bare(sandbox, "v26.0/me", access_token=token).json()["name"]
    for scheme in ("Bearer", "OAuth"):
        assert bare(sandbox, "v26.0/me", {"Authorization": f"{scheme} {token}"}).status_code == 200
    posted = requests.post(f"{sandbox.server.url}/v26.0/me", data={"access_token": token, "method": "get"},
                           verify=str(sandbox.tls.ca_file), timeout=20)  # fmt: skip
    assert posted.json()["name"]


def test_without_a_token_with_a_dead_one_and_with_a_wrong_proof(sandbox):  # noqa: F811
    token = sandbox.credentials.meta.access_token
    assert refused(bare(sandbox, "v26.0/me")) == (400, 2500, None)
    assert refused(bare(sandbox, "v26.0/me", access_token="nonsense")) == (401, 190, None)
    assert refused(bare(sandbox, "v26.0/me", access_token="EAAother")) == (400, 190, 467)
    wrong = bare(sandbox, "v26.0/me", access_token=token, appsecret_proof="0" * 64)
    assert refused(wrong) == (400, 100, None)
    assert "Invalid appsecret_proof" in wrong.json()["error"]["message"]
    right = hmac.new(sandbox.credentials.meta.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    assert bare(sandbox, "v26.0/me", access_token=token, appsecret_proof=right).status_code == 200
    with pytest.raises(FacebookRequestError) as caught:
        AdAccount(NEW_YORK, api=sandbox.api(secret="another")).api_get(fields=["name"])
    assert caught.value.api_error_code() == 100


def test_tokens_are_exchanged_explained_and_expire(tmp_path):
    one = Sandbox(tmp_path)
    try:
        app, token = one.credentials.meta, one.credentials.meta.access_token
        asked = {"client_id": app.app_id, "client_secret": app.app_secret}
        long = bare(
            one, "v26.0/oauth/access_token", grant_type="fb_exchange_token", fb_exchange_token=token, **asked
        ).json()
        assert long["token_type"] == "bearer"
        assert bare(one, "v26.0/me", access_token=long["access_token"]).status_code == 200
        told = bare(
            one, "v26.0/debug_token", input_token=token, access_token=f"{app.app_id}|{app.app_secret}"
        ).json()["data"]
        assert told["is_valid"] is True
        assert told["app_id"] == app.app_id
        assert "ads_read" in told["scopes"]
        one.clock.set(NOW + timedelta(days=60), frozen=True)
        assert refused(bare(one, "v26.0/me", access_token=long["access_token"])) == (400, 190, 463)
        told = bare(one, "v26.0/debug_token", input_token=long["access_token"], access_token=token).json()[
            "data"
        ]
        assert (told["is_valid"], told["error"]["subcode"]) == (False, 463)
        granted = bare(one, "v26.0/oauth/access_token", grant_type="client_credentials", **asked).json()
        assert granted["access_token"] == f"{app.app_id}|{app.app_secret}"
        asked["client_secret"] = "wrong"
        assert refused(bare(one, "v26.0/oauth/access_token", grant_type="client_credentials", **asked)) == (
            400,
            1,
            None,
        )
    finally:
        one.stop()


@pytest.mark.parametrize(
    ("version", "code"),
    [("v24.0", 0), ("v25.0", 0), ("v26.0", 0), ("v23.0", 2635), ("v9.0", 2635), ("v27.0", 2500)],
)
def test_versions(sandbox, version, code):  # noqa: F811
    status, body = sandbox.get("me", version=version)
    assert body.get("error", {}).get("code", 0) == code
    assert status == (400 if code else 200)


def test_a_path_without_a_version_is_the_oldest(sandbox):  # noqa: F811
    reply = bare(sandbox, "me", access_token=sandbox.credentials.meta.access_token)
    assert reply.headers["facebook-api-version"] == "v24.0"


@pytest.mark.parametrize(
    ("path", "params", "status", "code", "subcode", "words"),
    [
        ("act_404", {}, 400, 100, 33, "Unsupported get request. Object with ID 'act_404' does not exist"),
        ("123", {}, 400, 100, 33, "Object with ID '123'"),
        ("someone", {}, 404, 803, None, "aliases"),
        (NEW_YORK, {"fields": "name,colour"}, 400, 100, None,
         "(#100) Tried accessing nonexisting field (colour) on node type (AdAccount)"),
        (f"{NEW_YORK}/friends", {}, 400, 100, None, "nonexisting field (friends) on node type (AdAccount)"),
        (f"{NEW_YORK}/campaigns", {"fields": "id,adset_id"}, 400, 100, None, "(adset_id) on node type (AdCampaignGroup)"),
        (f"{NEW_YORK}/campaigns", {"fields": "id{"}, 400, 2500, None, "Syntax error"),
        (f"{NEW_YORK}/campaigns", {"limit": "100000"}, 500, 1, None, "Please reduce the amount of data you're asking for"),
        (f"{NEW_YORK}/campaigns", {"limit": "0"}, 400, 100, None, "greater than or equal to 1"),
        (f"{NEW_YORK}/campaigns", {"filtering": '[{"field":"name","operator":"SOUNDS_LIKE","value":"x"}]'}, 400, 100, None,
         "Filtering field 'name' with operation 'SOUNDS_LIKE' is not supported"),
        (f"{NEW_YORK}/insights", {"fields": "landing_page_views"}, 400, 100, None, "landing_page_views is not valid for fields param"),
        (f"{NEW_YORK}/insights", {"limit": "100000"}, 400, 100, 1487534, "Please reduce the amount of data"),
        (f"{NEW_YORK}/insights", {"date_preset": "lifetime"}, 400, 100, None, "date_preset must be one of the following values"),
        (f"{NEW_YORK}/insights", {"time_range": '{"since":"2023-01-01","until":"2023-01-02"}'}, 400, 3018, None, "37 months"),
        (f"{NEW_YORK}/insights", {"time_range": '{"since":"2026-11-02","until":"2026-11-01"}'}, 400, 100, None, "later than"),
        (f"{NEW_YORK}/insights", {"time_increment": "91"}, 400, 100, None, "time_increment"),
        (f"{NEW_YORK}/insights", {"breakdowns": "colour"}, 400, 100, None, "breakdowns[0] must be one of the following values"),
        (f"{NEW_YORK}/insights", {"breakdowns": "age,country"}, 400, 100, None,
         "Current combination of data breakdown columns (age, country) is invalid"),
        (f"{NEW_YORK}/insights", {"breakdowns": "dma"}, 400, 2, 1504041, ""),
        (f"{NEW_YORK}/insights", {"action_attribution_windows": '["2d_click"]'}, 400, 100, None,
         "action_attribution_windows[0] must be one of the following values"),
    ],
)  # fmt: skip
def test_refusals(sandbox, path, params, status, code, subcode, words):  # noqa: F811
    got, body = sandbox.get(path, **params)
    error = body["error"]
    assert (got, error["code"], error.get("error_subcode")) == (status, code, subcode)
    assert words in error["message"]
    assert sandbox.credentials.meta.access_token not in str(body)


def test_nothing_can_be_written(sandbox):  # noqa: F811
    with pytest.raises(FacebookRequestError) as caught:
        AdAccount(NEW_YORK, api=sandbox.api()).create_campaign(
            params={"name": "x", "objective": "OUTCOME_SALES"}
        )
    assert (caught.value.http_status(), caught.value.api_error_code()) == (403, 200)


def test_an_unchanged_answer_is_not_sent_again(sandbox):  # noqa: F811
    session, url = sandbox.requests, f"{sandbox.server.url}/v26.0/{NEW_YORK}?fields=name"
    first = session.get(url, timeout=20)
    again = session.get(url, headers={"If-None-Match": first.headers["etag"]}, timeout=20)
    assert (again.status_code, again.content) == (304, b"")
    assert session.get(url, headers={"If-None-Match": '"other"'}, timeout=20).status_code == 200
