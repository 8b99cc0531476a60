"""Refuse connections on a link: those there are end at once, new ones get "connection refused"."""

import socket
import time

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import LinkFault, Reached
from chaosp7.errors import FaultError, NotVerifiedError
from chaosp7.platform.links import LinkState

__all__ = ["refuse_link"]

_CONNECT_TIMEOUT_S = 1.0


class Refuse(LinkFault):
    """The fault: the link's proxy doesn't listen.

    Args:
        on: the platform.
        link: the link.
        duration_s: how long it lasts, seconds.
    """

    def __init__(self, on: Reached, link: str, duration_s: float) -> None:
        super().__init__(on, "refuse", link, duration_s)

    def inject(self) -> None:
        """Disable the proxy."""
        links = self._driver.links
        if not links.state(self.target).clean:
            raise FaultError(f"link {self.target} isn't clean: something else is at work on it")
        links.disable(self.target)

    def verify(self) -> tuple[int, str]:
        """See that a connection is refused, and that the client doesn't go round the proxy."""
        host, port = self._driver.link_address(self.target)
        try:
            socket.create_connection((host, port), _CONNECT_TIMEOUT_S).close()
        except ConnectionRefusedError:
            seen_ns = time.monotonic_ns()
        except OSError as error:
            raise NotVerifiedError(f"port {port} neither accepts nor refuses: {error}") from error
        else:
            raise NotVerifiedError(f"port {port} still accepts connections")
        self._refuse_bypass()
        return seen_ns, f"port {port} refuses connections"

    def _in_force(self, state: LinkState) -> bool:
        return not state.enabled


def refuse_link(link: str, duration_s: float = 10.0) -> str:
    """Have a link refuse connections for a while.

    Args:
        link: name of the link.
        duration_s: for how long, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault("refuse", link, {"duration_s": duration_s}, lambda run: Refuse(run, link, duration_s))
