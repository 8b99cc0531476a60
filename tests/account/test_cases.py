"""A chunk's case says of each message what a list of its rows says, by rows, by runs or by pieces."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosp7.account.cases import ChunkCase
from chaosp7.account.checksum import U64Array, mix
from chaosp7.account.digest import CHUNK, ChunkKey, Digest
from chaosp7.account.feeds import Feed
from chaosp7.account.pieces import PIECE, piece_xors
from chaosp7.account.sent import Bounds, SentChunk

NUMBER = 3
KEY = ChunkKey(Feed("binance", "BTC/USDT"), NUMBER)
U64 = (1 << 64) - 1

#: Place in the chunk, and what is wrong with it: 0 is nothing.
Row = tuple[int, int]


def checksum_of(place: int, change: int = 0) -> int:
    """Return a checksum as good as the real one: what is wrong changes all of its bits."""
    return int(mix(np.array([(change << 20) + place + 1], dtype=np.uint64))[0])


@dataclass(frozen=True)
class Model:
    """A chunk of which the messages at the places ``first..last`` are accounted for.

    The source has sent up to `end`, and may be sending on if `growing`.
    """

    first: int
    last: int
    end: int
    growing: bool = False

    def case(self) -> ChunkCase:
        checksums = np.array(
            [checksum_of(place) for place in range(self.first, self.last + 1)], dtype=np.uint64
        )
        bounds = Bounds(KEY.first + self.first, KEY.first + self.last, KEY.first + self.end)
        sent = SentChunk(KEY, KEY.first + self.first, checksums) if len(checksums) else None
        return ChunkCase(KEY, bounds, self.growing, sent)

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that are the run's, each with its checksum."""
        return [(place, checksum_of(place, change)) for place, change in rows if place >= self.first]

    def check(self, case: ChunkCase, rows: Sequence[Row]) -> None:
        copies: dict[int, list[int]] = {}
        for place, change in rows:
            if place >= self.first:
                copies.setdefault(place, []).append(change)
        sent = {place: copies.get(place, []) for place in range(self.first, self.last + 1)}
        above = {p: c for p, c in copies.items() if p > self.end and not self.growing}
        assert places(case.lost()) == {p for p, c in sent.items() if not c}
        assert places(case.corrupted()) == {p for p, c in sent.items() if any(c)}
        assert places(case.duplicated()) == {p for p, c in sent.items() if len(c) > 1 and not any(c)}
        assert places(case.unexpected) == set(above)
        assert case.unexpected_rows == sum(map(len, above.values()))
        assert case.surplus == sum(max(0, len(c) - 1) for c in sent.values())
        assert case.digest == digest_of(self.rows(rows))


def places(sequences: Sequence[int]) -> set[int]:
    return {sequence - KEY.first for sequence in sequences}


def digest_of(rows: Sequence[Row]) -> Digest:
    sums = [checksum for _, checksum in rows]
    return Digest(len(sums), sum(sums) & U64, reduce(xor, sums, 0))


def copies_of(rows: Sequence[Row]) -> U64Array:
    return np.bincount([place for place, _ in rows], minlength=CHUNK).astype(np.uint64)


def xors_of(rows: Sequence[Row]) -> U64Array:
    whole = np.zeros(CHUNK, dtype=np.uint64)
    for place, checksum in rows:
        whole[place] ^= np.uint64(checksum)
    return piece_xors(whole)


def examined(model: Model, rows: Sequence[Row], part: int = 3) -> ChunkCase:
    case = model.case()
    # An earlier run's rows come too: the table may hold them.
    given_rows = [(place, checksum_of(place, change)) for place, change in rows]
    for begin in range(0, len(rows), part):
        some = given_rows[begin : begin + part]
        case.examine(
            np.array([KEY.first + place for place, _ in some], dtype=np.uint64),
            np.array([checksum for _, checksum in some], dtype=np.uint64),
        )
    return case


#: Nothing accounted for, a few messages, all of a chunk's first ones; with and without some beyond a cut.
models = st.builds(
    lambda first, count, more, growing: Model(first, first + count - 1, first + count - 1 + more, growing),
    st.sampled_from([0, 1, 5]),
    st.integers(0, 6),
    st.sampled_from([0, 0, 2]),
    st.booleans(),
)
some_rows = st.lists(
    st.tuples(st.integers(0, 15) | st.just(CHUNK - 1), st.sampled_from([0, 0, 0, 1, 2])), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(model=models, rows=some_rows, part=st.integers(1, 25))
def test_rows_are_classed_as_a_list_of_them_would_be_in_any_pieces(
    model: Model, rows: list[Row], part: int
) -> None:
    model.check(examined(model, rows, part), rows)


@settings(max_examples=150, deadline=None)
@given(model=models, rows=some_rows)
def test_what_the_runs_explain_is_what_the_rows_say_and_they_explain_nothing_that_is_wrong(
    model: Model, rows: list[Row]
) -> None:
    mine = model.rows(rows)
    case = model.case()
    if case.explain(digest_of(mine), copies_of(mine)):
        model.check(case, rows)
    else:
        inside = [change for place, change in rows if model.first <= place <= model.last]
        beyond = [place for place, _ in mine if place > model.last]
        assert any(inside) or (beyond and model.last >= model.first)
        assert case.digest == Digest(0, 0, 0)
        model.check(examined(model, rows), rows)


@settings(max_examples=150, deadline=None)
@given(model=models, rows=some_rows)
def test_what_a_digest_spells_is_what_the_rows_say(model: Model, rows: list[Row]) -> None:
    case = model.case()
    if case.solve(digest_of(model.rows(rows))):
        model.check(case, rows)
    else:
        assert (case.digest, case.surplus) == (Digest(0, 0, 0), 0)
        model.check(examined(model, rows), rows)


@pytest.mark.parametrize("first", [0, 1, CHUNK - 6])
@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("stretch", [(0, 0), (1, 3), (2, 5)])
def test_one_gap_and_one_doubled_stretch_are_spelt_by_the_digest(
    first: int, count: int, stretch: tuple[int, int]
) -> None:
    model = Model(first, first + 5, first + 5)
    rows = [(first + i, 0) for i in range(6) for _ in range(count if stretch[0] <= i <= stretch[1] else 1)]
    case = model.case()
    assert case.solve(digest_of(model.rows(rows)))
    model.check(case, rows)


@settings(max_examples=150, deadline=None)
@given(
    first=st.sampled_from([0, 1, PIECE - 3, CHUNK - 6]),
    copies=st.dictionaries(st.integers(0, 5), st.integers(0, 4), max_size=4),
    wrong=st.dictionaries(st.integers(0, 5), st.sampled_from([1, 2, 3]), max_size=3),
)
def test_wrong_messages_that_the_pieces_name_are_those_that_are_wrong(
    first: int, copies: dict[int, int], wrong: dict[int, int]
) -> None:
    model = Model(first, first + 5, first + 5)
    rows = [(first + i, 0) for i in range(6) for _ in range(copies.get(i, 1))]
    planted = {first + i: change for i, change in wrong.items() if copies.get(i, 1)}
    for place, change in planted.items():
        rows[rows.index((place, 0))] = (place, change)
    mine = model.rows(rows)
    case = model.case()
    named = case.name(digest_of(mine), copies_of(mine), xors_of(mine))
    if named:
        model.check(case, rows)
    in_pieces = [place // PIECE for place in planted]
    if len(set(in_pieces)) == len(in_pieces):
        assert named


ALL = [(place, 0) for place in range(2, 8)]
SIX = Model(2, 7, 7)


def with_row(place: int, change: int) -> list[Row]:
    return [(p, change if p == place else 0) for p, _ in ALL]


@pytest.mark.parametrize("place", [2, 7])
def test_the_first_and_the_last_message_of_a_chunk_are_named_too(place: int) -> None:
    rows, case = with_row(place, 5), SIX.case()
    mine = SIX.rows(rows)
    assert case.name(digest_of(mine), copies_of(mine), xors_of(mine))
    SIX.check(case, rows)


@pytest.mark.parametrize("place", [0, 1, 8, 2 * PIECE])
def test_a_wrong_place_where_nothing_was_sent_is_not_named(place: int) -> None:
    mine, case = SIX.rows(ALL), SIX.case()
    xors = xors_of([*mine, (place, 5)])
    # As if the digest agreed: only the place tells that it can't be.
    told = digest_of(mine)
    assert not case.name(Digest(told.count, told.sum, told.xor ^ 5), copies_of(mine), xors)
    assert not case.corrupted()


# The digest is that of another message being wrong, so that the place alone can tell.
@pytest.mark.parametrize(
    ("model", "wrong", "instead"),
    [
        (SIX, {0: 5}, {6: 5}),
        (SIX, {1: 5}, {7: 5}),
        (Model(PIECE - 3, PIECE + 2, PIECE + 2), {PIECE - 4: 5, PIECE + 1: 9}, {PIECE + 2: 5, PIECE + 1: 9}),
        (Model(PIECE - 3, PIECE + 2, PIECE + 2), {PIECE - 2: 5, PIECE + 3: 9}, {PIECE - 2: 5, PIECE: 9}),
    ],
)
def test_a_place_outside_of_what_was_sent_does_not_pass_for_another_message(
    model: Model, wrong: dict[int, int], instead: dict[int, int]
) -> None:
    mine = [(place, checksum_of(place)) for place in range(model.first, model.last + 1)]
    damaged = [(place, checksum ^ instead.get(place, 0)) for place, checksum in mine]
    case = model.case()
    assert not case.name(digest_of(damaged), copies_of(mine), xors_of([*mine, *wrong.items()]))
    if len({place // PIECE for place in instead}) == len(instead):
        assert case.name(digest_of(damaged), copies_of(mine), xors_of(damaged))


def test_a_wrong_message_that_is_not_there_is_not_named() -> None:
    mine, case = SIX.rows(ALL[1:]), SIX.case()
    told = digest_of(mine)
    wrong = checksum_of(2) ^ 5
    given_digest = Digest(told.count, (told.sum + wrong - checksum_of(2)) & U64, told.xor ^ 5)
    assert not case.name(given_digest, copies_of(mine), xors_of([*mine, (2, 5)]))


@pytest.mark.parametrize("what", ["count", "sum", "xor"])
def test_what_differs_from_the_digest_in_one_number_alone_is_not_taken(what: str) -> None:
    rows = with_row(4, 5)
    for taken, by_pieces in ((SIX.rows(ALL), False), (SIX.rows(rows), True)):
        told, case = digest_of(taken), SIX.case()
        off = {name: getattr(told, name) + (name == what) for name in ("count", "sum", "xor")}
        copies = copies_of(taken)
        if by_pieces:
            assert not case.name(Digest(**off), copies, xors_of(taken))
        else:
            assert not case.explain(Digest(**off), copies)
        assert (places(case.lost()), case.digest) == (set(range(2, 8)), Digest(0, 0, 0))


@pytest.mark.parametrize("place", [0, 1, 8, CHUNK - 1])
def test_runs_that_do_not_make_up_the_digests_count_explain_nothing(place: int) -> None:
    mine = SIX.rows(ALL)
    copies = copies_of([*mine, (place, 0)])
    assert not SIX.case().explain(digest_of(mine), copies)
    assert not SIX.case().name(digest_of(mine), copies, xors_of(mine))


def test_a_right_row_beside_one_that_was_never_sent_is_not_explained() -> None:
    mine = [*SIX.rows(ALL), (9, 0)]  # a checksum of 0 changes neither sum nor XOR
    for case in (SIX.case(), SIX.case()):
        assert not case.explain(digest_of(mine), copies_of(mine))
        assert not case.name(digest_of(mine), copies_of(mine), xors_of(mine))


@pytest.mark.parametrize("sequence", [0, 1, 5, U64])
def test_every_row_of_a_feed_that_nobody_knows_is_unexpected(sequence: int) -> None:
    key = ChunkKey(Feed("nobody", "X/Y"), sequence // CHUNK)
    one = np.array([sequence], dtype=np.uint64)
    by_rows, by_runs = ChunkCase(key, None, False, None), ChunkCase(key, None, True, None)
    by_rows.examine(one, one)
    copies = np.zeros(CHUNK, dtype=np.uint64)
    copies[sequence - key.first] = 3
    assert by_runs.explain(Digest(3, 7, 7), copies)
    for case, rows in ((by_rows, 1), (by_runs, 3)):
        assert (list(case.unexpected), case.unexpected_rows, case.surplus) == ([sequence], rows, 0)
        assert not case.lost()
    assert not ChunkCase(key, None, True, None).explain(Digest(4, 7, 7), copies)


def test_a_source_that_still_sends_has_nothing_unexpected_up_to_the_last_sequence() -> None:
    key = ChunkKey(KEY.feed, U64 // CHUNK)
    case = ChunkCase(key, Bounds(5, 9, 9), True, None)
    top = np.array([U64], dtype=np.uint64)
    case.examine(top, top)
    assert (list(case.unexpected), case.unexpected_rows) == ([], 0)


@pytest.mark.parametrize(
    ("chunk", "end", "wanted"), [(0, 0, [1, 4]), (0, 1, [4]), (2, 2 * CHUNK + 1, [2 * CHUNK + 4])]
)
def test_of_a_chunk_beyond_the_cut_only_what_the_source_never_sent_is_unexpected(
    chunk: int, end: int, wanted: list[int]
) -> None:
    key = ChunkKey(KEY.feed, chunk)
    sequences = np.array([key.first, key.first + 1, key.first + 4, key.first + 4], dtype=np.uint64)
    by_rows, by_runs = (ChunkCase(key, Bounds(0, -1, end), False, None) for _ in range(2))
    by_rows.examine(sequences, sequences)
    copies = np.bincount(sequences.astype(np.intp) - key.first, minlength=CHUNK).astype(np.uint64)
    assert by_runs.explain(Digest(4, 7, 7), copies)
    for case in (by_rows, by_runs):
        assert (list(case.unexpected), case.unexpected_rows) == (wanted, len(wanted) + 1)
