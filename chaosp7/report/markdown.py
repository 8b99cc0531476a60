"""The phase's tracker tables in Markdown, filled in with what was measured.

Rows and columns are the tracker's own. What no run tested stays pending.
"""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from chaosp7.report.records import RunRecord
from chaosp7.report.stats import at_source, lost_beyond_source, quantile, recovery_of_run_s
from chaosp7.report.tracker import FAILURES, LATENCY, PENDING, RESOURCES
from chaosp7.run.verdict import Verdict

__all__ = ["failure_cells", "markdown"]


def markdown(runs: Sequence[RunRecord]) -> str:
    """Return the report in Markdown.

    Args:
        runs: any number, also none.
    """
    by_experiment: dict[str, list[RunRecord]] = {}
    for run in runs:
        by_experiment.setdefault(run.experiment, []).append(run)
    listed = [row.experiment for row in FAILURES]
    failures = [
        f"| {row.failure} | {row.expected} | "
        f"{' | '.join(failure_cells(by_experiment.get(row.experiment, [])))} |"
        for row in FAILURES
    ]
    others = [
        f"| {escape(name)} | {expected(found)} | {' | '.join(failure_cells(found))} |"
        for name, found in by_experiment.items()
        if name not in listed
    ]
    head = "| Failure | Expected Recovery | Actual Recovery | Data Loss | Status |"
    rule = "|---------|-------------------|----------------|-----------|--------|"
    parts = [
        "## Latency Benchmark Results",
        "| Segment | Target | Actual (1x) | Actual (5x) | Actual (10x) | Status |\n"
        "|---------|--------|-------------|-------------|--------------|--------|\n"
        + "\n".join(f"| {segment} | {target} | -- | -- | -- | {PENDING} |" for segment, target in LATENCY),
        "## Resource Budget Validation (24h Burn-In)",
        "| Service | Target CPU | Actual CPU | Target RAM | Actual RAM | Status |\n"
        "|---------|-----------|-----------|-----------|-----------|--------|\n"
        + "\n".join(f"| {name} | {cpu} | -- | {ram} | -- | {PENDING} |" for name, cpu, ram in RESOURCES),
        "## Failure Mode Test Results",
        "\n".join([head, rule, *failures]),
    ]
    if others:
        parts += ["## Further experiments", "\n".join([head.replace("Failure", "Experiment"), rule, *others])]
    bad = [run for run in runs if run.verdict is not Verdict.PASSED]
    if bad:
        lines = [
            f"- {escape(run.run_id)}: **{run.verdict}**" + "".join(f"\n  - {escape(r)}" for r in run.reasons)
            for run in bad
        ]
        parts += ["## Runs that didn't pass", "\n".join(lines)]
    parts.append(
        "Recovery is that of a run's slowest tier from the fault's verified start, median / 95 % / greatest "
        "of n runs. Data loss counts what the broker had confirmed and some tier didn't have."
    )
    return "\n\n".join(parts) + "\n"


def failure_cells(runs: Sequence[RunRecord], unit: str = "s") -> tuple[str, str, str]:
    """Return actual recovery, data loss and status of one experiment's runs.

    Args:
        runs: of one experiment.
        unit: what stands behind a number of seconds; the tracker has no space there.
    """
    if not runs:
        return "--", "--", PENDING
    return _recovery(runs, unit), _loss(runs), _status(runs)


def expected(runs: Sequence[RunRecord]) -> str:
    """Return the budget of recovery that the runs had."""
    budgets = {run.evidence.budget.recovery_s for run in runs if run.evidence}
    return " or ".join(f"{b:g}s" for b in sorted(b for b in budgets if b is not None)) or "N/A"


def _recovery(runs: Sequence[RunRecord], unit: str) -> str:
    times = [t for run in runs if (t := recovery_of_run_s(run.evidence)) is not None]
    if not times:
        return "not measured" if any(r.evidence and r.evidence.faults for r in runs) else "--"
    if len(times) == 1:
        return seconds(times[0], unit) + _offload(runs, unit)
    low, high, most = (seconds(quantile(times, share), unit) for share in (0.5, 0.95, 1.0))
    return f"{low} / {high} / {most} (n = {len(times)})" + _offload(runs, unit)


def _offload(runs: Sequence[RunRecord], unit: str) -> str:
    """Return how an offload that failed during a fault went on after it."""
    hit = [report for run in runs if run.evidence for report in run.evidence.offload if report.failures]
    if not hit:
        return ""
    times = [report.resumed_s for report in hit if report.resumed_s is not None]
    gone_on = (
        f"offload goes on {seconds(max(times), unit)} after healing" if times else "offload doesn't go on"
    )
    if len(hit) > 1:
        gone_on += f" at the latest in {len(times)} of {len(hit)}" if times else f", {len(hit)} times"
    return f"; {gone_on}, {sum(report.retries for report in hit):,} retries"


def seconds(time_s: float, unit: str = "s") -> str:
    """Return a recovery time in words."""
    if math.isinf(time_s):
        return "not recovered"
    return "never stale" if time_s == 0 else f"{time_s:.2f}{unit}"


def _loss(runs: Sequence[RunRecord]) -> str:
    losses = [lost_beyond_source(run.evidence) for run in runs]
    known = [n for n in losses if n is not None]
    if not known:
        return "unknown"
    sent = sum(r.evidence.load.messages for r in runs if r.evidence and r.evidence.tiers and r.evidence.load)
    text = f"{sum(known):,} of {sent:,}"
    source = [at_source(run.evidence) for run in runs if run.evidence and run.evidence.tiers]
    if any(source):
        text += f"; never confirmed {max(source):,}" + (" a run at most" if len(runs) > 1 else "")
    return text + (f"; {losses.count(None)} unknown" if None in losses else "")


def _status(runs: Sequence[RunRecord]) -> str:
    found = Counter(run.verdict for run in runs)
    mark = "✅" if set(found) == {Verdict.PASSED} else "❌"
    order = list(Verdict)
    return f"{mark} " + ", ".join(
        f"{found[verdict]} {verdict}" if len(runs) > 1 else str(verdict)
        for verdict in sorted(found, key=order.index)
    )


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    flat = " ".join(text.split())[:500]
    return html.escape(re.sub(r"([\\`*_{}\[\]#|~])", r"\\\1", flat), quote=False)


def dated(wall_ns: int) -> str:
    """Return a moment of the wall clock, UTC."""
    return datetime.fromtimestamp(wall_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
