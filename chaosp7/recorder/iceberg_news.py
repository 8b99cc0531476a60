"""What new files of an Iceberg tier tell: which messages came, or how many trades its candles count now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.iceberg import batches
from chaosp7.account.readers.iceberg_candles import CandleVersions
from chaosp7.account.readers.iceberg_columns import NAMES, identified
from chaosp7.platform.iceberg import IcebergStart
from chaosp7.platform.model import IcebergSource
from chaosp7.recorder.heads import Range, ranges_of
from chaosp7.recorder.timeline import Timeline

__all__ = ["CandleNews", "News", "RowNews"]


class News(Protocol):
    """What a sampler does with new files; serves one thread."""

    def since(self, table: Table) -> int:
        """Return the number of the commit up to which a table's files don't count."""

    def forget(self) -> None:
        """Forget what was read: the table was made anew."""

    def read(self, table: Table, files: Sequence[DataFile]) -> None:
        """Take in what came.

        Args:
            table: of the snapshot that has the files.
            files: those that came since the last look; after one that failed they come again.

        Raises:
            ReaderError: if not all of it can be read.
        """

    def note(self, timeline: Timeline, before_ns: int, after_ns: int) -> None:
        """Note on a timeline what the last `read` took in, visible since a moment between two.

        Args:
            timeline: the tier's.
            before_ns: when the look began, monotonic.
            after_ns: when the snapshot was loaded, monotonic.
        """


class RowNews:
    """Rows that are messages.

    Args:
        start: the table, and where the run begins.
        feeds: the run's, by index.
    """

    def __init__(self, start: IcebergStart, feeds: Sequence[Feed]) -> None:
        self._start = start
        self._index = FeedIndex(feeds)
        self._ranges: list[Range] = []

    def since(self, table: Table) -> int:
        """See `News`."""
        return self._start.number_in(table)

    def forget(self) -> None:
        """See `News`; what is known of a message stays: it was visible."""

    def read(self, table: Table, files: Sequence[DataFile]) -> None:
        """See `News`."""
        self._ranges = []
        for batch in batches(table, self._start.source, files, NAMES[:3]):
            found = identified(batch, self._index)
            for feed in set(found.feeds.tolist()):
                if feed < self._index.known:
                    self._ranges += ranges_of(feed, found.sequences[found.feeds == feed])

    def note(self, timeline: Timeline, before_ns: int, after_ns: int) -> None:
        """See `News`."""
        timeline.add(before_ns, after_ns, self._ranges, known_too=True)


class CandleNews:
    """Versions of candles, counted by the shortest windows.

    Args:
        source: the table.
        window_s: length of the shortest windows, seconds.
        feeds: the run's, by index.
        since_s: windows count that begin at this Unix second, a beginning of one, or later.
        held: trades that each feed's windows since then held before the run, by feed index.
    """

    def __init__(
        self, source: IcebergSource, window_s: int, feeds: Sequence[Feed], since_s: int, held: Sequence[int]
    ) -> None:
        self._source = source
        self._window_s = window_s
        self._feeds = {feed: index for index, feed in enumerate(feeds)}
        self._since_s = since_s
        self._held = list(held)
        self._noted: dict[int, int] = {}
        self._versions = self._none()

    def since(self, table: Table) -> int:
        """See `News`: a candle of before the run may be the one that counts."""
        del table
        return 0

    def forget(self) -> None:
        """See `News`."""
        self._versions = self._none()

    def read(self, table: Table, files: Sequence[DataFile]) -> None:
        """See `News`."""
        self._versions.add(table, files)

    def note(self, timeline: Timeline, before_ns: int, after_ns: int) -> None:
        """See `News`."""
        trades = [-held for held in self._held]
        for _, key, (count,) in self._versions.values():
            if key.feed in self._feeds:
                trades[self._feeds[key.feed]] += count
        # A copy that is behind has less than its original had before the run.
        counts = {index: max(0, count) for index, count in enumerate(trades)}
        changed = {index: count for index, count in counts.items() if count != self._noted.get(index)}
        timeline.add_counts(before_ns, after_ns, changed)
        self._noted = counts

    def _none(self) -> CandleVersions:
        return CandleVersions(self._source, [self._window_s], self._since_s, values=["trade_count"])
