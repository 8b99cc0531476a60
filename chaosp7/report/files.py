"""Files of reports."""

from __future__ import annotations

from pathlib import Path

from chaosp7.errors import ReportError
from chaosp7.whole_file import write_whole

__all__ = ["write_text"]


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; its folder is made.

    Args:
        path: the file; what was there is replaced.
        text: its content.

    Raises:
        ReportError: if it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name on disk may hold what is no Unicode.
        write_whole(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise ReportError(f"{path} can't be written: {error}") from error
