"""What every benchmark says: figures with their peers, and the machine that they are true for.

A benchmark gathers `Figure` objects and hands them to `write`, where ``--json FILE`` was given;
``benchmarks/results.py`` makes Markdown of a folder of such files.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Figure", "command", "machine", "paired", "progress", "spread_of", "write"]

PACKAGES = ("chaosp7", "chdb-core", "confluent-kafka", "msgspec", "numpy", "pyarrow", "uvloop", "websockets")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, beside its peer's of the same run.

    Attributes:
        name: what was measured.
        value: the measured value; where there are several rounds, their median.
        unit: of `value`, `peer_value` and `target`.
        command: what measured it, to be typed from the project's folder.
        n: how many rounds or observations are behind it.
        peer: what it is compared with, in words.
        peer_value: the peer's value; None where there is no peer.
        ratio: value / peer_value; where there are several rounds, the median of the rounds' ratios.
        spread: smallest and greatest of the rounds' values.
        ratio_spread: smallest and greatest of the rounds' ratios.
        target: what it should be; None: no target.
        at_least: True if more is better.
        target_of: ``value`` or ``ratio``: what the target is of.
    """

    name: str
    value: float
    unit: str
    command: str
    n: int
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    ratio_spread: tuple[float, float] | None = None
    target: float | None = None
    at_least: bool = True
    target_of: str = "value"

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        judged = self.value if self.target_of == "value" else self.ratio
        if self.target is None or judged is None:
            return None
        return judged >= self.target if self.at_least else judged <= self.target


def paired(
    name: str, values: Sequence[float], peers: Sequence[float], unit: str, peer: str, **more: Any
) -> Figure:
    """Return the figure of rounds that were measured alternately with their peer.

    Args:
        name: what was measured.
        values: a value for each round.
        peers: the peer's value of the same round.
        unit: of both.
        peer: the peer, in words.
        more: further attributes of `Figure`.
    """
    ratios = [value / other for value, other in zip(values, peers, strict=True)]
    more.setdefault("command", command())
    return Figure(
        name, statistics.median(values), unit, n=len(values), peer=peer, peer_value=statistics.median(peers),
        ratio=statistics.median(ratios), spread=spread_of(values), ratio_spread=spread_of(ratios), **more,
    )  # fmt: skip


def spread_of(values: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the greatest of some values."""
    return min(values), max(values)


def command() -> str:
    """Return this process's command line as somebody would type it in the project's folder."""
    script = Path(sys.argv[0])
    words = [word for word in sys.argv[1:] if word]
    if "--json" in words:
        place = words.index("--json")
        del words[place : place + 2]
    return " ".join([".venv/bin/python", f"benchmarks/{script.name}", *words])


def progress(text: str) -> None:
    """Say on stderr how far the benchmark is."""
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Return the facts of this machine that figures depend on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _after_colon("/proc/cpuinfo", "model name"),
        "memory_gib": round(int(_after_colon("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "load_average_1min": os.getloadavg()[0],
    }


def _after_colon(file: str, name: str) -> str:
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def write(
    file: Path | None, title: str, figures: Sequence[Figure], notes: Sequence[str] = (), raw: Any = None
) -> None:
    """Print the figures, and write them where ``--json`` asked for it.

    Args:
        file: the JSON file; None: only print.
        title: what the benchmark is about.
        figures: what was measured.
        notes: what a reader should know, a sentence each.
        raw: whatever else was measured, for the file only.
    """
    for figure in figures:
        peer = "" if figure.peer_value is None else f"; {figure.peer}: {figure.peer_value:,.5g}"
        ratio = "" if figure.ratio is None else f", ratio {figure.ratio:.3f}"
        target = "" if figure.met is None else f", target {'met' if figure.met else 'MISSED'}"
        print(f"{figure.name}: {figure.value:,.6g} {figure.unit}{peer}{ratio}, n = {figure.n}{target}")
    if file is not None:
        content = {
            "title": title,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": machine(),
            "figures": [{**asdict(figure), "met": figure.met} for figure in figures],
            "notes": list(notes),
            "raw": raw,
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
