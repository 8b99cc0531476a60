"""A ledger is read back exactly, or refused: never in part."""

from pathlib import Path

import numpy as np
import pytest

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import RECORD, Ledger, LedgerHeader, LedgerTail, LedgerWriter, Records
from chaosp7.errors import LedgerError

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
FIRST = (100, 1)


def header(first: tuple[int, ...] = FIRST) -> LedgerHeader:
    return LedgerHeader(
        run_id="test", seed=1, rate_per_s=500.0, feeds=FEEDS, first=first,
        anchor_monotonic_ns=0, anchor_wall_ns=0, load_start_ns=0,
    )  # fmt: skip


def records(start: int, count: int) -> Records:
    """Return messages number `start` and following, alternating between the feeds."""
    numbers = np.arange(start, start + count)
    result = np.zeros(count, dtype=RECORD)
    result["feed"] = numbers % 2
    result["sequence"] = np.array(FIRST)[numbers % 2] + numbers // 2
    result["sent_ns"] = result["intended_ns"] = numbers * 1000
    result["price_e8"] = numbers + 1
    result["reached"] = 1
    return result


def write(path: Path, blocks: int = 5, size: int = 10, *, close: bool = True) -> LedgerWriter:
    writer = LedgerWriter(path, header())
    for block in range(blocks):
        writer.append(records(block * size, size))
    if close:
        writer.close(end_ns=99)
    return writer


def test_what_was_written_is_read_back_exactly(tmp_path: Path) -> None:
    write(tmp_path / "l")
    ledger = Ledger.open(tmp_path / "l")
    assert np.array_equal(np.concatenate(list(ledger.blocks())), records(0, 50))
    assert (ledger.closed, ledger.messages, ledger.end_ns) == (True, 50, 99)
    assert ledger.first == dict(zip(FEEDS, FIRST, strict=True))
    assert ledger.last == dict(zip(FEEDS, (124, 25), strict=True))


@pytest.mark.parametrize("cut_bytes", [1, 20, 64, 200, 700])
def test_a_truncated_ledger_is_refused(tmp_path: Path, cut_bytes: int) -> None:
    path = tmp_path / "l"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut_bytes])
    with pytest.raises(LedgerError):
        list(Ledger.open(path).blocks())


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "l"
    write(path, blocks=2, size=3)
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(LedgerError):
            list(Ledger.open(path).blocks())


def test_an_unclosed_ledger_is_read_up_to_its_last_whole_block_only_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "l"
    writer = write(path, close=False)
    with pytest.raises(LedgerError):
        Ledger.open(path)
    ledger = Ledger.open(path, allow_unclosed=True)
    assert (ledger.closed, ledger.messages) == (False, 50)
    writer.close(end_ns=1)


def test_a_live_ledger_is_followed_block_by_block(tmp_path: Path) -> None:
    path = tmp_path / "l"
    writer = LedgerWriter(path, header())
    with LedgerTail(path) as tail:
        assert tail.poll() is None
        writer.append(records(0, 10))
        polled = tail.poll()
        assert polled is not None
        assert np.array_equal(polled, records(0, 10))
        writer.close(end_ns=5)
        assert tail.poll() is None
        assert (tail.closed, tail.end_ns, tail.messages) == (True, 5, 10)


def test_a_hole_in_a_feed_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "l"
    writer = LedgerWriter(path, header())
    with_hole = np.delete(records(0, 10), 4)
    try:
        writer.append(with_hole)
        writer.close(end_ns=1)
    except LedgerError:
        return  # refused before it is written is as good
    with pytest.raises(LedgerError, match="hole in the sequence of binance BTC/USDT: 103 where 102"):
        list(Ledger.open(path).blocks())


def test_a_full_disk_is_an_error_when_the_ledger_is_created(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("/dev/full")
    with pytest.raises(LedgerError):
        LedgerWriter(tmp_path / "l", header())
