"""The supervisor's side of the control socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from chaosp7.embedded.supervisor.protocol import Reply, Request
from chaosp7.errors import PlatformError

if TYPE_CHECKING:
    from chaosp7.embedded.supervisor.daemon import Daemon

__all__ = ["Control"]

_log = logging.getLogger(__name__)


class Control:
    """Answers requests; each connection may make several, one after the other.

    Args:
        daemon: what is asked.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Begin to listen; only this user can connect, for the folder is closed to others."""
        with self._daemon.state.socket_address() as address:
            self._server = await asyncio.start_unix_server(self._serve, address)

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            (self._daemon.state.path / "supervisor.sock").unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"  # noqa: S101
        self._connections.add(task)
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._reply(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # it went away, or sends lines without an end
        except asyncio.CancelledError:
            pass  # closing: a cancelled connection is no error
        finally:
            self._connections.discard(task)
            writer.close()

    async def _reply(self, line: bytes) -> Reply:
        try:
            return Reply(result=await self._carry_out(msgspec.json.decode(line, type=Request)))
        except (PlatformError, msgspec.DecodeError) as error:
            return Reply(error=str(error))
        except Exception as error:  # noqa: BLE001  # one bad request must not end the supervisor
            _log.exception("a request failed: %r", line)
            return Reply(error=f"{type(error).__name__}: {error}")

    async def _carry_out(self, request: Request) -> object:
        if request.op == "status":
            return self._daemon.status()
        if request.op == "shutdown":
            self._daemon.shut_down()
            return None
        try:
            service = self._daemon.services[request.service]
        except KeyError:
            raise PlatformError(f"there is no service {request.service!r}") from None
        match request.op:
            case "stop":
                return await service.stop(request.signal, request.wait_s, escalate=request.escalate)
            case "start":
                self._daemon.check_may_start(request.service)
                return await service.start(request.wait_s)
            case "signal":
                return service.signal(request.signal)
