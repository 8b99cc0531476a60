"""Every lost message is named once, with the tier that lost it, its cause, and its time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64

from chaosp7.account.acks import AckSets
from chaosp7.account.attribution import attribute
from chaosp7.account.classes import MessageClass, TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.sent import Bounds, RunRecords
from chaosp7.account.sets import Sets
from chaosp7.measure.losses import named
from chaosp7.run.accounting import Accounts

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
SIZE = 12
TIERS = ("topic", "raw", "silver")
MESSAGES = [(feed, n) for feed in FEEDS for n in range(SIZE)]
Messages = set[tuple[Feed, int]]
some = st.sets(st.sampled_from(MESSAGES))


def sets_of(messages: Messages) -> Sets:
    found = {feed: BitMap64(n for f, n in messages if f == feed) for feed in FEEDS}
    return {feed: sequences for feed, sequences in found.items() if sequences}


def records() -> RunRecords:
    made = np.zeros(2 * SIZE, dtype=RECORD)
    made["feed"] = [index for _ in range(SIZE) for index in range(2)]
    made["sequence"] = [n for n in range(SIZE) for _ in range(2)]
    made["sent_ns"] = sent_ns(made["feed"], made["sequence"])

    def blocks() -> list[Records]:
        return [made[:7], made[7:]]

    return RunRecords(FEEDS, (0, 0), blocks)


def sent_ns(feed: object, sequence: object) -> object:
    return sequence * 100 + feed  # type: ignore[operator]


def accounts(lost: list[Messages], received: Messages, acknowledged: Messages, late: Messages) -> Accounts:
    bounds = {feed: Bounds(0, SIZE - 1, SIZE - 1) for feed in FEEDS}
    tiers: list[TierAccount] = []
    for tier, missing in zip(TIERS, lost, strict=True):
        came_late = late - missing
        tiers.append(TierAccount(tier, bounds, sets_of(missing), sets_of(came_late), {}, {}, {}, {}, 0, {}))
    journals = {
        feed: AckSets(
            sets_of(received).get(feed, BitMap64()), sets_of(acknowledged).get(feed, BitMap64()), BitMap64()
        )
        for feed in FEEDS[:1]
    }
    return Accounts(records(), {tier.tier: tier for tier in tiers}, attribute(tiers, journals))


@settings(max_examples=100, deadline=None)
@given(st.lists(some, min_size=3, max_size=3), some, some, some, st.sampled_from(TIERS))
def test_what_is_named_is_what_is_lost_with_its_cause_and_its_time(
    lost: list[Messages], received: Messages, acknowledged: Messages, late: Messages, tier: str
) -> None:
    made = accounts(lost, received, acknowledged, late)
    found = named(made, tier, MessageClass.LOST)
    for feed in FEEDS:
        missing = {n for f, n in lost[TIERS.index(tier)] if f == feed}
        assert sum(one.messages for one in found if one.feed == feed) == len(missing)
        for one in (one for one in found if one.feed == feed):
            attributed = next(loss for loss in made.attribution.tiers if loss.tier == one.first_missing_at)
            those = set(getattr(attributed, one.cause)[feed]) & missing
            assert one.messages == len(those)
            index = FEEDS.index(feed)
            assert one.sent_first_ns == sent_ns(index, min(those))
            assert one.sent_last_ns == sent_ns(index, max(those))
            named_ones = {n for r in one.ranges for n in range(r.first, r.last + 1)}
            assert named_ones <= those
            assert (named_ones == those) == (one.left_out == 0)


def test_late_ones_are_named_without_blame() -> None:
    made = accounts([set(), set(), set()], set(), set(), {(FEEDS[1], 3), (FEEDS[1], 4)})
    (one,) = named(made, "raw", MessageClass.LATE)
    assert (one.feed, one.ranges, one.messages) == (FEEDS[1], ((3, 4),), 2)
    assert (one.first_missing_at, one.cause) == ("", "")
    assert (one.sent_first_ns, one.sent_last_ns) == (301, 401)
