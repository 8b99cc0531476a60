"""The account of one tier: what became of every message that was sent.

Few passes over the tier keep it cheap and exact:

1. The tier's digests per chunk are compared with the ledger's. Equal chunks hold exactly what
   was sent; nothing more is asked of them.
2. Of the other chunks a reader that can tells the runs: what is there, and how often. Where they
   explain the digest (the ledger's checksums of what is there add up to it), all of it is right.
   It isn't asked for chunks whose digest spells one gap or one doubled stretch by itself.
3. Of those left it tells XORs of their pieces. Where they name single wrong messages, and these
   explain the digest, nothing else is wrong.
4. The rows of the chunks that are left are fetched and compared message by message.

The later passes must see the rows that the first one digested. If they see fewer, or (at a settled
tier) anything else, the reader has failed or something moved, and there is no account. Runs carry a
count only: other rows in the same number don't explain the digest, so they lead to the rows, which
must have it. Where nothing was sent, all rows are unexpected, whichever they are: there the count is all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from pyroaring import BitMap64

from chaosp7.account.cases import ChunkCase
from chaosp7.account.classes import TierAccount
from chaosp7.account.digest import ChunkKey, Digest, DigestTable, group_by_chunk
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.pieces import PieceSource
from chaosp7.account.rows import RowSource
from chaosp7.account.runs import ChunkRuns, RunSource
from chaosp7.account.sent import Expected, RunRecords, SentChunk, sent_chunks
from chaosp7.account.sets import Sets, between, minus, nonempty
from chaosp7.errors import MeasurementError, ReaderError

__all__ = ["Suspicion", "account_tier", "suspect"]

#: Chunks whose rows are asked for at once: 131,072 messages, that a database's client holds as
#: some 250 bytes of Python objects each.
KEYS_AT_ONCE = 32

#: The same for a reader that goes through its whole tier for every request (a topic): four million
#: messages in 50 MB. All at once would be 11 bytes per message of a run, however long it is.
KEYS_PER_PASS = 1024


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What the comparison of digests leaves open.

    Attributes:
        absent: chunks of which the tier has no row at all: everything in them is lost.
        differing: chunks that the ledger holds, whose digests differ.
        foreign: chunks with rows that the ledger holds nothing of.
    """

    absent: tuple[ChunkKey, ...]
    differing: tuple[ChunkKey, ...]
    foreign: tuple[ChunkKey, ...]


def suspect(sent: Expected, digests: DigestTable) -> Suspicion:
    """Compare a tier's digests with what was sent.

    Args:
        sent: what should be there.
        digests: what is there.

    Raises:
        MeasurementError: the digests were gathered with other feeds or first sequences.
    """
    feeds = tuple(digests.feeds[i] for i in range(min(len(sent.feeds), len(digests.feeds))))
    if feeds != sent.feeds or digests.first != {f: b.first for f, b in sent.bounds.items()}:
        raise MeasurementError("the tier's digests were gathered for another run's ledger")
    absent: list[ChunkKey] = []
    differing: list[ChunkKey] = []
    for key in sent.digests.differing(digests):
        (differing if key in digests else absent).append(key)
    foreign = [
        key for key in digests.differing(sent.digests) if key not in sent.digests and _counts(sent, key)
    ]
    return Suspicion(tuple(absent), tuple(differing), tuple(foreign))


def _counts(sent: Expected, key: ChunkKey) -> bool:
    """Return whether rows of a chunk that the ledger has nothing of can be unexpected."""
    bounds = sent.bounds.get(key.feed)
    if bounds is None:
        return True
    return not sent.growing and key.last > bounds.end


def account_tier(
    tier: str,
    run: RunRecords,
    sent: Expected,
    digests: DigestTable,
    rows: RowSource,
    *,
    reordered: Sets | None = None,
    unidentified_rows: int = 0,
    settled: bool | None = None,
    keys_at_once: int | None = KEYS_AT_ONCE,
    runs: RunSource | None = None,
    pieces: PieceSource | None = None,
) -> TierAccount:
    """Account for every message of a run at one tier.

    Args:
        tier: the tier's name.
        run: the ledger's records.
        sent: `expected` of the same records.
        digests: the tier's, complete, over sequences at or above the run's first of each feed;
            gathered in a table from ``sent.table()``. An empty one says that the tier is empty.
        rows: gives the rows of suspicious chunks that `runs` don't explain; an error of its goes through.
        reordered: at an ordered tier, what was first visible after a higher sequence of its
            feed; see `chaosp7.account.order`.
        unidentified_rows: rows whose feed or sequence can't be told; they are unexpected.
        settled: whether the tier has come to rest, so that both passes must see the same rows.
            False allows that chunks have got more rows in between, which then count.
            None: True unless the source may still be sending.
        keys_at_once: how many chunks `rows` is asked for at a time; None: as many as the account
            holds at all, for a reader that has to go through the whole tier each time.
        runs: gives the runs of suspicious chunks that their digests don't spell, `KEYS_PER_PASS` at a
            time; what they explain needs no rows. None: all suspicious chunks are examined by their rows.
        pieces: gives the pieces of chunks that their runs don't explain; without `runs` it isn't asked.
            None: such chunks are examined by their rows.

    Returns:
        The account; its classes add up to what was sent.

    Raises:
        MeasurementError: there is no account: a reader failed, or the ledger isn't whole.
    """
    suspicion = suspect(sent, digests)
    strict = not sent.growing if settled is None else settled
    findings = _Findings()
    for key in suspicion.absent:
        bounds = sent.bounds[key.feed]
        lost = findings.lost.setdefault(key.feed, BitMap64())
        lost.add_range(max(key.first, bounds.first), min(key.last, bounds.last) + 1)

    size = keys_at_once or KEYS_PER_PASS
    suspects = _cases(run, sent, suspicion)
    if runs is not None:
        suspects = _unsolved(suspects, digests, findings)
    for cases in _batches(suspects, size if runs is None else KEYS_PER_PASS):
        if runs is not None:
            for case in _explained(tier, runs, pieces, cases, digests, strict):
                findings.take(case)
        for batch in _batches(iter(tuple(cases.values())), size):
            _examine(tier, rows, batch, digests.feeds)
            for case in batch.values():
                _verify(tier, case, digests, strict)
                findings.take(case)
            batch.clear()
        cases.clear()  # or else they would still be held while the next ones are gathered
    return TierAccount(
        tier=tier,
        bounds=sent.bounds,
        lost=nonempty(findings.lost),
        late={},
        corrupted=nonempty(findings.corrupted),
        duplicated=nonempty(findings.duplicated),
        reordered=minus(
            _within(reordered or {}, sent), findings.lost, findings.corrupted, findings.duplicated
        ),
        unexpected=nonempty(findings.unexpected),
        unexpected_rows=findings.unexpected_rows + unidentified_rows,
        surplus_rows={feed: rows for feed, rows in findings.surplus.items() if rows},
        unidentified_rows=unidentified_rows,
    )


@dataclass(slots=True)
class _Findings:
    """The classes, gathered over all cases."""

    lost: dict[Feed, BitMap64] = field(default_factory=dict)
    corrupted: dict[Feed, BitMap64] = field(default_factory=dict)
    duplicated: dict[Feed, BitMap64] = field(default_factory=dict)
    unexpected: dict[Feed, BitMap64] = field(default_factory=dict)
    unexpected_rows: int = 0
    surplus: dict[Feed, int] = field(default_factory=dict)

    def take(self, case: ChunkCase) -> None:
        feed = case.key.feed
        for sets, found in (
            (self.lost, case.lost()),
            (self.corrupted, case.corrupted()),
            (self.duplicated, case.duplicated()),
            (self.unexpected, case.unexpected),
        ):
            if found:
                sets.setdefault(feed, BitMap64()).update(found)
        self.unexpected_rows += case.unexpected_rows
        self.surplus[feed] = self.surplus.get(feed, 0) + case.surplus


def _cases(run: RunRecords, sent: Expected, suspicion: Suspicion) -> Iterator[ChunkCase]:
    def case(key: ChunkKey, chunk: SentChunk | None) -> ChunkCase:
        return ChunkCase(key, sent.bounds.get(key.feed), sent.growing, chunk)

    if suspicion.differing:
        for chunk in sent_chunks(run, sent, suspicion.differing):
            yield case(chunk.key, chunk)
    for key in suspicion.foreign:
        yield case(key, None)


def _unsolved(cases: Iterator[ChunkCase], digests: DigestTable, findings: _Findings) -> Iterator[ChunkCase]:
    """Take the cases whose digest spells what is wrong; go through the others."""
    for case in cases:
        if case.solve(digests.get(case.key)):
            findings.take(case)
        else:
            yield case


def _batches(cases: Iterator[ChunkCase], size: int) -> Iterator[dict[ChunkKey, ChunkCase]]:
    while batch := {case.key: case for case in islice(cases, size)}:
        yield batch


def _explained(
    tier: str,
    runs: RunSource,
    pieces: PieceSource | None,
    cases: dict[ChunkKey, ChunkCase],
    digests: DigestTable,
    strict: bool,
) -> Iterator[ChunkCase]:
    """Take the cases that their runs and pieces explain out of `cases`."""
    left: dict[ChunkKey, ChunkRuns] = {}
    for found in runs(tuple(cases)):
        case = cases.get(found.key)
        if case is None:
            raise ReaderError(f"{tier}: runs of chunk {found.key.chunk} of {found.key.feed} came unasked")
        before = digests.get(found.key)
        _as_many_rows(tier, found.key, before.count, found.rows, strict)
        # Runs of more rows than were digested explain nothing: they come of rows that were too late.
        if case.explain(before, found.copies()):
            yield cases.pop(found.key)
        elif found.firsts:
            left[found.key] = found
    if pieces is None or not left:
        return
    for piece in pieces(tuple(left)):
        told = left.get(piece.key)
        if told is None:
            raise ReaderError(f"{tier}: pieces of chunk {piece.key.chunk} of {piece.key.feed} came unasked")
        if cases[piece.key].name(digests.get(piece.key), told.copies(), piece.xors):
            del left[piece.key]
            yield cases.pop(piece.key)


def _examine(tier: str, rows: RowSource, cases: Mapping[ChunkKey, ChunkCase], feeds: FeedIndex) -> None:
    """Have the rows of some chunks read and examined."""
    for batch in rows(tuple(cases)):
        if not len(batch.feeds) == len(batch.sequences) == len(batch.checksums):
            raise ReaderError(f"{tier}: a batch of rows has columns of different length")
        if not len(batch.feeds):
            continue
        if batch.sequences.dtype != np.uint64 or batch.checksums.dtype != np.uint64:
            raise ReaderError(f"{tier}: sequences and checksums must be unsigned 64-bit integers")
        if int(batch.feeds.min()) < 0 or int(batch.feeds.max()) >= len(feeds):
            raise ReaderError(f"{tier}: a row of feed index {int(batch.feeds.max())} of {len(feeds)}")
        groups = group_by_chunk(batch.feeds, batch.sequences)
        sequences, checksums = batch.sequences[groups.order], batch.checksums[groups.order]
        ends = [*groups.starts[1:].tolist(), len(sequences)]
        columns = (groups.feeds.tolist(), groups.chunks.tolist(), groups.starts.tolist(), ends)
        for feed, chunk, begin, end in zip(*columns, strict=True):
            case = cases.get(ChunkKey(feeds[feed], chunk))
            if case is not None:
                case.examine(sequences[begin:end], checksums[begin:end])


def _verify(tier: str, case: ChunkCase, digests: DigestTable, strict: bool) -> None:
    """Make sure that the rows are those that the digest was made of."""
    _same_rows(tier, case.key, digests.get(case.key), case.digest, strict)


def _same_rows(tier: str, key: ChunkKey, before: Digest, now: Digest, strict: bool) -> None:
    _as_many_rows(tier, key, before.count, now.count, strict)
    if now.count == before.count and now != before:
        raise _moved(tier, key, before.count, f"{now.count} others")


def _as_many_rows(tier: str, key: ChunkKey, before: int, now: int, strict: bool) -> None:
    if now < before or (strict and now > before):
        raise _moved(tier, key, before, str(now))


def _moved(tier: str, key: ChunkKey, before: int, now: str) -> ReaderError:
    return ReaderError(
        f"{tier}: chunk {key.chunk} of {key.feed} had {before} rows when it was digested, "
        f"but its rows now are {now}: it was read incompletely, it still moves, "
        "or its digests weren't limited to sequences at or above the run's first"
    )


def _within(reordered: Sets, sent: Expected) -> dict[Feed, BitMap64]:
    """Return what is accounted for; an order tracker may have seen more."""
    return nonempty(
        {
            feed: between(found, sent.bounds[feed].first, sent.bounds[feed].last)
            for feed, found in reordered.items()
            if feed in sent.bounds
        }
    )
