"""What a failed assertion says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chaosp7.measure.losses import Named
from chaosp7.run.evidence import ClockAnchor, FaultRecord, RecoveryReport
from chaosp7.run.wall_clock import clock_time

__all__ = ["clock_span", "fate", "recovery_text"]

_LINES: Final = 8
_CAUSE_WORDS: Final = {
    "acknowledged": "acknowledged by the broker",
    "unacknowledged": "never acknowledged by the broker",
    "missed_at_source": "received by no feed handler",
    "unattributed": "not known whether the broker acknowledged them",
}


def fate(
    tier: str, kind: str, count: int, sent: int, found: Sequence[Named], clock: ClockAnchor, note: str = ""
) -> str:
    """Return what became of messages at a tier: ``7 of 30,000 lost at silver: ...``.

    Args:
        tier: where.
        kind: their class, ``lost``.
        count: how many.
        sent: of how many.
        found: which, as far as they can be named.
        clock: ties their send times to the wall clock.
        note: what limits the account, in words.
    """
    what = f"{count:,} of {sent:,} {kind} at {tier}" + (f" ({note})" if note else "")
    lines = [_line(one, clock) for one in found[:_LINES]]
    if rest := found[_LINES:]:
        messages = sum(one.messages for one in rest)
        lines.append(f"and {messages:,} more messages in {len(rest)} more groups of feed and cause")
    if len(lines) < 2:
        return ": ".join([what, *lines])
    return "\n  ".join([f"{what}:", *lines])


def _line(one: Named, clock: ClockAnchor) -> str:
    which = ", ".join(map(str, one.ranges))
    if one.left_out:
        ranges = "1 more range" if one.left_out == 1 else f"{one.left_out:,} more ranges"
        which += f" and {ranges} ({one.messages:,} messages)"
    text = f"{one.feed} {which}, sent {clock_span(one.sent_first_ns, one.sent_last_ns, clock)}"
    if one.first_missing_at:
        text += f", first missing at {one.first_missing_at}; {_CAUSE_WORDS[one.cause]}"
    return text


def clock_span(first_ns: int, last_ns: int, clock: ClockAnchor) -> str:
    """Return two monotonic moments as UTC wall clock, ``12:00:03.120-.184 UTC``."""
    first, last = clock_time(first_ns, clock), clock_time(last_ns, clock)
    if first == last:
        return f"{first} UTC"
    same_second = first[:8] == last[:8] and last_ns - first_ns < 1_000_000_000
    return f"{first}-{last[8:] if same_second else last} UTC"


def recovery_text(report: RecoveryReport, fault: FaultRecord, clock: ClockAnchor, budget_s: float) -> str:
    """Return how a tier missed a budget of recovery.

    Args:
        report: of the tier and the fault.
        fault: it was seen to take effect.
        clock: ties its times to the wall clock.
        budget_s: what was allowed, seconds.
    """
    begun_ns = fault.verified_start_ns or 0
    after = f"{fault.kind} {fault.target}"
    seen = f"the fault was seen to take effect at {clock_time(begun_ns, clock)} UTC"
    if report.recovery_s is None:
        known_s = report.last_stale_s or 0.0
        return (
            f"{report.tier} wasn't fresh again after {after} (budget {budget_s:g} s): {seen}, "
            f"{report.tier} still stale {known_s:.2f} s later"
        )
    again_ns = begun_ns + round(report.recovery_s * 1e9)
    return (
        f"{report.tier} took {report.recovery_s:.2f} s ± {report.uncertainty_s:.2f} to be fresh again "
        f"after {after} (budget {budget_s:g} s): {seen}, {report.tier} fresh again at "
        f"{clock_time(again_ns, clock)}, stale for {report.outage_s:.2f} s in between"
    )
