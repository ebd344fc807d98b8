"""The managers' digests of a running service: one thread that waits for their hour."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final

from alerts import drawing
from alerts.digest.audience import audiences
from alerts.digest.figures import Ground
from alerts.digest.send import Digests
from alerts.digest.told import Told
from service.plans import planned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from alerts.engine import Engine
    from metrics.catalog import Catalog
    from metrics.model import Metric
    from service.settings import Setup
    from warehouse.store import Warehouse

__all__ = ["DigestClock", "digests"]

_LOG = logging.getLogger(__name__)

_LOOK: Final = 20.0
"""Seconds between looks at the clock."""
_AGAIN: Final = timedelta(minutes=5)
"""After a digest could not be made, this passes before the next try."""
_PATIENCE: Final = timedelta(minutes=15)
"""After a start, digests wait so long for every account's present data: a night's standstill is no news."""


def digests(
    setup: Setup,
    warehouse: Warehouse,
    engine: Engine,
    metrics: Mapping[str, Metric],
    *,
    defaults: Mapping[str, str],
    app: str,
    catalog: Callable[[datetime], Catalog] | None = None,
    problems: Callable[[], Sequence[str]] = list,
) -> Digests:
    """The digests of a workspace.

    defaults: each channel's own default recipient. app: the app's address. catalog: whose reviews are told.
    problems: what keeps all alerts from working.
    """
    settings = setup.settings
    plans = [planned(plan, settings.currency) for plan in settings.plans]
    titles = {name: source.connector.title for name, source in setup.sources.items()}
    return Digests(
        Ground(warehouse, metrics, settings.currency, plans),
        Told(
            engine.records,
            list(engine.rules.values()),
            warehouse.watermarks,
            titles,
            app,
            catalog,
            problems,
            lambda: engine.failing,
        ),
        engine.outbox,
        settings.alerts,
        defaults,
        audiences(settings.alerts.digests, setup.channels),
        settings.timezone,
    )


class DigestClock:
    """Works from `start` to `stop`. ready: whether every account has data of the present."""

    def __init__(self, made: Digests, *, clock: Callable[[], datetime], ready: Callable[[], bool]) -> None:
        self.digests = made
        self._clock, self._ready = clock, ready
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="digests", daemon=True)
        self.problem = ""
        """Why a digest that is due could not be made; "" while all is well."""

    def start(self) -> None:
        """Send what is due from now on."""
        if self.digests.audiences or self.digests.told.catalog is not None:
            self._thread.start()

    def stop(self) -> None:
        """Send nothing more. A digest that is being made is finished, or made at the next start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        began = monotonic()
        not_before: datetime | None = None
        warm = False
        while not self._stopping.wait(_LOOK):
            now = self._clock()
            if not_before is not None and now < not_before:
                continue
            try:
                if not warm:
                    drawing.warm()
                    warm = True
                if not self._ready() and monotonic() - began < _PATIENCE.total_seconds():
                    continue
                sent = self.digests.tick(now) + self.digests.remind(now)
            except Exception as error:  # noqa: BLE001  # shown; it is tried again, today's digest is due all day
                _LOG.exception("a digest could not be made")
                self.problem, not_before = f"digest: {type(error).__name__}, see the log", now + _AGAIN
            else:
                self.problem, not_before = "", None
                if sent:
                    _LOG.info("wrote %d digests", sent)
