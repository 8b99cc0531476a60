"""Does the memory of a topic's account grow with the run, or with what is wrong with it?

    .venv/bin/python benchmarks/topic_memory.py --json reports/benchmarks/topic_memory.json

For each size a real ledger is written into a temporary folder (64 bytes a message: 6.4 GB for 100 million,
removed afterwards) and gone through in a process of its own: expectation, digests and order, suspicion, as
for a topic in which a few sequences are missing. The broker's client isn't in it: `topic.py` measures that.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _figures import Figure, command, progress, write
from account_memory import Progress, memory_mb
from synthetic_run import STREAMS, SyntheticTopic, feeds, write_ledger

from chaosp7.account.account import account_tier
from chaosp7.account.ledger import Ledger
from chaosp7.account.ledger_format import Records
from chaosp7.account.sent import RunRecords, expected

_GAPS = 20
_GAP = 100


class _Gaps(SyntheticTopic):
    """A topic in which some stretches of one feed are missing, and nothing else is wrong."""

    unknown = False

    def _rows(self, records: Records) -> npt.NDArray[np.int64]:
        fields = ("feed", "sequence", "price_e8", "quantity_e8", "side", "trade_time_ms")
        columns = [records[name].astype(np.int64) for name in fields]
        each = self._ledger.messages // len(self._ledger.header.feeds) // (_GAPS + 1)
        since = columns[1] - self._ledger.header.first[0]
        lost = (columns[0] == 0) & (since >= each) & (since % each < _GAP) & (since < each * (_GAPS + 1))
        return np.stack([column[~lost] for column in (columns[0] % STREAMS, *columns)])


def account(folder: Path) -> dict[str, Any]:
    """Make the account in this process; return what it took."""
    Path("/proc/self/clear_refs").write_text("5")
    before_mb, begun_s = memory_mb("VmRSS"), time.monotonic()
    ledger = Ledger.open(folder / "ledger.bin")
    run = RunRecords.of(ledger)
    sent = expected(run)
    topic = _Gaps(ledger, Progress("topic", ledger.messages))
    reading = topic.read(sent)
    tier = account_tier(
        "topic", run, sent, reading.digests, lambda keys: topic.rows(reading.digests, keys),
        reordered=reading.reordered, keys_at_once=None,
    )  # fmt: skip
    return {
        "increase_mb": memory_mb("VmHWM") - before_mb,
        "seconds": time.monotonic() - begun_s,
        "right": (tier.counts.lost, tier.counts.reordered, tier.counts.unexpected) == (_GAPS * _GAP, 0, 0),
        "lost": tier.counts.lost,
    }


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    parser.add_argument("--folder", type=Path, help="where the ledgers go for a while")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--account", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.account:
        print(json.dumps(account(options.account)))
        return 0
    figures: list[Figure] = []
    raw: list[dict[str, Any]] = []
    for messages in options.messages:
        with tempfile.TemporaryDirectory(prefix="chaosp7-benchmark-", dir=options.folder) as name:
            if shutil.disk_usage(name).free < 2 * 64 * messages:
                parser.error(f"there is no room for a ledger of {messages:,} messages in {name}")
            write_ledger(Path(name) / "ledger.bin", feeds(), messages, Progress("ledger", messages))
            done = subprocess.run(
                [sys.executable, __file__, "--account", name], stdout=subprocess.PIPE, check=True
            )
        found = json.loads(done.stdout) | {"messages": messages}
        raw.append(found)
        first = None if not figures else figures[0].value
        progress(f"{messages:,}: {found['increase_mb']:.1f} MiB more, {found['seconds']:.0f} s, {found}")
        figures.append(
            Figure(
                f"Topic's account of {messages:,} messages, {_GAPS} gaps: memory",
                found["increase_mb"],
                "MiB",
                command(),
                1,
                peer=None if first is None else f"{options.messages[0]:,} messages",
                peer_value=first,
                ratio=None if first is None else found["increase_mb"] / first,
            )
        )
    write(options.json, "Memory of a topic's account", figures, raw=raw)
    return 0 if all(found["right"] for found in raw) else 1


if __name__ == "__main__":
    sys.exit(main())
