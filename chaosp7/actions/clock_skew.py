"""Turn a service's clock: its wall clock is ahead or behind for a while, then right again.

Only that of a service with ``adjustable_clock`` in the platform file: it takes libfaketime, from its start.
The machine's own clock, by which everything else goes, is never touched.
"""

import time
from email.utils import parsedate_to_datetime
from threading import Event

import requests

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._service import ServiceFault
from chaosp7.embedded import fake_clock
from chaosp7.errors import ConfigError, FaultError, HealError, NotVerifiedError
from chaosp7.platform.driver import Driver
from chaosp7.safety.undo import Undo

__all__ = ["skew_clock"]

#: The service tells its time in whole seconds: less can't be told from none.
_LEAST_S = 2.0
_MOST_S = 10 * 365 * 86_400.0
_SEEN_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.1
_REQUEST_S = 2.0


class ClockSkew(ServiceFault):
    """The fault: a service's clock is wrong.

    Args:
        driver: reaches the services.
        service: the service; its clock can be turned.
        skew_s: by how much it is ahead, or with a minus behind, seconds.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "clock-skew"

    def __init__(
        self, driver: Driver, service: str, skew_s: float, duration_s: float, healthy_within_s: float
    ) -> None:
        super().__init__(driver, service, duration_s, healthy_within_s)
        if not _LEAST_S <= abs(skew_s) <= _MOST_S:
            raise ConfigError(f"skew_s is {_LEAST_S:g} or more, ahead or behind, and ten years at most")
        if not driver.plan.service(service).adjustable_clock:
            raise FaultError(f"the clock of {service} can't be turned without `adjustable_clock: true`")
        self._skew_s = skew_s
        self._folder = driver.data_folder(service)

    @property
    def undo(self) -> list[Undo]:
        """Have it right again."""
        return [Undo("reset-clock", self.target)]

    def inject(self) -> None:
        """Turn it; a service that isn't asked any more still finds it turned."""
        fake_clock.turn(self._folder, self._skew_s)

    def verify(self) -> tuple[int, str]:
        """See that the service's answers bear the wrong time."""
        seen_ns, low_s, high_s = self._seen(self._skew_s)
        return seen_ns, f"its clock is {low_s:+.1f} to {high_s:+.1f} s off"

    def _seen(self, wanted_s: float) -> tuple[int, float, float]:
        """Wait until its clock is off by that much.

        Returns:
            When it was seen, monotonic nanoseconds; the bounds of how far it was off, seconds.

        Raises:
            NotVerifiedError: if it isn't.
        """
        deadline = time.monotonic() + _SEEN_WITHIN_S
        while True:
            try:
                low_s, high_s = self._off_s()
                if low_s <= wanted_s <= high_s:
                    return time.monotonic_ns(), low_s, high_s
                problem = f"its clock is {low_s:+.1f} to {high_s:+.1f} s off, not {wanted_s:+.1f}"
            except (requests.RequestException, TypeError, ValueError) as error:
                problem = f"it doesn't tell its time: {error}"
            if time.monotonic() > deadline:
                raise NotVerifiedError(problem)
            time.sleep(_LOOK_EVERY_S)

    def _off_s(self) -> tuple[float, float]:
        """Return the bounds of how far its clock is off: the header ``Date`` (RFC 9110) has whole seconds."""
        # Only now: while a run is planned nobody knows the port.
        health = self._driver.plan.service(self.target).health
        url = f"http://{health.host}:{health.port}{health.path}"
        asked_s = time.time()
        answer = requests.get(url, timeout=_REQUEST_S)
        told_s = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
        return told_s - time.time(), told_s + 1 - asked_s

    def hold(self, over: Event) -> None:
        """Let it last, and see that it has."""
        over.wait(self._duration_s)
        if not over.is_set():
            self.refuse_gone()

    def refuse_gone(self) -> None:
        """See that the clock is still wrong.

        Raises:
            NotVerifiedError: if it isn't.
        """
        try:
            self._seen(self._skew_s)
        except NotVerifiedError as error:
            raise NotVerifiedError(f"was gone before its end: {error}") from error

    def heal(self) -> None:
        """Have it right again."""
        fake_clock.turn(self._folder, 0)

    def verify_healed(self) -> tuple[int, str]:
        """See that it is right, and the service healthy."""
        try:
            self._seen(0)
        except NotVerifiedError as error:
            raise HealError(str(error)) from error
        _, seen = super().verify_healed()
        return time.monotonic_ns(), f"its clock is right; {seen}"


def skew_clock(
    service: str, skew_s: float = 60.0, duration_s: float = 10.0, healthy_within_s: float = 60.0
) -> str:
    """Have a service's wall clock wrong for a while.

    Args:
        service: name of the service; its clock can be turned (``adjustable_clock``).
        skew_s: by how much it is ahead, or with a minus behind, seconds; at least 2.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        ClockSkew.kind,
        service,
        {"skew_s": skew_s, "duration_s": duration_s},
        lambda run: ClockSkew(run.driver, service, skew_s, duration_s, healthy_within_s),
    )
