"""Delay the end of a link's connections."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import BOTH, LinkFault, directions
from chaosp7.platform.links import Toxic

__all__ = ["close_slowly"]


def close_slowly(link: str, delay_ms: int = 1000, duration_s: float = 10.0) -> str:
    """Have connections close only after a delay.

    Args:
        link: name of the link.
        delay_ms: the delay, milliseconds.
        duration_s: for how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        "slow_close",
        link,
        {"delay_ms": delay_ms, "duration_s": duration_s},
        lambda run: LinkFault(
            run,
            "slow_close",
            link,
            duration_s,
            [Toxic("slow_close", s, {"delay": delay_ms}) for s in directions(BOTH)],
        ),
    )
