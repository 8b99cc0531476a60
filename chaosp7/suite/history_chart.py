"""One tier's recovery from run to run, drawn small. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from chaosp7.report.svg import text
from chaosp7.suite.history import Point, Recent
from chaosp7.suite.trend import LAST, Recovery

__all__ = ["SHOWN", "chart", "recovery_text", "seconds_of"]

#: So many of the last runs are drawn.
SHOWN = 60

_WIDTH, _HEIGHT = 420.0, 72.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 408.0, 10.0, 62.0


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where runs and seconds lie.

    Attributes:
        runs: how many are drawn.
        least_s: at the lower edge. It isn't 0: what is looked for are differences.
        greatest_s: at the upper edge.
    """

    runs: int
    least_s: float
    greatest_s: float

    def edge(self, index: float) -> float:
        return _LEFT + index * (_RIGHT - _LEFT) / self.runs

    def x(self, index: int) -> float:
        return self.edge(index + 0.5)

    def y(self, seconds: float) -> float:
        share = (seconds - self.least_s) / (self.greatest_s - self.least_s)
        return _BOTTOM - min(max(share, 0.0), 1.0) * (_BOTTOM - _TOP)


def chart(points: Sequence[Point], tier: str, late: Recent) -> Markup:
    """Return a drawing: a dot per run, median and spread of the last ten, and what the rule allowed each.

    Args:
        points: of the trend, oldest first.
        tier: which one.
        late: its last ten runs.
    """
    shown = points[-SHOWN:]
    scale = _scale(shown, tier)
    parts = [
        f'<path class="grid" d="M{_LEFT:g} {_BOTTOM:g}H{_RIGHT:g}"/>',
        text(_LEFT - 6, _BOTTOM + 4, f"{scale.least_s:.3g} s", "tick", "end"),
        text(_LEFT - 6, _TOP + 4, f"{scale.greatest_s:.3g} s", "tick", "end"),
        *_spread(shown, tier, late, scale),
        *_limits(shown, tier, scale),
        *(_run(point, tier, scale, index) for index, point in enumerate(shown)),
    ]
    name = escape(f"Recovery at {tier} in the last {len(shown)} runs; the table beside it holds the figures")
    return Markup(  # noqa: S704  # every text in it is escaped
        f'<svg class="trend" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{name}">'
        f"{''.join(parts)}</svg>"
    )


def _scale(shown: Sequence[Point], tier: str) -> _Scale:
    ends = [p.allowed_s[tier] for p in shown if tier in p.allowed_s]
    for point in shown:
        if one := point.recovery.get(tier):
            ends += [one.low_s, one.high_s]
    known = [end for end in ends if not math.isinf(end)] or [0.0]
    least_s, greatest_s = max(0.0, min(known)), max(known)
    # Noise isn't blown up to the full height.
    room_s = max(0.1 * (greatest_s - least_s), 0.03 * greatest_s, 0.02)
    return _Scale(len(shown), max(0.0, least_s - room_s), greatest_s + room_s)


def seconds_of(seconds: float) -> str:
    """Return a recovery in words."""
    return "not recovered" if math.isinf(seconds) else "never stale" if seconds == 0 else f"{seconds:.2f} s"


def recovery_text(one: Recovery) -> str:
    """Return a recovery in words, with how well it is known."""
    plain = seconds_of(one.seconds)
    if math.isinf(one.seconds):
        return plain
    if one.seconds == 0:
        return f"{plain} ({one.uncertainty_s:.2f} s at most)"
    return f"{plain} ± {one.uncertainty_s:.2f}"


def _spread(shown: Sequence[Point], tier: str, late: Recent, scale: _Scale) -> Iterator[str]:
    """Yield a band and a line over the runs that they are of."""
    where = [index for index, point in enumerate(shown) if tier in point.recovery][-LAST:]
    if not where:
        return
    left, right = scale.edge(where[0]), scale.edge(where[-1] + 1)
    high, low = scale.y(late.greatest_s), scale.y(late.least_s)
    yield (
        f'<rect class="spread" x="{left:.1f}" y="{high:.1f}" width="{right - left:.1f}" '
        f'height="{max(1.0, low - high):.1f}"/>'
    )
    if not math.isinf(late.median_s):
        yield f'<path class="median" d="M{left:.1f} {scale.y(late.median_s):.1f}H{right:.1f}"/>'


def _limits(shown: Sequence[Point], tier: str, scale: _Scale) -> Iterator[str]:
    for index, point in enumerate(shown):
        limit = point.allowed_s.get(tier, math.inf)
        if not math.isinf(limit):
            y = scale.y(limit)
            yield f'<path class="limit" d="M{scale.edge(index):.1f} {y:.1f}H{scale.edge(index + 1):.1f}"/>'


def _run(point: Point, tier: str, scale: _Scale, index: int) -> str:
    x, one = scale.x(index), point.recovery.get(tier)
    if one is None:
        told = escape(f"{point.run.run_id}: {point.run.verdict}, not measured")
        return f'<path class="none" d="M{x:.1f} {_BOTTOM - 4:g}v8"><title>{told}</title></path>'
    slow = tier in point.regressions
    mark = ", slower than the runs before allow" if slow else ""
    told = f"<title>{escape(f'{point.run.run_id}: {recovery_text(one)}{mark}')}</title>"
    kind = "slow" if slow else "run"
    if math.isinf(one.seconds):
        return f'<path class="{kind} never" d="M{x - 4:.1f} {_TOP - 4:g}l8 8m0-8l-8 8">{told}</path>'
    y, low, high = (scale.y(s) for s in (one.seconds, one.low_s, one.high_s))
    whisker = f'<path class="{kind}" d="M{x:.1f} {low:.1f}V{high:.1f}"/>'
    # A regression is told by its shape as well as by its colour.
    shape = f"M{x - 4.5:.1f} {y + 3.5:.1f}h9l-4.5-8z" if slow else ""
    dot = f'<path class="slow dot" d="{shape}">{told}</path>'
    return whisker + (
        dot if slow else f'<circle class="run dot" cx="{x:.1f}" cy="{y:.1f}" r="2.6">{told}</circle>'
    )
