"""Send times are found by sequence and by time, and a ledger that can't be is refused."""

import numpy as np
import pytest

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.errors import LedgerError
from chaosp7.recovery.sends import SendTimes

BTC, ETH = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT")


def records(first: int, *sent_ns: int, feed: int = 0) -> Records:
    block = np.zeros(len(sent_ns), dtype=RECORD)
    block["feed"], block["sequence"], block["sent_ns"] = feed, first + np.arange(len(sent_ns)), sent_ns
    return block


def test_times_are_found_again_after_the_room_has_grown_several_times() -> None:
    times = SendTimes((BTC, ETH), (100, 7), expect=(1, 1))
    sequence = 100
    for size in (1, 1, 3, 2, 40):
        times.extend(records(sequence, *range(10 * sequence, 10 * (sequence + size), 10)))
        sequence += size
    times.extend(records(7, 5, feed=1))
    assert times.last(0) == 146
    assert [times.sent_ns(0, s) for s in range(100, 147)] == [10 * s for s in range(100, 147)]
    assert (times.sent_ns(1, 7), times.last(1)) == (5, 7)


def test_a_feed_without_messages_ends_before_its_first() -> None:
    assert SendTimes((BTC,), (5,)).last(0) == 4


@pytest.mark.parametrize("sequence", [99, 102, 103])
def test_what_was_not_sent_has_no_time(sequence: int) -> None:
    times = SendTimes.of((BTC,), (100,), [records(100, 1, 2)])
    with pytest.raises(KeyError, match="wasn't sent"):
        times.sent_ns(0, sequence)


@pytest.mark.parametrize(
    ("time_ns", "sequence"), [(0, 100), (10, 100), (11, 101), (20, 101), (21, 103), (30, 103), (31, 104)]
)
def test_the_first_message_from_a_time_on_may_be_sent_at_it(time_ns: int, sequence: int) -> None:
    times = SendTimes.of((BTC,), (100,), [records(100, 10, 20, 20, 30)])
    assert times.first_from(0, time_ns) == sequence


@pytest.mark.parametrize("blocks", [[(1, 3, 2)], [(1, 3), (2, 4)], [(5,), (4,)], [(9, 9, 9, 8)]])
def test_send_times_that_run_backwards_are_refused(blocks: list[tuple[int, ...]]) -> None:
    firsts = [sum(map(len, blocks[:i])) for i in range(len(blocks))]
    given = [records(first, *block) for first, block in zip(firsts, blocks, strict=True)]
    with pytest.raises(LedgerError, match="run backwards"):
        SendTimes.of((BTC,), (0,), given)


def test_messages_sent_at_the_same_moment_are_in_order() -> None:
    assert SendTimes.of((BTC,), (0,), [records(0, 3, 3), records(2, 3)]).last(0) == 2


@pytest.mark.parametrize("first", [0, 2])
def test_a_hole_or_a_repetition_is_refused(first: int) -> None:
    times = SendTimes.of((BTC,), (0,), [records(0, 1)])
    with pytest.raises(LedgerError, match="hole in the sequence"):
        times.extend(records(first, 2))


def test_a_record_of_an_unknown_feed_is_refused() -> None:
    with pytest.raises(LedgerError, match="a record of feed 1 of 1"):
        SendTimes((BTC,), (0,)).extend(records(0, 1, feed=1))


def test_times_of_a_machine_that_is_up_for_years_keep_their_last_nanosecond() -> None:
    late_ns = (1 << 60) + 1
    times = SendTimes((BTC,), (0,), expect=(1,))
    times.extend(records(0, late_ns))
    times.extend(records(1, late_ns + 2))
    assert (times.sent_ns(0, 0), times.sent_ns(0, 1)) == (late_ns, late_ns + 2)
