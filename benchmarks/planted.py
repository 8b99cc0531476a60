"""Plant every bug again and again, and count how often the account finds it and calls it what it is.

    python benchmarks/planted.py --repeat 10      # some 25 minutes
    python benchmarks/planted.py --markdown       # the catalogue as a table; nothing is run

Each run is on a fresh platform; the bugs of one group share a run, each with a feed of its own. Exit code
0 only if every bug was found every time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from _sigterm import end_tidily_on_sigterm

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faulty.catalogue import BUGS, Bug
from tests.faulty.judged import Result
from tests.faulty.runner import GROUPS, run_group


def says(bug: Bug) -> str:
    """Return what the account must say of a bug, in words."""
    if bug.verdict == "error":
        return "verdict `error`"
    told = [f"{effect.kind} at {effect.tiers[0]}" for effect in bug.effects]
    told += [f"{kind} at {bug.candles_of}" for kind, _ in bug.candles]
    return ", ".join(told) + (f" ({bug.cause})" if bug.cause else "")


def table(found: dict[str, list[Result]]) -> str:
    """Return the bugs, and how often each was found, in Markdown."""
    head = "| Bug | What it does | The account must say | Messages | Found |\n|---|---|---|---|---|"
    rows = []
    for bug in BUGS:
        results = found[bug.name]
        counts = sorted(result.hits for result in results)
        hits = (f"{counts[0]}-{counts[-1]}" if counts[0] != counts[-1] else str(counts[0])) if counts else ""
        times = f"{sum(result.found for result in results)} of {len(results)}" if results else ""
        rows.append(f"| {bug.name} | {bug.what} | {says(bug)} | {hits or bug.count or ''} | {times} |")
    return "\n".join([head, *rows])


def main() -> int:
    """Run it all.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=10, help="runs of each group (default 10)")
    parser.add_argument("--only", choices=GROUPS, action="append", help="these groups only")
    parser.add_argument("--markdown", action="store_true", help="print the catalogue and run nothing")
    arguments = parser.parse_args()
    end_tidily_on_sigterm()
    found: dict[str, list[Result]] = defaultdict(list)
    for number in range(1, 0 if arguments.markdown else arguments.repeat + 1):
        for group in arguments.only or GROUPS:
            with tempfile.TemporaryDirectory(prefix="chaosp7-planted-") as folder:
                results = run_group(group, Path(folder))
            for result in results:
                found[result.bug.name].append(result)
                for problem in result.problems[:3]:
                    print(f"    {result.bug.name}: {problem}"[:500], flush=True)
            print(f"{group} {number}: {sum(r.found for r in results)} of {len(results)} found", flush=True)
    print(table(found))
    return 0 if all(result.found for results in found.values() for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
