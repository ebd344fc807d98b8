"""Bring what Paceline needs: uv from PyPI, then the hash-locked dependencies, all inside `.venv`.

Runs on the plain python3 of a fresh machine, so it uses the standard library alone. A second run looks
at a stamp and does nothing.

    python3 tools/prepare.py            what running needs
    python3 tools/prepare.py dev        and what testing needs, a browser included
    python3 tools/prepare.py bench      the peers of `make bench`, in an environment of their own
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv"
PYTHON = HOME / "bin" / "python"
UV = HOME / "uv" / "bin" / "uv"
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock", "bench": "requirements-bench.lock"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def say(text: str) -> None:
    """One line of progress, where it disturbs nobody who reads the output."""
    print(f"paceline: {text}", file=sys.stderr, flush=True)


def run(*command: str | Path) -> None:
    """Run a step; a failing one ends the whole with its own words."""
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"paceline: {' '.join(str(c) for c in command)} failed with {done.returncode}")


def stamp(profile: str) -> str:
    """What a finished profile is known by: its lock's hash and the Python it was made for."""
    digest = hashlib.sha256((ROOT / LOCKS[profile]).read_bytes()).hexdigest()
    return f"{profile} {digest} {sys.version_info[0]}.{sys.version_info[1]}"


def environment(home: Path) -> None:
    """Make an empty virtual environment, without pip: uv does the installing."""
    if not (home / "bin" / "python").exists():
        venv.create(home, with_pip=False, symlinks=True)


def uv() -> Path:
    """Fetch uv once, by its own hash-locked requirement."""
    if UV.exists():
        return UV
    say("fetching uv")
    pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    if pip.returncode:
        sys.exit("paceline: this python3 has no pip; on Debian: apt-get install python3-pip")
    run(
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--root-user-action=ignore",
        ),
        *("--target", UV.parent.parent, "--require-hashes", "-r", ROOT / "tools" / "uv.lock"),
    )
    return UV


def prepare(profile: str) -> None:
    """Make the profile's environment ready. `dev` serves `run` too."""
    home = HOME if profile != "bench" else ROOT / ".venv-bench"
    done = home / "prepared"
    good = {stamp(profile)} | ({stamp("dev")} if profile == "run" else set())
    if done.exists() and done.read_text() in good:
        return
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text() in good:
            return
        environment(home)
        say(f"installing what {LOCKS[profile]} names (once)")
        tool = uv()
        run(
            tool,
            "pip",
            "sync",
            "-q",
            "--require-hashes",
            "-p",
            home / "bin" / "python",
            ROOT / LOCKS[profile],
        )
        done.write_text(stamp(profile))


def browser() -> None:
    """A Chromium for the tests: the machine's, or Debian's package."""
    if any(shutil.which(name) for name in BROWSERS):
        return
    become = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None:
        sys.exit(f"paceline: the tests need a browser; install one of {', '.join(BROWSERS)}")
    say("installing chromium for the browser tests (once)")
    run(*become, "apt-get", "update", "-qq")
    run(*become, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "chromium")


def main(profile: str = "run") -> None:
    """Prepare a profile by name."""
    if sys.version_info < (3, 11):  # noqa: UP036  # this file runs before any environment exists
        sys.exit(f"paceline needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    if profile not in LOCKS:
        sys.exit(f"paceline: unknown profile {profile!r}; there are {', '.join(LOCKS)}")
    prepare(profile)
    if profile == "dev":
        browser()


if __name__ == "__main__":
    main(*sys.argv[1:2])
