"""Whatever a message holds, Slack takes it: its limits are kept, nothing of it is markup."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.notify import slack_blocks
from alerts.notify.contract import Fact, Line, Link, Member, Reason, Section, Severity
from sandbox.slack_blocks import check
from tests.alerts.channels_kit import message

TEXT = st.text(max_size=400) | st.text("&<>*_`|@!:\n\u202e", max_size=4000) | st.just("x" * 5000)
URL = st.sampled_from(
    ["https://app.test/a?b=1&c=2", "javascript:alert(1)", "https://x.test/>|<!channel>", ""]
)
MESSAGES = st.builds(
    message,
    st.sampled_from(Reason),
    headline=TEXT,
    severity=st.sampled_from(Severity),
    facts=st.lists(st.builds(Fact, TEXT, TEXT), max_size=70).map(tuple),
    members=st.lists(st.builds(Member, TEXT, st.booleans()), max_size=60).map(tuple),
    sections=st.lists(
        st.builds(
            Section, TEXT,
            st.lists(st.builds(Line, TEXT, URL, st.sampled_from(["", "good", "warn", "bad", "none"]), TEXT), max_size=30).map(tuple),
        ),
        max_size=60,
    ).map(tuple),
    links=st.lists(st.builds(Link, TEXT, URL), max_size=60).map(tuple),
    test=st.booleans(),
)  # fmt: skip
MARKUP = re.compile(r"<[^>]*>")


@given(MESSAGES, st.booleans())
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
def test_any_message_is_within_slacks_limits(made, buttons):
    for blocks in (slack_blocks.parent(made, buttons=buttons), slack_blocks.reply(made)):
        assert check(blocks) == []
        noted = blocks
        for number in range(12):
            noted = slack_blocks.with_note(noted, f"✓ <@U{number}> acknowledged this")
        assert check(noted) == []
        # All that is left of angle brackets is ours: links to https, dates, people.
        for text in _texts(noted):
            for found in MARKUP.findall(text):
                assert re.match(r"<(https://|!date\^|@U\d)", found), found
            assert not re.search(r"&(?!amp;|lt;|gt;)", text)
    assert len(slack_blocks.notification(made)) <= 3000


def _texts(value):
    """Every text of mrkdwn."""
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value["text"]
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def test_the_header_counts_as_slack_does():
    made = message(headline="🔥" * 200)
    header = slack_blocks.parent(made, buttons=True)[0]["text"]["text"]
    assert len(header.encode("utf-16-le")) // 2 <= 150
    assert header.endswith("…")


def test_a_list_that_is_too_long_says_how_much_is_left_out():
    made = message(members=tuple(Member(f"Campaign {n} " + "x" * 80) for n in range(100)), facts=())
    texts = list(_texts(slack_blocks.parent(made, buttons=False)))
    shown = next(t for t in texts if "Campaign 0" in t)
    last = shown.split("\n")[-1]
    kept = len(shown.split("\n")) - 1
    assert last == f"… and {100 - kept} more"
    assert len(shown) <= 3000
