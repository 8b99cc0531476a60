"""Cut a link and heal it again and again, in a rhythm."""

from threading import Event

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import Reached
from chaosp7.actions.refuse import Refuse
from chaosp7.errors import ConfigError

__all__ = ["flap_link"]


class Flap(Refuse):
    """The fault: the link refuses connections, passes them, refuses them, ...

    Args:
        on: the platform.
        link: the link.
        cut_s: how long it is cut each time, seconds.
        healed_s: how long it is whole in between, seconds.
        times: how often it is cut.
    """

    def __init__(self, on: Reached, link: str, cut_s: float, healed_s: float, times: int) -> None:
        if times < 1:
            raise ConfigError(f"a link flaps at least once, not {times} times")
        super().__init__(on, link, times * cut_s + (times - 1) * healed_s)
        self.kind = "flap"
        self._cut_s = cut_s
        self._healed_s = healed_s
        self._times = times

    def hold(self, over: Event) -> None:
        """Let it flap; the first cut has been made."""
        over.wait(self._cut_s)
        for _ in range(self._times - 1):
            if over.is_set():
                return
            self._driver.links.enable(self.target)
            over.wait(self._healed_s)
            self._driver.links.disable(self.target)
            over.wait(self._cut_s)
        self.refuse_gone()


def flap_link(link: str, cut_s: float = 1.0, healed_s: float = 1.0, times: int = 5) -> str:
    """Cut a link and heal it, several times.

    Args:
        link: name of the link.
        cut_s: how long it is cut each time, seconds.
        healed_s: how long it is whole in between, seconds.
        times: how often it is cut.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        "flap",
        link,
        {"cut_s": cut_s, "healed_s": healed_s, "times": times},
        lambda run: Flap(run, link, cut_s, healed_s, times),
    )
