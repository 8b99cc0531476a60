"""How much memory does the account of a long run take?

    .venv/bin/python benchmarks/account_memory.py

Writes a real ledger and a feed handlers' journal into a temporary folder, and then, in a process of
its own, makes the account of a topic, a table and its candles against them, as a run does. Every
chunk of sequences has something wrong, so that nothing can be told by digests alone. What the
clients of broker and database buffer themselves isn't in it. Must hold: the increase of that
process's resident memory over what its imports take stays within the budget.

Exit code: 0 if it does and the counts are right, 1 if not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

from synthetic_run import (
    CORRUPTED,
    DUPLICATED,
    LOST,
    LOST_IN_TABLE,
    SyntheticTable,
    SyntheticTopic,
    count_of,
    write_run,
)

from chaosp7.account.account import account_tier
from chaosp7.account.acks import read_acks
from chaosp7.account.attribution import attribute
from chaosp7.account.candles import rolled
from chaosp7.account.classes import Counts
from chaosp7.account.gold import account_gold
from chaosp7.account.gold_expectation import expect_gold
from chaosp7.account.ledger import Ledger
from chaosp7.account.ranges import locate
from chaosp7.account.readers.table import TableReader
from chaosp7.account.sent import Expected, RunRecords, expected

_PROGRESS_EVERY_S = 5.0
_RANGES_NAMED = 50
_WINDOWS_S = (60, 300, 900, 1800, 3600, 86_400)


class Progress:
    """Says every few seconds how far something is."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._said_s = what, total, time.monotonic()

    def __call__(self, done: int) -> None:
        """Take how many messages are done."""
        if time.monotonic() - self._said_s > _PROGRESS_EVERY_S:
            self._said_s = time.monotonic()
            print(f"  {self._what}: {done:,} of {self._total:,} messages", file=sys.stderr, flush=True)


def memory_mb(name: str) -> float:
    """Return a figure of this process's memory, megabytes (2**20 bytes).

    The kernel's own peak, ``VmHWM``, is that of this program; ``ru_maxrss`` would also have the one of
    the process that started it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel doesn't tell {name}")


def account(folder: Path) -> dict[str, object]:
    """Make the account as a run does; return the figures.

    Args:
        folder: with the ledger, the journal and the table's answers.
    """
    # From here on the peak counts: what imports needed for a moment is no part of the account.
    Path("/proc/self/clear_refs").write_text("5")
    baseline_mb, begun_s = memory_mb("VmRSS"), time.monotonic()
    peaks: dict[str, float] = {}

    def done(step: str) -> None:
        peaks[step] = round(memory_mb("VmHWM"), 1)
        Path("/proc/self/clear_refs").write_text("5")
        print(f"  {step}: peak {peaks[step]:.1f} MB", file=sys.stderr, flush=True)

    ledger = Ledger.open(folder / "ledger.bin")
    run = RunRecords.of(ledger)
    sent = expected(run)
    done("expectation")
    topic = SyntheticTopic(ledger, Progress("topic", ledger.messages))
    reading = topic.read(sent)
    swapped = topic.swapped
    done("topic, digests")
    rows = partial(topic.rows, reading.digests)
    in_topic = account_tier(
        "topic", run, sent, reading.digests, rows, reordered=reading.reordered, keys_at_once=None
    )
    done("topic, account")
    reader = TableReader(SyntheticTable(folder).query, "SELECT")
    digests = reader.digests(sent.table())
    in_table = account_tier("table", run, sent, digests, partial(reader.rows, digests.feeds))
    done("table")
    gold = expect_gold(run, sent, _WINDOWS_S, in_table)
    candles = {size_s: rolled(gold.given_candles, size_s) for size_s in _WINDOWS_S}
    in_gold = account_gold("gold", gold, candles)
    done("gold")
    bounds = {feed: (b.first, b.last) for feed, b in sent.bounds.items()}
    attribution = attribute([in_topic, in_table], read_acks(folder / "handler.acks", bounds), sent.unreached)
    located = [locate(run, tier.lost, _RANGES_NAMED) for tier in (in_topic, in_table)]
    done("attribution")

    found = {"topic": in_topic.counts, "table": in_table.counts}
    wanted = _wanted(sent, swapped)
    lost = attribution.counts()
    right = found == wanted and (lost["unacknowledged"], lost["acknowledged"]) == (
        wanted["topic"].lost,
        wanted["table"].lost - wanted["topic"].lost,
    )
    right = right and (in_gold.counts.lost, in_gold.lost_here) == (wanted["table"].lost, 0)
    peak_mb = max(peaks.values())
    return {
        "baseline_mb": round(baseline_mb, 1),
        "peak_mb": peak_mb,
        "increase_mb": round(peak_mb - baseline_mb, 1),
        "peaks_mb": peaks,
        "passes_s": [round(s, 1) for s in topic.seconds],
        "messages_per_s": round(ledger.messages * len(topic.seconds) / sum(topic.seconds)),
        "total_s": round(time.monotonic() - begun_s, 1),
        "counts": {name: asdict(counts) for name, counts in found.items()},
        "lost_ranges_named": sum(len(named) for named, _ in located),
        "right": right,
    }


def _wanted(sent: Expected, swapped: int) -> dict[str, Counts]:
    """Return the right counts of both tiers, told from the bounds alone."""

    def count(remainder: int) -> int:
        return sum(count_of(bounds.first, bounds.last, remainder) for bounds in sent.bounds.values())

    def counts(lost: int, reordered: int, unexpected: int) -> Counts:
        wrong = {"lost": lost, "corrupted": count(CORRUPTED), "duplicated": count(DUPLICATED)}
        delivered = sent.sent - sum(wrong.values()) - reordered
        return Counts(
            sent=sent.sent, delivered=delivered, **wrong, late=0, reordered=reordered,
            unexpected=unexpected, surplus=wrong["duplicated"],
        )  # fmt: skip

    return {
        "topic": counts(count(LOST), swapped, len(sent.feeds)),
        "table": counts(count(LOST) + count(LOST_IN_TABLE), 0, 0),
    }


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description="Measure the memory that the account of a long run takes.")
    parser.add_argument("--messages", type=int, default=10_000_000, help="how many are sent (%(default)s)")
    parser.add_argument(
        "--budget-mb",
        type=float,
        default=200.0,
        help="greatest increase allowed, in 2**20 bytes (%(default)s)",
    )
    parser.add_argument("--account", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.account:
        print(json.dumps(account(options.account)))
        return 0
    if options.messages < 1:
        parser.error("--messages must be at least 1")
    with tempfile.TemporaryDirectory(prefix="chaosp7-benchmark-") as name:
        print(f"Writing a ledger of {options.messages:,} messages", file=sys.stderr, flush=True)
        write_run(Path(name), options.messages, Progress("ledger", options.messages))
        print("Making its account", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, __file__, "--account", name], stdout=subprocess.PIPE, check=False
        )
    if done.returncode:
        print(f"the account failed: exit code {done.returncode}", file=sys.stderr)
        return 1
    figures = json.loads(done.stdout)
    print(json.dumps({"messages": options.messages, "budget_mb": options.budget_mb, **figures}, indent=2))
    within = figures["increase_mb"] <= options.budget_mb
    print(
        f"{options.messages:,} messages: {figures['increase_mb']} MB over {figures['baseline_mb']} MB after "
        f"imports, budget {options.budget_mb:g} MB: {'within' if within else 'EXCEEDED'}; "
        f"{figures['messages_per_s']:,} messages/s per pass over the topic; "
        f"counts {'right' if figures['right'] else 'WRONG'}",
        file=sys.stderr,
    )
    return 0 if within and figures["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
