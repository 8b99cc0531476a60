"""A ledger's blocks are gone through one by one, and none is believed."""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from chaosp7.account import ledger_scan
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import RECORD, Ledger, LedgerHeader, LedgerTail, Records
from chaosp7.account.ledger_format import PREFIX, Trailer, block_prefix, encode_header, encode_trailer
from chaosp7.account.ledger_scan import BlockScanner
from chaosp7.errors import LedgerError

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
HEADER = LedgerHeader("r", 1, 500.0, FEEDS, (100, 1), 0, 0, 0)
HEAD = encode_header(HEADER)


def records(feed: int, first: int, count: int = 1) -> Records:
    result = np.zeros(count, dtype=RECORD)
    result["feed"], result["sequence"] = feed, first + np.arange(count)
    return result


def block(number: int, *parts: Records) -> bytes:
    payload = np.concatenate(parts).tobytes()
    return block_prefix(payload, len(payload) // RECORD.itemsize, number) + payload


def trailer(number: int, messages: int, last: tuple[int, ...], first: tuple[int, ...] = (100, 1)) -> bytes:
    return encode_trailer(Trailer(messages, first, last, 9), number)


@contextmanager
def scanner(path: Path, *parts: bytes) -> Iterator[BlockScanner]:
    path.write_bytes(HEAD + b"".join(parts))
    fd = os.open(path, os.O_RDONLY)
    try:
        yield BlockScanner(fd, HEADER, len(HEAD), "l")
    finally:
        os.close(fd)


ONE, TWO = block(0, records(0, 100)), block(1, records(0, 101), records(1, 1, 2))


@pytest.mark.parametrize("read_bytes", [1 << 20, len(TWO), len(TWO) + 5, len(ONE) + len(TWO)])
def test_however_much_is_read_at_once_everything_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_bytes: int
) -> None:
    monkeypatch.setattr(ledger_scan, "READ_BYTES", read_bytes)
    with scanner(tmp_path / "l", ONE, TWO, trailer(2, 4, (101, 2))) as scan:
        found = []
        while (part := scan.read()) is not None:
            found.append(part)
        assert scan.trailer == Trailer(4, (100, 1), (101, 2), 9)
        assert scan.read() is None
    assert np.array_equal(np.concatenate(found), np.concatenate([records(0, 100, 2), records(1, 1, 2)]))
    assert (scan.messages, scan.next_sequences) == (4, (102, 3))
    assert scan.offset == (tmp_path / "l").stat().st_size


def test_a_torn_block_at_the_end_of_a_live_ledger_waits_for_its_rest(tmp_path: Path) -> None:
    for size in range(len(TWO)):
        with scanner(tmp_path / "l", ONE, TWO[:size]) as scan:
            first = scan.read()
            assert first is not None
            assert len(first) == 1
            assert scan.read() is None
            with (tmp_path / "l").open("ab") as file:
                file.write(TWO[size:])
            rest = scan.read()
            assert rest is not None
            assert rest["sequence"].tolist() == [101, 1, 2]


def test_nothing_is_read_beyond_the_end_that_was_asked_for(tmp_path: Path) -> None:
    with scanner(tmp_path / "l", ONE, TWO) as scan:
        end = len(HEAD) + len(ONE)
        first = scan.read(end)
        assert first is not None
        assert len(first) == 1
        assert scan.read(end) is None
        assert (scan.offset, scan.messages) == (end, 1)


def test_a_ledger_that_was_open_when_it_was_opened_ends_where_it_was_then(tmp_path: Path) -> None:
    path = tmp_path / "l"
    path.write_bytes(HEAD + ONE)
    ledger = Ledger.open(path, allow_unclosed=True)
    with path.open("ab") as file:
        file.write(TWO)
    assert sum(map(len, ledger.blocks())) == ledger.messages == 1


@pytest.mark.parametrize(
    ("last", "what"),
    [
        (block(1, records(0, 102)), "hole in the sequence of binance BTC/USDT: 102 where 101"),
        (block(1, records(0, 100)), "hole in the sequence of binance BTC/USDT: 100 where 101"),
        (block(1, records(0, 101), records(1, 2)), "hole in the sequence of kraken BTC/USD: 2 where 1"),
        (block(1, records(1, 1), records(1, 1)), "hole in the sequence of kraken BTC/USD: 1 where 2"),
        (block(1, records(0, 101), records(2, 1)), "a record of feed 2 of 2"),
        (block(1, records(9, 1)), "a record of feed 9 of 2"),
        (block(2, records(0, 101)), "damaged at byte {at}: block 2 where 1 should be"),
        (block(0, records(0, 101)), "damaged at byte {at}: block 0 where 1 should be"),
        (block_prefix(b"", 0, 1), "damaged at byte {at}: a block can't have 0 records"),
        (TWO[:-1] + b"\1", "damaged at byte {at}: the CRC-32 of block 1 differs"),
        (b"\0" * 16, "damaged at byte {at}: no block begins here"),
        (trailer(1, 2, (100, 0)), "the trailer says"),
        (trailer(1, 1, (101, 0)), "the trailer says"),
        (trailer(1, 1, (100, 0), first=(99, 1)), "the trailer says"),
        (trailer(1, 1, (100, 0)) + b"\0", "something follows the trailer"),
        (trailer(2, 1, (100, 0)), "damaged at byte {at}: block 2 where 1 should be"),
    ],
)
def test_what_can_not_be_a_ledger_s_next_block_is_refused_by_name(
    tmp_path: Path, last: bytes, what: str
) -> None:
    with (
        scanner(tmp_path / "l", ONE, last) as scan,
        pytest.raises(LedgerError, match=what.format(at=len(HEAD) + len(ONE))),
    ):
        scan.read()


def test_a_block_holds_65536_records_and_no_more(tmp_path: Path) -> None:
    with scanner(tmp_path / "l", block(0, records(1, 1, 65_536))) as scan:
        found = scan.read()
        assert found is not None
        assert (len(found), scan.messages, scan.next_sequences) == (65_536, 65_536, (100, 65_537))
    with (
        scanner(tmp_path / "l", block(0, records(1, 1, 65_537))) as scan,
        pytest.raises(LedgerError, match="a block can't have 65537 records"),
    ):
        scan.read()


def test_a_trailer_has_a_mebibyte_and_no_more(tmp_path: Path) -> None:
    text = trailer(1, 1, (100, 0))[PREFIX.size :]

    def padded(size: int) -> bytes:
        body = text.ljust(size)
        prefix = PREFIX.pack(0x54524C50, size, 1, zlib.crc32(body))
        return prefix + body

    with scanner(tmp_path / "l", ONE, padded(1 << 20)) as scan:
        assert scan.read() is not None
        assert scan.trailer is not None
    assert Ledger.open(tmp_path / "l").closed
    with (
        scanner(tmp_path / "l", ONE, padded((1 << 20) + 1)) as scan,
        pytest.raises(LedgerError, match="a block can't have 1048577"),
    ):
        scan.read()


def test_a_ledger_without_any_message_is_closed_by_its_trailer_alone(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(HEAD + trailer(0, 0, (99, 0)))
    with LedgerTail(tmp_path / "l") as tail:
        assert tail.poll() is None
        assert (tail.closed, tail.end_ns, tail.messages) == (True, 9, 0)
