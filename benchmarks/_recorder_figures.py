"""What the recorder costs, from windows with and without it: differences and their intervals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from _figures import Figure, command, spread_of

__all__ = ["Values", "evaluated", "interval"]

Values = dict[str, float]

_CORE_TARGET, _LATENCY_TARGET = 3.0, 1.05
#: Student's t, two-sided 95 %, by degrees of freedom from 1; above 30 the last one, which is too wide.
_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
#: With less than this share of the looks that were meant, no target is judged.
_LOOKS_MIN = 0.5


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the mean of paired differences and half its 95 % confidence interval (Student's t)."""
    n = len(differences)
    t = _T[min(n - 1, len(_T)) - 1]
    return statistics.fmean(differences), t * statistics.stdev(differences) / n**0.5


def _unit(name: str) -> str:
    if name.startswith("CPU"):
        return "% of a core"
    return "ms" if name.startswith("latency") else "%" if "%" in name else "per s"


def evaluated(
    without: list[Values], with_: list[Values], looks_per_s: Mapping[str, float]
) -> tuple[list[Figure], dict[str, Any], list[str]]:
    """Print a line per quantity.

    Args:
        without: what each window without a recorder gave.
        with_: what each window with one gave, in the order of those that they are paired with.
        looks_per_s: tier -> looks that were meant.

    Returns:
        Figures, the differences by name, and in words what doesn't go into a figure.
    """
    figures, differences, notes, n = [], {}, [], len(with_)
    # A sampler that is kept waiting looks less often and costs less: no target is met by that.
    judged = True
    for tier, wanted in looks_per_s.items():
        looks = statistics.fmean(one[f"looks at {tier} per s"] for one in with_)
        enough = looks > _LOOKS_MIN * wanted
        judged = judged and enough
        fewer = "" if enough else ": FAR FEWER, the cost is not that of all looks; no target is judged"
        notes.append(f"Looks at {tier}: {looks:.1f} per s; at least {wanted:.1f} were meant{fewer}.")
    print(f"{'':40}{'without':>10}{'with':>10}  difference, 95 % confidence interval (n = {n} pairs)")

    def line(name: str, before: float, after: float, found: tuple[float, float], unit: str) -> str:
        mean, half = found
        span = f"{mean - half:+.2f} to {mean + half:+.2f}"
        print(f"{name:40}{before:10.2f}{after:10.2f}  {mean:+.2f} ({span}) {unit}")
        differences[name] = {"mean": mean, "low": mean - half, "high": mean + half, "unit": unit, "pairs": n}
        return f"{mean:+.2f} {unit}, 95 % confidence interval {mean - half:+.2f} to {mean + half:+.2f}"

    def figure(name: str, values: list[float], unit: str, **more: Any) -> None:
        figures.append(
            Figure(f"Recorder: {name}", statistics.median(values), unit, command(), n,
                   spread=spread_of(values), at_least=False, **more)
        )  # fmt: skip

    for name in (name for name in without[0] if name != "messages"):
        before, after = [one[name] for one in without], [one[name] for one in with_]
        pairs = list(zip(after, before, strict=True))
        found = interval([a - b for a, b in pairs])
        line(name, statistics.fmean(before), statistics.fmean(after), found, _unit(name))
        more: dict[str, Any] = {}
        if all(before):
            ratios = [a / b for a, b in pairs]
            more = {"ratio": statistics.median(ratios), "ratio_spread": spread_of(ratios)}
        if name.startswith("latency p99"):
            more |= {"target": _LATENCY_TARGET if judged else None, "target_of": "ratio"}
            shares = interval([100 * (a / b - 1) for a, b in pairs])
            told = line("latency p99, difference in %", 0, shares[0], shares, "%")
            notes.append(f"Latency p99 with the recorder: {told}; target: within 5 %.")
        figure(
            name,
            after,
            _unit(name),
            peer="without the recorder",
            peer_value=statistics.median(before),
            **more,
        )
    cost: Callable[[Values, Values], float]
    for name, cost in (
        ("recorder's CPU + ClickHouse's increase",
         lambda a, b: a["CPU recorder and ClickHouse"] - b["CPU recorder and ClickHouse"]),
        ("recorder's CPU + queries' time",
         lambda a, b: a["CPU recorder"] + a["reading queries, % of the time"]
         - b["reading queries, % of the time"]),
    ):  # fmt: skip
        values = [cost(a, b) for a, b in zip(with_, without, strict=True)]
        told = line(name, 0, statistics.fmean(values), interval(values), "% of a core")
        notes.append(f"Recorder, {name}: {told}; target: under 3 %.")
        figure(name, values, "% of a core", target=_CORE_TARGET if judged else None)
    return figures, differences, notes
