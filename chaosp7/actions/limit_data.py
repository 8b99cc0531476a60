"""Close each connection of a link after so many bytes."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import LinkFault, directions
from chaosp7.platform.links import Toxic

__all__ = ["limit_data"]


def limit_data(link: str, limit_bytes: int, direction: str = "both", duration_s: float = 10.0) -> str:
    """Close a connection once so many bytes have passed in a direction.

    Args:
        link: name of the link.
        limit_bytes: bytes per connection and direction.
        direction: ``upstream`` (client to server), ``downstream``, or ``both``.
        duration_s: for how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        "limit_data",
        link,
        {"limit_bytes": limit_bytes, "direction": direction, "duration_s": duration_s},
        lambda run: LinkFault(
            run,
            "limit_data",
            link,
            duration_s,
            [Toxic("limit_data", s, {"bytes": limit_bytes}) for s in directions(direction)],
        ),
    )
