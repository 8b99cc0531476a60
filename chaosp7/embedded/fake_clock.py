"""A clock that can be turned while its service runs: libfaketime, started with the process.

Only the wall clock is turned; the monotonic one, by which timers and sleeps go, isn't.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from chaosp7.errors import PlatformError

__all__ = ["LIBRARY_FOLDERS", "turn", "turned_s", "wrapper"]

#: Where distributions put the library: Debian, Fedora, one that was built here.
LIBRARY_FOLDERS = ("/usr/lib/*/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime")
_LIBRARY = "libfaketimeMT.so.1"  # the one for programs with threads
_FILE = ".chaosp7-clock"
#: A turned clock is seen by the service after this time, seconds.
_CACHE_S = 1


def wrapper(folder: Path) -> list[str]:
    """Return what stands before a service's command, so that its clock can be turned.

    Args:
        folder: the service's data folder; it holds the file that says by how much.

    Raises:
        PlatformError: if the library isn't installed.
    """
    found = [path for pattern in LIBRARY_FOLDERS for path in Path("/").glob(f"{pattern[1:]}/{_LIBRARY}")]
    if not found:
        raise PlatformError(
            f"adjustable_clock takes libfaketime (Debian: apt install libfaketime): no {_LIBRARY}"
        )
    return [
        "env",
        f"LD_PRELOAD={found[0]}",
        f"FAKETIME_TIMESTAMP_FILE={folder / _FILE}",
        f"FAKETIME_CACHE_DURATION={_CACHE_S}",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "NO_FAKE_STAT=1",  # files keep the times that the kernel gives them
    ]


def turn(folder: Path, by_s: float) -> None:
    """Turn a service's clock, or have it right again with 0.

    Args:
        folder: the service's data folder.
        by_s: forward, or with a minus back, seconds.
    """
    file = folder / _FILE
    new = file.with_suffix(".new")
    new.write_text(f"{by_s:+f}")
    new.replace(file)  # the service never reads half a number


def turned_s(folder: Path) -> float:
    """Return by how much a service's clock is turned, seconds; 0 if it can't be."""
    with suppress(FileNotFoundError, ValueError):
        return float((folder / _FILE).read_text())
    return 0.0
