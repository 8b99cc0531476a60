"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes, *, synced: bool = False) -> None:
    """Write a file whole or not at all: a reader sees what was there, or all of the new.

    Args:
        path: the file; replaced if it is there.
        data: its content.
        synced: whether it must be on the disk before it takes the name.

    Raises:
        OSError: if it can't be written; the file is then as it was.
    """
    # Processes side by side may write the same file; each has to write its own until it is whole.
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
