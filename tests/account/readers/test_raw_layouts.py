"""A layout says where the numbers of a message stand; whatever could be read wrongly has none."""

import contextlib

import pytest

from chaosp7.account.readers.raw_formats import UndecodableError, decoder
from chaosp7.account.readers.raw_layouts import SHAPES, Layout, Word, learn

BINANCE = b'{"e":"trade","E":1770000000123,"s":"BTCUSDT","t":123456789,"p":"97000.12","q":"5","T":1770000000456,"m":true,"M":null}'
KRAKEN = b'{"channel_id":7,"pair":"XBT/USD","price":"9.5","volume":"0.012345","timestamp":"1770000000.12","side":"b","misc":"42"}'
COINBASE = b'{"product_id":"BTC-USD","price":"1","size":"0.25","side":"SELL","time":"2026-02-03T04:05:06.789000Z","trade_id":"1234567890123456"}'
PAYLOADS = {"binance": BINANCE, "kraken": KRAKEN, "coinbase": COINBASE}


def learnt(exchange: str, payload: bytes) -> Layout | None:
    return learn(SHAPES[exchange], payload, decoder(exchange))


def test_a_layout_has_the_places_of_the_numbers_in_the_order_of_the_shape() -> None:
    at = BINANCE.index
    assert learnt("binance", BINANCE) == Layout(
        symbol="BTCUSDT",
        side=1,
        words=(
            Word(at(b"123456789"), 1, 7), Word(at(b"23456789"), 8, 0),
            Word(at(b"97000"), 5, 3), Word(at(b"12\""), 2, 0),
            Word(at(b"5\","), 1, 7), Word(0, 0, 0),
            Word(at(b"1770000000456"), 5, 3), Word(at(b"00000456"), 8, 0),
        ),
        nonzero=(at(b"1770000000123"), at(b"123456789"), at(b"1770000000456")),
    )  # fmt: skip


def test_a_time_of_seconds_has_its_fraction_in_the_last_three_places() -> None:
    at = KRAKEN.index
    assert learnt("kraken", KRAKEN) == Layout(
        symbol="XBT/USD",
        side=0,
        words=(
            Word(at(b'42"'), 0, 8), Word(at(b'42"'), 2, 6),
            Word(at(b"9.5"), 1, 7), Word(at(b'5","volume'), 1, 0),
            Word(at(b"0.012345"), 1, 7), Word(at(b"012345"), 6, 0),
            Word(at(b"1770000000"), 2, 6), Word(at(b"70000000.12"), 8, 0), Word(at(b'12","side'), 2, 5),
        ),
        nonzero=(),
    )  # fmt: skip


def test_a_date_has_seven_words() -> None:
    at = COINBASE.index
    assert learnt("coinbase", COINBASE) == Layout(
        symbol="BTC-USD",
        side=1,
        words=(
            Word(at(b"1234567890123456"), 8, 0), Word(at(b"90123456"), 8, 0),
            Word(at(b'1","size'), 1, 7), Word(0, 0, 0),
            Word(at(b"0.25"), 1, 7), Word(at(b'25","side'), 2, 0),
            Word(at(b"2026"), 4, 4), Word(at(b"02-03"), 2, 6), Word(at(b"03T"), 2, 6), Word(at(b"04:"), 2, 6),
            Word(at(b"05:06"), 2, 6), Word(at(b"06."), 2, 6), Word(at(b"789000Z"), 3, 5),
        ),
        nonzero=(),
    )  # fmt: skip


@pytest.mark.parametrize("exchange", PAYLOADS)
def test_a_shape_knows_how_many_words_its_layouts_have(exchange: str) -> None:
    layout = learnt(exchange, PAYLOADS[exchange])
    assert layout is not None
    assert len(layout.words) == SHAPES[exchange].words


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"e":"trade"', b'"e":"tr\\u0061de"'),
        (b'"e":"trade"', b'"e":"tr\xc3\xa4de"'),
        (b'"e":"trade"', b'"e":"trade","e":"trade"'),
        (b'"e":"trade"', b'"e1":"trade"'),
        (b'"e":"trade"', b'"e":{}'),
        (b'"e":"trade"', b'"e":[1]'),
        (b'"e":"trade"', b'"e":1.5'),
        (b'"e":"trade"', b'"e":-1'),
        (b'"e":"trade"', b'"e": "trade"'),
        (b'"e":"trade",', b'"e":"trade", '),
        (b'{"e"', b' {"e"'),
        (b'"M":null}', b'"M":null} '),
        (b"BTCUSDT", b"1INCHUSDT"),
        (b"123456789", b"12345678901234567"),
        (b"97000.12", b"123456789.5"),
        (b"97000.12", b"1.123456780"),
    ],
)
def test_what_is_valid_but_not_flat_plain_and_short_has_no_layout(old: bytes, new: bytes) -> None:
    payload = BINANCE.replace(old, new, 1)
    decoder("binance")(payload)  # it is right all the same
    assert learnt("binance", payload) is None


@pytest.mark.parametrize(
    ("exchange", "old", "new"),
    [
        ("kraken", b"1770000000.12", b"1770000000"),
        ("coinbase", b".789000Z", b"Z"),
        ("coinbase", b".789000Z", b".789000+00:00"),
        ("coinbase", b"2026-02-03T", b"2026-02-03 "),
        ("coinbase", b".789000Z", b".7890Z"),
    ],
)
def test_a_time_that_is_written_otherwise_has_no_layout(exchange: str, old: bytes, new: bytes) -> None:
    payload = PAYLOADS[exchange].replace(old, new, 1)
    assert learnt(exchange, payload) is None


@pytest.mark.parametrize("exchange", PAYLOADS)
@pytest.mark.parametrize(
    "broken", [b"", b"{}", b"{", b"}", b'{"a":1', b'{"a":1}x', b',"a":1}', b'{"a":1{"b":2}']
)
def test_what_is_no_flat_object_has_no_layout_or_is_refused(exchange: str, broken: bytes) -> None:
    with contextlib.suppress(UndecodableError):
        assert learnt(exchange, broken) is None


def test_a_message_that_the_exact_decoder_refuses_has_no_layout_but_its_error() -> None:
    with pytest.raises(UndecodableError, match="unknown side"):
        learnt("kraken", KRAKEN.replace(b'"side":"b"', b'"side":"x"'))


def test_a_number_where_text_should_be_has_no_layout_whatever_the_decoder_says() -> None:
    def lenient(_payload: bytes) -> tuple[str, int, int, int, int, int]:
        return ("X", 1, 2, 3, 0, 5)

    shape = SHAPES["binance"]
    plain = b'{"s":"X","t":10,"p":"2","q":"3","T":50}'
    found = learn(shape, plain, lenient)
    assert found is not None
    assert found.nonzero == (plain.index(b"10"), plain.index(b"50"))
    for old, new in [
        (b'"t":10', b'"t":"10"'), (b'"p":"2"', b'"p":2'), (b'"q":"3"', b'"x":"3"'), (b'"s":', b'"S":'),
        (b'{"s"', b',"s"'), (b',"t"', b'{"t"'),
        (b'"T":50', b'"T":true'), (b'"p":"2"', b'"p":""'), (b'"p":"2"', b'"p":"2."'), (b'"p":"2"', b'"p":".2"'),
    ]:  # fmt: skip
        assert learn(shape, plain.replace(old, new), lenient) is None
    single = learn(shape, plain.replace(b"10", b"0"), lenient)
    assert single is not None
    assert len(single.nonzero) == 1  # a zero alone may begin with a zero
