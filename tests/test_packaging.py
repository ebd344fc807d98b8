"""The wheel: one top-level name, the same command line from any directory, our classes never twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the built wheel has been installed, dependencies aside."""
    work = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [UV, "build", "-q", "--wheel", "--no-build-isolation", "-p", sys.executable, "-o", work, ROOT],
        check=True,
    )
    (wheel,) = work.glob("paceline-*.whl")
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {n for n in names if not n.endswith(".dist-info")} == {"paceline"}
    site = work / "site"
    subprocess.run(
        [UV, "pip", "install", "-q", "--no-deps", "--target", site, "-p", sys.executable, wheel], check=True
    )
    return site


def run(installed: Path, cwd: Path, *command: str | Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_console_script_works_from_another_directory(installed: Path, tmp_path: Path) -> None:
    assert "0.1.0" in run(installed, tmp_path, sys.executable, installed / "bin" / "paceline", "version")


def test_rooms_are_one_module_under_both_names(installed: Path, tmp_path: Path) -> None:
    code = (
        "import paceline, sys;"
        "from paceline.connectors.contract import Connector as a;"
        "from connectors.contract import Connector as b;"
        "import connectors;"
        "print(a is b, connectors.__file__.startswith(sys.argv[1]))"
    )
    assert run(installed, tmp_path, sys.executable, "-c", code, installed).split() == ["True", "True"]


def test_example_workspace_and_definitions_are_inside(installed: Path) -> None:
    home = installed / "paceline"
    for name in (
        "app.py",
        ".streamlit/config.toml",
        "workspace/paceline.yaml",
        "metrics/definitions/cpa.sql",
    ):
        assert (home / name).is_file(), name


def test_installed_sandbox_speaks(installed: Path, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, installed / "bin" / "paceline", "sandbox", "up", "--json", "--accounts", "2"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as sandbox:
        assert sandbox.stdout is not None
        try:
            said = json.loads(sandbox.stdout.readline())
        finally:
            sandbox.send_signal(signal.SIGTERM)
    assert said["meta"].startswith("https://localhost:")
    assert sandbox.returncode == 0
