"""The cgroups of a service: where there are any of its own, a helper works against it alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["has_own", "join", "memory_left_bytes"]

_MOUNT = Path("/sys/fs/cgroup")
#: What cgroups of version 1 write for "no limit": a page less than 2^63, and whoever sets more means it too.
_UNLIMITED_BYTES = 1 << 60


def has_own(pid: int) -> bool:
    """Tell whether a process is in other cgroups than this one."""
    return _groups(str(pid)) != _groups("self")


def join(pid: int) -> None:
    """Bring this process into the cgroups of another one; its children will be born there.

    Raises:
        OSError: if it may not: that takes root.
    """
    for controllers, path in _groups(str(pid)).items():
        folder = _folder(controllers, path)
        if folder.is_dir() and _groups("self").get(controllers) != path:
            (folder / "cgroup.procs").write_text("0")


def memory_left_bytes(pid: int) -> int | None:
    """Return what the memory limit of a process's own cgroup still allows; None if it has no limit."""
    for controllers, path in _groups(str(pid)).items():
        folder = _folder(controllers, path)
        for limit_file, used_file in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            with suppress(OSError, ValueError):
                limit = int((folder / limit_file).read_text())  # "max" is no number
                if limit < _UNLIMITED_BYTES:
                    return limit - int((folder / used_file).read_text()) + _droppable_bytes(folder)
    return None


def _droppable_bytes(folder: Path) -> int:
    """Return what the page cache of a cgroup gives back when memory is short."""
    stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return int(stat.get("total_inactive_file", stat.get("inactive_file", "0")))


def _groups(pid: str) -> dict[str, str]:
    """Return controllers -> path; version 2 has one entry without controllers."""
    return dict(_lines(Path(f"/proc/{pid}/cgroup")))


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        # systemd's own names, and the freezer: frozen with the service, a helper couldn't even be ended.
        if controllers != "freezer" and "=" not in controllers:
            yield controllers, path


def _folder(controllers: str, path: str) -> Path:
    if controllers:
        return _MOUNT / controllers / path.lstrip("/")
    unified = _MOUNT / "unified"
    return (unified if unified.is_dir() else _MOUNT) / path.lstrip("/")
