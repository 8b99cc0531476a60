"""How fast is the account's pass over the topics, beside a plain consumer's loop?

    .venv/bin/python benchmarks/topic.py --json reports/benchmarks/topic.json

Fills a real broker's topics once, with what source and feed handlers write, and reads them in turns, each
time in a process of its own: the account's pass (decoding, digests, order), and a loop of
``consume(10_000)`` with the same settings that does nothing with the messages. Broker and reader share
the machine. CPU time is the reading process's, librdkafka's threads included.

Exit code: 0 if every message was found right, 1 if not.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _broker import broker, fill
from _figures import Figure, command, paired, progress, spread_of, write
from account_memory import memory_mb
from confluent_kafka import Consumer, TopicPartition

from chaosp7.account.account import suspect
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Ledger
from chaosp7.account.readers.topic import consumer_config
from chaosp7.account.readers.topic_account import TopicReader
from chaosp7.account.sent import RunRecords, expected
from chaosp7.platform.loader import load

_LOOP_MESSAGES = 10_000


def read(kind: str, bootstrap: str, folder: Path) -> dict[str, Any]:
    """Read the topics once in this process; return what it took.

    Args:
        kind: ``account`` or ``floor``.
        bootstrap: the broker.
        folder: with the ledger and the starts.
    """
    starts = [TopicPartition(*start) for start in json.loads((folder / "starts.json").read_text())]
    run = RunRecords.of(Ledger.open(folder / "ledger.bin"))
    sent = expected(run)
    topics = {topic: topic for topic in dict.fromkeys(start.topic for start in starts)}
    Path("/proc/self/clear_refs").write_text("5")
    before_mb, begun_s, begun_cpu_s = memory_mb("VmRSS"), time.perf_counter(), time.process_time()
    right = True
    if kind == "account":
        reading = TopicReader(bootstrap, topics, starts).read(sent)
        found = suspect(sent, reading.digests)
        wrong = (found.absent, found.differing, found.foreign, reading.reordered, reading.unidentified)
        right = not any(wrong)
    else:
        consumer = Consumer(consumer_config(bootstrap, fetch_wait_ms=50))
        consumer.assign(starts)
        count = 0
        while count < sent.sent:
            count += len(consumer.consume(_LOOP_MESSAGES, 0.2))
        consumer.close()
    seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    return {
        "messages_per_s": sent.sent / seconds,
        "cpu_us": cpu_s / sent.sent * 1e6,
        "peak_mb": memory_mb("VmHWM"),
        "increase_mb": memory_mb("VmHWM") - before_mb,
        "right": right,
    }


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=3_000_000, help="in the topics (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="of both, in turns (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--read", nargs=3, help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.read:
        kind, bootstrap, folder = options.read
        print(json.dumps(read(kind, bootstrap, Path(folder))))
        return 0
    by_exchange = {
        exchange: [Feed(exchange, symbol) for symbol in symbols]
        for exchange, symbols in load("embedded").feeds.items()
    }
    raw: dict[str, list[dict[str, Any]]] = {"account": [], "floor": []}
    with tempfile.TemporaryDirectory(prefix="chaosp7-benchmark-") as name, broker(Path(name)) as bootstrap:
        folder = Path(name)
        progress(f"Producing {options.messages:,} messages")
        starts, size_bytes = fill(bootstrap, by_exchange, options.messages, folder / "ledger.bin")
        (folder / "starts.json").write_text(json.dumps([(p.topic, p.partition, p.offset) for p in starts]))
        for number in range(options.rounds):
            for kind in ("account", "floor") if number % 2 else ("floor", "account"):
                done = subprocess.run(
                    [sys.executable, __file__, "--read", kind, bootstrap, name], stdout=subprocess.PIPE,
                    check=True, timeout=600,
                )  # fmt: skip
                found = json.loads(done.stdout)
                raw[kind].append(found)
                progress(
                    f"  {number + 1}: {kind}: {found['messages_per_s']:,.0f} messages/s, "
                    f"CPU {found['cpu_us']:.2f} us each, peak {found['peak_mb']:.0f} MB"
                )

    def column(kind: str, key: str) -> list[float]:
        return [found[key] for found in raw[kind]]

    peer = "plain consume(10_000) loop"
    figures = [
        paired(
            "Account of a topic: messages read, decoded and digested", column("account", "messages_per_s"),
            column("floor", "messages_per_s"), "messages/s", peer, target=0.8, target_of="ratio",
        ),
        paired(
            "Account of a topic: CPU time of the whole process", column("account", "cpu_us"),
            column("floor", "cpu_us"), "us/message", peer, target=2.0, at_least=False,
        ),
        Figure(
            "Account of a topic: peak memory over what was there before",
            statistics.median(column("account", "increase_mb")), "MiB", command(), options.rounds, peer,
            statistics.median(column("floor", "increase_mb")),
            spread=spread_of(column("account", "increase_mb")),
        ),
    ]  # fmt: skip
    notes = [
        f"{options.messages:,} messages of {size_bytes:.0f} bytes on average, lz4, as handlers write them."
    ]
    write(options.json, "Account of a topic", figures, notes, raw)
    right = all(column("account", "right"))
    progress("every message was found right" if right else "MESSAGES WERE NOT FOUND RIGHT")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
