"""Moments of a run on the wall clock. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from chaosp7.run.evidence import ClockAnchor

__all__ = ["clock_time", "wall_ns"]


def wall_ns(clock: ClockAnchor, at_ns: int) -> int:
    """Return a moment on the wall clock.

    Args:
        clock: one moment on both clocks.
        at_ns: the moment, monotonic.
    """
    return clock.wall_ns + at_ns - clock.monotonic_ns


def clock_time(at_ns: int, clock: ClockAnchor) -> str:
    """Return a monotonic moment as UTC wall clock, ``12:00:03.120``."""
    # Cut off, and in integers: a float of a wall clock's nanoseconds is off by some hundred.
    millis = wall_ns(clock, at_ns) // 1_000_000
    moment = datetime.fromtimestamp(millis // 1000, UTC)
    return f"{moment:%H:%M:%S}.{millis % 1000:03d}"
