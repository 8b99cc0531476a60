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


CHANGES = [
    ("binance", {"m": False}, (42, 9_700_012_000_000, 1_234_500, 0, 1770000000123)),
    ("kraken", {"side": "b"}, (42, 9_700_012_000_000, 1_234_500, 0, 1770000000123)),
    ("coinbase", {"side": "BUY"}, (42, 9_700_012_000_000, 1_234_500, 0, 1770000000123)),
    ("kraken", {"timestamp": "1770000000"}, (42, 9_700_012_000_000, 1_234_500, 1, 1770000000000)),
    ("kraken", {"timestamp": "1770000000.1"}, (42, 9_700_012_000_000, 1_234_500, 1, 1770000000100)),
    ("kraken", {"timestamp": "1770000000.0129"}, (42, 9_700_012_000_000, 1_234_500, 1, 1770000000012)),
    ("coinbase", {"time": "2026-02-02T02:40:00.123999Z"}, (42, 9_700_012_000_000, 1_234_500, 1, 1770000000123)),
    ("coinbase", {"time": "9999-12-31T23:59:59.999999Z"}, (42, 9_700_012_000_000, 1_234_500, 1, 253402300799999)),
    ("coinbase", {"time": "2026-02-02T02:40:00Z"}, (42, 9_700_012_000_000, 1_234_500, 1, 1770000000000)),
    ("coinbase", {"time": "2026-02-02T03:40:00.001+01:00"}, (42, 9_700_012_000_000, 1_234_500, 1, 1770000000001)),
    ("binance", {"p": "7", "q": "0"}, (42, 700_000_000, 0, 1, 1770000000123)),
    ("binance", {"p": "0.00000001", "q": "1.100000000000"}, (42, 1, 110_000_000, 1, 1770000000123)),
    ("kraken", {"misc": "0"}, (0, 9_700_012_000_000, 1_234_500, 1, 1770000000123)),
    ("binance", {"t": (1 << 63) - 1, "T": 0}, ((1 << 63) - 1, 9_700_012_000_000, 1_234_500, 1, 0)),
    ("binance", {"p": "92233720368.54775807"}, (42, (1 << 63) - 1, 1_234_500, 1, 1770000000123)),
]  # fmt: skip


@pytest.mark.parametrize(("exchange", "changes", "numbers"), CHANGES)
def test_every_field_is_read_to_its_last_digit(
    exchange: str, changes: dict[str, object], numbers: tuple[int, ...]
) -> None:
    _, *fields = decoder(exchange)(json.dumps({**SHAPES[exchange], **changes}).encode())
    assert tuple(fields) == numbers


@pytest.mark.parametrize(
    ("exchange", "changes", "why"),
    [
        ("binance", {"t": 1 << 63}, "beyond any ledger"),
        ("binance", {"t": -1}, "beyond any ledger"),
        ("binance", {"T": -1}, "beyond any ledger"),
        ("binance", {"p": "-0.00000001"}, "beyond any ledger"),
        ("binance", {"q": "92233720368.54775808"}, "beyond any ledger"),
        ("binance", {"p": "1.000000001"}, "finer than 1e-8"),
        ("kraken", {"timestamp": "1770000000."}, "not a time"),
        ("kraken", {"timestamp": "1770000000.1a"}, "not a time"),
        ("kraken", {"timestamp": "1770000000.1.2"}, "not a time"),
        ("kraken", {"timestamp": "-5.1"}, "not a natural number"),
        ("kraken", {"timestamp": ".1"}, "not a natural number"),
        ("kraken", {"misc": "-1"}, "not a natural number"),
        ("kraken", {"misc": ""}, "not a natural number"),
        ("kraken", {"side": "BUY"}, "unknown side"),
        ("coinbase", {"side": "buy"}, "unknown side"),
        ("coinbase", {"time": "2026-02-02T02:40:00.123"}, "without a zone"),
        ("coinbase", {"time": "1969-12-31T23:59:59Z"}, "beyond any ledger"),
        ("coinbase", {"time": "1969-12-31T23:59:59.5Z"}, "beyond any ledger"),
        ("coinbase", {"trade_id": "4 2"}, "not a natural number"),
    ],
)
def test_a_value_that_no_exchange_sends_is_refused_with_its_reason_and_the_message(
    exchange: str, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(UndecodableError, match=why + ".*" + next(iter(changes))):
        decoder(exchange)(json.dumps({**SHAPES[exchange], **changes}).encode())


def test_only_bitcoin_has_a_name_of_its_own_at_kraken() -> None:
    known = ["BTC/USD", "ETH/USD", "BTC/EUR"]
    assert canonical_symbol("kraken", "ETH/USD", known) == "ETH/USD"
    assert canonical_symbol("kraken", "XBT/EUR", known) == "BTC/EUR"
    assert canonical_symbol("kraken", "BTC/USD", known) == "BTC/USD (not as kraken spells it)"
    assert canonical_symbol("coinbase", "XBT-USD", known) == "XBT-USD"
    assert canonical_symbol("elsewhere", "BTCUSD", known) == "BTCUSD"
