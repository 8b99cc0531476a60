"""The small charts: repeats as dots against the budget, and lost messages by send time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from markupsafe import Markup

from chaosp7.report import svg
from chaosp7.run.series import FeedHeat

__all__ = ["heat_map", "repeats"]

_LEFT = 110.0


def repeats(tiers: Mapping[str, Sequence[tuple[float, float]]], budget_s: float | None, key: str) -> Markup:
    """Return each run's recovery as a dot with its uncertainty, a line per tier.

    Args:
        tiers: tier -> of each run recovery and uncertainty, seconds; 0 where it never went stale,
            infinity where it wasn't seen to recover.
        budget_s: the limit, if there is one.
        key: makes its ids unique on the page.
    """
    finite = [t + u for times in tiers.values() for t, u in times if not math.isinf(t)]
    greatest = max([*finite, budget_s or 0.0, 0.1]) * 1.06
    right = svg.WIDTH - 120

    def x(time_s: float) -> float:
        return _LEFT + min(time_s / greatest, 1.0) * (right - _LEFT)

    parts = []
    bottom = 12 + 26.0 * len(tiers)
    for tick in svg.nice_ticks(greatest, 6):
        parts.append(f'<path class="grid" d="M{x(tick):.1f} 8V{bottom:.1f}"/>')
        parts.append(svg.text(x(tick), bottom + 16, f"{tick:g} s", "tick", "middle"))
    if budget_s is not None:
        parts.append(f'<path class="budget" d="M{x(budget_s):.1f} 2V{bottom:.1f}"/>')
        parts.append(svg.text(x(budget_s) - 5, bottom + 32, f"budget {budget_s:g} s", "budget-label", "end"))
    for row, (tier, times) in enumerate(tiers.items()):
        y = 24 + 26.0 * row
        parts.append(svg.text(_LEFT - 12, y + 4, tier[:16], "row", "end"))
        parts.append(f'<path class="grid" d="M{_LEFT:g} {y:.1f}H{right:g}"/>')
        for number, (time_s, uncertainty_s) in enumerate(times):
            if math.isinf(time_s):
                parts.append(svg.text(right + 8, y + 4, "not recovered", "bad-label"))
                continue
            at = y + (((number * 5) % 3) - 1) * 4 * (len(times) > 1)
            low, high = x(max(0.0, time_s - uncertainty_s)), x(time_s + uncertainty_s)
            parts.append(f'<path class="whisker t{row % 8}" d="M{low:.1f} {at:.1f}H{high:.1f}"/>')
            parts.append(f'<circle class="dot t{row % 8}" cx="{x(time_s):.1f}" cy="{at:.1f}" r="4.5"/>')
        known = sorted(t for t, _ in times)
        if known and not math.isinf(known[-1]):
            most = f"{known[-1]:.2f} s at most" if known[-1] else "never stale"
            parts.append(svg.text(right + 8, y + 4, most, "tick"))
    return svg.document(
        parts, bottom + 38, "Recovery of each tier in each run",
        "One dot per run with its uncertainty; the table beside it holds the figures.", "repeats", key,
    )  # fmt: skip


def heat_map(heat: Sequence[FeedHeat], end_s: float, key: str) -> Markup:
    """Return how many messages of each feed were lost, by the time at which they were sent."""
    most = max((n for row in heat for n in row.lost), default=1) or 1
    left, right = 190.0, svg.WIDTH - 60
    parts = []
    for number, row in enumerate(heat):
        y = 8 + 20.0 * number
        parts.append(svg.text(left - 10, y + 13, row.feed[:26], "row", "end"))
        width = (right - left) / max(1, len(row.lost))
        parts.append(
            f'<rect class="heat-ground" x="{left:g}" y="{y:g}" width="{right - left:g}" height="16"/>'
        )
        for column, lost in enumerate(row.lost):
            if lost:
                at = left + column * width
                from_s, to_s = (end_s * (column + i) / len(row.lost) for i in (0, 1))
                parts.append(
                    f'<rect class="heat" x="{at:.1f}" y="{y:g}" width="{width:.1f}" height="16" '
                    f'fill-opacity="{0.25 + 0.75 * lost / most:.2f}"><title>{lost} of {escape(row.feed)} '
                    f"sent {from_s:.2f} to {to_s:.2f} s</title></rect>"
                )
        parts.append(svg.text(right + 8, y + 13, f"{sum(row.lost):,}", "row"))
    bottom = 8 + 20.0 * len(heat)
    parts += [
        svg.text(left + (right - left) * t / end_s, bottom + 16, f"{t:g} s", "tick", "middle")
        for t in svg.nice_ticks(end_s, 8)
    ]
    return svg.document(
        parts, bottom + 24, "Lost messages of each feed by the time at which they were sent",
        "; ".join(f"{row.feed}: {sum(row.lost)}" for row in heat), "heatmap", key,
    )  # fmt: skip
