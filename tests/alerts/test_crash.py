"""kill -9 at random moments: nothing is lost, Slack has each message once, mail at most twice the same.

The real channels, over the wire to the sandbox. PACELINE_KILLS=100 runs it at full length: 400 incidents.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.alerts.channels_kit import CHANNEL, running

KILLS = int(os.environ.get("PACELINE_KILLS", "10"))
INCIDENTS = 400 if KILLS >= 100 else 40


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


@pytest.mark.slow
@pytest.mark.timeout(120 + 30 * KILLS)
def test_nothing_is_lost_and_slack_has_it_once(tmp_path, up, settings):
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    command = [sys.executable, "-m", "tests.alerts.crash_engine", str(tmp_path / "book.sqlite")]
    command += [str(settings), str(INCIDENTS)]
    wanted = 2 * INCIDENTS  # a beginning and an end each
    kills, done = 0, False
    while not done:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "READY\n", f"seed {seed}"
            if kills < KILLS:
                # So that the kills are spread over the whole of it, however fast the machine is.
                goal = wanted * (kills + dice.random()) / KILLS * 0.95
                end = time.monotonic() + 8
                while slack_keys(up).total() < goal and time.monotonic() < end:
                    time.sleep(0.01)
                time.sleep(dice.random() * 0.05)
                process.send_signal(signal.SIGKILL)
                assert process.wait() == -signal.SIGKILL, f"seed {seed}"
                kills += 1
                continue
            done = process.stdout.readline() == "DONE\n"
            assert process.wait() == 0
    slack, mail = slack_keys(up), mail_ids(up)
    print(  # noqa: T201  # the figures, under -s
        f"{INCIDENTS} incidents, {kills} kills, {wanted} messages a channel: Slack has {len(slack)}, "
        f"{slack.total() - len(slack)} of them twice; mail {len(mail)}, {mail.total() - len(mail)} again "
        "with the same Message-ID"
    )
    assert len(slack) == wanted, f"seed {seed}"
    assert set(slack.values()) == {1}, f"seed {seed}"
    parents = [one for one in up.slack() if one.get("thread_ts", one["ts"]) == one["ts"]]
    assert len(parents) == INCIDENTS, f"seed {seed}"  # the end lies in its beginning's thread
    assert len(mail) == wanted, f"seed {seed}"
