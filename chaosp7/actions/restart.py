"""Restart a service: end its process, see that it is gone, start it, see that it is healthy."""

import signal as signals

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._service import ServiceFault, seen_ended
from chaosp7.errors import ConfigError
from chaosp7.platform.driver import Driver, Stopped

__all__ = ["restart_service"]

_SIGNALS = ("SIGTERM", "SIGKILL")
_END_WITHIN_S = 15.0


class Restart(ServiceFault):
    """The fault: the service is down from its end until it is healthy again.

    Args:
        driver: reaches the services.
        service: the service.
        signal: ``SIGTERM`` or ``SIGKILL``.
        down_s: how long it stays down, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "restart"

    def __init__(
        self, driver: Driver, service: str, signal: str, down_s: float, healthy_within_s: float
    ) -> None:
        if signal not in _SIGNALS:
            raise ConfigError(f"signal is one of {', '.join(_SIGNALS)}, not {signal!r}")
        super().__init__(driver, service, down_s, healthy_within_s)
        self._signal = signals.Signals[signal]
        self._stopped: Stopped | None = None

    def inject(self) -> None:
        """Send the signal."""
        self._stopped = self._driver.signal_service(self.target, self._signal, wait_s=_END_WITHIN_S)

    def verify(self) -> tuple[int, str]:
        """See that the process is gone: the supervisor has reaped it."""
        return seen_ended(self._stopped, self._signal.name)


def restart_service(
    service: str, signal: str = "SIGKILL", down_s: float = 0.0, healthy_within_s: float = 60.0
) -> str:
    """Restart a service and verify both its end and its return.

    Args:
        service: name of the service.
        signal: SIGKILL, or SIGTERM for an orderly end.
        down_s: how long it stays down, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        Restart.kind,
        service,
        {"signal": signal, "down_s": down_s},
        lambda run: Restart(run.driver, service, signal, down_s, healthy_within_s),
    )
