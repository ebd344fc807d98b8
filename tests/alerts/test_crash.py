"""kill -9 at random moments: nothing is lost, Slack has each message once, mail at most twice the same.

PACELINE_KILLS=100 runs it at full length: 400 incidents.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.alerts.channels import MailServer, SlackServer

KILLS = int(os.environ.get("PACELINE_KILLS", "10"))
INCIDENTS = 400 if KILLS >= 100 else 120


@pytest.fixture
def servers():
    slack, mail = SlackServer(), MailServer()
    yield slack, mail
    slack.close()
    mail.close()


@pytest.mark.slow
@pytest.mark.timeout(60 + 12 * KILLS)
def test_nothing_is_lost_and_slack_has_it_once(tmp_path, servers):
    slack, mail = servers
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    command = [sys.executable, "-m", "tests.alerts.crash_engine", str(tmp_path / "book.sqlite")]
    command += [slack.url, str(mail.port), str(INCIDENTS)]
    kills = inside = 0
    done = False
    while not done:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "READY\n", f"seed {seed}"
            if kills < KILLS:
                # So that the kills are spread over the whole of it, however fast the machine is.
                goal = INCIDENTS * 2 * (kills + dice.random()) / KILLS
                end = time.monotonic() + 20
                while len(slack.posted) + len(mail.mails) < goal and time.monotonic() < end:
                    time.sleep(0.0005)
                time.sleep(dice.random() * 0.01)
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                inside += process.returncode == -signal.SIGKILL
                continue
            done = process.stdout.readline() == "DONE\n"
            assert process.wait() == 0
    slack_keys, mail_keys = Counter(slack.keys()), Counter(mail.keys())
    print(  # noqa: T201  # the figures, under -s
        f"{INCIDENTS} incidents, {kills} kills: Slack {len(slack_keys)} told, "
        f"{sum(slack_keys.values()) - len(slack_keys)} twice; mail {len(mail_keys)} told, "
        f"{sum(mail_keys.values()) - len(mail_keys)} again with the same Message-ID"
    )
    assert inside == KILLS
    assert len(slack_keys) == INCIDENTS, f"seed {seed}"
    assert set(slack_keys.values()) == {1}, f"seed {seed}"
    assert len(mail_keys) == INCIDENTS, f"seed {seed}"
    subjects = Counter(m["Subject"] for m in {m["Message-ID"]: m for m in mail.mails}.values())
    assert set(subjects.values()) == {1}, f"seed {seed}"
