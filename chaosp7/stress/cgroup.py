"""The cgroups of a service: where there are any of its own, a helper works against it alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chaosp7.safety.memory import left_bytes

__all__ = ["has_own", "join", "memory_left_bytes"]

_MOUNT = Path("/sys/fs/cgroup")


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
    groups = (_folder(controllers, path) for controllers, path in _groups(str(pid)).items())
    return next((left for group in groups if (left := left_bytes(group)) is not None), None)


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
