"""Restart a service: end its process, see that it is gone, start it, see that it is healthy."""

import signal as signals
import time

from chaoslib.exceptions import ActivityFailed

from chaosp7.actions.fault import carry_out
from chaosp7.errors import ChaosP7Error, ConfigError, HealError, NotVerifiedError
from chaosp7.platform.process_driver import ProcessDriver, Stopped
from chaosp7.run.current import current_run
from chaosp7.run.evidence import FaultRecord

__all__ = ["restart_service"]

_SIGNALS = ("SIGTERM", "SIGKILL")


class Restart:
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
        self, driver: ProcessDriver, service: str, signal: str, down_s: float, healthy_within_s: float
    ) -> None:
        if signal not in _SIGNALS:
            raise ConfigError(f"signal is one of {', '.join(_SIGNALS)}, not {signal!r}")
        self.target = service
        self._driver = driver
        self._signal = signals.Signals[signal]
        self._down_s = down_s
        self._healthy_within_s = healthy_within_s
        self._stopped: Stopped | None = None

    def inject(self) -> None:
        """Send the signal."""
        self._stopped = self._driver.signal_service(self.target, self._signal, wait_s=15.0)

    def verify(self) -> tuple[int, str]:
        """See that the process is gone: the supervisor has reaped it."""
        stopped = self._stopped
        if stopped is None or stopped.pid is None:
            raise NotVerifiedError("it had no process")
        if stopped.ended_ns is None:
            raise NotVerifiedError(f"PID {stopped.pid} didn't end after {self._signal.name}")
        return stopped.ended_ns, f"PID {stopped.pid} ended by {self._signal.name}"

    def hold(self) -> None:
        """Let it be down for a while."""
        time.sleep(self._down_s)

    def heal(self) -> None:
        """Start it; nothing happens if it runs."""
        self._driver.start(self.target, wait_s=self._healthy_within_s)

    def verify_healed(self) -> tuple[int, str]:
        """See that it is healthy."""
        status = self._driver.service_status(self.target)
        if not status.healthy or status.healthy_ns is None:
            raise HealError(f"{self.target} is {status.state}: {status.detail}")
        return status.healthy_ns, f"healthy again as PID {status.pid}"


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
    run = current_run()
    record = FaultRecord(kind=Restart.kind, target=service, detail={"signal": signal, "down_s": down_s})
    try:
        run.model.service(service)
        fault = Restart(run.driver, service, signal, down_s, healthy_within_s)
        run.faults.append(record)
        carry_out(fault, record)
    except ChaosP7Error as error:
        raise ActivityFailed(str(error)) from error
    return "; ".join(record.proof)
