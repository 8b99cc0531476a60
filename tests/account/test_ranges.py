"""Ranges say exactly what is in a set, however large the set and its numbers are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account import ranges as ranges_module
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.ranges import SequenceRange, bounded, from_ranges, locate, ranges, text
from chaosp7.account.sent import RunRecords
from chaosp7.errors import LedgerError

BTC, ETH, STRANGER = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT"), Feed("kraken", "BTC/USD")
U64 = (1 << 64) - 1

sequences = st.sets(st.integers(0, 40) | st.integers(U64 - 20, U64) | st.integers(1 << 63, (1 << 63) + 5))


def naive(numbers: set[int]) -> list[tuple[int, int]]:
    result: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if result and result[-1][1] == number - 1:
            result[-1] = (result[-1][0], number)
        else:
            result.append((number, number))
    return result


@settings(max_examples=250, deadline=None)
@given(numbers=sequences, window=st.integers(1, 9))
def test_ranges_are_those_that_a_loop_finds_wherever_the_windows_fall(numbers: set[int], window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges_module, "_WINDOW", window)
        found = list(ranges(BitMap64(numbers)))
    assert found == naive(numbers)
    assert sum(r.size for r in found) == len(numbers)
    assert set(from_ranges(found)) == numbers


def test_a_range_from_zero_on_is_one_wherever_the_windows_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges_module, "_WINDOW", 1)
    assert list(ranges(BitMap64([0, 1, 2, 5]))) == [(0, 2), (5, 5)]


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=6))
def test_a_set_of_overlapping_ranges_holds_each_of_their_sequences(parts: list[tuple[int, int]]) -> None:
    pairs = [(first, first + more) for first, more in parts]
    assert set(from_ranges(pairs)) == {s for first, last in pairs for s in range(first, last + 1)}


@settings(max_examples=100, deadline=None)
@given(numbers=sequences, limit=st.integers(0, 5))
def test_what_is_left_out_of_bounded_ranges_is_counted(numbers: set[int], limit: int) -> None:
    found = bounded(BitMap64(numbers), limit)
    assert list(found.ranges) == naive(numbers)[:limit]
    assert len(found.ranges) + found.left_out == len(naive(numbers))
    assert found.sequences == len(numbers)


def test_a_range_that_ends_before_it_begins_is_no_range() -> None:
    with pytest.raises(ValueError, match="5-4"):
        from_ranges([(1, 2), (5, 4)])


def test_a_million_lost_messages_are_one_range() -> None:
    lost = from_ranges([(77, 1_000_076)])
    assert list(ranges(lost)) == [SequenceRange(77, 1_000_076)]
    assert text(lost) == "77-1000076"


@pytest.mark.parametrize(
    ("numbers", "limit", "wanted"),
    [
        (set(), 10, "none"),
        (set(), 0, "none"),
        ({0}, 10, "0"),
        ({4, 5, 6, 9}, 2, "4-6, 9"),
        ({4, 5, 6, 9}, 1, "4-6 and 1 more range (4 sequences)"),
        ({1, 3, 5, 7}, 2, "1, 3 and 2 more ranges (4 sequences)"),
        ({1, 3}, 0, "2 more ranges (2 sequences)"),
    ],
)
def test_a_set_in_words(numbers: set[int], limit: int, wanted: str) -> None:
    assert text(BitMap64(numbers), limit) == wanted


def test_a_set_in_words_names_ten_ranges_unless_told_otherwise() -> None:
    wanted = ", ".join(map(str, range(0, 20, 2)))
    assert text(BitMap64(range(0, 24, 2))) == f"{wanted} and 2 more ranges (12 sequences)"


def run_of(btc_first: int, btc: int, eth: int, block: int) -> RunRecords:
    """Return a run of two feeds; every message is sent at a time of its own."""
    records = np.zeros(btc + eth, dtype=RECORD)
    records["feed"][btc:] = 1
    records["sequence"] = [*range(btc_first, btc_first + btc), *range(eth)]
    # Any order of the feeds will do, as long as each one counts on.
    records = records[np.argsort(records["sequence"] % 7919, kind="stable")] if not btc_first else records
    records["sent_ns"] = np.arange(len(records)) * 10 + 3

    def blocks() -> list[Records]:
        return [records[i : i + block] for i in range(0, len(records), block)]

    return RunRecords((BTC, ETH), (btc_first, 0), blocks)


@settings(max_examples=100, deadline=None)
@given(
    first=st.integers(0, 3),
    btc=st.integers(1, 20),
    eth=st.integers(0, 20),
    block=st.integers(1, 9),
    limit=st.integers(0, 4),
    data=st.data(),
)
def test_each_range_is_located_at_the_send_times_of_its_ends(
    first: int, btc: int, eth: int, block: int, limit: int, data: st.DataObject
) -> None:
    run = run_of(first, btc, eth, block)
    sent_ns = {
        (run.feeds[record["feed"]], int(record["sequence"])): int(record["sent_ns"])
        for records in run.blocks()
        for record in records
    }
    lost = data.draw(st.sets(st.sampled_from(sorted(sent_ns))))
    of_feed = {feed: {s for f, s in lost if f == feed} for feed in run.feeds}
    located, left_out = locate(run, {feed: BitMap64(found) for feed, found in of_feed.items()}, limit)
    assert [(r.feed, r.range, r.sent_first_ns, r.sent_last_ns) for r in located] == [
        (feed, (low, high), sent_ns[feed, low], sent_ns[feed, high])
        for feed in run.feeds
        for low, high in naive(of_feed[feed])[:limit]
    ]
    assert len(located) + left_out == sum(len(naive(found)) for found in of_feed.values())


def test_nothing_lost_is_located_nowhere() -> None:
    assert locate(run_of(1, 5, 5, 3), {}, 50) == ((), 0)


def test_a_feed_without_a_lost_message_needs_no_ledger() -> None:
    assert locate(run_of(1, 5, 5, 3), {STRANGER: BitMap64()}, 50) == ((), 0)


def test_what_only_a_later_feed_lost_is_located_too() -> None:
    (found,), _ = locate(run_of(1, 5, 5, 20), {ETH: BitMap64([2, 3])}, 50)
    assert (found.feed, found.range, found.sent_first_ns, found.sent_last_ns) == (ETH, (2, 3), 73, 83)


@pytest.mark.parametrize("first", [1 << 60, (1 << 63) - 2])
def test_sequences_beyond_the_exact_floats_are_located_exactly(first: int) -> None:
    (one, other), _ = locate(run_of(first, 8, 0, 5), {BTC: BitMap64([first + 1, first + 4, first + 5])}, 50)
    assert (one.range, one.sent_first_ns) == ((first + 1, first + 1), 13)
    assert (other.range, other.sent_first_ns, other.sent_last_ns) == ((first + 4, first + 5), 43, 53)


@pytest.mark.parametrize(("feed", "sequence"), [(BTC, 6), (BTC, 0), (ETH, U64), (STRANGER, 1)])
def test_a_lost_message_that_is_not_in_the_ledger_is_an_error(feed: Feed, sequence: int) -> None:
    with pytest.raises(LedgerError, match="isn't in the ledger"):
        locate(run_of(1, 5, 5, 3), {BTC: BitMap64([2]), feed: BitMap64([sequence])}, 50)
