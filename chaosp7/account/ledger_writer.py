"""Writing the ledger: ahead of what is sent, never after."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

import numpy as np

from chaosp7.account.ledger_format import (
    BLOCK_RECORDS_MAX,
    RECORD,
    LedgerHeader,
    Records,
    Trailer,
    block_prefix,
    encode_header,
    encode_trailer,
)
from chaosp7.errors import LedgerError

__all__ = ["LedgerWriter"]

SYNC_INTERVAL_S: Final = 0.2


class LedgerWriter:
    """Appends blocks of records to a new ledger.

    `append` returns when the kernel has the records, so a SIGKILL can't take them; a thread
    brings them to the disk at most every `sync_interval_s` for the case that the host dies.
    After any error the ledger ends in its last whole block and takes nothing more: the caller
    must not send what `append` has not taken.

    Args:
        path: the file to create; never overwritten.
        header: the load.
        sync_interval_s: time between two background syncs, seconds.

    Raises:
        LedgerError: the file exists or can't be written.
    """

    def __init__(self, path: Path, header: LedgerHeader, *, sync_interval_s: float = SYNC_INTERVAL_S) -> None:
        self.path = path
        self.header = header
        self.messages = 0
        self._counts = np.zeros(len(header.feeds), dtype=np.int64)
        self._number = 0
        self._size = 0
        self._failure: str | None = None
        self._dirty = False
        self._stop = threading.Event()
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LedgerError(f"ledger {path} can't be created: {error.strerror}") from error
        try:
            self._write([encode_header(header)])
            self.sync()
            _sync_directory(path.parent)
        except (LedgerError, OSError) as error:
            os.close(self._fd)
            with contextlib.suppress(OSError):
                path.unlink()  # nothing was sent: half a header would only be in the way
            raise LedgerError(str(error)) from error
        self._syncer = threading.Thread(
            target=self._sync_loop, args=(sync_interval_s,), name="ledger-sync", daemon=True
        )
        self._syncer.start()

    @property
    def next_sequences(self) -> tuple[int, ...]:
        """The sequence after the last one in the ledger, per feed."""
        return tuple(
            first + count for first, count in zip(self.header.first, self._counts.tolist(), strict=True)
        )

    def append(self, records: Records) -> None:
        """Write records; only then may their messages be sent.

        Args:
            records: `RECORD` array in sending order; each feed goes on from its last sequence.

        Raises:
            LedgerError: they could not be written, or an earlier write or sync has failed.
        """
        if records.dtype != RECORD:
            raise TypeError(f"ledger records must be RECORD, not {records.dtype}")
        for begin in range(0, len(records), BLOCK_RECORDS_MAX):
            part = records[begin : begin + BLOCK_RECORDS_MAX]
            payload = part.tobytes()
            self._write([block_prefix(payload, len(part), self._number), payload])
            self._number += 1
            self.messages += len(part)
            self._counts += np.bincount(part["feed"], minlength=len(self._counts))

    def sync(self) -> None:
        """Bring everything appended so far to the disk.

        Raises:
            LedgerError: the disk didn't take it.
        """
        self._dirty = False
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            self._fail(f"ledger {self.path} can't be synced: {error.strerror}")
        if self._failure is not None:
            raise LedgerError(self._failure)

    def close(self, end_ns: int) -> None:
        """Write the trailer, sync and close; the ledger is then complete.

        Args:
            end_ns: CLOCK_MONOTONIC when the load ended.

        Raises:
            LedgerError: the trailer could not be brought to the disk: the ledger stays unclosed.
        """
        trailer = Trailer(
            messages=self.messages,
            first=self.header.first,
            last=tuple(number - 1 for number in self.next_sequences),
            end_ns=end_ns,
        )
        try:
            self._write([encode_trailer(trailer, self._number)])
            self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file as it is, without a trailer. Does nothing the second time."""
        if not self._stop.is_set():
            self._stop.set()
            self._syncer.join()
            os.close(self._fd)
            self._failure = self._failure or f"ledger {self.path} is closed"

    def _write(self, parts: list[bytes]) -> None:
        if self._failure is not None:
            raise LedgerError(self._failure)
        size = sum(map(len, parts))
        try:
            written = os.writev(self._fd, parts)
            if written < size:
                rest = memoryview(b"".join(parts))
                while written < size:  # the second attempt names the reason of the short write
                    written += os.write(self._fd, rest[written:])
        except OSError as error:
            self._fail(f"ledger {self.path} can't be written: {error.strerror}")
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)  # a torn block was never sent
            raise LedgerError(self._failure) from error
        self._size += size
        self._dirty = True

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason

    def _sync_loop(self, interval_s: float) -> None:
        while not self._stop.wait(interval_s):
            if self._dirty:
                try:
                    self.sync()
                except LedgerError:
                    return  # the next append tells it


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
