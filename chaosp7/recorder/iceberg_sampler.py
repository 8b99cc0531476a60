"""Watches an Iceberg tier: what its newest commits have brought."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from pyiceberg.catalog import Catalog

from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.readers.iceberg import batches
from chaosp7.account.readers.iceberg_columns import NAMES, identified
from chaosp7.errors import ReaderError
from chaosp7.platform.iceberg import IcebergStart, data_files_after, open_catalog, opened, sequence_number
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.heads import Range, ranges_of
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.timeline import Timeline

__all__ = ["IcebergSampler"]

#: Share of the time that a look may take at most.
_SHARE_MAX: Final = 0.5


class IcebergSampler(threading.Thread):
    """Asks the catalog again and again for the table's newest commit, and reads what it has brought.

    Of a new commit's files only the columns that name a message are read, each file once.

    Args:
        start: the table, and where the run begins.
        feeds: the run's, by index.
        timeline: to fill.
        pace: of the looks.
        attention: when it is full.
        spare_s: tells how long the tier stays fresh if nothing more comes, seconds.
        now_ns: the monotonic clock.
    """

    def __init__(
        self,
        start: IcebergStart,
        feeds: Sequence[Feed],
        timeline: Timeline,
        pace: Pace,
        attention: Attention,
        spare_s: Callable[[], float],
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__(name="iceberg-sampler", daemon=True)
        self._start = start
        self._index = FeedIndex(feeds)
        self._timeline = timeline
        self._pace = pace
        self._attention = attention
        self._spare_s = spare_s
        self._now_ns = now_ns
        self._catalog: Catalog | None = None
        self._number = start.number
        """Everything up to this commit is known."""
        self._ended = threading.Event()
        self._wake = attention.listen()
        self.at_full = threading.Event()
        """Set while it looks at full attention."""

    def run(self) -> None:
        """Sample until `stop`."""
        while not self._ended.is_set():
            self._wake.clear()
            full = self._attention.full
            look_ns = self._now_ns()
            share = _SHARE_MAX
            try:
                loaded_ns, ranges = self._new()
            except ReaderError as error:
                self._catalog = None
                share = 1.0  # it kept nobody busy
                self._timeline.add_error(look_ns, self._now_ns(), str(error))
                self._attention.call()
                away_s = None
            else:
                self._timeline.add(look_ns, loaded_ns, ranges)
                away_s = self._pace.away_s(self._spare_s())
                if away_s is None:
                    self._attention.call()
            (self.at_full.set if full else self.at_full.clear)()
            spent_s = (self._now_ns() - look_ns) / 1e9
            wanted_s = self._pace.full_s if away_s is None or self._attention.full else away_s
            self._wake.wait(max(wanted_s, spent_s / share) - spent_s)

    def stop(self) -> None:
        """End sampling and wait until the thread has ended."""
        self._ended.set()
        self._wake.set()
        self.join()

    def _new(self) -> tuple[int, list[Range]]:
        """Return what was visible at some moment and wasn't known, and the moment."""
        if self._catalog is None:
            self._catalog = open_catalog(self._start.source.catalog)
        table = opened(self._catalog, self._start.source.table)
        loaded_ns = self._now_ns()  # what it has is settled, however long it takes to read it
        number = sequence_number(table)
        if number < self._number:
            self._number = self._start.number  # made anew: what it has now is read from its beginning
        ranges: list[Range] = []
        if number != self._number:
            files = data_files_after(table, self._number)
            for batch in batches(table, self._start.source, files, NAMES[:3]):
                found = identified(batch, self._index)
                for feed in set(found.feeds.tolist()):
                    if feed < self._index.known:
                        ranges += ranges_of(feed, found.sequences[found.feeds == feed])
            self._number = number
        return loaded_ns, ranges
