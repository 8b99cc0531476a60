"""The evidence of a run: what ``reports/<run>/evidence.json`` holds.

Everything that a verdict rests on is here with its unit in its name, so that a report, or a
reader with nothing but ``jq``, can follow it. Times in ``_ns`` are CLOCK_MONOTONIC of the host
that ran; ``clock`` ties them to the wall clock.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from chaosp7.whole_file import write_whole

__all__ = [
    "SCHEMA_VERSION",
    "Budget",
    "ClockAnchor",
    "Environment",
    "Evidence",
    "FaultRecord",
    "LoadReport",
    "LostRange",
    "OffloadReport",
    "Phase",
    "ProxyTax",
    "RecoveryReport",
    "TierReport",
    "read",
    "write",
]

SCHEMA_VERSION = 1


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an experiment allows.

    Attributes:
        recovery_s: seconds from the verified start of the fault within which every tier is fresh
            again; ``None`` where no fault is expected.
        lost: messages that may be lost at any tier, those of the next two lines apart.
        missed_at_source: messages that no feed handler ever received.
        unacknowledged: messages that a feed handler had received and the broker never confirmed:
            what a handler that crashes has in its hands.
        duplicated: messages that may be there more than once.
        reordered: messages that may be visible after a higher sequence of their feed.
        corrupted: messages whose business fields may differ.
        unexpected: messages that were never sent.
    """

    recovery_s: float | None = None
    lost: int = 0
    missed_at_source: int = 0
    unacknowledged: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    unexpected: int = 0


class ClockAnchor(msgspec.Struct, frozen=True, kw_only=True):
    """One moment on both clocks."""

    monotonic_ns: int
    wall_ns: int


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the run took place, as far as its figures depend on it."""

    chaosp7: str
    chaoslib: str
    python: str
    kernel: str
    cpu: str
    cores: int
    memory_bytes: int


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A named stretch of the run."""

    name: str
    start_ns: int
    end_ns: int


class FaultRecord(msgspec.Struct, kw_only=True):
    """One injected failure; filled in step by step while it is carried out.

    Attributes:
        kind: the fault's name, ``restart``.
        target: the service or link.
        injected_ns: when the injection was ordered.
        verified_start_ns: when it was seen to have taken effect; recovery counts from here.
        healed_ns: when the undo was ordered.
        verified_end_ns: when the undo was seen to have taken effect.
        proof: what was seen, in words, one entry per observation.
        lasted: False if it was gone, or couldn't be seen any more, before it was to be undone.
        error: why a step failed.
    """

    kind: str
    target: str
    detail: dict[str, str | int | float] = {}
    injected_ns: int | None = None
    verified_start_ns: int | None = None
    healed_ns: int | None = None
    verified_end_ns: int | None = None
    proof: list[str] = []
    lasted: bool = True
    error: str | None = None


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the source sent, and how well it kept its schedule.

    Attributes:
        messages: sent in all.
        rate_per_s: the schedule's rate.
        seed: of the generated trades.
        start_ns: when the first message was due.
        end_ns: when the last was sent.
        late_ms: how much later than due messages were sent: quantile -> milliseconds.
    """

    messages: int
    rate_per_s: float
    seed: int
    start_ns: int
    end_ns: int
    late_ms: dict[str, float]


class LostRange(msgspec.Struct, frozen=True, kw_only=True):
    """A run of consecutive sequences of one feed that a tier doesn't have.

    Attributes:
        feed: exchange and symbol.
        first: first sequence, inclusive.
        last: last sequence, inclusive.
        sent_first_ns: when the first was sent.
        sent_last_ns: when the last was sent.
        first_missing_at: the tier that lost it.
    """

    feed: str
    first: int
    last: int
    sent_first_ns: int
    sent_last_ns: int
    first_missing_at: str


class TierReport(msgspec.Struct, frozen=True, kw_only=True):
    """The account of one tier: the classes up to ``late`` add up to ``sent``.

    Attributes:
        lost_here: of ``lost``, those that the tier before it still has: this tier lost them.
        drained: whether its count had come to rest before it was read.
        note: what limits the account at this tier, in words.
    """

    tier: str
    sent: int
    delivered: int
    lost: int
    duplicated: int
    reordered: int
    corrupted: int
    late: int
    unexpected: int
    lost_here: int
    drained: bool
    note: str = ""
    ranges: list[LostRange] = []
    ranges_left_out: int = 0


class RecoveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """The recovery of one tier from one fault; all seconds from the fault's verified start.

    Attributes:
        fault: which one, in the order of the run's faults, from 0.
        outcome: ``recovered``, ``never-stale``, ``not-recovered``, or ``not-measured``: nothing proves that
            it was fresh at the end, nor that it was stale.
        recovery_s: first moment from which it was fresh again and stayed so.
        uncertainty_s: half of the interval in which that moment lies, and the reader's own lateness; of
            a tier that was never seen stale: up to when it may have been so unseen.
        detection_s: when it was first stale. Each of these has an uncertainty of its own.
        last_stale_s: until when it is known to have been stale.
        outage_s: total time stale.
        first_new_s: first message visible that was sent after the fault began.
        backlog_gone_s: everything sent before the recovery visible.
        unproven_s: for how long the samples prove neither that it was fresh nor that it was stale.
        samples: how many samples this rests on.
        interval_ms: median and greatest distance of two samples, milliseconds.
    """

    fault: int
    tier: str
    outcome: str
    tolerance_ms: int
    recovery_s: float | None
    uncertainty_s: float
    detection_s: float | None
    detection_uncertainty_s: float | None = None
    last_stale_s: float | None = None
    outage_s: float
    outage_uncertainty_s: float = 0.0
    first_new_s: float | None
    first_new_uncertainty_s: float | None = None
    backlog_gone_s: float | None
    backlog_gone_uncertainty_s: float | None = None
    unproven_s: float = 0.0
    samples: int
    interval_ms: dict[str, float]


class ProxyTax(msgspec.Struct, frozen=True, kw_only=True):
    """What a link's proxy adds to a round trip without a fault, measured before the load.

    Attributes:
        link: where it was measured.
        n: pairs of round trips, one directly and one through the proxy.
        direct_us: median past the proxy, microseconds.
        proxied_us: median through it, microseconds.
        added_us: median of the pairs' differences, microseconds.
        uncertainty_us: half of its 95 % confidence interval, microseconds.
    """

    link: str
    n: int
    direct_us: float
    proxied_us: float
    added_us: float
    uncertainty_us: float


class OffloadReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the offload to the cold tier took one fault, by its own metrics.

    Attributes:
        fault: number of the fault in the run's list.
        looks: how often it was asked between the fault's verified start and its verified end.
        unanswered: of these, how often it didn't answer.
        failures: tries that it counted as failed.
        retries: tries after a failure.
        watermarks_moved: tables whose watermark moved during the fault, after the first try that failed.
        resumed_s: from the fault's verified end until a watermark was seen to move, seconds; None: never.
        resumed_uncertainty_s: it may have been so much earlier, seconds.
    """

    fault: int
    looks: int
    unanswered: int
    failures: int
    retries: int
    watermarks_moved: list[str]
    resumed_s: float | None
    resumed_uncertainty_s: float


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    experiment: str
    platform: str
    verdict: str
    reasons: list[str]
    budget: Budget
    clock: ClockAnchor
    environment: Environment
    phases: list[Phase]
    faults: list[FaultRecord]
    load: LoadReport | None
    tiers: list[TierReport]
    source_loss: dict[str, int]
    recovery: list[RecoveryReport]
    proxy_tax: ProxyTax | None = None
    offload: list[OffloadReport] = []


def write(evidence: Evidence, path: Path) -> None:
    """Write the evidence whole or not at all: a half-written one is never taken for a result.

    Args:
        evidence: what to write.
        path: the file; replaced if it is there.

    Raises:
        OSError: if it can't be written; the file is then as it was.
    """
    text = msgspec.json.format(msgspec.json.encode(evidence), indent=2)
    write_whole(path, text + b"\n", synced=True)


def read(path: Path) -> Evidence:
    """Read evidence that `write` wrote.

    Raises:
        OSError: if the file can't be read.
        msgspec.ValidationError: if it isn't evidence.
    """
    return msgspec.json.decode(path.read_bytes(), type=Evidence)
