"""A raw message is told by its symbol and sequence, whatever else is in it."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chaosp7.account.readers.raw_formats import UndecodableError, decoder
from chaosp7.account.readers.raw_identity import identifier
from tests.account.readers.test_raw_formats import SHAPES

KEYS = {"binance": ("s", "t"), "kraken": ("pair", "misc"), "coinbase": ("product_id", "trade_id")}
GREATEST = (1 << 63) - 1


def told(exchange: str, **changes: object) -> bytes:
    return json.dumps({**SHAPES[exchange], **changes}).encode()


def spelt(exchange: str, sequence: int) -> object:
    return sequence if exchange == "binance" else str(sequence)


@example("binance", "BTCUSDT", GREATEST)
@given(st.sampled_from(list(SHAPES)), st.text(max_size=8), st.integers(0, GREATEST))
def test_it_is_the_message_that_the_whole_decoder_says(exchange: str, symbol: str, sequence: int) -> None:
    names = KEYS[exchange]
    payload = told(exchange, **{names[0]: symbol, names[1]: spelt(exchange, sequence)})
    assert identifier(exchange)(payload) == decoder(exchange)(payload)[:2] == (symbol, sequence)


@pytest.mark.parametrize(
    ("exchange", "key"), [("binance", "p"), ("kraken", "side"), ("kraken", "timestamp"), ("coinbase", "time")]
)
def test_a_message_with_a_damaged_field_is_still_that_message(exchange: str, key: str) -> None:
    payload = told(exchange, **{key: "?"})
    with pytest.raises(UndecodableError):
        decoder(exchange)(payload)
    assert identifier(exchange)(payload)[1] == 42


@pytest.mark.parametrize("exchange", SHAPES)
@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"t": 1}', b'{"z":' + b"[" * 100_000])
def test_what_is_not_of_the_shape_is_undecodable(exchange: str, payload: bytes) -> None:
    with pytest.raises(UndecodableError):
        identifier(exchange)(payload)


@pytest.mark.parametrize("exchange", SHAPES)
@pytest.mark.parametrize("sequence", [-1, GREATEST + 1])
def test_a_sequence_beyond_any_ledgers_is_undecodable(exchange: str, sequence: int) -> None:
    with pytest.raises(UndecodableError, match=r"beyond any ledger|not a natural number"):
        identifier(exchange)(told(exchange, **{KEYS[exchange][1]: spelt(exchange, sequence)}))


@pytest.mark.parametrize("text", ["", " 7", "7 ", "+7", "7_0", "٣", "7.0"])
@pytest.mark.parametrize("exchange", ["kraken", "coinbase"])
def test_a_sequence_that_is_not_spelt_in_digits_is_undecodable(exchange: str, text: str) -> None:
    with pytest.raises(UndecodableError, match=r"not a natural number.*: b'"):
        identifier(exchange)(told(exchange, **{KEYS[exchange][1]: text}))


@pytest.mark.parametrize(("exchange", "value"), [("binance", "42"), ("kraken", 42), ("coinbase", None)])
def test_a_sequence_of_the_wrong_type_is_undecodable(exchange: str, value: object) -> None:
    with pytest.raises(UndecodableError):
        identifier(exchange)(told(exchange, **{KEYS[exchange][1]: value}))


def test_an_exchange_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        identifier("nasdaq")
