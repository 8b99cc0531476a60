"""How long does the account of an Iceberg tier take, and how much memory does it need?

    .venv/bin/python benchmarks/iceberg.py --json reports/benchmarks/iceberg.json

Writes a real Iceberg table (SQLite catalog, Parquet files in a temporary folder), with messages missing,
doubled and corrupted in known places, and accounts for it in a process of its own with the real reader. The
ledger is computed, not read. The peer, in each round of the same process: the same columns of the same
files read and thrown away. What is found must be exactly what was planted. An object store's network isn't
in it.

Exit code: 0 if it was found exactly, 1 if not; a time or size over its target is only said.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from _figures import Figure, command, paired, progress, spread_of, write
from account_memory import memory_mb
from table import CORRUPTED, DOUBLED, LOST, right, synthetic

from chaosp7.account.account import account_tier
from chaosp7.account.checksum import mix
from chaosp7.account.ledger_format import Records
from chaosp7.account.readers.iceberg import IcebergReader, batches
from chaosp7.account.sent import RunRecords, expected
from chaosp7.platform.iceberg import data_files_after, open_catalog, opened
from chaosp7.platform.model import IcebergSource

_TARGET_S, _TARGET_MB, _TARGET_ROWS = 20.0, 500.0, 10_000_000
_TABLE = "cold.silver_trades"
_SCHEMA = pa.schema(
    [
        ("exchange", pa.string()),
        ("symbol", pa.string()),
        ("sequence", pa.int64()),
        ("price", pa.decimal128(38, 8)),
        ("quantity", pa.decimal128(38, 8)),
        ("side", pa.string()),
        ("trade_time", pa.timestamp("us", tz="UTC")),
    ]
)


def source_in(folder: Path) -> IcebergSource:
    """Return the table in a folder."""
    catalog = {"type": "sql", "uri": f"sqlite:///{folder / 'catalog.db'}", "warehouse": f"file://{folder}"}
    return IcebergSource(table=_TABLE, catalog=catalog, columns={name: name for name in _SCHEMA.names})


def rows_of(run: RunRecords, block: Records) -> pa.Table:
    """Return what the table holds of some messages."""
    sequences = block["sequence"]
    copies = np.where(sequences % DOUBLED[0] == DOUBLED[1], 2, 1) * (sequences % LOST[0] != LOST[1])
    block = block[np.repeat(np.arange(len(block)), copies)]
    feeds, sequences = block["feed"].astype(np.uint64), block["sequence"]
    wrong = mix(sequences + (feeds << np.uint64(40))) % np.uint64(CORRUPTED) == 0

    def amounts(values: Any) -> pa.Array:
        halves = np.zeros((len(values), 2), dtype=np.int64)
        halves[:, 0] = values
        return pa.Array.from_buffers(_SCHEMA.field("price").type, len(values), [None, pa.py_buffer(halves)])

    def names(which: list[str], codes: Any) -> pa.Array:
        return pa.DictionaryArray.from_arrays(codes.astype(np.int32), which).cast(pa.string())

    return pa.table(
        [
            names([feed.exchange for feed in run.feeds], feeds),
            names([feed.symbol for feed in run.feeds], feeds),
            pa.array(sequences.astype(np.int64)),
            amounts(block["price_e8"] + wrong),
            amounts(block["quantity_e8"]),
            names(["BUY", "SELL"], block["side"]),
            pa.array(block["trade_time_ms"] * 1000, pa.timestamp("us", tz="UTC")),
        ],
        schema=_SCHEMA,
    )


def fill(folder: Path, run: RunRecords, rows: int, per_commit: int) -> None:
    """Write the table, commit by commit."""
    source = source_in(folder)
    catalog = open_catalog(source.catalog)
    catalog.create_namespace("cold")
    table = catalog.create_table(_TABLE, _SCHEMA)
    held: list[pa.Table] = []
    written = 0
    for block in run.blocks():
        held.append(rows_of(run, block))
        if sum(map(len, held)) >= per_commit:
            table.append(pa.concat_tables(held))
            written += sum(map(len, held))
            held = []
            progress(f"  {written:,} of {rows:,} rows written")
    if held:
        table.append(pa.concat_tables(held))


def account(folder: Path, rows: int, rounds: int) -> list[dict[str, Any]]:
    """Make the account in this process, some times; return what each took."""
    run = synthetic(rows)
    sent = expected(run)
    source = source_in(folder)
    found = []
    for _ in range(rounds):
        table = opened(open_catalog(source.catalog), source.table)
        begun_s = time.monotonic()
        files = data_files_after(table, 0)
        sum(batch.num_rows for batch in batches(table, source, files))
        peer_s = time.monotonic() - begun_s
        Path("/proc/self/clear_refs").write_text("5")
        begun_s = time.monotonic()
        reader = IcebergReader(table, source, 0)
        digests = reader.digests(sent.table())
        digests_s = time.monotonic() - begun_s
        tier = account_tier("cold", run, sent, digests, partial(reader.rows, digests), keys_at_once=None)
        found.append(
            {
                "seconds": time.monotonic() - begun_s,
                "digests_s": digests_s,
                "peer_s": peer_s,
                "peak_mb": memory_mb("VmHWM"),
                "files": len(files),
                "right": right(tier, sent),
            }
        )
    return found


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=_TARGET_ROWS)
    parser.add_argument("--per-commit", type=int, default=500_000, help="rows of a data file (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--account", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.account:
        print(json.dumps(account(options.account, options.rows, options.rounds)))
        return 0
    with tempfile.TemporaryDirectory(prefix="chaosp7-benchmark-") as name:
        fill(Path(name), synthetic(options.rows), options.rows, options.per_commit)
        words = ["--account", name, "--rows", str(options.rows), "--rounds", str(options.rounds)]
        done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, check=True)
    rounds = json.loads(done.stdout)
    judged = options.rows == _TARGET_ROWS
    what = f"account of {options.rows:,} rows in {rounds[0]['files']} files of Iceberg"
    figures = [
        paired(
            what, [r["seconds"] for r in rounds], [r["peer_s"] for r in rounds], "s",
            "the same columns read and thrown away", at_least=False, target=_TARGET_S if judged else None,
        ),
        Figure(
            f"{what}, the process's memory at its peak", statistics.median(r["peak_mb"] for r in rounds),
            "MiB", command(), len(rounds), spread=spread_of([r["peak_mb"] for r in rounds]), at_least=False,
            target=_TARGET_MB if judged else None,
        ),
    ]  # fmt: skip
    exact = all(r["right"] for r in rounds)
    notes = [f"what was planted was found exactly: {'yes' if exact else 'NO'}"]
    write(options.json, "Account of an Iceberg tier", figures, notes, rounds)
    print(notes[0])
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
