"""The end of a log file."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["last_lines", "tail"]

_BYTES_PER_LINE = 400


def last_lines(path: Path, lines: int) -> list[str]:
    """Return the last lines of a file without reading all of it.

    Args:
        path: the file; one that isn't there has no lines.
        lines: how many, at most.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - lines * _BYTES_PER_LINE))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]


def tail(path: Path, lines: int = 15) -> str:
    """Return the end of a log for an error message.

    Args:
        path: the log.
        lines: how many lines, at most.
    """
    found = last_lines(path, lines)
    if not found:
        return f"  its log is empty: {path}"
    return "\n".join([f"  the end of {path}:", *(f"    {line}" for line in found)])
