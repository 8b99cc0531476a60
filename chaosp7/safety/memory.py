"""How much memory this process can still get: of the machine, and of the cgroups it is in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["available_bytes", "left_bytes"]

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
#: What cgroups of version 1 write for "no limit": a page less than 2^63, and whoever sets more means it too.
_UNLIMITED_BYTES = 1 << 60


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
                left = left_bytes(group)
                least = least if left is None else min(least, left)
    return max(0, least)


def left_bytes(group: Path) -> int | None:
    """Return what a cgroup's memory limit still allows; None if it has none.

    Args:
        group: its folder, of version 2 or of version 1's memory controller.
    """
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):
            limit = int((group / limit_file).read_text())  # "max" is no number
            if limit < _UNLIMITED_BYTES:
                used = int((group / used_file).read_text())
                stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
                return limit - used + int(stat.get("total_inactive_file", stat.get("inactive_file", 0)))
    return None
