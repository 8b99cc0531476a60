"""The account agrees with a naive one, message by message, and adds up."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.account import account_tier, suspect
from chaosp7.account.checksum import checksum, mix
from chaosp7.account.classes import MessageClass
from chaosp7.account.digest import CHUNK, ChunkKey, DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.rows import Rows
from chaosp7.account.sent import RunRecords, expected, record_checksums
from chaosp7.errors import MeasurementError
from tests.account.tier import FEED, STRANGER, Tier, run_of, sent_records


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
    # As other fields would give them. One bit turned in two of a chunk can leave its sum and XOR as they were.
    other = dict(zip(right, mix(record_checksums(records)).tolist(), strict=True))
    rows = [
        (sequence, other[sequence] if i in damaged else right[sequence])
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


@pytest.mark.parametrize("feeds", [(STRANGER,), (FEED, STRANGER), (STRANGER, FEED)])
def test_digests_of_other_feeds_give_no_account(feeds: tuple[Feed, ...]) -> None:
    run = run_of(sent_records(7, 10))
    table = DigestTable(feeds, dict.fromkeys(feeds, 7))
    with pytest.raises(MeasurementError, match="another run"):
        suspect(expected(run), table)


def test_digests_of_the_same_feeds_in_another_order_give_no_account() -> None:
    records = np.concatenate((sent_records(7, 10), sent_records(7, 10)))
    records["feed"][10:] = 1
    run = RunRecords((FEED, STRANGER), (7, 7), lambda: [records])
    suspect(expected(run), DigestTable((FEED, STRANGER), {FEED: 7, STRANGER: 7}))
    with pytest.raises(MeasurementError, match="another run"):
        suspect(expected(run), DigestTable((STRANGER, FEED), {FEED: 7, STRANGER: 7}))


def test_chunks_are_parted_into_absent_differing_and_foreign_ones() -> None:
    run = run_of(sent_records(CHUNK - 1, 2 * CHUNK))  # chunks 0 to 2
    sent = expected(run)
    table = sent.table()
    sequences = np.array([CHUNK, 3 * CHUNK, 4 * CHUNK], dtype=np.uint64)
    table.add(np.zeros(3, dtype=np.intp), sequences, sequences)
    found = suspect(sent, table)
    assert [[key.chunk for key in keys] for keys in (found.absent, found.differing, found.foreign)] == [
        [0, 2],
        [1],
        [3, 4],
    ]
    account = account_tier("tier", run, sent, table, lambda _keys: [Rows(np.zeros(3, np.intp), sequences, sequences)])  # fmt: skip
    counts = account.counts
    assert (counts.lost, counts.corrupted, counts.unexpected) == (2 * CHUNK - 1, 1, 2)
    assert account.surplus_rows == {}


@pytest.mark.parametrize(
    ("count", "closed", "wanted"),
    [
        (4 * CHUNK, True, []),
        (4 * CHUNK, False, []),
        (4 * CHUNK - 1, True, [3]),
        (3 * CHUNK + 1, True, [3]),
        (2 * CHUNK, True, [3]),
        (2 * CHUNK, False, []),
    ],
)
def test_a_chunk_beyond_the_cut_is_foreign_only_where_the_source_sent_nothing_any_more(
    count: int, closed: bool, wanted: list[int]
) -> None:
    run = RunRecords((FEED,), (0,), lambda: [sent_records(0, count)], closed=closed)
    sent = expected(run, until_ns=10)
    table = sent.table()
    rows = np.array([1 * CHUNK, 3 * CHUNK], dtype=np.uint64)
    table.add(np.zeros(2, dtype=np.intp), rows, rows)
    assert [key.chunk for key in suspect(sent, table).foreign] == wanted


def test_what_was_reordered_of_a_feed_that_nobody_knows_has_no_class() -> None:
    records = sent_records(0, 10)
    run = run_of(records)
    sent = expected(run)
    table = sent.table()
    table.add(np.zeros(10, np.intp), records["sequence"].astype(np.uint64), record_checksums(records))
    reordered = {FEED: BitMap64([3, 10]), STRANGER: BitMap64([3])}
    found = account_tier("topic", run, sent, table, lambda _keys: (), reordered=reordered)
    assert found.reordered == {FEED: BitMap64([3])}


def test_the_checksum_sees_every_field() -> None:
    fields = [np.array([v]) for v in (1, 2, 3, 4, 1)]
    whole = checksum(*fields)
    for i in range(5):
        changed = [f + (1 if i == j and i != 4 else -1 if i == j else 0) for j, f in enumerate(fields)]
        assert checksum(*changed) != whole
