"""What a worker process says by itself."""

from __future__ import annotations

import logging
from datetime import timedelta

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
