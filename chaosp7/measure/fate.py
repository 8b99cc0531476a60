"""Which messages a figure of the account is about, in words."""

from __future__ import annotations

from chaosp7.account.classes import MessageClass
from chaosp7.measure.losses import named
from chaosp7.measure.wording import fate
from chaosp7.run.accounting import Accounts
from chaosp7.run.evidence import ClockAnchor

__all__ = ["why"]


def why(accounts: Accounts, tier: str, kind: str, clock: ClockAnchor, note: str = "") -> str:
    """Return which messages are in a class at a tier.

    Args:
        accounts: of all tiers.
        tier: where.
        kind: the class, or ``unexpected``.
        clock: ties their send times to the wall clock.
        note: what limits the account, in words.

    Raises:
        LedgerError: if one isn't in the ledger.
    """
    counts = accounts.tiers[tier].counts
    count: int = getattr(counts, kind)
    if kind == "unexpected":  # they have no send time: nobody has sent them
        return f"{count:,} messages at {tier} that were never sent"
    found = named(accounts, tier, MessageClass(kind)) if count else []
    return fate(tier, kind, count, counts.sent, found, clock, note)
