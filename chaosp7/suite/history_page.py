"""The page over all runs that are kept: one file, nothing from elsewhere, no scripts."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from markupsafe import Markup

from chaosp7 import __version__
from chaosp7.report.html import template
from chaosp7.suite.history import Point, Trend, recent
from chaosp7.suite.history_chart import SHOWN, chart, recovery_text, seconds_of

__all__ = ["RULE", "page"]

RULE = (
    "A recovery is marked as a regression if it is slower than each of the last ten comparable runs, those "
    "marked themselves apart, and than the median of all ten by more than three robust standard deviations, "
    "uncertainties counted in its favour; fewer than five earlier runs allow no judgement."
)


@dataclass(frozen=True, slots=True)
class _Tier:
    """One tier of a trend: all figures in words."""

    name: str
    chart: Markup
    last: str
    median: str
    spread: str
    limit: str
    n: int
    slow: bool


@dataclass(frozen=True, slots=True)
class _Run:
    """One line in the list of runs."""

    when: str
    link: str
    verdict: str
    slowest: str
    lost: str
    slower: str


@dataclass(frozen=True, slots=True)
class _Section:
    """Comparable runs of one experiment."""

    name: str
    conditions: str
    n: int
    tiers: list[_Tier]
    runs: list[_Run]
    judged: bool


def page(trends: Sequence[Trend], problems: Sequence[str], with_report: Collection[str] = ()) -> str:
    """Return the page.

    Args:
        trends: of all experiments.
        problems: what couldn't be read.
        with_report: ids of the runs that have a page of their own, to be linked to.
    """
    sections = [_section(trend, with_report) for trend in trends]
    bad = sum(one.runs[0].verdict != "passed" for one in sections)
    slow = sum(bool(one.runs[0].slower) for one in sections)
    return template("history.html").render(
        sections=sections,
        problems=problems,
        bad=bad,
        slow=slow,
        runs=sum(one.n for one in sections),
        rule=RULE,
        shown=SHOWN,
        version=__version__,
    )


def _section(trend: Trend, with_report: Collection[str]) -> _Section:
    tiers = dict.fromkeys(tier for point in trend.points for tier in point.recovery)
    return _Section(
        name=trend.experiment,
        conditions=trend.conditions,
        n=len(trend.points),
        tiers=[tier for name in tiers if (tier := _tier(trend, name))],
        runs=[_run(point, with_report) for point in reversed(trend.points)],
        judged=trend.points[-1].judged,
    )


def _tier(trend: Trend, name: str) -> _Tier | None:
    late = recent(trend, name)
    if late is None:
        return None
    whole = [point for point in trend.points if name in point.recovery]
    if late.least_s == late.greatest_s:
        spread = "none"
    else:
        spread = f"{seconds_of(late.least_s)} to {seconds_of(late.greatest_s)}"
    return _Tier(
        name=name,
        chart=chart(trend.points, name, late),
        last=recovery_text(late.last),
        median=seconds_of(late.median_s),
        spread=spread,
        limit="too few runs"
        if late.next_s is None
        else "any"
        if math.isinf(late.next_s)
        else f"{late.next_s:.2f} s",
        n=late.n,
        slow=name in whole[-1].regressions,
    )


def _run(point: Point, with_report: Collection[str]) -> _Run:
    run = point.run
    slowest = max(point.recovery.values(), key=lambda one: one.seconds, default=None)
    lost = max((tier.lost + tier.late for tier in run.tiers), default=None)
    return _Run(
        when=datetime.fromtimestamp(run.clock.wall_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        link=f"./{quote(run.run_id, safe='')}/{'report.html' if run.run_id in with_report else ''}",
        verdict=run.verdict,
        slowest="-" if slowest is None else recovery_text(slowest),
        lost="-" if lost is None else f"{lost:,}",
        slower=", ".join(point.regressions),
    )
