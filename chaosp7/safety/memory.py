"""How much memory this process can still get: of the machine, and of the cgroups it is in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["available_bytes"]

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def available_bytes(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """Return the bytes that can be had without swapping; of several limits the tightest.

    Only cgroups of version 2 are looked at. What their files hold that can be dropped from the
    page cache counts as available, as it does for the machine.

    Args:
        cgroups: where the hierarchy is mounted.
        own: the file that says which cgroup this process is in.
    """
    least = psutil.virtual_memory().available
    with suppress(OSError):
        paths = [line[3:] for line in own.read_text().splitlines() if line.startswith("0::")]
        for path in paths:
            folder = cgroups / path.strip("/")
            for group in (folder, *folder.parents):
                if group == cgroups.parent:
                    break
                left = _left_bytes(group)
                least = least if left is None else min(least, left)
    return max(0, least)


def _left_bytes(group: Path) -> int | None:
    """Return what a cgroup's limit still allows; None if it has none."""
    with suppress(OSError, ValueError):
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            used = int((group / "memory.current").read_text())
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            return int(limit) - used + int(stat.get("inactive_file", 0))
    return None
