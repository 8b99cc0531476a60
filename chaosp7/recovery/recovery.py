"""Recovery time of a tier from one fault, and how exactly it is known. Pure.

A look tells whether the tier was fresh at some moment between `before_ns` and `after_ns`. The tier
recovered between the last stale look and the first fresh one after it: the middle of that interval
is stated, with half of its width as uncertainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from chaosp7.recovery.freshness import Look
from chaosp7.recovery.sends import SendTimes

__all__ = ["Outcome", "TierRecovery", "measure"]


class Outcome(StrEnum):
    """What came of a tier after a fault."""

    RECOVERED = "recovered"
    NEVER_STALE = "never-stale"
    NOT_RECOVERED = "not-recovered"
    """Still stale, or fresh for less than the stability window, when the load ended."""
    NOT_MEASURED = "not-measured"
    """There is no look after the fault's start: nothing is known."""


@dataclass(frozen=True, slots=True)
class TierRecovery:
    """The recovery of one tier; all times from the fault's verified start, nanoseconds.

    Attributes:
        outcome: what came of it.
        recovery_ns: first moment from which it was fresh and stayed so; None unless recovered.
        uncertainty_ns: half of the interval in which that moment lies, and the extra allowance.
        detection_ns: first stale look.
        last_stale_ns: last stale look.
        outage_ns: total time stale.
        first_new_ns: first look that shows a message sent after the fault began.
        backlog_gone_ns: first look after the recovery that shows all that was sent before it.
        looks: how many this rests on.
    """

    outcome: Outcome
    recovery_ns: int | None
    uncertainty_ns: int
    detection_ns: int | None
    last_stale_ns: int | None
    outage_ns: int
    first_new_ns: int | None
    backlog_gone_ns: int | None
    looks: int


def measure(
    looks: Sequence[Look],
    sends: SendTimes,
    fault_ns: int,
    load_end_ns: int,
    tolerance_ns: int,
    stability_ns: int,
    extra_uncertainty_ns: int = 0,
) -> TierRecovery:
    """Measure a tier's recovery.

    Args:
        looks: of the tier, in the order of their times.
        sends: when each message was sent.
        fault_ns: verified start of the fault.
        load_end_ns: when the load ended; later looks say nothing.
        tolerance_ns: greatest freshness of a fresh tier.
        stability_ns: how long it must stay fresh.
        extra_uncertainty_ns: what the reader itself may be late (its reconnecting).
    """
    seen = [look for look in looks if fault_ns <= look.after_ns <= load_end_ns]
    stale = [i for i, look in enumerate(seen) if look.stale(tolerance_ns)]
    first_new = next((look.after_ns - fault_ns for look in seen if _shows_new(look, sends, fault_ns)), None)

    def result(
        outcome: Outcome, recovery_ns: int | None, uncertainty_ns: int, gone_ns: int | None
    ) -> TierRecovery:
        return TierRecovery(
            outcome=outcome,
            recovery_ns=recovery_ns,
            uncertainty_ns=uncertainty_ns,
            detection_ns=seen[stale[0]].after_ns - fault_ns if stale else None,
            last_stale_ns=seen[stale[-1]].after_ns - fault_ns if stale else None,
            outage_ns=_outage_ns(seen, tolerance_ns),
            first_new_ns=first_new,
            backlog_gone_ns=gone_ns,
            looks=len(seen),
        )

    if not seen:
        return result(Outcome.NOT_MEASURED, None, extra_uncertainty_ns, None)
    if not stale:
        return result(Outcome.NEVER_STALE, None, extra_uncertainty_ns, None)
    if stale[-1] + 1 == len(seen):
        return result(Outcome.NOT_RECOVERED, None, extra_uncertainty_ns, None)
    last_stale, first_fresh = seen[stale[-1]], seen[stale[-1] + 1]
    low_ns, high_ns = max(last_stale.before_ns, fault_ns), first_fresh.after_ns
    uncertainty_ns = -(-(high_ns - low_ns) // 2) + extra_uncertainty_ns
    if seen[-1].after_ns - first_fresh.after_ns < stability_ns:
        return result(Outcome.NOT_RECOVERED, None, uncertainty_ns, None)
    after = seen[stale[-1] + 1 :]
    gone = next((look.after_ns - fault_ns for look in after if _shows_all(look, sends)), None)
    return result(Outcome.RECOVERED, (low_ns + high_ns) // 2 - fault_ns, uncertainty_ns, gone)


def _outage_ns(looks: Sequence[Look], tolerance_ns: int) -> int:
    """Return the time from each stale look to the one after it, in all."""
    return sum(b.after_ns - a.after_ns for a, b in pairwise(looks) if a.stale(tolerance_ns))


def _shows_new(look: Look, sends: SendTimes, fault_ns: int) -> bool:
    return any(sends.first_from(i, fault_ns) <= min(head, sends.last(i)) for i, head in enumerate(look.heads))


def _shows_all(look: Look, sends: SendTimes) -> bool:
    """Return whether a look shows everything sent before it began."""
    return all(head >= sends.first_from(i, look.before_ns) - 1 for i, head in enumerate(look.heads))
