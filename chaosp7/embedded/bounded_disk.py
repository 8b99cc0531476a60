"""A disk of its own for a service's data, so that it can be full without harm to this machine.

It is a tmpfs mounted on the data folder: it takes memory only for what is written, and root to mount it.
The data end with it: it is unmounted when the platform goes down.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from chaosp7.embedded.state import StateDir
from chaosp7.errors import PlatformError

__all__ = ["BALLAST", "bound", "free_bytes", "is_bounded", "release"]

#: The file that fills it, in the fault's time.
BALLAST = ".chaosp7-ballast"


def bound(folder: Path, size_mb: int) -> None:
    """Give an empty folder a filesystem of its own.

    Args:
        folder: the service's data folder.
        size_mb: what it holds, MiB.

    Raises:
        PlatformError: if it can't be mounted.
    """
    options = f"size={size_mb}m,mode=0755,uid={os.getuid()},gid={os.getgid()}"
    _run(["mount", "-t", "tmpfs", "-o", options, "chaosp7", str(folder)], "disk_mb takes root")


def is_bounded(folder: Path) -> bool:
    """Tell whether a folder has a filesystem of its own."""
    return os.path.ismount(folder)


def free_bytes(folder: Path) -> int:
    """Return how much a service can still write, bytes."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def release(state: StateDir) -> None:
    """Unmount what is mounted in a platform's data folders; their services must have ended.

    Raises:
        PlatformError: if one can't be unmounted.
    """
    for folder in sorted((state.path / "data").glob("*")):
        if is_bounded(folder):
            _run(["umount", str(folder)], "something still uses it")


def _run(command: list[str], hint: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PlatformError(f"{' '.join(command)}: {done.stderr.strip()} ({hint})")
