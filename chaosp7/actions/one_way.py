"""Swallow everything in one direction of a link; the other one still passes."""

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import LinkFault, directions
from chaosp7.platform.links import Toxic

__all__ = ["cut_one_way"]


def cut_one_way(link: str, direction: str = "upstream", duration_s: float = 10.0) -> str:
    """Let nothing pass in one direction, without closing a connection.

    Args:
        link: name of the link.
        direction: ``upstream`` (client to server) or ``downstream``.
        duration_s: for how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        "one_way",
        link,
        {"direction": direction, "duration_s": duration_s},
        lambda run: LinkFault(
            run,
            "one_way",
            link,
            duration_s,
            [Toxic("timeout", s, {"timeout": 0}) for s in directions(direction)],
        ),
    )
