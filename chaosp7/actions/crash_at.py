"""Have the offload die at one of its steps: SIGKILL by its own hand, then its supervisor starts it again."""

import time

import requests

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._service import ServiceFault
from chaosp7.errors import FaultError, NotVerifiedError
from chaosp7.platform.driver import Driver, ServiceStatus

__all__ = ["crash_offload_at"]

_TIMEOUT_S = 2.0
_LOOK_EVERY_S = 0.02


class CrashAt(ServiceFault):
    """The fault: the offload ends when it next passes a step, and is down until its supervisor has it back.

    Args:
        driver: reaches the services.
        service: the offload.
        step: where it dies.
        within_s: how long it may take to come there, seconds.
        healthy_within_s: how long its return may take, seconds.
    """

    kind = "crash-at"

    def __init__(
        self, driver: Driver, service: str, step: str, within_s: float, healthy_within_s: float
    ) -> None:
        super().__init__(driver, service, 0.0, healthy_within_s)
        self._step = step
        self._within_s = within_s
        self._before: ServiceStatus | None = None

    @property
    def max_s(self) -> float:
        """The way to the step, and the healing."""
        return self._within_s + super().max_s

    def inject(self) -> None:
        """Tell it where to die."""
        self._before = self._driver.service_status(self.target)
        url = f"http://{self._driver.endpoint(self.target)}/die-at"
        try:
            answer = requests.post(url, json={"step": self._step}, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            raise FaultError(f"{self.target} doesn't take the order to die: {error}") from error
        if not answer.ok:
            raise FaultError(f"{self.target} doesn't take the order to die: {answer.text.strip()[:200]}")

    def verify(self) -> tuple[int, str]:
        """See that the process has ended by itself."""
        pid = self._before.pid if self._before is not None else None
        deadline_s = time.monotonic() + self._within_s
        while time.monotonic() < deadline_s:
            end = self._driver.service_status(self.target).last_end
            if end is not None and end.pid == pid:
                return end.ended_ns, f"PID {pid} ended {self._step}"
            time.sleep(_LOOK_EVERY_S)
        raise NotVerifiedError(f"PID {pid} didn't come to {self._step!r} within {self._within_s:g} s")

    def heal(self) -> None:
        """Leave it to the supervisor: its restart is what is tested."""


def crash_offload_at(
    step: str, service: str = "offload", within_s: float = 15.0, healthy_within_s: float = 60.0
) -> str:
    """Have the offload end by SIGKILL at a step of its cycle, and see that its supervisor brings it back.

    Args:
        step: ``after-read``, ``mid-write``, ``after-write``, ``after-commit``, ``before-watermark`` or
            ``after-watermark``.
        service: name of the offload's service; the embedded one only.
        within_s: how long it may take to come to the step, seconds.
        healthy_within_s: how long its return may take, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        CrashAt.kind,
        service,
        {"step": step},
        lambda run: CrashAt(run.driver, service, step, within_s, healthy_within_s),
    )
