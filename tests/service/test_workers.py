"""What a worker process says by itself."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

from service.workers import Workers


def speak():
    """As a client library does, in a worker."""
    logging.getLogger("client").warning("GET /me?access_token=EAABsbCS1iHgBO7ZC was refused")


def test_the_log_of_a_worker_is_redacted(capfd):
    workers = Workers(1, deadline=timedelta(seconds=30))
    try:
        workers._pool.schedule(speak).result()
    finally:
        workers.close()
    assert capfd.readouterr().err.endswith("WARNING client: GET /me?access_token=... was refused\n")


def heavy():
    """Whether a worker has what only pages need."""
    return sorted({"streamlit", "panels", "altair"} & set(sys.modules))


def test_a_worker_brings_no_pages_although_one_was_shown(monkeypatch):
    # As Streamlit does at every rerun: the page's script stands where the process's main module stood.
    shown = ModuleType("__main__")
    shown.__file__ = str(Path(__file__).resolve().parents[2] / "panels" / "main.py")
    monkeypatch.setitem(sys.modules, "__main__", shown)
    workers = Workers(1, deadline=timedelta(seconds=30))
    try:
        assert workers._pool.schedule(heavy).result() == []
    finally:
        workers.close()
