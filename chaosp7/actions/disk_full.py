"""Fill a service's disk: a file takes what is left of the filesystem that its data lie on.

Only a filesystem of the service's own is filled (``disk_mb`` in the platform file): a full disk of this
machine would harm everything else on it.
"""

import errno
import math
import os
import time
from threading import Event

from chaosp7.actions._fault import inject_fault
from chaosp7.actions._link import Reached
from chaosp7.actions._service import ServiceFault
from chaosp7.embedded.bounded_disk import BALLAST, free_bytes, is_bounded
from chaosp7.errors import ConfigError, FaultError, HealError, NotVerifiedError
from chaosp7.safety.undo import Undo

__all__ = ["fill_disk"]

_MIB = 1 << 20
#: What a filesystem may still call free when a write fails: it counts in pages.
_SLACK_BYTES = 64 << 10
_AGAIN_EVERY_S = 0.1


class DiskFull(ServiceFault):
    """The fault: the service can't write.

    Args:
        on: the platform.
        service: the service.
        leave_mb: how much is left free, MiB.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.
    """

    kind = "disk-full"

    def __init__(
        self, on: Reached, service: str, leave_mb: int, duration_s: float, healthy_within_s: float
    ) -> None:
        super().__init__(on.driver, service, duration_s, healthy_within_s)
        if leave_mb < 0:
            raise ConfigError(f"leave_mb is 0 or more, not {leave_mb}")
        if not on.model.service(service).disk_mb:
            raise FaultError(
                f"{service} has no disk of its own: give it `disk_mb` in the platform file, or this "
                "machine's would be filled"
            )
        self._folder = on.driver.data_folder(service)
        self._leave_bytes = leave_mb * _MIB
        self._ballast = self._folder / BALLAST

    @property
    def undo(self) -> list[Undo]:
        """Remove the file."""
        return [Undo("remove-ballast", self.target)]

    def inject(self) -> None:
        """Write the file."""
        if not is_bounded(self._folder):
            raise FaultError(f"nothing is mounted at {self._folder}: this machine's own disk would be filled")
        self._fill()

    def _fill(self) -> None:
        """Take what is free by now; the service writes and deletes meanwhile, so that is a moving target."""
        with self._ballast.open("ab") as file:
            step = self._too_much()
            while step >= _SLACK_BYTES:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), step)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise FaultError(f"the disk can't be filled: {error}") from error
                    step //= 2
                step = min(step, self._too_much())

    def _too_much(self) -> int:
        return max(0, free_bytes(self._folder) - self._leave_bytes)

    def verify(self) -> tuple[int, str]:
        """See that nothing more can be written."""
        left = free_bytes(self._folder)
        if not self._in_force() or self._too_much() > _SLACK_BYTES:
            raise NotVerifiedError(f"{left:,} bytes are still free")
        taken = self._ballast.stat().st_size
        return time.monotonic_ns(), f"{taken // _MIB:,} MiB taken, {left // 1024:,} KiB are left"

    def hold(self, over: Event) -> None:
        """Let it last, and take what the service frees meanwhile."""
        for _ in range(math.ceil(self._duration_s / _AGAIN_EVERY_S)):
            if over.wait(_AGAIN_EVERY_S):
                return
            self.refuse_gone()
            self._fill()

    def refuse_gone(self) -> None:
        """See that the file is still there.

        Raises:
            NotVerifiedError: if it isn't.
        """
        if not self._in_force():
            raise NotVerifiedError("was gone before its end: somebody has made room")

    def _in_force(self) -> bool:
        return self._ballast.exists()

    def heal(self) -> None:
        """Remove the file."""
        self._ballast.unlink(missing_ok=True)

    def verify_healed(self) -> tuple[int, str]:
        """See that it is gone, and the service healthy."""
        if self._in_force():
            raise HealError(f"{self._ballast} is still there")
        _, seen = super().verify_healed()
        return time.monotonic_ns(), seen


def fill_disk(
    service: str, leave_mb: int = 0, duration_s: float = 10.0, healthy_within_s: float = 60.0
) -> str:
    """Fill the disk of a service for a while.

    Args:
        service: name of the service; it has a disk of its own.
        leave_mb: how much is left free, MiB.
        duration_s: for how long, seconds.
        healthy_within_s: how long it may take to be healthy again, seconds.

    Returns:
        What was seen, in words.

    Raises:
        ActivityFailed: if it can't be done or isn't seen to have happened.
    """
    return inject_fault(
        DiskFull.kind,
        service,
        {"leave_mb": leave_mb, "duration_s": duration_s},
        lambda run: DiskFull(run, service, leave_mb, duration_s, healthy_within_s),
    )
