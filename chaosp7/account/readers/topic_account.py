"""The topic tier for the account: digests and order in one pass, rows in a second one."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
from confluent_kafka import TopicPartition

from chaosp7.account.account import account_tier
from chaosp7.account.classes import TierAccount
from chaosp7.account.digest import ChunkKey, DigestTable
from chaosp7.account.order import OrderTracker, strays
from chaosp7.account.readers.topic import TopicBatch, TopicDecoder, TopicScan
from chaosp7.account.sent import Expected, RunRecords
from chaosp7.account.sets import Sets, intersection, union

__all__ = ["TopicReader", "TopicReading", "account_topic"]


@dataclass(frozen=True, slots=True)
class TopicReading:
    """What one pass over the topics gave.

    Attributes:
        digests: of all messages.
        reordered: what stood behind a higher sequence of its feed in its partition, or in another
            partition than most of its feed.
        unidentified: messages that couldn't be decoded.
    """

    digests: DigestTable
    reordered: Sets
    unidentified: int


class TopicReader:
    """Reads the topics of a run.

    Args:
        bootstrap: the broker's direct listener.
        topics: exchange -> topic.
        starts: topic, partition and offset where the run begins.
    """

    def __init__(self, bootstrap: str, topics: dict[str, str], starts: Sequence[TopicPartition]) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._starts = starts

    def read(self, sent: Expected) -> TopicReading:
        """Digest everything that the topics hold of the run.

        Args:
            sent: what should be there.

        Raises:
            ReaderError: if not every offset could be read.
        """
        table = sent.table()
        streams = _Streams(sent)
        scan = self._scan(table)
        for batch in scan.batches(time.monotonic):
            table.add(batch.feeds, batch.sequences, batch.checksums)
            streams.add(batch.streams, batch.feeds, batch.sequences)
        return TopicReading(table, streams.reordered(), scan.undecodable)

    def reordered(self, sent: Expected, without: Sets) -> Sets:
        """Go through the topics again and tell what is reordered, some messages left out.

        Args:
            sent: what should be there.
            without: the messages that are left out, all their copies.

        Raises:
            ReaderError: if not every offset could be read.
        """
        table = sent.table()
        streams = _Streams(sent)
        left_out = {table.feeds.index(feed): np.array(one, np.uint64) for feed, one in without.items()}
        for batch in self._scan(table).batches(time.monotonic):
            keep = np.ones(len(batch.feeds), dtype=np.bool_)
            for index, sequences in left_out.items():
                keep &= (batch.feeds != index) | ~np.isin(batch.sequences, sequences)
            streams.add(batch.streams[keep], batch.feeds[keep], batch.sequences[keep])
        return streams.reordered()

    def rows(self, table: DigestTable, keys: Sequence[ChunkKey]) -> Iterator[TopicBatch]:
        """Go through the topics again, for the rows of some chunks (others come along).

        Args:
            table: the digests' table: its numbering of feeds is used.
            keys: the chunks that are wanted.
        """
        del keys  # a topic can only be read from its beginning; the account passes over the rest
        yield from self._scan(table).batches(time.monotonic)

    def _scan(self, table: DigestTable) -> TopicScan:
        return TopicScan(self._bootstrap, self._starts, TopicDecoder(self._topics, table.feeds))


def account_topic(tier: str, reader: TopicReader, run: RunRecords, sent: Expected) -> TierAccount:
    """Account for every message of a run at the topic.

    Args:
        tier: its name.
        reader: reads the topics.
        run: the ledger's records.
        sent: `expected` of the same records.

    Raises:
        MeasurementError: there is no account: the reader failed, or the ledger isn't whole.
    """
    reading = reader.read(sent)
    account = account_tier(
        tier,
        run,
        sent,
        reading.digests,
        partial(reader.rows, reading.digests),
        reordered=reading.reordered,
        unidentified_rows=reading.unidentified,
        keys_at_once=None,
    )
    if account.corrupted and account.reordered:
        # One that came under another's number makes all up to that number look as if they were behind it.
        besides = reader.reordered(sent, without=account.corrupted)
        account = replace(account, reordered=intersection(account.reordered, besides))
    return account


class _Streams:
    """The order of each partition's messages.

    Args:
        sent: what should be there.
    """

    def __init__(self, sent: Expected) -> None:
        first = [sent.bounds[feed].first for feed in sent.feeds]
        last = [sent.bounds[feed].end for feed in sent.feeds]
        self._trackers: dict[int, OrderTracker] = defaultdict(lambda: OrderTracker(sent.feeds, first, last))

    def add(
        self,
        streams: npt.NDArray[np.integer],
        feeds: npt.NDArray[np.integer],
        sequences: npt.NDArray[np.uint64],
    ) -> None:
        """Take messages in the order in which they stand."""
        present = np.flatnonzero(np.bincount(streams)).tolist()
        for stream in present:
            mine = streams == stream if len(present) > 1 else slice(None)
            self._trackers[stream].add(feeds[mine], sequences[mine])

    def reordered(self) -> Sets:
        """Return what stood behind a higher sequence of its feed, or in another partition than most of it."""
        trackers = self._trackers.values()
        return union([*(t.reordered() for t in trackers), strays(t.seen() for t in trackers)])
