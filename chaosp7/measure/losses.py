"""Messages by name: which of a feed, when they were sent, where they were lost, what the broker knew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap64

from chaosp7.account.classes import MessageClass, TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.ranges import SequenceRange, bounded, locate
from chaosp7.account.sets import Sets, intersection, nonempty
from chaosp7.run.accounting import Accounts

__all__ = ["CAUSES", "Named", "named"]

#: What the source's side may know of a lost message; fields of `chaosp7.account.attribution.TierLoss`.
CAUSES: Final = ("acknowledged", "unacknowledged", "missed_at_source", "unattributed")

_RANGES_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Named:
    """Messages of one feed with one fate at one tier.

    Attributes:
        feed: exchange and symbol.
        ranges: the first of them.
        left_out: how many ranges follow those.
        messages: how many messages in all, those left out included.
        sent_first_ns: when the first of all was sent, monotonic.
        sent_last_ns: when the last of all was sent, monotonic.
        first_missing_at: the tier that lost them; empty if they aren't lost.
        cause: one of `CAUSES`; empty if they aren't lost.
    """

    feed: Feed
    ranges: tuple[SequenceRange, ...]
    left_out: int
    messages: int
    sent_first_ns: int
    sent_last_ns: int
    first_missing_at: str = ""
    cause: str = ""


def named(accounts: Accounts, tier: str, kind: MessageClass) -> list[Named]:
    """Return the messages of a class at a tier, by feed; lost ones by who lost them and why as well.

    Args:
        accounts: the final ones.
        tier: its name; candles hold no single messages: of such a tier there is nothing to name.
        kind: their class.

    Raises:
        LedgerError: if one isn't in the ledger.
    """
    account = accounts.tiers[tier]
    if not isinstance(account, TierAccount):
        return []
    if kind is not MessageClass.LOST:
        return list(_named(accounts, account.sequences(kind)))
    found: list[Named] = []
    for loss in accounts.attribution.tiers:
        for cause in CAUSES:
            sets = nonempty(intersection(account.lost, getattr(loss, cause)))
            found += _named(accounts, sets, loss.tier, cause)
    return found


def _named(accounts: Accounts, sets: Sets, first_missing_at: str = "", cause: str = "") -> Iterator[Named]:
    sets = nonempty(sets)
    if not sets:
        return
    edges = {feed: BitMap64([found.min(), found.max()]) for feed, found in sets.items()}
    sent: dict[Feed, list[int]] = {}
    for r in locate(accounts.run, edges, 2)[0]:
        sent.setdefault(r.feed, []).extend((r.sent_first_ns, r.sent_last_ns))
    for feed, found in sets.items():
        ranges, left_out, messages = bounded(found, _RANGES_NAMED)
        yield Named(
            feed, ranges, left_out, messages, min(sent[feed]), max(sent[feed]), first_missing_at, cause
        )
