"""What became of the messages: counts over all tiers, or at one.

While the load runs, they say what is known of the messages that are overdue; after the drain they
are final. The worst tier counts where none is named.
"""

from chaoslib.exceptions import ActivityFailed

from chaosp7.errors import ChaosP7Error
from chaosp7.run.current import current_run

__all__ = [
    "corrupted_messages",
    "duplicated_messages",
    "lost_messages",
    "reordered_messages",
    "unexpected_messages",
]


def lost_messages(tier: str = "", with_missed_at_source: bool = True) -> int:
    """Return how many messages are lost.

    Args:
        tier: at this tier; empty: at the worst one.
        with_missed_at_source: count those too that no feed handler ever received. An exchange
            doesn't send again, so a feed handler's outage always leaves some.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    lost = _count("lost", tier)
    if with_missed_at_source or not lost:
        return lost
    missed: int = current_run().accounts().attribution.counts()["missed_at_source"]
    return lost - missed


def duplicated_messages(tier: str = "") -> int:
    """Return how many messages are there more than once.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count("duplicated", tier)


def corrupted_messages(tier: str = "") -> int:
    """Return how many messages are there with other business fields than were sent.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count("corrupted", tier)


def reordered_messages(tier: str = "") -> int:
    """Return how many messages were first visible after a higher sequence of their feed.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count("reordered", tier)


def unexpected_messages(tier: str = "") -> int:
    """Return how many messages are there that were never sent.

    Args:
        tier: at this tier; empty: at the worst one.

    Raises:
        ActivityFailed: if it can't be measured.
    """
    return _count("unexpected", tier)


def _count(kind: str, tier: str) -> int:
    try:
        run = current_run()
        if tier:
            run.model.tier(tier)
        accounts = run.accounts().tiers
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    chosen = [accounts[tier]] if tier else list(accounts.values())
    return max(int(getattr(account.counts, kind)) for account in chosen)
