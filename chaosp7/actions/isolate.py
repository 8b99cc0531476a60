"""Isolate a service: its container is taken off its networks, as if its cable were pulled.

Connections aren't closed: their packets go nowhere. A process of this machine has no network of its
own: there, `partition_services` cuts the service's links.
"""

import time

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._service import ServiceFault
from chaosp7.errors import HealError, NotVerifiedError
from chaosp7.platform.driver import Driver
from chaosp7.safety.undo import Undo

__all__ = ["isolate_service"]


class Isolate(ServiceFault):
    """The fault: nobody reaches the service, and it reaches nobody.

    Args:
        driver: reaches the services.
        service: the service.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "isolate"

    def __init__(self, driver: Driver, service: str, duration_s: float, healthy_within_s: float) -> None:
        super().__init__(driver, service, duration_s, healthy_within_s)
        self._settings = driver.networks(service)  # raises where there is none, before anything is touched

    @property
    def undo(self) -> list[Undo]:
        """Bring it back to its networks."""
        return [Undo("reconnect", self.target, self._settings)]

    def inject(self) -> None:
        """Take it off its networks."""
        self._driver.disconnect(self.target)

    def verify(self) -> tuple[int, str]:
        """See that it is on none of its networks, but still runs."""
        if not self._in_force():
            raise NotVerifiedError(f"{self.target} is still on its networks")
        if self._driver.service_status(self.target).process is None:
            raise NotVerifiedError(f"{self.target} doesn't run: nothing was isolated")
        return time.monotonic_ns(), f"{self.target} is off its networks"

    def refuse_gone(self) -> None:
        """See that it is still off its networks.

        Raises:
            NotVerifiedError: if it isn't.
        """
        if not self._in_force():
            raise NotVerifiedError(f"was gone before its end: {self.target} is back on its networks")

    def _in_force(self) -> bool:
        return not self._driver.connected(self.target, self._settings)

    def heal(self) -> None:
        """Bring it back, with its addresses and names."""
        self._driver.reconnect(self.target, self._settings)

    def verify_healed(self) -> tuple[int, str]:
        """See that it is back, and healthy."""
        if self._in_force():
            raise HealError(f"{self.target} isn't on its networks as before")
        _, seen = super().verify_healed()
        return time.monotonic_ns(), seen


def isolate_service(service: str, duration_s: float = 10.0, healthy_within_s: float = 60.0) -> str:
    """Take a service's container off its networks for a while.

    Args:
        service: name of the service.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done, as on the process driver, or isn't seen to have happened.
    """
    return inject_fault(
        Isolate.kind,
        service,
        {"duration_s": duration_s},
        lambda run: Isolate(run.driver, service, duration_s, healthy_within_s),
    )
