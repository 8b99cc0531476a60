"""Silver's batches, what the cold tier has to make of them, and who watches it meanwhile."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from pyarrow import parquet
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from chaosp7.embedded.offload.commit import committed
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.iceberg_history import AFTER, TO
from tests.clickhouse_process import ClickHouseProcess
from tests.cold import ColdTier
from tests.waiting import PATIENCE_S

__all__ = ["Silver", "Watcher", "assert_once", "cold_rows", "silver_rows"]

TABLES = ("silver_trades", "ohlcv")
_FEEDS = [("binance", "BTC/USDT"), ("kraken", "BTC/USD"), ("kraken", "ETH/USD"), ("coinbase", "SOL/USD")]


class Row(NamedTuple):
    exchange: str
    symbol: str
    sequence: int
    price_e8: int
    batch: int


class Silver:
    """Writes batches as the silver processor does: one statement each, numbered one by one."""

    def __init__(self, process: ClickHouseProcess) -> None:
        self._process = process
        self.batch = 0
        self._sequence = 0

    def put(self, rows_per_feed: int = 50, batches: int = 1) -> None:
        for _ in range(batches):
            self.batch += 1
            for_feeds = " UNION ALL ".join(
                f"SELECT '{exchange}' AS e, '{symbol}' AS s, number AS n FROM numbers({rows_per_feed})"
                for exchange, symbol in _FEEDS
            )
            self._process.run(
                "INSERT INTO k2.silver_trades (message_id, trade_id, exchange, symbol, canonical_symbol, "
                "asset_class, currency, price, quantity, quote_volume, side, trade_conditions, timestamp, "
                "ingestion_timestamp, source_sequence, platform_sequence, platform_partition, batch, "
                "vendor_data) SELECT generateUUIDv4(), 't', e, s, s, 'crypto', 'USD', "
                f"toDecimal128({self._sequence} + n + 1, 8) / 100, toDecimal128(2, 8), toDecimal128(3, 8), "
                "if(n % 2, 'BUY', 'SELL'), [], now64(6), now64(6), "
                f"{self._sequence} + n + 1, n, 0, {self.batch}, map() FROM ({for_feeds})"
            )
            self._sequence += rows_per_feed


def silver_rows(clickhouse: ClickHouse, where: str = "1") -> Counter[Row]:
    columns = clickhouse.columns(
        "SELECT lower(exchange), canonical_symbol, source_sequence, reinterpretAsInt64(price), batch "
        f"FROM k2.silver_trades WHERE {where}",
        5,
    )
    return Counter(map(Row, *columns))


def cold_rows(table: Table, snapshot: int | None = None) -> Counter[Row]:
    found = table.scan(snapshot_id=snapshot).to_arrow().to_pydict()
    prices = [int(price * 10**8) for price in found["price"]]
    return Counter(
        map(Row, found["exchange"], found["symbol"], found["source_sequence"], prices, found["batch"])
    )


def added_batches(table: Table, snapshot: Snapshot) -> list[int]:
    """Return the batch of each row that a snapshot added."""
    found: list[int] = []
    for manifest in snapshot.manifests(table.io):
        if manifest.added_snapshot_id == snapshot.snapshot_id:
            for entry in manifest.fetch_manifest_entry(table.io):
                with table.io.new_input(entry.data_file.file_path).open() as file:
                    found += parquet.read_table(file, columns=["batch"])["batch"].to_pylist()
    return found


_CANDLES = (
    "SELECT window_s, exchange, canonical_symbol, toUnixTimestamp(window_start), "
    "toInt64(argMinMerge(open) * 100000000), toInt64(argMaxMerge(close) * 100000000), "
    "toInt64(sum(volume) * 100000000), sum(trade_count), max(last_batch) FROM k2.ohlcv_state "
    "GROUP BY window_s, exchange, canonical_symbol, window_start"
)


def assert_once(cold: ColdTier, clickhouse: ClickHouse, context: str = "") -> None:
    """Check that the cold tier has each row of silver once, and gold's candles as they are."""
    want, have = silver_rows(clickhouse), cold_rows(cold.table("silver_trades"))
    assert (want - have, have - want) == (Counter(), Counter()), context
    newest: dict[tuple[object, ...], tuple[object, ...]] = {}
    for row in cold.table("ohlcv").scan().to_arrow().sort_by("last_batch").to_pylist():
        amounts = [int(row[name] * 10**8) for name in ("open", "close", "volume")]
        key = (row["window_s"], row["exchange"], row["symbol"], int(row["window_start"].timestamp()))
        newest[key] = (*amounts, row["trade_count"], row["last_batch"])
    gold = {tuple(row[:4]): tuple(row[4:]) for row in zip(*clickhouse.columns(_CANDLES, 9), strict=True)}
    assert newest == gold, context


class Watcher:
    """Reads watermark and table again and again, and checks every snapshot that it sees.

    Each must begin where its parent ends, and hold just the rows of its own batches; the watermark, read
    first, must not be ahead of the table.

    Args:
        opened: opens the catalog.
        clickhouse: a connection of the watcher's own.
        watermarks: the offload's file.
        whole: compare all rows of each snapshot, not just those that it added: for small tables.
    """

    def __init__(
        self, opened: Callable[[], Catalog], clickhouse: ClickHouse, watermarks: Path, *, whole: bool = True
    ) -> None:
        self._opened = opened
        self._clickhouse = clickhouse
        self._watermarks = watermarks
        self._whole = whole
        self._seen: dict[str, set[int]] = {name: set() for name in TABLES}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.wrong: list[str] = []
        self.snapshots = 0
        self.looks = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        assert not self.wrong, self.wrong[:5]
        assert self.looks

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after a last look; `wrong` says what was wrong."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        catalog = self._opened()
        while True:
            last = self._stop.is_set()
            for name in TABLES:
                try:
                    self._look(catalog, name)
                except NoSuchTableError:
                    continue
                except Exception as error:  # noqa: BLE001 - told in the thread that waits
                    # The object store or the catalog may be down: the test's doing.
                    if last:
                        self.wrong.append(repr(error))
                    time.sleep(0.2)
            if last:
                return
            time.sleep(0.02)

    def watermark(self, name: str) -> int:
        if not self._watermarks.exists():
            return 0
        connection = sqlite3.connect(f"file:{self._watermarks}?mode=ro", uri=True, timeout=5)
        try:
            sql = "SELECT watermark FROM offload_watermarks WHERE table_name = ?"
            row = connection.execute(sql, (name,)).fetchone()
        except sqlite3.OperationalError:
            return 0
        finally:
            connection.close()
        return int(row[0]) if row else 0

    def _look(self, catalog: Catalog, name: str) -> None:
        watermark = self.watermark(name)
        table = catalog.load_table(("cold", name))
        held = committed(table.metadata) or 0
        self.looks += 1
        if held < watermark:
            self.wrong.append(f"{name}: the watermark is {watermark}, the table at {held}")
        for snapshot in table.metadata.snapshots:
            if snapshot.snapshot_id in self._seen[name]:
                continue
            self._seen[name].add(snapshot.snapshot_id)
            self.snapshots += 1
            assert snapshot.summary is not None
            after, to = (int(snapshot.summary.additional_properties[key]) for key in (AFTER, TO))
            parent = table.metadata.snapshot_by_id(snapshot.parent_snapshot_id or -1)
            begun = int(parent.summary.additional_properties[TO]) if parent and parent.summary else 0
            if after != begun or to <= after:
                self.wrong.append(f"{name}: a snapshot holds {after} to {to} after one that ended at {begun}")
            if name == "silver_trades":
                self._compare(table, snapshot, after, to)

    def _compare(self, table: Table, snapshot: Snapshot, after: int, to: int) -> None:
        if self._whole:
            here, there = (
                cold_rows(table, snapshot.snapshot_id),
                silver_rows(self._clickhouse, f"batch <= {to}"),
            )
            if here != there:
                self.wrong.append(f"a snapshot up to {to} has other rows than silver")
            return
        batches = Counter(added_batches(table, snapshot))
        columns = self._clickhouse.columns(
            f"SELECT batch, count() FROM k2.silver_trades WHERE batch > {after} AND batch <= {to} GROUP BY batch",
            2,
        )
        if batches != Counter(dict(zip(*columns, strict=True))):
            self.wrong.append(f"a snapshot of {after} to {to} added other rows than silver has")
