"""What faults of a service have in common: its return to health is what heals them."""

import time
from threading import Event

from chaosp7.errors import HealError, NotVerifiedError
from chaosp7.platform.driver import Driver, Stopped
from chaosp7.safety.undo import Undo

__all__ = ["ServiceFault", "seen_ended"]

_LOOK_EVERY_S = 0.05

#: What healing may take beyond the service's own limit before the watchdog steps in, seconds.
_MARGIN_S = 30.0


class ServiceFault:
    """A service that is down, or doesn't answer, for a while.

    Args:
        driver: reaches the services.
        service: the service.
        duration_s: how long the fault lasts, seconds.
        healthy_within_s: how long the service may take to be healthy again, seconds.
    """

    kind = "service"

    def __init__(self, driver: Driver, service: str, duration_s: float, healthy_within_s: float) -> None:
        driver.plan.service(service)  # raises for one that isn't there, before anything is touched
        self.target = service
        self._driver = driver
        self._duration_s = duration_s
        self._healthy_within_s = healthy_within_s

    @property
    def undo(self) -> list[Undo]:
        """Start it."""
        return [Undo("start", self.target)]

    @property
    def max_s(self) -> float:
        """The fault's own time, and that of its healing."""
        return self._duration_s + self._healthy_within_s + _MARGIN_S

    def hold(self, over: Event) -> None:
        """Let it last, and see that nobody has ended it meanwhile."""
        over.wait(self._duration_s)
        if self._duration_s > 0:
            self.refuse_gone()

    def refuse_gone(self) -> None:
        """See that it is still in force.

        Raises:
            NotVerifiedError: if it isn't.
        """
        if not self._in_force():
            raise NotVerifiedError(f"was gone before its end: {self.target} runs")

    def _in_force(self) -> bool:
        return self._driver.service_status(self.target).process is None

    def heal(self) -> None:
        """Start it and wait until it is healthy; nothing happens if it runs."""
        self._driver.start(self.target, wait_s=self._healthy_within_s)

    def verify_healed(self) -> tuple[int, str]:
        """See that it is healthy."""
        deadline = time.monotonic() + self._healthy_within_s
        while True:
            status = self._driver.service_status(self.target)
            if status.healthy and status.healthy_ns is not None:
                return status.healthy_ns, f"healthy again as PID {status.pid}"
            if time.monotonic() > deadline:
                raise HealError(f"{self.target} is {status.state}: {status.detail}")
            time.sleep(_LOOK_EVERY_S)


def seen_ended(stopped: Stopped | None, by: str) -> tuple[int, str]:
    """Return when a process was seen to be gone, and the words for it.

    Args:
        stopped: what the driver says of it.
        by: what ended it.

    Raises:
        NotVerifiedError: if there was none, or it hasn't ended.
    """
    if stopped is None or stopped.pid is None:
        raise NotVerifiedError("it had no process")
    if stopped.ended_ns is None:
        raise NotVerifiedError(f"PID {stopped.pid} didn't end after {by}")
    return stopped.ended_ns, f"PID {stopped.pid} ended by {by}"
