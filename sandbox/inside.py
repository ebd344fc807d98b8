"""Runs a program that knows only the platforms' public host names against the sandbox that is up.

The program gets a view of the machine of its own, by Linux namespaces and without any privilege: a hosts file
in which the public names lead to this machine, a port 443 that passes each connection on to the server it
means, the sandbox's own ports as they are, and no other network. Whatever it says, it says to the sandbox.

    program -> 127.0.0.1:443 -> (a Unix socket, the one way out) -> the sandbox's servers
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.door import PUBLIC, destination, hear, port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Unsupported", "run"]

_TRUST = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTPLIB2_CA_CERTS",
    "NODE_EXTRA_CA_CERTS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
"""Where the common TLS libraries look for their roots of trust."""

_SERVERS = (
    *("google_ads", "ga4", "fx", "sites", "smtp", "arrived", "oidc", "truth", "slack_socket"),
    *dict.fromkeys(PUBLIC.values()),
)
_HTTPS = 443
_UP, _GET_FLAGS, _SET_FLAGS = 0x1, 0x8913, 0x8914  # linux/if.h, linux/sockios.h
_ROOT = str(Path(__file__).resolve().parents[1])


class Unsupported(OSError):
    """This machine has no namespaces for a program of its own."""


def run(command: Sequence[str], announced: Mapping[str, Any], *, trusted: Sequence[Path] = ()) -> int:
    """Run `command` to its end with this process's standard streams; its exit code.

    announced: what the sandbox printed. trusted: files in which the program has roots of trust of its own,
    such as certifi's cacert.pem; it sees the sandbox's in their place. Raises Unsupported where a process may
    not have namespaces.
    """
    unshare, mount = shutil.which("unshare"), shutil.which("mount")
    enter = [unshare or "", "--user", "--map-root-user", "--mount", "--net"]
    if not unshare or not mount or not _succeeds([*enter, mount]):
        raise Unsupported("this needs Linux, user namespaces, and util-linux's unshare and mount")
    with tempfile.TemporaryDirectory(prefix="sandbox-inside-") as folder:
        hosts, way_out = Path(folder) / "hosts", str(Path(folder) / "way-out")
        hosts.write_text(f"127.0.0.1 localhost {' '.join(PUBLIC)}\n")
        seen = [(str(hosts), "/etc/hosts"), *((announced["ca_file"], str(path)) for path in trusted)]
        mounts = [shlex.join((mount, "--bind", ours, theirs)) for ours, theirs in seen]
        rename = ["sh", "-c", " && ".join((*mounts, 'exec "$0" "$@"'))]
        begin = [sys.executable, "-m", "sandbox.inside", way_out, json.dumps(announced), *command]
        return asyncio.run(_outside(way_out, [*enter, *rename, *begin], announced))


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 (found above)


async def _outside(way_out: str, command: Sequence[str], announced: Mapping[str, Any]) -> int:
    """In the caller's namespaces: run `command`, and carry what it says to the sandbox's servers alone."""
    open_ports = _ports(announced)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            (wanted,) = struct.unpack("!H", await reader.readexactly(2))
            if wanted in open_ports:
                await _relay(reader, writer, *await asyncio.open_connection("localhost", wanted))

    async with await asyncio.start_unix_server(pass_on, way_out):
        process = await asyncio.create_subprocess_exec(*command, env=_kept() | {"PYTHONPATH": _ROOT})
        return await process.wait()


def _kept() -> dict[str, str]:
    """The caller's environment; its PYTHONPATH is the program's, and not for the way there."""
    own = dict(os.environ)
    path = own.pop("PYTHONPATH", None)
    return own | ({"SANDBOX_PYTHONPATH": path} if path else {})


def _ports(announced: Mapping[str, Any]) -> set[int]:
    return {port(announced[key]) for key in _SERVERS}


async def _inside(way_out: str, announced: Mapping[str, Any], command: Sequence[str]) -> int:
    """In the program's namespaces: bring its network up, open the door, and run it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.unpack("16sh", fcntl.ioctl(control, _GET_FLAGS, struct.pack("16sh", b"lo", 0)))[1]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh", b"lo", flags | _UP))

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            wanted, said = writer.get_extra_info("sockname")[1], b""
            if wanted == _HTTPS:
                said, hello = await hear(reader)
                wanted = destination(hello, announced)
            away, there = await asyncio.open_unix_connection(way_out)
            there.write(struct.pack("!H", wanted) + said)
            await _relay(reader, writer, away, there)

    async with contextlib.AsyncExitStack() as servers:
        for number in (_HTTPS, *_ports(announced)):
            await servers.enter_async_context(await asyncio.start_server(leave, "127.0.0.1", number))
        process = await asyncio.create_subprocess_exec(*command, env=_environment(announced))
        return await process.wait()


def _environment(announced: Mapping[str, Any]) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    own.pop("PYTHONPATH", None)
    path = own.pop("SANDBOX_PYTHONPATH", None)
    return own | dict.fromkeys(_TRUST, announced["ca_file"]) | ({"PYTHONPATH": path} if path else {})


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> Any:
    """Close a connection at the end, and forgive one that the other side or the program's end has ended."""
    try:
        yield
    except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        pass
    except (LookupError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
    finally:
        writer.close()


async def _relay(
    near_in: asyncio.StreamReader,
    near_out: asyncio.StreamWriter,
    far_in: asyncio.StreamReader,
    far_out: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until both sides have ended."""

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while piece := await source.read(1 << 16):
            target.write(piece)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()

    try:
        await asyncio.gather(carry(near_in, far_out), carry(far_in, near_out))
    finally:
        far_out.close()


def main() -> None:
    """The part in the program's namespaces; begun by `run`."""
    way_out, announced, *command = sys.argv[1:]
    sys.exit(asyncio.run(_inside(way_out, json.loads(announced), command)))


if __name__ == "__main__":
    main()
