"""Calls over the wire: to the end of a list, through passing failures, and never a word of the token."""

import json
import logging
import threading
import time
from datetime import timedelta

import pytest

from connectors._meta_graph import Graph
from connectors.contract import Usage
from connectors.errors import RateLimited, TooMuchData, Unauthorized, Unavailable, Unexpected
from tests.connectors.meta_kit import SECRET, TOKEN, page, refusal

HTML = (
    "<html><body>Sorry, something went wrong: an error. Was it a success? Service Unavailable</body></html>"
)


def listed(graph, **params):
    return [row for rows in graph.pages(("act_1", "ads"), params) for row in rows]


def test_an_empty_page_in_the_middle_ends_nothing(graph, script):
    script.says(
        (200, {}, page(script.url, [1, 2], after="a")),
        (200, {}, page(script.url, [], after="b")),
        (200, {}, page(script.url, [3])),
    )
    assert listed(graph, fields="id") == [1, 2, 3]  # the client's own cursor stops at [1, 2]
    assert [params.get("after") for _, _, params in script.asked] == [None, "a", "b"]


def test_next_links_lead_nowhere_else_and_give_no_token(graph, script):
    """A link's host, path, token and limit are not followed: only where in the list it points."""
    link = "https://graph.elsewhere.example/v26.0/act_2/ads?access_token=theirs&__paging=9&limit=1"
    script.says((200, {}, {"data": [1], "paging": {"next": link}}), (200, {}, {"data": [2]}))
    assert listed(graph, fields="id") == [1, 2]
    method, path, params = script.asked[1]
    assert (method, path, params["access_token"], params["limit"]) == ("GET", "act_1/ads", TOKEN, "500")
    assert params["__paging"] == "9"


def test_pages_that_go_round_in_a_circle_are_noticed(graph, script):
    script.answer = lambda method, path, params: (200, {}, page(script.url, [1], after="same"))
    with pytest.raises(Unexpected, match="circle"):
        listed(graph)
    assert len(script.asked) == 2


def test_a_list_without_its_data_is_not_an_empty_list(graph, script):
    script.says((200, {}, {"paging": {}}))
    with pytest.raises(Unexpected, match="without its data"):
        listed(graph)


def test_a_page_that_is_too_large_is_halved_where_it_stands(graph, script):
    def answer(method, path, params):
        after, limit = params.get("after"), int(params["limit"])
        if after == "a" and limit > 125:
            return 400, {}, refusal(100, 1487534, "Please reduce the amount of data you're asking for")
        return 200, {}, page(script.url, [after or "first"], after={None: "a", "a": "b"}.get(after))

    script.answer = answer
    assert listed(graph) == ["first", "a", "b"]
    asked = [(params.get("after"), params["limit"]) for _, _, params in script.asked]
    assert asked == [(None, "500"), ("a", "500"), ("a", "250"), ("a", "125"), ("b", "125")]


def test_what_is_too_large_even_in_the_smallest_pages_is_for_the_caller_to_split(graph, script):
    script.says((500, {}, refusal(1, None, "Please reduce the amount of data you're asking for, then retry")))
    with pytest.raises(TooMuchData):
        listed(graph)
    assert [params["limit"] for _, _, params in script.asked] == ["500", "250", "125", "62", "31", "25"]


@pytest.mark.parametrize(
    "failing",
    [
        (502, {"content-type": "text/html"}, HTML),  # the client itself trips over each of its words
        (500, {}, "the word error alone breaks the client"),
        (200, {}, None),
        (500, {}, refusal(2, None, "An unexpected error has occurred", is_transient=True)),
        (500, {}, refusal(1)),
        (400, {}, refusal(2601, 1815107, "Error accessing adreport job")),
        (503, {}, {"data": []}),
    ],
)
def test_what_passes_by_itself_is_asked_again(graph, script, waits, failing):
    script.says(failing, failing, (200, {}, {"id": "7"}))
    assert graph.get(("7",)) == {"id": "7"}
    assert waits == [0.5, 2.0]


@pytest.mark.parametrize(
    "strange",
    [
        (200, {"content-type": "text/html"}, HTML),
        (200, {"content-type": "text/html"}, "<html>Log in to the network first</html>"),
        (200, {}, '{"data": [{"id": 1}, {"i'),
        (200, {}, [1, 2]),
        (404, {}, {"data": []}),
    ],
)
def test_what_is_not_graphs_is_not_believed(graph, script, waits, strange):
    script.says(strange)
    with pytest.raises(Unexpected, match="not Graph's JSON") as failed:
        graph.get(("7",))
    assert "proxy" in failed.value.mend
    assert (len(script.asked), waits) == (1, [])


def test_what_does_not_pass_has_failed_in_the_end(graph, script, waits):
    script.says((502, {}, HTML))
    with pytest.raises(Unavailable):
        graph.get(("7",))
    assert (len(script.asked), waits) == (4, [0.5, 2.0, 5.0])


@pytest.mark.parametrize("code", [(100, None), (190, 463), (17, None), (2, 1504041), (2635, None)])
def test_a_refusal_is_not_asked_again(graph, script, waits, code):
    script.says((400, {}, refusal(*code)))
    with pytest.raises((Unauthorized, RateLimited, Unexpected)):
        graph.get(("7",))
    assert (len(script.asked), waits) == (1, [])


def test_a_hang_ends_at_the_time_limit_and_is_not_repeated(script, waits):
    done = threading.Event()

    def hang(method, path, params):
        done.wait(10)
        return 200, {}, {}

    script.answer = hang
    graph = _graph(script.url, waits=waits, timeout=0.3)
    begun = time.monotonic()
    with pytest.raises(Unavailable, match=r"0\.3 s"):
        graph.get(("7",))
    done.set()
    assert time.monotonic() - begun < 5
    assert (len(script.asked), waits) == (1, [])


def test_one_outage_is_told_in_the_same_few_words_whatever_was_asked(script):
    graph = _graph(script.url)
    script.stop()
    causes = set()
    for asked in (("7",), ("act_1", "ads")):
        with pytest.raises(Unavailable) as failed:
            graph.get(asked, {"fields": "id"})
        causes.add(failed.value.cause)
        assert "firewall" in failed.value.mend
    (cause,) = causes
    assert cause.startswith("no connection to Meta: ")
    assert cause.endswith("Connection refused")
    assert "act_1" not in cause
    assert "fields" not in cause


def _graph(url, *, token=TOKEN, usage=None, waits=None, timeout=5.0):
    return Graph(
        app_id="1",
        app_secret=SECRET,
        access_token=token,
        version="v26.0",
        url=url,
        ca_file=None,
        timeout=timeout,
        usage=usage or Usage(),
        wait=(waits if waits is not None else []).append,
    )


def told(error):
    """Everything that an error says: itself, its arguments, and all that it came from."""
    found, chain = [], error
    while chain is not None:
        found += [str(chain), repr(chain), repr(vars(chain))]
        chain = chain.__cause__ or chain.__context__
    return "\n".join(found)


def test_nothing_tells_the_token_or_its_proof(script, caplog):
    caplog.set_level(logging.DEBUG)
    graph = _graph(script.url)
    proof = graph._api._session.appsecret_proof
    leaks = [
        (400, {}, refusal(190, None, f"Malformed access token {TOKEN} with {proof} of {SECRET}")),
        (502, {}, f"<html>{TOKEN} {proof} an error</html>"),
        (200, {}, f"a success: {TOKEN}"),
        (500, {}, "x" * 170 + TOKEN),  # cut off in the middle it would still tell most of it
        (503, {}, {"hint": f"access_token={TOKEN}"}),
    ]
    errors = []
    for leak in leaks:
        script.says(leak)
        with pytest.raises((Unauthorized, Unavailable, Unexpected)) as failed:
            graph.get(("7",))
        errors.append(failed.value)
    script.stop()
    with pytest.raises(Unavailable) as failed:  # the client's error for this holds the whole query
        graph.get(("7",))
    errors.append(failed.value)
    assert script.asked[0][2]["access_token"] == TOKEN  # so it was there to be told
    assert script.asked[0][2]["appsecret_proof"] == proof
    assert "GET /v26.0/7?" in caplog.text  # the HTTP library does log queries
    for secret in (TOKEN, proof, SECRET):
        assert secret not in caplog.text
        for error in errors:
            assert secret not in told(error)
            assert secret[:10] not in told(error)


def test_two_tokens_never_meet(script):
    script.says((200, {}, {}))
    one, other = _graph(script.url, token="one"), _graph(script.url, token="other")
    one.get(("7",))
    other.get(("7",))
    one.get(("7",))
    assert [params["access_token"] for _, _, params in script.asked] == ["one", "other", "one"]
    assert one._api.get_default_api() is None


def test_every_reply_tells_how_near_the_wall_is(graph, script, usage):
    near = {"acc_id_util_pct": 80, "app_id_util_pct": 12, "ads_api_access_tier": "standard_access"}
    script.says(
        (200, {"x-app-usage": {"call_count": 40}, "x-fb-trace-id": "one"}, {}),
        (200, {"x-fb-ads-insights-throttle": near, "x-fb-trace-id": "two"}, {}),
        (200, {"x-app-usage": {"call_count": 41}, "x-fb-trace-id": "three"}, {}),
    )
    graph.get(("7",))
    assert (usage.utilisation, usage.retry_after) == (0.4, None)
    graph.get(("7",))
    assert (usage.utilisation, usage.retry_after) == (0.8, timedelta(minutes=15))  # 1 - 0.6 / 0.8 of an hour
    graph.get(("7",))
    assert (usage.utilisation, usage.operations) == (0.8, 3)
    assert usage.request_ids == ["one", "two", "three"]


def test_a_wall_says_when_it_ends(graph, script, usage):
    entry = {"type": "ads_insights", "call_count": 100, "estimated_time_to_regain_access": 17}
    script.says((400, {"x-business-use-case-usage": {"77": [entry]}}, refusal(80000, 2446079, "too many")))
    with pytest.raises(RateLimited) as failed:
        graph.get(("7",))
    assert failed.value.retry_after == timedelta(minutes=17)
    assert (failed.value.request_id, failed.value.code) == ("Atrace", "80000/2446079")
    assert usage.utilisation == 1.0
    assert usage.request_ids == ["Atrace"]


def test_an_authority_from_the_environment_does_not_replace_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    graph = Graph(
        app_id="1",
        app_secret=SECRET,
        access_token=TOKEN,
        version="v26.0",
        url="https://localhost:1",
        ca_file=tmp_path / "ours.pem",
        timeout=1,
        usage=Usage(),
        wait=lambda seconds: None,
    )
    merged = graph._api._session.requests.merge_environment_settings(
        "https://localhost:1", {}, None, None, None
    )
    assert merged["verify"] == str(tmp_path / "ours.pem")


def test_parameters_are_json_where_they_are_lists(graph, script):
    script.says((200, {}, {}))
    graph.get(("7",), {"breakdowns": ["a", "b"], "time_range": {"since": "2026-11-01"}, "level": "ad"})
    params = script.asked[0][2]
    assert json.loads(params["breakdowns"]) == ["a", "b"]
    assert json.loads(params["time_range"]) == {"since": "2026-11-01"}
    assert params["level"] == "ad"
