"""The page over all runs that are kept: one file, nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from chaosp7.suite.history import Point, Trend

__all__ = ["page"]

_STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2rem;max-width:70rem;color-scheme:light dark}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left}"
    ".bad{color:#c22;font-weight:bold}svg{vertical-align:middle}"
)
_WIDTH, _HEIGHT = 240, 36
_RULE = (
    "A recovery is marked as a regression if it is slower than each of the last ten comparable runs and "
    "than their median by more than three robust standard deviations, uncertainties counted in its favour; "
    "fewer than five earlier runs allow no judgement."
)


def page(trends: Sequence[Trend], problems: Sequence[str]) -> str:
    """Return the page.

    Args:
        trends: of all experiments.
        problems: what couldn't be read.
    """
    parts = [f"<!doctype html><meta charset=utf-8><title>chaosp7 runs</title><style>{_STYLE}</style>"]
    parts.append(f"<h1>Runs</h1><p>{escape(_RULE)}</p>")
    parts += [f"<p class=bad>{escape(problem)}</p>" for problem in problems]
    parts += [_trend(trend) for trend in trends]
    return "\n".join(parts) + "\n"


def _trend(trend: Trend) -> str:
    tiers = list(dict.fromkeys(tier for point in trend.points for tier in point.recovery))
    lines = "".join(f"<tr><td>{escape(t)}<td>{_line(trend.points, t)}" for t in tiers)
    rows = "".join(_row(point) for point in reversed(trend.points))
    return (
        f"<h2>{escape(trend.experiment)}</h2><p>{escape(trend.conditions)}; n = {len(trend.points)}</p>"
        f"<table>{lines}</table><table><tr><th>when<th>verdict<th>slowest recovery<th>most lost<th>{rows}"
        "</table>"
    )


def _row(point: Point) -> str:
    run = point.run
    when = datetime.fromtimestamp(run.clock.wall_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    slowest = max(point.recovery.values(), key=lambda one: one.seconds, default=None)
    if slowest is None:
        text = "-"
    elif math.isinf(slowest.seconds):
        text = "not recovered"
    else:
        text = f"{slowest.seconds:.2f} s ± {slowest.uncertainty_s:.2f}"
    lost = max((tier.lost + tier.late for tier in run.tiers), default=None)
    slower = f"slower: {', '.join(point.regressions)}" if point.regressions else ""
    bad = "" if run.verdict == "passed" else " class=bad"
    return (
        f'<tr><td><a href="{escape(run.run_id)}/">{when}</a><td{bad}>{escape(run.verdict)}<td>{text}'
        f"<td>{'-' if lost is None else f'{lost:,}'}<td class=bad>{escape(slower)}"
    )


def _line(points: Sequence[Point], tier: str) -> str:
    found = [(p.recovery[tier].seconds, tier in p.regressions) for p in points if tier in p.recovery]
    finite = [seconds for seconds, _ in found if not math.isinf(seconds)]
    top = max(finite, default=0.0) or 1.0
    step = _WIDTH / max(1, len(found) - 1)
    dots = "".join(
        f'<circle cx="{i * step:.1f}" cy="{_y(s, top):.1f}" r="3" fill="{"#c22" if bad else "#47a"}"/>'
        for i, (s, bad) in enumerate(found)
    )
    last = f"{found[-1][0]:.2f} s" if not math.isinf(found[-1][0]) else "not recovered"
    return (
        f'<svg width="{_WIDTH + 8}" height="{_HEIGHT + 8}" viewBox="-4 -4 {_WIDTH + 8} {_HEIGHT + 8}">'
        f"{dots}</svg> 0 to {top:.2f} s, last {last}"
    )


def _y(seconds: float, top: float) -> float:
    return 0.0 if math.isinf(seconds) else _HEIGHT * (1 - seconds / top)
