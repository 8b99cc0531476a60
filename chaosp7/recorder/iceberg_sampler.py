"""Watches an Iceberg tier: what its newest commits have brought."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from pyiceberg.catalog import Catalog

from chaosp7.platform.iceberg import data_files_after, open_catalog, opened, sequence_number
from chaosp7.platform.model import IcebergSource
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.iceberg_news import News
from chaosp7.recorder.looks import Looks
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.timeline import Timeline

__all__ = ["IcebergSampler"]


class IcebergSampler(Looks):
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
        super().__init__("iceberg-sampler", pace.full_s, attention, now_ns)
        self._pace = pace
        self._source = source
        self._news = news
        self._timeline = timeline
        self._spare_s = spare_s
        self._catalog: Catalog | None = None
        self._identity: UUID | None = None
        """Of the table that was looked at."""
        self._number = 0
        """Everything up to this commit of it is known."""

    def _failed(self, before_ns: int, after_ns: int, error: str) -> None:
        self._catalog = None
        self._timeline.add_error(before_ns, after_ns, error)

    def _look(self, look_ns: int, *, full: bool) -> float | None:
        del full  # one look is like the other
        failed = self._catalog is None
        if self._catalog is None:
            self._catalog = open_catalog(self._source.catalog)
        table = opened(self._catalog, self._source.table)
        loaded_ns = self._now_ns()  # what it has is settled, however long it takes to read it
        number, identity = sequence_number(table), table.metadata.table_uuid
        if identity != self._identity or number < self._number:
            # The first look, made anew, or rolled back: what it has now is read from the run's beginning.
            self._identity, self._number = identity, self._news.since(table)
            self._news.forget()
        files = data_files_after(table, self._number) if number != self._number else []
        self._news.read(table, files)
        self._number = number
        # That it can be read again only its data tell: the object store may still have hung.
        self._news.note(self._timeline, look_ns, self._now_ns() if failed else loaded_ns)
        return self._pace.away_s(self._spare_s())
