"""Write the Markdown table of all figures from the JSON files that benchmarks left in a folder.

.venv/bin/python benchmarks/results.py reports/benchmarks > benchmarks/RESULTS.md
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def number(value: float | None) -> str:
    """Return a number for people: four digits that count, thousands apart."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def span(values: list[float] | None) -> str:
    """Return the smallest and the greatest value, if there are any."""
    return "" if values is None else f" ({number(values[0])}-{number(values[1])})"


def row(figure: dict[str, Any]) -> str:
    """Return a figure's row of the table."""
    peer, ratio, target = "-", "-", "-"
    if figure["peer_value"] is not None:
        peer = f"{number(figure['peer_value'])}: {figure['peer']}"
    if figure["ratio"] is not None:
        ratio = f"{figure['ratio']:.3f}{span(figure['ratio_spread'])}"
    if figure["target"] is not None:
        sign = "≥" if figure["at_least"] else "≤"
        of = "ratio " if figure["target_of"] == "ratio" else ""
        target = f"{of}{sign} {number(figure['target'])}: {'met' if figure['met'] else '**missed**'}"
    cells = [
        figure["name"], f"{number(figure['value'])}{span(figure['spread'])} {figure['unit']}", peer, ratio,
        str(figure["n"]), target,
    ]  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def section(content: dict[str, Any]) -> list[str]:
    """Return the lines of one benchmark."""
    machine = content["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    commands = list(dict.fromkeys(figure["command"] for figure in content["figures"]))
    return [
        f"## {content['title']}",
        "",
        *(f"    {command}" for command in commands),
        "",
        "| figure | value (smallest-greatest) | peer, same run | ratio | n | target |",
        "|---|---|---|---|---|---|",
        *map(row, content["figures"]),
        "",
        *(f"{note}\n" for note in content["notes"]),
        (
            f"{content['date']}, {machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, "
            f"Linux {machine['kernel']}, Python {machine['python']}; load average at the end "
            f"{machine['load_average_1min']:.1f}; {versions}."
        ),
        "",
    ]


def main() -> int:
    """Write the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="with the JSON files")
    files = sorted(parser.parse_args().folder.glob("*.json"))
    if not files:
        print("there are no JSON files", file=sys.stderr)
        return 1
    lines = [
        "# Results",
        "",
        "Made by `benchmarks/results.py` from what each benchmark wrote with `--json`. A value of several",
        "rounds is their median, with the smallest and the greatest; its peer was measured in the same run.",
        "",
    ]
    for file in files:
        lines += section(json.loads(file.read_text(encoding="utf-8")))
    print("\n".join(lines).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
