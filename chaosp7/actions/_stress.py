"""What faults of resources have in common: a helper process that takes what a service needs."""

import time
from threading import Event

from chaosp7.errors import HealError, NotVerifiedError
from chaosp7.safety.undo import Undo
from chaosp7.stress.helper import Helper, helpers, new_token

__all__ = ["StressFault"]

#: What starting and ending the helper may take before the watchdog steps in, seconds.
_MARGIN_S = 40.0


class StressFault:
    """A helper process works against the platform for a while.

    Args:
        target: the service, or the host.
        arguments: what the helper does.
        duration_s: how long, seconds.
    """

    kind = "stress"

    def __init__(self, target: str, arguments: list[str], duration_s: float) -> None:
        self.target = target
        self._duration_s = duration_s
        self._helper = Helper(new_token(), arguments, self.max_s)
        #: PID of a process whose cgroups the helper works in.
        self._beside: int | None = None

    @property
    def undo(self) -> list[Undo]:
        """End the helper."""
        return [Undo("end-helper", self._helper.token)]

    @property
    def max_s(self) -> float:
        """The fault's own time, and that of the helper's start and end."""
        return self._duration_s + _MARGIN_S

    def inject(self) -> None:
        """Start the helper."""
        self._helper.start(self._beside)

    def hold(self, over: Event) -> None:
        """Let it last, and see that the helper did."""
        over.wait(self._duration_s)
        if not helpers(self._helper.token):
            raise NotVerifiedError("was gone before its end: the helper has ended")

    def heal(self) -> None:
        """End the helper."""
        self._helper.end()

    def verify_healed(self) -> tuple[int, str]:
        """See that it is gone, and all its workers."""
        if left := helpers(self._helper.token):
            raise HealError(f"{len(left)} helper processes are left")
        return time.monotonic_ns(), "the helper is gone"
