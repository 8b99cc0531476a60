"""What became of the messages: counts over all tiers, or at one.

While the load runs, they say what is known of the messages that are overdue; after the drain they
are final. The worst tier counts where none is named. Under pytest a comparison that fails, such as
``assert lost_messages() == 0``, says which messages are lost.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from chaoslib.exceptions import ActivityFailed

from chaosp7.account.gold import GoldAccount
from chaosp7.account.sets import total, union
from chaosp7.errors import ChaosP7Error
from chaosp7.measure.count import Count
from chaosp7.measure.fate import why
from chaosp7.run.accounting import Accounts
from chaosp7.run.current import current_run
from chaosp7.run.evidence import ClockAnchor
from chaosp7.run.outage import outages, outside

__all__ = [
    "corrupted_messages",
    "duplicated_messages",
    "lost_acknowledged_messages",
    "lost_messages",
    "reordered_messages",
    "source_loss_outside_outages",
    "unexpected_messages",
]

#: What wasn't there when the drain was over.
_MISSING: Final = ("lost", "late")


def lost_messages(tier: str = "") -> int:
    """Return how many messages are lost or late, whatever lost them.

    What was late wasn't there when the drain was over: as in a budget's ``lost``, it counts.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count(tier, *_MISSING)


def lost_acknowledged_messages(tier: str = "") -> int:
    """Return how many messages are lost or late that the broker had confirmed: that is never allowed.

    Left out is what no feed handler ever received, and what one had received when it crashed and
    the broker never confirmed: an exchange doesn't send again, so a handler's crash always costs
    some. What nobody's journal speaks of counts.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    accounts, _ = _accounts(tier)
    causes = accounts.attribution.counts()
    missing = max(_missing(accounts, name) for name in ([tier] if tier else accounts.tiers))
    return missing - causes["missed_at_source"] - causes["unacknowledged"]


def duplicated_messages(tier: str = "") -> int:
    """Return how many messages are there more than once.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count(tier, "duplicated")


def corrupted_messages(tier: str = "") -> int:
    """Return how many messages are there with other business fields than were sent.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count(tier, "corrupted")


def reordered_messages(tier: str = "") -> int:
    """Return how many messages were first visible after a higher sequence of their feed.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count(tier, "reordered")


def unexpected_messages(tier: str = "") -> int:
    """Return how many messages are there that were never sent.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count(tier, "unexpected")


def source_loss_outside_outages() -> int:
    """Return how many messages the source's side lost at a time when no fault was at work.

    What no handler received, or the broker never confirmed, is a fault's doing only if it was
    sent between the injection and the moment when the fault was undone and the first tier fresh
    again. What was under way when the fault struck may be as old as the first tier's tolerance.
    While the load runs there is no outage to blame yet: everything counts.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    try:
        run = current_run()
        first, tier = next(iter(run.model.tiers.items()))
        losses = run.accounts().attribution.tiers
        missing = union([sets for loss in losses for sets in (loss.missed_at_source, loss.unacknowledged)])
        windows = outages(run.faults, run.recovery, first, tier.fresh_within_ms) if run.finished else []
        return total(outside(missing, run.recorder.source.sends, windows))
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error


def _accounts(tier: str) -> tuple[Accounts, ClockAnchor]:
    """Return the run's accounts and clock, if there is such a tier or none is named."""
    try:
        run = current_run()
        if tier:
            run.model.tier(tier)
        return run.accounts(), run.clock
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error


def _missing(accounts: Accounts, tier: str) -> int:
    account = accounts.tiers[tier]
    counts = account.counts
    if not isinstance(account, GoldAccount):
        return counts.lost + counts.late
    # While candles are open they can't be checked, but what the source has lost in them is lost already.
    return max(counts.lost, total(accounts.lost(tier)) + account.lost_here) + counts.late


def _count(tier: str, *kinds: str) -> int:
    accounts, clock = _accounts(tier)
    counts = {
        name: sum(int(getattr(account.counts, kind)) for kind in kinds)
        for name, account in accounts.tiers.items()
    }
    # The first of the worst: the tiers after it inherit its losses.
    worst = tier or max(counts, key=lambda name: counts[name])
    return Count(counts[worst], partial(_why, accounts, worst, kinds, clock))


def _why(accounts: Accounts, tier: str, kinds: Sequence[str], clock: ClockAnchor) -> str:
    """Return which messages they are: of each kind that there is, or that there is none of the first."""
    found = [kind for kind in kinds if getattr(accounts.tiers[tier].counts, kind)] or kinds[:1]
    return "\n".join(why(accounts, tier, kind, clock) for kind in found)
