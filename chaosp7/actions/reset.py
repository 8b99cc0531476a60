"""Reset the connections of a link: the peer gets an RST as soon as something is sent."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import BOTH, LinkFault, directions
from chaosp7.platform.links import Toxic

__all__ = ["reset_link"]


def reset_link(link: str, duration_s: float = 10.0, after_ms: int = 0) -> str:
    """Reset every connection, also new ones.

    Args:
        link: name of the link.
        duration_s: for how long, seconds.
        after_ms: how long a connection lives before it is reset, milliseconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        "reset",
        link,
        {"duration_s": duration_s, "after_ms": after_ms},
        lambda run: LinkFault(
            run,
            "reset",
            link,
            duration_s,
            [Toxic("reset_peer", s, {"timeout": after_ms}) for s in directions(BOTH)],
        ),
    )
