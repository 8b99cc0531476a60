"""The journal in which a feed handler says what it received and what the broker confirmed.

``<service>.acks`` is a file of 16-byte records, only ever appended to, over all lives of the
service; ``<service>.acks.json`` beside it names the feeds that records index. With it, a message
that never reached the topic is told apart: never received, received but not confirmed, or
confirmed and lost.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.errors import ConfigError, MeasurementError

__all__ = ["ACKNOWLEDGED", "ACK_RECORD", "RECEIVED", "REFUSED", "AckSets", "AckWriter", "read_acks"]

RECEIVED: Final = 1
ACKNOWLEDGED: Final = 2
REFUSED: Final = 3

ACK_RECORD: Final = np.dtype(
    [("sequence", "<u8"), ("feed", "<u2"), ("kind", "u1"), ("pad", "u1"), ("session", "<u4")]
)
_PACK: Final = struct.Struct("<QHBxI").pack
_READ_RECORDS: Final = 1 << 18
_LOCK_ATTEMPTS: Final = 20
_LOCK_PAUSE_S: Final = 0.05


class _Feeds(msgspec.Struct):
    feeds: list[Feed]


class _Bitmap(Protocol):
    def add_range(self, start: int, stop: int) -> None: ...


class AckWriter:
    """Appends to a service's journal; safe to use from several threads.

    Every record is handed to the kernel before a method returns, so a SIGKILL can't take it.

    Args:
        path: the journal; created if it isn't there. A torn record at its end, of a write that
            was interrupted, is cut off.
        feeds: the feeds that are indexed, the same ones at every start.
        session: number of this life of the service; by default the Unix time in seconds.

    Raises:
        ConfigError: the journal was written with other feeds, or another process has it open.
        MeasurementError: it can't be written.
    """

    def __init__(self, path: Path, feeds: Sequence[Feed], *, session: int | None = None) -> None:
        self.path = path
        self.session = (int(time.time()) if session is None else session) & 0xFFFF_FFFF
        self._lock = threading.Lock()
        self._failure: str | None = None
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise MeasurementError(f"ack journal {path} can't be opened: {error.strerror}") from error
        try:
            self._claim()
            size = os.fstat(self._fd).st_size
            _claim_sidecar(path, list(feeds), fresh=size < ACK_RECORD.itemsize)
            self._size = size - size % ACK_RECORD.itemsize
            os.ftruncate(self._fd, self._size)
        except OSError as error:
            os.close(self._fd)
            raise MeasurementError(f"ack journal {path} can't be opened: {error.strerror}") from error
        except (ConfigError, MeasurementError):
            os.close(self._fd)
            raise

    def pack(self, kind: int, feed: int, sequence: int) -> bytes:
        """Return one record, for a later `append` of several at once.

        Args:
            kind: `RECEIVED`, `ACKNOWLEDGED` or `REFUSED`.
            feed: index of the feed.
            sequence: the message's sequence.
        """
        return _PACK(sequence, feed, kind, self.session)

    def append(self, records: bytes | bytearray) -> None:
        """Write packed records.

        Raises:
            MeasurementError: they can't be written; the journal takes nothing more, for with a
                hole in it a message's fate would be told wrongly.
        """
        with self._lock:
            if self._failure is not None:
                raise MeasurementError(self._failure)
            try:
                written = os.write(self._fd, records)
                while written < len(records):
                    written += os.write(self._fd, memoryview(records)[written:])
            except OSError as error:
                self._failure = f"ack journal {self.path} can't be written: {error.strerror}"
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self._size)
                raise MeasurementError(self._failure) from error
            self._size += len(records)

    def received(self, feed: int, sequence: int) -> None:
        """Note a message from the exchange, before it is produced."""
        self.append(_PACK(sequence, feed, RECEIVED, self.session))

    def acknowledged(self, feed: int, sequence: int) -> None:
        """Note that the broker has confirmed a message."""
        self.append(_PACK(sequence, feed, ACKNOWLEDGED, self.session))

    def refused(self, feed: int, sequence: int) -> None:
        """Note that a message's delivery has failed for good."""
        self.append(_PACK(sequence, feed, REFUSED, self.session))

    def close(self) -> None:
        """Close the journal. Does nothing the second time."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
                self._failure = self._failure or f"ack journal {self.path} is closed"

    def _claim(self) -> None:
        """Lock the file: a second writer's clean-up would cut into this one's records."""
        for attempt in range(1, _LOCK_ATTEMPTS + 1):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt == _LOCK_ATTEMPTS:
                    raise ConfigError(f"ack journal {self.path} is written by another process") from None
                time.sleep(_LOCK_PAUSE_S)
            else:
                return


@dataclass(frozen=True, slots=True)
class AckSets:
    """The sequences of one feed that a handler received, that were confirmed, that were refused."""

    received: BitMap64 = field(default_factory=BitMap64)
    acknowledged: BitMap64 = field(default_factory=BitMap64)
    refused: BitMap64 = field(default_factory=BitMap64)

    def union(self, other: AckSets) -> AckSets:
        """Return what either of two journals says of the feed."""
        return AckSets(
            self.received | other.received,
            self.acknowledged | other.acknowledged,
            self.refused | other.refused,
        )


def read_acks(
    path: Path, bounds: Mapping[Feed, tuple[int, int]], *, offset_bytes: int = 0
) -> dict[Feed, AckSets]:
    """Read a journal, in bounded memory; it may be in use.

    Args:
        path: the journal.
        bounds: first and last sequence, both included, of the feeds that matter.
        offset_bytes: where to begin, e.g. the journal's size when the run's load started;
            rounded down to whole records.

    Returns:
        The sets of each feed in `bounds` that the journal knows.

    Raises:
        MeasurementError: the journal is missing or damaged.
    """
    feeds = _read_sidecar(path)
    sets = {feed: AckSets() for feed in feeds if feed in bounds}
    for records in _chunks(path, offset_bytes - offset_bytes % ACK_RECORD.itemsize):
        kinds, indices, sequences = records["kind"], records["feed"], records["sequence"]
        if (
            int(indices.max()) >= len(feeds)
            or not RECEIVED <= int(kinds.min()) <= int(kinds.max()) <= REFUSED
        ):
            raise MeasurementError(f"ack journal {path} is damaged: a record of an unknown feed or kind")
        for index, feed in enumerate(feeds):
            if feed not in sets:
                continue
            first, last = bounds[feed]
            wanted = (indices == index) & (sequences >= first) & (sequences <= last)
            of_feed, of_kind = sequences[wanted], kinds[wanted]
            found = sets[feed]
            _add(found.received, of_feed[of_kind == RECEIVED])
            _add(found.acknowledged, of_feed[of_kind == ACKNOWLEDGED])
            _add(found.refused, of_feed[of_kind == REFUSED])
    return sets


def _chunks(path: Path, offset_bytes: int) -> Iterator[npt.NDArray[np.void]]:
    try:
        with path.open("rb") as file:
            file.seek(offset_bytes)
            # Up to the size of now: what a live handler appends meanwhile is the next reader's.
            left = os.fstat(file.fileno()).st_size - offset_bytes
            if left < 0:
                # Read as "nothing was received", every loss would pass for one that is allowed.
                raise MeasurementError(f"ack journal {path} is shorter than it was: {offset_bytes} bytes")
            while left >= ACK_RECORD.itemsize:
                count = min(_READ_RECORDS, left // ACK_RECORD.itemsize)
                data = file.read(count * ACK_RECORD.itemsize)
                if len(data) != count * ACK_RECORD.itemsize:
                    raise MeasurementError(f"ack journal {path} shrinks while it is read")
                left -= len(data)
                yield np.frombuffer(data, dtype=ACK_RECORD)
    except OSError as error:
        raise MeasurementError(f"ack journal {path} can't be read: {error.strerror}") from error


def _add(bitmap: _Bitmap, sequences: npt.NDArray[np.uint64]) -> None:
    """Add sequences as ranges: they come nearly sorted, and one by one is fifty times slower."""
    if not len(sequences):
        return
    values = np.unique(sequences)
    breaks = np.flatnonzero(np.diff(values) != 1) + 1
    starts = values[np.concatenate(([0], breaks))]
    stops = values[np.concatenate((breaks - 1, [len(values) - 1]))]
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        bitmap.add_range(start, stop + 1)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_sidecar(path: Path) -> list[Feed]:
    sidecar = _sidecar(path)
    try:
        return msgspec.json.decode(sidecar.read_bytes(), type=_Feeds).feeds
    except OSError as error:
        raise MeasurementError(f"{sidecar} can't be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise MeasurementError(f"{sidecar} is damaged: {error}") from error


def _claim_sidecar(path: Path, feeds: list[Feed], *, fresh: bool) -> None:
    """Write the feeds beside a new journal, or see that an old one has the same."""
    if not fresh:
        known = _read_sidecar(path)
        if known != feeds:
            raise ConfigError(f"ack journal {path} was written for {_names(known)}, not {_names(feeds)}")
        return
    sidecar = _sidecar(path)
    draft = sidecar.with_name(sidecar.name + ".tmp")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(_Feeds(feeds)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(sidecar)


def _names(feeds: Iterable[Feed]) -> str:
    return ", ".join(map(str, feeds))
