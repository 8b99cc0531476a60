"""The rows of tables are counted in a real ClickHouse: a row more is seen, whatever is in it."""

from collections.abc import Iterator

import msgspec
import pytest

from chaosp7.account.feeds import Feed
from chaosp7.errors import ReaderError
from chaosp7.platform.loader import load
from chaosp7.platform.model import Platform, Tier, TierKind
from chaosp7.recorder.row_counts import RowCounts
from tests.chaos import PLATFORM
from tests.clickhouse_process import ClickHouseProcess

FIRST = {Feed("a", "b"): 100, Feed("a", "c"): 150}
ROWS = "SELECT exchange, symbol, sequence FROM row_counts.{}"


def tier(*tables: str, kind: TierKind = TierKind.TABLE) -> Tier:
    rows = {f"row_counts.{table}": ROWS.format(table) for table in tables}
    return Tier(kind=kind, service="clickhouse", fresh_within_ms=1000, sample_every_ms=100, rows=rows)


def platform(**tiers: Tier) -> Platform:
    return msgspec.structs.replace(load(PLATFORM), tiers=tiers)


@pytest.fixture
def counts(clickhouse_process: ClickHouseProcess) -> Iterator[RowCounts]:
    columns = "(exchange String, symbol String, sequence {}) ENGINE = MergeTree ORDER BY exchange"
    clickhouse_process.run(
        "DROP DATABASE IF EXISTS row_counts",
        "CREATE DATABASE row_counts",
        *(f"CREATE TABLE row_counts.{table} {columns.format('UInt64')}" for table in ("one", "two")),
        f"CREATE TABLE row_counts.three {columns.format('Nullable(UInt64)')}",
        "INSERT INTO row_counts.three VALUES ('a', 'b', NULL)",
        "INSERT INTO row_counts.one VALUES ('a', 'b', 99), ('a', 'b', 100), ('a', 'c', 150), ('a', 'd', 900)",
        "INSERT INTO row_counts.two VALUES ('a', 'b', 200), ('a', 'c', 149), ('x', 'b', 200)",
    )
    tiers = {"raw": tier("one", "two"), "silver": tier("three"), "gold": tier("one", kind=TierKind.CANDLES)}
    found = RowCounts(platform(**tiers), ("127.0.0.1", clickhouse_process.port), FIRST)
    yield found
    found.close()


def test_the_runs_rows_are_counted_by_tier_and_nobody_elses(counts: RowCounts) -> None:
    assert counts.read() == {"raw": 3, "silver": 0}


def test_a_row_that_is_there_already_is_one_more(
    counts: RowCounts, clickhouse_process: ClickHouseProcess
) -> None:
    clickhouse_process.run("INSERT INTO row_counts.two VALUES ('a', 'b', 200)")
    assert counts.read()["raw"] == 4


def test_a_platform_without_tables_has_no_rows() -> None:
    assert RowCounts(platform(), ("127.0.0.1", 1), FIRST).read() == {}


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ReaderError):
        RowCounts(platform(raw=tier("one")), ("127.0.0.1", 1), FIRST).read()
