"""How big the page of a suite is, and how long it takes to render.

    python benchmarks/report.py --experiments 20 --repeats 5 --rounds 5

The runs are synthetic, and worse than real ones: of their series no bucket is like its neighbour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from _figures import Figure, command, spread_of, write
from synthetic_evidence import write_suite

from chaosp7.report import read_runs
from chaosp7.report.html import html


def main() -> int:
    """Run it.

    Returns:
        The exit code: 0 if the targets are met.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each (default 5)")
    parser.add_argument("--rounds", type=int, default=5, help="renderings (default 5)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    times_s = []
    size = 0
    with tempfile.TemporaryDirectory() as folder:
        write_suite(Path(folder), arguments.experiments, arguments.repeats)
        for _ in range(arguments.rounds):
            begun_s = time.perf_counter()
            size = len(html(read_runs([Path(folder)])).encode())
            times_s.append(time.perf_counter() - begun_s)
    of = f"page of {arguments.experiments} experiments x {arguments.repeats} runs"
    figures = [
        Figure(
            f"{of}: reading and rendering, slowest", max(times_s), "s", command(), n=len(times_s),
            spread=spread_of(times_s), target=5.0, at_least=False,
        ),
        Figure(f"{of}: size", size / 1e6, "MB", command(), n=1, target=1.5, at_least=False),
    ]  # fmt: skip
    write(arguments.json, "The page of a suite", figures)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
