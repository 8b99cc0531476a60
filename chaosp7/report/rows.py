"""The rows of the page's tables. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chaosp7.report.markdown import failure_cells
from chaosp7.report.records import RunRecord
from chaosp7.report.sentences import run_sentence, suite_verdict
from chaosp7.report.stats import (
    at_source,
    known_recovery,
    lost_beyond_source,
    recovery_of_run_s,
)
from chaosp7.run.evidence import Evidence, RecoveryReport
from chaosp7.run.slowest import slowest
from chaosp7.run.verdict import Verdict

__all__ = ["RunRow", "SuiteRow", "TierRow", "run_rows", "suite_row", "tier_rows"]

_CLASSES = ("duplicated", "reordered", "corrupted", "late", "unexpected")


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """An experiment against its budget.

    Attributes:
        share: how much of the budget the slowest run took, 0 to 1; None if that isn't known.
    """

    key: str
    name: str
    verdict: Verdict
    runs: int
    budget: str
    recovery: str
    share: float | None
    loss: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of an experiment."""

    run_id: str
    verdict: Verdict
    sentence: str
    reasons: tuple[str, ...]
    recovery: str
    sent: str
    lost: str


@dataclass(frozen=True, slots=True)
class TierRow:
    """One tier: its account, and its slowest recovery.

    Attributes:
        counts: of each class, in the order of the table's head.
        wrong: what must not have been but was.
    """

    tier: str
    sent: int
    delivered: int
    lost: int
    lost_here: int
    counts: tuple[int, ...]
    drained: bool
    note: str
    recovery: str
    detection: str
    outage: str
    first_new: str
    whole: str
    tolerance: str


def suite_row(key: str, name: str, runs: Sequence[RunRecord]) -> SuiteRow:
    """Return an experiment's row."""
    budgets = sorted(
        {b for run in runs if run.evidence and (b := run.evidence.budget.recovery_s) is not None}
    )
    recovery, loss, _ = failure_cells(runs, unit=" s")
    times = [recovery_of_run_s(run.evidence) for run in runs if run.evidence and run.evidence.recovery]
    # One of which nobody can tell counts as one that didn't recover: it may have been the slowest.
    most = max((math.inf if time_s is None else time_s for time_s in times), default=math.inf)
    share = None if not budgets or math.isinf(most) else min(1.0, most / budgets[0])
    return SuiteRow(
        key=key,
        name=name,
        verdict=suite_verdict(runs),
        runs=len(runs),
        budget=" or ".join(f"{b:g} s" for b in budgets) or "-",
        recovery=recovery.replace("--", "-"),
        share=share,
        loss=loss,
    )


def run_rows(runs: Sequence[RunRecord]) -> list[RunRow]:
    """Return a row per run."""
    return [
        RunRow(
            run_id=run.run_id,
            verdict=run.verdict,
            sentence=run_sentence(run),
            reasons=run.reasons,
            recovery=_run_recovery(run.evidence),
            sent=f"{run.evidence.load.messages:,}" if run.evidence and run.evidence.load else "-",
            lost=_run_lost(run.evidence),
        )
        for run in runs
    ]


def _run_recovery(evidence: Evidence | None) -> str:
    time_s = recovery_of_run_s(evidence)
    if time_s is None:
        return "not measured"
    return "not recovered" if math.isinf(time_s) else "never stale" if time_s == 0 else f"{time_s:.2f} s"


def _run_lost(evidence: Evidence | None) -> str:
    lost = lost_beyond_source(evidence)
    if lost is None or evidence is None:
        return "unknown"
    source = at_source(evidence)
    return f"{lost:,}" + (f" (+ {source:,} never confirmed)" if source else "")


def tier_rows(evidence: Evidence | None) -> list[TierRow]:
    """Return a row per tier; of a run without an account those whose recovery was measured."""
    if evidence is None:
        return []
    worst, known = slowest(evidence), known_recovery(evidence)
    return [
        TierRow(
            tier=tier.tier,
            sent=tier.sent,
            delivered=tier.delivered,
            lost=tier.lost,
            lost_here=tier.lost_here,
            counts=tuple(getattr(tier, name) for name in _CLASSES),
            drained=tier.drained,
            note=tier.note,
            **_recovery(known.get(tier.tier), worst.get(tier.tier)),
        )
        for tier in evidence.tiers
    ]


def _recovery(known: RecoveryReport | None, worst: RecoveryReport | None) -> dict[str, str]:
    names = ("recovery", "detection", "outage", "first_new", "whole", "tolerance")
    report = known or worst
    if report is None:
        return dict.fromkeys(names, "-")
    if known is None:
        recovery = "not measured"
    elif known.recovery_s is None:
        recovery = known.outcome.replace("-", " ")
    else:
        recovery = _s(known.recovery_s, known.uncertainty_s)
    return {
        "recovery": recovery,
        "detection": _s(report.detection_s, report.detection_uncertainty_s),
        "outage": _s(report.outage_s, report.outage_uncertainty_s),
        "first_new": _s(report.first_new_s, report.first_new_uncertainty_s),
        "whole": _s(report.backlog_gone_s, report.backlog_gone_uncertainty_s),
        "tolerance": f"{report.tolerance_ms / 1000:g} s",
    }


def _s(time_s: float | None, uncertainty_s: float | None) -> str:
    if time_s is None:
        return "-"
    return f"{time_s:.2f} s" + (f" ± {uncertainty_s:.2f}" if uncertainty_s else "")
