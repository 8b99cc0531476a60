"""Look for false alarms: run what is whole again and again, short and long, and see what the account says.

    python benchmarks/clean_runs.py --short 200 --long 30 --output reports/clean-runs

Short runs are five seconds of 10x load without a fault, one after the other on one platform, whose tables
and candles hold all of the earlier ones. Long runs are the shipped experiments in turn, each on a platform
of its own. No bug is planted in either, so whatever the account names beyond what a fault may cost at the
source (a crashed handler's gap) is a false alarm, or a bug of the platform: each is to be looked at.
Called again, it goes on where it was ended. Exit code 0 only if there was no alarm and every run passed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from _sigterm import end_tidily_on_sigterm
from failure_modes import EXPERIMENTS
from repeat import Outcome, read_outcome, run_once

_SHORT_S = 5
#: It needs a platform file of its own, and root.
_NOT_ON_THE_DEFAULT_PLATFORM = {"disk-full"}


def alarms(outcome: Outcome) -> Iterator[str]:
    """Yield what the account names that nothing excuses."""
    evidence = outcome.evidence
    if evidence is None:
        return
    excused = evidence.source_loss.get("missed_at_source", 0) + evidence.source_loss.get("unacknowledged", 0)
    for tier in evidence.tiers:
        found = {"lost": tier.lost + tier.late - excused}
        found |= {
            kind: getattr(tier, kind) for kind in ("duplicated", "reordered", "corrupted", "unexpected")
        }
        yield from (f"{count} {kind} at {tier.tier}" for kind, count in found.items() if count)
    for cause, allowed in (
        ("missed_at_source", evidence.budget.missed_at_source),
        ("unacknowledged", evidence.budget.unacknowledged),
    ):
        if evidence.source_loss.get(cause, 0) > allowed:
            yield f"{evidence.source_loss[cause]} {cause}"


def _short_runs(folder: Path, count: int) -> Iterator[tuple[str, Outcome]]:
    """Run the baseline on one platform that stays up."""
    wanted = [folder / f"short-{number:03}" for number in range(1, count + 1)]
    if all(map(_done, wanted)):
        yield from ((run.name, read_outcome(run)) for run in wanted)
        return
    os.environ |= {"CHAOSP7_STATE_DIR": str(folder.absolute() / "state"), "CHAOSP7_DURATION_S": str(_SHORT_S)}
    chaosp7 = Path(sys.executable).with_name("chaosp7")
    subprocess.run([chaosp7, "platform", "up"], check=True)
    try:
        yield from _runs(wanted, [EXPERIMENTS / "baseline.json"])
    finally:
        subprocess.run([chaosp7, "platform", "down"], check=True)
        del os.environ["CHAOSP7_DURATION_S"]


def _long_runs(folder: Path, count: int) -> Iterator[tuple[str, Outcome]]:
    """Run the experiments in turn."""
    experiments = [
        e for e in sorted(EXPERIMENTS.glob("*.json")) if e.stem not in _NOT_ON_THE_DEFAULT_PLATFORM
    ]
    wanted = [folder / f"long-{number:03}" for number in range(1, count + 1)]
    yield from _runs(wanted, experiments)


def _runs(folders: Iterable[Path], experiments: list[Path]) -> Iterator[tuple[str, Outcome]]:
    for number, folder in enumerate(folders):
        experiment = experiments[number % len(experiments)]
        if not _done(folder):
            run_once(experiment, folder)
        yield f"{folder.name} {experiment.stem}", read_outcome(folder)


def _done(folder: Path) -> bool:
    return (folder / "journal.json").exists()


def _tell(kind: str, outcomes: list[Outcome], alarmed: int) -> None:
    if not outcomes:
        return
    count = len(outcomes)
    messages = sum(o.evidence.load.messages for o in outcomes if o.evidence and o.evidence.load)
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(o.verdict for o in outcomes).items())
    bound = "" if alarmed else f" (their share is at most {3 / count:.1%}, 95 %, the rule of three)"
    print(f"{kind}: {alarmed} false alarms in {count} runs of {messages:,} messages{bound}; {verdicts}")


def main() -> int:
    """Run it all.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", type=int, default=200, help="how many short runs (default 200)")
    parser.add_argument("--long", type=int, default=30, help="how many long runs (default 30)")
    parser.add_argument("--output", type=Path, default=Path("reports/clean-runs"), help="where runs are kept")
    arguments = parser.parse_args()
    end_tidily_on_sigterm()
    good = True
    for kind, runs in (
        ("short", _short_runs(arguments.output, arguments.short)),
        ("long", _long_runs(arguments.output, arguments.long)),
    ):
        outcomes, alarmed = [], 0
        for name, outcome in runs:
            outcomes.append(outcome)
            found = list(alarms(outcome))
            alarmed += bool(found)
            good = good and not found and outcome.verdict == "passed"
            print(f"{name}: {'; '.join([outcome.verdict, *found, *outcome.reasons])}", flush=True)
        _tell(kind, outcomes, alarmed)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
