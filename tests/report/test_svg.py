"""Paths hold exactly the values they were made from: the page's script reads them back."""

import re

from hypothesis import given
from hypothesis import strategies as st

from chaosp7.report.svg import area, line, nice_ticks

VALUES = st.lists(st.one_of(st.none(), st.integers(0, 5), st.integers(0, 10**6)), max_size=60)


def read(path: str) -> list[tuple[int, int]]:
    """Read a path as the page's script does."""
    found: list[tuple[int, int]] = []
    for part in path.split("M")[1:]:
        start, _, rest = part.partition("l")
        x, y = (int(n) for n in re.findall(r"-?\d+", start))
        found.append((x, y))
        numbers = [int(n) for n in re.findall(r"-?\d+", rest)]
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            if dy == 0:
                found += [(c, y) for c in range(x + 1, x + dx)]
            x, y = x + dx, y + dy
            found.append((x, y))
    return found


@given(values=VALUES, breaks=st.sets(st.integers(0, 60), max_size=5))
def test_a_line_holds_every_value_and_breaks_where_nothing_is_known(
    values: list[int | None], breaks: set[int]
) -> None:
    path = line(values, breaks)
    known = {c: v for c, v in enumerate(values) if v is not None}
    back = dict(read(path))
    assert {c: back[c] for c in known} == known
    pieces = [read(f"M{piece}") for piece in path.split("M")[1:]]
    for piece in pieces:
        columns = [c for c, _ in piece]
        assert not any(columns[0] < b <= columns[-1] for b in breaks)


@given(low=VALUES)
def test_an_area_is_drawn_only_where_least_and_greatest_differ(low: list[int | None]) -> None:
    assert area(low, low) == ""
    high = [None if v is None else v + 1 for v in low]
    assert (
        area(low, high).count("z")
        == area(low, high).count("M")
        == (1 if any(v is not None for v in low) else 0)
    )


@given(st.floats(0.001, 1e9))
def test_ticks_are_round_and_inside(greatest: float) -> None:
    ticks = nice_ticks(greatest)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] <= greatest * 1.0001
