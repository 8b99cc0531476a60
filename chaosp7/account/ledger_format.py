"""The ledger's bytes: what is written by the source and believed by everything else.

All integers are little endian::

    b"CP7LEDG1"  u32 length  JSON header  u32 CRC-32 of the JSON
    block*       u32 magic  u32 n records  u32 block number from 0  u32 CRC-32 of the payload
                 n x 64 bytes of `RECORD`
    trailer      the same 16 bytes (n = bytes of the payload), JSON {messages, first, last, end_ns}

A ledger without a trailer belongs to a load that runs or to a source that was killed. Nothing
in here does any I/O.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from chaosp7.account.feeds import Feed
from chaosp7.errors import LedgerError

__all__ = [
    "BLOCK_MAGIC",
    "BLOCK_RECORDS_MAX",
    "PREFIX",
    "PREFIX_BYTES",
    "RECORD",
    "TRAILER_MAGIC",
    "BlockPrefix",
    "LedgerHeader",
    "Records",
    "Trailer",
    "block_prefix",
    "decode_header",
    "decode_trailer",
    "encode_header",
    "encode_trailer",
]

FILE_MAGIC: Final = b"CP7LEDG1"
FORMAT_VERSION: Final = 1
BLOCK_MAGIC: Final = 0x4B4C4250
TRAILER_MAGIC: Final = 0x54524C50

#: One sent message. ``feed`` indexes the header's feeds; ``reached`` is 1 if at least one client
#: was subscribed to the feed when it was sent; times are CLOCK_MONOTONIC.
RECORD: Final = np.dtype(
    [
        ("feed", "<u2"),
        ("side", "u1"),
        ("reached", "u1"),
        ("pad", "<u4"),
        ("sequence", "<u8"),
        ("intended_ns", "<i8"),
        ("sent_ns", "<i8"),
        ("price_e8", "<i8"),
        ("quantity_e8", "<i8"),
        ("quote_e8", "<i8"),
        ("trade_time_ms", "<i8"),
    ]
)
Records = npt.NDArray[np.void]

#: A writer splits what is larger; a reader takes more for damage (and never allocates for it).
BLOCK_RECORDS_MAX: Final = 65_536
TRAILER_BYTES_MAX: Final = 1 << 20
HEADER_BYTES_MAX: Final = 1 << 20

PREFIX: Final = struct.Struct("<IIII")
PREFIX_BYTES: Final = PREFIX.size
_U32: Final = struct.Struct("<I")
_HEAD_BYTES: Final = len(FILE_MAGIC) + _U32.size


class BlockPrefix(NamedTuple):
    """The 16 bytes before each payload; `size` is in records, or bytes in a trailer."""

    magic: int
    size: int
    number: int
    crc32: int


@dataclass(frozen=True, slots=True)
class LedgerHeader:
    """What a load was asked to send, and when.

    Attributes:
        run_id: the run that the load belongs to.
        seed: seed of the trades.
        rate_per_s: messages per second over all feeds.
        feeds: the feeds that records index.
        first: first sequence of each feed in this ledger.
        anchor_monotonic_ns: CLOCK_MONOTONIC at the moment of `anchor_wall_ns`.
        anchor_wall_ns: Unix time in nanoseconds at the same moment.
        load_start_ns: CLOCK_MONOTONIC at which the first message is due.
        version: version of the file format.
    """

    run_id: str
    seed: int
    rate_per_s: float
    feeds: tuple[Feed, ...]
    first: tuple[int, ...]
    anchor_monotonic_ns: int
    anchor_wall_ns: int
    load_start_ns: int
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.version != FORMAT_VERSION:
            raise ValueError(f"ledger format {self.version} is not {FORMAT_VERSION}")
        if not self.feeds or len(set(self.feeds)) != len(self.feeds) or len(self.feeds) > 65_535:
            raise ValueError("a ledger needs 1 to 65,535 different feeds")
        if len(self.first) != len(self.feeds) or any(number < 0 for number in self.first):
            raise ValueError("a ledger needs one first sequence, 0 or more, per feed")


@dataclass(frozen=True, slots=True)
class Trailer:
    """What a load did send; a feed without any message has ``last = first - 1``."""

    messages: int
    first: tuple[int, ...]
    last: tuple[int, ...]
    end_ns: int


def encode_header(header: LedgerHeader) -> bytes:
    """Return the file's first bytes.

    Raises:
        LedgerError: they are more than a reader takes: nobody could read what was sent.
    """
    body = msgspec.json.encode(header)
    if _HEAD_BYTES + len(body) + _U32.size > HEADER_BYTES_MAX:
        raise LedgerError(f"a ledger's header can't have {len(body)} bytes")
    return b"".join((FILE_MAGIC, _U32.pack(len(body)), body, _U32.pack(zlib.crc32(body))))


def decode_header(data: bytes, name: str) -> tuple[LedgerHeader, int]:
    """Read the header from the first bytes of a file.

    Args:
        data: the file's first bytes, as many as there are up to `HEADER_BYTES_MAX`.
        name: the file, for messages.

    Returns:
        The header and the offset of the first block, bytes.

    Raises:
        LedgerError: this is no ledger, or its header is truncated or damaged.
    """
    if len(data) < _HEAD_BYTES or not data.startswith(FILE_MAGIC):
        raise LedgerError(f"{name} is not a ledger: it doesn't begin with {FILE_MAGIC!r}")
    (length,) = _U32.unpack_from(data, len(FILE_MAGIC))
    end = _HEAD_BYTES + length
    if end + _U32.size > len(data):
        raise LedgerError(f"{name}: the header is truncated or damaged ({length} bytes announced)")
    body = data[_HEAD_BYTES:end]
    if zlib.crc32(body) != _U32.unpack_from(data, end)[0]:
        raise LedgerError(f"{name}: the header is damaged: its CRC-32 differs")
    try:
        return msgspec.json.decode(body, type=LedgerHeader), end + _U32.size
    except msgspec.DecodeError as error:
        raise LedgerError(f"{name}: the header can't be read: {error}") from error


def block_prefix(payload: bytes | memoryview, count: int, number: int) -> bytes:
    """Return the 16 bytes that go before a block's payload."""
    return PREFIX.pack(BLOCK_MAGIC, count, number, zlib.crc32(payload))


def encode_trailer(trailer: Trailer, number: int) -> bytes:
    """Return the file's last bytes.

    Args:
        trailer: what was sent.
        number: the number of the next block, so that no block before it can be cut out.
    """
    body = msgspec.json.encode(trailer)
    return PREFIX.pack(TRAILER_MAGIC, len(body), number, zlib.crc32(body)) + body


def decode_trailer(body: bytes | memoryview, name: str) -> Trailer:
    """Read a trailer's payload; its CRC has been checked.

    Raises:
        LedgerError: it can't be read.
    """
    try:
        return msgspec.json.decode(body, type=Trailer)
    except msgspec.DecodeError as error:
        raise LedgerError(f"{name}: the trailer can't be read: {error}") from error
