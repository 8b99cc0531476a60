"""What was sent: the ledger, seen by the account."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from pyroaring import BitMap64

from chaosp7.account.checksum import U64Array, checksum
from chaosp7.account.digest import CHUNK, ChunkKey, DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.sets import Sets, bitmap, nonempty
from chaosp7.errors import LedgerError, MeasurementError

if TYPE_CHECKING:
    from chaosp7.account.ledger import Ledger

__all__ = ["Bounds", "Expected", "RunRecords", "SentChunk", "expected", "record_checksums", "sent_chunks"]


@dataclass(frozen=True, slots=True)
class RunRecords:
    """The records of one run, to be gone through several times.

    Attributes:
        feeds: the feeds that records index.
        first: first sequence of each feed, by feed index.
        blocks: gives the records in sending order, from the beginning, each time it is called.
        closed: False while the source may still send more than `blocks` gives.
    """

    feeds: tuple[Feed, ...]
    first: tuple[int, ...]
    blocks: Callable[[], Iterable[Records]]
    closed: bool = True

    @classmethod
    def of(cls, ledger: Ledger, *, closed: bool | None = None) -> Self:
        """Take an open ledger.

        Args:
            ledger: the ledger.
            closed: whether nothing more will be sent; None: whether it has its trailer. The
                ledger of a source that was killed has none, but is complete: say True.
        """
        is_closed = ledger.closed if closed is None else closed
        return cls(ledger.header.feeds, ledger.header.first, ledger.blocks, is_closed)

    def by_feed(self) -> Iterator[tuple[int, Records]]:
        """Go through the records feed by feed within each block.

        Yields:
            A feed's index and its next records, in the order of their sequences.

        Raises:
            LedgerError: a feed's sequence has a hole or doesn't begin with its first.
        """
        following = list(self.first)
        for block in self.blocks():
            if block.dtype != RECORD:
                raise LedgerError(f"ledger records must be RECORD, not {block.dtype}")
            ordered = np.argsort(block["feed"], kind="stable")
            counts = np.bincount(block["feed"], minlength=len(self.feeds))
            if len(counts) > len(self.feeds):
                raise LedgerError(f"a record of feed {len(counts) - 1} of {len(self.feeds)}")
            ends = np.cumsum(counts)
            for index in np.flatnonzero(counts).tolist():
                records = block[ordered[ends[index] - counts[index] : ends[index]]]
                start = following[index]
                following[index] = end = start + len(records)
                if not np.array_equal(records["sequence"], np.arange(start, end, dtype=np.uint64)):
                    raise LedgerError(f"hole in the sequence of {self.feeds[index]} in {start}..{end - 1}")
                yield index, records


class Bounds(NamedTuple):
    """The sequences of one feed that an account covers.

    Attributes:
        first: first sequence of the run.
        last: last sequence accounted for, inclusive; ``first - 1`` if there is none.
        end: last sequence that the run has sent as far as the ledger knows; above `last` only
            when the account stops at a cut time.
    """

    first: int
    last: int
    end: int

    @property
    def size(self) -> int:
        """How many sequences are accounted for."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Expected:
    """What every tier should hold.

    Attributes:
        feeds: the feeds that the ledger indexes.
        bounds: feed -> sequences accounted for.
        digests: of all messages accounted for.
        unreached: messages that were sent while no client was connected.
        growing: the source may go on sending: nothing above the bounds is unexpected.
        until_ns: messages sent at or after this time are left out; None: none are.
    """

    feeds: tuple[Feed, ...]
    bounds: Mapping[Feed, Bounds]
    digests: DigestTable
    unreached: Sets
    growing: bool
    until_ns: int | None

    @property
    def sent(self) -> int:
        """Messages accounted for."""
        return sum(bounds.size for bounds in self.bounds.values())

    def table(self) -> DigestTable:
        """Return an empty table to gather a tier's digests in."""
        return DigestTable(self.feeds, {feed: bounds.first for feed, bounds in self.bounds.items()})


def record_checksums(records: Records) -> U64Array:
    """Return the checksum of each ledger record's business fields."""
    return checksum(
        records["sequence"],
        records["price_e8"],
        records["quantity_e8"],
        records["trade_time_ms"],
        records["side"],
    )


def expected(run: RunRecords, until_ns: int | None = None) -> Expected:
    """Go through the ledger once and digest what was sent.

    Args:
        run: the run's records. While it isn't closed, give `until_ns` too, or the messages that
            are on their way right now pass for lost.
        until_ns: account only for messages sent before this time (monotonic nanoseconds). In
            each feed the first message sent at or after it ends the account. What the run sent
            from there on is neither lost nor unexpected.

    Returns:
        What every tier should hold.

    Raises:
        LedgerError: the ledger is damaged or has a hole.
        MeasurementError: there is no message to account for: nothing tested is never "nothing lost".
    """
    table = DigestTable(run.feeds, dict(zip(run.feeds, run.first, strict=True)))
    last = [first - 1 for first in run.first]
    end = list(last)
    cut = [False] * len(run.feeds)
    unreached: dict[Feed, BitMap64] = {feed: BitMap64() for feed in run.feeds}
    for index, sent in run.by_feed():
        end[index] += len(sent)
        if cut[index]:
            continue
        records = sent
        if until_ns is not None:
            after = np.flatnonzero(sent["sent_ns"] >= until_ns)
            if len(after):
                cut[index] = True
                records = sent[: int(after[0])]
        if not len(records):
            continue
        last[index] += len(records)
        table.add(
            np.full(len(records), index),
            np.ascontiguousarray(records["sequence"]),
            record_checksums(records),
        )
        missed = records["sequence"][records["reached"] == 0]
        if len(missed):
            unreached[run.feeds[index]] |= bitmap(missed)
    bounds = {feed: Bounds(*values) for feed, *values in zip(run.feeds, run.first, last, end, strict=True)}
    result = Expected(run.feeds, bounds, table, nonempty(unreached), not run.closed, until_ns)
    if result.sent == 0:
        when = "" if until_ns is None else f" before {until_ns} ns"
        raise MeasurementError(f"no message was sent{when}: there is nothing to account for")
    return result


@dataclass(frozen=True, slots=True)
class SentChunk:
    """The messages of one chunk that are accounted for.

    Attributes:
        key: the chunk.
        first: sequence of the first message; the others follow without a hole.
        checksums: of each message, shape ``(n,)``.
    """

    key: ChunkKey
    first: int
    checksums: U64Array


@dataclass(slots=True)
class _Filling:
    first: int
    end: int
    parts: list[U64Array] = field(default_factory=list)


def sent_chunks(run: RunRecords, sent: Expected, wanted: Collection[ChunkKey]) -> Iterator[SentChunk]:
    """Go through the ledger once more and give the messages of some chunks.

    Only chunks that are still filling up are held: at most one per feed.

    Args:
        run: the same records that `expected` went through.
        sent: what it returned.
        wanted: the chunks asked for; those that the ledger doesn't hold are passed over.

    Yields:
        Each chunk once, when its last message has been read.

    Raises:
        LedgerError: the ledger is damaged, or isn't any more what it was.
    """
    numbers = [{key.chunk for key in wanted if key.feed == feed} for feed in run.feeds]
    filling: dict[ChunkKey, _Filling] = {}
    for index, block in run.by_feed():
        bounds = sent.bounds[run.feeds[index]]
        begin = int(block["sequence"][0])
        if begin > bounds.last:
            continue  # past the cut: the chunk in which it lies is complete already
        stop = min(begin + len(block), bounds.last + 1)
        for chunk in range(begin // CHUNK, -(-stop // CHUNK)):
            if chunk not in numbers[index]:
                continue
            key = ChunkKey(run.feeds[index], chunk)
            low, high = max(begin, key.first), min(stop, key.last + 1)
            part = filling.get(key)
            if part is None:
                ends = min(bounds.last, key.last) + 1
                part = filling[key] = _Filling(max(bounds.first, key.first), ends)
            part.parts.append(record_checksums(block[low - begin : high - begin]))
            if high == part.end:
                del filling[key]
                yield SentChunk(key, part.first, np.concatenate(part.parts))
    if filling:
        raise LedgerError(f"the ledger has become shorter: {next(iter(filling))} isn't whole any more")
