"""Which tier lost a message, and what the source's side knew of it.

The first tier without a message lost it; the tiers after it inherit the loss. What the first
tier lost is split further by the feed handlers' journals of what they received and what the
broker confirmed: an exchange doesn't send again, so a handler that wasn't there has a gap that
nobody downstream can close.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyroaring import BitMap64

from chaosp7.account.classes import MessageClass, TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.sets import Sets, intersection, minus, total, union
from chaosp7.errors import MeasurementError

__all__ = ["Acknowledgements", "Attribution", "TierLoss", "attribute", "unjournaled"]


class Acknowledgements(Protocol):
    """What a feed handler's journal says of one feed; `chaosp7.account.acks.AckSets` is one."""

    @property
    def received(self) -> BitMap64:
        """Sequences received from the exchange."""

    @property
    def acknowledged(self) -> BitMap64:
        """Sequences that the broker confirmed."""

    @property
    def refused(self) -> BitMap64:
        """Sequences whose delivery failed for good."""


@dataclass(frozen=True, slots=True)
class TierLoss:
    """What one tier lost, and why as far as it is known.

    ``lost = lost_here + inherited``, and
    ``lost_here = missed_at_source + unacknowledged + acknowledged + unattributed``.

    Attributes:
        tier: its name.
        lost_here: what no tier before it lost: this tier is the first without it.
        inherited: what a tier before it has lost already.
        lost_again: of `inherited`, what the tier right before it has nevertheless: it came back
            (from a log whose beginning was deleted, say) and was lost once more, here.
        missed_at_source: no handler received it.
        unreached: of `missed_at_source`, what was sent while no client was connected; the rest
            was on its way to a connection that broke.
        unacknowledged: a handler had it, the broker never confirmed it.
        refused: of `unacknowledged`, what the handler gave up on.
        acknowledged: confirmed by the broker, or seen at any tier: its loss is never allowed.
        unattributed: there is no journal of its feed, so the three can't be told apart.
    """

    tier: str
    lost_here: Sets
    inherited: Sets
    lost_again: Sets
    missed_at_source: Sets
    unreached: Sets
    unacknowledged: Sets
    refused: Sets
    acknowledged: Sets
    unattributed: Sets


@dataclass(frozen=True, slots=True)
class Attribution:
    """The losses of all tiers, in flow order."""

    tiers: tuple[TierLoss, ...]

    def counts(self) -> dict[str, int]:
        """Return how many messages were lost by cause, each counted once, where it was lost first."""
        causes = ("missed_at_source", "unacknowledged", "acknowledged", "unattributed")
        return {cause: sum(total(getattr(tier, cause)) for tier in self.tiers) for cause in causes}

    def first_missing_at(self, feed: Feed, sequence: int) -> str | None:
        """Return the tier that lost a message, None if none did."""
        for tier in self.tiers:
            if sequence in tier.lost_here.get(feed, ()):
                return tier.tier
        return None


def attribute(
    accounts: Sequence[TierAccount],
    acks: Mapping[Feed, Acknowledgements] | None = None,
    unreached: Sets | None = None,
) -> Attribution:
    """Attribute every loss to the first tier without the message.

    Args:
        accounts: of the tiers that hold single messages, in flow order (not of the candles).
        acks: feed -> the journal of its handler; None: there are no journals. A feed that is
            missing has none either: its losses are `unattributed`, never `missed_at_source`.
        unreached: ``expected(...).unreached``.

    Raises:
        MeasurementError: there is no tier, or the tiers were accounted for different messages.
    """
    if not accounts:
        raise MeasurementError("no tier was accounted for: no loss can be attributed")
    for account in accounts:
        if account.bounds != accounts[0].bounds:
            raise MeasurementError(f"{accounts[0].tier} and {account.tier} account for different messages")
    losses = []
    upstream: Sets = {}
    for position, account in enumerate(accounts):
        here = minus(account.lost, upstream)
        inherited = intersection(account.lost, upstream)
        again = minus(inherited, accounts[position - 1].lost) if position else {}
        if position:
            losses.append(TierLoss(account.tier, here, inherited, again, {}, {}, {}, {}, here, {}))
        else:
            losses.append(_at_the_first(account, _seen_later(accounts, here), acks, unreached or {}))
        upstream = union((upstream, account.lost))
    return Attribution(tuple(losses))


#: What is there as it was sent: its feed handler must have had it.
_RIGHT = (MessageClass.DELIVERED, MessageClass.DUPLICATED, MessageClass.REORDERED)


def unjournaled(accounts: Sequence[TierAccount], acks: Mapping[Feed, Acknowledgements]) -> Sets:
    """Return what some tier has as it was sent, and no handler says that it received.

    A handler notes a message before it hands it on: a journal that lacks one isn't whole. What is
    corrupted counts for nothing, since another feed's message may have come under this one's name.

    Args:
        accounts: of the tiers that hold single messages.
        acks: feed -> the journal of its handler; feeds that are missing have none.
    """
    received = {feed: found.received for feed, found in acks.items()}
    right = union(account.sequences(kind) for account in accounts for kind in _RIGHT)
    return minus({feed: found for feed, found in right.items() if feed in acks}, received)


def _seen_later(accounts: Sequence[TierAccount], lost: Sets) -> Sets:
    """Return what the first tier doesn't have, but one behind it has."""
    nowhere: Sets = lost
    for account in accounts[1:]:
        nowhere = intersection(nowhere, account.lost)
    return minus(lost, nowhere)


def _at_the_first(
    account: TierAccount, seen: Sets, acks: Mapping[Feed, Acknowledgements] | None, unreached: Sets
) -> TierLoss:
    lost = account.lost
    journals = acks or {}
    known = {feed: found for feed, found in lost.items() if feed in journals}
    acknowledged = union((seen, {feed: lost[feed] & journals[feed].acknowledged for feed in known}))
    rest = minus(known, acknowledged)
    # Confirmed or given up without having been received can't be; if so, the handler had it.
    refused = intersection(rest, {feed: journals[feed].refused for feed in known})
    had = intersection(rest, {feed: journals[feed].received for feed in known})
    unacknowledged = union((had, refused))
    missed = minus(rest, unacknowledged)
    return TierLoss(
        tier=account.tier,
        lost_here=lost,
        inherited={},
        lost_again={},
        missed_at_source=missed,
        unreached=intersection(missed, unreached),
        unacknowledged=unacknowledged,
        refused=refused,
        acknowledged=acknowledged,
        unattributed=minus(
            {feed: found for feed, found in lost.items() if feed not in journals}, acknowledged
        ),
    )
