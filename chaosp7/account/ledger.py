"""The ledger: what the source really sent. Everything is accounted against it.

`LedgerWriter` writes it, `Ledger` reads one that is complete, `LedgerTail` follows a live one.
The format is in `ledger_format`.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import (
    PREFIX,
    PREFIX_BYTES,
    RECORD,
    TRAILER_BYTES_MAX,
    TRAILER_MAGIC,
    LedgerHeader,
    Records,
    Trailer,
    decode_trailer,
)
from chaosp7.account.ledger_scan import BlockScanner, read_header
from chaosp7.account.ledger_tail import LedgerTail
from chaosp7.account.ledger_writer import LedgerWriter
from chaosp7.errors import LedgerError

__all__ = ["RECORD", "Ledger", "LedgerHeader", "LedgerTail", "LedgerWriter", "Records"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger that can be gone through as often as one likes, in bounded memory.

    Attributes:
        path: the file.
        header: the load that was asked for.
        closed: False for a live ledger, or that of a source that was killed.
        messages: messages sent in all.
        first: first sequence per feed.
        last: last sequence per feed; ``first - 1`` for a feed without a message.
        end_ns: CLOCK_MONOTONIC when the load ended; None if it was never closed.
    """

    path: Path
    header: LedgerHeader
    closed: bool
    messages: int
    first: dict[Feed, int]
    last: dict[Feed, int]
    end_ns: int | None
    _begin: int
    _end: int

    @classmethod
    def open(cls, path: Path, *, allow_unclosed: bool = False) -> Ledger:
        """Open a ledger.

        Args:
            path: the file.
            allow_unclosed: also take a ledger without a trailer; it is read through and then
                ends, for good, with the block that was its last whole one at this moment.

        Returns:
            The ledger. A closed one's blocks are not verified before `blocks` reads them.

        Raises:
            LedgerError: it is missing, truncated, damaged, or unclosed and that isn't allowed.
        """
        name = str(path)
        with _opened(path) as fd:
            header, begin = read_header(fd, name)
            size = os.fstat(fd).st_size
            trailer = _find_trailer(fd, begin, size, name)
            if trailer is not None:
                messages, last, end = trailer.messages, trailer.last, size
                if len(last) != len(header.feeds) or trailer.first != header.first:
                    raise LedgerError(f"{name}: the trailer is not that of the header")
            elif allow_unclosed:
                scanner = BlockScanner(fd, header, begin, name)
                while scanner.read(size) is not None:
                    pass
                messages, end = scanner.messages, scanner.offset
                last = tuple(number - 1 for number in scanner.next_sequences)
            else:
                raise LedgerError(
                    f"{name} has no trailer: its load still runs, its source was killed, or it is truncated"
                )
        return cls(
            path=path,
            header=header,
            closed=trailer is not None,
            messages=messages,
            first=dict(zip(header.feeds, header.first, strict=True)),
            last=dict(zip(header.feeds, last, strict=True)),
            end_ns=None if trailer is None else trailer.end_ns,
            _begin=begin,
            _end=end,
        )

    def blocks(self) -> Iterator[Records]:
        """Go through all records in sending order, some megabytes at once (several blocks each).

        Yields:
            Read-only `RECORD` arrays. All is verified; only when the iterator has ended without
            an error is the ledger known to be whole.

        Raises:
            LedgerError: the ledger is truncated, damaged, misnumbered or has a hole.
        """
        with _opened(self.path) as fd:
            scanner = BlockScanner(fd, self.header, self._begin, str(self.path))
            while (records := scanner.read(self._end)) is not None:
                yield records
            if scanner.offset != self._end or (scanner.trailer is None) == self.closed:
                raise LedgerError(f"{self.path} is truncated: byte {scanner.offset} of {self._end}")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise LedgerError(f"ledger {path} can't be opened: {error.strerror}") from error
    try:
        yield fd
    finally:
        os.close(fd)


def _find_trailer(fd: int, begin: int, size: int, name: str) -> Trailer | None:
    """Find the trailer at the end of the file without going through the blocks."""
    from_byte = max(begin, size - TRAILER_BYTES_MAX - PREFIX_BYTES)
    data = os.pread(fd, size - from_byte, from_byte)
    magic = TRAILER_MAGIC.to_bytes(4, "little")
    position = data.rfind(magic)
    while position >= 0:
        end = position + PREFIX_BYTES
        if end <= len(data):
            _, count, _, crc32 = PREFIX.unpack_from(data, position)
            if count == len(data) - end and zlib.crc32(data[end:]) == crc32:
                return decode_trailer(data[end:], name)
        position = data.rfind(magic, 0, position)
    return None
