"""Many messages at once are decoded exactly as one by one, whatever comes."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosp7.account.readers import raw_batch
from chaosp7.account.readers.raw_batch import BatchDecoder
from chaosp7.account.readers.raw_formats import UndecodableError, decoder

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
    assert batch.one_by_one < 50  # or else the test above would only compare one decoder with itself


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_one_wrong_message_among_many_is_told_from_its_neighbours(exchange: str) -> None:
    payloads = [right(exchange, 1_000 + number) for number in range(300)]
    payloads[100] = payloads[100].replace(b"price" if exchange != "binance" else b'"p"', b"prize" if exchange != "binance" else b'"x"')  # fmt: skip
    payloads[200] = b""
    batch, _ = batch_decoder(exchange)
    _, decoded = batch.decode(payloads)
    assert np.flatnonzero(~decoded).tolist() == [100, 200]


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
