"""What the service says while it runs: one line a fact, in UTC, without any secret."""

from __future__ import annotations

import logging
import time

from connectors.errors import redact

__all__ = ["RedactingFormatter", "start"]


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line, tracebacks included: a filter would see the message alone."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as one text, redacted."""
        return redact(super().format(record))


def start(level: int = logging.INFO) -> None:
    """Send everything from `level` up to standard error; calling it again changes nothing."""
    root = logging.getLogger()
    if not any(isinstance(handler.formatter, RedactingFormatter) for handler in root.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(RedactingFormatter())
        root.addHandler(handler)
    root.setLevel(level)
    # Each run of a job is a line of theirs and none of ours: what a poll did is said by the poll.
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
