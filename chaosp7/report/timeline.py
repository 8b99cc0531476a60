"""One synchronized timeline of a run: freshness, throughput, lag and missing messages per tier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from chaosp7.report import svg
from chaosp7.report.moments import Band, Moment
from chaosp7.report.thin import thin, thin_rates
from chaosp7.run.series import Series, TierSeries

__all__ = ["timeline"]

_LABEL_ROW, _GAP, _HEIGHT, _TITLE = 15.0, 16.0, 118.0, 22.0
_TIERS_STYLED = 8

_RATES_MAX = 150
_RATES_OVER_S = 0.5

#: With fewer points than that, a page has many timelines: only greatest values are drawn, not their shades.
_SHADES_FROM = 200

#: An axis ends at so many times what nine tenths of the values don't exceed; a clipped peak is told.
_AXIS_AT_MOST = 4.0


@dataclass(frozen=True, slots=True)
class _Measure:
    title: str
    unit: str
    scale: float
    factor: int
    lines: Sequence[tuple[str, Sequence[int | None], Sequence[int | None] | None]]


def timeline(
    series: Series,
    marks: Sequence[Moment],
    faults: Sequence[Band],
    tolerances_ms: Sequence[int],
    points: int,
    key: str,
) -> Markup:
    """Return the drawing.

    Args:
        series: of the run.
        marks: moments to name.
        faults: when they were in force.
        tolerances_ms: the greatest freshness of a fresh tier, each that there is.
        points: into how many columns a line is put together at most.
        key: makes its ids unique on the page.
    """
    factor = max(1, -(-series.buckets // points))
    column_s = series.step_s * factor
    last_s = -(-series.buckets // factor) * column_s
    rows = _label_rows(marks, last_s)
    top = 16 + _LABEL_ROW * (max(rows, default=0) + 1)
    parts: list[str] = []
    panels = []
    for measure in _measures(series, factor, shaded=points >= _SHADES_FROM):
        step_s = series.step_s * measure.factor
        panel = svg.Panel(top + _TITLE, _HEIGHT, last_s / step_s, _greatest(measure))
        panels.append(panel)
        parts += _panel(panel, measure, series.tiers, step_s, f"{key}-{len(panels)}", tolerances_ms)
        top = panel.bottom + _GAP
    first, bottom = panels[0], panels[-1].bottom
    behind = [
        *_fault_bands(faults, first, bottom, column_s, last_s),
        *_mark_lines(marks, rows, first, bottom, last_s),
    ]
    front = _mark_labels(marks, rows, first, last_s)
    axis = [
        svg.text(first.x(t / column_s), bottom + 16, f"{t:g} s", "tick", "middle")
        for t in svg.nice_ticks(last_s, 8)
    ]
    description = "; ".join(f"{mark.label} at {mark.at_s:.2f} s" for mark in marks)
    drawing = svg.document(
        [*behind, *parts, *front, *axis], bottom + 26,
        "Freshness, throughput, lag and missing messages of each tier over time",
        f"Seconds from the load's start. {description}. The table beside it holds the figures.",
        "timeline", key,
    )  # fmt: skip
    return Markup('<div class="chart" data-bands="{}">{}</div>').format(
        ";".join(f"{b.start_s:.3f},{last_s if b.end_s is None else b.end_s:.3f}" for b in faults),
        drawing,
    )


def _measures(series: Series, factor: int, *, shaded: bool) -> list[_Measure]:
    tiers = series.tiers

    def extremes(name: str) -> list[tuple[str, Sequence[int | None], Sequence[int | None] | None]]:
        thinned = [(t.tier, thin(getattr(t, name), factor)) for t in tiers]
        return [(tier, high, low if shaded else None) for tier, (low, high) in thinned]

    # Rows come in batches: a rate means something over a while only.
    coarse = max(factor, -(-series.buckets // _RATES_MAX), round(_RATES_OVER_S / series.step_s))
    rates = [(t.tier, thin_rates(t.new_per_s, coarse), None) for t in tiers]
    sent = ("sent", thin_rates(series.sent_per_s, coarse), None)
    over_s = coarse * series.step_s
    return [
        _Measure(
            "Freshness: age of the newest message up to which all are there", "s", 1000, factor,
            extremes("freshness_ms"),
        ),
        _Measure(
            f"Throughput: messages newly visible per second, means of {over_s:.2g} s; sent as a thin line",
            "/s", 1, coarse, [sent, *rates],
        ),
        _Measure(
            "Lag: messages that the tier before shows and this one doesn't yet", "", 1, factor,
            extremes("lag"),
        ),
        _Measure("Missing: messages sent and not visible", "", 1, factor, extremes("missing")),
    ]  # fmt: skip


def _greatest(measure: _Measure) -> float:
    values = sorted(v for _, high, _ in measure.lines for v in high if v)
    if not values:
        return 1.0
    usual = values[int(len(values) * 0.9)]
    top = values[-1] if measure.unit != "/s" else min(values[-1], usual * _AXIS_AT_MOST)
    return top * 1.05


def _panel(
    panel: svg.Panel,
    measure: _Measure,
    tiers: Sequence[TierSeries],
    column_s: float,
    key: str,
    tolerances: Sequence[int],
) -> Iterator[str]:
    peak = max((v for _, high, _ in measure.lines for v in high if v is not None), default=0)
    title = measure.title
    if peak > panel.greatest:
        title += f" (the axis ends early: highest {peak / measure.scale:,.0f}{measure.unit})"
    yield svg.text(svg.LEFT, panel.top - 7, title, "panel-title")
    right = svg.WIDTH - svg.RIGHT
    for tick in svg.nice_ticks(panel.greatest / measure.scale):
        y = panel.y(tick * measure.scale)
        yield f'<path class="grid" d="M{svg.LEFT:g} {y:.1f}H{right:g}"/>'
        yield svg.text(svg.LEFT - 6, y + 4, f"{tick:,g}{' s' if measure.unit == 's' else ''}", "tick", "end")
    if measure.unit == "s":
        yield from _tolerances(panel, tolerances)
    yield (
        f'<clipPath id="{key}"><rect x="{svg.LEFT:g}" y="{panel.top - 1:g}" '
        f'width="{right - svg.LEFT:g}" height="{panel.height + 2:g}"/></clipPath>'
    )
    name = escape(measure.title.partition(":")[0], quote=True)
    yield (
        f'<g class="panel" clip-path="url(#{key})" data-title="{name}" data-unit="{measure.unit}" '
        f'data-scale="{measure.scale:g}" data-step="{column_s:.6g}">'
    )
    index = {tier.tier: number for number, tier in enumerate(tiers)}
    unread = {tier.tier: _columns(tier.unread_s, column_s) for tier in tiers}
    for tier, high, low in measure.lines:
        style = "sent" if tier == "sent" and tier not in index else f"t{index[tier] % _TIERS_STYLED}"
        label = escape(tier[:80], quote=True)
        if low is not None and (shape := svg.area(low, high)):
            yield f'<path class="area {style}" d="{shape}" transform="{panel.transform}"/>'
        path = svg.line(high, unread.get(tier, ()))
        yield f'<path class="line {style}" data-name="{label}" d="{path}" transform="{panel.transform}"/>'
    yield "</g>"
    if measure.unit == "s":
        yield from _unread(panel, tiers, column_s)


def _tolerances(panel: svg.Panel, tolerances_ms: Sequence[int]) -> Iterator[str]:
    right = svg.WIDTH - svg.RIGHT
    for tolerance in sorted(set(tolerances_ms)):
        if tolerance < panel.greatest:
            y = panel.y(tolerance)
            yield f'<path class="allowed" d="M{svg.LEFT:g} {y:.1f}H{right:g}"/>'
            words = f"fresh within {tolerance / 1000:g} s"
            yield svg.text(right - 2, y - 3, words, "allowed-label", "end")


def _unread(panel: svg.Panel, tiers: Sequence[TierSeries], column_s: float) -> Iterator[str]:
    for number, tier in enumerate(tiers):
        for start, end in tier.unread_s:
            x, y = panel.x(start / column_s), panel.bottom - 3 - 4 * number
            yield (
                f'<rect class="unread t{number % _TIERS_STYLED}" x="{x:.1f}" y="{y:.1f}" height="3" '
                f'width="{max(1.0, panel.x(end / column_s) - x):.1f}"><title>{escape(tier.tier)}: '
                f"couldn't be read, or nobody looked, {start:.2f} to {end:.2f} s</title></rect>"
            )


def _columns(unread_s: Sequence[tuple[float, float]], column_s: float) -> set[int]:
    return {
        column for start, end in unread_s for column in range(int(start / column_s), int(end / column_s) + 1)
    }


def _fault_bands(
    faults: Sequence[Band], first: svg.Panel, bottom: float, column_s: float, last_s: float
) -> Iterator[str]:
    for band in faults:
        end_s = last_s if band.end_s is None else min(band.end_s, last_s)
        x = first.x(band.start_s / column_s)
        width = max(2.0, first.x(end_s / column_s) - x)
        ended = "never seen to be undone" if band.end_s is None else f"undone at {band.end_s:.2f} s"
        yield (
            f'<rect class="fault" x="{x:.1f}" y="{first.top - 20:.1f}" width="{width:.1f}" '
            f'height="{bottom - first.top + 20:.1f}"><title>{escape(band.label)}: in force from '
            f"{band.start_s:.2f} s, {ended}</title></rect>"
        )


def _label_rows(marks: Sequence[Moment], last_s: float) -> list[int]:
    """Return in which row each mark's label has room, 0 being the lowest."""
    ends: list[float] = []
    rows = []
    for mark in marks:
        x = svg.LEFT + mark.at_s / last_s * (svg.WIDTH - svg.LEFT - svg.RIGHT)
        width = 7.0 * len(_label(mark)) + 14
        row = next((r for r, end in enumerate(ends) if end <= x), len(ends))
        if row == len(ends):
            ends.append(0.0)
        ends[row] = x + width
        rows.append(row)
    return rows


def _label(mark: Moment) -> str:
    return f"{mark.label} {mark.at_s:.2f}"


def _mark_lines(
    marks: Sequence[Moment], rows: Sequence[int], place: svg.Panel, bottom: float, last_s: float
) -> Iterator[str]:
    for mark, row in zip(marks, rows, strict=True):
        x, y = _mark_at(mark, row, place, last_s)
        yield f'<path class="mark m-{_kind(mark)}" d="M{x:.1f} {y - 9:.1f}V{bottom:.1f}"/>'


def _mark_labels(
    marks: Sequence[Moment], rows: Sequence[int], place: svg.Panel, last_s: float
) -> Iterator[str]:
    for mark, row in zip(marks, rows, strict=True):
        x, y = _mark_at(mark, row, place, last_s)
        near_the_end = x > svg.WIDTH - svg.RIGHT - 7.0 * len(_label(mark)) - 6
        at, anchor = (x - 4, "end") if near_the_end else (x + 4, "start")
        yield svg.text(at, y, _label(mark), f"mark-label m-{_kind(mark)}", anchor)


def _mark_at(mark: Moment, row: int, place: svg.Panel, last_s: float) -> tuple[float, float]:
    return place.x(min(mark.at_s / last_s, 1.0) * place.columns), place.top - _TITLE - 4 - row * _LABEL_ROW


def _kind(mark: Moment) -> str:
    return mark.label.replace(" ", "-")
