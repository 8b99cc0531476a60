"""From messages to raw, bronze, silver and candles, inside a real ClickHouse."""

import time
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from chaosp7.embedded.clickhouse.schema import EXCHANGES, WINDOWS
from chaosp7.embedded.silver_processor.client import ClickHouseClient
from chaosp7.embedded.silver_processor.processor import Processor
from chaosp7.platform.clickhouse import ClickHouse
from tests.clickhouse_process import ClickHouseProcess
from tests.embedded.trades import (
    PLATFORM,
    Message,
    Trade,
    candles_of,
    emptied,
    gold,
    make_trades,
    messages_of,
    put,
    trades_in,
)
from tests.waiting import PATIENCE_S

DAY_S = 86_400
SEED = 5
#: Gold keeps a year: a fixed date would be thrown away one day. A little before midnight, so that
#: every feed's trades are in two days.
BEGIN_MS = (int(time.time()) // DAY_S * DAY_S - 30 * DAY_S - 2 * 3600) * 1000

TIME_MS = 1_770_000_000_123
GOOD = {
    "binance": (
        b'{"e":"trade","E":1770000000999,"s":"BTCUSDT","t":42,"p":"97000.12","q":"0.012345",'
        b'"T":1770000000123,"m":true,"M":true}'
    ),
    "kraken": (
        b'{"channel_id":300,"pair":"XBT/USD","price":"97000.12","volume":"0.012345",'
        b'"timestamp":"1770000000.123000","side":"s","order_type":"m","misc":"42","ingestion_timestamp":1770000000123456}'
    ),
    "coinbase": (
        b'{"product_id":"BTC-USD","price":"97000.12","size":"0.012345","time":"2026-02-02T02:40:00.123000Z",'
        b'"side":"SELL","trade_id":"42","sequence_num":3}'
    ),
}
COLUMNS = {
    "binance": {
        "toString(exchange_timestamp)": "2026-02-02 02:40:00.123",
        "sequence_number": 42,
        "symbol": "BTCUSDT",
        "canonical_symbol": "BTC/USDT",
        "sequence": 42,
        "toString(price)": "97000.12",
        "toString(quantity)": "0.012345",
        "toString(quote_volume)": "1197.4664814",
        "side": "SELL",
        "toString(event_time)": "2026-02-02 02:40:00.999",
    },
    "kraken": {
        "exchange": "kraken",
        "channel_id": 300,
        "pair": "XBT/USD",
        "canonical_symbol": "BTC/USD",
        "sequence": 42,
        "price": "97000.12",
        "volume": "0.012345",
        "timestamp": "1770000000.123000",
        "side": "s",
        "order_type": "m",
        "misc": "42",
        "toString(ingestion_timestamp)": "2026-02-02 02:40:00.123456",
    },
    "coinbase": {
        "toString(exchange_timestamp)": "2026-02-02 02:40:00.123000",
        "sequence_number": 3,
        "symbol": "BTCUSD",
        "canonical_symbol": "BTC/USD",
        "trade_id": "42",
        "sequence": 42,
        "toString(price)": "97000.12",
        "toString(quantity)": "0.012345",
        "toString(quote_volume)": "1197.4664814",
        "side": "SELL",
        "toString(event_time)": "2026-02-02 02:40:00.123000",
    },
}

NO_TRADES = [
    b"", b"no JSON", b'{"e":"trade","s":"BTCUSDT"', b"\xff\xfe\x00\x01", b"[]", b"null", b'"trade"', b"{}",
    b'{"type":"error","message":"busy"}', b'{"e":"aggTrade","s":"BTCUSDT","t":1}',
]  # fmt: skip


class Tables:
    """The platform's tables, empty at first, and who reads and writes them."""

    def __init__(self, process: ClickHouseProcess) -> None:
        self.process = process
        self.client: Client = clickhouse_connect.get_client(host="127.0.0.1", port=process.port)
        self.reader: ClickHouse = process.client()

    def put(self, messages: list[Message]) -> None:
        put(self.client, messages)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def offsets(self, kind: str, exchange: str) -> list[tuple[int, int]]:
        return self.rows(
            f"SELECT partition, offset FROM k2.{kind}_trades_{exchange} ORDER BY partition, offset"
        )

    def process_silver(self, batch_rows: int) -> int:
        """Do the silver processor's work; return the number of batches it took."""
        client = ClickHouseClient("127.0.0.1", self.process.port)
        processor = Processor(client, EXCHANGES, batch_rows)
        deadline = time.monotonic() + PATIENCE_S
        # The last look takes over the last batch, and finds nothing behind it.
        while processor.cycle() or processor.statistics.behind:
            assert not processor.statistics.errors, processor.statistics.last_error
            assert time.monotonic() < deadline
        client.close()
        return processor.statistics.batches

    def close(self) -> None:
        self.client.close()
        self.reader.close()


@pytest.fixture
def tables(clickhouse_process: ClickHouseProcess) -> Iterator[Tables]:
    tables = Tables(emptied(clickhouse_process))
    yield tables
    tables.close()


def test_messages_arrive_in_raw_and_bronze_with_the_very_fields(tables: Tables) -> None:
    trades = make_trades(2_000, SEED, BEGIN_MS)
    messages = messages_of(trades)
    for begin in range(0, len(messages), 700):
        tables.put(messages[begin : begin + 700])
    assert trades_in(tables.reader, "raw") == sorted(trades)
    assert trades_in(tables.reader, "bronze") == sorted(trades)
    for exchange in EXCHANGES:
        expected = sorted(
            (m.partition, m.offset, m.value.decode()) for m in messages if m.exchange == exchange
        )
        sql = f"SELECT partition, offset, message FROM k2.raw_trades_{exchange} ORDER BY partition, offset"
        assert tables.rows(sql) == expected


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_the_greatest_and_the_smallest_numbers_arrive_exactly(tables: Tables, exchange: str) -> None:
    symbol = PLATFORM.feeds[exchange][0]
    trades = [
        Trade(exchange, symbol, 0, 1_000_000, 100, 0, TIME_MS),
        Trade(exchange, symbol, (1 << 63) - 1, (10**12 - 1) * 1_000_000, (10**16 - 1) * 100, 1, TIME_MS + 1),
    ]
    tables.put(messages_of(trades))
    for tier in ("raw", "bronze"):
        assert trades_in(tables.reader, tier) == trades
    tables.process_silver(10)
    assert trades_in(tables.reader, "silver") == trades


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_bronze_has_all_columns_of_the_exchange(tables: Tables, exchange: str) -> None:
    expected = COLUMNS[exchange]
    tables.put([Message(exchange, 2, 7, GOOD[exchange])])
    rows = tables.rows(f"SELECT {', '.join(expected)} FROM k2.bronze_trades_{exchange}")
    assert [dict(zip(expected, row, strict=True)) for row in rows] == [expected]
    assert tables.offsets("bronze", exchange) == [(2, 7)]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_offsets_that_come_again_do_not_double(tables: Tables, exchange: str) -> None:
    messages = [m for m in messages_of(make_trades(600, SEED, BEGIN_MS)) if m.exchange == exchange]
    expected = sorted((m.partition, m.offset) for m in messages)
    half = len(messages) // 2
    tables.put(messages[:half])
    tables.put(messages[:half])
    # As after a rebalance: from the last committed offset on, with new ones behind it in one block.
    tables.put(messages[half // 2 :])
    for kind in ("raw", "bronze"):
        assert tables.offsets(kind, exchange) == expected


@pytest.mark.parametrize(("behind", "ahead"), [("bronze", "raw"), ("raw", "bronze")])
def test_a_kill_between_the_two_tables_leaves_no_hole_and_no_double(
    tables: Tables, behind: str, ahead: str
) -> None:
    messages = [m for m in messages_of(make_trades(200, SEED, BEGIN_MS)) if m.exchange == "binance"]
    expected = sorted((m.partition, m.offset) for m in messages)
    first, second = messages[:30], messages[30:]
    tables.put(first)
    # What such a kill leaves: only one of the two has the second block.
    view = f"k2.{behind}_trades_binance_mv"
    tables.process.run(f"DETACH TABLE {view}")
    try:
        tables.put(second)
    finally:
        tables.process.run(f"ATTACH TABLE {view}")
    assert tables.offsets(ahead, "binance") == expected
    assert tables.offsets(behind, "binance") == sorted((m.partition, m.offset) for m in first)
    tables.put(second)
    for kind in ("raw", "bronze"):
        assert tables.offsets(kind, "binance") == expected


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_what_is_no_trade_is_kept_in_raw_and_does_not_stop_the_stream(tables: Tables, exchange: str) -> None:
    good = GOOD[exchange]
    values = [good, *NO_TRADES, good]
    tables.put([Message(exchange, 0, offset, value) for offset, value in enumerate(values)])
    tables.put([Message(exchange, 0, len(values), good)])
    assert tables.offsets("bronze", exchange) == [(0, 0), (0, len(values) - 1), (0, len(values))]
    kept = tables.rows(f"SELECT hex(message) FROM k2.raw_trades_{exchange} ORDER BY offset")
    assert [bytes.fromhex(text) for (text,) in kept] == [*values, good]


def test_candles_of_all_windows_are_those_of_a_loop_over_the_trades(tables: Tables) -> None:
    trades = make_trades(3_000, SEED, BEGIN_MS)
    tables.put(messages_of(trades))
    batches = tables.process_silver(batch_rows=60)
    assert batches > 5, "the candles are to be merged from several batches"
    assert trades_in(tables.reader, "silver") == sorted(trades)
    counts: dict[str, int] = {}
    for name, window_s in WINDOWS.items():
        expected = candles_of(trades, window_s)
        counts[name] = len(expected)
        assert gold(tables.reader, window_s) == expected
        view = tables.rows(
            "SELECT exchange, canonical_symbol, toUnixTimestamp(window_start), toInt64(open * 100000000), "
            "toInt64(high * 100000000), toInt64(low * 100000000), toInt64(close * 100000000), "
            "toInt128(volume * 100000000), toInt128(quote_volume * 100000000), trade_count "
            f"FROM k2.ohlcv_{name}"
        )
        assert len(view) == len(expected)
        assert {row[:3]: row[3:] for row in view} == expected
    # Otherwise the six would say the same.
    assert len(set(counts.values())) == len(WINDOWS), counts
    assert set(WINDOWS.values()) == set(PLATFORM.tiers["gold"].windows_s)


def test_candles_stay_right_when_their_parts_are_merged(tables: Tables) -> None:
    trades = make_trades(1_000, SEED, BEGIN_MS)
    tables.put(messages_of(trades))
    tables.process_silver(batch_rows=40)
    tables.process.run("OPTIMIZE TABLE k2.ohlcv_state FINAL")
    for window_s in WINDOWS.values():
        assert gold(tables.reader, window_s) == candles_of(trades, window_s)
