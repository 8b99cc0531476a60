"""Raw messages are decoded exactly, or refused."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosp7.account.readers.raw_formats import UndecodableError, canonical_symbol, decoder, e8

BINANCE = {"e": "trade", "E": 1770000000123, "s": "BTCUSDT", "t": 42, "p": "97000.12", "q": "0.012345",
           "T": 1770000000123, "m": True, "M": True}  # fmt: skip
KRAKEN = {"channel_id": 7, "pair": "XBT/USD", "price": "97000.12", "volume": "0.012345",
          "timestamp": "1770000000.123000", "side": "s", "order_type": "m", "misc": "42",
          "ingestion_timestamp": 1770000000123456}  # fmt: skip
COINBASE = {"product_id": "BTC-USD", "price": "97000.12", "size": "0.012345", "side": "SELL",
            "time": "2026-02-02T02:40:00.123000Z", "trade_id": "42", "sequence_num": 3}  # fmt: skip
SHAPES = {"binance": BINANCE, "kraken": KRAKEN, "coinbase": COINBASE}


@pytest.mark.parametrize(("exchange", "native"), [("binance", "BTCUSDT"), ("kraken", "XBT/USD"), ("coinbase", "BTC-USD")])  # fmt: skip
def test_the_same_trade_decodes_to_the_same_fields_from_every_exchange(exchange: str, native: str) -> None:
    fields = decoder(exchange)(json.dumps(SHAPES[exchange]).encode())
    assert fields == (native, 42, 9_700_012_000_000, 1_234_500, 1, 1770000000123)


@pytest.mark.parametrize("exchange", SHAPES)
@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"t": "x"}'])
def test_what_is_not_of_the_shape_is_undecodable(exchange: str, payload: bytes) -> None:
    with pytest.raises(UndecodableError):
        decoder(exchange)(payload)


@pytest.mark.parametrize(("exchange", "key"), [("kraken", "side"), ("coinbase", "side"), ("kraken", "misc"), ("coinbase", "time"), ("binance", "p")])  # fmt: skip
def test_a_nonsense_value_is_undecodable_rather_than_guessed(exchange: str, key: str) -> None:
    with pytest.raises(UndecodableError):
        decoder(exchange)(json.dumps({**SHAPES[exchange], key: "?"}).encode())


@given(st.integers(-(10**14), 10**14))
def test_a_decimal_of_eight_digits_is_read_exactly(units: int) -> None:
    assert e8(f"{Decimal(units).scaleb(-8):f}") == units


def test_a_number_finer_than_the_ledger_is_not_rounded_to_the_right_one() -> None:
    with pytest.raises(UndecodableError, match="finer than 1e-8"):
        e8("97000.119999999996")


@pytest.mark.parametrize(
    ("exchange", "native", "symbol"),
    [
        ("binance", "ETHUSDT", "ETH/USDT"),
        ("kraken", "XBT/USD", "BTC/USD"),
        ("coinbase", "ETH-USD", "ETH/USD"),
    ],
)
def test_native_symbols_become_canonical_ones(exchange: str, native: str, symbol: str) -> None:
    assert canonical_symbol(exchange, native, ["BTC/USD", "ETH/USD", "ETH/USDT"]) == symbol


def test_an_unknown_symbol_stays_as_it_is() -> None:
    assert canonical_symbol("binance", "DOGEUSDT", ["BTC/USDT"]) == "DOGEUSDT"


@pytest.mark.parametrize(
    "text", ["", ".", "1.", ".5", " 1", "1 ", "1.0000005 ", "1_0", "1.1_1", "+1", "٣", "1e3", "--1"]
)
def test_what_python_takes_for_a_number_and_no_exchange_writes_is_refused(text: str) -> None:
    with pytest.raises(UndecodableError, match="not a decimal number"):
        e8(text)


@pytest.mark.parametrize("exchange", SHAPES)
def test_a_message_nested_without_end_is_undecodable(exchange: str) -> None:
    with pytest.raises(UndecodableError):
        decoder(exchange)(b'{"z":' + b"[" * 100_000)
