"""A real broker for benchmarks, and topics filled with what feed handlers really write."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _figures import progress
from confluent_kafka import Producer, TopicPartition

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import LedgerWriter
from chaosp7.account.ledger_format import LedgerHeader
from chaosp7.embedded import kafka, provision, topics
from chaosp7.embedded.exchange.formats import format_of
from chaosp7.embedded.exchange.market import Market, Schedule
from chaosp7.embedded.feed_handler.producer import configuration
from chaosp7.embedded.feed_handler.raw import decoder_of

__all__ = ["broker", "fill"]

PARTITIONS = 3
_PR_SET_PDEATHSIG = 1
_START_S = 60.0


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Run the embedded platform's broker on free ports; give its address.

    Args:
        folder: for its files.
    """
    parts = provision.parts()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, controller_port = one.getsockname()[1], other.getsockname()[1]
    listener = kafka.Listener(kafka.DIRECT, port, port)
    properties = kafka.prepare(parts.kafka.template, folder, [listener], controller_port)
    libc = ctypes.CDLL(None)
    with (folder / "broker.log").open("ab") as log:
        process = subprocess.Popen(
            kafka.broker_command(parts.kafka, properties, memory_mb=512),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Not even a benchmark that is killed leaves a broker behind.
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509
        )
    try:
        deadline_s = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError((folder / "broker.log").read_text()[-3000:]) from None
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fill(
    bootstrap: str, by_exchange: Mapping[str, Sequence[Feed]], messages: int, ledger: Path
) -> tuple[list[TopicPartition], float]:
    """Write a run into the exchanges' raw topics, as source and feed handlers would, and its ledger.

    Every message goes through the exchange's own format and the handler's own decoder, with the
    handler's key and producer settings.

    Args:
        bootstrap: the broker.
        by_exchange: exchange -> its feeds; the topic of an exchange is named like it.
        messages: how many, over all feeds.
        ledger: the file to create.

    Returns:
        Where the run begins, and the mean size of a message's value, bytes.
    """
    topics.create(bootstrap, list(by_exchange), PARTITIONS)
    # New topics begin at 0; right after they are made, the broker may not answer for them yet.
    starts = [TopicPartition(topic, partition, 0) for topic in by_exchange for partition in range(PARTITIONS)]
    feeds = tuple(feed for found in by_exchange.values() for feed in found)
    first = (1_000_000,) * len(feeds)
    now_ns = time.time_ns()
    market = Market(feeds, first, 7, Schedule(0, 10_000.0, now_ns))
    writer = LedgerWriter(ledger, LedgerHeader("benchmark", 7, 10_000.0, feeds, first, 0, now_ns, 0))
    formats = {exchange: format_of(exchange, found) for exchange, found in by_exchange.items()}
    decoders = {exchange: decoder_of(exchange, found) for exchange, found in by_exchange.items()}
    for found in decoders.values():
        found.connected()
    routes = [(feed.exchange, by_exchange[feed.exchange].index(feed)) for feed in feeds]
    producer = Producer(configuration(bootstrap, "benchmark") | {"queue.buffering.max.messages": 200_000})
    written = size_bytes = 0
    said_s = time.monotonic()
    failures: list[Any] = []

    def report(error: Any, _message: Any) -> None:
        if error is not None:
            failures.append(error)

    while written < messages:
        chunk = market.next_chunk()
        end = min(len(chunk), messages - written)
        chunk.records["reached"] = 1
        chunk.records["sent_ns"] = chunk.records["intended_ns"]
        writer.append(chunk.records[:end])
        for i in range(end):
            exchange, position = routes[chunk.feed[i]]
            message = formats[exchange].trade(
                position, chunk.sequence[i], chunk.price_cents[i], chunk.quantity_micro[i], chunk.side[i],
                chunk.trade_time_ms[i],
            )  # fmt: skip
            if formats[exchange].numbered:
                message %= written + i
            (trade,) = decoders[exchange].decode(message)
            size_bytes += len(trade.value)
            producer.produce(exchange, trade.value, exchange, on_delivery=report)
        written += end
        while len(producer) > 100_000:
            producer.poll(0.01)
        producer.poll(0)
        if time.monotonic() - said_s > 5.0:
            said_s = time.monotonic()
            progress(f"  produced {written:,} of {messages:,} messages")
    if producer.flush(60) or failures:
        raise RuntimeError(f"messages were not taken: {failures[:3]}")
    writer.close(int(chunk.due_ns[end - 1]))
    return starts, size_bytes / written
