"""What the account asks of a tier's reader, and the answers that it takes for none."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from chaosp7.account import account as account_module
from chaosp7.account.account import account_tier
from chaosp7.account.classes import TierAccount
from chaosp7.account.digest import CHUNK, ChunkKey, DigestTable
from chaosp7.account.pieces import BITS, PIECES, ChunkPieces, piece_xors
from chaosp7.account.rows import Rows, RowSource
from chaosp7.account.runs import ChunkRuns
from chaosp7.account.sent import Expected, RunRecords, expected, record_checksums
from chaosp7.errors import MeasurementError, ReaderError
from tests.account.tier import FEED, STRANGER, Tier, run_of, sent_records


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
