"""The exchanges' WebSocket servers and who is subscribed to what."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from chaosp7.account.feeds import Feed
from chaosp7.embedded.exchange.formats import Answer, Format, format_of, text_frame
from chaosp7.embedded.exchange.market import Chunk
from chaosp7.errors import PlatformError, PortInUseError
from chaosp7.platform.ports import listen_host

__all__ = ["Client", "Hub"]

WRITE_BUFFER_MAX_BYTES: Final = 1 << 20
REQUEST_BYTES_MAX: Final = 1 << 16
PING_INTERVAL_S: Final = 20.0
PING_TIMEOUT_S: Final = 60.0
CLOSE_TIMEOUT_S: Final = 1.0

_log = logging.getLogger(__name__)


class Client:
    """One connection.

    Frames are built here and go to the transport in one write per tick; the library's own send
    costs twenty times as much. That is sound because nothing is compressed and every write,
    the library's too, is of whole frames.
    """

    __slots__ = ("_connection", "_frames", "_number", "_numbered", "feeds")

    def __init__(self, connection: ServerConnection, *, numbered: bool) -> None:
        self.feeds: frozenset[int] = frozenset()
        self._connection = connection
        self._numbered = numbered
        self._number = 0
        self._frames: list[bytes] = []

    @property
    def alive(self) -> bool:
        """True if what is pushed now can still go out."""
        return self._connection.state is State.OPEN and not self._connection.transport.is_closing()

    def push(self, payload: bytes) -> None:
        """Queue a message for the next `flush`."""
        if self._numbered and b"%d" in payload:
            payload %= self._number
            self._number += 1
        self._frames.append(text_frame(payload))

    def flush(self) -> bool:
        """Hand the queued messages to the kernel.

        Returns:
            False if the client was too slow and has been disconnected.
        """
        if self._frames:
            data = b"".join(self._frames)
            self._frames.clear()
            if self.alive:
                transport = self._connection.transport
                transport.write(data)
                if transport.get_write_buffer_size() > WRITE_BUFFER_MAX_BYTES:
                    transport.abort()
                    return False
        return True


class Hub:
    """All exchanges' servers and clients.

    Args:
        feeds: all feeds, in the order that the load counts them.
        formats: gives an exchange's protocol.
    """

    def __init__(
        self, feeds: Sequence[Feed], formats: Callable[[str, Sequence[Feed]], Format] = format_of
    ) -> None:
        self.reach: npt.NDArray[np.uint8] = np.zeros(len(feeds), dtype=np.uint8)
        self.slow_clients = 0
        self._servers: list[Server] = []
        self._clients: dict[str, set[Client]] = {}
        self._subscribers: list[tuple[Client, ...]] = [()] * len(feeds)
        self._feeds = list(feeds)
        self._global: dict[str, list[int]] = {}
        for index, feed in enumerate(feeds):
            self._global.setdefault(feed.exchange, []).append(index)
        self._formats: dict[str, Format] = {
            exchange: formats(exchange, [feeds[index] for index in indices])
            for exchange, indices in self._global.items()
        }
        # Per feed: its exchange's format and its position among that exchange's feeds.
        self._routes = [
            (self._formats[feed.exchange], self._global[feed.exchange].index(index))
            for index, feed in enumerate(feeds)
        ]

    async def listen(self, exchange: str, port: int) -> None:
        """Open an exchange's server on the loopback interface.

        Raises:
            PortInUseError: somebody else has the port.
            PlatformError: it can't be bound for another reason.
        """
        self._clients[exchange] = set()

        async def handler(connection: ServerConnection) -> None:
            await self._serve(exchange, connection)

        try:
            server = await serve(
                handler,
                listen_host(),
                port,
                compression=None,
                max_size=REQUEST_BYTES_MAX,
                ping_interval=PING_INTERVAL_S,
                ping_timeout=PING_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
            )
        except OSError as error:
            kind = PortInUseError if "in use" in str(error) else PlatformError
            raise kind(f"port {port} of exchange {exchange}: {error.strerror}") from error
        self._servers.append(server)

    async def close(self) -> None:
        """Say goodbye to every client and stop listening."""
        for server in self._servers:
            server.close()
        await asyncio.gather(*(server.wait_closed() for server in self._servers))

    def clients(self) -> dict[str, int]:
        """Return the number of subscribed clients of each exchange."""
        return {
            exchange: sum(bool(client.feeds) for client in clients)
            for exchange, clients in self._clients.items()
        }

    def prune(self) -> None:
        """Forget connections that are closing, so that `reach` is true at this moment."""
        gone = [
            (exchange, client)
            for exchange, clients in self._clients.items()
            for client in clients
            if not client.alive
        ]
        for exchange, client in gone:
            self._remove(exchange, client)

    def send(self, chunk: Chunk, begin: int, end: int) -> None:
        """Hand messages ``begin`` to ``end - 1`` of a chunk to whoever is subscribed."""
        touched: set[Client] = set()
        for index in range(begin, end):
            feed = chunk.feed[index]
            clients = self._subscribers[feed]
            if clients:
                encoder, position = self._routes[feed]
                payload = encoder.trade(
                    position,
                    chunk.sequence[index],
                    chunk.price_cents[index],
                    chunk.quantity_micro[index],
                    chunk.side[index],
                    chunk.trade_time_ms[index],
                )
                for client in clients:
                    client.push(payload)
                touched.update(clients)
        for client in touched:
            if not client.flush():
                self.slow_clients += 1
                _log.warning("a client was too slow and has been disconnected")

    async def _serve(self, exchange: str, connection: ServerConnection) -> None:
        encoder = self._formats[exchange]
        client = Client(connection, numbered=encoder.numbered)
        self._clients[exchange].add(client)
        _log.info("%s: client connected", exchange)
        try:
            self._apply(exchange, client, encoder.greeting())
            with contextlib.suppress(ConnectionClosed):
                async for message in connection:
                    self._apply(exchange, client, encoder.answer(message))
        finally:
            self._remove(exchange, client)
            _log.info("%s: client gone", exchange)

    def _apply(self, exchange: str, client: Client, answer: Answer) -> None:
        for reply in answer.replies:
            client.push(reply)
        client.flush()
        if answer.subscribe:
            indices = self._global[exchange]
            client.feeds |= {indices[position] for position in answer.subscribe}
            self._rebuild()

    def _remove(self, exchange: str, client: Client) -> None:
        self._clients[exchange].discard(client)
        self._rebuild()

    def _rebuild(self) -> None:
        for index, feed in enumerate(self._feeds):
            clients = self._clients.get(feed.exchange, ())
            self._subscribers[index] = tuple(client for client in clients if index in client.feeds)
            self.reach[index] = bool(self._subscribers[index])
