"""The process: the Streamlit server, with the service in its lifespan.

`st.App` must stand here literally: the server finds it by reading this file. The workspace comes from
PACELINE_WORKSPACE (`paceline up` sets it).
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import threading
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import streamlit as st

from metrics.dimensions import Convention
from panels import _once, _slot
from service import api, logs, workspace
from service.plans import planned
from service.running import Service
from service.settings import SettingsError
from warehouse.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

STOP_WITHIN = 8.0
"""Seconds that a stop may take; every write is a transaction, so what is cut off is not half there."""

RESTART = 75
"""Exit code (EX_TEMPFAIL) that asks a supervisor for a fresh process."""

CANNOT_START = 2

HEAVY = ("numpy", "pandas", "altair", "pyarrow.compute", "metrics.compute")
"""What the first page needs: imported before the first visitor, not by him."""

_LOG = logging.getLogger("paceline")
_running: list[Service] = []


def _service() -> Service | None:
    return _running[0] if _running else None


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[dict[str, Any] | None]:
    """Open the warehouse and poll, from before the first visitor until after the last."""
    logs.start()
    service = await anyio.to_thread.run_sync(_open)
    service.versions.prepare = _once.prepare
    service.versions.attach()
    service.on_lost = partial(os.kill, os.getpid(), signal.SIGTERM)
    _end_streams_at_signals(service)
    _slot.process_slot()["process"] = _shown(service)
    _running.append(service)
    service.start()
    service.workspace.announce(_address())
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    try:
        yield None
    finally:
        _running.clear()
        service.workspace.withdraw()
        with anyio.move_on_after(STOP_WITHIN, shield=True):
            await anyio.to_thread.run_sync(service.stop, abandon_on_cancel=True)
        if service.lost.is_set():
            logging.shutdown()
            os._exit(RESTART)


def _open() -> Service:
    try:
        return Service(workspace.find())
    except (SettingsError, StorageError) as error:
        # A person can mend it: say so in words. Raised here, the server would print its own traceback.
        _LOG.critical("cannot start: %s", error)
        logging.shutdown()
        os._exit(CANNOT_START)


def _shown(service: Service) -> _slot.Process:
    settings = service.setup.settings
    targets = tuple(_slot.Target(**target.model_dump()) for target in settings.targets)
    return _slot.Process(
        warehouse=service.warehouse,
        book=service.book,
        workspace=_slot.Workspace(
            name=settings.name,
            folder=service.workspace.folder,
            currency=settings.currency,
            timezone=settings.timezone,
            sources={name: source.connector.title for name, source in service.setup.sources.items()},
            targets=targets,
            plans=tuple(planned(plan, settings.currency) for plan in settings.plans),
            demo=bool(settings.sandbox),
            experiments=service.experiments,
            naming=Convention(settings.naming) if settings.naming else None,
        ),
        status=service.status,
        data_version=lambda: service.versions.current,
        backfill=service.filled,
        alerts=service.alerting.engine,
        metrics=lambda: service.in_force.now.metrics,
        access=settings.access,
        providers=service.setup.entrance.providers,
        dashboards=lambda: service.in_force.now.dashboards,
        changes=service.changes,
        practice=service.practice,
        catalog=service.catalog,
    )


def _address() -> str:
    host = st.get_option("server.address") or "127.0.0.1"
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"{scheme}://{host}:{st.get_option('server.port')}/{base}".rstrip("/")


def _end_streams_at_signals(service: Service) -> None:
    """An open event stream would hold up the server's end: send it home before the server's own handler."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handle(received: int, frame: Any, before: Any = before) -> None:
            service.versions.close()
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)


def _warm_up() -> None:
    """Import what pages need, then leave all of it out of the garbage collector's rounds.

    Streamlit collects after every run of a page; over these modules that takes a tenth of a second of
    everybody's time.
    """
    for name in HEAVY:
        try:
            importlib.import_module(name)
        except ImportError:
            _LOG.exception("%s cannot be imported", name)
    gc.collect()
    gc.freeze()


app = st.App("panels/main.py", lifespan=lifespan, routes=api.routes(_service), middleware=api.middleware())
