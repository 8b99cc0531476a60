"""How each experiment's runs have developed. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaosp7.run.evidence import Evidence
from chaosp7.suite.saved import CARRIED_OUT, recoveries
from chaosp7.suite.trend import LAST, Recovery, allowed_s, is_regression

__all__ = ["Point", "Recent", "Trend", "recent", "trends"]


@dataclass(frozen=True, slots=True)
class Point:
    """One run in a trend.

    Attributes:
        regressions: the tiers that were slower than the runs before allow.
        judged: whether there were enough of those.
        allowed_s: tier -> up to where its recovery is within the spread of the runs before, seconds; only
            of tiers that enough of them tell of.
    """

    run: Evidence
    recovery: dict[str, Recovery]
    regressions: tuple[str, ...]
    judged: bool
    allowed_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Trend:
    """Comparable runs of one experiment, oldest first: same platform, rate, processor."""

    experiment: str
    conditions: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Recent:
    """One tier over the last ten runs that were carried out to their end.

    Attributes:
        n: how many there are.
        median_s: infinite if most of them didn't recover; of an even number the middle of the two.
        least_s: the quickest.
        greatest_s: the slowest.
        next_s: what the rule allows the next run; None if too few runs tell.
    """

    n: int
    last: Recovery
    median_s: float
    least_s: float
    greatest_s: float
    next_s: float | None


def recent(trend: Trend, tier: str) -> Recent | None:
    """Return how a tier has recovered of late; None if no run tells."""
    found = [point.recovery[tier] for point in trend.points if tier in point.recovery]
    if not found:
        return None
    times = [one.seconds for one in found[-LAST:]]
    return Recent(
        n=len(times),
        last=found[-1],
        median_s=statistics.median(times),
        least_s=min(times),
        greatest_s=max(times),
        next_s=allowed_s(found),
    )


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
        found = recoveries(run) if run.verdict in CARRIED_OUT else {}
        judged = {tier: is_regression(one, so_far[tier]) for tier, one in found.items()}
        found = {tier: replace(one, regression=bool(judged[tier])) for tier, one in found.items()}
        slower = tuple(tier for tier, one in found.items() if one.regression)
        limits = {tier: limit for tier in found if (limit := allowed_s(so_far[tier])) is not None}
        points.append(Point(run, found, slower, any(yes is not None for yes in judged.values()), limits))
        for tier, one in found.items():
            so_far[tier].append(one)
    return points


def _conditions(run: Evidence) -> str:
    rate = f"{run.load.rate_per_s:g}/s" if run.load else "no load"
    return f"{run.platform}, {rate}, {run.environment.cores} x {run.environment.cpu}"
