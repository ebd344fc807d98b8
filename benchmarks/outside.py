"""Other people's programs, unmodified, against the sandbox: do they run whole, and bring the true figures?

Each is installed from its registry into an environment of its own, run by `python -m sandbox run` (it knows
the public host names alone, and reaches nobody else), and what it brings of two days is compared with the
sandbox's truth: clicks and cost exactly. Needs Linux with user namespaces, pip's and npm's registries, node.

Run: python -m benchmarks.outside --into FOLDER [NAME …]    # ten minutes, most of it installing and waiting
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import requests

ROOT = Path(__file__).resolve().parents[1]
NOW, FIRST, LAST = "2026-11-20T12:00:00Z", "2026-11-17", "2026-11-18"
NODE = Path(__file__).with_name("_outside.js")

Totals = dict[str, tuple[int, int]]
"""Clicks and cost (micros) of two days, by account."""


@dataclass(frozen=True)
class Program:
    """packages: for pip or, with node, npm. run: from its folder and the announcement to what it brought."""

    platform: str
    packages: tuple[str, ...]
    run: Callable[[Path, dict[str, Any]], Totals]
    node: bool = False


def inside(folder: Path, *command: str | Path, seconds: int = 900) -> str:
    """What a program says on standard output when it runs against the sandbox; its failure ends this one."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "run", "--", "env", "-C", folder, *command],
        cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    (folder / "stdout").write_text(done.stdout)
    (folder / "stderr").write_text(done.stderr)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}; see {folder}/stdout and {folder}/stderr")
    return done.stdout


def airbyte(folder: Path, program: str, config: dict[str, Any], streams: set[str]) -> list[dict[str, Any]]:
    """The records of a connector's streams; every stream must have been read to its end."""
    (folder / "config.json").write_text(json.dumps(config))
    binary = folder / "bin" / program
    told = [
        json.loads(line)
        for line in inside(folder, binary, "discover", "--config", "config.json").splitlines()
    ]
    catalog = next(one["catalog"]["streams"] for one in told if one["type"] == "CATALOG")
    chosen = [
        {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
        for stream in catalog
        if stream["name"] in streams
    ]
    (folder / "catalog.json").write_text(json.dumps({"streams": chosen}))
    read = inside(folder, binary, "read", "--config", "config.json", "--catalog", "catalog.json")
    messages = [json.loads(line) for line in read.splitlines()]
    traces = [one["trace"] for one in messages if one["type"] == "TRACE"]
    ended = [t["stream_status"] for t in traces if t["type"] == "STREAM_STATUS"]
    whole = {t["stream_descriptor"]["name"] for t in ended if t["status"] == "COMPLETE"}
    if whole != streams:
        raise RuntimeError(f"not read to their end: {sorted(streams - whole)}; see {folder}/stdout")
    return [one["record"] for one in messages if one["type"] == "RECORD"]


def airbyte_google_ads(folder: Path, at: dict[str, Any]) -> Totals:
    keys = {k: at["credentials"]["google"][k] for k in ("client_id", "client_secret", "refresh_token")}
    config = {"credentials": {"developer_token": "none", **keys}, "start_date": FIRST, "end_date": LAST}
    streams = {"account_performance_report", "ad_group_ad", "campaign_budget", "keyword_view", "audience"}
    clicks, cost = Counter[str](), Counter[str]()
    for record in airbyte(folder, "source-google-ads", {**config, "conversion_window_days": 0}, streams):
        if record["stream"] == "account_performance_report":
            row = record["data"]
            clicks[str(row["customer.id"])] += row["metrics.clicks"]
            cost[str(row["customer.id"])] += row["metrics.cost_micros"]
    return {account: (clicks[account], cost[account]) for account in clicks}


def airbyte_facebook_marketing(folder: Path, at: dict[str, Any]) -> Totals:
    token = at["credentials"]["meta"]["access_token"]
    config = {
        "account_ids": [a["id"] for a in at["accounts"] if a["platform"] == "meta"],
        "credentials": {"auth_type": "Service", "access_token": token},
        "start_date": f"{FIRST}T00:00:00Z",
        "end_date": f"{LAST}T00:00:00Z",
    }
    clicks, cost = Counter[str](), Counter[str]()
    for record in airbyte(folder, "source-facebook-marketing", config, {"ad_account", "ads_insights"}):
        row = record["data"]
        if record["stream"] == "ads_insights" and FIRST <= row["date_start"] <= LAST:
            clicks[row["account_id"]] += int(row["clicks"])
            cost[row["account_id"]] += round(float(row["spend"]) * 1_000_000)
    return {account: (clicks[account], cost[account]) for account in clicks}


def gaarf(folder: Path, at: dict[str, Any]) -> Totals:
    google = at["credentials"]["google"]
    settings = {k: google[k] for k in ("client_id", "client_secret", "refresh_token", "login_customer_id")}
    (folder / "google-ads.yaml").write_text(
        json.dumps({**settings, "developer_token": "none", "use_proto_plus": True})
    )
    (folder / "days.sql").write_text(
        "SELECT customer.id AS account, segments.date AS day, metrics.clicks AS clicks, "
        "metrics.cost_micros AS cost FROM customer "
        'WHERE segments.date >= "{first}" AND segments.date <= "{last}"'
    )
    words = ("days.sql", f"--account={google['login_customer_id']}", "--ads-config=google-ads.yaml")
    days = (f"--macro.first={FIRST}", f"--macro.last={LAST}")
    inside(folder, "bin/gaarf", *words, *days, "--output=csv", "--csv.destination-folder=out")
    clicks, cost = Counter[str](), Counter[str]()
    with (folder / "out" / "days.csv").open() as file:
        for row in csv.DictReader(file):
            clicks[row["account"]] += int(row["clicks"])
            cost[row["account"]] += int(row["cost"])
    return {account: (clicks[account], cost[account]) for account in clicks}


def node(which: str) -> Callable[[Path, dict[str, Any]], Totals]:
    """A client library for Node, as _outside.js uses it."""

    def run(folder: Path, at: dict[str, Any]) -> Totals:
        (folder / "at.json").write_text(json.dumps(at))
        (folder / "program.js").write_text(NODE.read_text())
        told = json.loads(inside(folder, "node", "program.js", which, FIRST, LAST).splitlines()[-1])
        return {account: (clicks, cost) for account, (clicks, cost) in told.items()}

    return run


PROGRAMS = {
    "airbyte-source-google-ads": Program("google_ads", ("airbyte-source-google-ads",), airbyte_google_ads),
    "airbyte-source-facebook-marketing": Program(
        "meta", ("airbyte-source-facebook-marketing",), airbyte_facebook_marketing
    ),
    "gaarf": Program("google_ads", ("google-ads-api-report-fetcher",), gaarf),
    "google-ads-api": Program("google_ads", ("google-ads-api",), node("google-ads-api"), node=True),
    "facebook-nodejs-business-sdk": Program(
        "meta", ("facebook-nodejs-business-sdk",), node("facebook-nodejs-business-sdk"), node=True
    ),
}


def install(folder: Path, program: Program) -> None:
    """Bring a program's packages into its folder, once."""
    if (folder / "installed").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if program.node:
        (folder / "package.json").write_text("{}")
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", *program.packages], cwd=folder, check=True
        )
    else:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *program.packages], check=True)
    (folder / "installed").touch()


def truth(at: dict[str, Any], platform: str) -> Totals:
    """What the world says of the two days, as of now, by account."""
    now = requests.get(at["truth"] + "/clock", timeout=60).json()["now"]
    found: Totals = {}
    for account in (a for a in at["accounts"] if a["platform"] == platform):
        zone = ZoneInfo(account["timezone"])
        start = datetime.fromisoformat(FIRST).replace(tzinfo=zone)
        end = datetime.fromisoformat(LAST).replace(tzinfo=zone) + timedelta(days=1)
        asked = {"account": account["id"], "start": start.isoformat(), "end": end.isoformat(), "as_of": now}
        rows = requests.get(at["truth"] + "/truth", params=asked, timeout=300).json()["rows"]
        found[account["id"]] = (sum(r["clicks"] for r in rows), sum(r["cost_micros"] for r in rows))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--into", type=Path, help="folder for the programs; kept, so that a second run is short"
    )
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PROGRAMS)}; all where none is given")
    asked = parser.parse_args()
    if asked.into is None:
        print("skipped: it installs other people's programs; say where with --into FOLDER")
        return 0
    home: Path = asked.into.resolve()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["PACELINE_SANDBOX_STATE"] = str(home / "sandbox.json")
    begin = [sys.executable, "-m", "sandbox", "up", "--json", "--now", NOW, "--frozen", "--days", "30"]
    failed = 0
    with subprocess.Popen(begin, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        try:
            at = json.loads(sandbox.stdout.readline())
            for name in asked.names or PROGRAMS:
                program, folder = PROGRAMS[name], home / name
                install(folder, program)
                began = time.monotonic()
                try:
                    got, want = program.run(folder, at), truth(at, program.platform)
                    verdict = "as in truth" if got == want else f"got {got}, and it is {want}"
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    verdict = str(error)
                failed += verdict != "as in truth"
                print(f"{name:36} {time.monotonic() - began:5.0f} s  {verdict}", flush=True)
        finally:
            sandbox.terminate()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
