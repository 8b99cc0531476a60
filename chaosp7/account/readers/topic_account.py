"""The topic tier for the account: digests and order in one pass, rows in a second one."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka import TopicPartition

from chaosp7.account.digest import ChunkKey, DigestTable
from chaosp7.account.order import OrderTracker, strays
from chaosp7.account.readers.topic import TopicBatch, TopicDecoder, TopicScan
from chaosp7.account.sent import Expected
from chaosp7.account.sets import Sets, union

__all__ = ["TopicReader", "TopicReading"]


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
        first = [sent.bounds[feed].first for feed in sent.feeds]
        last = [sent.bounds[feed].end for feed in sent.feeds]
        trackers: dict[int, OrderTracker] = defaultdict(lambda: OrderTracker(sent.feeds, first, last))
        scan = self._scan(table)
        for batch in scan.batches(time.monotonic):
            table.add(batch.feeds, batch.sequences, batch.checksums)
            present = np.flatnonzero(np.bincount(batch.streams)).tolist()
            for stream in present:
                mine = batch.streams == stream if len(present) > 1 else slice(None)
                trackers[stream].add(batch.feeds[mine], batch.sequences[mine])
        reordered = union(
            [*(t.reordered() for t in trackers.values()), strays(t.seen() for t in trackers.values())]
        )
        return TopicReading(table, reordered, scan.undecodable)

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
