"""Files of reports."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from chaosp7.errors import ReportError

__all__ = ["write_text"]


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; its folder is made.

    Args:
        path: the file; what was there is replaced.
        text: its content.

    Raises:
        ReportError: if it can't be written.
    """
    # Runs side by side may write the same file; each has to write its own until it is whole.
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name on disk may hold what is no Unicode.
        temporary.write_text(text, encoding="utf-8", errors="replace")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ReportError(f"{path} can't be written: {error}") from error
