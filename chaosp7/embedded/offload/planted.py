"""The offload's planted bugs; see `chaosp7.embedded.planted`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table

from chaosp7.account.feeds import Feed
from chaosp7.embedded.offload import commit, files
from chaosp7.embedded.offload.crash_points import CrashPoints
from chaosp7.embedded.offload.cycle import Offload
from chaosp7.embedded.offload.source import Increment, Source
from chaosp7.embedded.offload.tables import SILVER
from chaosp7.embedded.offload.watermarks import Watermarks
from chaosp7.embedded.planted import HitLog, Planted, refuse_unknown

__all__ = ["BUGS", "PlantedOffload"]

BUGS: Final = ("moves-watermark-first", "offloads-candles-once", "rereads-window")

#: Which of silver's increments, counted from 1, one isn't written and the other one is written once more.
_UNWRITTEN, _REREAD, _REREAD_AT = 2, 1, 3


class PlantedOffload(Offload):
    """An offload with bugs.

    Args:
        source: as `Offload`.
        catalog: as `Offload`.
        watermarks: as `Offload`.
        points: as `Offload`.
        planted: the bugs.
        hits: where what was damaged goes.

    Raises:
        ConfigError: if there is no such bug.
    """

    def __init__(
        self,
        source: Source,
        catalog: Mapping[str, str],
        watermarks: Watermarks,
        points: CrashPoints,
        planted: Sequence[Planted],
        hits: HitLog,
    ) -> None:
        super().__init__(source, catalog, watermarks, points)
        refuse_unknown(planted, BUGS)
        self._bugs = {one.name for one in planted}
        self._once = [one.feed for one in planted if one.name == "offloads-candles-once"]
        self._offloaded_by: dict[Feed, int] = {}
        self._hits = hits
        self._to = 0
        self._count = 0
        self._kept: pa.Table | None = None

    def _prepared(self, table: Table, increment: Increment) -> commit.Prepared:
        if table.name()[-1] != SILVER.name:
            return super()._prepared(table, self._without_newer_versions(increment))
        if increment.to != self._to:  # not the same one once more
            self._to = increment.to
            self._count += 1
        if self._count == _REREAD:
            self._kept = increment.rows
        if self._count == _UNWRITTEN and "moves-watermark-first" in self._bugs:
            # As if it had died between a watermark that it moves first and a commit that it never comes to.
            self._note("moves-watermark-first", increment.rows)
            return commit.prepare(table, [], increment.after, increment.to)
        if self._count == _REREAD_AT and "rereads-window" in self._bugs and self._kept is not None:
            self._note("rereads-window", self._kept)
            rows = pa.concat_tables([increment.rows, self._kept])
            written = files.write(table, rows, lambda: None)
            return commit.prepare(table, written, increment.after, increment.to)
        return super()._prepared(table, increment)

    def _without_newer_versions(self, increment: Increment) -> Increment:
        """Return an increment of candles without those of a feed that has some in an earlier one."""
        rows = increment.rows
        for feed in self._once:
            mine = pc.and_(pc.equal(rows["exchange"], feed.exchange), pc.equal(rows["symbol"], feed.symbol))
            if not pc.any(mine).as_py():
                continue
            # Not written yet, or the same increment once more.
            if self._offloaded_by.setdefault(feed, increment.to) != increment.to:
                rows = rows.filter(pc.invert(mine))
        return replace(increment, rows=rows)

    def _note(self, bug: str, rows: pa.Table) -> None:
        names = zip(rows["exchange"].to_pylist(), rows["symbol"].to_pylist(), strict=True)
        by_feed: dict[Feed, list[int]] = {}
        for name, sequence in zip(names, rows["source_sequence"].to_pylist(), strict=True):
            by_feed.setdefault(Feed(*name), []).append(sequence)
        for feed, sequences in by_feed.items():
            self._hits(bug, feed, sequences)
