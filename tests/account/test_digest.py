"""A table of digests is the same however it was gathered, and differs when the rows do."""

import tracemalloc
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import reduce
from operator import xor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.digest import CHUNK, ChunkKey, Digest, DigestTable, group_by_chunk
from chaosp7.account.feeds import Feed
from chaosp7.errors import ReaderError

BTC, ETH, STRANGER = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT"), Feed("kraken", "BTC/USD")
FEEDS = (BTC, ETH, STRANGER)
FIRST = {BTC: CHUNK - 2, ETH: 0}
U64 = (1 << 64) - 1

Row = tuple[int, int, int]
#: Feed, sequence, checksum: around the edges of chunks, and where 64 bits end.
rows_around_edges = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([0, CHUNK - 3, CHUNK - 2, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK, 1 << 63, U64]),
        st.sampled_from([0, 1, 1 << 63, U64]) | st.integers(0, U64),
    ),
    max_size=25,
)


def empty() -> DigestTable:
    """Return a table that knows two feeds and has met a third one."""
    table = DigestTable((BTC, ETH), FIRST)
    assert table.feeds.index(STRANGER) == 2
    return table


def add(table: DigestTable, rows: Iterable[Row]) -> DigestTable:
    columns = np.array(list(rows), dtype=object).reshape(-1, 3)
    table.add(columns[:, 0].astype(np.intp), columns[:, 1].astype(np.uint64), columns[:, 2].astype(np.uint64))
    return table


def naive(rows: Iterable[Row], first: Mapping[Feed, int]) -> dict[ChunkKey, Digest]:
    checksums: dict[ChunkKey, list[int]] = {}
    for feed, sequence, checksum in rows:
        if sequence >= first.get(FEEDS[feed], 0):
            checksums.setdefault(ChunkKey(FEEDS[feed], sequence // 4096), []).append(checksum)
    return {key: Digest(len(c), sum(c) % 2**64, reduce(xor, c)) for key, c in checksums.items()}


@settings(max_examples=200, deadline=None)
@given(rows=rows_around_edges, cut=st.integers(0, 25), shuffled=st.randoms(use_true_random=False))
def test_rows_are_digested_as_a_loop_would_in_any_order_and_any_pieces(
    rows: list[Row], cut: int, shuffled: Any
) -> None:
    wanted = naive(rows, FIRST)
    table = add(add(empty(), rows[:cut]), rows[cut:])
    assert dict(table.items()) == wanted
    assert (len(table), table.rows) == (len(wanted), sum(d.count for d in wanted.values()))
    assert dict(add(empty(), rows[cut:]).merge(add(empty(), rows[:cut])).items()) == wanted
    shuffled.shuffle(rows)
    assert dict(add(empty(), rows).items()) == wanted


@settings(max_examples=150, deadline=None)
@given(rows=rows_around_edges, data=st.data())
def test_a_results_digests_give_the_same_table_as_its_rows_wrapped_or_not(
    rows: list[Row], data: st.DataObject
) -> None:
    table = empty()
    # One row per partition and chunk: each message in one of two partitions.
    halves: tuple[list[Row], list[Row]] = ([], [])
    for row in rows:
        halves[data.draw(st.integers(0, 1))].append(row)
    for half in halves:
        digests = naive(half, FIRST)
        signed = data.draw(st.booleans())
        table.add_digests(
            [key.feed.exchange for key in digests],
            [key.feed.symbol for key in digests],
            [key.chunk for key in digests],
            [d.count for d in digests.values()],
            [d.sum - 2**64 if signed else d.sum + 3 * 2**64 for d in digests.values()],
            [d.xor - 2**64 if signed else d.xor for d in digests.values()],
        )
    assert dict(table.items()) == naive(rows, FIRST)


@settings(max_examples=150, deadline=None)
@given(rows=rows_around_edges, others=rows_around_edges, shared=rows_around_edges)
def test_the_chunks_that_differ_are_those_whose_digests_do(
    rows: list[Row], others: list[Row], shared: list[Row]
) -> None:
    one, other = add(empty(), shared + rows), add(empty(), others + shared)
    wanted = {key for key, digest in one.items() if other.get(key) != digest}
    found = list(one.differing(other))
    assert (set(found), len(found)) == (wanted, len(wanted))
    assert not list(one.differing(add(empty(), rows + shared)))


def test_chunks_are_kept_right_in_whatever_order_they_come_and_however_many() -> None:
    numbers = np.random.default_rng(1).permutation(3_000).tolist()
    rising, mixed = empty(), empty()
    for begin in range(0, 3_000, 100):
        for table, part in ((rising, range(begin, begin + 100)), (mixed, numbers[begin : begin + 100])):
            add(table, [(number % 2, number // 2 * CHUNK + CHUNK, number) for number in part])
    assert dict(rising.items()) == dict(mixed.items())
    assert {(key.feed, key.chunk): (digest.count, digest.sum) for key, digest in mixed.items()} == {
        (FEEDS[number % 2], number // 2 + 1): (1, number) for number in range(3_000)
    }
    assert mixed.get(ChunkKey(BTC, 1501)) == mixed.get(ChunkKey(BTC, -1)) == Digest(0, 0, 0)


def test_a_table_keeps_some_dozens_of_bytes_for_a_chunk() -> None:
    numbers = np.arange(200_000, dtype=np.uint64)
    tracemalloc.start()
    try:
        table = empty()
        table.add(np.ones(len(numbers), dtype=np.intp), numbers * np.uint64(CHUNK), numbers)
        assert len(table) == 200_000
        assert tracemalloc.get_traced_memory()[0] < 200_000 * 40
    finally:
        tracemalloc.stop()


digests = st.builds(Digest, st.integers(0, 9), st.integers(0, U64), st.integers(0, U64))


@settings(max_examples=50, deadline=None)
@given(a=digests, b=digests, c=digests)
def test_digests_are_a_commutative_monoid(a: Digest, b: Digest, c: Digest) -> None:
    assert a.merged(b) == b.merged(a)
    assert a.merged(b).merged(c) == a.merged(b.merged(c))
    assert a.merged(Digest(0, 0, 0)) == a
    assert a.merged(a) == Digest(2 * a.count, 2 * a.sum & U64, 0)


@settings(max_examples=60, deadline=None)
@given(rows=rows_around_edges)
def test_groups_hold_every_row_once_in_its_order(rows: list[Row]) -> None:
    feeds = np.array([row[0] for row in rows], dtype=np.intp)
    sequences = np.array([row[1] for row in rows], dtype=np.uint64)
    groups = group_by_chunk(feeds, sequences)
    ends = [*groups.starts[1:].tolist(), len(rows)] if rows else []
    found = {
        (feed, chunk): groups.order[start:end].tolist()
        for feed, chunk, start, end in zip(
            groups.feeds.tolist(), groups.chunks.tolist(), groups.starts.tolist(), ends, strict=True
        )
    }
    wanted: dict[tuple[int, int], list[int]] = {}
    for number, (feed, sequence, _) in enumerate(rows):
        wanted.setdefault((feed, sequence // CHUNK), []).append(number)
    assert (found, len(groups.starts)) == (wanted, len(wanted))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([5], []),
        ([5], [5, 5, 5]),  # XOR alone sees nothing
        ([5, 5], [6, 6]),  # nor here
        ([1, 4], [2, 3]),  # nor would the sum
        ([5, 0], [5]),  # a checksum of zero: only the count
    ],
)
def test_different_rows_have_different_digests(one: list[int], other: list[int]) -> None:
    key = ChunkKey(ETH, 0)
    tables = [add(empty(), [(1, 7, checksum) for checksum in rows]) for rows in (one, other)]
    assert tables[0].get(key) != tables[1].get(key)


def test_a_chunk_is_4096_sequences_counted_from_zero() -> None:
    table = add(empty(), [(1, 0, 1), (1, 4095, 2), (1, 4096, 4), (1, U64, 8)])
    assert {key.chunk: digest.sum for key, digest in table.items()} == {0: 3, 1: 4, U64 // 4096: 8}
    assert (ChunkKey(ETH, 1).first, ChunkKey(ETH, 1).last) == (4096, 8191)
    assert ChunkKey(ETH, U64 // 4096).last == U64


def test_an_earlier_runs_rows_are_left_out_even_in_the_runs_own_first_chunk() -> None:
    table = add(empty(), [(0, CHUNK - 3, 1), (0, CHUNK - 2, 2), (1, 0, 4), (2, 0, 8)])
    assert {key: digest.sum for key, digest in table.items()} == {
        ChunkKey(BTC, 0): 2, ChunkKey(ETH, 0): 4, ChunkKey(STRANGER, 0): 8
    }  # fmt: skip


def test_an_empty_table_has_the_digest_of_nothing_for_every_chunk() -> None:
    table = add(empty(), [])
    assert (len(table), table.rows, table.get(ChunkKey(BTC, 0))) == (0, 0, Digest(0, 0, 0))
    assert ChunkKey(BTC, 0) not in table


def test_a_table_holds_the_chunks_that_it_has_rows_of() -> None:
    table = add(empty(), [(0, CHUNK, 5)])
    assert ChunkKey(BTC, 1) in table
    assert not [key for key in (ChunkKey(BTC, 0), ChunkKey(ETH, 1), ChunkKey(BTC, -1)) if key in table]


def test_a_table_says_from_which_sequences_on_it_was_gathered() -> None:
    assert empty().first == FIRST


@pytest.mark.parametrize("other", [0, 1])
def test_an_earlier_runs_rows_are_left_out_however_large_the_sequences_are(other: int) -> None:
    for first in (1 << 60, (1 << 63) + 1):
        table = DigestTable((BTC, ETH), {BTC: first, ETH: other})
        add(table, [(0, first - 1, 1), (0, first, 2), (0, first + 1, 4), (1, 0, 8), (1, 1, 16)])
        assert sum(d.sum for k, d in table.items() if k.feed == BTC) == 6
        assert table.get(ChunkKey(ETH, 0)).sum == 24 - 8 * other


def test_a_merged_table_knows_the_feeds_of_both() -> None:
    merged = DigestTable((BTC, ETH), FIRST).merge(add(empty(), [(2, 7, 8)]))
    assert [merged.feeds[i] for i in range(len(merged.feeds))] == list(FEEDS)
    assert add(merged, [(2, 8, 1)]).get(ChunkKey(STRANGER, 0)) == Digest(2, 9, 9)


def test_a_chunk_that_comes_in_several_rows_of_a_result_is_one() -> None:
    table = empty()
    table.add_digests(
        ["binance"] * 4, ["BTC/USDT"] * 4, [2, 1, 2, 2], [1, 2, 3, 4], [5, 6, U64, 7], [8, 9, 8, 1]
    )
    assert dict(table.items()) == {ChunkKey(BTC, 1): Digest(2, 6, 9), ChunkKey(BTC, 2): Digest(8, 11, 1)}
    assert (len(table), table.rows) == (2, 10)


def test_a_digest_of_no_rows_leaves_the_chunk_empty() -> None:
    table = empty()
    table.add_digests(["binance"], ["BTC/USDT"], [1], [0], [5], [5])
    assert ChunkKey(BTC, 1) not in table


def add_one(**columns: Any) -> None:
    whole = {
        "exchanges": ["binance"], "symbols": ["BTC/USDT"], "chunks": [1], "counts": [2], "sums": [3], "xors": [4]
    }  # fmt: skip
    empty().add_digests(**{**whole, **columns})


@pytest.mark.parametrize("column", ["chunks", "counts", "sums", "xors"])
@pytest.mark.parametrize("value", [None, 1.0, Decimal(1), "1", float("nan"), np.float64(2**60)])
def test_a_digest_that_is_no_whole_number_is_an_error_and_not_rounded(column: str, value: object) -> None:
    told = f"'{column[:-1]}' must hold whole numbers"
    with pytest.raises(ReaderError, match=told):
        add_one(**{column: [value]})
    if not isinstance(value, str):
        with pytest.raises(ReaderError, match=told):
            add_one(**{column: np.array([value])})


@pytest.mark.parametrize(
    "columns",
    [
        {"chunks": [-1]},
        {"chunks": [U64 // CHUNK + 1]},
        {"counts": [-2]},
        {"counts": [1 << 63]},
        {"counts": [(1 << 40) + 1]},
        {"exchanges": [None]},
        {"symbols": [5]},
        {"exchanges": []},
        {"sums": []},
        {"xors": [4, 4]},
    ],
)
def test_a_result_that_can_not_be_is_an_error(columns: dict[str, list[Any]]) -> None:
    with pytest.raises(ReaderError):
        add_one(**columns)


def test_as_many_rows_in_a_chunk_as_are_believed_are_taken() -> None:
    table = empty()
    table.add_digests(["binance"], ["BTC/USDT"], [1], [1 << 40], [5], [5])
    assert table.rows == 1 << 40


ONE, TWO = np.array([1], dtype=np.uint64), np.array([1, 2], dtype=np.uint64)


@pytest.mark.parametrize(
    ("feeds", "sequences", "checksums"),
    [
        (np.array([0]), ONE.astype(np.int64), ONE),
        (np.array([0]), ONE, ONE.astype(np.float64)),
        (np.array([0, 0]), ONE, ONE),
        (np.array([0]), ONE, np.array([], dtype=np.uint64)),
        (np.array([-1]), ONE, ONE),
        (np.array([3]), ONE, ONE),
        (np.array([-1, 0]), TWO, TWO),
        (np.array([0, 3]), TWO, TWO),
    ],
)
def test_rows_that_can_not_be_are_an_error(feeds: Any, sequences: Any, checksums: Any) -> None:
    with pytest.raises(ReaderError):
        empty().add(feeds, sequences, checksums)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**64 - 1) | st.integers(0, 10**6)), max_size=50))
def test_rows_are_grouped_alike_whether_sorted_by_counting_or_not(rows: list[tuple[int, int]]) -> None:
    feeds = np.array([feed for feed, _ in rows], dtype=np.intp)
    sequences = np.array([sequence for _, sequence in rows], dtype=np.uint64)
    assert group_by_chunk(feeds, sequences).order.tolist() == np.lexsort((sequences // np.uint64(CHUNK), feeds)).tolist()  # fmt: skip


# Where the smaller keys of the faster sort end.
@pytest.mark.parametrize(
    "rows",
    [
        [(0, (1 << 16) - 1), (0, 0)],
        [(0, 1 << 16), (0, 0)],
        [(1, 0), (0, (1 << 16) - 1), (0, 0)],
        [(1, 39_999), (0, 39_999), (1, 0), (0, 0)],
        [(1, (1 << 15) - 1), (0, 0), (1, 0), (0, (1 << 15) - 1)],
        [(0, (1 << 15) + i) for i in (1, -1, 2, 0)],
        [(0, (1 << 52) - 1), (0, 0)],
    ],
)
def test_rows_are_grouped_by_feed_and_chunk_however_far_the_chunks_are_apart(
    rows: list[tuple[int, int]],
) -> None:
    feeds = np.array([feed for feed, _ in rows], dtype=np.intp)
    sequences = np.array([chunk * CHUNK for _, chunk in rows], dtype=np.uint64)
    groups = group_by_chunk(feeds, sequences)
    assert list(zip(groups.feeds.tolist(), groups.chunks.tolist(), strict=True)) == sorted(rows)


def test_many_rows_of_a_chunk_stay_in_their_order() -> None:
    feeds = np.arange(5000, dtype=np.intp) * 7 % 3
    groups = group_by_chunk(feeds, np.arange(5000, dtype=np.uint64) % np.uint64(100))
    assert groups.order.tolist() == sorted(range(5000), key=lambda row: feeds[row])
