"""How long does the account of a ClickHouse tier take, and how much of an answer does it need?

    .venv/bin/python benchmarks/table.py --rows 1000000 10000000 100000000

Fills the embedded ClickHouse's silver table, with messages missing, doubled and corrupted in known
places, and accounts for it with the real reader. The ledger is computed, not read. The peer, in each
round of the same run: a plain scan of the same columns. What is found must be exactly what was planted.

Exit code: 0 if it was found exactly, 1 if not; a time or size over its target is only said.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import requests
from _figures import Figure, paired, progress, spread_of, write
from pyroaring import BitMap64
from synthetic_run import feeds

from chaosp7.account.account import account_tier
from chaosp7.account.checksum import mix
from chaosp7.account.classes import TierAccount
from chaosp7.account.ledger_format import BLOCK_RECORDS_MAX, RECORD, Records
from chaosp7.account.readers.table import TableReader
from chaosp7.account.sent import Expected, RunRecords, expected
from chaosp7.account.sets import bitmap
from chaosp7.errors import ReaderError
from chaosp7.platform.clickhouse import ClickHouse, literal
from chaosp7.platform.loader import load

_TIMEOUT_S = 1800.0
_START_S = 60.0
_TARGET_S, _TARGET_MB, _TARGET_ROWS = 4.0, 1.0, 100_000_000
#: (modulus, remainder) of the sequences that are missing or doubled.
LOST, DOUBLED = (80_021, 7), (120_011, 11)
#: One of so many is corrupted, anywhere, so that some lie close together.
CORRUPTED = 330_000
_PEER = (
    "SELECT count(), sum(price), sum(quantity), sum(source_sequence), "
    "sum(toUnixTimestamp64Milli(timestamp)), sum(toUInt8(side)) FROM k2.silver_trades"
)


def synthetic(rows: int) -> RunRecords:
    """Return a run of so many messages, computed anew each time it is gone through."""
    names = feeds()
    each = rows // len(names)
    first = tuple(1000 + 777 * i for i in range(len(names)))

    def blocks() -> Iterator[Records]:
        for feed, start in enumerate(first):
            for begin in range(start, start + each, BLOCK_RECORDS_MAX):
                sequences = np.arange(begin, min(begin + BLOCK_RECORDS_MAX, start + each), dtype=np.uint64)
                records = np.zeros(len(sequences), dtype=RECORD)
                records["feed"], records["sequence"], records["reached"] = feed, sequences, 1
                records["side"] = sequences % 2
                records["price_e8"] = 10**12 + mix(sequences) % 10**8
                records["quantity_e8"] = 1 + mix(sequences) % 10**6
                records["trade_time_ms"] = 1_790_000_000_000 + sequences * 20
                yield records

    return RunRecords(names, first, blocks)


def fill(url: str, run: RunRecords, rows: int) -> None:
    """Fill the silver table."""
    _post(url, "TRUNCATE TABLE k2.silver_trades")
    each = rows // len(run.feeds)
    for i, (feed, first) in enumerate(zip(run.feeds, run.first, strict=True)):
        wrong = f"(intHash64(s + {i << 40}) % {CORRUPTED} = 0)"
        _post(
            url,
            "INSERT INTO k2.silver_trades (exchange, canonical_symbol, symbol, source_sequence, price, "
            f"quantity, side, timestamp, batch) SELECT {literal(feed.exchange)}, {literal(feed.symbol)}, "
            f"{literal(feed.symbol)}, s, toDecimal128(1000000000000 + intHash64(s) % 100000000 + {wrong}, 8) "
            "/ 100000000, toDecimal128(1 + intHash64(s) % 1000000, 8) / 100000000, "
            "if(s % 2, 'SELL', 'BUY'), fromUnixTimestamp64Milli(toInt64(1790000000000 + s * 20), 'UTC'), 1 "
            f"FROM (SELECT number + {first} AS s FROM numbers({each}) WHERE s % {LOST[0]} != {LOST[1]}) "
            f"ARRAY JOIN range(if(s % {DOUBLED[0]} = {DOUBLED[1]}, 2, 1)) AS copy",
        )
        progress(f"  {rows:,} rows: feed {i + 1} of {len(run.feeds)} written")


def right(found: TierAccount, sent: Expected) -> bool:
    """Return whether exactly what was planted was found."""
    for i, feed in enumerate(sent.feeds):
        bounds = sent.bounds[feed]
        sequences = np.arange(bounds.first, bounds.last + 1, dtype=np.uint64)
        lost = bitmap(sequences[sequences % LOST[0] == LOST[1]])
        corrupted = bitmap(sequences[mix(sequences + np.uint64(i << 40)) % CORRUPTED == 0]) - lost
        doubled = bitmap(sequences[sequences % DOUBLED[0] == DOUBLED[1]]) - lost - corrupted
        for wanted, sets in ((lost, found.lost), (corrupted, found.corrupted), (doubled, found.duplicated)):
            if wanted != sets.get(feed, BitMap64()):
                return False
    return found.counts.unexpected == 0


def measured(url: str, port: int, run: RunRecords, sent: Expected) -> dict[str, Any]:
    """Make the account once; return seconds, bytes, and whether it is right."""
    client = ClickHouse("127.0.0.1", port, _TIMEOUT_S)
    asked: list[str] = []
    spent: list[float] = []

    def query(sql: str, count: int) -> Any:
        begun_s = time.monotonic()
        answer = client.columns(sql, count)
        spent.append(time.monotonic() - begun_s)
        asked.append(sql)
        return answer

    begun_s = time.monotonic()
    _post(url, _PEER)
    peer_s = time.monotonic() - begun_s
    reader = TableReader(query, load("embedded").tiers["silver"].all_rows)
    begun_s = time.monotonic()
    digests = reader.digests(sent.table())
    rows = partial(reader.rows, digests.feeds)
    runs, pieces = partial(reader.runs, first=digests.first), partial(reader.pieces, first=digests.first)
    found = account_tier("silver", run, sent, digests, rows, runs=runs, pieces=pieces)
    total_s = time.monotonic() - begun_s
    client.close()
    # Once more, for the size of the answers as they go over the wire.
    sizes = [len(_post(url, sql + " FORMAT Native")) for sql in asked]
    return {
        "clickhouse_s": sum(spent), "queries_s": spent, "client_s": total_s - sum(spent), "peer_s": peer_s,
        "answer_mb": sum(sizes) / 1e6, "answers_bytes": sizes, "right": right(found, sent),
    }  # fmt: skip


def figures_of(rows: int, rounds: list[dict[str, Any]]) -> list[Figure]:
    """Return what some rounds gave."""
    target = rows == _TARGET_ROWS

    def column(name: str) -> list[float]:
        return [float(measured_[name]) for measured_ in rounds]

    clickhouse = paired(
        f"account of {rows:,} rows, ClickHouse's time", column("clickhouse_s"), column("peer_s"), "s",
        "plain scan of the same columns", at_least=False, target=_TARGET_S if target else None,
    )  # fmt: skip
    others = [
        Figure(
            f"account of {rows:,} rows, {text}", statistics.median(column(name)), unit, clickhouse.command,
            len(rounds), spread=spread_of(column(name)), at_least=False, target=wanted if target else None,
        )
        for name, text, unit, wanted in (
            ("client_s", "the client's time (it computes the ledger anew)", "s", None),
            ("answer_mb", "all answers", "MB", _TARGET_MB),
        )
    ]  # fmt: skip
    return [clickhouse, *others]


def _post(url: str, sql: str) -> bytes:
    answer = requests.post(url, data=sql.encode(), timeout=_TIMEOUT_S)
    if not answer.ok:
        raise ReaderError(answer.text[:1000])
    return answer.content


def _started(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    log = folder / "log"
    command = [sys.executable, "-m", "chaosp7.embedded.clickhouse", "--data-dir", str(folder / "data")]
    with log.open("wb") as file:
        process = subprocess.Popen([*command, "--http-port", "0"], stdout=file, stderr=file)
    deadline = time.monotonic() + _START_S
    while "ready on port" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise ReaderError(f"the embedded ClickHouse doesn't start: {log.read_text()[-1000:]}")
        time.sleep(0.1)
    return process, int(log.read_text().split("ready on port ")[1].split()[0])


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000, _TARGET_ROWS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if min(options.rows) < 100_000 or options.rounds < 1:
        parser.error("at least 100,000 rows and one round")
    figures, raw, exact = [], {}, True
    with tempfile.TemporaryDirectory(prefix="chaosp7-benchmark-") as name:
        process, port = _started(Path(name))
        try:
            url = f"http://127.0.0.1:{port}/"
            for rows in options.rows:
                run = synthetic(rows)
                fill(url, run, rows)
                progress(f"  {rows:,} rows: computing what was sent")
                sent = expected(run)
                rounds = []
                for i in range(options.rounds):
                    rounds.append(measured(url, port, run, sent))
                    progress(f"  {rows:,} rows, round {i + 1}: {rounds[-1]}")
                exact = exact and all(r["right"] for r in rounds)
                figures += figures_of(rows, rounds)
                raw[str(rows)] = rounds
        finally:
            process.terminate()
            process.wait()
    notes = [f"what was planted was found exactly: {'yes' if exact else 'NO'}"]
    write(options.json, "Account of a ClickHouse tier", figures, notes, raw)
    print(notes[0])
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
