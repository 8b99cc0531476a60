"""``python -m chaosp7.embedded.feed_handler``: one exchange into its raw topic."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from chaosp7.account.acks import AckWriter
from chaosp7.account.feeds import Feed
from chaosp7.embedded import log
from chaosp7.embedded.exchange.symbols import EXCHANGES, parse_symbols
from chaosp7.embedded.feed_handler.connection import ExchangeConnection
from chaosp7.embedded.feed_handler.planted import MakeProducer, PlantedSink
from chaosp7.embedded.feed_handler.producer import RawProducer, configuration
from chaosp7.embedded.feed_handler.raw import Decoder, decoder_of
from chaosp7.embedded.http import (
    HttpEndpoint,
    Metric,
    Request,
    Response,
    json_response,
    metrics_response,
    on_loop,
)
from chaosp7.embedded.planted import HitLog, add_options, parse
from chaosp7.errors import ChaosP7Error, ConfigError

__all__ = ["main"]

EXIT_CONFIG = 2
EXIT_FATAL = 3
FLUSH_S = 5.0


class _Status:
    """The health and metrics routes."""

    def __init__(
        self, exchange: str, connection: ExchangeConnection, producer: RawProducer, decoder: Decoder
    ) -> None:
        self._exchange = exchange
        self._connection = connection
        self._producer = producer
        self._decoder = decoder

    def _age_s(self) -> float | None:
        last_ns = self._connection.last_message_ns
        return None if last_ns is None else (time.monotonic_ns() - last_ns) / 1e9

    def health(self, _request: Request) -> Response:
        healthy = self._connection.connected and self._producer.fatal is None
        document = {
            "connected": self._connection.connected,
            "error": self._producer.fatal,
            "queued": self._producer.queued,
            "waiting_for_broker": self._producer.waiting,
            "last_message_age_s": self._age_s(),
        }
        return json_response(document, 200 if healthy else 503)

    def metrics(self, _request: Request) -> Response:
        labels = {"exchange": self._exchange}
        producer, connection = self._producer, self._connection
        metrics = [
            Metric("feed_handler_received_total", producer.received, labels, "counter", "Trades received."),
            Metric("feed_handler_acknowledged_total", producer.acknowledged, labels, "counter", "Confirmed."),
            Metric("feed_handler_failed_total", producer.refused, labels, "counter", "Refused for good."),
            Metric("feed_handler_reconnects_total", connection.reconnects, labels, "counter"),
            Metric("feed_handler_source_gaps_total", self._decoder.gaps, labels, "counter"),
            Metric("feed_handler_connected", int(connection.connected), labels),
            Metric("feed_handler_queued_messages", producer.queued, labels),
        ]
        age_s = self._age_s()
        if age_s is not None:
            metrics.append(Metric("feed_handler_last_message_age_seconds", age_s, labels))
        metrics += [
            Metric("feed_handler_ignored_total", count, labels | {"reason": reason}, "counter")
            for reason, count in sorted(self._decoder.ignored.items())
        ]
        return metrics_response(metrics)


def _sink(
    arguments: argparse.Namespace,
    feeds: Sequence[Feed],
    producer: RawProducer,
    new_producer: MakeProducer,
    journal: AckWriter,
) -> RawProducer | PlantedSink:
    """Return what takes the trades: the producer, but for tests of the account."""
    if not arguments.planted:
        return producer
    planted, hits = parse(arguments.planted), HitLog(arguments.planted_log)
    return PlantedSink(planted, feeds, producer, new_producer, journal, hits)


async def _run(arguments: argparse.Namespace) -> int:
    loop = asyncio.get_running_loop()
    logger = logging.getLogger(__name__)
    feeds = parse_symbols(arguments.exchange, arguments.symbols)
    decoder = decoder_of(arguments.exchange, feeds)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    failures: list[str] = []

    def fail(reason: str) -> None:
        failures.append(reason)
        stop.set()

    def fail_from_thread(reason: str) -> None:
        loop.call_soon_threadsafe(fail, reason)

    journal = AckWriter(arguments.acks, feeds)

    def new_producer(changes: dict[str, Any], key: str) -> RawProducer:
        config = configuration(arguments.brokers, f"feed-handler-{arguments.exchange}") | changes
        return RawProducer(config, arguments.topic, key or arguments.exchange, journal, fail_from_thread)

    producer = new_producer({}, "")
    sink = _sink(arguments, feeds, producer, new_producer, journal)
    connection = ExchangeConnection(arguments.ws_url, decoder, sink.produce, lambda: producer.waiting)
    status = _Status(arguments.exchange, connection, producer, decoder)
    routes = {
        ("GET", "/healthz"): on_loop(loop, status.health),
        ("GET", "/metrics"): on_loop(loop, status.metrics),
    }
    endpoint = HttpEndpoint(arguments.http_port, routes)
    endpoint.start()
    gc.collect()
    gc.freeze()
    reading = asyncio.create_task(connection.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if reading.done() and (error := reading.exception()) is not None:
        fail(f"{type(error).__name__}: {error}")
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await reading
    try:
        left = sink.close(FLUSH_S)
    except ChaosP7Error as error:
        fail(str(error))
        left = producer.queued
    journal.close()
    endpoint.close()
    if left:
        logger.warning("%d messages are left without the broker's answer", left)
    if failures:
        logger.critical("can't go on: %s", failures[0])
        return EXIT_FATAL
    logger.info("stopped: %d received, %d acknowledged", producer.received, producer.acknowledged)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaosp7.embedded.feed_handler", description=__doc__)
    parser.add_argument("--exchange", required=True, choices=EXCHANGES)
    parser.add_argument("--symbols", required=True, metavar="SYMBOL,...", help="canonical: BTC/USD,ETH/USD")
    parser.add_argument("--ws-url", metavar="URL", help="default: K2_<EXCHANGE>_WS_URL")
    parser.add_argument("--brokers", metavar="HOST:PORT", help="default: K2_KAFKA_BOOTSTRAP_SERVERS")
    parser.add_argument("--topic", metavar="TOPIC", help="default: market.crypto.trades.<exchange>.raw")
    parser.add_argument("--acks", type=Path, required=True, metavar="PATH", help="the ack journal")
    parser.add_argument("--http-port", type=int, required=True, metavar="PORT")
    add_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the handler until SIGTERM.

    Args:
        argv: the command line; None: the process's own.

    Returns:
        0 after SIGTERM, 2 if it can't start, 3 if the producer or the journal has failed for good.
    """
    arguments = _parser().parse_args(argv)
    logger = log.configure(f"feed-handler-{arguments.exchange}")
    try:
        for option, variable in (
            ("ws_url", f"K2_{arguments.exchange.upper()}_WS_URL"),
            ("brokers", "K2_KAFKA_BOOTSTRAP_SERVERS"),
        ):
            value = getattr(arguments, option) or os.environ.get(variable)
            if not value:
                raise ConfigError(f"--{option.replace('_', '-')} or {variable} is needed")
            setattr(arguments, option, value)
        arguments.topic = arguments.topic or f"market.crypto.trades.{arguments.exchange}.raw"
        return uvloop.run(_run(arguments))
    except ChaosP7Error as error:
        logger.critical("%s", error)
        return EXIT_CONFIG


if __name__ == "__main__":
    sys.exit(main())
