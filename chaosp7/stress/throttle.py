"""Limit what processes read from and write to a disk: a cgroup with a limit of bytes per second.

A container has a cgroup of its own, which gets the limit. Processes of this machine are moved into one that
is made for them, and moved back. Version 1 of the kernel's cgroups (``blkio``) limits what is read from the
disk, synced or written past the page cache; version 2 (``io``) also what the kernel writes back later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from chaosp7.errors import FaultError, HealError

__all__ = ["Throttle", "disk_of"]

_MOUNT = Path("/sys/fs/cgroup")
_BLOCK = Path("/sys/dev/block")
_EMPTY_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.02
_DIRECTIONS = ("read", "write")


def disk_of(folder: Path, block: Path = _BLOCK) -> str:
    """Return the disk that a folder lies on.

    Args:
        folder: the folder.
        block: where the kernel tells of block devices.

    Returns:
        ``major:minor`` of the disk, not of its partition: limits are of disks.

    Raises:
        FaultError: if it lies on none: in memory, or on another machine.
    """
    number = folder.stat().st_dev
    device = block / f"{os.major(number)}:{os.minor(number)}"
    if not device.exists():
        raise FaultError(f"{folder} isn't on a disk that can be slowed down")
    if (device / "partition").exists():
        device = device.resolve().parent
    return (device / "dev").read_text().strip()


class Throttle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit; as data it stands in the fault ledger.

    Attributes:
        group: folder of the cgroup that has it.
        disk: ``major:minor``.
        home: folder of the cgroup that the processes come from; empty if the group is their own.
    """

    group: str
    disk: str
    home: str = ""

    @classmethod
    def plan(cls, pid: int, disk: str, name: str, mount: Path = _MOUNT) -> Throttle:
        """Return the limit that a process will get; nothing is done yet.

        Args:
            pid: the process.
            disk: ``major:minor``.
            name: of the cgroup to make; empty if the process's own is to have the limit.
            mount: where the cgroups are.

        Raises:
            FaultError: if this machine can't limit a disk.
        """
        root, own = _io_group(pid, mount)
        if not name:
            return cls(str(own), disk)
        return cls(str(root / name), disk, str(own))

    def to_text(self) -> str:
        """Return it as text."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> Throttle:
        """Return it from its text.

        Raises:
            msgspec.DecodeError: if it isn't one.
        """
        return msgspec.json.decode(text, type=cls)

    def begin(self, bytes_per_s: int, processes: Callable[[], Iterable[int]]) -> None:
        """Set the limit, and bring the processes under it.

        Args:
            bytes_per_s: of reading, and as many of writing.
            processes: returns their PIDs by now; asked again until no new one has come.

        Raises:
            FaultError: if this machine doesn't allow it.
        """
        group = Path(self.group)
        try:
            if self.home:
                group.mkdir(exist_ok=True)
            self._set(str(bytes_per_s))
            while self.home and (outside := set(processes()) - self._members()):
                for pid in outside:
                    with suppress(ProcessLookupError):
                        (group / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            raise FaultError(f"the disk can't be slowed down (that takes root): {error}") from error

    def holds(self, pid: int) -> bool:
        """Tell whether a process is under the limit."""
        with suppress(OSError):
            return self.there() and pid in self._members()
        return False

    def there(self) -> bool:
        """Tell whether there is a limit."""
        group = Path(self.group)
        limits = [group / "io.max"]
        limits += [group / f"blkio.throttle.{direction}_bps_device" for direction in _DIRECTIONS]
        for file in limits:
            with suppress(OSError):
                lines = [line for line in file.read_text().splitlines() if line.startswith(f"{self.disk} ")]
                if any("=" not in line or "bps=" in line.replace("bps=max", "") for line in lines):
                    return True
        return bool(self.home) and group.exists()

    def lift(self) -> None:
        """Take the limit off; nothing happens if there is none.

        Raises:
            HealError: if that can't be done.
        """
        group = Path(self.group)
        deadline = time.monotonic() + _EMPTY_WITHIN_S
        while group.exists():
            try:
                self._set("")
                if not self.home:
                    return
                for pid in self._members():
                    with suppress(ProcessLookupError):
                        (Path(self.home) / "cgroup.procs").write_text(str(pid))
                group.rmdir()
            except OSError as error:
                # A process that ends right now is still in it for a moment.
                if time.monotonic() > deadline:
                    raise HealError(f"the limit of {self.group} can't be taken off: {error}") from error
                time.sleep(_LOOK_EVERY_S)

    def _set(self, bytes_per_s: str) -> None:
        """Set the limit; empty: none."""
        group = Path(self.group)
        if (group / "blkio.throttle.write_bps_device").exists():
            for direction in _DIRECTIONS:
                file = group / f"blkio.throttle.{direction}_bps_device"
                file.write_text(f"{self.disk} {bytes_per_s or 0}")
        elif bytes_per_s or (group / "io.max").exists():
            limit = bytes_per_s or "max"
            (group / "io.max").write_text(f"{self.disk} rbps={limit} wbps={limit}")

    def _members(self) -> set[int]:
        return {int(line) for line in (Path(self.group) / "cgroup.procs").read_text().split()}


def _io_group(pid: int, mount: Path) -> tuple[Path, Path]:
    """Return the root of the cgroups that limit disks, and a process's own."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        if "blkio" in controllers.split(","):
            return mount / controllers, mount / controllers / path.lstrip("/")
        root = mount / "unified" if (mount / "unified").is_dir() else mount
        if not controllers and _has_io(root):
            return root, root / path.lstrip("/")
    raise FaultError("the cgroups of this machine don't limit disks: neither blkio nor io is there")


def _has_io(root: Path) -> bool:
    with suppress(OSError):
        return "io" in (root / "cgroup.subtree_control").read_text().split()
    return False
