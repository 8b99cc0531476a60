"""Reading whole blocks from an open ledger, verifying every one: shared by `Ledger` and `LedgerTail`."""

from __future__ import annotations

import os
import zlib
from typing import Final

import numpy as np

from chaosp7.account.ledger_format import (
    BLOCK_MAGIC,
    BLOCK_RECORDS_MAX,
    HEADER_BYTES_MAX,
    PREFIX,
    PREFIX_BYTES,
    RECORD,
    TRAILER_BYTES_MAX,
    TRAILER_MAGIC,
    BlockPrefix,
    LedgerHeader,
    Records,
    Trailer,
    decode_header,
    decode_trailer,
)
from chaosp7.errors import LedgerError

__all__ = ["BlockScanner", "read_header"]

#: Bytes read at once: holds the largest block, so that a read always gets on.
READ_BYTES: Final = 8 << 20


def read_header(fd: int, name: str) -> tuple[LedgerHeader, int]:
    """Read the header of an open ledger; see `decode_header`."""
    return decode_header(_pread(fd, HEADER_BYTES_MAX, 0, name), name)


def _pread(fd: int, count_bytes: int, offset: int, name: str) -> bytes:
    try:
        return os.pread(fd, count_bytes, offset)
    except OSError as error:
        raise LedgerError(f"{name} can't be read: {error.strerror}") from error


class BlockScanner:
    """Goes through a ledger's blocks once, in order, and trusts none of them.

    Verified: each block's magic, number and CRC, that every feed's sequence goes on from the
    last one without a hole, and that a trailer says what the blocks say.

    Args:
        fd: the open file; stays the caller's.
        header: its header.
        offset: offset of the first block, bytes.
        name: the file, for messages.
    """

    def __init__(self, fd: int, header: LedgerHeader, offset: int, name: str) -> None:
        self.offset = offset
        self.messages = 0
        self.trailer: Trailer | None = None
        self._fd = fd
        self._header = header
        self._name = name
        self._number = 0
        self._next = np.array(header.first, dtype=np.uint64)

    @property
    def next_sequences(self) -> tuple[int, ...]:
        """The sequence after the last one read, per feed."""
        return tuple(self._next.tolist())

    def read(self, end: int | None = None) -> Records | None:
        """Read the whole blocks that follow, up to some megabytes of them.

        Args:
            end: offset not to read beyond, bytes; None: the end of the file as it is now.

        Returns:
            The records of one or more blocks; None if there is no further whole block.

        Raises:
            LedgerError: a block is damaged, misnumbered, or leaves a hole in a feed's sequence.
        """
        if self.trailer is not None:
            return None
        limit = READ_BYTES if end is None else min(READ_BYTES, end - self.offset)
        data = memoryview(_pread(self._fd, limit, self.offset, self._name))
        payloads: list[memoryview] = []
        position = 0
        while position + PREFIX_BYTES <= len(data):
            prefix = BlockPrefix(*PREFIX.unpack_from(data, position))
            begin = position + PREFIX_BYTES
            stop = begin + self._payload_bytes(prefix, self.offset + position)
            if stop > len(data):
                break
            payload = data[begin:stop]
            if zlib.crc32(payload) != prefix.crc32:
                raise self._damage(f"the CRC-32 of block {prefix.number} differs", self.offset + position)
            position = stop
            if prefix.magic == TRAILER_MAGIC:
                self.trailer = decode_trailer(payload, self._name)
                break
            self._number += 1
            payloads.append(payload)
        records: Records | None = None
        if payloads:
            records = np.frombuffer(b"".join(payloads), dtype=RECORD)
            self._verify_sequences(records)
        self.offset += position
        if self.trailer is not None:
            self._verify_trailer(self.trailer)
        return records

    def _payload_bytes(self, prefix: BlockPrefix, offset: int) -> int:
        if prefix.magic not in (BLOCK_MAGIC, TRAILER_MAGIC):
            raise self._damage("no block begins here", offset)
        if prefix.number != self._number:
            raise self._damage(f"block {prefix.number} where {self._number} should be", offset)
        trailer = prefix.magic == TRAILER_MAGIC
        if not 0 < prefix.size <= (TRAILER_BYTES_MAX if trailer else BLOCK_RECORDS_MAX):
            raise self._damage(f"a block can't have {prefix.size} records", offset)
        return prefix.size if trailer else prefix.size * RECORD.itemsize

    def _verify_sequences(self, records: Records) -> None:
        feeds = records["feed"]
        total = len(self._header.feeds)
        if int(feeds.max()) >= total:
            raise LedgerError(f"{self._name}: a record of feed {int(feeds.max())} of {total}")
        counts = np.bincount(feeds, minlength=total)
        # Records grouped by feed, in their order: each group has to count on from `_next`.
        sequences = records["sequence"][np.argsort(feeds, kind="stable")]
        starts = (np.cumsum(counts) - counts).astype(np.uint64)
        expected = np.repeat(self._next - starts, counts) + np.arange(len(records), dtype=np.uint64)
        wrong = np.flatnonzero(sequences != expected)
        if len(wrong):
            feed = self._header.feeds[int(np.repeat(np.arange(total), counts)[wrong[0]])]
            raise LedgerError(
                f"{self._name}: hole in the sequence of {feed}: "
                f"{sequences[wrong[0]]} where {expected[wrong[0]]} should be"
            )
        self._next += counts.astype(np.uint64)
        self.messages += len(records)

    def _verify_trailer(self, trailer: Trailer) -> None:
        last = tuple(number - 1 for number in self.next_sequences)
        said = (trailer.messages, trailer.first, trailer.last)
        if said != (self.messages, self._header.first, last):
            raise LedgerError(
                f"{self._name}: the trailer says {said}, the blocks hold {self.messages}, {last}"
            )
        if _pread(self._fd, 1, self.offset, self._name):
            raise self._damage("something follows the trailer", self.offset)

    def _damage(self, what: str, offset: int) -> LedgerError:
        return LedgerError(f"{self._name} is damaged at byte {offset}: {what}")
