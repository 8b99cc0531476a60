"""Delay everything on a link."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import LinkFault, directions
from chaosp7.platform.links import Toxic

__all__ = ["slow_link"]


def slow_link(
    link: str, latency_ms: int = 200, jitter_ms: int = 0, direction: str = "both", duration_s: float = 10.0
) -> str:
    """Delay what passes; each direction by the full latency.

    Args:
        link: name of the link.
        latency_ms: delay, milliseconds.
        jitter_ms: the delay varies by up to so much either way, milliseconds.
        direction: ``upstream`` (client to server), ``downstream``, or ``both``.
        duration_s: for how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        "latency",
        link,
        {"latency_ms": latency_ms, "jitter_ms": jitter_ms, "direction": direction, "duration_s": duration_s},
        lambda run: LinkFault(
            run,
            "latency",
            link,
            duration_s,
            [
                Toxic("latency", s, {"latency": latency_ms, "jitter": jitter_ms})
                for s in directions(direction)
            ],
        ),
    )
