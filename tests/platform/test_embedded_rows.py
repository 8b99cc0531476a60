"""The shipped platform file's SELECTs read amounts exactly, or as what no trade has."""

import json

import pytest

from chaosp7.platform.loader import load
from tests.clickhouse_process import ClickHouseProcess

AMOUNTS = {
    "97000.12": 9_700_012_000_000,
    "97000.120000000000": 9_700_012_000_000,
    "0.00000001": 1,
    "9999999999.99999999": 999_999_999_999_999_999,
    "97000.120000000001": -1,  # finer than 1e-8: rounding it would make it right
    "97000.12x": -1,
    "": -1,
    "-5": -1,
    "1e3": -1,
    "99999999999": -1,  # beyond 64 bits in 1e-8 units
}
DECIMALS = {
    "0": 0,
    "0.00000001": 1,
    "10000.37700255": 1_000_037_700_255,
    "9999999999.99999999": 999_999_999_999_999_999,
    "-0.00000001": -1,
    "-5": -500_000_000,
}
#: Of 128 bits, and what they are in 64.
LARGE_DECIMALS = {
    "92233720368.54775807": (1 << 63) - 1,
    "-92233720368.54775808": -(1 << 63),
    "92233720368.54775808": -1,
    "-92233720368.54775809": -1,
    "184467440737.09551617": -1,  # 2^64 + 1: its lower half is that of 0.00000001
    "-184467440737.09551615": -1,  # 1 - 2^64: the same
    "999999999999999999999999999999.99999999": -1,
    "-999999999999999999999999999999.99999999": -1,
}
FIELDS = {"binance": ("p", "q"), "kraken": ("price", "volume"), "coinbase": ("price", "size")}


@pytest.mark.parametrize("exchange", FIELDS)
def test_raw_amounts_are_read_exactly_or_not_at_all(
    clickhouse_process: ClickHouseProcess, exchange: str
) -> None:
    table = f"k2.raw_trades_{exchange}"
    clickhouse_process.run(f"TRUNCATE TABLE {table}")
    price, quantity = FIELDS[exchange]
    values = ", ".join(
        "('" + json.dumps({price: text, quantity: text}) + f"', 'S', {i}, 't', 0, {i}, now())"
        for i, text in enumerate(AMOUNTS)
    )
    columns = "(message, symbol, sequence, topic, partition, offset, kafka_timestamp)"
    clickhouse_process.run(f"INSERT INTO {table} {columns} VALUES {values}")
    client = clickhouse_process.client()
    rows = load("embedded").tiers["raw"].rows[table]
    prices, quantities = client.columns(f"SELECT price_e8, quantity_e8 FROM ({rows}) ORDER BY sequence", 2)
    client.close()
    clickhouse_process.run(f"TRUNCATE TABLE {table}")
    assert list(prices) == list(quantities) == list(AMOUNTS.values())


@pytest.mark.parametrize(
    ("tier", "table", "sequence"),
    [
        ("bronze", "k2.bronze_trades_binance", "sequence"),
        ("bronze", "k2.bronze_trades_coinbase", "sequence"),
        ("silver", "k2.silver_trades", "source_sequence"),
    ],
)
def test_decimal_amounts_are_read_exactly_or_as_what_no_trade_has(
    clickhouse_process: ClickHouseProcess, tier: str, table: str, sequence: str
) -> None:
    wanted = DECIMALS | (LARGE_DECIMALS if tier == "silver" else {})
    values = ", ".join(f"('{text}', '{text}', {i})" for i, text in enumerate(wanted))
    clickhouse_process.run(
        f"TRUNCATE TABLE {table}", f"INSERT INTO {table} (price, quantity, {sequence}) VALUES {values}"
    )
    client = clickhouse_process.client()
    rows = load("embedded").tiers[tier].rows[table]
    prices, quantities = client.columns(f"SELECT price_e8, quantity_e8 FROM ({rows}) ORDER BY sequence", 2)
    client.close()
    clickhouse_process.run(f"TRUNCATE TABLE {table}")
    assert list(prices) == list(quantities) == list(wanted.values())
