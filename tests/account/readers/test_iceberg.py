"""Iceberg tiers are read from real tables, exactly or not at all."""

import socket
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from chaosp7.account.account import account_tier
from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Records
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.readers.iceberg import IcebergReader, batches
from chaosp7.account.sent import RunRecords, expected
from chaosp7.errors import ConfigError, ReaderError
from chaosp7.platform.iceberg import IcebergStart, data_files_after, open_catalog, opened
from chaosp7.platform.iceberg_catalog import READ_TIMEOUT_S
from tests.iceberg_table import IcebergTable

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "it's \\ odd"))
FIRST = (4000, 1)
COUNT = 6000


@pytest.fixture
def table(tmp_path: Path) -> IcebergTable:
    return IcebergTable(tmp_path)


def sent_records() -> Records:
    """Two feeds, alternately, with prices and sides all over their ranges."""
    records = np.zeros(2 * COUNT, dtype=RECORD)
    records["feed"] = np.arange(2 * COUNT) % 2
    records["sequence"] = np.arange(2 * COUNT) // 2 + np.where(records["feed"] == 0, *FIRST)
    random = np.random.default_rng(11)
    records["price_e8"] = random.integers(-(1 << 63), (1 << 63) - 1, 2 * COUNT)
    records["quantity_e8"] = random.integers(0, (1 << 63) - 1, 2 * COUNT)
    records["side"] = random.integers(0, 2, 2 * COUNT)
    records["trade_time_ms"] = 1_770_000_000_000 + np.arange(2 * COUNT)
    records["sent_ns"] = np.arange(2 * COUNT)
    records["reached"] = 1
    return records


RECORDS = sent_records()
RUN = RunRecords(FEEDS, FIRST, lambda: [RECORDS])


def read(start: IcebergStart) -> TierAccount:
    sent = expected(RUN)
    now = opened(open_catalog(start.source.catalog), start.source.table)
    reader = IcebergReader(now, start.source, start.number_in(now))
    digests = reader.digests(sent.table())
    return account_tier(
        "cold",
        RUN,
        sent,
        digests,
        partial(reader.rows, digests),
        unidentified_rows=reader.nameless,
        keys_at_once=None,
    )


def numbers(account: TierAccount) -> tuple[int, int, int, int, int]:
    counts = account.counts
    return counts.delivered, counts.lost, counts.duplicated, counts.corrupted, counts.unexpected


def test_a_table_that_has_everything_is_whole_whatever_was_there_before(table: IcebergTable) -> None:
    table.append(RECORDS[:100], FEEDS)  # an earlier run's, by the same numbers
    start = table.start()
    for part in np.array_split(RECORDS, 7):
        table.append(part, FEEDS)
    assert numbers(read(start)) == (2 * COUNT, 0, 0, 0, 0)


def test_what_is_missing_doubled_changed_or_foreign_is_named(table: IcebergTable) -> None:
    start = table.start()
    kept = np.delete(RECORDS, [10, 5000, 5002])
    table.append(kept[:6000], FEEDS)
    table.append(kept[6000:], FEEDS)
    table.append(kept[20:24], FEEDS)
    foreign = RECORDS[:1].copy()
    foreign["sequence"] = 10**6
    table.append(foreign, FEEDS)
    table.append(RECORDS[5000:5001], FEEDS, side=["SELL" if RECORDS["side"][5000] == 0 else "BUY"])
    account = read(start)
    assert numbers(account) == (2 * COUNT - 3 - 4, 2, 4, 1, 1)
    assert {feed: set(found) for feed, found in account.lost.items()} == {
        FEEDS[0]: {int(RECORDS["sequence"][10]), int(RECORDS["sequence"][5002])}
    }


def test_of_a_table_that_was_made_anew_everything_counts(table: IcebergTable) -> None:
    for part in np.array_split(RECORDS[:50], 5):
        table.append(part, FEEDS)
    start = table.start()
    table.make_anew()
    for _ in range(3):
        table.append(RECORDS, FEEDS)
    assert numbers(read(start)) == (0, 0, 2 * COUNT, 0, 0)


def test_a_table_whose_commits_have_no_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no numbers in format version 1"):
        IcebergTable(tmp_path, {"format-version": "1"}).start()


def test_a_table_without_numbers_that_came_after_the_start_is_an_error(tmp_path: Path) -> None:
    table = IcebergTable(tmp_path, {"format-version": "1"})
    table.append(RECORDS, FEEDS)
    with pytest.raises(ReaderError, match="no numbers in format version 1"):
        read(IcebergStart(table.source, 0, None))


def test_an_empty_table_has_lost_everything(table: IcebergTable) -> None:
    assert numbers(read(table.start())) == (0, 2 * COUNT, 0, 0, 0)


@pytest.mark.parametrize("column", ["exchange", "symbol", "source_sequence"])
def test_a_row_without_a_name_is_unexpected(table: IcebergTable, column: str) -> None:
    start = table.start()
    table.append(RECORDS, FEEDS)
    table.append(RECORDS[:2], FEEDS, **{column: [None, None]})
    assert numbers(read(start)) == (2 * COUNT, 0, 0, 0, 2)


@pytest.mark.parametrize("column", ["price", "quantity", "side", "trade_time"])
def test_a_row_without_a_value_is_corrupted(table: IcebergTable, column: str) -> None:
    start = table.start()
    table.append(RECORDS[2:], FEEDS)
    rest = RECORDS[:2]
    table.append(rest, FEEDS, **{column: [None, None]})
    assert numbers(read(start)) == (2 * COUNT - 2, 0, 0, 2, 0)


def test_rows_that_were_deleted_are_lost(table: IcebergTable) -> None:
    start = table.start()
    table.append(RECORDS, FEEDS)
    table.table.delete("source_sequence >= 5000 AND source_sequence < 5003")
    assert numbers(read(start))[:2] == (2 * COUNT - 6, 6)


def test_data_files_from_before_the_run_are_not_opened(table: IcebergTable, tmp_path: Path) -> None:
    table.append(RECORDS[:100], FEEDS)
    start = table.start()
    before = list((tmp_path / "warehouse").rglob("*.parquet"))
    table.append(RECORDS, FEEDS)
    for path in before:
        path.unlink()
    assert before
    assert numbers(read(start)) == (2 * COUNT, 0, 0, 0, 0)


def test_a_data_file_that_is_gone_is_an_error(table: IcebergTable, tmp_path: Path) -> None:
    start = table.start()
    table.append(RECORDS, FEEDS)
    next((tmp_path / "warehouse").rglob("*.parquet")).unlink()
    with pytest.raises(ReaderError, match=r"cold\.trades"):
        read(start)


def test_with_deletes_a_data_file_that_the_scan_leaves_out_is_an_error(
    table: IcebergTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaosp7.account.readers.iceberg.has_deletes", lambda _: True)
    table.append(RECORDS, FEEDS)
    files = data_files_after(table.table, 0)
    assert sum(batch.num_rows for batch in batches(table.table, table.source, files)) == len(RECORDS)
    table.table.delete("source_sequence >= 0")
    with pytest.raises(ReaderError, match="1 data files aren't in its scan"):
        list(batches(table.table, table.source, files))


def test_a_column_that_is_not_there_is_an_error(table: IcebergTable) -> None:
    table.append(RECORDS, FEEDS)
    table.source.columns["price"] = "amount"
    with pytest.raises(ReaderError, match="no column 'amount'"):
        read(table.start())


def test_a_table_that_is_not_there_is_an_error(table: IcebergTable) -> None:
    catalog = open_catalog(table.source.catalog)
    with pytest.raises(ReaderError, match=r"cold\.nothing: there is none"):
        opened(catalog, "cold.nothing")


@pytest.mark.parametrize(
    "wrong", [{"price": "side"}, {"sequence": "symbol"}, {"exchange": "source_sequence"}]
)
def test_a_column_of_a_wrong_type_is_an_error(table: IcebergTable, wrong: dict[str, str]) -> None:
    start = table.start()
    table.append(RECORDS, FEEDS)
    start.source.columns.update(wrong)
    with pytest.raises(ReaderError, match="must"):
        read(start)


def test_only_rows_of_the_chunks_are_read_again(table: IcebergTable, tmp_path: Path) -> None:
    start = table.start()
    for chunk in range(1, 3):
        of_chunk = RECORDS[RECORDS["sequence"] // 4096 == chunk]
        table.append(of_chunk, FEEDS)
    sent = expected(RUN)
    now = opened(open_catalog(start.source.catalog), start.source.table)
    reader = IcebergReader(now, start.source, start.number_in(now))
    digests = reader.digests(sent.table())
    keys = [key for key, _ in digests.items() if key.chunk == 2]
    for path in sorted((tmp_path / "warehouse").rglob("*.parquet"), key=lambda p: p.stat().st_mtime_ns)[:1]:
        path.unlink()  # that of chunk 1: by the statistics it needn't be opened
    rows = list(reader.rows(digests, keys))
    assert keys
    assert {int(s) // 4096 for batch in rows for s in batch.sequences} == {2}


def test_a_silent_catalog_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ReaderError, match="Iceberg catalog"):
            open_catalog({"type": "rest", "uri": uri, READ_TIMEOUT_S: "0.2"})
