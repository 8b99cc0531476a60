"""The few shapes that the charts are drawn with, as text. Colours come from the page's style.

Lines are written in the units of their data (x: bucket, y: value) and stretched into place by a
transform: the page's script can read exact values from them, and nothing is there twice.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

__all__ = ["Panel", "area", "document", "line", "nice_ticks", "text"]

LEFT, RIGHT, WIDTH = 58.0, 14.0, 1000.0


@dataclass(frozen=True, slots=True)
class Panel:
    """A place for lines.

    Attributes:
        top: upper edge, units of the drawing.
        height: units of the drawing.
        columns: how many buckets its width stands for.
        greatest: value at its upper edge; the lower one is 0.
    """

    top: float
    height: float
    columns: float
    greatest: float

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def x(self, column: float) -> float:
        """Return where a bucket begins."""
        return LEFT + column / self.columns * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return how high a value lies."""
        return self.bottom - value / self.greatest * self.height

    @property
    def transform(self) -> str:
        """What stretches data into place."""
        sx, sy = (WIDTH - LEFT - RIGHT) / self.columns, self.height / self.greatest
        return f"matrix({sx:.6g} 0 0 {-sy:.6g} {self.x(0.5):.2f} {self.bottom:.2f})"


def line(values: Sequence[int | None], breaks: Collection[int] = ()) -> str:
    """Return a path through values by their index; what repeats a value is left out.

    Args:
        values: None: there is no value, and the line goes on to the next one.
        breaks: where it doesn't: nothing is known there.
    """
    points: list[tuple[int, int] | None] = []
    for column, value in enumerate(values):
        if column in breaks:
            points.append(None)
        if value is not None:
            points.append((column, value))
    return _path(points)


def area(low: Sequence[int | None], high: Sequence[int | None]) -> str:
    """Return a path around everything between least and greatest values, where they differ."""
    parts = []
    run: list[tuple[int, int, int]] = []
    for column, (a, b) in enumerate([*zip(low, high, strict=True), (None, None)]):
        if a is not None and b is not None and a != b:
            run.append((column, a, b))
        elif run and a is None and b is None and column < len(low):
            continue
        elif run:
            there = [(c, b) for c, _, b in run]
            back = [(c, a) for c, a, _ in reversed(run)]
            parts.append(_path([*there, *back]) + "z")
            run = []
    return "".join(parts)


def _path(points: Sequence[tuple[int, int] | None]) -> str:
    parts: list[str] = []
    at: tuple[int, int] | None = None
    waiting: tuple[int, int] | None = None
    position = (0, 0)

    def draw(to: tuple[int, int], first: bool) -> None:
        nonlocal position
        if first:
            parts.append(f"M{to[0]} {to[1]}l")
        else:
            dy = to[1] - position[1]
            parts.append(f"{to[0] - position[0]}{'' if dy < 0 else ' '}{dy} ")
        position = to

    for point in [*points, None]:
        if waiting is not None and (point is None or at is None or point[1] != at[1]):
            draw(waiting, first=False)
            waiting = None
        if point is None:
            at = None
        elif at is None:
            draw(point, first=True)
            draw(point, first=False)  # a lone point shows as a dot
            at = point
        elif point[1] == at[1]:
            at = waiting = point
        else:
            draw(point, first=False)
            at = point
    return "".join(parts).replace(" M", "M").strip()


def nice_ticks(greatest: float, count: int = 3) -> list[float]:
    """Return round values from 0 to at most the greatest, about so many."""
    if greatest <= 0:
        return [0.0]
    raw = greatest / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    return [step * i for i in range(int(greatest / step + 1e-9) + 1)]


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return words at a place."""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{style}{at}>{escape(words)}</text>'


def document(
    parts: Iterable[str], height: float, title: str, description: str, kind: str, key: str
) -> Markup:
    """Return a whole drawing.

    Args:
        parts: what is drawn, in order.
        height: units; the width is always the same.
        title: what it shows.
        description: what is to be seen, for who can't.
        kind: its class in the style.
        key: makes its ids unique on the page.
    """
    body = "".join(parts)
    return Markup(  # noqa: S704  # all foreign text went through `escape`
        f'<svg class="{kind}" viewBox="0 0 {WIDTH:g} {height:g}" role="img" '
        f'aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{escape(title)}</title>'
        f'<desc id="{key}-d">{escape(description)}</desc>{body}</svg>'
    )
