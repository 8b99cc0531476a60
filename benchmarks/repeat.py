"""Run an experiment again and again, and tell how often which verdict came and how times spread.

    python benchmarks/repeat.py experiments/redpanda-restart.json --repeat 10

Each run is a `chaos run` of its own, whose platform comes up and goes down with it. Exit code 0
only if every run passed and every tier accounts for each message of each run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from chaosp7.run import evidence as ev

_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to."""

    verdict: str
    reasons: list[str]
    evidence: ev.Evidence | None
    duration_s: float = 0.0
    exit_code: int | None = None


def run_once(experiment: Path, folder: Path) -> Outcome:
    """Run an experiment; its reports and its journal go into a folder."""
    # What a run that was ended in the middle left there is written anew.
    folder.mkdir(parents=True, exist_ok=True)
    chaos = Path(sys.executable).with_name("chaos")
    command = [str(chaos), "--no-version-check", "--no-log-file", "run", str(experiment.resolve())]
    begun = time.monotonic()
    with (folder / "output.log").open("w") as output:
        done = subprocess.run(
            command, cwd=folder, stdout=output, stderr=output, timeout=_TIMEOUT_S, check=False, env=os.environ
        )
    return replace(read_outcome(folder), duration_s=time.monotonic() - begun, exit_code=done.returncode)


def read_outcome(folder: Path) -> Outcome:
    """Return what the run in a folder came to, but for what only whoever ran it knows."""
    journal = json.loads((folder / "journal.json").read_text())
    result = journal.get("x-chaosp7", {"verdict": "error", "reasons": ["the journal holds no result"]})
    evidence = ev.read(folder / result["evidence"]) if "evidence" in result else None
    return Outcome(result["verdict"], result["reasons"], evidence)


def complete(outcome: Outcome) -> bool:
    """Return whether a run passed and every tier delivered each message, and nothing else."""
    evidence = outcome.evidence
    if outcome.verdict != "passed" or outcome.exit_code != 0 or evidence is None or evidence.load is None:
        return False
    sent = evidence.load.messages
    return bool(evidence.tiers) and all(
        tier.sent == tier.delivered == sent and not tier.unexpected for tier in evidence.tiers
    )


def _describe(number: int, outcome: Outcome) -> str:
    parts = [f"{number:3}. {outcome.verdict}, {outcome.duration_s:.0f} s"]
    if outcome.evidence and outcome.evidence.load:
        parts.append(f"{outcome.evidence.load.messages:,} messages")
        parts += [f"{t.tier} {t.delivered:,}/{t.sent:,}" for t in outcome.evidence.tiers]
        for report in outcome.evidence.recovery:
            time_s = "-" if report.recovery_s is None else f"{report.recovery_s:.2f}"
            parts.append(f"{report.tier} {report.outcome} {time_s} ± {report.uncertainty_s:.2f} s")
    return "; ".join(parts + [f"[{reason}]" for reason in outcome.reasons])


def main() -> int:
    """Run it all.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--repeat", type=int, default=3, help="how many runs (default 3)")
    parser.add_argument("--output", type=Path, help="folder for journals and evidence, must not exist yet")
    arguments = parser.parse_args()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    output: Path = arguments.output or Path("reports") / f"{stamp}-repeat-{arguments.experiment.stem}"
    outcomes = []
    for number in range(1, arguments.repeat + 1):
        outcomes.append(run_once(arguments.experiment, output / f"run-{number:02}"))
        print(_describe(number, outcomes[-1]), flush=True)
    recovery: dict[str, list[float]] = defaultdict(list)
    for outcome in outcomes:
        for report in outcome.evidence.recovery if outcome.evidence else ():
            if report.recovery_s is not None:
                recovery[report.tier].append(report.recovery_s)
    good = sum(map(complete, outcomes))
    print(f"{good} of {len(outcomes)} passed with every message in every tier; verdicts:", end=" ")
    print(", ".join(f"{count} {verdict}" for verdict, count in Counter(o.verdict for o in outcomes).items()))
    if recovery:
        print("Recovery:")
    for tier, times in recovery.items():
        spread_s = statistics.stdev(times) if len(times) > 1 else 0.0
        print(
            f"  {tier}: median {statistics.median(times):.2f} s, mean {statistics.mean(times):.2f} s, "
            f"standard deviation {spread_s:.2f} s, {min(times):.2f} to {max(times):.2f} s, n = {len(times)}"
        )
    return 0 if good == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
