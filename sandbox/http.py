"""Runs an ASGI app on the loopback interface in a thread of its own, over TLS or plain."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import uvicorn

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import ASGIApp

    from sandbox.tls import Tls

__all__ = ["HttpServer", "start"]

_START_SECONDS = 20.0
_GRACE_SECONDS = 1.0
_STOP_SECONDS = 5.0


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, give replies in flight a second, then cut off who still holds a connection.

        A TLS client need not answer a goodbye, so an orderly close could wait for ever.
        """
        for server in self.servers:
            server.close()
        state = self.server_state
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=_GRACE_SECONDS)
        for task in state.tasks:
            task.cancel()
        for connection in state.connections:
            if connection.transport is not None:
                connection.transport.abort()
        # Cancelled tasks and aborted transports end in the loop's next turns.
        for _ in range(3):
            await asyncio.sleep(0)
        await super().shutdown(sockets)


class HttpServer:
    """A running server. url: `https://127.0.0.1:PORT` (or http), without a slash at its end."""

    def __init__(self, url: str, server: uvicorn.Server, thread: threading.Thread) -> None:
        self.url = url
        self.port = int(url.rsplit(":", 1)[1])
        self._server = server
        self._thread = thread

    def stop(self) -> None:
        """Close the port, give replies in flight a second, and wait for the thread's end."""
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(app: ASGIApp, *, tls: Tls | None = None, port: int = 0, name: str = "sandbox") -> HttpServer:
    """Serve `app` on 127.0.0.1 (port 0: any free one) and return once it listens.

    Raises OSError when the port is taken, RuntimeError when the server does not come up.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.ExitStack() as undo:
        undo.callback(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            app,
            ssl_certfile=tls.cert_pem if tls else None,
            ssl_keyfile=tls.key_pem if tls else None,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name=f"{name}-http", daemon=True)
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"the {name} server did not start on port {port}")
            time.sleep(0.005)
        undo.pop_all()
    scheme = "https" if tls else "http"
    return HttpServer(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", server, thread)
