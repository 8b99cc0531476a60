"""Run the failure modes again and again, and write the tracker's table from what was measured.

    python benchmarks/failure_modes.py --repeat 20 --output reports/failure-modes

Runs are kept in the folder, one experiment after the other in turn; called again, it goes on where it
was ended (20 rounds take about two and a half hours). The recovery of a run is that of its slowest
tier. A quantile is the smallest measured time that at least that share of the runs didn't exceed.
Exit code 0 only if every run passed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from repeat import Outcome, read_outcome, run_once

from chaosp7.report.stats import quantile

EXPERIMENTS = Path(__file__).parents[1] / "experiments"

ROWS = {
    "Redpanda restart": "redpanda-restart",
    "ClickHouse restart": "clickhouse-restart",
    "Feed Handler crash": "feed-handler-crash",
    "Silver Processor crash": "silver-processor-crash",
    "Network partition": "network-partition",
}


def recovery_s(outcome: Outcome) -> float:
    """Return when the slowest tier was fresh again, 0 if none went stale, infinity if one wasn't, seconds."""
    evidence = outcome.evidence
    if evidence is None or not evidence.recovery:
        return math.inf
    return max(
        0.0 if report.outcome == "never-stale" else report.recovery_s or math.inf
        for report in evidence.recovery
    )


def acknowledged_lost(outcome: Outcome) -> int:
    """Return how many messages a tier lost that the broker had confirmed; -1 if that isn't known."""
    evidence = outcome.evidence
    if evidence is None or not evidence.tiers:
        return -1
    excused = evidence.source_loss.get("missed_at_source", 0) + evidence.source_loss.get("unacknowledged", 0)
    return max(tier.lost + tier.late for tier in evidence.tiers) - excused


def row(title: str, outcomes: Sequence[Outcome]) -> str:
    """Return a failure's row of the table."""
    times = [recovery_s(outcome) for outcome in outcomes]
    budget = next((o.evidence.budget.recovery_s for o in outcomes if o.evidence), None)
    measured = " / ".join(f"{quantile(times, share):.2f}" for share in (0.5, 0.95, 1.0))
    lost = [acknowledged_lost(outcome) for outcome in outcomes]
    unknown = f", {lost.count(-1)} unknown" if -1 in lost else ""
    source = [
        outcome.evidence.source_loss.get("missed_at_source", 0)
        + outcome.evidence.source_loss.get("unacknowledged", 0)
        for outcome in outcomes
        if outcome.evidence
    ]
    gap = f"; never confirmed, at most {max(source)} a run" if any(source) else ""
    verdicts = ", ".join(f"{count} {name}" for name, count in Counter(o.verdict for o in outcomes).items())
    return (
        f"| {title} | {budget:g} s | {measured} s | {sum(max(0, n) for n in lost)} of "
        f"{sum(o.evidence.load.messages for o in outcomes if o.evidence and o.evidence.load):,}"
        f"{unknown}{gap} | {verdicts} |"
    )


def table(outcomes: dict[str, list[Outcome]]) -> str:
    """Return the table in Markdown."""
    head = "| Failure | Expected Recovery | Actual Recovery (p50 / p95 / max) | Data Loss | Status |"
    rows = [row(title, found) for title, name in ROWS.items() if (found := outcomes[name])]
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def main() -> int:
    """Run it all.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=20, help="runs of each failure (default 20)")
    parser.add_argument(
        "--output", type=Path, default=Path("reports/failure-modes"), help="where runs are kept"
    )
    parser.add_argument("--only", choices=ROWS.values(), action="append", help="these experiments only")
    arguments = parser.parse_args()
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ROWS.values()}
    for number in range(1, arguments.repeat + 1):
        for name in arguments.only or ROWS.values():
            folder = arguments.output / name / f"run-{number:02}"
            if not (folder / "journal.json").exists():
                run_once(EXPERIMENTS / f"{name}.json", folder)
            outcome = read_outcome(folder)
            outcomes[name].append(outcome)
            print(f"{name} {number}: {outcome.verdict}, slowest tier {recovery_s(outcome):.2f} s", flush=True)
            for reason in outcome.reasons:
                print(f"    {reason}")
    print(table(outcomes))
    return 0 if all(o.verdict == "passed" for found in outcomes.values() for o in found) else 1


if __name__ == "__main__":
    sys.exit(main())
