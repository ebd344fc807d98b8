"""States of rules beside those of Prometheus: random histories, judged by promtool's rule tests.

`for` and `keep_firing_for` are Prometheus' own. A sample that is missing is FALSE there, which here is
`no_data: ok`. Needs `promtool` (Debian: prometheus). Run: python -m benchmarks.promtool
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from alerts.notify.contract import Severity
from alerts.observation import Labels, Observation, Result
from alerts.state import Key, State, Timing, step

BINARY: Final = "promtool"
START: Final = datetime(2026, 11, 2, 9, tzinfo=UTC)


def _history(draw: random.Random) -> tuple[str, int, int]:
    letters = "".join(draw.choices("TFN", [5, 4, 1], k=draw.randint(5, 25)))
    return letters, draw.randint(0, 5), draw.randint(0, 5)


def _firing(letters: str, hold: int, keep: int) -> list[bool]:
    """Minute by minute whether it fires, by our state machine; N is a sample that is missing."""
    minute, key = timedelta(minutes=1), Key("spend", Severity.CRITICAL, Labels("ads", "a", "c"))
    timing = Timing(hold * minute, keep * minute, "ok")
    results = {"T": Result.TRUE, "F": Result.FALSE, "N": Result.NODATA}
    instance, found = None, []
    for number, letter in enumerate(letters):
        now = START + number * minute
        told = Observation(key.labels, results[letter], now)
        instance = step(instance, told, timing, key=key, now=now, fresh=now)
        found.append(instance is not None and instance.state is State.FIRING)
    return found


def states(number: int, seed: int) -> str:
    """Whether promtool's rule tests hold for our states of random histories; what it says where not."""
    draw = random.Random(seed)
    rules, tests = [], []
    for n in range(number):
        letters, hold, keep = _history(draw)
        rules.append(
            {
                "alert": f"a{n}",
                "expr": f'x{{n="{n}"}} == 1',
                "for": f"{hold}m",
                "keep_firing_for": f"{keep}m",
            }
        )
        values = " ".join({"T": "1", "F": "0", "N": "stale"}[one] for one in letters)
        expected = [{"exp_labels": {"n": str(n)}}]
        tests.append(
            {
                "interval": "1m",
                "input_series": [{"series": f'x{{n="{n}"}}', "values": values}],
                "alert_rule_test": [
                    {"eval_time": f"{m}m", "alertname": f"a{n}", "exp_alerts": expected if fires else []}
                    for m, fires in enumerate(_firing(letters, hold, keep))
                ],
            }
        )
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        (where / "rules.json").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
        whole = {"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": tests}
        (where / "test.json").write_text(json.dumps(whole))
        done = subprocess.run(
            [BINARY, "test", "rules", "test.json"],
            cwd=where,
            capture_output=True,
            text=True,
            check=False,
        )
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[:4000]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--histories", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    if shutil.which(BINARY) is None:
        print(f"left out: {BINARY} not found (Debian: prometheus)")
        return 0
    differ = states(chosen.histories, chosen.seed)
    print(f"{chosen.histories} random histories: {'differ ' + differ if differ else 'the same states'}")
    return int(bool(differ))


if __name__ == "__main__":
    sys.exit(main())
