"""The verdict of an experiment, made from the journal and the evidence. Pure.

In this order of precedence (the first that holds is the verdict)::

    error               something that was to be measured wasn't, or an activity failed
    interrupted         the run was ended from outside
    aborted             a safeguard ended it
    baseline-not-met    the steady state wasn't met before the method: nothing was measured
    fault-not-verified  a fault was ordered, but nothing shows that it took effect, or that it lasted
    heal-failed         a fault couldn't be undone
    drain-timeout       a tier was still moving at the drain's deadline
    deviated            a budget was exceeded, or the steady state wasn't met afterwards
    passed              everything that the budget names was measured, and is within it

``chaos run``'s own exit code isn't evidence: a failed action, for one, leaves it at 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chaosp7.run.evidence import Budget, FaultRecord, LoadReport, RecoveryReport, TierReport
from chaosp7.run.in_time import in_time
from chaosp7.run.unmeasured import unmeasured

__all__ = ["Findings", "Judgement", "Verdict", "judge"]


class Verdict(StrEnum):
    """The verdicts, gravest first: their order is the order of precedence."""

    ERROR = "error"
    INTERRUPTED = "interrupted"
    ABORTED = "aborted"
    BASELINE_NOT_MET = "baseline-not-met"
    FAULT_NOT_VERIFIED = "fault-not-verified"
    HEAL_FAILED = "heal-failed"
    DRAIN_TIMEOUT = "drain-timeout"
    DEVIATED = "deviated"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run found out.

    Attributes:
        tiers_expected: the platform's tiers; one that isn't accounted for is an error.
        errors: what couldn't be measured, in words.
        aborted: how a safeguard was missed that ended the run, in words.
        faults: the faults carried out.
        faults_expected: how many fault activities the method holds.
        objections: what a test has found wrong by itself, in words.
    """

    tiers_expected: Sequence[str]
    budget: Budget
    load: LoadReport | None
    tiers: Sequence[TierReport]
    source_loss: Mapping[str, int]
    recovery: Sequence[RecoveryReport]
    faults: Sequence[FaultRecord]
    faults_expected: int
    errors: Sequence[str]
    aborted: str | None = None
    objections: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and every reason for it, the verdict's own ones first."""

    verdict: Verdict
    reasons: tuple[str, ...]


def judge(journal: Mapping[str, Any], findings: Findings) -> Judgement:
    """Return the verdict.

    Args:
        journal: Chaos Toolkit's journal, with everything but the end.
        findings: what the run found out.

    Returns:
        The gravest verdict that something speaks for, with all reasons; ``passed`` only when
        nothing speaks against it and every tier was accounted for.
    """
    reasons = [
        # First: what else failed is often but a consequence of them.
        *((Verdict.ERROR, error) for error in findings.errors),
        *_from_journal(journal, findings),
        *_from_faults(findings, ended_early=_ended_early(journal)),
        *_from_measurement(findings, journal),
        *_from_account(findings),
        *_from_recovery(findings),
        *((Verdict.DEVIATED, objection) for objection in findings.objections),
    ]
    status = journal.get("status")
    if not reasons and status != "completed":
        reasons.append((Verdict.ERROR, f"Chaos Toolkit says {status or 'nothing of how it ended'}"))
    if not reasons:
        return Judgement(Verdict.PASSED, ())
    order = list(Verdict)
    reasons.sort(key=lambda reason: order.index(reason[0]))
    return Judgement(reasons[0][0], tuple(text for _, text in reasons))


_ENDED_EARLY = {"interrupted", "aborted"}

_Reasons = Iterator[tuple[Verdict, str]]


def _from_journal(journal: Mapping[str, Any], findings: Findings) -> _Reasons:
    status = journal.get("status")
    if findings.aborted is not None:
        yield Verdict.ABORTED, findings.aborted
    elif status in _ENDED_EARLY:
        yield Verdict(status), f"Chaos Toolkit says {status}"
    states = journal.get("steady_states") or {}
    before, after = states.get("before"), states.get("after")
    during = states.get("during") or ()
    for when, state, verdict in (
        ("before", before, Verdict.BASELINE_NOT_MET),
        ("after", after, Verdict.DEVIATED),
        *(("during", state, Verdict.DEVIATED) for state in during),
    ):
        for probe in _unmet(state):
            yield verdict, f"steady state {when} the method: {probe}"
    for section in ("run", "rollbacks"):
        for step in journal.get(section) or ():
            cut_short = "status" not in step and status in _ENDED_EARLY
            if step.get("status") != "succeeded" and not cut_short:
                why = _why(step, "it never ended")
                if not any(_told_by(fault, why) for fault in findings.faults):
                    yield Verdict.ERROR, f"{step['activity']['name']}: {why}"


#: Chaos Toolkit puts its own exception around one that is that already, and the name in front again.
_CARRIER = "chaoslib.exceptions.ActivityFailed: "


def _why(step: Mapping[str, Any], otherwise: str) -> str:
    """Return the last line of what an activity raised, without the names of what only carried it."""
    return str((step.get("exception") or [otherwise])[-1]).strip().replace(_CARRIER, "")


def _told_by(fault: FaultRecord, why: str) -> bool:
    """Tell whether an activity failed because its fault did, which has a verdict of its own."""
    unseen = None in {fault.verified_start_ns, fault.verified_end_ns} or not fault.lasted
    return fault.error is not None and unseen and f"{fault.kind} {fault.target}" in why


def _unmet(state: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the probes of a steady state that missed their tolerance or raised."""
    if not state or state.get("steady_state_met"):
        return
    probes = state.get("probes") or ()
    for probe in probes:
        name = probe["activity"]["name"]
        if probe.get("status") != "succeeded":
            yield f"{name} failed: {_why(probe, 'no reason given')}"
        elif not probe.get("tolerance_met"):
            yield f"{name}: got {probe.get('output')!r}"
    if not probes:
        yield "no probe ran"


def _from_faults(findings: Findings, *, ended_early: bool) -> _Reasons:
    if len(findings.faults) < findings.faults_expected and not ended_early:
        missing = findings.faults_expected - len(findings.faults)
        yield Verdict.FAULT_NOT_VERIFIED, f"{missing} of {findings.faults_expected} faults never began"
    for fault in findings.faults:
        what = f"{fault.kind} {fault.target}"
        why = f": {fault.error}" if fault.error else ""
        if fault.verified_start_ns is None:
            yield Verdict.FAULT_NOT_VERIFIED, f"{what} wasn't seen to take effect{why}"
        elif fault.verified_end_ns is None:
            yield Verdict.HEAL_FAILED, f"{what} wasn't seen to be undone{why}"
        elif not fault.lasted:
            yield Verdict.FAULT_NOT_VERIFIED, f"{what} wasn't in force for as long as asked{why}"


def _from_measurement(findings: Findings, journal: Mapping[str, Any]) -> _Reasons:
    # A run that ended early has said so above; its load and account are rightly missing.
    if not _ended_early(journal):
        if findings.load is None or findings.load.messages == 0:
            yield Verdict.ERROR, "no message was sent: nothing was tested"
        accounted = {tier.tier for tier in findings.tiers}
        for tier in findings.tiers_expected:
            if tier not in accounted:
                yield Verdict.ERROR, f"{tier}: not accounted for"
    for tier_report in findings.tiers:
        if findings.load is not None and tier_report.sent != findings.load.messages:
            what = f"{tier_report.sent} of {findings.load.messages} messages are accounted for"
            yield Verdict.ERROR, f"{tier_report.tier}: {what}"
        if not tier_report.drained:
            yield Verdict.DRAIN_TIMEOUT, f"{tier_report.tier}: still moving at the drain's deadline"


def _ended_early(journal: Mapping[str, Any]) -> bool:
    before = (journal.get("steady_states") or {}).get("before")
    unmet = before is not None and not before.get("steady_state_met")
    return unmet or journal.get("status") in _ENDED_EARLY


def _from_account(findings: Findings) -> _Reasons:
    budget = findings.budget
    at_source = 0
    for cause, what in (
        ("missed_at_source", "missed at the source"),
        ("unacknowledged", "never acknowledged"),
    ):
        count, allowed = findings.source_loss.get(cause, 0), getattr(budget, cause)
        at_source += count
        if count > allowed:
            yield Verdict.DEVIATED, f"{count} messages {what} (budget {allowed})"
    for tier in findings.tiers:
        # What the topic never got is judged above, once: no tier is blamed for it again.
        lost = tier.lost + tier.late - at_source
        if lost > budget.lost:
            what = f"lost or late ({tier.late} late)" if tier.late else "lost"
            yield Verdict.DEVIATED, f"{lost} messages {what} at {tier.tier} (budget {budget.lost})"
        for kind in ("duplicated", "reordered", "corrupted", "unexpected"):
            count, allowed = getattr(tier, kind), getattr(budget, kind)
            if count > allowed:
                yield Verdict.DEVIATED, f"{count} messages {kind} at {tier.tier} (budget {allowed})"


def _from_recovery(findings: Findings) -> _Reasons:
    limit = findings.budget.recovery_s
    if limit is None or not findings.faults:
        return
    several = len(findings.faults) > 1

    def after_which(fault: FaultRecord) -> str:
        return f" after {fault.kind} {fault.target}" if several else ""

    load_end_ns = findings.load.end_ns if findings.load is not None else None
    for fault, tier in unmeasured(findings.faults, findings.recovery, findings.tiers_expected, load_end_ns):
        if findings.tiers:
            yield Verdict.ERROR, f"{tier}: recovery wasn't measured{after_which(fault)}"
    for report in findings.recovery:
        yield from _late(report, limit, after_which(findings.faults[report.fault]))


def _late(report: RecoveryReport, limit: float, after: str) -> _Reasons:
    """Yield what speaks against a tier's recovery; `after` names its fault where there are several."""
    told = in_time(report, limit)
    if told:
        return
    if report.outcome == "not-recovered" and told is None:
        # It may have been back in time: nobody watched for long enough to tell.
        seen = f"last seen stale{after} after {report.last_stale_s or 0.0:.1f} s"
        yield (
            Verdict.ERROR,
            f"{report.tier}: {seen}, then not watched for long enough (settle_s is too short)",
        )
    elif report.outcome == "not-recovered":
        yield Verdict.DEVIATED, f"{report.tier} didn't become fresh again{after} (budget {limit:g} s)"
    elif report.outcome == "never-stale":
        unseen = f"may have been stale unseen{after} until {report.uncertainty_s:.1f} s"
        yield Verdict.ERROR, f"{report.tier}: {unseen}: it was looked at too rarely"
    elif report.recovery_s is not None:
        took = f"took {report.recovery_s:.2f} s ± {report.uncertainty_s:.2f} to be fresh again{after}"
        if told is None:
            why = f"nobody can tell whether within {limit:g} s: it was looked at too rarely"
            yield Verdict.ERROR, f"{report.tier}: {took}, {why}"
        else:
            yield Verdict.DEVIATED, f"{report.tier} {took} (budget {limit:g} s)"
