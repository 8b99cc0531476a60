"""Does a client talk to a server past the proxy? Then a fault on their link does nothing."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil

__all__ = ["connections_of_container", "connections_of_process"]

_ESTABLISHED = "01"


def connections_of_process(pid: int, ports: Collection[int]) -> list[str]:
    """Return the connections that a process has to some ports, ``host:port``; none if it is gone.

    Args:
        pid: the process.
        ports: TCP ports.
    """
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return []
    return [
        f"{one.raddr.ip}:{one.raddr.port}"
        for one in connections
        # A listener has no other end.
        if one.status == psutil.CONN_ESTABLISHED and getattr(one.raddr, "port", None) in ports
    ]


def connections_of_container(pid: int, host: str) -> list[str]:
    """Return the connections from a container to an address, ``host:port``; none if it is gone.

    Args:
        pid: any process of the container: its network is all the container's.
        host: an IP address.
    """
    return [f"{ip}:{port}" for ip, port in _established(pid) if ip == host]


def _established(pid: int) -> Iterator[tuple[str, int]]:
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _number, _local, remote, state = line.split()[:4]
            if state == _ESTABLISHED:
                address, port = remote.split(":")
                yield _ip(address), int(port, 16)


def _ip(text: str) -> str:
    """Return an address as people write it; the kernel writes each 32 bits in the host's byte order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    raw = b"".join(struct.pack("=I", word) for word in words)
    if len(raw) == 4:
        return socket.inet_ntoa(raw)
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)
