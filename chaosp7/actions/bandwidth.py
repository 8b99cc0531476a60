"""Let only so many kilobytes a second pass each connection of a link."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import LinkFault, directions
from chaosp7.platform.links import Toxic

__all__ = ["limit_bandwidth"]


def limit_bandwidth(link: str, rate_kb_per_s: int, direction: str = "both", duration_s: float = 10.0) -> str:
    """Limit the rate of each connection, each direction by itself.

    Args:
        link: name of the link.
        rate_kb_per_s: kilobytes per second and connection.
        direction: ``upstream`` (client to server), ``downstream``, or ``both``.
        duration_s: for how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        "bandwidth",
        link,
        {"rate_kb_per_s": rate_kb_per_s, "direction": direction, "duration_s": duration_s},
        lambda run: LinkFault(
            run,
            "bandwidth",
            link,
            duration_s,
            [Toxic("bandwidth", s, {"rate": rate_kb_per_s}) for s in directions(direction)],
        ),
    )
