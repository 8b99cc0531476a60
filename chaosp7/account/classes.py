"""The classes of the account, and the account of one tier.

Every sent message is in exactly one class. Where several fit, the gravest counts, in this order::

    lost        not there at all
    late        there, but not yet when the drain was over
    corrupted   there, but a copy's business fields differ from the ledger's
    duplicated  there more than once, all copies right
    reordered   there once and right, but first visible after a higher sequence of its feed
    delivered   none of these

``unexpected`` stands beside them: what is there, but was never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.sent import Bounds
from chaosp7.account.sets import Sets, intersection, minus, total, union

__all__ = ["Counts", "MessageClass", "TierAccount", "with_late"]


class MessageClass(StrEnum):
    """What became of a message at a tier, gravest first."""

    LOST = "lost"
    LATE = "late"
    CORRUPTED = "corrupted"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Counts:
    """The account of one tier in numbers.

    ``sent == delivered + lost + late + corrupted + duplicated + reordered``, always.

    Attributes:
        sent: messages accounted for.
        unexpected: rows of messages that were never sent, those of unknown feeds included.
        surplus: rows too many of sent messages: a message there three times makes two.
    """

    sent: int
    delivered: int
    lost: int
    late: int
    corrupted: int
    duplicated: int
    reordered: int
    unexpected: int
    surplus: int

    @property
    def clean(self) -> bool:
        """True if everything was delivered and nothing else is there."""
        return self.delivered == self.sent and not self.unexpected


@dataclass(frozen=True, slots=True)
class TierAccount:
    """What became of every message of a run at one tier.

    Attributes:
        tier: its name.
        bounds: feed -> sequences accounted for.
        lost, late, corrupted, duplicated, reordered: the sequences in each class but
            ``delivered``; no sequence is in two of them.
        unexpected: sequences there that were never sent, those of unknown feeds included.
        unexpected_rows: rows of those sequences, and those whose feed or sequence can't be told.
        surplus_rows: feed -> rows too many of sent messages.
        unidentified_rows: those of `unexpected_rows` whose feed or sequence can't be told.
    """

    tier: str
    bounds: Mapping[Feed, Bounds]
    lost: Sets
    late: Sets
    corrupted: Sets
    duplicated: Sets
    reordered: Sets
    unexpected: Sets
    unexpected_rows: int
    surplus_rows: Mapping[Feed, int]
    unidentified_rows: int = 0

    def __post_init__(self) -> None:
        classes = (self.lost, self.late, self.corrupted, self.duplicated, self.reordered)
        everything = union(classes)
        if total(everything) != sum(map(total, classes)):
            raise ValueError(f"{self.tier}: a message is in two classes")
        for feed, found in everything.items():
            bounds = self.bounds.get(feed)
            if bounds is None or found.min() < bounds.first or found.max() > bounds.last:
                raise ValueError(f"{self.tier}: {feed} was accounted for beyond {bounds}")

    @property
    def counts(self) -> Counts:
        """The account in numbers, over all feeds."""
        return self._counts(self.bounds)

    def counts_of(self, feed: Feed) -> Counts:
        """Return the account of one feed in numbers.

        Rows whose feed can't be told are in `counts` only. A feed that the ledger doesn't know
        has nothing but unexpected ones, counted once each.
        """
        return self._counts({feed: self.bounds[feed]} if feed in self.bounds else {}, feed)

    def _counts(self, bounds: Mapping[Feed, Bounds], feed: Feed | None = None) -> Counts:
        def count(sets: Sets) -> int:
            return total(sets) if feed is None else len(sets.get(feed, ()))

        sent = sum(b.size for b in bounds.values())
        lost, late, corrupted = count(self.lost), count(self.late), count(self.corrupted)
        duplicated, reordered = count(self.duplicated), count(self.reordered)
        return Counts(
            sent=sent,
            delivered=sent - lost - late - corrupted - duplicated - reordered,
            lost=lost,
            late=late,
            corrupted=corrupted,
            duplicated=duplicated,
            reordered=reordered,
            unexpected=self.unexpected_rows if feed is None else count(self.unexpected),
            surplus=sum(self.surplus_rows.values()) if feed is None else self.surplus_rows.get(feed, 0),
        )

    def class_of(self, feed: Feed, sequence: int) -> MessageClass:
        """Return the class of one message.

        Raises:
            KeyError: the run didn't send it, or the account stops before it.
        """
        bounds = self.bounds[feed]
        if not bounds.first <= sequence <= bounds.last:
            raise KeyError(f"{feed} {sequence} isn't in {bounds}")
        for kind in MessageClass:
            if kind is not MessageClass.DELIVERED and sequence in self.sequences(kind).get(feed, ()):
                return kind
        return MessageClass.DELIVERED

    def sequences(self, kind: MessageClass) -> Sets:
        """Return the sequences of a class; of those delivered, all that are in no other."""
        sets = {
            MessageClass.LOST: self.lost,
            MessageClass.LATE: self.late,
            MessageClass.CORRUPTED: self.corrupted,
            MessageClass.DUPLICATED: self.duplicated,
            MessageClass.REORDERED: self.reordered,
        }
        if kind is not MessageClass.DELIVERED:
            return sets[kind]
        everything = {}
        for feed, bounds in self.bounds.items():
            everything[feed] = BitMap64()
            everything[feed].add_range(bounds.first, bounds.last + 1)
        return minus(everything, *sets.values())


def with_late(account: TierAccount, missing_at_deadline: Sets) -> TierAccount:
    """Move what came too late into its class.

    Args:
        account: of the tier as it is now, after the drain's deadline.
        missing_at_deadline: what was lost in the account at the deadline.

    Returns:
        The account in which a message that is there now, but was missing then, is late.
    """
    delivered = account.sequences(MessageClass.DELIVERED)
    there = (delivered, account.corrupted, account.duplicated, account.reordered)
    late = union([account.late, *(intersection(missing_at_deadline, part) for part in there)])
    return replace(
        account,
        late=late,
        corrupted=minus(account.corrupted, late),
        duplicated=minus(account.duplicated, late),
        reordered=minus(account.reordered, late),
    )
