"""Ask a service for its health."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Collection

from chaosp7.embedded.plan_model import Check, HealthPlan

__all__ = ["check"]

_BODY_BYTES_MAX = 1 << 20
_DETAIL_CHARS = 160
_API_VERSIONS = struct.pack(">hhih", 18, 0, 7, -1)
"""ApiVersions version 0, correlation id 7, no client id: every broker answers it."""


async def check(plan: HealthPlan, proxies: Collection[str], timeout_s: float) -> str | None:
    """Ask a service once.

    Args:
        plan: how to ask.
        proxies: the proxies that a Toxiproxy must have.
        timeout_s: no answer after so many seconds isn't healthy.

    Returns:
        None if it is healthy, else why not.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _ask(plan, proxies)
    except TimeoutError:
        return f"no answer on port {plan.port} within {timeout_s:g} s"
    except ConnectionRefusedError:
        return f"port {plan.port} is closed"
    except (OSError, EOFError, ValueError, struct.error) as error:
        return f"port {plan.port}: {type(error).__name__}: {error}"


async def _ask(plan: HealthPlan, proxies: Collection[str]) -> str | None:
    match plan.check:
        case Check.HTTP:
            return await _http(plan)
        case Check.TOXIPROXY:
            return await _toxiproxy(plan, proxies)
        case Check.KAFKA:
            return await _kafka(plan)
        case Check.CONTAINER:
            return None  # who runs the container knows


async def _http(plan: HealthPlan) -> str | None:
    status, body = await _get(plan.host, plan.port, plan.path)
    if status == 200:
        return None
    text = " ".join(body.decode(errors="replace").split())
    return f"HTTP {status}: {text[:_DETAIL_CHARS]}"


async def _toxiproxy(plan: HealthPlan, proxies: Collection[str]) -> str | None:
    status, body = await _get(plan.host, plan.port, plan.path)
    if status != 200:
        return f"HTTP {status}"
    missing = [name for name in proxies if name not in json.loads(body)]
    return f"no proxy for {', '.join(missing)}" if missing else None


async def _kafka(plan: HealthPlan) -> str | None:
    reader, writer = await asyncio.open_connection(plan.host, plan.port)
    try:
        writer.write(struct.pack(">i", len(_API_VERSIONS)) + _API_VERSIONS)
        _size, correlation_id, error = struct.unpack(">iih", await reader.readexactly(10))
    finally:
        writer.close()
    return None if (correlation_id, error) == (7, 0) else f"ApiVersions answers with error {error}"


async def _get(host: str, port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        # HTTP/1.0: the body ends with the connection and is never chunked.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nUser-Agent: chaosp7\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = b""
        while (more := await reader.read(65536)) and len(body) < _BODY_BYTES_MAX:
            body += more
    finally:
        writer.close()
    return int(head.split(None, 2)[1]), body
