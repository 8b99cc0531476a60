"""The ledger's bytes are what its format says: a ledger that was kept is read the same by later code."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import RECORD, Ledger, LedgerHeader, LedgerWriter
from chaosp7.account.ledger_format import (
    Trailer,
    block_prefix,
    decode_header,
    decode_trailer,
    encode_header,
    encode_trailer,
)
from chaosp7.errors import LedgerError

HEADER = {
    "run_id": "r", "seed": 3, "rate_per_s": 500.0, "feeds": [["binance", "BTC/USDT"]], "first": [7],
    "anchor_monotonic_ns": 11, "anchor_wall_ns": 12, "load_start_ns": 13, "version": 1,
}  # fmt: skip
TRAILER = {"messages": 2, "first": [7], "last": [8], "end_ns": 99}
NAMES = ("feed", "side", "reached", "pad", "sequence", "intended_ns", "sent_ns", "price_e8", "quantity_e8",
         "quote_e8", "trade_time_ms")  # fmt: skip
ROWS = [(0, 1, 0, 0, 7, 21, 22, -23, 24, 25, 26), (0, 0, 1, 0, 8, 31, 32, 33, 34, 35, 36)]


def head(header: dict[str, object]) -> bytes:
    body = json.dumps(header, separators=(",", ":")).encode()
    return b"CP7LEDG1" + struct.pack("<I", len(body)) + body + struct.pack("<I", zlib.crc32(body))


def block(magic: bytes, size: int, number: int, payload: bytes) -> bytes:
    return magic + struct.pack("<III", size, number, zlib.crc32(payload)) + payload


def body() -> bytes:
    return b"".join(struct.pack("<HBBIQqqqqqq", *row) for row in ROWS)


def tail(trailer: dict[str, object]) -> bytes:
    text = json.dumps(trailer, separators=(",", ":")).encode()
    return block(b"PLRT", len(text), 1, text)


def header_of(**changes: object) -> LedgerHeader:
    known = {**HEADER, "feeds": (Feed("binance", "BTC/USDT"),), "first": (7,), **changes}
    return LedgerHeader(**known)  # type: ignore[arg-type]


def test_a_ledger_that_was_put_together_by_hand_is_read(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(head(HEADER) + block(b"PBLK", 2, 0, body()) + tail(TRAILER))
    ledger = Ledger.open(tmp_path / "l")
    assert ledger.header == header_of()
    assert (ledger.messages, ledger.end_ns, set(ledger.last.values())) == (2, 99, {8})
    (records,) = ledger.blocks()
    assert records.tolist() == ROWS
    for place, name in enumerate(NAMES):
        assert records[name].tolist() == [row[place] for row in ROWS]


def test_what_is_written_is_the_format_s_bytes() -> None:
    assert encode_header(header_of()) == head(HEADER)
    payload = np.array(ROWS, dtype=RECORD).tobytes()
    assert payload == body()
    assert block_prefix(payload, 2, 5) + payload == block(b"PBLK", 2, 5, payload)
    assert encode_trailer(Trailer(2, (7,), (8,), 99), 1) == tail(TRAILER)


def test_the_blocks_begin_where_the_header_ends() -> None:
    data = head(HEADER)
    assert decode_header(data, "l") == (header_of(), len(data))
    assert decode_header(data + b"more", "l") == (header_of(), len(data))


def test_a_header_that_is_cut_anywhere_is_refused() -> None:
    data = head(HEADER)
    for size in range(len(data)):
        with pytest.raises(LedgerError):
            decode_header(data[:size], "l")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0}, {"version": 2}, {"feeds": [], "first": []},
        {"feeds": [["a", "b"], ["a", "b"]], "first": [0, 0]}, {"first": []}, {"first": [1, 2]},
        {"first": [-1]}, {"feeds": [["a", "b"], ["a", "c"]], "first": [0, -1]}, {"seed": "x"},
    ],
)  # fmt: skip
def test_a_header_that_no_load_could_have_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(LedgerError, match="the header can't be read"):
        decode_header(head({**HEADER, **changes}), "l")


def test_a_trailer_that_is_none_is_refused() -> None:
    with pytest.raises(LedgerError, match="the trailer can't be read"):
        decode_trailer(b'{"messages": 1}', "l")


def test_a_feed_may_begin_with_sequence_0() -> None:
    assert header_of(first=(0,)).first == (0,)


def test_there_are_as_many_feeds_as_a_record_can_index() -> None:
    feeds = tuple(Feed("e", str(number)) for number in range(65_536))
    header_of(feeds=feeds[:65_535], first=(0,) * 65_535)
    with pytest.raises(ValueError, match="65,535 different feeds"):
        header_of(feeds=feeds, first=(0,) * 65_536)


def test_a_header_larger_than_a_reader_takes_is_not_written(tmp_path: Path) -> None:
    rest_bytes = len(head({**HEADER, "run_id": ""}))
    largest = header_of(run_id="r" * ((1 << 20) - rest_bytes))
    LedgerWriter(tmp_path / "l", largest).close(end_ns=1)
    assert Ledger.open(tmp_path / "l").header == largest
    with pytest.raises(LedgerError, match="header can't have"):
        LedgerWriter(tmp_path / "m", header_of(run_id=largest.run_id + "r"))
    assert not (tmp_path / "m").exists()
