"""The account agrees with a naive one, message by message, and adds up."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account import account as account_module
from chaosp7.account.account import account_tier, suspect
from chaosp7.account.checksum import checksum, mix
from chaosp7.account.classes import MessageClass, TierAccount
from chaosp7.account.digest import CHUNK, ChunkKey, DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.pieces import BITS, PIECES, ChunkPieces, piece_xors
from chaosp7.account.rows import Rows, RowSource
from chaosp7.account.runs import ChunkRuns
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


def rows_one_by_one(tier: Tier, asked: list[int]) -> RowSource:
    def rows(keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        asked.append(len(keys))
        for batch in tier.rows(keys):
            yield Rows(batch.feeds[:0], batch.sequences[:0], batch.checksums[:0])
            for i in range(len(batch.feeds)):
                yield Rows(batch.feeds[i : i + 1], batch.sequences[i : i + 1], batch.checksums[i : i + 1])
            yield Rows(batch.feeds[:0], batch.sequences[:0], batch.checksums[:0])

    return rows


@pytest.mark.parametrize(("at_once", "wanted"), [(2, [2, 2, 1]), (1, [1] * 5), (None, [5]), (32, [5])])
def test_as_many_chunks_are_asked_for_at_once_as_the_reader_wants(
    at_once: int | None, wanted: list[int]
) -> None:
    run = run_of(sent_records(0, 5 * CHUNK))
    tier = Tier(run, [(chunk * CHUNK + 7, 5) for chunk in range(5)] * 2)
    sent, asked = expected(run), list[int]()
    table = sent.table()
    table.add(np.zeros(10, dtype=np.intp), tier.sequences, tier.checksums)
    account = account_tier(
        "tier", run, sent, table, rows_one_by_one(tier, asked), keys_at_once=at_once, unidentified_rows=3
    )
    assert asked == wanted
    counts = account.counts
    assert (counts.corrupted, counts.lost, counts.surplus, counts.unexpected) == (5, 5 * CHUNK - 5, 5, 3)


@pytest.mark.parametrize(
    ("at_once", "with_runs", "wanted", "of_runs"),
    [(2, False, [2, 2, 1], []), (None, False, [3, 2], []), (2, True, [2, 1, 2], [3, 2])],
)
def test_no_more_chunks_are_held_than_a_pass_has(
    monkeypatch: pytest.MonkeyPatch,
    at_once: int | None,
    with_runs: bool,
    wanted: list[int],
    of_runs: list[int],
) -> None:
    monkeypatch.setattr(account_module, "KEYS_PER_PASS", 3)
    run = run_of(sent_records(0, 5 * CHUNK))
    tier = Tier(run, [(chunk * CHUNK + 7, 5) for chunk in range(5)])
    sent, asked, told = expected(run), list[int](), list[int]()
    table = sent.table()
    table.add(np.zeros(5, dtype=np.intp), tier.sequences, tier.checksums)

    def runs(keys: Sequence[ChunkKey]) -> Iterable[ChunkRuns]:
        told.append(len(keys))
        return ()

    rows = rows_one_by_one(tier, asked)
    found = account_tier(
        "tier", run, sent, table, rows, keys_at_once=at_once, runs=runs if with_runs else None
    )
    assert (asked, told) == (wanted, of_runs)
    assert (found.counts.corrupted, found.counts.lost) == (5, 5 * CHUNK - 5)


@pytest.mark.parametrize("now", [[1, 2], [1, 2, 3, 3], [1, 2, 4]])
@pytest.mark.parametrize(("closed", "settled"), [(True, None), (True, False), (False, None), (False, True)])
def test_only_a_tier_that_is_not_settled_may_have_more_rows_than_were_digested(
    now: list[int], closed: bool, settled: bool | None
) -> None:
    records = sent_records(0, 10)
    sums = record_checksums(records).tolist()
    run = RunRecords((FEED,), (0,), lambda: [records], closed=closed)
    sent = expected(run)
    table = sent.table()
    table.add(np.zeros(3, dtype=np.intp), np.array([1, 2, 3], np.uint64), np.array(sums[1:4], np.uint64))
    tier = Tier(run, [(sequence, sums[sequence]) for sequence in now])
    if len(now) > 3 and ((settled is None and not closed) or settled is False):
        counts = account_tier("tier", run, sent, table, tier.rows, settled=settled).counts
        assert (counts.lost, counts.duplicated) == (7, 1)
    else:
        with pytest.raises(ReaderError, match="still moves"):
            account_tier("tier", run, sent, table, tier.rows, settled=settled)


I1, U1 = np.zeros(1, dtype=np.intp), np.ones(1, dtype=np.uint64)


@pytest.mark.parametrize(
    ("feeds", "sequences", "checksums"),
    [
        (np.zeros(2, dtype=np.intp), U1, U1),
        (I1, np.ones(2, dtype=np.uint64), U1),
        (I1, U1, np.ones(2, dtype=np.uint64)),
        (I1, U1.astype(np.int64), U1),
        (I1, U1, U1.astype(np.int64)),
        (I1 - 1, U1, U1),
        (I1 + 1, U1, U1),
        (np.array([-1, 0]), np.ones(2, dtype=np.uint64), np.ones(2, dtype=np.uint64)),
        (np.array([0, 1]), np.ones(2, dtype=np.uint64), np.ones(2, dtype=np.uint64)),
    ],
)
def test_rows_that_can_not_be_give_no_account(feeds: Any, sequences: Any, checksums: Any) -> None:
    run = run_of(sent_records(0, 10))
    sent = expected(run)
    table = sent.table()
    table.add(I1, U1, U1)
    with pytest.raises(ReaderError, match=r"columns of different length|must be unsigned|of feed index"):
        account_tier("tier", run, sent, table, lambda _keys: [Rows(feeds, sequences, checksums)])


def three_wrong_chunks() -> tuple[Tier, Expected, DigestTable]:
    tier = Tier(run_of(sent_records(0, 3 * CHUNK)), [(chunk * CHUNK + 7, 5) for chunk in range(3)])
    sent = expected(tier.run)
    table = sent.table()
    table.add(np.zeros(3, dtype=np.intp), tier.sequences, tier.checksums)
    return tier, sent, table


def test_rows_of_chunks_that_were_not_asked_for_are_passed_over() -> None:
    tier, sent, table = three_wrong_chunks()
    everything = [Rows(np.zeros(3, dtype=np.intp), tier.sequences, tier.checksums)]
    counts = account_tier("tier", tier.run, sent, table, lambda _keys: everything, keys_at_once=1).counts
    assert (counts.corrupted, counts.surplus, counts.lost) == (3, 0, 3 * CHUNK - 3)


@pytest.mark.parametrize("stray", [ChunkKey(FEED, 3), ChunkKey(STRANGER, 0)])
def test_runs_and_pieces_of_chunks_that_were_not_asked_for_give_no_account(stray: ChunkKey) -> None:
    tier, sent, table = three_wrong_chunks()

    def runs(keys: Sequence[ChunkKey]) -> Iterable[ChunkRuns]:
        return [ChunkRuns(key, table.get(key).count, [7], [7]) for key in keys]

    def pieces(_keys: Sequence[ChunkKey]) -> Iterable[ChunkPieces]:
        return [ChunkPieces(stray, np.zeros((PIECES, 1 + BITS), dtype=np.uint64))]

    with pytest.raises(ReaderError, match=r"runs of chunk . of .* came unasked"):
        account_tier(
            "tier", tier.run, sent, table, tier.rows, runs=lambda _k: [ChunkRuns(stray, 1, [7], [7])]
        )  # fmt: skip
    with pytest.raises(ReaderError, match=r"pieces of chunk . of .* came unasked"):
        account_tier("tier", tier.run, sent, table, tier.rows, runs=runs, pieces=pieces)


@pytest.mark.parametrize(("count", "settled"), [(1, False), (2, True), (2, False), (3, True), (3, False)])
def test_runs_of_more_rows_than_were_digested_count_only_at_a_tier_that_is_not_settled(
    count: int, settled: bool
) -> None:
    records = sent_records(0, 10)
    right = record_checksums(records)[4:5]
    run = run_of(records)
    sent = expected(run)
    table = sent.table()
    table.add(np.zeros(2, np.intp), np.array([4, 4], np.uint64), np.concatenate((right, right)))
    now = Rows(np.zeros(count, np.intp), np.full(count, 4, np.uint64), np.repeat(right, count))

    def runs(keys: Sequence[ChunkKey]) -> Iterable[ChunkRuns]:
        return [ChunkRuns(key, count, [4] * count, [4] * count) for key in keys]

    def account() -> TierAccount:
        return account_tier("tier", run, sent, table, lambda _keys: [now], settled=settled, runs=runs)

    if count == 2 or (count > 2 and not settled):
        counts = account().counts
        assert (counts.duplicated, counts.surplus, counts.lost) == (1, count - 1, 9)
    else:
        with pytest.raises(ReaderError, match=r"tier: chunk 0 .* still moves"):
            account()


def test_pieces_are_asked_only_for_chunks_that_their_runs_leave_open() -> None:
    tier, sent, table = three_wrong_chunks()
    right = record_checksums(next(iter(tier.run.blocks())))
    tier.checksums[1] = right[CHUNK + 7]  # of the second chunk, runs tell all
    table = sent.table()
    table.add(np.zeros(3, dtype=np.intp), tier.sequences, tier.checksums)
    asked: list[list[int]] = []

    def runs(keys: Sequence[ChunkKey]) -> Iterable[ChunkRuns]:
        # The third chunk has too many runs to be told.
        return [
            ChunkRuns(key, table.get(key).count, *([[7], [7]] if key.chunk < 2 else [[], []])) for key in keys
        ]

    def pieces(keys: Sequence[ChunkKey]) -> Iterable[ChunkPieces]:
        asked.append([key.chunk for key in keys])
        for key in keys:
            sums = np.zeros(CHUNK, dtype=np.uint64)
            sums[7] = tier.checksums[key.chunk]
            yield ChunkPieces(key, piece_xors(sums))

    fetched: list[int] = []

    def rows(keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        fetched.extend(key.chunk for key in keys)
        return tier.rows(keys)

    found = account_tier("tier", tier.run, sent, table, rows, runs=runs, pieces=pieces)
    assert (asked, fetched) == ([[0]], [2])
    assert (found.counts.corrupted, found.counts.delivered) == (2, 1)
    with pytest.raises(ReaderError, match="came unasked"):  # again, where they have told all
        account_tier(
            "tier", tier.run, sent, table, rows, runs=runs, pieces=lambda k: [*pieces(k), *pieces(k)]
        )
    found = account_tier("tier", tier.run, sent, table, rows, runs=runs)
    assert (fetched, found.counts.corrupted) == ([2, 0, 2], 2)

    def whole(keys: Sequence[ChunkKey]) -> Iterable[ChunkRuns]:
        return [ChunkRuns(key, table.get(key).count, [7], [7]) for key in keys if key.chunk == 1]

    asked.clear()
    account_tier("tier", tier.run, sent, table, rows, runs=whole, pieces=pieces)
    assert asked == []  # nothing is left that pieces could be asked of


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
