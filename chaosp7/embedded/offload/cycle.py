"""One cycle of the offload: exactly once over a crash at any point.

* What a table holds it says itself: each snapshot's summary names the batches that it added, in the
  same commit as the rows. The watermark beside it is only raised to what was read there, so it is
  never ahead of the data, and a crash between commit and watermark costs nothing.
* A commit holds only on top of the snapshot that the increment was chosen for. Of two commits of one
  interval the second is refused, be it of a second offload, or one of our own that was given up as
  lost and comes through late.
* After an error nothing is concluded from it. The next try loads the table and goes on from there.

The order matters: the watermark is read before the table, and the table before the increment. So a
watermark that is ahead of its table isn't another offload's progress but an error, and is told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from chaosp7.embedded.offload import commit, files
from chaosp7.embedded.offload.catalog import open_catalog
from chaosp7.embedded.offload.crash_points import CrashPoints
from chaosp7.embedded.offload.source import Increment, Source
from chaosp7.embedded.offload.statistics import Statistics
from chaosp7.embedded.offload.tables import OHLCV, SILVER, ColdTable, load_or_create
from chaosp7.embedded.offload.watermarks import Watermarks
from chaosp7.errors import OffloadError

__all__ = ["Offload"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    table: ColdTable
    read: Callable[[int], Increment | None]


class Offload:
    """Silver and gold, one after the other; serves one thread.

    Args:
        source: ClickHouse.
        catalog: PyIceberg's properties.
        watermarks: the offload's memory.
        points: where it may be told to die.
    """

    def __init__(
        self,
        source: Source,
        catalog: Mapping[str, str],
        watermarks: Watermarks,
        points: CrashPoints | None = None,
    ) -> None:
        self._source = source
        self._properties = dict(catalog)
        self._catalog: Catalog | None = None
        self._watermarks = watermarks
        self._points = points or CrashPoints()
        self._jobs: Final = (_Job(SILVER, source.silver), _Job(OHLCV, source.gold))
        self.statistics = Statistics()

    def cycle(self) -> bool:
        """Bring each table one increment further.

        Returns:
            True if more is waiting already.

        Raises:
            OffloadError: a step has failed; nothing is lost by trying again.
        """
        begun = time.monotonic()
        try:
            with _step("look at ClickHouse"):
                self.statistics.newest = self._source.newest()
            more = [self._advance(job) for job in self._jobs]
        except OffloadError as error:
            self.statistics.failed(str(error))
            raise
        finally:
            self.statistics.seconds = time.monotonic() - begun
        self.statistics.succeeded()
        return any(more)

    def _advance(self, job: _Job) -> bool:
        name = job.table.name
        with _step(f"read the watermark of {name}"):
            stored = self._watermarks.get(name)
        with _step(f"load {name}"):
            table = load_or_create(self._opened(), job.table)
            held = commit.committed(table.metadata)
        if held is None:
            # An older offload's table, which doesn't say: its watermark is all there is to go by.
            held = stored if table.metadata.snapshots else 0
        if held < stored:
            raise OffloadError(f"check {name}", f"its watermark is {stored}, but it holds only up to {held}")
        if held > stored:
            self._raise_watermark(name, held)
            self.statistics.recovered += 1
            _log.info("%s holds up to batch %d, its watermark was at %d", name, held, stored)
        self.statistics.watermarks[name] = held
        with _step(f"read the increment of {name}"):
            increment = job.read(held)
        if increment is None:
            return False
        self._points.passes("after-read")
        with _step(f"write files of {name}"):
            prepared = self._prepared(table, increment)
        self._points.passes("after-write")
        with _step(f"commit {name}"):
            try:
                prepared.commit_transaction()
            except CommitFailedException:
                self.statistics.conflicts += 1
                raise
        self._points.passes("after-commit")
        self.statistics.commits += 1
        self.statistics.rows += increment.rows.num_rows
        self._raise_watermark(name, increment.to)
        self.statistics.watermarks[name] = increment.to
        return increment.more

    def _prepared(self, table: Table, increment: Increment) -> commit.Prepared:
        """Write an increment's files and what commits them."""
        written = files.write(table, increment.rows, lambda: self._points.passes("mid-write"))
        return commit.prepare(table, written, increment.after, increment.to)

    def _raise_watermark(self, name: str, watermark: int) -> None:
        self._points.passes("before-watermark")
        with _step(f"raise the watermark of {name}"):
            self._watermarks.advance(name, watermark)
        self._points.passes("after-watermark")

    def _opened(self) -> Catalog:
        if self._catalog is None:
            self._catalog = open_catalog(self._properties)
        return self._catalog


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Have whatever goes wrong in a step carry its name."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())[:500]
        raise OffloadError(name, f"{type(error).__name__}: {said}") from error
