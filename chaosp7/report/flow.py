"""The flow of messages through the tiers, and what each lost. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from chaosp7.run.evidence import Evidence

__all__ = ["Stage", "stages"]

_CAUSES = {
    "missed_at_source": "never received by a feed handler",
    "unacknowledged": "never confirmed by the broker",
    "acknowledged": "confirmed by the broker, and gone",
    "unattributed": "no journal to tell why",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A place that messages come to.

    Attributes:
        name: the tier, or ``source``.
        there: how many arrived.
        sent: how many should have.
        lost_here: how many this tier is the first without.
        causes: of the first tier's, why, in words.
        wrong: what arrived otherwise than it was sent, in words.
    """

    name: str
    there: int
    sent: int
    lost_here: int
    causes: tuple[str, ...]
    wrong: tuple[str, ...]


def stages(evidence: Evidence | None) -> list[Stage]:
    """Return the stages in flow order; none if nothing was accounted for."""
    if evidence is None or not evidence.tiers:
        return []
    sent = evidence.tiers[0].sent
    found = [Stage("source", sent, sent, 0, (), ())]
    for number, tier in enumerate(evidence.tiers):
        causes = tuple(
            f"{count:,} {words}"
            for cause, words in _CAUSES.items()
            if number == 0 and (count := evidence.source_loss.get(cause, 0))
        )
        wrong = tuple(
            f"{count:,} {kind}"
            for kind in ("late", "corrupted", "duplicated", "reordered", "unexpected")
            if (count := getattr(tier, kind))
        )
        found.append(Stage(tier.tier, tier.sent - tier.lost, tier.sent, tier.lost_here, causes, wrong))
    return found
