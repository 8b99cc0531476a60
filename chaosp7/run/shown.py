"""What no look had shown by the end of the drain came late, also if the account finds it there.

Reading all tiers takes a while, and a message that comes meanwhile would pass for delivered: only the looks
tell that it wasn't there when nobody waited any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyroaring import BitMap64

from chaosp7.account.classes import TierAccount, with_late
from chaosp7.account.feeds import Feed
from chaosp7.account.sent import Bounds
from chaosp7.account.sets import Sets, nonempty
from chaosp7.platform.model import Platform, TierKind
from chaosp7.recorder.heads import Known
from chaosp7.recorder.recorder import Recorder
from chaosp7.run.accounting import Accounts

__all__ = ["not_shown", "with_what_came_late"]


def with_what_came_late(accounts: Accounts, platform: Platform, recorder: Recorder) -> Accounts:
    """Return the accounts in which what no look had shown is late where it is there by now.

    Args:
        accounts: made after the drain.
        platform: the system under test.
        recorder: ended with the drain.
    """
    tiers = dict(accounts.tiers)
    for name, account in accounts.tiers.items():
        # Of a topic that was made anew in mid-run the looks know nothing.
        if isinstance(account, TierAccount) and platform.tiers[name].kind is not TierKind.TOPIC:
            known = recorder.timelines[name].known()
            tiers[name] = with_late(account, not_shown(known, recorder.source.feeds, account.bounds))
    return replace(accounts, tiers=tiers)


def not_shown(known: Sequence[Known], feeds: Sequence[Feed], bounds: Mapping[Feed, Bounds]) -> Sets:
    """Return what was sent of each feed and isn't visible.

    Args:
        known: what is visible of each feed.
        feeds: in their order.
        bounds: feed -> what was sent.
    """
    result: dict[Feed, BitMap64] = {}
    for feed, one in zip(feeds, known, strict=True):
        sent = bounds[feed]
        result[feed] = BitMap64()
        for first, last in (*one.holes, (one.top + 1, sent.last)):
            result[feed].add_range(max(first, sent.first), min(last, sent.last) + 1)
    return nonempty(result)
