"""Does the exchange simulator send when it intends to?

    .venv/bin/python benchmarks/source.py --json reports/benchmarks/source.json

Starts the exchange simulator and, in a process of its own, a WebSocket client for each of its exchanges that
reads everything and decodes it with the feed handlers' decoder (no broker: it would measure the broker's
share of the machine, too). An open loop sends for some seconds; how late each message was handed to the
socket is what the exchange itself counts. The peer is a bare asyncio loop, also a process of its own, that
sleeps from tick to tick of the same schedule and does nothing else. Both in turns.

Exit code: 0 if every message arrived and the target is met, 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import requests
from _figures import Figure, command, progress, spread_of, write
from websockets.asyncio.client import connect

from chaosp7.account.feeds import Feed
from chaosp7.embedded.exchange.load import TICK_NS, Lateness
from chaosp7.embedded.feed_handler.raw import decoder_of
from chaosp7.platform.loader import load

_LIMIT_MS = 2.0
_TIMEOUT_S = 30.0


def bare(rate_per_s: float, seconds: float) -> dict[str, Any]:
    """Sleep from tick to tick; return how late messages would have been."""
    late = Lateness()
    total = int(rate_per_s * seconds)
    due = (np.arange(total) * (1e9 / rate_per_s)).astype(np.int64)

    async def run() -> None:
        start_ns, position = time.monotonic_ns() + 200_000_000, 0
        while position < total:
            now = time.monotonic_ns() - start_ns
            end = int(np.searchsorted(due, now, side="right"))
            if end > position:
                late.add(now - due[position:end])
                position = end
            if position < total:
                wait_ns = max(int(due[position]), now + TICK_NS) - (time.monotonic_ns() - start_ns)
                await asyncio.sleep(max(0.0, wait_ns / 1e9))

    asyncio.run(run())
    return {"late_ms": late.summary(), "share_within_2_ms": late.share_within(_LIMIT_MS)}


def read_all(ports: dict[str, int]) -> None:
    """Read until stdin ends; then say how many trades each exchange sent."""
    feeds = load("embedded").feeds
    counts = dict.fromkeys(ports, 0)

    async def reader(exchange: str, port: int) -> None:
        decoder = decoder_of(exchange, [Feed(exchange, symbol) for symbol in feeds[exchange]])
        async with connect(f"ws://127.0.0.1:{port}/", compression=None, max_queue=None) as connection:
            hello = decoder.connected()
            if hello is not None:
                await connection.send(hello.decode())
            async for message in connection:
                data = message.encode() if isinstance(message, str) else message
                counts[exchange] += len(decoder.decode(data))

    async def run() -> None:
        tasks = [asyncio.create_task(reader(*item)) for item in ports.items()]
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        await asyncio.wait([*tasks, ended], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    asyncio.run(run())
    print(json.dumps(counts))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def _wait(url: str, wanted: Any) -> dict[str, Any]:
    deadline_s = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            document: dict[str, Any] = requests.get(url, timeout=5).json()
        except requests.ConnectionError:
            document = {}
        if document and wanted(document):
            return document
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"the exchange says {document}")
        time.sleep(0.1)


def exchange(rate_per_s: float, seconds: float) -> dict[str, Any]:
    """Run one load against readers; return the exchange's last status and what the readers got."""
    feeds = load("embedded").feeds
    control, *found = _free_ports(1 + len(feeds))
    ports = dict(zip(feeds, found, strict=True))
    url = f"http://127.0.0.1:{control}/load"
    with tempfile.TemporaryDirectory(prefix="chaosp7-benchmark-") as name:
        arguments = ["--control-port", str(control), "--state-dir", f"{name}/state"]
        for title, port in ports.items():
            arguments += ["--listen", f"{title}={port}", "--feed", f"{title}={','.join(feeds[title])}"]
        with (Path(name) / "log").open("wb") as log:
            source = subprocess.Popen(
                [sys.executable, "-m", "chaosp7.embedded.exchange", *arguments], stdout=log, stderr=log
            )
        readers: subprocess.Popen[str] | None = None
        try:
            _wait(url, lambda _: True)
            readers = subprocess.Popen(
                [sys.executable, __file__, "--readers", json.dumps(ports)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            _wait(url, lambda document: all(document["clients"].get(title) for title in ports))
            order = {
                "run_id": "benchmark",
                "ledger": f"{name}/ledger.bin",
                "rate_per_s": rate_per_s,
                "seed": 7,
            }
            requests.post(url, json=order, timeout=30).raise_for_status()
            messages = int(rate_per_s * seconds)
            requests.post(f"{url}/finish", json={"messages": messages}, timeout=30).raise_for_status()
            time.sleep(seconds)
            document = _wait(url, lambda found: found["state"] not in ("running", "finishing"))
            time.sleep(1.0)  # what is under way
            output, _ = readers.communicate("", timeout=30)
        finally:
            for process in (readers, source):
                if process is not None and process.poll() is None:
                    process.terminate()
                    process.wait(15)
        return document | {"received": json.loads(output)}


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=10_000.0, help="messages per second (%(default)g)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each load (%(default)g)")
    parser.add_argument("--rounds", type=int, default=3, help="of both, in turns (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--readers", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.readers:
        read_all(json.loads(options.readers))
        return 0
    if options.bare:
        print(json.dumps(bare(options.rate, options.seconds)))
        return 0
    raw: dict[str, list[dict[str, Any]]] = {"exchange": [], "bare": []}
    complete = True
    for number in range(options.rounds):
        for kind in ("exchange", "bare") if number % 2 else ("bare", "exchange"):
            if kind == "exchange":
                found = exchange(options.rate, options.seconds)
                complete = complete and sum(found["received"].values()) == found["sent"]
            else:
                found = json.loads(
                    subprocess.check_output(
                        [sys.executable, __file__, "--bare", "--rate", str(options.rate), "--seconds",
                         str(options.seconds)], timeout=options.seconds + 60,
                    )
                )  # fmt: skip
            raw[kind].append(found)
            progress(
                f"  {number + 1}: {kind}: {found['share_within_2_ms']:.4%} within 2 ms, {found['late_ms']}"
            )

    def column(kind: str, key: str | None) -> list[float]:
        if key is None:
            return [100 * found["share_within_2_ms"] for found in raw[kind]]
        return [found["late_ms"][key] for found in raw[kind]]

    def figure(name: str, unit: str, key: str | None, target: float | None) -> Figure:
        mine, peers = column("exchange", key), column("bare", key)
        return Figure(
            f"Source at {options.rate:,.0f} messages/s: {name}", statistics.median(mine), unit, command(),
            options.rounds, "bare asyncio loop", statistics.median(peers), spread=spread_of(mine),
            target=target,
        )  # fmt: skip

    figures = [figure("sent within 2 ms of the intended time", "%", None, 99.9)]
    for key, name in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"), ("max", "greatest")):
        figures.append(figure(f"{name} lateness", "ms", key, None))
    notes = [
        f"{options.rounds} loads of {options.seconds:g} s; three readers in a process of their own.",
        "Every message sent was received." if complete else "NOT every message sent was received.",
    ]
    write(options.json, "Source", figures, notes, raw)
    return 0 if complete and figures[0].met else 1


if __name__ == "__main__":
    sys.exit(main())
