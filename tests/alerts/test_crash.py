"""kill -9 at random moments: nothing is lost, Slack has each message once, mail at most twice the same.

The real channels, over the wire to the sandbox. PACELINE_FULL=1 runs it at full length: 100 kills, 400 incidents.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import pytest

from tests.alerts.channels_kit import CHANNEL, running

KILLS, INCIDENTS = (100, 400) if os.environ.get("PACELINE_FULL") == "1" else (6, 24)


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with running(tmp_path_factory.mktemp("channels")) as channels:
        yield channels


@pytest.fixture
def settings(up, tmp_path):
    host, port = up.at["smtp"].split(":")
    trusted = {"ca_file": up.at["ca_file"]}
    keys = up.keys
    path = tmp_path / "channels.json"
    path.write_text(
        json.dumps(
            {
                "slack": {
                    "channel": CHANNEL,
                    "token": keys["slack"]["bot_token"],
                    "url": up.at["slack"],
                    **trusted,
                },
                "email": {
                    "host": host,
                    "port": int(port),
                    "user": keys["smtp"]["user"],
                    "password": keys["smtp"]["password"],
                    "sender": "alerts@team.test",
                    **trusted,
                },
            }
        )
    )
    return path


def slack_keys(up):
    return Counter(one["metadata"]["event_payload"]["dedup_key"] for one in up.slack())


def mail_ids(up):
    return Counter(dict(one["headers"])["Message-ID"] for one in up.mail("dana@team.test"))


def progress(book):
    """Messages decided and messages delivered, as they are committed: what a kill may fall between."""
    with closing(sqlite3.connect(f"file:{book}?mode=ro", uri=True)) as connection:
        (row,) = connection.execute("SELECT count(*) + total(status = 'sent') FROM outbox")
    return row[0]


@pytest.mark.slow
@pytest.mark.timeout(120 + 10 * KILLS)
def test_nothing_is_lost_and_slack_has_it_once(tmp_path, up, settings):
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    book = tmp_path / "book.sqlite"
    command = [sys.executable, "-m", "tests.alerts.crash_engine", str(book), str(settings), str(INCIDENTS)]
    wanted = 2 * INCIDENTS  # a beginning and an end each
    # Random moments of the whole of it, each message decided once and delivered once on each of two channels.
    moments = sorted(dice.random() * 0.97 * 4 * wanted for _ in range(KILLS))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as mother:

        def start():
            mother.stdin.write("go\n")
            mother.stdin.flush()
            said, pid = mother.stdout.readline().split()
            assert said == "READY", f"seed {seed}"
            return int(pid)

        for moment in moments:
            child = start()
            while progress(book) < moment:
                time.sleep(0.002)
            time.sleep(dice.random() * 0.02)
            os.kill(child, signal.SIGKILL)
            assert mother.stdout.readline() == f"ENDED {-signal.SIGKILL}\n", f"seed {seed}"
        start()
        assert mother.stdout.readline() == "ENDED 0\n", f"seed {seed}"
    slack, mail = slack_keys(up), mail_ids(up)
    print(  # noqa: T201  # the figures, under -s
        f"{INCIDENTS} incidents, {KILLS} kills, {wanted} messages a channel: Slack has {len(slack)}, "
        f"{slack.total() - len(slack)} of them twice; mail {len(mail)}, {mail.total() - len(mail)} again "
        "with the same Message-ID"
    )
    assert len(slack) == wanted, f"seed {seed}"
    assert set(slack.values()) == {1}, f"seed {seed}"
    parents = [one for one in up.slack() if one.get("thread_ts", one["ts"]) == one["ts"]]
    assert len(parents) == INCIDENTS, f"seed {seed}"  # the end lies in its beginning's thread
    assert len(mail) == wanted, f"seed {seed}"
