"""Many messages at once are decoded exactly as one by one, whatever comes."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosp7.account.readers import raw_batch
from chaosp7.account.readers.raw_batch import BatchDecoder
from chaosp7.account.readers.raw_formats import UndecodableError, decoder
from chaosp7.account.readers.raw_layouts import learn

EXCHANGES = ("binance", "kraken", "coinbase")


def digits(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=least, max_size=most)


#: What numbers of the ledger look like, and what they don't.
odd = st.one_of(st.text(max_size=8), st.sampled_from(["", "0", "-1", "1.", ".5", "1_0", " 1", "1e3", "٣", "1.1234567890", "99999999999999999999", "0.00000001", "007", "1.0000005 "]))  # fmt: skip
decimals = st.builds("{}.{}".format, digits(1, 9), digits(1, 10))
naturals = st.integers(0, 2**64)
symbols = st.sampled_from(["BTCUSDT", "ETHUSDT", "1INCHUSDT", "2INCHUSDT", "X", "ÄUSD"])
days = st.builds("{}-{}-{}T{}:{}:{}.{}{}".format, digits(4, 4), digits(2, 2), digits(2, 2), digits(2, 2), digits(2, 2), digits(2, 2), digits(3, 6), st.sampled_from(["Z", "", "+01:00"]))  # fmt: skip
likely_days = st.builds("2026-{:02}-{:02}T{:02}:{:02}:{:02}.{}Z".format, st.integers(0, 13), st.integers(0, 32), st.integers(0, 24), st.integers(0, 60), st.integers(0, 60), digits(3, 3))  # fmt: skip


def trades(exchange: str) -> st.SearchStrategy[dict[str, Any]]:
    amount = st.one_of(decimals, odd)
    number = st.one_of(naturals, digits(1, 20).map(int), st.floats(allow_nan=False), st.none())
    text_number = st.one_of(naturals.map(str), digits(1, 20), odd)
    shapes: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "binance": {"e": st.just("trade"), "E": number, "s": symbols, "t": number, "p": amount, "q": amount,
                    "T": number, "m": st.booleans()},
        "kraken": {"channel_id": number, "pair": symbols, "price": amount, "volume": amount,
                   "timestamp": st.one_of(st.builds("{}.{}".format, digits(1, 17), digits(0, 7)), odd),
                   "side": st.sampled_from(["b", "s", "0", "1"]), "misc": text_number},
        "coinbase": {"product_id": symbols, "price": amount, "size": amount,
                     "time": st.one_of(days, likely_days, odd),
                     "side": st.sampled_from(["BUY", "SELL", "B0"]), "trade_id": text_number,
                     "sequence_num": number},
    }  # fmt: skip
    return st.fixed_dictionaries(shapes[exchange])


@st.composite
def hostile(draw: st.DrawFn, exchange: str) -> list[bytes]:
    """Payloads, most of them variations of a few that are right or nearly so."""
    payloads: list[bytes] = []
    for trade in draw(st.lists(trades(exchange), min_size=1, max_size=3)):
        text = json.dumps(trade, separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])), ensure_ascii=draw(st.booleans())).encode()  # fmt: skip
        if draw(st.booleans()):  # a key twice, a key in another writing, something nested
            text = text[:-1] + draw(st.sampled_from([b',"p":"1.5"}', b',"price":"2"}', b',"\\u0070":"3"}', b',"z":{"p":"4"}}', b',"k1":"0"}', b',"z":"\xff"}', b',"z":-0}', b',"z":1e5}', b",}"]))  # fmt: skip
        payloads += [text] * draw(st.integers(1, 20))
    changed = []
    random = draw(st.randoms(use_true_random=False))
    for payload in payloads:
        data = bytearray(payload)
        # Other digits in the same places: this is where a layout might be wrong.
        for place, byte in enumerate(data):
            if 48 <= byte <= 57 and random.random() < 0.4:
                data[place] = 48 + random.randrange(10)
        if random.random() < 0.15 and data:
            data[random.randrange(len(data))] = random.randrange(256)
        changed.append(bytes(data))
    return changed


def one_by_one(exchange: str, payloads: Sequence[bytes]) -> list[tuple[str | int, ...] | None]:
    exact = decoder(exchange)
    result: list[tuple[str | int, ...] | None] = []
    for payload in payloads:
        try:
            result.append(exact(payload))
        except UndecodableError:
            result.append(None)
    return result


def at_once(batch: BatchDecoder, names: list[str], payloads: Sequence[bytes]) -> list[tuple[str | int, ...] | None]:  # fmt: skip
    fields, right = batch.decode(payloads)
    rows = fields.T.tolist()
    return [(names[row[0]], *row[1:]) if good else None for row, good in zip(rows, right.tolist(), strict=True)]  # fmt: skip


def batch_decoder(exchange: str) -> tuple[BatchDecoder, list[str]]:
    names: list[str] = []

    def feed_of(name: str) -> int:
        if name not in names:
            names.append(name)
        return names.index(name)

    return BatchDecoder(exchange, feed_of), names


def right(exchange: str, number: int) -> bytes:
    price, size = f"{97_000 + number % 2_000}.{number % 100:02}", f"0.{number % 1_000_000:06}"
    trades = {
        "binance": {"e": "trade", "E": 1770000000123 + number, "s": "BTCUSDT", "t": 5 + number, "p": price,
                    "q": size, "T": 1770000000123 + number, "m": bool(number % 2), "M": True},
        "kraken": {"channel_id": 300, "pair": "XBT/USD", "price": price, "volume": size,
                   "timestamp": f"{1770000000 + number}.{number % 1000:03}000", "side": "bs"[number % 2],
                   "order_type": "l", "misc": str(5 + number), "ingestion_timestamp": 1770000000123456},
        "coinbase": {"product_id": "BTC-USD", "price": price, "size": size, "side": ("BUY", "SELL")[number % 2],
                     "time": f"2026-02-{1 + number % 28:02}T02:40:00.{number % 1000:03}000Z",
                     "trade_id": str(5 + number), "sequence_num": number},
    }  # fmt: skip
    return json.dumps(trades[exchange], separators=(",", ":")).encode()


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_what_is_right_is_decoded_at_once(exchange: str) -> None:
    payloads = [right(exchange, number) for number in range(5_000)]
    batch, names = batch_decoder(exchange)
    assert at_once(batch, names, payloads) == one_by_one(exchange, payloads)
    # Only of what is too rare; or else the test below would only compare one decoder with itself.
    assert batch.one_by_one == sum(n for n in Counter(map(len, payloads)).values() if n < 16)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_one_wrong_message_among_many_is_told_from_its_neighbours(exchange: str) -> None:
    payloads = [right(exchange, 1_000 + number) for number in range(300)]
    payloads[100] = payloads[100].replace(b"price" if exchange != "binance" else b'"p"', b"prize" if exchange != "binance" else b'"x"')  # fmt: skip
    payloads[200] = b""
    batch, _ = batch_decoder(exchange)
    _, decoded = batch.decode(payloads)
    assert np.flatnonzero(~decoded).tolist() == [100, 200]


@pytest.mark.parametrize("neighbour", [b"/", b":"])
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_the_characters_beside_the_digits_are_none(exchange: str, neighbour: bytes) -> None:
    known = [right(exchange, number) for number in range(20, 60)]
    payload = known[0]
    places = [place for place, byte in enumerate(payload) if 48 <= byte <= 57]
    odd = [payload[:place] + neighbour + payload[place + 1 :] for place in places]
    batch, names = batch_decoder(exchange)
    assert at_once(batch, names, known) == one_by_one(exchange, known)
    assert at_once(batch, names, [*known, *odd]) == one_by_one(exchange, [*known, *odd])


def test_a_stranger_s_many_shapes_end_in_the_exact_decoder_and_not_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw_batch, "_LAYOUTS_MAX", 100)
    batch, names = batch_decoder("binance")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    payloads = [
        right("binance", 7).replace(b"BTCUSDT", f"{a}{b}BUSDT".encode())
        for a in alphabet
        for b in alphabet[:10]
    ]
    for begin in range(0, len(payloads), 50):
        part = payloads[begin : begin + 50]
        assert at_once(batch, names, part) == one_by_one("binance", part)
    assert sum(map(len, batch._layouts.values())) == 100


def binance(number: int, time_ms: int = 1770000000123, extra: str = "", symbol: str = "BTCUSDT") -> bytes:
    trade = {"s": symbol, "t": 1_000_000 + number, "p": "1.5", "q": "2", "T": time_ms, "m": False}
    return json.dumps({**trade, **({"z": extra} if extra else {})}, separators=(",", ":")).encode()


def coinbase(number: int, time: str) -> bytes:
    return json.dumps(
        {"product_id": "BTC-USD", "trade_id": str(100 + number), "price": "1.5", "size": "2",
         "time": time, "side": "BUY"}, separators=(",", ":"),
    ).encode()  # fmt: skip


def compared(batch: BatchDecoder, names: list[str], exchange: str, payloads: Sequence[bytes]) -> int:
    """See that a batch is decoded rightly, and return how many of it went one by one."""
    before = batch.one_by_one
    assert at_once(batch, names, payloads) == one_by_one(exchange, payloads)
    return batch.one_by_one - before


@pytest.mark.parametrize(
    ("count", "alone"), [(0, 0), (1, 1), (15, 15), (16, 0), (4_096, 0), (4_097, 1), (4_098, 0)]
)
def test_enough_messages_of_one_length_are_decoded_at_once(count: int, alone: int) -> None:
    batch, names = batch_decoder("binance")
    assert compared(batch, names, "binance", [binance(number) for number in range(count)]) == alone


def test_messages_of_every_length_come_back_in_their_own_places() -> None:
    batch, names = batch_decoder("binance")
    payloads = [binance(number, extra="x" * (number % 20)) for number in range(400)]
    assert compared(batch, names, "binance", payloads) == 0


@pytest.mark.parametrize(("size", "alone"), [(1_024, 0), (1_025, 20), (70_000, 20)])
def test_a_message_of_more_than_a_kibibyte_is_decoded_by_itself(size: int, alone: int) -> None:
    batch, names = batch_decoder("binance")
    rest = len(binance(0, extra="x")) - 1
    long = [binance(number, extra="x" * (size - rest)) for number in range(20)]
    short = [binance(number) for number in range(20)]
    mixed = [payload for pair in zip(long, short, strict=True) for payload in pair]
    assert compared(batch, names, "binance", mixed) == alone


def test_empty_messages_are_undecodable_however_many_they_are() -> None:
    batch, names = batch_decoder("binance")
    assert compared(batch, names, "binance", [b""] * 20 + [binance(n) for n in range(20)]) == 20


def test_of_many_new_shapes_at_once_only_some_are_learnt_and_the_rest_the_next_time() -> None:
    batch, names = batch_decoder("binance")
    symbols = [f"{a}{b}BUSDT" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJ"]
    payloads = [binance(number, symbol=symbol) for number, symbol in enumerate(symbols)]
    assert [compared(batch, names, "binance", payloads) for _ in range(3)] == [36, 0, 0]


def test_a_new_shape_of_a_known_length_is_learnt_beside_the_old_one() -> None:
    batch, names = batch_decoder("binance")
    old = [binance(number, symbol="ABBUSDT") for number in range(20)]
    new = [binance(number, symbol="BABUSDT") for number in range(20)]
    assert compared(batch, names, "binance", old) == 0
    assert compared(batch, names, "binance", old + new) == 0
    assert compared(batch, names, "binance", new + old) == 0


def test_a_shape_without_a_layout_is_tried_once_and_decoded_one_by_one_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[bytes] = []

    def watched(shape: Any, payload: bytes, decode: Any) -> Any:
        tried.append(payload)
        return learn(shape, payload, decode)

    monkeypatch.setattr(raw_batch, "learn", watched)
    monkeypatch.setattr(raw_batch, "_HOPELESS_MAX", 2)
    batch, names = batch_decoder("binance")
    spaced = [binance(number).replace(b",", b" ,", 1) for number in range(20)]
    other = [binance(number).replace(b",", b", ", 1) for number in range(20)]
    third = [binance(number).replace(b":", b": ", 1) for number in range(20)]
    for _ in range(2):
        assert compared(batch, names, "binance", spaced) == 20
    assert len(tried) == 1
    assert [compared(batch, names, "binance", p) for p in (other, third, other, third)] == [20] * 4
    # The third isn't kept in mind any more, and is tried again.
    assert len(tried) == 4


@pytest.mark.parametrize("first", ["2026-13-01T00:00:00.000Z", "2026-02-02T00:60:00.000Z"])
def test_a_shape_whose_first_message_is_damaged_is_learnt_from_a_later_one(first: str) -> None:
    batch, names = batch_decoder("coinbase")
    right = [coinbase(number, "2026-02-02T02:40:00.123Z") for number in range(20)]
    assert compared(batch, names, "coinbase", [coinbase(0, first), *right]) == 21
    assert compared(batch, names, "coinbase", [*right, coinbase(0, first)]) == 1


def test_a_zero_before_a_number_of_json_is_not_passed_over() -> None:
    batch, names = batch_decoder("binance")
    payloads = [binance(number) for number in range(20)]
    assert compared(batch, names, "binance", payloads) == 0
    for name in (b'"t":', b'"T":'):
        at = payloads[3].index(name) + len(name)
        wrong = payloads[3][:at] + b"0" + payloads[3][at + 1 :]
        assert compared(batch, names, "binance", [*payloads, wrong]) == 1
        # Nor if another one of its length has another shape.
        other = payloads[3].replace(b"false", b"fals3")
        assert compared(batch, names, "binance", [*payloads, wrong, other]) == 2


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_byte_that_is_another_one_is_not_passed_over_wherever_it_is(exchange: str) -> None:
    known = [right(exchange, number) for number in range(20, 60)]
    changed = [
        payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]
        for payload in known[:1]
        for place in range(len(payload))
    ]
    batch, names = batch_decoder(exchange)
    compared(batch, names, exchange, known)
    for one in changed:  # each by itself among what is known, so that none of them is learnt first
        compared(batch, names, exchange, [*known, one])


def test_a_group_of_a_known_length_of_which_no_message_is_of_a_known_shape_goes_one_by_one() -> None:
    batch, names = batch_decoder("coinbase")
    known = [coinbase(number, "2026-02-02T00:00:00.000Z") for number in range(20)]
    assert compared(batch, names, "coinbase", known) == 0
    strangers = [payload.replace(b"BUY", b"???") for payload in known]
    assert compared(batch, names, "coinbase", strangers) == 20


def test_layouts_with_and_without_bare_numbers_stand_beside_each_other() -> None:
    batch, names = batch_decoder("binance")
    bare = [binance(n)[:-1] + b',"y":12}' for n in range(20)]
    plain = [binance(n)[:-1] + b',"y":""}' for n in range(20)]
    assert compared(batch, names, "binance", bare + plain) == 0
    wrong = [payload.replace(b'"y":12', b'"y":02') for payload in bare]
    assert compared(batch, names, "binance", wrong + plain) == 20


@pytest.mark.parametrize(
    ("time", "alone"),
    [
        ("2026-02-28T23:59:59.999Z", 0), ("2024-02-29T00:00:00.000Z", 0), ("1970-01-01T00:00:00.000Z", 0),
        ("1970-01-02T00:00:00.001Z", 0), ("9999-12-31T23:59:59.999Z", 0), ("1969-12-31T23:59:59.999Z", 1),
        ("2026-02-29T00:00:00.000Z", 1), ("2026-02-00T00:00:00.000Z", 1), ("2026-00-01T00:00:00.000Z", 1),
        ("2026-13-01T00:00:00.000Z", 1), ("0000-01-01T00:00:00.000Z", 1), ("2026-02-02T24:00:00.000Z", 1),
        ("2026-02-02T00:60:00.000Z", 1), ("2026-02-02T00:00:60.000Z", 1),
    ],
)  # fmt: skip
def test_only_a_date_that_exists_is_reckoned_at_once(time: str, alone: int) -> None:
    batch, names = batch_decoder("coinbase")
    payloads = [coinbase(number, "2026-02-02T02:40:00.123Z") for number in range(20)]
    payloads[7] = coinbase(7, time)
    for _ in range(2):  # the second time the day is known
        assert compared(batch, names, "coinbase", payloads) == alone


@pytest.mark.parametrize("days", [1, 28, 98, 99, 100, 101, 102, 300])
def test_days_in_any_order_are_reckoned_at_once(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_batch, "_HOPELESS_MAX", 5)
    batch, names = batch_decoder("coinbase")
    times = [f"2026-{1 + day % 12:02}-{1 + day % 28:02}T02:40:00.123Z" for day in range(days)]
    payloads = [coinbase(number, times[number % days]) for number in range(300)]
    assert compared(batch, names, "coinbase", payloads) == 0
    assert compared(batch, names, "coinbase", sorted(payloads, key=lambda p: p[p.index(b"time") :])) == 0
    assert len(batch._days) == min(5, len(set(times)))


@pytest.mark.parametrize("exchange", EXCHANGES)
@given(st.data())
def test_every_number_of_a_layout_is_read_at_once_with_all_its_digits(
    exchange: str, data: st.DataObject
) -> None:
    whole, fraction = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    size = data.draw(st.integers(1, 16))

    def number(places: int) -> str:
        return data.draw(st.text("0123456789", min_size=places, max_size=places))

    def message() -> bytes:
        decimal, sequence = f"{number(whole)}.{number(fraction)}", "1" + number(size - 1)
        millisecond = number(3)
        trades = {
            "binance": {"s": "BTCUSDT", "t": int(sequence), "p": decimal, "q": decimal, "T": int(sequence), "m": True},
            "kraken": {"pair": "XBT/USD", "price": decimal, "volume": decimal, "timestamp": f"{sequence}.{millisecond}",
                       "side": "b", "misc": sequence},
            "coinbase": {"product_id": "BTC-USD", "trade_id": sequence, "price": decimal, "size": decimal,
                         "time": f"2026-02-02T02:40:00.{millisecond}Z", "side": "SELL"},
        }  # fmt: skip
        return json.dumps(trades[exchange], separators=(",", ":")).encode()

    payloads = [message() for _ in range(3)] * 6
    batch, names = batch_decoder(exchange)
    assert compared(batch, names, exchange, payloads) == 0


@pytest.mark.parametrize("exchange", EXCHANGES)
# What is drawn is large by nature: whole batches of messages.
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.data_too_large, HealthCheck.too_slow]
)
@given(st.data())
def test_at_once_and_one_by_one_agree_on_anything(exchange: str, data: st.DataObject) -> None:
    batch, names = batch_decoder(exchange)
    for _ in range(data.draw(st.integers(1, 3))):  # later batches meet the layouts of earlier ones
        payloads = data.draw(hostile(exchange))
        assert at_once(batch, names, payloads) == one_by_one(exchange, payloads)
