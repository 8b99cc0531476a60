"""Fewer points for a chart, none of them less telling. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from chaosp7.run.series import Extremes

__all__ = ["thin", "thin_rates"]


def thin(extremes: Extremes, factor: int) -> tuple[list[int | None], list[int | None]]:
    """Put buckets together; the least and the greatest value of each group stay.

    Args:
        extremes: of a measure.
        factor: how many buckets make one.

    Returns:
        Least and greatest values, None where no bucket of the group has any.
    """
    low: list[int | None] = []
    high: list[int | None] = []
    for start in range(0, len(extremes.low), factor):
        low.append(min((v for v in extremes.low[start : start + factor] if v is not None), default=None))
        high.append(max((v for v in extremes.high[start : start + factor] if v is not None), default=None))
    return low, high


def thin_rates(rates: Sequence[int], factor: int) -> list[int | None]:
    """Put buckets of rates together to their mean: what was counted stays countable."""
    parts = [rates[start : start + factor] for start in range(0, len(rates), factor)]
    return [round(sum(part) / len(part)) for part in parts]
