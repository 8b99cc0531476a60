"""Pause a service: its process is stopped, its connections stay open, nothing answers."""

import time

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._service import ServiceFault
from chaosp7.errors import HealError, NotVerifiedError
from chaosp7.platform.driver import Driver
from chaosp7.platform.process_id import ProcessId
from chaosp7.safety.undo import Undo

__all__ = ["pause_service"]

_STOPPED_WITHIN_S = 2.0


class Pause(ServiceFault):
    """The fault: the service hangs.

    Args:
        driver: reaches the services.
        service: the service.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "pause"

    def __init__(self, driver: Driver, service: str, duration_s: float, healthy_within_s: float) -> None:
        super().__init__(driver, service, duration_s, healthy_within_s)
        self._process: ProcessId | None = None

    @property
    def undo(self) -> list[Undo]:
        """Resume it."""
        return [Undo("resume", self.target)]

    def inject(self) -> None:
        """Stop its process, or freeze its container."""
        self._process = self._driver.service_status(self.target).process
        self._driver.pause(self.target)

    def verify(self) -> tuple[int, str]:
        """See that it is stopped."""
        if self._process is None:
            raise NotVerifiedError("it had no process")
        deadline = time.monotonic() + _STOPPED_WITHIN_S
        while not self._driver.paused(self.target):
            if time.monotonic() > deadline:
                raise NotVerifiedError(f"PID {self._process.pid} isn't stopped")
            time.sleep(0.001)
        return time.monotonic_ns(), f"PID {self._process.pid} stopped"

    def _in_force(self) -> bool:
        return self._driver.paused(self.target)

    def heal(self) -> None:
        """Let it go on."""
        self._driver.resume(self.target)

    def verify_healed(self) -> tuple[int, str]:
        """See that it runs, and is healthy."""
        if self._driver.paused(self.target):
            raise HealError(f"{self.target} is still stopped")
        _, seen = super().verify_healed()
        return time.monotonic_ns(), seen


def pause_service(service: str, duration_s: float = 10.0, healthy_within_s: float = 60.0) -> str:
    """Let a service hang for a while.

    Args:
        service: name of the service.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        Pause.kind,
        service,
        {"duration_s": duration_s},
        lambda run: Pause(run.driver, service, duration_s, healthy_within_s),
    )
