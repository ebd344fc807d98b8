"""The channels' servers, by the official clients which know the public APIs alone."""

from __future__ import annotations

import ssl
import threading
import time

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse

from sandbox.slack_blocks import check
from sandbox.slack_views import Refusal, Views, filled
from sandbox.sms import segments
from tests.alerts.channels_kit import CHANNEL, PNG, running


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("channels")) as channels:
        yield channels


@pytest.fixture
def slack(up):
    context = ssl.create_default_context(cafile=up.at["ca_file"])
    return WebClient(up.keys["slack"]["bot_token"], base_url=up.at["slack"], ssl=context)


def refusal(call, **how):
    with pytest.raises(SlackApiError) as caught:
        call(**how)
    return caught.value.response


@pytest.mark.parametrize(
    ("channel", "fields", "error"),
    [
        ("C0NOWHERE", {"text": "x"}, "channel_not_found"),
        ("C0LEADERSHIP", {"text": "x"}, "not_in_channel"),
        ("C0OLDALERTS", {"text": "x"}, "is_archived"),
        (CHANNEL, {"text": ""}, "no_text"),
        (CHANNEL, {"text": "x" * 40_001}, "msg_too_long"),
        (CHANNEL, {"text": "x", "blocks": "[{"}, "invalid_blocks_format"),
        (CHANNEL, {"text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
        (CHANNEL, {"text": "x", "thread_ts": "1.000001"}, "cannot_reply_to_message"),
    ],
)
def test_what_slack_refuses_is_refused_in_its_words(slack, channel, fields, error, monkeypatch):
    monkeypatch.setenv("SKIP_SLACK_SDK_WARNING", "1")  # it warns of a message without text, rightly
    reply = refusal(slack.chat_postMessage, channel=channel, **fields)
    assert (reply.status_code, reply["ok"], reply["error"]) == (200, False, error)


def test_tokens_open_what_they_open(up, slack):
    context = ssl.create_default_context(cafile=up.at["ca_file"])
    for token, call, error in (
        ("xoxb-wrong", "auth.test", "invalid_auth"),
        (up.keys["slack"]["app_token"], "auth.test", "not_allowed_token_type"),
        (up.keys["slack"]["bot_token"], "apps.connections.open", "not_allowed_token_type"),
        (up.keys["slack"]["bot_token"], "admin.everything", "unknown_method"),
    ):
        client = WebClient(token, base_url=up.at["slack"], ssl=context)
        assert refusal(client.api_call, api_method=call)["error"] == error
    assert requests.post(up.at["slack"] + "auth.test", verify=up.at["ca_file"], timeout=10).json() == {
        "ok": False, "error": "not_authed",
    }  # fmt: skip
    assert slack.auth_test()["team"] == "Northwind Marketing"


def section(text="x", **more):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def button(**more):
    made = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x"}, **more}
    return {"type": "actions", "elements": [made]}


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        ([section(fields=[{"type": "mrkdwn", "text": "x"}] * 11)], "no more than 10 items allowed [json-pointer:/blocks/0/fields]"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "must be one of: plain_text [json-pointer:/blocks/0/text/type]"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "must be less than 151 characters [json-pointer:/blocks/0/text/text]"),
        ([{"type": "context", "elements": []}], "must be a non-empty array [json-pointer:/blocks/0/elements]"),
        ([button(style="green")], "must be one of: primary, danger [json-pointer:/blocks/0/elements/0/style]"),
        ([button(value="x" * 2001)], "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]"),
        ([section(block_id="a"), section(block_id="a")], "block_id must be unique, found duplicate: a [json-pointer:/blocks/1/block_id]"),
        ([{"type": "image", "image_url": "https://x"}], "missing required field [json-pointer:/blocks/0/alt_text]"),
        ([{"type": "table"}], "unsupported type: table [json-pointer:/blocks/0/type]"),
    ],
)  # fmt: skip
def test_blocks_are_checked_as_slack_does(slack, blocks, said):
    assert said in check(blocks)
    reply = refusal(slack.chat_postMessage, channel=CHANNEL, text="x", blocks=blocks)
    assert reply["error"] == "invalid_blocks"
    assert f"[ERROR] {said}" in reply["response_metadata"]["messages"]


def test_good_blocks_are_taken():
    assert check([section("x" * 3000), {"type": "divider"}, button(style="danger", value="v")]) == []


def modal(**more):
    line = {"type": "input", "block_id": "b", "label": {"type": "plain_text", "text": "x"}}
    line["element"] = {"type": "plain_text_input", "action_id": "v", "max_length": 5}
    title = {"type": "plain_text", "text": "T"}
    return {"type": "modal", "callback_id": "c", "title": title, "submit": title, "blocks": [line], **more}


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (modal(type="home"), "must be one of: modal [json-pointer:/view/type]"),
        (modal(title={"type": "plain_text", "text": "x" * 25}), "must be less than 25 characters [json-pointer:/view/title/text]"),
        (modal(private_metadata="x" * 3001), "must be less than 3001 characters [json-pointer:/view/private_metadata]"),
        (modal(blocks=[{"type": "input", "element": {"type": "plain_text_input"}}]), "missing required field: text [json-pointer:/view/blocks/0/label]"),
        ({k: v for k, v in modal().items() if k != "submit"}, "submit is required when an input block is within blocks [json-pointer:/view]"),
    ],
)  # fmt: skip
def test_views_are_checked_as_slack_does(slack, view, said):
    reply = refusal(slack.views_open, trigger_id="1.2.x", view=view)
    assert reply["error"] == "invalid_arguments"
    assert f"[ERROR] {said}" in reply["response_metadata"]["messages"]


def test_a_trigger_opens_one_form_within_three_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("sandbox.slack_views.time.monotonic", lambda: now[0])
    views = Views()
    first, late = views.trigger("U0ANA00001"), views.trigger("U0ANA00001")
    now[0] += 2.9
    made = views.open(first, modal())
    assert (made.user, made.plain()["root_view_id"]) == ("U0ANA00001", made.id)
    now[0] += 0.2
    for trigger, error in (
        (first, "exchanged_trigger_id"),
        (late, "expired_trigger_id"),
        ("1.2.x", "invalid_trigger_id"),
    ):
        with pytest.raises(Refusal, match=error):
            views.open(trigger, modal())
    with pytest.raises(ValueError, match="complete this required field"):
        filled(made, {"b": ""})
    with pytest.raises(ValueError, match="at most 5"):
        filled(made, {"b": "123456"})
    assert filled(made, {"b": "12345"}) == {"b": {"v": {"type": "plain_text_input", "value": "12345"}}}
    views.answered(made, {"response_action": "errors", "errors": {"b": "no", "elsewhere": "x"}})
    assert [(v.id, v.faults) for v in views.all()] == [(made.id, {"b": "no"})]
    views.answered(made, {})
    assert views.all() == []


def test_what_is_for_one_person_is_in_no_history(up, slack):
    told = slack.chat_postEphemeral(channel=CHANNEL, user="U0BEN00002", text="psst")["message_ts"]
    assert told not in [m["ts"] for m in slack.conversations_history(channel=CHANNEL)["messages"]]
    assert [m["only"] for m in up.slack() if m["ts"] == told] == ["U0BEN00002"]
    elsewhere = refusal(slack.chat_postEphemeral, channel=CHANNEL, user="U0NOBODY00", text="psst")
    assert elsewhere["error"] == "user_not_in_channel"


def test_history_is_newest_first_by_pages_and_hides_threads(slack):
    start = slack.chat_postMessage(channel="#marketing-digest", text="first")
    channel = start["channel"]
    for number in range(4):
        slack.chat_postMessage(
            channel=channel, text=f"m{number}", metadata={"event_type": "t", "event_payload": {"n": number}}
        )
    slack.chat_postMessage(channel=channel, text="reply", thread_ts=start["ts"])
    slack.chat_postMessage(channel=channel, text="loud", thread_ts=start["ts"], reply_broadcast=True)
    seen, cursor = [], None
    while True:
        page = slack.conversations_history(
            channel=channel,
            oldest=start["ts"],
            inclusive=True,
            limit=2,
            cursor=cursor,
            include_all_metadata=True,
        )
        seen += page["messages"]
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            break
    assert [m["text"] for m in seen] == ["loud", "m3", "m2", "m1", "m0", "first"]
    assert [m["metadata"]["event_payload"]["n"] for m in seen[1:5]] == [3, 2, 1, 0]
    assert (seen[-1]["reply_count"], seen[0]["subtype"]) == (2, "thread_broadcast")
    plain = slack.conversations_history(channel=channel, limit=2)["messages"]
    assert "metadata" not in plain[1]
    thread = slack.conversations_replies(channel=channel, ts=start["ts"])["messages"]
    assert [m["text"] for m in thread] == ["first", "reply", "loud"]
    # A name is understood where one posts, nowhere else.
    assert refusal(slack.conversations_history, channel="#marketing-digest")["error"] == "channel_not_found"


def test_a_message_is_linked_to_and_deleted(slack):
    ts = slack.chat_postMessage(channel=CHANNEL, text="gone soon")["ts"]
    link = slack.chat_getPermalink(channel=CHANNEL, message_ts=ts)["permalink"]
    assert link == f"https://northwind.slack.com/archives/{CHANNEL}/p{ts.replace('.', '')}"
    slack.chat_delete(channel=CHANNEL, ts=ts)
    assert ts not in [m["ts"] for m in slack.conversations_history(channel=CHANNEL)["messages"]]
    for call in (slack.chat_delete, slack.chat_update):
        assert refusal(call, channel=CHANNEL, ts=ts, text="x")["error"] == "message_not_found"


def test_people_and_channels_are_looked_up(slack):
    people = slack.users_list()["members"]
    assert [(p["name"], p["is_bot"]) for p in people] == [
        ("ana", False), ("ben", False), ("chioma", False), ("paceline", True),
    ]  # fmt: skip
    ben = slack.users_lookupByEmail(email="ben@example.com")["user"]
    assert slack.users_info(user=ben["id"])["user"] == ben
    assert refusal(slack.users_lookupByEmail, email="eve@example.com")["error"] == "users_not_found"
    assert refusal(slack.users_info, user="U0NOBODY00")["error"] == "user_not_found"
    assert slack.conversations_info(channel=CHANNEL)["channel"]["name"] == "marketing-alerts"
    assert slack.conversations_members(channel="C0LEADERSHIP")["members"] == [p["id"] for p in people[:3]]
    direct = slack.conversations_open(users=ben["id"])["channel"]["id"]
    assert slack.conversations_members(channel=direct)["members"] == [ben["id"], "U0PACELINE"]


def test_an_update_changes_the_text_and_keeps_the_metadata(slack):
    metadata = {"event_type": "t", "event_payload": {"key": "k"}}
    posted = slack.chat_postMessage(channel=CHANNEL, text="before", metadata=metadata)
    slack.chat_update(channel=CHANNEL, ts=posted["ts"], text="after", blocks=[section("after")])
    (found,) = slack.conversations_replies(channel=CHANNEL, ts=posted["ts"], include_all_metadata=True)[
        "messages"
    ]
    assert (found["text"], found["metadata"], "edited" in found) == ("after", metadata, True)
    assert (
        refusal(slack.chat_update, channel=CHANNEL, ts="1.000001", text="x")["error"] == "message_not_found"
    )


def test_a_file_is_uploaded_in_its_three_steps(up, slack):
    parent = slack.chat_postMessage(channel=CHANNEL, text="chart below")
    slack.files_upload_v2(
        channel=CHANNEL, thread_ts=parent["ts"], content=PNG, filename="c.png", title="T", alt_txt="A"
    )
    reply = slack.conversations_replies(channel=CHANNEL, ts=parent["ts"])["messages"][1]
    (file,) = reply["files"]
    assert (file["name"], file["title"], file["alt_txt"], file["size"]) == ("c.png", "T", "A", len(PNG))
    shown = requests.get(f"{up.at['arrived']}/files/{file['id']}", timeout=10)
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
    assert refusal(slack.files_completeUploadExternal, files=[{"id": "F0"}])["error"] == "file_not_found"


def test_limits_hold_where_they_are_asked_for(tmp_path):
    with running(tmp_path, "--rate-limits") as channels:
        context = ssl.create_default_context(cafile=channels.at["ca_file"])
        client = WebClient(channels.keys["slack"]["bot_token"], base_url=channels.at["slack"], ssl=context)
        client.retry_handlers.clear()
        client.chat_postMessage(channel=CHANNEL, text="one")
        reply = refusal(client.chat_postMessage, channel=CHANNEL, text="two")
        assert (reply.status_code, reply.headers["retry-after"], reply["error"]) == (429, "1", "ratelimited")
        client.chat_postMessage(channel="C0MKTDIGEST", text="another channel has a limit of its own")


def test_an_envelope_that_nobody_acknowledges_comes_again(up, slack):
    made = slack.chat_postMessage(channel=CHANNEL, text="x", blocks=[button(value="v")])
    heard, enough = [], threading.Event()

    def listen(client, request):
        heard.append((request.envelope_id, request.retry_attempt, request.payload["actions"][0]["value"]))
        if len(heard) == 2:
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            enough.set()

    client = SocketModeClient(up.keys["slack"]["app_token"], web_client=slack, ping_interval=1)
    client.socket_mode_request_listeners.append(listen)
    client.connect()
    try:
        assert up.press(made["ts"], "a")
        assert enough.wait(10)
    finally:
        client.close()
    (first, once, value), (second, twice, _) = heard
    assert (first == second, once, twice, value) == (True, None, 1, "v")


def test_what_is_pressed_while_nobody_listens_waits(up, slack):
    made = slack.chat_postMessage(channel=CHANNEL, text="x", blocks=[button(value="parked")])
    pressed = threading.Thread(target=up.press, args=(made["ts"], "a"))
    pressed.start()
    time.sleep(0.5)
    heard = threading.Event()

    def listen(client, request):
        client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        if request.payload["actions"][0]["value"] == "parked":
            heard.set()

    client = SocketModeClient(up.keys["slack"]["app_token"], web_client=slack, ping_interval=1)
    client.socket_mode_request_listeners.append(listen)
    client.connect()
    try:
        assert heard.wait(10)
    finally:
        client.close()
    pressed.join(10)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("x" * 160, (1, "GSM-7")),
        ("x" * 161, (2, "GSM-7")),
        ("€" * 80, (1, "GSM-7")),
        ("€" * 81, (2, "GSM-7")),
        ("東" * 70, (1, "UCS-2")),
        ("東" * 71, (2, "UCS-2")),
        ("🔥" * 35, (1, "UCS-2")),
        ("🔥" * 36, (2, "UCS-2")),
    ],
)
def test_a_text_takes_as_many_parts_as_at_twilio(body, count):
    assert segments(body) == count


def test_faults_are_switched_counted_and_lifted(up):
    reply = requests.post(
        up.at["truth"] + "/channels/faults", json={"channel": "fax", "fault": "down"}, timeout=10
    )
    assert (reply.status_code, "known: slack, smtp, twilio" in reply.json()["error"]) == (400, True)
    up.fault("twilio", "rate_limited", calls=2)
    keys = up.keys["twilio"]
    url = f"{up.at['twilio']}/2010-04-01/Accounts/{keys['account_sid']}/Messages.json"
    form = {"To": "+4915100000000", "From": keys["number"], "Body": "x"}
    codes = [
        requests.post(
            url,
            data=form,
            auth=(keys["account_sid"], keys["auth_token"]),
            verify=up.at["ca_file"],
            timeout=10,
        ).status_code
        for _ in range(3)
    ]
    assert codes == [429, 429, 201]
    up.fault("smtp", "down")
    assert [f["fault"] for f in up.calm()] == ["down"]
    assert up.calm() == []
