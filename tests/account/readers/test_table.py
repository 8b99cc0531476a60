"""Table and candle tiers are read inside a real ClickHouse, and accounted for exactly."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from chaosp7.account.account import account_tier
from chaosp7.account.candles import CandleKey
from chaosp7.account.checksum import SQL
from chaosp7.account.classes import TierAccount
from chaosp7.account.digest import DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.readers.candles import CandleReader
from chaosp7.account.readers.feed_numbers import FeedNumbers
from chaosp7.account.readers.table import TableReader
from chaosp7.account.readers.table_rows import TableRows
from chaosp7.account.rows import Rows
from chaosp7.account.sent import RunRecords, expected
from chaosp7.errors import ReaderError
from chaosp7.platform.clickhouse import ClickHouse
from tests.clickhouse_process import ClickHouseProcess

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "it's \\ odd"))
FIRST = (4000, 1)
COUNT = 9000

ROWS = "SELECT * FROM reader.trades"
CANDLES = "SELECT * FROM reader.candles"


@pytest.fixture
def run_sql(clickhouse_process: ClickHouseProcess) -> Callable[..., None]:
    clickhouse_process.run(
        "DROP DATABASE IF EXISTS reader",
        "CREATE DATABASE reader",
        "CREATE TABLE reader.trades (exchange String, symbol LowCardinality(String), sequence UInt64, "
        "price_e8 Int64, quantity_e8 Int64, side UInt8, trade_time_ms Int64) "
        "ENGINE = MergeTree ORDER BY (exchange, symbol, sequence)",
        "CREATE TABLE reader.candles (window_s UInt32, exchange String, symbol String, window_start_s UInt32, "
        "open_e8 Int64, high_e8 Int64, low_e8 Int64, close_e8 Int64, volume_e8 Int128, "
        "quote_volume_e8 Int128, trade_count UInt64) ENGINE = MergeTree ORDER BY window_start_s",
    )
    return clickhouse_process.run


@pytest.fixture
def clickhouse(run_sql: Callable[..., None], clickhouse_process: ClickHouseProcess) -> Iterator[ClickHouse]:
    del run_sql  # the tables must be there
    client = clickhouse_process.client()
    yield client
    client.close()


def sent_run() -> RunRecords:
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
    return RunRecords(FEEDS, FIRST, lambda: [records])


def write(run_sql: Callable[..., None], run: RunRecords) -> None:
    """Put everything that was sent into the table."""
    lines = []
    for block in run.blocks():
        for r in block:
            feed = FEEDS[r["feed"]]
            symbol = feed.symbol.replace("\\", "\\\\").replace("'", "\\'")
            lines.append(
                f"('{feed.exchange}','{symbol}',{r['sequence']},{r['price_e8']},{r['quantity_e8']},"
                f"{r['side']},{r['trade_time_ms']})"
            )
    run_sql(f"INSERT INTO reader.trades VALUES {','.join(lines)}")


def account_of(reader: TableReader, run: RunRecords, digests: DigestTable) -> TierAccount:
    runs, pieces = partial(reader.runs, first=digests.first), partial(reader.pieces, first=digests.first)
    rows = partial(reader.rows, digests.feeds)
    return account_tier("raw", run, expected(run), digests, rows, runs=runs, pieces=pieces)


def account(clickhouse: ClickHouse, run: RunRecords) -> TierAccount:
    sent = expected(run)
    reader = TableReader(clickhouse.columns, ROWS)
    digests = reader.digests(sent.table())
    return account_of(reader, run, digests)


def test_a_table_that_has_everything_once_is_delivered(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run = sent_run()
    write(run_sql, run)
    counts = account(clickhouse, run).counts
    assert counts.clean
    assert counts.delivered == 2 * COUNT


def test_an_empty_table_has_lost_everything(clickhouse: ClickHouse) -> None:
    counts = account(clickhouse, sent_run()).counts
    assert (counts.lost, counts.delivered) == (2 * COUNT, 0)


def test_planted_damage_is_found_message_by_message(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run = sent_run()
    write(run_sql, run)
    one, other = FEEDS
    run_sql(
        "DELETE FROM reader.trades WHERE exchange = 'binance' AND sequence BETWEEN 5000 AND 5004",
        "INSERT INTO reader.trades SELECT * FROM reader.trades "
        "WHERE exchange = 'kraken' AND sequence IN (7, 8)",
        "ALTER TABLE reader.trades UPDATE price_e8 = price_e8 + 1 WHERE exchange = 'kraken' "
        "AND sequence = 8999 SETTINGS mutations_sync = 2",
        # Never sent: above the last sequence, and of a feed that nobody knows.
        "INSERT INTO reader.trades VALUES ('binance', 'BTC/USDT', 13000, 1, 1, 0, 1), ('x', 'Y', 1, 1, 1, 0, 1)",
        # Of an earlier run: below the first sequence.
        "INSERT INTO reader.trades VALUES ('binance', 'BTC/USDT', 3999, 1, 1, 0, 1)",
    )
    found = account(clickhouse, run)
    assert {feed: list(lost) for feed, lost in found.lost.items()} == {one: list(range(5000, 5005))}
    assert {feed: list(twice) for feed, twice in found.duplicated.items()} == {other: [7, 8]}
    assert {feed: list(wrong) for feed, wrong in found.corrupted.items()} == {other: [8999]}
    assert found.counts.unexpected == 2
    assert found.counts.delivered == 2 * COUNT - 5 - 2 - 1


def test_a_table_that_can_not_be_read_is_no_account(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run_sql("DROP TABLE reader.trades")
    with pytest.raises(ReaderError):
        account(clickhouse, sent_run())


def test_candles_of_every_length_are_read_and_earlier_windows_left_out(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run_sql(
        "INSERT INTO reader.candles VALUES (60, 'binance', 'BTC/USDT', 600, 1, 4, 1, 2, "
        "170141183460469231731687303715884105727, 7, 3), "
        "(60, 'binance', 'BTC/USDT', 540, 1, 1, 1, 1, 1, 1, 1), (300, 'kraken', 'ETH/USD', 300, 5, 5, 5, 5, 5, 5, 1)"
    )
    candles = CandleReader(clickhouse.columns, CANDLES, [60, 300]).read(since_s=599)
    assert set(candles) == {60, 300}
    assert set(candles[60]) == {
        CandleKey(FEEDS[0], 540),
        CandleKey(FEEDS[0], 600),
    }
    candle = candles[60][CandleKey(FEEDS[0], 600)]
    assert candle.values == (1, 4, 1, 2, (1 << 127) - 1, 7, 3)
    later = CandleReader(clickhouse.columns, CANDLES, [60, 300]).read(since_s=600)
    assert set(later[60]) == {CandleKey(FEEDS[0], 600)}
    assert later[300] == {}


def test_an_empty_candle_tier_has_no_candles_of_any_length(clickhouse: ClickHouse) -> None:
    assert CandleReader(clickhouse.columns, CANDLES, [60, 300]).read(0) == {60: {}, 300: {}}


def test_candles_of_a_length_that_nobody_listed_are_an_error(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run_sql("INSERT INTO reader.candles VALUES (61, 'a', 'b', 61, 1, 1, 1, 1, 1, 1, 1)")
    with pytest.raises(ReaderError, match="61 s"):
        CandleReader(clickhouse.columns, CANDLES, [60]).read(0)


def test_two_shards_of_a_distributed_table_give_what_one_gives(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run = sent_run()
    write(run_sql, run)
    run_sql(
        "CREATE TABLE reader.shards (shard UInt32, exchange String, symbol LowCardinality(String), "
        "sequence UInt64, price_e8 Int64, quantity_e8 Int64, side UInt8, trade_time_ms Int64) "
        "ENGINE = MergeTree ORDER BY (symbol, sequence)",
        # Each sequence on one of the shards, but for some that are on none or on both.
        "INSERT INTO reader.shards SELECT 1 + sequence % 2, * FROM reader.trades WHERE sequence NOT IN (5000, 5002)",
        "INSERT INTO reader.shards SELECT 1 + (sequence + 1) % 2, * FROM reader.trades WHERE sequence = 6001",
        "INSERT INTO reader.shards SELECT 1, 'x', 'Y', 1, 1, 1, 0, 1",
        "ALTER TABLE reader.shards UPDATE price_e8 = price_e8 + 1 WHERE sequence = 9500 SETTINGS mutations_sync = 2",
    )
    # The engine answers for both shards itself: they are two of a cluster, and take their own rows.
    distributed = (
        "SELECT exchange, symbol, sequence, price_e8, quantity_e8, side, trade_time_ms "
        "FROM remote('127.0.0.1,127.0.0.1', reader, shards) WHERE shard = shardNum()"
    )
    assert clickhouse.columns(f"SELECT count() FROM ({distributed})", 1)[0][0] == 2 * COUNT - 4 + 2 + 1
    sent = expected(run)
    found = []
    for rows_sql in (distributed, "SELECT * FROM reader.shards"):
        reader = TableReader(clickhouse.columns, rows_sql)
        digests = reader.digests(sent.table())
        keys = sorted(key for key, _ in digests.items())
        runs = sorted(reader.runs(keys, digests.first), key=lambda chunk: chunk.key)
        pieces = {chunk.key: chunk.xors.tolist() for chunk in reader.pieces(keys, digests.first)}
        whole = account_of(reader, run, digests)
        found.append((sorted(digests.items(), key=lambda item: item[0]), runs, pieces, whole))
    assert found[0] == found[1]
    counts = found[0][3].counts
    assert (counts.lost, counts.duplicated, counts.corrupted, counts.unexpected) == (4, 2, 1, 1)


def test_runs_in_the_engine_and_rows_give_the_same_account_of_random_damage(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run = sent_run()
    write(run_sql, run)
    run_sql(
        "INSERT INTO reader.trades SELECT * FROM reader.trades WHERE sipHash64(sequence) % 400 = 0",
        "INSERT INTO reader.trades SELECT * FROM reader.trades WHERE sipHash64(sequence) % 800 = 0",
        "INSERT INTO reader.trades SELECT * REPLACE (price_e8 + 1 AS price_e8) FROM reader.trades WHERE sequence = 4200",
        "ALTER TABLE reader.trades UPDATE price_e8 = price_e8 + 1 WHERE sipHash64(sequence, 2) % 1500 = 0 "
        "SETTINGS mutations_sync = 2",
        "DELETE FROM reader.trades WHERE sipHash64(sequence, 1) % 300 = 0",
        # More runs in a chunk than are told.
        "DELETE FROM reader.trades WHERE exchange = 'kraken' AND sequence < 2000 AND sequence % 2",
        "INSERT INTO reader.trades SELECT 'kraken', 'BTC/USDT', number, 1, 1, 0, 1 FROM numbers(10)",
    )
    sent = expected(run)
    reader = TableReader(clickhouse.columns, ROWS)
    digests = reader.digests(sent.table())
    by_rows = account_tier("raw", run, sent, digests, partial(reader.rows, digests.feeds))
    assert account(clickhouse, run) == by_rows
    assert by_rows.counts.lost > 1000
    assert by_rows.counts.duplicated > 10
    assert by_rows.counts.unexpected == 10


def test_single_wrong_messages_are_named_in_the_engine_without_a_row(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run = sent_run()
    write(run_sql, run)
    right = "FROM reader.trades WHERE"
    run_sql(
        # One in a piece, the first and the last of all, beside what is lost and doubled.
        "ALTER TABLE reader.trades UPDATE side = 1 - side WHERE exchange = 'binance' "
        "AND sequence IN (4000, 5119, 5120, 12999) SETTINGS mutations_sync = 2",
        "DELETE FROM reader.trades WHERE exchange = 'binance' AND sequence IN (5000, 5121)",
        # A wrong copy beside a right one, and one of two right ones.
        f"INSERT INTO reader.trades SELECT * REPLACE (quantity_e8 - 1 AS quantity_e8) {right} sequence = 6200",
        f"INSERT INTO reader.trades SELECT * {right} sequence IN (7300, 7301)",
        f"INSERT INTO reader.trades SELECT DISTINCT * REPLACE (1 AS trade_time_ms) {right} sequence = 7300",
    )
    sent = expected(run)
    reader = TableReader(clickhouse.columns, ROWS)
    digests = reader.digests(sent.table())
    by_rows = account_tier("raw", run, sent, digests, partial(reader.rows, digests.feeds))
    assert list(by_rows.corrupted[FEEDS[0]]) == [4000, 5119, 5120, 6200, 7300, 12999]
    assert list(by_rows.corrupted[FEEDS[1]]) == [6200, 7300]
    asked: list[str] = []

    def query(sql: str, count: int) -> list[Any]:
        asked.append(sql)
        return clickhouse.columns(sql, count)

    assert account_of(TableReader(query, ROWS), run, digests) == by_rows
    assert len(asked) == 3, "the columns' types, runs and pieces, and no rows"


def test_feeds_too_many_for_64_bits_are_told_apart(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    feeds = tuple(Feed(f"exchange {i}", f"symbol {i}") for i in range(64))
    first = tuple(4090 + 7 * i for i in range(64))
    assert "UInt128" in FeedNumbers.of(feeds).key
    # Twenty sequences of each pair of names, beginning five before the runs of those that are feeds.
    run_sql(
        "INSERT INTO reader.trades SELECT concat('exchange ', toString(e)), concat('symbol ', toString(s)), "
        "4085 + 7 * e + n, n, 1, 0, 1 FROM (SELECT number % 65 AS e, intDiv(number, 65) % 65 AS s, "
        "intDiv(number, 65 * 65) AS n FROM numbers(65 * 65 * 20))"
    )
    reader = TableReader(clickhouse.columns, ROWS)
    found = reader.digests(DigestTable(feeds, dict(zip(feeds, first, strict=True))))
    expected_ = DigestTable(feeds, dict(zip(feeds, first, strict=True)))
    columns = clickhouse.columns(f"SELECT exchange, symbol, sequence, {SQL} FROM ({ROWS})", 4)
    rows = Rows.from_columns(expected_.feeds, *columns)
    expected_.add(rows.feeds, rows.sequences, rows.checksums)
    assert dict(found.items()) == dict(expected_.items())
    assert found.rows == 65 * 65 * 20 - 64 * 5
    # Runs and pieces too, of feeds and of others.
    keys = [key for key, _ in found.items()][::7]
    runs = {chunk.key: chunk for chunk in reader.runs(keys, found.first)}
    assert {key: chunk.rows for key, chunk in runs.items()} == {key: expected_.get(key).count for key in keys}
    pieces = {chunk.key: chunk.xors for chunk in reader.pieces(keys, found.first)}
    assert {key: int(np.bitwise_xor.reduce(xors[:, 0])) for key, xors in pieces.items()} == {
        key: expected_.get(key).xor for key in keys
    }


def test_what_is_null_is_corrupted_or_unexpected(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run = sent_run()
    write(run_sql, run)
    columns = ["price_e8", "quantity_e8", "side", "trade_time_ms"]
    # One message without each field; a row without a sequence, without a symbol, without an exchange.
    fields = ", ".join(f"if(sequence = {5000 + i}, NULL, {name}) AS {name}" for i, name in enumerate(columns))
    rows = (
        f"SELECT exchange, symbol, toNullable(sequence) AS sequence, {fields} FROM reader.trades "
        "UNION ALL SELECT 'binance', 'BTC/USDT', NULL, 1, 1, 0, 1 "
        "UNION ALL SELECT 'binance', NULL, 5, 1, 1, 0, 1 UNION ALL SELECT NULL, 'BTC/USDT', 5, 1, 1, 0, 1"
    )
    types = dict(zip(*clickhouse.columns(f"DESCRIBE TABLE ({rows})", 7)[:2], strict=True))
    assert all("Nullable(" in kind for kind in types.values()), types
    reader = TableReader(clickhouse.columns, rows)
    digests = reader.digests(expected(run).table())
    found = account_of(reader, run, digests)
    assert {feed: list(wrong) for feed, wrong in found.corrupted.items()} == {
        feed: [5000, 5001, 5002, 5003] for feed in FEEDS
    }
    assert found.counts.unexpected == 3
    assert found.counts.delivered == 2 * COUNT - 8


def test_a_message_of_which_only_a_copy_without_its_sequence_is_there_is_lost(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run = sent_run()
    write(run_sql, run)
    rows = "SELECT * REPLACE (nullIf(sequence, 7777) AS sequence) FROM reader.trades"
    reader = TableReader(clickhouse.columns, rows)
    found = account_of(reader, run, reader.digests(expected(run).table()))
    assert {feed: list(lost) for feed, lost in found.lost.items()} == {feed: [7777] for feed in FEEDS}
    assert found.counts.unexpected == 2


def test_columns_that_can_not_be_null_are_read_as_they_are_so_that_an_index_serves(
    clickhouse: ClickHouse,
) -> None:
    assert "ifNull" not in TableRows(clickhouse.columns, ROWS).sql


STRAYS = (
    "('binance', 'BTC/USDT', 4500, 1, 1, 0, 1), ('kraken', 'it\\'s \\\\ odd', 20000, 2, 1, 0, 1), "
    "('x', 'Y', 3, 1, 1, 0, 1), ('kraken', 'BTC/USDT', 4, 1, 1, 0, 1)"
)


def test_rows_that_were_there_before_the_run_neither_count_nor_hide_a_loss(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run = sent_run()
    first = dict(zip(FEEDS, FIRST, strict=True))
    run_sql(
        f"INSERT INTO reader.trades VALUES {STRAYS}",
        # There twice; and what earlier runs have sent, which is no stray.
        "INSERT INTO reader.trades VALUES ('x', 'Y', 3, 1, 1, 0, 1), ('binance', 'BTC/USDT', 3999, 1, 1, 0, 1)",
    )
    own, others = TableReader(clickhouse.columns, ROWS).strays(first, 10)
    assert sorted((row.exchange, row.sequence, row.rows) for row in own) == [
        ("binance", 4500, 1),
        ("kraken", 20000, 1),
    ]
    assert sorted((row.exchange, row.sequence, row.rows) for row in others) == [("kraken", 4, 1), ("x", 3, 2)]
    write(run_sql, run)
    run_sql(
        "DELETE FROM reader.trades WHERE exchange = 'binance' AND sequence = 4500 AND price_e8 != 1",
        # Of the same feeds and numbers as what was there, but others.
        "INSERT INTO reader.trades VALUES ('kraken', 'it\\'s \\\\ odd', 20000, 3, 1, 0, 1), ('x', 'Y', 4, 1, 1, 0, 1)",
    )
    reader = TableReader(clickhouse.columns, ROWS, [*own, *others])
    found = account_of(reader, run, reader.digests(expected(run).table()))
    assert {feed: list(lost) for feed, lost in found.lost.items()} == {FEEDS[0]: [4500]}
    assert (found.counts.lost, found.counts.corrupted, found.counts.unexpected) == (1, 0, 2)
    assert reader.more_strays() == 0
    assert account(clickhouse, run).counts.unexpected == 6  # had nobody looked before the run
    assert account(clickhouse, run).counts.lost == 0


def test_rows_like_those_that_were_there_count_when_more_of_them_come(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    junk = "INSERT INTO reader.trades SELECT 'binance', '', 0, -1, -1, 255, 0 FROM numbers({})"
    run_sql(junk.format(3))
    first = dict(zip(FEEDS, FIRST, strict=True))
    _, others = TableReader(clickhouse.columns, ROWS).strays(first, 10)
    reader = TableReader(clickhouse.columns, ROWS, others)
    assert reader.more_strays() == 0
    run_sql(junk.format(20))
    assert reader.more_strays() == 20
    run_sql("ALTER TABLE reader.trades DELETE WHERE 1 SETTINGS mutations_sync = 2")
    assert reader.more_strays() == 0


def test_a_thousand_strays_with_long_names_fit_into_every_query(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run_sql(
        "INSERT INTO reader.trades SELECT 'binance', concat(repeat('long', 60), toString(number)), 1, 1, 1, 0, 1 "
        "FROM numbers(1000)",
        # No text at all.
        "INSERT INTO reader.trades SELECT 'binance', unhex('fffe'), 1, 1, 1, 0, 1",
    )
    run = sent_run()
    write(run_sql, run)
    _, others = TableReader(clickhouse.columns, ROWS).strays(dict(zip(FEEDS, FIRST, strict=True)), 2000)
    assert len(others) == 1001
    reader = TableReader(clickhouse.columns, ROWS, others)
    found = account_of(reader, run, reader.digests(expected(run).table()))
    assert found.counts.clean
    assert reader.more_strays() == 0


def test_of_many_unlike_rows_reading_ends_as_soon_as_there_are_too_many(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run_sql("INSERT INTO reader.trades SELECT 'x', 'X', number, 1, 1, 0, 1 FROM numbers(2000000)")
    reader = TableReader(clickhouse.columns, ROWS)
    own, others = reader.strays({Feed("kraken", "Y"): 1}, 3)
    assert (len(own), len(others)) == (0, 4)
    assert min(row.rows for row in others) == 1  # nobody counted all of them


def test_of_strays_no_more_are_told_than_are_wanted_and_one(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run_sql("INSERT INTO reader.trades SELECT 'kraken', 'X', number, 1, 1, 0, 1 FROM numbers(100)")
    own, others = TableReader(clickhouse.columns, ROWS).strays({Feed("kraken", "X"): 96}, 3)
    assert (len(own), len(others)) == (4, 0)
    own, others = TableReader(clickhouse.columns, ROWS).strays({Feed("kraken", "Y"): 1}, 3)
    assert (len(own), len(others)) == (0, 4)


@pytest.mark.parametrize(
    "column",
    [
        "CAST(price_e8 AS Decimal(38, 10)) / 3 AS price_e8",
        "toFloat64(quantity_e8) AS quantity_e8",
        "toString(sequence) AS sequence",
        "toDateTime64(trade_time_ms / 1000, 3) AS trade_time_ms",
        "toNullable(toFloat32(side)) AS side",
        # Of so many bits the lower ones alone can be the message's.
        "toInt128(price_e8) AS price_e8",
        "toUInt256(sequence) AS sequence",
    ],
)
def test_what_is_no_whole_number_is_refused_and_not_cut_to_one(clickhouse: ClickHouse, column: str) -> None:
    reader = TableReader(clickhouse.columns, f"SELECT * REPLACE ({column}) FROM reader.trades")
    with pytest.raises(ReaderError, match="must be of whole numbers of 64 bits, not"):
        reader.digests(expected(sent_run()).table())


@pytest.mark.parametrize(
    "column",
    [
        "CAST(side = 1 AS Bool) AS side",
        "CAST(side AS Enum8('buy' = 0, 'sell' = 1)) AS side",
        "CAST(toString(exchange) AS Nullable(Enum8('binance' = 1, 'kraken' = 2))) AS exchange",
        "toNullable(toInt32(sequence)) AS sequence",
        "toLowCardinality(toNullable(symbol::String)) AS symbol",
    ],
)
def test_columns_of_other_types_with_the_same_values_are_the_same(
    clickhouse: ClickHouse, run_sql: Callable[..., None], column: str
) -> None:
    run = sent_run()
    write(run_sql, run)
    reader = TableReader(clickhouse.columns, f"SELECT * REPLACE ({column}) FROM reader.trades")
    assert account_of(reader, run, reader.digests(expected(run).table())).counts.clean


def test_a_row_without_a_sequence_is_seen_in_a_column_that_aggregates(
    clickhouse: ClickHouse, run_sql: Callable[..., None]
) -> None:
    run_sql(
        "CREATE TABLE reader.aggregated (key UInt64, exchange String, symbol String, "
        "sequence SimpleAggregateFunction(max, Nullable(UInt64)), price_e8 Int64, quantity_e8 Int64, "
        "side UInt8, trade_time_ms Int64) ENGINE = AggregatingMergeTree ORDER BY key",
        "INSERT INTO reader.aggregated VALUES (1, 'binance', 'BTC/USDT', NULL, 1, 1, 0, 1)",
    )
    run = sent_run()
    reader = TableReader(clickhouse.columns, "SELECT * FROM reader.aggregated")
    counts = account_of(reader, run, reader.digests(expected(run).table())).counts
    assert (counts.unexpected, counts.lost) == (1, 2 * COUNT)
