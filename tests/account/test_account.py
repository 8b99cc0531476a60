"""The account agrees with a naive one, message by message, and adds up."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.account import account_tier
from chaosp7.account.checksum import checksum
from chaosp7.account.classes import MessageClass, TierAccount
from chaosp7.account.digest import CHUNK, ChunkKey
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.rows import Rows
from chaosp7.account.sent import Expected, RunRecords, expected, record_checksums
from chaosp7.errors import MeasurementError, ReaderError

FEED, STRANGER = Feed("binance", "BTC/USDT"), Feed("binance", "DOGE/USDT")


def sent_records(first: int, count: int) -> Records:
    result = np.zeros(count, dtype=RECORD)
    result["sequence"] = np.arange(first, first + count)
    result["price_e8"] = np.arange(count) + 7
    result["sent_ns"] = np.arange(count)
    result["reached"] = 1
    return result


class Tier:
    """A tier as two lists: sequences and checksums, as a reader would give them."""

    def __init__(self, run: RunRecords, rows: Sequence[tuple[int, int]]) -> None:
        self.run = run
        self.sequences = np.array([row[0] for row in rows], dtype=np.uint64)
        self.checksums = np.array([row[1] for row in rows], dtype=np.uint64)

    def rows(self, keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        chunks = {key.chunk for key in keys}
        mine = np.array([int(s) // CHUNK in chunks for s in self.sequences], dtype=np.bool_)
        yield Rows(np.zeros(int(mine.sum()), dtype=np.intp), self.sequences[mine], self.checksums[mine])

    def account(self, sent: Expected) -> TierAccount:
        table = sent.table()
        table.add(np.zeros(len(self.sequences), dtype=np.intp), self.sequences, self.checksums)
        return account_tier("tier", self.run, sent, table, self.rows)


def run_of(records: Records) -> RunRecords:
    return RunRecords((FEED,), (int(records["sequence"][0]),), lambda: [records])


#: Begins in mid-chunk and may cross into the next one.
@settings(max_examples=300, deadline=None)
@given(
    first=st.integers(CHUNK - 20, CHUNK + 5),
    count=st.integers(1, 40),
    copies=st.lists(st.integers(0, 3), min_size=40, max_size=40),
    damaged=st.sets(st.integers(0, 39)),
    beyond=st.lists(st.integers(0, 2 * CHUNK), max_size=3),
    earlier=st.lists(st.integers(1, 15), max_size=3),
)
def test_each_message_gets_the_class_that_a_naive_count_gives_it(
    first: int, count: int, copies: list[int], damaged: set[int], beyond: list[int], earlier: list[int]
) -> None:
    records = sent_records(first, count)
    right = dict(zip(records["sequence"].tolist(), record_checksums(records).tolist(), strict=True))
    rows = [
        (sequence, right[sequence] ^ (1 if i in damaged else 0))
        for i, sequence in enumerate(right)
        for _ in range(copies[i])
    ]
    rows += [(first + count + offset, 1) for offset in beyond]
    rows += [(first - offset, 2) for offset in earlier]
    run = run_of(records)
    account = Tier(run, rows).account(expected(run))
    for i, sequence in enumerate(right):
        wanted = (
            MessageClass.LOST if copies[i] == 0
            else MessageClass.CORRUPTED if i in damaged
            else MessageClass.DUPLICATED if copies[i] > 1
            else MessageClass.DELIVERED
        )  # fmt: skip
        assert account.class_of(FEED, sequence) is wanted
    counts = account.counts
    assert counts.sent == count
    assert counts.unexpected == len(beyond)
    classes = (counts.delivered, counts.lost, counts.late, counts.corrupted, counts.duplicated)
    assert sum(classes) + counts.reordered == counts.sent
    assert counts.surplus == sum(max(0, n - 1) for n in copies[:count])
    assert counts.clean == (
        Counter(rows) == Counter(right.items()) or (counts.delivered == count and not beyond)
    )


def test_an_empty_tier_has_lost_everything() -> None:
    run = run_of(sent_records(10, 5000))
    assert Tier(run, []).account(expected(run)).counts.lost == 5000


def test_a_loss_is_not_hidden_by_a_double_of_another_message() -> None:
    records = sent_records(0, 10)
    sums = record_checksums(records).tolist()
    rows = [(i, sums[i]) for i in range(10) if i != 4] + [(5, sums[5])]
    run = run_of(records)
    counts = Tier(run, rows).account(expected(run)).counts
    assert (counts.lost, counts.duplicated, counts.delivered) == (1, 1, 8)


def test_rows_of_a_feed_that_nobody_knows_are_unexpected() -> None:
    records = sent_records(0, 10)
    run = run_of(records)
    sent = expected(run)
    table = sent.table()
    table.add(np.zeros(10, dtype=np.intp), records["sequence"].astype(np.uint64), record_checksums(records))
    stranger = table.feeds.index(STRANGER)
    one = np.array([3], dtype=np.uint64)
    table.add(np.array([stranger]), one, one)

    def rows(_keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        yield Rows(np.array([stranger], dtype=np.intp), one, one)

    assert account_tier("tier", run, sent, table, rows).counts.unexpected == 1


def test_a_reader_that_fails_gives_no_account() -> None:
    run = run_of(sent_records(0, 10))
    sent = expected(run)
    table = sent.table()
    table.add(np.zeros(1, dtype=np.intp), np.array([1], dtype=np.uint64), np.array([1], dtype=np.uint64))

    def rows(_keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        raise ReaderError("timed out")

    with pytest.raises(ReaderError, match="timed out"):
        account_tier("tier", run, sent, table, rows)


def test_rows_that_vanish_between_the_passes_give_no_account() -> None:
    records = sent_records(0, 10)
    run = run_of(records)
    sent = expected(run)
    table = sent.table()
    table.add(
        np.zeros(9, dtype=np.intp), records["sequence"][:9].astype(np.uint64), record_checksums(records)[:9]
    )
    with pytest.raises(MeasurementError):
        account_tier("tier", run, sent, table, lambda _keys: ())


def test_nothing_sent_is_an_error_and_not_nothing_lost() -> None:
    run = RunRecords((FEED,), (0,), lambda: [np.zeros(0, dtype=RECORD)])
    with pytest.raises(MeasurementError, match="no message was sent"):
        expected(run)


def test_messages_after_the_cut_are_neither_lost_nor_unexpected() -> None:
    records = sent_records(0, 10)
    run = RunRecords((FEED,), (0,), lambda: [records], closed=False)
    sums = record_checksums(records).tolist()
    account = Tier(run, [(i, sums[i]) for i in range(9) if i != 2]).account(expected(run, until_ns=6))
    assert (account.counts.sent, account.counts.lost, account.counts.unexpected) == (6, 1, 0)


def test_the_checksum_sees_every_field() -> None:
    fields = [np.array([v]) for v in (1, 2, 3, 4, 1)]
    whole = checksum(*fields)
    for i in range(5):
        changed = [f + (1 if i == j and i != 4 else -1 if i == j else 0) for j, f in enumerate(fields)]
        assert checksum(*changed) != whole
