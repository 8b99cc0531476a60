"""How many messages a second can one process write into the ledger, durably?

    .venv/bin/python benchmarks/ledger.py --json reports/benchmarks/ledger.json

`LedgerWriter` gets blocks of records as the source hands them over, as fast as it takes them, with its own
background syncs every 0.2 s, and ends with its synced trailer: the time until then counts. The peer writes
the same bytes in the same blocks with ``os.write``, with an ``fdatasync`` in a thread every 0.2 s, and a
last one. Both in turns. Files go beside the system's temporary ones, or where ``--folder`` says.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from _figures import paired, progress, write

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import RECORD, Ledger, LedgerHeader, LedgerWriter, Records
from chaosp7.account.ledger_format import PREFIX_BYTES

_FEEDS = tuple(Feed("binance", f"F{i}/USD") for i in range(9))
_SYNC_INTERVAL_S = 0.2


def blocks(messages: int, size: int) -> list[Records]:
    """Return the records in blocks of so many."""
    records = np.zeros(messages, dtype=RECORD)
    number = np.arange(messages)
    records["feed"], records["sequence"] = number % len(_FEEDS), number // len(_FEEDS)
    records["price_e8"], records["sent_ns"] = 10**12 + number, number
    return [records[begin : begin + size] for begin in range(0, messages, size)]


def ledger_s(path: Path, parts: list[Records]) -> float:
    """Return how long the ledger took for all, seconds."""
    begun_s = time.perf_counter()
    writer = LedgerWriter(path, LedgerHeader("benchmark", 7, 500.0, _FEEDS, (0,) * len(_FEEDS), 0, 0, 0))
    for part in parts:
        writer.append(part)
    writer.close(0)
    return time.perf_counter() - begun_s


def plain_s(path: Path, parts: list[bytes]) -> float:
    """Return how long plain writes of as many bytes took, seconds."""
    begun_s = time.perf_counter()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    stop = threading.Event()

    def sync() -> None:
        while not stop.wait(_SYNC_INTERVAL_S):
            os.fdatasync(fd)

    syncer = threading.Thread(target=sync)
    syncer.start()
    for part in parts:
        os.write(fd, part)
    os.fdatasync(fd)
    stop.set()
    seconds = time.perf_counter() - begun_s
    syncer.join()
    os.close(fd)
    return seconds


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--messages", type=int, default=500_000, help="per round, 64 bytes each (%(default)s)"
    )
    parser.add_argument(
        "--block", type=int, nargs="+", default=[5, 20, 100, 2000],
        help="records per block: 5 is a tick at 10,000 messages/s (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7, help="of both, in turns (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where to write")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    figures = []
    for size in options.block:
        parts = blocks(options.messages, size)
        plain = [bytes(PREFIX_BYTES) + part.tobytes() for part in parts]
        rates: list[float] = []
        peers: list[float] = []
        for number in range(options.rounds):
            with tempfile.TemporaryDirectory(prefix="chaosp7-benchmark-", dir=options.folder) as name:
                path = Path(name) / "ledger.bin"
                turns = ("ledger", "plain") if number % 2 else ("plain", "ledger")
                for turn in turns:
                    if turn == "ledger":
                        rates.append(options.messages / ledger_s(path, parts))
                        found = Ledger.open(path)
                        if sum(map(len, found.blocks())) != options.messages:
                            raise RuntimeError("the ledger isn't whole")
                    else:
                        peers.append(options.messages / plain_s(Path(name) / "plain", plain))
            progress(f"  blocks of {size}: {rates[-1]:,.0f} messages/s, plain writes {peers[-1]:,.0f}")
        figures.append(
            paired(
                f"Ledger, blocks of {size}: messages written and synced",
                rates,
                peers,
                "messages/s",
                "os.write and fdatasync of the same bytes",
                target=200_000.0,
            )
        )
    write(options.json, "Ledger", figures, ["Time until the last sync has returned, trailer included."])
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
