"""TCP ports for the services of platforms, so that several stand side by side.

Ports come from 15000-31999, below the range that the kernel takes the ports of outgoing
connections from: a service that is down for a while must find its port free when it comes back.
For the same reason a port stays reserved while its service is down: reservations stand in one
file per user, each with the process that holds it, and end with that process.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
import psutil

from chaosp7.errors import PlatformError, PortInUseError
from chaosp7.platform.process_id import ProcessId

__all__ = [
    "HOST",
    "LISTEN_ENV",
    "free_now",
    "hand_over",
    "holder",
    "is_free",
    "listen_host",
    "release",
    "reserve",
    "reserved_by",
]

#: Where processes listen: on loopback only.
HOST = "127.0.0.1"

#: In a container the embedded parts listen on its own address, which only its network and this machine reach.
LISTEN_ENV = "CHAOSP7_LISTEN_ON"

_LOWEST, _HIGHEST = 15_000, 31_999
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class _Reservation(msgspec.Struct):
    holder: ProcessId
    ports: dict[str, int]


_Book = dict[str, _Reservation]


def listen_host() -> str:
    """Return the address that this process's servers listen on."""
    return os.environ.get(LISTEN_ENV, HOST)


def free_now() -> int:
    """Return a port of loopback that nobody has at this moment, for what is there for a short time only."""
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])


def reserve(owner: str, wanted: Mapping[str, int]) -> dict[str, int]:
    """Reserve ports for a platform, in place of any it held; they belong to this process.

    Args:
        owner: the platform's state folder.
        wanted: what each port is for -> a fixed port, or 0 for any free one. What it is for
            begins with the service's name: ``redpanda`` or ``redpanda direct``.

    Returns:
        What each port is for -> the port.

    Raises:
        PortInUseError: if a fixed port is taken; the message names port, service and holder.
        PlatformError: if no port is free.
    """
    with _book() as book:
        book.pop(owner, None)
        taken = {port: who for who, entry in book.items() for port in entry.ports.values()}
        chosen: dict[str, int] = {}
        for what, port in wanted.items():
            if port:
                _check_fixed(what, port, taken, chosen)
                chosen[what] = port
        candidates = _candidates({*taken, *chosen.values()})
        for what, port in wanted.items():
            if not port:
                chosen[what] = _next_free(candidates)
        this = ProcessId.of(os.getpid())
        assert this is not None, "this process is alive"  # noqa: S101
        book[owner] = _Reservation(this, chosen)
    return {what: chosen[what] for what in wanted}


def hand_over(owner: str, pid: int) -> None:
    """Give a platform's reservation to another process, with which it ends.

    Raises:
        PlatformError: if that process has ended, or there is no reservation.
    """
    with _book() as book:
        to = ProcessId.of(pid)
        if to is None or owner not in book:
            raise PlatformError(f"the ports of {owner} can't be handed over to process {pid}")
        book[owner].holder = to


def release(owner: str) -> None:
    """End a platform's reservation, if there is one."""
    with _book() as book:
        book.pop(owner, None)


def reserved_by(port: int) -> str | None:
    """Return the state folder of the platform that has reserved a port."""
    with _book() as book:
        return next((who for who, entry in book.items() if port in entry.ports.values()), None)


def is_free(port: int) -> bool:
    """Tell whether a service could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        # As servers do: connections of an earlier one that still linger don't count.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
            sock.listen(1)
        except OSError:
            return False
    return True


def holder(port: int) -> str | None:
    """Return who listens on a port, as ``name (PID n)``, or None if that can't be known."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
            continue
        if connection.laddr.port == port:
            try:
                return f"{psutil.Process(connection.pid).name()} (PID {connection.pid})"
            except psutil.Error:
                return f"PID {connection.pid}"
    return None


def _check_fixed(what: str, port: int, taken: Mapping[int, str], chosen: Mapping[str, int]) -> None:
    service = what.split(maxsplit=1)[0]
    if port in chosen.values():
        other = next(key for key, value in chosen.items() if value == port).split()[0]
        raise PortInUseError(f"port {port} of service {service!r} is the port of service {other!r} too")
    if port in taken:
        raise PortInUseError(
            f"port {port} of service {service!r} is reserved by the platform at {taken[port]}"
        )
    if not is_free(port):
        by = holder(port)
        who = f"used by {by}" if by else "in use, by a process of another user"
        raise PortInUseError(f"port {port} of service {service!r} is {who}")


def _candidates(avoid: set[int]) -> Iterator[int]:
    """Give the ports of our range, from a random place on, so that restarts rarely meet."""
    try:
        low, high = map(int, _EPHEMERAL.read_text().split())
    except (OSError, ValueError):
        low, high = 32_768, 60_999
    ports = [port for port in range(_LOWEST, _HIGHEST + 1) if not low <= port <= high]
    # A machine whose outgoing connections use all of our range leaves no better choice.
    ports = ports or list(range(_LOWEST, _HIGHEST + 1))
    start = random.randrange(len(ports))  # noqa: S311  # not a secret
    return (port for port in ports[start:] + ports[:start] if port not in avoid)


def _next_free(candidates: Iterator[int]) -> int:
    for port in candidates:
        if is_free(port):
            return port
    raise PlatformError(f"no TCP port is free between {_LOWEST} and {_HIGHEST}")


@contextmanager
def _book() -> Iterator[_Book]:
    """Open the book of reservations, without those whose holder has ended; write it back."""
    with _folder().joinpath("ports.json").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        book = {owner: entry for owner, entry in _read(file).items() if entry.holder.alive()}
        yield book
        file.seek(0)
        file.truncate()
        file.write(msgspec.json.encode(book))


def _read(file: IO[bytes]) -> _Book:
    file.seek(0)
    try:
        return msgspec.json.decode(file.read(), type=_Book)
    except msgspec.DecodeError:
        # Empty, or torn by a kill in mid-write: the bind test still keeps live services apart.
        return {}


def _folder() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base) / f"chaosp7-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PlatformError(f"{folder} belongs to another user")
    return folder
