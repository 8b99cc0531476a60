"""The result in a sentence: of a run, and of many. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from chaosp7.report.records import RunRecord
from chaosp7.report.stats import (
    at_source,
    known_recovery,
    lost_beyond_source,
    not_measured,
    quantile,
    recovery_of_run_s,
)
from chaosp7.run.in_time import unseen
from chaosp7.run.verdict import Verdict

__all__ = ["plural", "run_sentence", "suite_sentence", "suite_sentences", "suite_verdict"]

_MEANS = {
    Verdict.ERROR: "something that was to be measured wasn't",
    Verdict.INTERRUPTED: "ended from outside before it was over",
    Verdict.ABORTED: "ended by a safeguard",
    Verdict.BASELINE_NOT_MET: "the steady state wasn't met to begin with, so nothing was measured",
    Verdict.FAULT_NOT_VERIFIED: "nothing shows that the fault took effect, or that it lasted",
    Verdict.HEAL_FAILED: "a fault couldn't be undone",
    Verdict.DRAIN_TIMEOUT: "messages were still moving at the deadline",
    Verdict.DEVIATED: "a budget was exceeded",
}


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def suite_verdict(runs: Sequence[RunRecord]) -> Verdict:
    """Return the gravest of all verdicts; ``error`` if there is no run: nothing tested is never passed."""
    order = list(Verdict)
    return min((run.verdict for run in runs), key=order.index, default=Verdict.ERROR)


def run_sentence(run: RunRecord) -> str:
    """Return a run's result in two or three short sentences."""
    return " ".join(_run_sentences(run))


def _run_sentences(run: RunRecord) -> list[str]:
    parts = []
    if run.verdict is Verdict.PASSED:
        parts.append("Everything was measured, and within its budget.")
    else:
        because = run.reasons[0] if run.reasons else _MEANS.get(run.verdict, "")
        parts.append(f"{run.verdict.capitalize()}: {because.rstrip('.')}.")
    return [*parts, *_recovered(run), *_accounted(run)]


def _recovered(run: RunRecord) -> list[str]:
    evidence = run.evidence
    if evidence is None or not evidence.recovery:
        return []
    budget = f" (budget {evidence.budget.recovery_s:g} s)" if evidence.budget.recovery_s is not None else ""
    known = known_recovery(evidence)
    never = [tier for tier, report in known.items() if report.outcome not in ("recovered", "never-stale")]
    unmeasured = [tier for tier in not_measured(evidence) if tier not in never]
    hidden = [tier for tier in unseen(evidence) if tier not in (*never, *unmeasured)]
    problems = [
        f"{what}: {', '.join(tiers)}{budget}."
        for what, tiers in (
            ("Not seen to recover", never),
            ("Recovery wasn't measured", unmeasured),
            ("Nobody can tell how long this was stale", hidden),
        )
        if tiers
    ]
    if problems:
        return problems
    times = [report for report in known.values() if report.recovery_s is not None]
    if not times:
        return ["No tier ever went stale."]
    last = max(times, key=lambda report: report.recovery_s or 0.0)
    return [f"The slowest tier, {last.tier}, was fresh again after {last.recovery_s:.2f} s{budget}."]


def _accounted(run: RunRecord) -> list[str]:
    lost = lost_beyond_source(run.evidence)
    if lost is None or run.evidence is None:
        return ["No message was accounted for."]
    sent = run.evidence.load.messages if run.evidence.load else run.evidence.tiers[0].sent
    source = at_source(run.evidence)
    beside = f"; {source:,} more were never confirmed by the broker" if source else ""
    return [f"Of {plural(sent, 'message')} {lost:,} {'was' if lost == 1 else 'were'} lost{beside}."]


def suite_sentence(runs: Sequence[RunRecord]) -> str:
    """Return the result of many runs in a few sentences."""
    return " ".join(suite_sentences(runs))


def suite_sentences(runs: Sequence[RunRecord]) -> list[str]:
    """Return the result of many runs, the verdict in the first sentence."""
    if not runs:
        return ["Nothing was tested: there are no runs."]
    if len(runs) == 1:
        return _run_sentences(runs[0])
    found = Counter(run.verdict for run in runs)
    experiments = len({run.experiment for run in runs})
    total = plural(len(runs), "run")
    of = f" of {plural(experiments, 'experiment')}" if experiments > 1 else ""
    if found[Verdict.PASSED] == len(runs):
        parts = [f"All {total}{of} passed."]
    else:
        order = list(Verdict)
        bad = ", ".join(f"{found[v]} {v}" for v in sorted(found, key=order.index) if v is not Verdict.PASSED)
        parts = [f"{found[Verdict.PASSED]:,} of {total}{of} passed; {bad}."]
    times = [t for run in runs if (t := recovery_of_run_s(run.evidence)) is not None]
    finite = [t for t in times if not math.isinf(t)]
    if finite:
        parts.append(
            f"The slowest tier was fresh again after {quantile(finite, 0.5):.2f} s in the median run "
            f"and after {max(finite):.2f} s in the slowest."
        )
    if len(finite) < len(times):
        parts.append(f"{plural(len(times) - len(finite), 'run')} didn't recover while it was watched.")
    untold = sum(bool(run.evidence and run.evidence.recovery) for run in runs) - len(times)
    if untold:
        parts.append(f"Of {plural(untold, 'run')} nobody can tell when every tier was fresh again.")
    lost = [n for run in runs if (n := lost_beyond_source(run.evidence)) is not None]
    if lost:
        sent = sum(
            r.evidence.load.messages for r in runs if r.evidence and r.evidence.tiers and r.evidence.load
        )
        parts.append(f"Of {plural(sent, 'message')} {sum(lost):,} were lost.")
    if len(lost) < len(runs):
        parts.append(f"{plural(len(runs) - len(lost), 'run')} accounted for no message.")
    return parts
