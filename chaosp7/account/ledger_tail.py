"""Following a ledger while it is written."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from chaosp7.account.ledger_format import LedgerHeader, Records
from chaosp7.account.ledger_scan import BlockScanner, read_header
from chaosp7.errors import LedgerError

__all__ = ["LedgerTail"]


class LedgerTail:
    """Hands out the records of a live ledger as they come; use it as a context manager.

    Args:
        path: the ledger; its header must be there, which is so once the load has been accepted.

    Raises:
        LedgerError: the ledger is missing or its header can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise LedgerError(f"ledger {path} can't be opened: {error.strerror}") from error
        try:
            self.header: LedgerHeader
            self.header, offset = read_header(self._fd, str(path))
        except LedgerError:
            os.close(self._fd)
            raise
        self._scanner = BlockScanner(self._fd, self.header, offset, str(path))

    @property
    def closed(self) -> bool:
        """True once the trailer has been read: nothing more will come."""
        return self._scanner.trailer is not None

    @property
    def end_ns(self) -> int | None:
        """When the load ended (CLOCK_MONOTONIC), once the trailer has been read."""
        trailer = self._scanner.trailer
        return None if trailer is None else trailer.end_ns

    @property
    def messages(self) -> int:
        """Messages handed out so far."""
        return self._scanner.messages

    def poll(self) -> Records | None:
        """Return the whole blocks written since the last poll, at most some megabytes of them.

        Returns:
            A read-only `RECORD` array, or None if there is nothing new yet.

        Raises:
            LedgerError: what was written is damaged or has a hole.
        """
        return self._scanner.read()

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
