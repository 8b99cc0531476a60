"""Recovery of a tier from one fault, and how exactly each of its times is known. Pure.

Everything follows from what the looks prove (`chaosp7.recovery.proof`): a time lies between two
bounds, and is stated as their middle with half of their distance as uncertainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from chaosp7.recovery.freshness import Look
from chaosp7.recovery.proof import Proof, prove
from chaosp7.recovery.sends import SendTimes
from chaosp7.recovery.spans import Figure, length_ns

__all__ = ["Outcome", "TierRecovery", "measure"]


class Outcome(StrEnum):
    """What came of a tier after a fault."""

    RECOVERED = "recovered"
    NEVER_STALE = "never-stale"
    """No look shows that it was stale, and it was fresh at the end; `TierRecovery.unproven_ns` tells for how
    long it may have been stale in between."""
    NOT_RECOVERED = "not-recovered"
    """It was stale, and isn't known to have been fresh for the stability window when the load ended."""
    NOT_MEASURED = "not-measured"
    """No look shows that it was stale, and none that it was fresh at the end: it may have become stale at
    any moment, and for however long."""


@dataclass(frozen=True, slots=True)
class TierRecovery:
    """The recovery of one tier; all times from the fault's verified start.

    Attributes:
        outcome: what came of it.
        recovery: first moment from which it was fresh and stayed so; None unless recovered.
        uncertainty_ns: of `recovery`. Never stale: up to when it may have been stale unseen; not measured:
            the end, and nobody knows of later.
        detection: first moment at which it was stale.
        last_stale_ns: it is known to have been stale at this moment or after it.
        outage: total time stale.
        first_new: first moment at which a message sent after the fault began was visible, and
            everything before it.
        backlog_gone: first moment at which everything sent before `recovery` was visible.
        unproven_ns: for how long nothing is known; a part of the uncertainty of `outage`.
        looks: how many this rests on, from the fault's start on.
    """

    outcome: Outcome
    recovery: Figure | None
    uncertainty_ns: int
    detection: Figure | None
    last_stale_ns: int | None
    outage: Figure
    first_new: Figure | None
    backlog_gone: Figure | None
    unproven_ns: int
    looks: int


def measure(
    looks: Sequence[Look],
    sends: SendTimes,
    fault_ns: int,
    end_ns: int,
    tolerance_ns: int,
    stability_ns: int,
    extra_uncertainty_ns: int = 0,
) -> TierRecovery:
    """Measure a tier's recovery.

    Args:
        looks: of the tier, in the order of their times.
        sends: when each message was sent.
        fault_ns: verified start of the fault.
        end_ns: until when it is measured, at most the load's end; looks that end later only help to tell
            whether the tier was fresh up to it.
        tolerance_ns: greatest freshness of a fresh tier.
        stability_ns: how long it must stay fresh.
        extra_uncertainty_ns: what the reader itself may be late (its reconnecting).
    """
    seen = sum(look.after_ns >= fault_ns and look.before_ns <= end_ns for look in looks)
    if not seen:
        unknown_ns = max(0, end_ns - fault_ns)
        return TierRecovery(
            outcome=Outcome.NOT_MEASURED,
            recovery=None,
            uncertainty_ns=unknown_ns + extra_uncertainty_ns,
            detection=None,
            last_stale_ns=None,
            outage=Figure.between(0, unknown_ns, extra_uncertainty_ns),
            first_new=None,
            backlog_gone=None,
            unproven_ns=unknown_ns,
            looks=0,
        )
    proof = prove(looks, tolerance_ns, fault_ns, end_ns)
    # Those from before the fault tell what was visible at it.
    known = [look for look in looks if look.after_ns <= end_ns]
    measured = _Measured(known, sends, fault_ns, extra_uncertainty_ns, proof)
    outcome, recovery, uncertainty_ns = measured.recovery(stability_ns)
    return TierRecovery(
        outcome=outcome,
        recovery=recovery,
        uncertainty_ns=uncertainty_ns,
        detection=measured.detection(),
        last_stale_ns=measured.last_stale_ns(),
        outage=measured.outage(),
        first_new=measured.first_new(),
        backlog_gone=measured.backlog_gone() if recovery is not None else None,
        unproven_ns=proof.unproven_ns,
        looks=seen,
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """The times of one tier's recovery."""

    looks: Sequence[Look]
    sends: SendTimes
    fault_ns: int
    extra_ns: int
    proof: Proof

    def recovery(self, stability_ns: int) -> tuple[Outcome, Figure | None, int]:
        """Return the outcome, the recovery and its uncertainty."""
        proof = self.proof
        high_ns = proof.fresh_for_good_from_ns
        if not proof.witnesses:
            outcome, until_ns = Outcome.NEVER_STALE, high_ns
            if until_ns is None:
                outcome, until_ns = Outcome.NOT_MEASURED, proof.within[1]
            return outcome, None, until_ns - self.fault_ns + self.extra_ns
        if high_ns is None:
            return Outcome.NOT_RECOVERED, None, self.extra_ns
        # A look that goes beyond the end may prove more of it stale than the one before it left open.
        low_ns, high_ns = self._bounds()
        found = self._figure(low_ns, high_ns)
        if proof.within[1] - high_ns < stability_ns:
            return Outcome.NOT_RECOVERED, None, found.uncertainty_ns
        return Outcome.RECOVERED, found, found.uncertainty_ns

    def detection(self) -> Figure | None:
        """Return when it was first stale."""
        if not self.proof.witnesses:
            return None
        # A stale stretch begins at a moment that is known; of a failed look only its end is certain.
        first = [begin for begin, _ in self.proof.stale]
        failed = (look.after_ns for look in self.looks if look.oldest_ns is None)
        first += [after_ns for after_ns in failed if after_ns >= self.fault_ns]
        low_ns = self.proof.not_proven_fresh_from_ns
        high_ns = max(min(first), self.fault_ns)
        return self._figure(self.fault_ns if low_ns is None else low_ns, high_ns)

    def last_stale_ns(self) -> int | None:
        """Return until when it is known to have been stale."""
        return self._bounds()[0] - self.fault_ns if self.proof.witnesses else None

    def outage(self) -> Figure:
        """Return the time stale in all."""
        proven_ns = length_ns(self.proof.stale)
        return Figure.between(proven_ns, proven_ns + self.proof.unproven_ns, self.extra_ns)

    def first_new(self) -> Figure | None:
        """Return when something sent after the fault began was first visible."""
        firsts = [self.sends.first_from(i, self.fault_ns) for i in range(len(self.sends.feeds))]
        lasts = [self.sends.last(i) for i in range(len(self.sends.feeds))]
        sent = [self.sends.sent_ns(i, first) for i, first in enumerate(firsts) if first <= lasts[i]]

        def shows(look: Look) -> bool:
            heads = zip(look.heads, firsts, lasts, strict=True)
            return any(first <= min(head, last) for head, first, last in heads)

        for index, look in enumerate(self.looks):
            if shows(look):
                # Nothing is visible before it is sent.
                return self._figure(max(self._not_before(index), min(sent)), look.after_ns)
        return None

    def backlog_gone(self) -> Figure | None:
        """Return when everything sent before the recovery was visible."""
        low_ns, high_ns = self._bounds()
        first = self._all_shown(low_ns)
        last = self._all_shown(high_ns)
        if first is None or last is None:
            return None
        return self._figure(max(self._not_before(first), low_ns), max(self.looks[last].after_ns, low_ns))

    def _all_shown(self, sent_before_ns: int) -> int | None:
        """Return the first look that shows all that was sent before a moment."""
        ends = [self.sends.first_from(i, sent_before_ns) - 1 for i in range(len(self.sends.feeds))]
        for index, look in enumerate(self.looks):
            if all(frontier >= end for frontier, end in zip(look.frontiers, ends, strict=True)):
                return index
        return None

    def _bounds(self) -> tuple[int, int]:
        """Return between which moments it recovered."""
        lows = [end for _, end in self.proof.stale]
        lows += [look.before_ns for look in self.looks if look.oldest_ns is None]
        low_ns = max([self.fault_ns, *lows])
        return low_ns, max(low_ns, self.proof.fresh_for_good_from_ns or low_ns)

    def _not_before(self, index: int) -> int:
        """Return before when what a look is the first to show wasn't visible."""
        readable = (look.before_ns for look in reversed(self.looks[:index]) if look.oldest_ns is not None)
        return max(next(readable, self.fault_ns), self.fault_ns)

    def _figure(self, low_ns: int, high_ns: int) -> Figure:
        return Figure.between(low_ns - self.fault_ns, high_ns - self.fault_ns, self.extra_ns)
