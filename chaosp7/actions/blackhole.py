"""Swallow everything on a link, silently: connections stay open, and new ones open too."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import BOTH, LinkFault, directions
from chaosp7.platform.links import Toxic

__all__ = ["blackhole_link"]


def blackhole_link(link: str, duration_s: float = 10.0) -> str:
    """Let nothing pass in either direction, without closing a connection.

    Args:
        link: name of the link.
        duration_s: for how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        "blackhole",
        link,
        {"duration_s": duration_s},
        lambda run: LinkFault(
            run,
            "blackhole",
            link,
            duration_s,
            [Toxic("timeout", s, {"timeout": 0}) for s in directions(BOTH)],
        ),
    )
