"""Are outages of known length measured within the stated uncertainty, at every tier?

    python benchmarks/timeline.py --minutes 10

A script writes ledger, topics and tables itself, to a real broker and a real ClickHouse, and withholds
all tiers so that each is stale for a known time. Exit code 0 only if every stated time holds the truth, and
most recoveries were seen: on a machine where writes or looks take too long the tables are stale all the
time, and nothing stated of them could be wrong. Where the disk is slow, a TMPDIR in memory helps.
An outage that is shorter than the distance of two looks may fall between them: then the tier counts as
never seen stale, and what is stated as unproven must be at least as long as the outage.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from _figures import Figure, command, progress, spread_of, write

from chaosp7.embedded import provision
from chaosp7.recovery.recovery import Outcome
from tests.clickhouse_process import ClickHouseProcess
from tests.conftest import Broker
from tests.scripted import TOLERANCE_MS, Measured, Scripted

LENGTHS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
REST_S = 2.0
#: Outages that are longer than looks are apart, and the share of them whose recovery must have been seen.
SEEN_FROM_S, SEEN_MIN = 0.5, 0.5

Found = dict[float, list[Measured]]


def measure_all(folder: Path, limit_s: float) -> Found:
    """Withhold all tiers again and again; return the outages by their length in seconds.

    Args:
        folder: for the data.
        limit_s: no outage begins that would end later, seconds.
    """
    broker = Broker(provision.parts(), folder)
    clickhouse = ClickHouseProcess(folder)
    try:
        scripted = Scripted(broker.bootstrap, clickhouse, folder, "timeline")
        scripted.start()
        time.sleep(2)
        end_s = time.monotonic() + limit_s
        windows: list[tuple[float, str, int, int]] = []
        # Every length once, then those that still fit.
        for length_s in itertools.cycle(LENGTHS_S):
            over_s = max(TOLERANCE_MS.values()) / 1e3 + length_s + REST_S
            if time.monotonic() + over_s > end_s:
                if length_s == LENGTHS_S[0]:
                    break
                continue
            begun = {tier: scripted.withhold(tier, ms / 1e3 + length_s) for tier, ms in TOLERANCE_MS.items()}
            time.sleep(over_s)
            windows += [(length_s, tier, at_ns, time.monotonic_ns()) for tier, at_ns in begun.items()]
            progress(f"outage of {length_s:g} s, {end_s - time.monotonic():.0f} s left")
        scripted.stop()
        found: Found = defaultdict(list)
        for length_s, tier, fault_ns, until_ns in windows:
            found[length_s].append(scripted.measured(tier, fault_ns, until_ns))
        return found
    finally:
        clickhouse.close()
        broker.close()


def wrong_of(one: Measured) -> list[str]:
    """Return what was stated of an outage and isn't true, in words."""
    wrong = one.outside()
    missed_ns = min(one.early.outage_ns, one.late.outage_ns)
    if one.found.outcome is Outcome.NEVER_STALE and missed_ns > one.found.unproven_ns:
        wrong.append(
            f"{one.tier}: {missed_ns / 1e9:.4f} s stale, unproven {one.found.unproven_ns / 1e9:.4f} s"
        )
    return wrong


def unseen(found: Found) -> list[str]:
    """Return, in words, at which tiers too few recoveries were seen for the figures to prove anything."""
    lines = []
    for tier in TOLERANCE_MS:
        ours = [one for s, many in found.items() if s >= SEEN_FROM_S for one in many if one.tier == tier]
        seen = sum(one.found.recovery is not None for one in ours)
        if seen < SEEN_MIN * len(ours) or not ours:
            lines.append(
                f"{tier}: of {len(ours)} outages of {SEEN_FROM_S:g} s or longer only {seen} were seen to "
                "end: that proves little."
            )
    return lines


def table(found: Found) -> tuple[list[Figure], list[str]]:
    """Print a line per length and tier; return a figure per tier, and what was wrong."""
    wrong = []
    errors_ms: dict[str, list[float]] = defaultdict(list)
    stated_ms: dict[str, list[float]] = defaultdict(list)
    print("length tier    recovered  error of recovery (ms)    stated ± (ms)  figures inside")
    for length_s, outages in sorted(found.items()):
        for tier in TOLERANCE_MS:
            ours = [one for one in outages if one.tier == tier]
            outside = [text for one in ours for text in wrong_of(one)]
            wrong += [f"{length_s:g} s: {text}" for text in outside]
            count = sum(len(one.figures()) for one in ours)
            errors, stated = [], []
            for name, figure, low_ns, high_ns in (row for one in ours for row in one.figures()):
                if name == "recovery":
                    errors.append((figure.value_ns - (low_ns + high_ns) / 2) / 1e6)
                    stated.append(figure.uncertainty_ns / 1e6)
            low, high = spread_of(errors) if errors else (0.0, 0.0)
            print(
                f"{length_s:5g}s {tier:7} {len(errors):4} of {len(ours):<3} "
                f"{statistics.median(errors) if errors else 0:+8.1f} ({low:+.1f} to {high:+.1f})   "
                f"{statistics.median(stated) if stated else 0:8.1f}       {count - len(outside)} of {count}"
            )
            errors_ms[tier] += errors
            stated_ms[tier] += stated
    figures = [
        Figure(
            f"error of the recovery, {tier}",
            statistics.median(errors),
            "ms",
            command(),
            len(errors),
            peer="stated uncertainty, median",
            peer_value=statistics.median(stated_ms[tier]),
            spread=spread_of(errors),
        )
        for tier, errors in errors_ms.items()
        if errors
    ]
    return figures, wrong


def main() -> int:
    """Run it all.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10, help="how long it may take (default 10)")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure_all(Path(folder), options.minutes * 60)
    figures, wrong = table(found)
    outages = [one for ours in found.values() for one in ours]
    stated = sum(len(one.figures()) for one in outages)
    figures.append(
        Figure(
            "stated times that hold the truth", 100 * (1 - len(wrong) / max(1, stated)), "%", command(),
            stated, target=100,
        )
    )  # fmt: skip
    between = sum(one.found.outcome is Outcome.NEVER_STALE for one in outages)
    notes = [f"{between} of {len(outages)} outages fell between two looks and were stated as unproven time."]
    notes += (few := unseen(found))
    write(options.json, "Outages of known length", figures, notes)
    print("\n".join([*notes, *wrong]))
    return 0 if stated and not wrong and not few else 1


if __name__ == "__main__":
    sys.exit(main())
