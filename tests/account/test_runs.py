"""What the runs tell is what the rows would have told, whatever a tier holds."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.account import account_tier
from chaosp7.account.checksum import mix
from chaosp7.account.classes import TierAccount
from chaosp7.account.digest import CHUNK, ChunkKey
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.account.pieces import BITS, PIECE, PIECES, ChunkPieces
from chaosp7.account.ranges import from_ranges
from chaosp7.account.rows import Rows
from chaosp7.account.runs import ChunkRuns
from chaosp7.account.sent import RunRecords, expected, record_checksums
from chaosp7.errors import ReaderError

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "ETH/USD"))
STRANGER = Feed("nobody", "X/Y")
FIRST = (CHUNK - 9, 2 * CHUNK + 5)

#: Feed (2: one that nobody knows), sequence, what its checksum is changed by.
Row = tuple[int, int, int]


def sent_run(count: int, closed: bool = True) -> RunRecords:
    records = np.zeros(2 * count, dtype=RECORD)
    records["feed"] = np.arange(2 * count) % 2
    records["sequence"] = np.arange(2 * count) // 2 + np.where(records["feed"] == 0, *FIRST)
    records["price_e8"] = np.arange(2 * count) * 1000 + 7
    records["sent_ns"] = np.arange(2 * count)
    records["reached"] = 1
    return RunRecords(FEEDS, FIRST, lambda: [records], closed)


def scrambled(row: Row) -> int:
    """Return what a wrong field changes a checksum by: all of its bits, and of each message others."""
    feed, sequence, change = row
    if not change:
        return 0
    return int(mix(np.array([(feed << 40) + (sequence << 4) + change], dtype=np.uint64))[0])


class Tier:
    """A tier as a list of rows, which counts those asked for."""

    def __init__(self, run: RunRecords, rows: Sequence[Row]) -> None:
        self.run = run
        right = {}
        for block in run.blocks():
            sums = record_checksums(block).tolist()
            right = dict(
                zip(zip(block["feed"].tolist(), block["sequence"].tolist(), strict=True), sums, strict=True)
            )
        self.feeds = np.array([row[0] for row in rows], dtype=np.intp)
        self.sequences = np.array([row[1] for row in rows], dtype=np.uint64)
        self.checksums = np.array([right.get(row[:2], 99) ^ scrambled(row) for row in rows], dtype=np.uint64)
        self.fetched = 0

    def account(
        self,
        *,
        by_runs: bool,
        by_pieces: bool = False,
        until_ns: int | None = None,
        settled: bool | None = None,
    ) -> TierAccount:
        sent = expected(self.run, until_ns)
        table = sent.table()
        table.feeds.index(STRANGER)
        table.add(self.feeds, self.sequences, self.checksums)
        runs = self.runs if by_runs else None
        pieces = self.pieces if by_pieces else None
        return account_tier(
            "tier", self.run, sent, table, self.rows, runs=runs, pieces=pieces, settled=settled
        )

    def _of(self, key: ChunkKey) -> tuple[np.ndarray, np.ndarray]:
        feed = (*FEEDS, STRANGER).index(key.feed)
        first = (*FIRST, 0)[feed]
        mine = (self.feeds == feed) & (self.sequences // np.uint64(CHUNK) == key.chunk)
        mine &= self.sequences >= np.uint64(first)
        return self.sequences[mine], self.checksums[mine]

    def rows(self, keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        for key in keys:
            sequences, checksums = self._of(key)
            self.fetched += len(sequences)
            feed = (*FEEDS, STRANGER).index(key.feed)
            yield Rows(np.full(len(sequences), feed, dtype=np.intp), sequences, checksums)

    def runs(self, keys: Sequence[ChunkKey]) -> Iterable[ChunkRuns]:
        for key in keys:
            sequences, _ = self._of(key)
            copies = Counter((sequences - np.uint64(key.first)).astype(int).tolist())
            firsts, lasts = [], []
            for layer in range(1, max(copies.values(), default=0) + 1):
                there = {place for place, n in copies.items() if n >= layer}
                firsts += sorted(place for place in there if place - 1 not in there)
                lasts += sorted(place for place in there if place + 1 not in there)
            yield ChunkRuns(key, len(sequences), firsts, lasts)

    def pieces(self, keys: Sequence[ChunkKey]) -> Iterable[ChunkPieces]:
        for key in keys:
            xors = np.zeros((PIECES, 1 + BITS), dtype=np.uint64)
            for sequence, sum_ in zip(*self._of(key), strict=True):
                piece, place = divmod(int(sequence) - key.first, PIECE)
                xors[piece, [0, *(1 + bit for bit in range(BITS) if place >> bit & 1)]] ^= sum_
            yield ChunkPieces(key, xors)


def all_rows(count: int) -> list[Row]:
    return [(feed, FIRST[feed] + i, 0) for feed in (0, 1) for i in range(count)]


def without(*places: int) -> list[Row]:
    """Return the rows of both feeds, 100 each, less some of the first."""
    return [row for i, row in enumerate(all_rows(100)) if i not in places]


@settings(max_examples=300, deadline=None)
@given(
    count=st.integers(1, 40),
    copies=st.dictionaries(st.integers(0, 79), st.integers(0, 3), max_size=12),
    wrong=st.dictionaries(st.integers(0, 79), st.integers(1, 3), max_size=3),
    wrong_copies=st.dictionaries(st.integers(0, 79), st.integers(1, 3), max_size=3),
    strays=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5 * CHUNK), st.just(0)), max_size=5),
    until_ns=st.none() | st.integers(1, 80),
    closed=st.booleans(),
)
def test_runs_and_rows_give_the_same_account(
    count: int,
    copies: dict[int, int],
    wrong: dict[int, int],
    wrong_copies: dict[int, int],
    strays: list[Row],
    until_ns: int | None,
    closed: bool,
) -> None:
    rows: list[Row] = []
    for i, (feed, sequence, _) in enumerate(all_rows(count)):
        rows += [(feed, sequence, wrong.get(i, 0))] * copies.get(i, 1)
        if i in wrong_copies:
            rows.append((feed, sequence, wrong_copies[i]))
    tier = Tier(sent_run(count, closed), rows + strays)
    by_rows = tier.account(by_runs=False, until_ns=until_ns)
    assert tier.account(by_runs=True, until_ns=until_ns) == by_rows
    assert tier.account(by_runs=True, by_pieces=True, until_ns=until_ns) == by_rows


def test_what_is_missing_or_doubled_needs_no_row() -> None:
    rows = all_rows(9000)
    tier = Tier(sent_run(9000), [*rows[:100], *rows[107:], *rows[8500:8600], *rows[8500:8550], (2, 7, 0)])
    found = tier.account(by_runs=True)
    assert found.lost == {FEEDS[0]: from_ranges([(FIRST[0] + 100, FIRST[0] + 106)])}
    assert found.duplicated == {FEEDS[0]: from_ranges([(FIRST[0] + 8500, FIRST[0] + 8599)])}
    assert (found.counts.surplus, found.counts.unexpected) == (150, 1)
    assert tier.fetched == 0


def test_only_the_chunk_with_a_wrong_message_is_fetched() -> None:
    rows = all_rows(9000)
    rows[50] = (*rows[50][:2], 1)
    del rows[12000]
    tier = Tier(sent_run(9000), rows)
    found = tier.account(by_runs=True)
    assert found.corrupted == {FEEDS[0]: from_ranges([(FIRST[0] + 50, FIRST[0] + 50)])}
    assert found.counts.lost == 1
    assert tier.fetched == CHUNK


@settings(max_examples=60, deadline=None)
@given(
    wrong=st.dictionaries(st.integers(0, 5 * PIECE - 1), st.integers(1, 3), min_size=1, max_size=5),
    copies=st.dictionaries(st.integers(0, 5 * PIECE - 1), st.sampled_from([0, 2, 3]), max_size=5),
)
def test_one_wrong_message_in_a_piece_needs_no_row(wrong: dict[int, int], copies: dict[int, int]) -> None:
    rows = all_rows(5 * PIECE)[: 5 * PIECE]
    planted = {(FIRST[0] + i) // PIECE: i for i in wrong if copies.get(i, 1)}  # the last one of each piece
    rows = [row for i, row in enumerate(rows) for _ in range(copies.get(i, 1))]
    for i in planted.values():
        at = rows.index((0, FIRST[0] + i, 0))
        rows[at] = (*rows[at][:2], wrong[i])
    tier = Tier(sent_run(5 * PIECE), [*rows, *(row for row in all_rows(5 * PIECE) if row[0] == 1)])
    found = tier.account(by_runs=True, by_pieces=True)
    assert list(found.corrupted.get(FEEDS[0], ())) == sorted(FIRST[0] + i for i in planted.values())
    assert tier.fetched == 0
    assert found == tier.account(by_runs=False)


@pytest.mark.parametrize(
    "wrong",
    [
        [(0, 9000, 1), (0, 9001, 1)],  # two in one piece
        [(0, 9000, 1), (0, 9000, 2)],  # two copies of one message, both wrong
        [(0, 9000, 1), (0, 9000, 1)],  # and alike, which no XOR shows
        [(0, 9000, 1), (0, 9000, 1), (0, 9000, 1)],
    ],
)
def test_what_the_pieces_do_not_name_is_found_by_rows(wrong: list[Row]) -> None:
    places = {sequence for _, sequence, _ in wrong}
    rows = [row for row in all_rows(9000) if row[0] == 1 or row[1] not in places]
    tier = Tier(sent_run(9000), rows + wrong)
    found = tier.account(by_runs=True, by_pieces=True)
    assert list(found.corrupted[FEEDS[0]]) == sorted(places)
    assert found.counts.surplus == len(wrong) - len(places)
    assert tier.fetched > 0


def test_pieces_of_other_rows_than_those_digested_name_nothing() -> None:
    rows = all_rows(100)
    rows[50] = (*rows[50][:2], 1)
    tier = Tier(sent_run(100), rows)
    moved = Tier(sent_run(100), [*rows[:50], (*rows[50][:2], 2), *rows[51:]])
    tier.pieces = moved.pieces  # type: ignore[method-assign]
    assert tier.account(by_runs=True, by_pieces=True) == tier.account(by_runs=False)
    assert tier.fetched > 0


@pytest.mark.parametrize("settled", [True, False])
def test_runs_of_fewer_rows_than_those_digested_give_no_account(settled: bool) -> None:
    tier = Tier(sent_run(100), without(1, 5))
    tier.runs = Tier(sent_run(100), without(1, 5, 6)).runs  # type: ignore[method-assign]
    with pytest.raises(ReaderError, match="still moves"):
        tier.account(by_runs=True, settled=settled)


def test_runs_of_more_rows_than_those_digested_give_an_account_only_where_more_may_come() -> None:
    tier, more = Tier(sent_run(100), without(1, 5, 7)), Tier(sent_run(100), without(1, 5))
    tier.runs, tier.rows = more.runs, more.rows  # type: ignore[method-assign]
    with pytest.raises(ReaderError, match="still moves"):
        tier.account(by_runs=True)
    found = tier.account(by_runs=True, settled=False)
    assert found == more.account(by_runs=True)
    assert more.fetched > 0, "what runs of later rows can't explain is found by rows"


@pytest.mark.parametrize("by_pieces", [False, True])
def test_runs_of_other_places_than_those_digested_explain_nothing(by_pieces: bool) -> None:
    tier = Tier(sent_run(100), without(50, 70))
    tier.runs = Tier(sent_run(100), without(60, 70)).runs  # type: ignore[method-assign]
    found = tier.account(by_runs=True, by_pieces=by_pieces)
    assert list(found.lost[FEEDS[0]]) == [FIRST[0] + 50, FIRST[0] + 70]
    assert found == tier.account(by_runs=False)


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("length", [1, 7, 50])
def test_one_gap_or_one_doubled_stretch_of_a_chunk_asks_nothing_more_of_the_tier(
    length: int, doubled: bool
) -> None:
    rows = all_rows(9000)
    stretch = rows[100 : 100 + length]
    tier = Tier(sent_run(9000), rows + stretch if doubled else [*rows[:100], *rows[100 + length :]])
    tier.runs = tier.pieces = lambda _keys: pytest.fail("it was asked")  # type: ignore[method-assign]
    found = tier.account(by_runs=True, by_pieces=True)
    wanted = {FEEDS[0]: from_ranges([(FIRST[0] + 100, FIRST[0] + 99 + length)])}
    assert (found.duplicated, found.lost) == ((wanted, {}) if doubled else ({}, wanted))
    assert found == tier.account(by_runs=False)


def test_the_layers_of_a_chunk_make_up_how_often_each_place_is_there() -> None:
    firsts, lasts = [0, 9, 9, 10, CHUNK - 2, CHUNK - 1], [3, 12, 9, 10, CHUNK - 1, CHUNK - 1]
    copies = ChunkRuns(ChunkKey(FEEDS[0], 0), 1, firsts, lasts).copies()
    wanted = Counter({0: 1, 1: 1, 2: 1, 3: 1, 9: 2, 10: 2, 11: 1, 12: 1, CHUNK - 2: 1, CHUNK - 1: 2})
    assert (copies.dtype, copies.tolist()) == (np.uint64, [wanted[place] for place in range(CHUNK)])


@pytest.mark.parametrize(("firsts", "lasts"), [([0], []), ([5], [4]), ([0], [CHUNK]), ([-1], [3])])
def test_what_is_no_run_is_refused(firsts: list[int], lasts: list[int]) -> None:
    with pytest.raises(ReaderError):
        ChunkRuns(ChunkKey(FEEDS[0], 0), 1, firsts, lasts).copies()
