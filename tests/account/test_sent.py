"""An account that stops at a cut holds exactly what was sent before it, however the ledger is blocked."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.account import account_tier
from chaosp7.account.digest import CHUNK, ChunkKey
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Ledger, LedgerHeader, LedgerWriter
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.rows import Rows
from chaosp7.account.sent import RunRecords, expected, record_checksums, sent_chunks
from chaosp7.errors import LedgerError, MeasurementError, ReaderError

BTC, ETH, SILENT = (Feed("binance", f"{name}/USDT") for name in ("BTC", "ETH", "SOL"))
FEEDS = (BTC, ETH, SILENT)
FIRST = (CHUNK - 6, 0, 3)


def alternating(count: int) -> Records:
    """Return messages of the first two feeds in turn, one per nanosecond."""
    numbers = np.arange(count)
    records = np.zeros(count, dtype=RECORD)
    records["feed"] = numbers % 2
    records["sequence"] = np.array(FIRST)[numbers % 2] + numbers // 2
    records["sent_ns"] = numbers
    records["price_e8"] = numbers + 7
    records["reached"] = numbers % 3 > 0
    return records


def run_of(records: Records, block: int, *, closed: bool = False) -> RunRecords:
    return RunRecords(
        FEEDS, FIRST, lambda: [records[i : i + block] for i in range(0, len(records), block)], closed
    )


@settings(max_examples=150, deadline=None)
@given(count=st.integers(2, 40), block=st.integers(1, 40), until_ns=st.integers(1, 45))
def test_the_chunks_of_a_cut_account_hold_each_message_before_the_cut_once(
    count: int, block: int, until_ns: int
) -> None:
    records = alternating(count)
    run = run_of(records, block)
    sent = expected(run, until_ns)
    before = records[records["sent_ns"] < until_ns]
    wanted: dict[ChunkKey, list[tuple[int, int]]] = {}
    for record, checksum in zip(before, record_checksums(before).tolist(), strict=True):
        sequence = int(record["sequence"])
        key = ChunkKey(FEEDS[record["feed"]], sequence // CHUNK)
        wanted.setdefault(key, []).append((sequence, checksum))
    chunks = list(sent_chunks(run, sent, [key for key, _ in sent.digests.items()]))
    found = {c.key: list(enumerate(c.checksums.tolist(), c.first)) for c in chunks}
    assert len(found) == len(chunks)  # none twice
    assert found == wanted
    assert {key: digest.count for key, digest in sent.digests.items()} == {k: len(v) for k, v in wanted.items()}  # fmt: skip
    assert sent.sent == len(before)
    for index, feed in enumerate(FEEDS):
        mine = records[records["feed"] == index]
        size = int((mine["sent_ns"] < until_ns).sum())
        first = FIRST[index]
        assert sent.bounds[feed] == (first, first + size - 1, first + len(mine) - 1)
        missed = mine["sequence"][(mine["sent_ns"] < until_ns) & (mine["reached"] == 0)]
        assert list(sent.unreached.get(feed, ())) == missed.tolist()


def test_a_loss_before_the_cut_is_seen_though_the_ledger_goes_on_in_further_blocks() -> None:
    records = alternating(40)
    run = run_of(records, 10)
    sent = expected(run, until_ns=12)
    there = records[(records["feed"] != 1) | (records["sequence"] != FIRST[1] + 2)]
    feeds = there["feed"].astype(np.intp)
    sequences, checksums = there["sequence"].copy(), record_checksums(there)
    table = sent.table()
    table.add(feeds, sequences, checksums)

    def rows(_keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        yield Rows(feeds, sequences, checksums)

    counts = account_tier("raw", run, sent, table, rows).counts
    assert (counts.sent, counts.lost, counts.delivered, counts.corrupted, counts.unexpected) == (12, 1, 11, 0, 0)  # fmt: skip


def test_only_the_chunks_asked_for_are_given() -> None:
    run = run_of(alternating(40), 7, closed=True)
    sent = expected(run)
    asked = [ChunkKey(BTC, 1), ChunkKey(BTC, 7), ChunkKey(SILENT, 0)]
    assert [chunk.key for chunk in sent_chunks(run, sent, asked)] == [ChunkKey(BTC, 1)]
    assert list(sent_chunks(run, sent, [])) == []


def test_a_ledger_that_has_become_shorter_is_an_error() -> None:
    records = alternating(40)
    sent = expected(run_of(records, 7, closed=True))
    with pytest.raises(LedgerError, match="shorter"):
        list(sent_chunks(run_of(records[:30], 7), sent, [ChunkKey(ETH, 0)]))


def test_a_cut_before_the_first_message_is_an_error_and_not_nothing_lost() -> None:
    with pytest.raises(MeasurementError, match="no message was sent before 0 ns"):
        expected(run_of(alternating(10), 3), until_ns=0)


@pytest.mark.parametrize("left_out", [0, 4, 5])
def test_a_hole_in_the_ledger_is_an_error(left_out: int) -> None:
    with pytest.raises(LedgerError, match="hole"):
        expected(run_of(np.delete(alternating(10), left_out), 3, closed=True))


def test_a_record_of_a_feed_that_the_ledger_does_not_name_is_an_error() -> None:
    records = alternating(10)
    records["feed"][4] = 3
    with pytest.raises(LedgerError, match="feed 3 of 3"):
        expected(run_of(records, 5, closed=True))


@pytest.mark.parametrize(
    "column", [[-1], [np.int64(-1)], [1 << 64], [1.0], [None], ["1"], np.array([-1]), np.array([1.0])]
)
def test_a_row_whose_sequence_is_no_unsigned_integer_is_an_error(column: object) -> None:
    index = expected(run_of(alternating(10), 5)).table().feeds
    with pytest.raises(ReaderError, match="column 'sequence'"):
        Rows.from_columns(index, ["binance"], ["BTC/USDT"], column, [1])  # type: ignore[arg-type]
    with pytest.raises(ReaderError, match="column 'checksum'"):
        Rows.from_columns(index, ["binance"], ["BTC/USDT"], [1], column)  # type: ignore[arg-type]


def test_sequences_of_the_full_64_bits_are_taken_exactly() -> None:
    large = [(1 << 64) - 1, (1 << 53) + 1, 0]
    index = expected(run_of(alternating(10), 5)).table().feeds
    rows = Rows.from_columns(index, ["binance"] * 3, ["BTC/USDT", "X", "BTC/USDT"], large, np.array(large, np.uint64))  # fmt: skip
    assert (rows.feeds.tolist(), rows.sequences.tolist(), rows.checksums.tolist()) == ([0, 3, 0], large, large)  # fmt: skip


def test_what_comes_after_a_feeds_cut_is_left_out_even_if_it_bears_an_earlier_time() -> None:
    records = np.zeros(4, dtype=RECORD)
    records["sequence"], records["sent_ns"] = np.arange(4), [1, 9, 2, 3]
    run = RunRecords((BTC,), (0,), lambda: [records[:2], records[2:]])
    sent = expected(run, until_ns=5)
    assert sent.bounds[BTC] == (0, 0, 3)
    assert sent.digests.rows == 1


def test_records_of_another_shape_are_refused() -> None:
    run = RunRecords((BTC,), (0,), lambda: [np.zeros(1, dtype=[("feed", "<u2"), ("sequence", "<u8")])])
    with pytest.raises(LedgerError, match="must be RECORD"):
        list(run.by_feed())


@pytest.mark.parametrize(("closed", "until_ns"), [(True, 5), (False, 5), (True, None), (False, None)])
def test_a_run_grows_until_it_is_closed_whether_the_account_is_cut_or_not(
    closed: bool, until_ns: int | None
) -> None:
    sent = expected(run_of(alternating(10), 10, closed=closed), until_ns)
    assert (sent.growing, sent.until_ns) == (not closed, until_ns)


def test_a_feed_past_its_cut_does_not_end_another_feeds_chunks() -> None:
    records = np.zeros(4, dtype=RECORD)
    records["feed"], records["sequence"], records["sent_ns"] = [0, 1, 0, 1], [0, 0, 1, 1], [1, 2, 9, 3]
    run = RunRecords((BTC, ETH), (0, 0), lambda: [records[:2], records[2:]])
    keys = [ChunkKey(BTC, 0), ChunkKey(ETH, 0)]
    found = {c.key: len(c.checksums) for c in sent_chunks(run, expected(run, until_ns=5), keys)}
    assert found == {keys[0]: 1, keys[1]: 2}


def test_a_chunk_is_given_though_the_one_before_it_in_the_same_block_is_not_wanted() -> None:
    records = np.zeros(CHUNK + 2, dtype=RECORD)
    records["sequence"] = np.arange(CHUNK + 2)
    run = RunRecords((BTC,), (0,), lambda: [records])
    (chunk,) = sent_chunks(run, expected(run), [ChunkKey(BTC, 1)])
    assert (chunk.first, len(chunk.checksums)) == (CHUNK, 2)


@pytest.mark.parametrize(("trailer", "said", "closed"), [
    (True, None, True), (False, None, False), (False, True, True), (True, False, False),
])  # fmt: skip
def test_a_ledger_is_taken_with_its_feeds_and_is_closed_by_its_trailer_or_by_word(
    tmp_path: Path, trailer: bool, said: bool | None, closed: bool
) -> None:
    writer = LedgerWriter(tmp_path / "l", LedgerHeader("r", 1, 1.0, (BTC, ETH), (4, 0), 1, 1, 1))
    record = np.zeros(1, dtype=RECORD)
    record["sequence"] = 4
    writer.append(record)
    if trailer:
        writer.close(end_ns=1)
    else:
        writer.abandon()
    run = RunRecords.of(Ledger.open(tmp_path / "l", allow_unclosed=True), closed=said)
    assert (run.feeds, run.first, run.closed) == ((BTC, ETH), (4, 0), closed)
    assert sum(map(len, run.blocks())) == 1
