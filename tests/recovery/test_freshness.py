"""A tier's samples are replayed: how old is the head of its stalest feed at each of them?"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pytest
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD
from chaosp7.recovery.freshness import Look, replay
from chaosp7.recovery.samples import Sample
from chaosp7.recovery.sends import SendTimes

BTC, ETH, KRAKEN = Feed("binance", "BTC/USDT"), Feed("binance", "ETH/USDT"), Feed("kraken", "BTC/USD")
FEEDS = (BTC, ETH, KRAKEN)
FIRST = (100, 0, 7)
LOAD_START_NS = 1_000
#: Twice as long as from one message of a feed to the next one.
TOLERANCE_NS = 20


def sends() -> SendTimes:
    """Ten messages per feed: that of feed f with number n was sent at 1000 + 10 n + f."""
    blocks = []
    for feed, first in enumerate(FIRST):
        block = np.zeros(10, dtype=RECORD)
        block["feed"] = feed
        block["sequence"] = first + np.arange(10)
        block["sent_ns"] = LOAD_START_NS + 10 * np.arange(10) + feed
        blocks.append(block)
    return SendTimes.of(FEEDS, FIRST, blocks)


SENDS = sends()


def looks(
    samples: Sequence[Sample],
    missing: Mapping[Feed, BitMap64] | None = None,
    only: Collection[str] | None = None,
) -> list[Look]:
    return list(replay(samples, SENDS, missing or {}, LOAD_START_NS, TOLERANCE_NS, only))


def test_a_tier_is_as_old_as_the_head_of_its_stalest_feed() -> None:
    samples = [
        Sample(before_ns=1, after_ns=2, new=((0, 100, 104), (1, 0, 2), (2, 7, 9))),
        Sample(before_ns=3, after_ns=5, new=((0, 106, 107), (1, 3, 9))),
        Sample(before_ns=6, after_ns=7, new=((2, 10, 16),)),
        Sample(before_ns=8, after_ns=9, new=((0, 105, 105),)),
    ]
    assert looks(samples) == [
        Look(1, 2, 1_021, (104, 2, 9), (104, 2, 9)),
        Look(3, 5, 1_022, (104, 9, 9), (104, 9, 9)),
        Look(6, 7, 1_040, (104, 9, 16), (104, 9, 16)),
        Look(8, 9, 1_070, (107, 9, 16), (107, 9, 16)),
    ]


def test_a_feed_without_a_visible_message_is_as_old_as_the_load() -> None:
    samples = [
        Sample(before_ns=1, after_ns=2, new=((0, 100, 105), (1, 0, 5))),
        # One that comes before the feed's first is none of this run's.
        Sample(before_ns=3, after_ns=4, new=((2, 6, 6),)),
        Sample(before_ns=5, after_ns=6, new=((2, 7, 7),)),
    ]
    assert [look.oldest_ns for look in looks(samples)] == [LOAD_START_NS, LOAD_START_NS, 1_002]


def test_counts_stand_for_the_earliest_messages_of_their_feed() -> None:
    samples = [
        Sample(before_ns=1_091, after_ns=1_092, counts=((0, 3), (1, 4), (2, 6))),
        Sample(before_ns=1_093, after_ns=1_094, counts=((2, 1),)),
    ]
    assert [(look.oldest_ns, look.heads) for look in looks(samples)] == [
        (1_020, (102, 3, 12)),
        (1_002, (102, 3, 7)),
    ]


def test_a_tier_that_could_not_be_read_is_fresh_for_nobody_but_keeps_its_heads() -> None:
    samples = [
        Sample(before_ns=1_091, after_ns=1_092, counts=((0, 3), (1, 4), (2, 6))),
        Sample(before_ns=1_093, after_ns=1_094, error="refused"),
        Sample(before_ns=1_095, after_ns=1_096, error=""),
        Sample(before_ns=1_097, after_ns=1_098),
    ]
    assert [look.oldest_ns for look in looks(samples)] == [1_020, None, None, 1_020]
    assert [look.heads for look in looks(samples)] == [(102, 3, 12)] * 4


def test_only_the_feeds_of_the_exchanges_asked_for_are_judged_but_all_are_followed() -> None:
    samples = [Sample(before_ns=1, after_ns=2, new=((0, 100, 104), (1, 0, 6), (2, 7, 8)))]

    def oldest(*only: str) -> list[int | None]:
        return [look.oldest_ns for look in looks(samples, only=only)]

    assert (oldest("binance"), oldest("kraken"), oldest("kraken", "binance")) == ([1_040], [1_012], [1_012])
    assert looks(samples, only=["binance"])[0].heads == (104, 6, 8)


def test_nobody_waits_for_what_its_own_feed_lost_for_good() -> None:
    samples = [
        Sample(before_ns=1, after_ns=2, new=((0, 100, 102), (0, 105, 106), (1, 0, 2), (1, 5, 6), (2, 7, 16)))
    ]
    assert looks(samples, {BTC: BitMap64([103, 104, 107])}) == [
        Look(1, 2, 1_021, (106, 2, 16), (107, 2, 16)),
    ]


def test_what_is_counted_twice_makes_no_head_younger_than_what_was_sent() -> None:
    # By 1,045 feed 0 had sent five messages (the last at 1,040), feed 1 the same, feed 2 too.
    samples = [Sample(before_ns=1_040, after_ns=1_045, counts=((0, 3), (1, 9), (2, 5)))]
    (look,) = looks(samples)
    assert (look.oldest_ns, look.heads) == (1_020, (102, 4, 11))


@pytest.mark.parametrize(
    ("head", "old_from_ns"),
    [
        # The source stood still from 1,005 to 1,500: nothing waited anywhere until then.
        (1, 1_500 - TOLERANCE_NS // 2),
        (0, 1_000),
        (2, 1_600 - TOLERANCE_NS // 2),
        # Nothing was sent before 1,000, when the load began at 900; and nothing after the last message.
        (-1, 1_000 - TOLERANCE_NS // 2),
        (3, 1_600),
    ],
)
def test_while_the_source_stands_still_nothing_grows_old(head: int, old_from_ns: int) -> None:
    records = np.zeros(4, dtype=RECORD)
    records["sequence"] = np.arange(4)
    records["sent_ns"] = (1_000, 1_005, 1_500, 1_600)
    sent = SendTimes.of((BTC,), (0,), [records])
    samples = [Sample(before_ns=2_000, after_ns=2_001, new=((0, 0, head),) if head >= 0 else ())]
    (look,) = replay(samples, sent, {}, 900, TOLERANCE_NS)
    assert look.oldest_ns == old_from_ns
