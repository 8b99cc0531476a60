"""The Kafka side: produce in order, never drop, and journal what the broker says."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from chaosp7.account.acks import ACKNOWLEDGED, RECEIVED, REFUSED, AckWriter
from chaosp7.embedded.feed_handler.raw import RawTrade
from chaosp7.embedded.log import RateLimit
from chaosp7.errors import MeasurementError

__all__ = ["RawProducer", "configuration"]

POLL_S: Final = 0.2
FLUSH_STEP_S: Final = 0.1
FULL_PAUSE_S: Final = 0.01

_log = logging.getLogger(__name__)


def configuration(brokers: str, client_id: str) -> dict[str, Any]:
    """Return the producer's configuration.

    Nothing is lost over a broker's outage of up to two minutes, nothing is doubled or reordered
    by retries, and the connection is back within a quarter of a second of the broker.
    """
    return {
        "bootstrap.servers": brokers,
        "client.id": client_id,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 20,
        "compression.type": "lz4",
        "allow.auto.create.topics": False,
        "delivery.timeout.ms": 120_000,
        "retry.backoff.ms": 50,
        "retry.backoff.max.ms": 250,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 250,
        # A link that swallows everything must be noticed: by default it would take a minute.
        "request.timeout.ms": 5_000,
        "socket.timeout.ms": 6_000,
        "socket.connection.setup.timeout.ms": 3_000,
        "socket.nagle.disable": True,
    }


class RawProducer:
    """Produces to the raw topic.

    Delivery reports are served by a thread; what they say is in the journal before anything
    else is done with it.

    Args:
        config: of the producer, see `configuration`.
        topic: the raw topic.
        key: key of every message.
        journal: the ack journal.
        on_fatal: called from the thread, once, when it can't go on.
    """

    def __init__(
        self,
        config: dict[str, Any],
        topic: str,
        key: str,
        journal: AckWriter,
        on_fatal: Callable[[str], None],
    ) -> None:
        self.received = 0
        self.acknowledged = 0
        self.refused = 0
        self.waiting = False
        self.fatal: str | None = None
        self._topic = topic
        self._key = key.encode()
        self._journal = journal
        self._on_fatal = on_fatal
        self._reports = bytearray()
        self._limit = RateLimit()
        self._stop = threading.Event()
        self._producer = Producer(config | {"error_cb": self._error}, logger=logging.getLogger("librdkafka"))
        self._thread = threading.Thread(target=self._serve, name="delivery-reports", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Messages that the broker hasn't confirmed yet."""
        return len(self._producer)

    async def produce(self, trades: list[RawTrade]) -> None:
        """Journal trades as received and queue them; waits while the queue is full.

        Raises:
            MeasurementError: the journal can't be written; nothing was queued.
        """
        pack = self._journal.pack
        self._journal.append(b"".join([pack(RECEIVED, trade.feed, trade.sequence) for trade in trades]))
        self.received += len(trades)
        for trade in trades:
            report = partial(self._delivered, trade.feed, trade.sequence)
            while True:
                try:
                    self._producer.produce(self._topic, trade.value, self._key, on_delivery=report)
                    break
                except BufferError:
                    self.waiting = True
                    await asyncio.sleep(FULL_PAUSE_S)
                except KafkaException as error:
                    if error.args[0].fatal():
                        raise
                    self._delivered(trade.feed, trade.sequence, error.args[0], None)  # too large
                    break
            self.waiting = False

    def close(self, timeout_s: float) -> int:
        """Wait for the queue to empty, stop the thread.

        Args:
            timeout_s: how long to wait, seconds.

        Returns:
            Messages left without an answer.
        """
        self._stop.set()
        self._thread.join()
        deadline_s = time.monotonic() + (timeout_s if self.fatal is None else 0.0)
        while self.queued and time.monotonic() < deadline_s:
            self._producer.flush(FLUSH_STEP_S)
            self._write_reports()
        self._write_reports()
        return self.queued

    def _serve(self) -> None:
        try:
            while not self._stop.is_set():
                self._producer.poll(POLL_S)
                self._write_reports()
        except MeasurementError as error:
            self._give_up(str(error))
        except Exception as error:  # noqa: BLE001 - without this thread nothing is confirmed any more
            _log.exception("delivery reports can't be served")
            self._give_up(f"{type(error).__name__}: {error}")

    def _write_reports(self) -> None:
        # Taken by slices: the loop's thread adds what is refused at once.
        size = len(self._reports)
        if size:
            self._journal.append(bytes(self._reports[:size]))
            del self._reports[:size]

    def _delivered(
        self, feed: int, sequence: int, error: KafkaError | None, _message: Message | None
    ) -> None:
        self._reports += self._journal.pack(ACKNOWLEDGED if error is None else REFUSED, feed, sequence)
        if error is None:
            self.acknowledged += 1
            return
        self.refused += 1
        if self._limit():
            _log.error("the broker refused a message for good (%d so far): %s", self.refused, error)

    def _error(self, error: KafkaError) -> None:
        if error.fatal():
            self._give_up(str(error))
        elif self._limit():
            _log.warning("producer: %s", error)

    def _give_up(self, reason: str) -> None:
        if self.fatal is None:
            self.fatal = reason
            self._on_fatal(reason)
