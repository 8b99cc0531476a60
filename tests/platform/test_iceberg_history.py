"""An Iceberg table's commits are told, and whatever isn't whole about them."""

import os
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Records
from chaosp7.account.ledger_format import RECORD
from chaosp7.platform.iceberg_history import AFTER, TO, broken, commits, orphans
from tests.iceberg_table import IcebergTable

FEEDS = (Feed("binance", "BTC/USDT"),)


@pytest.fixture
def table(tmp_path: Path) -> IcebergTable:
    return IcebergTable(tmp_path)


def messages(count: int) -> Records:
    records = np.zeros(count, dtype=RECORD)
    records["sequence"] = np.arange(count)
    return records


def data_files(folder: Path) -> list[Path]:
    return sorted((folder / "warehouse").rglob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)


def append(table: IcebergTable, count: int, after: int, to: int) -> None:
    """Commit as the offload does."""
    rows = table.rows(messages(count), FEEDS)
    table.table.append(rows, snapshot_properties={AFTER: str(after), TO: str(to)})


def test_commits_are_told_in_order_with_rows_and_batches(table: IcebergTable) -> None:
    assert commits(table.table) == []
    table.append(messages(3), FEEDS)
    append(table, 4, 0, 7)
    append(table, 5, 7, 9)
    told = [
        (commit.number, commit.operation, commit.rows, commit.after, commit.to)
        for commit in commits(table.table)
    ]
    assert told == [(1, "append", 3, None, None), (2, "append", 4, 0, 7), (3, "append", 5, 7, 9)]
    assert [commit.number for commit in commits(table.table, since=2)] == [3]


def test_whole_commits_have_nothing_wrong(table: IcebergTable) -> None:
    append(table, 4, 0, 7)
    append(table, 5, 7, 9)
    table.table.delete("source_sequence < 2")
    assert broken(table.table) == []


@pytest.mark.parametrize(
    ("after", "words"), [(6, "begins after batch 6, not 7"), (8, "begins after batch 8, not 7")]
)
def test_a_commit_that_does_not_begin_where_the_one_before_ended_is_named(
    table: IcebergTable, after: int, words: str
) -> None:
    append(table, 4, 0, 7)
    append(table, 5, after, 9)
    (found,) = broken(table.table)
    assert words in found
    assert broken(table.table, since=1) == [found]
    assert broken(table.table, since=2) == []


def test_a_data_file_that_is_gone_is_named(table: IcebergTable, tmp_path: Path) -> None:
    append(table, 4, 0, 7)
    (path,) = data_files(tmp_path)
    path.unlink()
    (found,) = broken(table.table)
    assert path.name in found


def test_a_data_file_with_other_rows_than_the_manifest_says_is_named(
    table: IcebergTable, tmp_path: Path
) -> None:
    append(table, 4, 0, 7)
    (path,) = data_files(tmp_path)
    pq.write_table(pq.read_table(path).slice(1), path)
    (found,) = broken(table.table)
    assert found.endswith("has 3 rows")


def test_only_old_data_files_that_no_snapshot_has_are_orphans(table: IcebergTable, tmp_path: Path) -> None:
    append(table, 4, 0, 7)
    append(table, 5, 7, 9)
    table.table.delete("source_sequence < 2")  # its rewritten files are still those of a snapshot
    assert orphans(table.table, 0.0, time.time() + 60) == []
    (first, *_) = data_files(tmp_path)
    orphan = first.with_name("left-behind.parquet")
    orphan.write_bytes(first.read_bytes())
    os.utime(orphan, (1000, 1000))
    assert [Path(path).name for path in orphans(table.table, 10.0, 1011.0)] == ["left-behind.parquet"]
    assert orphans(table.table, 10.0, 1009.0) == []
