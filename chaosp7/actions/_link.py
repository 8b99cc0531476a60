"""What faults of a link have in common: something in its proxy, read back, and taken out again."""

import time
from collections.abc import Sequence
from threading import Event
from typing import Protocol

from chaosp7.errors import FaultError, HealError, NotVerifiedError
from chaosp7.platform.driver import Driver
from chaosp7.platform.links import LinkState, Toxic
from chaosp7.platform.model import Platform
from chaosp7.safety.undo import Undo, carry_out_undo

__all__ = ["BOTH", "DOWNSTREAM", "UPSTREAM", "LinkFault", "Reached", "directions"]

UPSTREAM = "upstream"
DOWNSTREAM = "downstream"
BOTH = "both"

#: What healing a link may take before the watchdog steps in, seconds.
_MARGIN_S = 30.0


def directions(direction: str) -> list[str]:
    """Return Toxiproxy's streams of a direction.

    Args:
        direction: ``upstream`` (client to server), ``downstream``, or ``both``.

    Raises:
        FaultError: if it is something else.
    """
    if direction not in (UPSTREAM, DOWNSTREAM, BOTH):
        raise FaultError(f"direction is {UPSTREAM}, {DOWNSTREAM} or {BOTH}, not {direction!r}")
    return [UPSTREAM, DOWNSTREAM] if direction == BOTH else [direction]


class Reached(Protocol):
    """A platform that can be reached: the current run, for one."""

    model: Platform
    driver: Driver


class LinkFault:
    """A link on which toxics work for a while.

    Args:
        on: the platform.
        kind: what the fault is called.
        link: the link.
        duration_s: how long it lasts, seconds.
        toxics: what to put on it.
    """

    def __init__(
        self, on: Reached, kind: str, link: str, duration_s: float, toxics: Sequence[Toxic] = ()
    ) -> None:
        on.model.link(link)  # raises for one that isn't there, before anything is touched
        self.kind = kind
        self.target = link
        self._driver: Driver = on.driver
        self._duration_s = duration_s
        self._toxics = list(toxics)

    @property
    def undo(self) -> list[Undo]:
        """Make the link clean."""
        return [Undo("heal-link", self.target)]

    @property
    def max_s(self) -> float:
        """The fault's own time, and that of its healing."""
        return self._duration_s + _MARGIN_S

    def inject(self) -> None:
        """Put the toxics on the link; each is read back."""
        if not self._driver.links.state(self.target).clean:
            raise FaultError(f"link {self.target} isn't clean: something else is at work on it")
        for toxic in self._toxics:
            self._driver.links.add_toxic(self.target, toxic)

    def verify(self) -> tuple[int, str]:
        """See that all toxics are in force, and that the client doesn't go round the proxy."""
        state = self._driver.links.state(self.target)
        seen_ns = time.monotonic_ns()
        if not self._in_force(state):
            raise NotVerifiedError(f"reads back as {state}")
        self._refuse_bypass()
        what = ", ".join(
            f"{toxic.name} {dict(state.toxics[toxic.name].attributes)}" for toxic in self._toxics
        )
        return seen_ns, f"read back: {what}"

    def hold(self, over: Event) -> None:
        """Let it last, and see that it is still in force: a Toxiproxy that was restarted has forgotten it."""
        over.wait(self._duration_s)
        self.refuse_gone()

    def refuse_gone(self) -> None:
        """Make sure that the fault is still in force.

        Raises:
            NotVerifiedError: if it isn't, or that can't be seen.
        """
        try:
            state = self._driver.links.state(self.target)
        except FaultError as error:
            raise NotVerifiedError(f"can't be seen at its end: {error}") from error
        if not self._in_force(state):
            raise NotVerifiedError(f"was gone before its end: reads back as {state}")

    def _in_force(self, state: LinkState) -> bool:
        return state.enabled and all(toxic.name in state.toxics for toxic in self._toxics)

    def heal(self) -> None:
        """Make the link clean."""
        carry_out_undo(self.undo[0], self._driver)

    def verify_healed(self) -> tuple[int, str]:
        """See that the link is clean."""
        state = self._driver.links.state(self.target)
        if not state.clean:
            raise HealError(f"reads back as {state}")
        return time.monotonic_ns(), "link is clean"

    def _refuse_bypass(self) -> None:
        """Make sure that the client has no connection to the server past the proxy."""
        if past := self._driver.past_the_proxy(self.target):
            raise NotVerifiedError(past)
