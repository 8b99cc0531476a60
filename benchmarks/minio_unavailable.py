"""The object store is gone, again and again: does the hot path notice, and does all arrive exactly once?

    .venv/bin/python benchmarks/minio_unavailable.py --repeat 20 --output reports/minio-unavailable

Runs ``experiments/minio-unavailable.json`` on one platform that stays up, so that silver can be asked
afterwards when each message came: how long messages sent while the object store was gone took to silver,
against those sent before in the same run. Called again, it goes on where it was ended.

Target, said and not asserted: the 99th percentile during the outage within 10 % of that before it, in the
median of the runs. Exit code 0 only if every run passed and every tier has each message once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _figures import Figure, command, paired, progress, spread_of, write
from _latency import latencies_ms
from repeat import Outcome, complete, run_once

from chaosp7.account.ledger import Ledger, Records
from chaosp7.platform.clickhouse import ClickHouse
from chaosp7.platform.drivers import open_driver
from chaosp7.platform.loader import load
from chaosp7.platform.model import Part
from chaosp7.run import evidence as ev

_EXPERIMENT = Path(__file__).parents[1] / "experiments" / "minio-unavailable.json"
_PLATFORM = "embedded-cold"
_TARGET = 1.10
#: The load's first seconds aren't steady yet.
_SETTLE_NS = 2_000_000_000


@contextmanager
def platform_up(state: Path) -> Iterator[ClickHouse]:
    """Bring the platform up, and take it down at the end, come what may."""
    os.environ["CHAOSP7_STATE_DIR"] = str(state.absolute())
    chaosp7 = Path(sys.executable).with_name("chaosp7")
    options = ["--platform", _PLATFORM]
    subprocess.run([chaosp7, "platform", "up", *options], check=True, stdout=subprocess.DEVNULL)
    try:
        model = load(_PLATFORM)
        host, _, port = open_driver(model).endpoint(model.the_service(Part.CLICKHOUSE)).rpartition(":")
        with closing(ClickHouse(host, int(port), timeout_s=60.0)) as clickhouse:
            yield clickhouse
    finally:
        subprocess.run([chaosp7, "platform", "down", *options], check=True, stdout=subprocess.DEVNULL)


def measured(folder: Path, outcome: Outcome, clickhouse: ClickHouse) -> dict[str, Any]:
    """Return what one run gave, while its messages are still in silver."""
    evidence = outcome.evidence
    found: dict[str, Any] = {"verdict": outcome.verdict, "complete": complete(outcome)}
    if evidence is None or evidence.load is None or not evidence.offload:
        return found
    (fault,), (offload,) = evidence.faults, evidence.offload
    if fault.verified_start_ns is None or fault.healed_ns is None:
        return found
    ledger = Ledger.open(next((folder / "reports" / evidence.run_id).glob("ledger*")))
    records = np.concatenate(list(ledger.blocks()))
    offset_ns = evidence.clock.wall_ns - evidence.clock.monotonic_ns

    def p99_ms(begin_ns: int, end_ns: int) -> float:
        sent: Records = records[(records["sent_ns"] >= begin_ns) & (records["sent_ns"] < end_ns)]
        return float(np.percentile(latencies_ms(clickhouse, ledger.header.feeds, sent, offset_ns), 99))

    return found | {
        "before_p99_ms": p99_ms(evidence.load.start_ns + _SETTLE_NS, fault.verified_start_ns),
        "during_p99_ms": p99_ms(fault.verified_start_ns, fault.healed_ns),
        "failures": offload.failures,
        "retries": offload.retries,
        "resumed_s": offload.resumed_s,
        "cold_s": _cold_s(evidence),
        "messages": evidence.load.messages,
    }


def _cold_s(evidence: ev.Evidence) -> float | None:
    return next((report.recovery_s for report in evidence.recovery if report.tier == "cold"), None)


def main() -> int:
    """Run it all; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=20, help="how many runs (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("reports/minio-unavailable"))
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    folders = [options.output / f"run-{number:02}" for number in range(1, options.repeat + 1)]
    if any(not (folder / "figures.json").exists() for folder in folders):
        options.output.mkdir(parents=True, exist_ok=True)
        with platform_up(options.output / "state") as clickhouse:
            for folder in folders:
                if not (folder / "figures.json").exists():
                    found = measured(folder, run_once(_EXPERIMENT, folder), clickhouse)
                    (folder / "figures.json").write_text(json.dumps(found))
                    progress(f"{folder.name}: {found}")
    rounds = [json.loads((folder / "figures.json").read_text()) for folder in folders]
    timed = [r for r in rounds if "during_p99_ms" in r]
    figures = []
    if timed:
        figures.append(
            paired(
                "hot path while the object store is gone, p99 from source to silver",
                [r["during_p99_ms"] for r in timed], [r["before_p99_ms"] for r in timed], "ms",
                "before it, in the same run", at_least=False, target=_TARGET, target_of="ratio",
            )
        )  # fmt: skip
        for name, key, unit in (
            ("tries that failed", "failures", "per run"),
            ("retries", "retries", "per run"),
            ("from healing to the first commit", "resumed_s", "s"),
            ("cold fresh again, from the fault's start", "cold_s", "s"),
        ):
            values = [float(r[key]) for r in timed if r[key] is not None]
            if values:
                median = statistics.median(values)
                figures.append(Figure(name, median, unit, command(), len(values), spread=spread_of(values)))
    verdicts = Counter(r["verdict"] for r in rounds)
    good = sum(r["complete"] for r in rounds)
    messages = sum(r.get("messages", 0) for r in rounds)
    whole = f"{good} of {len(rounds)} runs passed with every message once in every tier, {messages:,} in all."
    notes = [f"Verdicts: {', '.join(f'{n} {verdict}' for verdict, n in verdicts.items())}.", whole]
    write(options.json, "The object store is gone", figures, notes, rounds)
    print("\n".join(notes))
    return 0 if good == len(rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
