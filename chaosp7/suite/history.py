"""How each experiment's runs have developed. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from chaosp7.run.evidence import Evidence
from chaosp7.suite.saved import recoveries
from chaosp7.suite.trend import Recovery, is_regression

__all__ = ["Point", "Trend", "trends"]

#: Only runs that were carried out to their end are measured against each other.
_WHOLE = {"passed", "deviated"}


@dataclass(frozen=True, slots=True)
class Point:
    """One run in a trend.

    Attributes:
        regressions: the tiers that were slower than the runs before allow.
        judged: whether there were enough of those.
    """

    run: Evidence
    recovery: dict[str, Recovery]
    regressions: tuple[str, ...]
    judged: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """Comparable runs of one experiment, oldest first: same platform, rate, processor."""

    experiment: str
    conditions: str
    points: tuple[Point, ...]


def trends(runs: Sequence[Evidence]) -> list[Trend]:
    """Return the trends of all experiments.

    Args:
        runs: oldest first.
    """
    groups: dict[tuple[str, str], list[Evidence]] = defaultdict(list)
    for run in runs:
        groups[run.experiment, _conditions(run)].append(run)
    return [Trend(key[0], key[1], tuple(_points(group))) for key, group in sorted(groups.items())]


def _points(runs: Sequence[Evidence]) -> list[Point]:
    so_far: dict[str, list[Recovery]] = defaultdict(list)
    points = []
    for run in runs:
        found = recoveries(run) if run.verdict in _WHOLE else {}
        judged = {tier: is_regression(one, so_far[tier]) for tier, one in found.items()}
        slower = tuple(tier for tier, yes in judged.items() if yes)
        points.append(Point(run, found, slower, any(yes is not None for yes in judged.values())))
        for tier, one in found.items():
            so_far[tier].append(one)
    return points


def _conditions(run: Evidence) -> str:
    rate = f"{run.load.rate_per_s:g}/s" if run.load else "no load"
    return f"{run.platform}, {rate}, {run.environment.cores} x {run.environment.cpu}"
