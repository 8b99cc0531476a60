"""The exchange side: connect, subscribe, read, and come back after every loss of the connection."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from chaosp7.embedded.feed_handler.raw import Decoder, RawTrade
from chaosp7.embedded.log import RateLimit

__all__ = ["Backoff", "ExchangeConnection"]

OPEN_TIMEOUT_S: Final = 3.0
SUBSCRIBE_TIMEOUT_S: Final = 3.0
PING_INTERVAL_S: Final = 1.0
#: Silence, pings unanswered too, after which a connection is taken for dead.
SILENCE_MAX_S: Final = 4.0
#: A wake-up that much too late says that this process had been stopped or starved.
STALL_MIN_NS: Final = 500_000_000
MESSAGE_BYTES_MAX: Final = 1 << 22

_log = logging.getLogger(__name__)


class Backoff:
    """Waiting times that double, with jitter so that handlers don't come back in step.

    Args:
        first_s: the first one, seconds.
        max_s: the longest one, seconds.
    """

    def __init__(self, first_s: float = 0.1, max_s: float = 1.0) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s

    def reset(self) -> None:
        """Begin again with the first one."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Return how long to wait now: between three quarters of the step and all of it."""
        step_s = self._next_s
        self._next_s = min(self._max_s, step_s * 2)
        return step_s * random.uniform(0.75, 1.0)  # noqa: S311


class ExchangeConnection:
    """Reads an exchange for ever.

    Args:
        url: its WebSocket.
        decoder: its protocol.
        sink: takes the trades of each message; reading waits for it.
        waiting: tells whether the sink is held up: then silence is our own doing.
    """

    def __init__(
        self,
        url: str,
        decoder: Decoder,
        sink: Callable[[list[RawTrade]], Awaitable[None]],
        waiting: Callable[[], bool],
    ) -> None:
        self.connected = False
        self.reconnects = 0
        self.last_message_ns: int | None = None
        self._url = url
        self._decoder = decoder
        self._sink = sink
        self._waiting = waiting
        self._backoff = Backoff()
        self._limit = RateLimit()

    async def run(self) -> None:
        """Read until cancelled; what the sink raises comes through."""
        first = True
        while True:
            if not first:
                self.reconnects += 1
                await asyncio.sleep(self._backoff.next_s())
            first = False
            try:
                connection = await connect(
                    self._url,
                    compression=None,
                    proxy=None,
                    open_timeout=OPEN_TIMEOUT_S,
                    ping_interval=None,  # `_watch` also takes data for a sign of life
                    max_size=MESSAGE_BYTES_MAX,
                    max_queue=256,
                )
            except (OSError, TimeoutError, WebSocketException) as error:
                self._lost(str(error) or type(error).__name__)
                continue
            watch = asyncio.create_task(self._watch(connection))
            try:
                await self._read(connection)
            except (OSError, WebSocketException) as error:
                self._lost(str(error) or type(error).__name__)
            finally:
                self.connected = False
                watch.cancel()
                connection.transport.abort()

    async def _read(self, connection: ClientConnection) -> None:
        request = self._decoder.connected()
        if request is not None:
            await connection.send(request, text=True)
        self._update()
        while True:
            data = await connection.recv(decode=False)
            self.last_message_ns = time.monotonic_ns()
            trades = self._decoder.decode(data)
            if trades:
                await self._sink(trades)
            elif self._decoder.refusal is not None:
                self._lost(f"the exchange refused the subscription: {self._decoder.refusal}")
                return
            elif not self.connected:
                self._update()

    def _update(self) -> None:
        if self._decoder.subscribed:
            self.connected = True
            self._backoff.reset()
            _log.info("connected to %s", self._url)

    def _lost(self, reason: str) -> None:
        if self.connected or self._limit():
            _log.warning("no connection to %s: %s", self._url, reason)

    async def _watch(self, connection: ClientConnection) -> None:
        """End a connection that is dead without saying so, or that never gets subscribed."""
        opened_ns = last_sign_ns = time.monotonic_ns()
        pong: Awaitable[float] | None = None
        now_ns = opened_ns
        while True:
            before_ns = now_ns
            await asyncio.sleep(PING_INTERVAL_S)
            now_ns = time.monotonic_ns()
            stalled_ns = now_ns - before_ns - int(PING_INTERVAL_S * 1e9)
            if stalled_ns > STALL_MIN_NS:
                # We were paused, not the exchange: what it sent meanwhile is still to be read.
                last_sign_ns, opened_ns = now_ns, opened_ns + stalled_ns
            if self.last_message_ns is not None:
                last_sign_ns = max(last_sign_ns, self.last_message_ns)
            if self._waiting() or (isinstance(pong, asyncio.Future) and pong.done()):
                last_sign_ns, pong = now_ns, None
            silent_s = (now_ns - last_sign_ns) / 1e9
            unsubscribed_s = 0.0 if self.connected else (now_ns - opened_ns) / 1e9
            if silent_s > SILENCE_MAX_S or unsubscribed_s > SUBSCRIBE_TIMEOUT_S:
                self._lost("not a sign of life" if self.connected else "no answer to the subscription")
                connection.transport.abort()
                return
            if pong is None:
                try:
                    pong = await connection.ping()
                except WebSocketException:
                    return  # the reader knows it already
