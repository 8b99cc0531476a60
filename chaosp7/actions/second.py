"""Run the offload twice at once, as a schedule that overlaps itself does."""

import time
from collections.abc import Mapping
from contextlib import suppress
from threading import Event

import requests

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import Reached
from chaosp7.actions._stress import StressFault
from chaosp7.errors import FaultError, NotVerifiedError
from chaosp7.platform.model import Part
from chaosp7.platform.ports import HOST, free_now
from chaosp7.recorder.offload_watch import parse

__all__ = ["run_second_offload"]

_ANSWERS_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.1
_TIMEOUT_S = 2.0


class Second(StressFault):
    """The fault: a second process does the offload's work with the same command, but for its own port.

    Args:
        on: the platform.
        service: the offload.
        duration_s: how long, seconds.
    """

    kind = "second"

    def __init__(self, on: Reached, service: str, duration_s: float) -> None:
        if on.model.service(service).part is not Part.OFFLOAD or on.model.driver != "process":
            raise FaultError(f"{service} isn't an offload that runs as a process")
        plan = on.driver.plan.services[service]
        self._port = free_now()
        command = [str(self._port) if word == str(plan.ports["main"]) else word for word in plan.command]
        super().__init__(service, ["--run", *command], duration_s)

    def verify(self) -> tuple[int, str]:
        """See that it has worked: it has succeeded, or was refused because the other one came first."""
        deadline_s = time.monotonic() + _ANSWERS_WITHIN_S
        while time.monotonic() < deadline_s:
            counted = self._counted()
            if "last_success_age_seconds" in counted or counted.get("conflicts"):
                return time.monotonic_ns(), "a second one works beside it"
            time.sleep(_LOOK_EVERY_S)
        raise NotVerifiedError(f"the second one doesn't work within {_ANSWERS_WITHIN_S:g} s")

    def hold(self, over: Event) -> None:
        """Let it last, and see that it still answers."""
        super().hold(over)
        if not self._counted():
            raise NotVerifiedError("was gone before its end: the second one doesn't answer")

    def _counted(self) -> Mapping[str, float]:
        with suppress(requests.RequestException):
            answer = requests.get(f"http://{HOST}:{self._port}/metrics", timeout=_TIMEOUT_S)
            return parse(answer.text, 0, 0).counters
        return {}


def run_second_offload(service: str = "offload", duration_s: float = 15.0) -> str:
    """Run a second offload beside the first one: the same command, the same watermarks.

    Args:
        service: name of the offload's service; the embedded one only, as a process.
        duration_s: how long, seconds, from when it works.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(Second.kind, service, {}, lambda run: Second(run, service, duration_s))
