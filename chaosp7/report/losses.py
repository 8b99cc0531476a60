"""Lost and otherwise wrong messages as ranges with their send times. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from chaosp7.report.records import RunRecord

__all__ = ["Loss", "losses"]

_ROWS_MAX = 60


@dataclass(frozen=True, slots=True)
class Loss:
    """A range of one feed's sequences.

    Attributes:
        kind: what became of it.
        tier: where.
        sent: when, in words, from the load's start.
    """

    kind: str
    tier: str
    feed: str
    first: int
    last: int
    count: int
    sent: str


def losses(run: RunRecord) -> tuple[list[Loss], int]:
    """Return the ranges of a run, lost ones first, and how many more there are.

    A lost range is named at the tier that lost it; tiers downstream aren't blamed again.
    """
    evidence, series = run.evidence, run.series
    if evidence is None:
        return [], 0
    start_ns = evidence.load.start_ns if evidence.load else None
    found = []
    left_out = 0
    for tier in evidence.tiers:
        if tier.lost_here:
            left_out += tier.ranges_left_out
        for r in tier.ranges:
            if r.first_missing_at != tier.tier:
                continue
            base = r.sent_first_ns if start_ns is None else start_ns
            sent = _between((r.sent_first_ns - base) / 1e9, (r.sent_last_ns - base) / 1e9)
            found.append(Loss("lost", tier.tier, r.feed, r.first, r.last, r.last - r.first + 1, sent))
    if series is not None:
        left_out += series.ranges_left_out
        found += [
            Loss(
                r.kind, r.tier, r.feed, r.first, r.last, r.last - r.first + 1,
                _between(r.sent_first_s, r.sent_last_s),
            )
            for r in series.ranges
        ]  # fmt: skip
    return found[:_ROWS_MAX], left_out + max(0, len(found) - _ROWS_MAX)


def _between(first_s: float, last_s: float) -> str:
    return f"{first_s:.3f} s" if f"{first_s:.3f}" == f"{last_s:.3f}" else f"{first_s:.3f} to {last_s:.3f} s"
