"""Watches an Iceberg tier: what its newest commits have brought."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from pyiceberg.catalog import Catalog

from chaosp7.errors import ReaderError
from chaosp7.platform.iceberg import data_files_after, open_catalog, opened, sequence_number
from chaosp7.platform.model import IcebergSource
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.iceberg_news import News
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.timeline import Timeline

__all__ = ["IcebergSampler"]

#: Share of the time that a look may take at most.
_SHARE_MAX: Final = 0.5


class IcebergSampler(threading.Thread):
    """Asks the catalog again and again for the table's newest commit, and reads what it has brought.

    Of a new commit's files only the columns that tell what came are read, each file once.

    Args:
        source: the table, its catalog's properties filled in.
        news: what of new files counts.
        timeline: to fill.
        pace: of the looks.
        attention: when it is full.
        spare_s: tells how long the tier stays fresh if nothing more comes, seconds.
        now_ns: the monotonic clock.
    """

    def __init__(
        self,
        source: IcebergSource,
        news: News,
        timeline: Timeline,
        pace: Pace,
        attention: Attention,
        spare_s: Callable[[], float],
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__(name="iceberg-sampler", daemon=True)
        self._source = source
        self._news = news
        self._timeline = timeline
        self._pace = pace
        self._attention = attention
        self._spare_s = spare_s
        self._now_ns = now_ns
        self._catalog: Catalog | None = None
        self._number = news.since
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
                self._look(look_ns)
            except ReaderError as error:
                self._catalog = None
                share = 1.0  # it kept nobody busy
                self._timeline.add_error(look_ns, self._now_ns(), str(error))
                self._attention.call()
                away_s = None
            else:
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

    def _look(self, look_ns: int) -> None:
        if self._catalog is None:
            self._catalog = open_catalog(self._source.catalog)
        table = opened(self._catalog, self._source.table)
        loaded_ns = self._now_ns()  # what it has is settled, however long it takes to read it
        number = sequence_number(table)
        if number < self._number:
            self._number = self._news.since  # made anew: what it has now is read from its beginning
            self._news.forget()
        files = data_files_after(table, self._number) if number != self._number else []
        self._news.read(table, files)
        self._number = number
        self._news.note(self._timeline, look_ns, loaded_ns)
