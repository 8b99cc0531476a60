"""bronze -> silver -> candles, exactly once over any kill.

Everything that the processor has to remember lies in silver itself, in the rows:

* A **batch** is one INSERT, one block and so one part: it is there as a whole or not at all. Its
  rows carry its number, their partition and their offset, so silver knows how far it has got.
* Each INSERT names the batch that it follows and does nothing if that isn't the newest any more. A
  statement that was in doubt and comes through late can't write a second time.
* What was written is read back before the next batch; the cursors come from there, not from what
  was asked for.
* The candles follow by a view, in a part of their own: a server that dies between the two leaves
  candles that lack a batch. They carry the number of their last batch, so after each start and
  each error those behind it are given to them, before anything new is written.

This holds because the embedded server runs statements that write one after another (see
`chaosp7.embedded.clickhouse.engine`), so that the first one after an error sees the end of
whatever was under way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chaosp7.embedded.log import RateLimit
from chaosp7.embedded.silver_processor import statements
from chaosp7.embedded.silver_processor.client import ClickHouseClient, InDoubtError, RefusedError
from chaosp7.embedded.silver_processor.statements import Span

__all__ = ["WRITE", "Processor", "Statistics"]

_log = logging.getLogger(__name__)

#: A batch's rows per partition: far below what ClickHouse would split into two blocks.
BATCH_ROWS: Final = 20_000

#: One thread and one block: a batch must be one part.
WRITE: Final = {
    "max_threads": "1",
    "max_insert_threads": "1",
    "min_insert_block_size_rows": "1000000",
    "min_insert_block_size_bytes": "0",
    "min_insert_block_size_rows_for_materialized_views": "1000000",
    "min_insert_block_size_bytes_for_materialized_views": "0",
}


@dataclass(slots=True)
class Statistics:
    """What the processor did since its start.

    Attributes:
        rows: rows written to silver.
        batches: batches written.
        errors: statements that failed or weren't answered.
        recoveries: times that the state was read anew.
        repairs: times that the candles lacked batches.
        behind: rows of bronze, by offset, that silver hadn't at the last look.
        last_success_ns: monotonic time of the last cycle without an error, 0 before it.
        last_error: text of the last error, empty before it.
    """

    rows: int = 0
    batches: int = 0
    errors: int = 0
    recoveries: int = 0
    repairs: int = 0
    behind: int = 0
    last_success_ns: int = 0
    last_error: str = ""


class Processor:
    """The loop's body; one thread calls it.

    Args:
        client: the connection to ClickHouse.
        exchanges: whose bronze is processed.
        batch_rows: at most so many rows per partition and batch.
    """

    def __init__(
        self, client: ClickHouseClient, exchanges: Iterable[str], batch_rows: int = BATCH_ROWS
    ) -> None:
        self._client = client
        self._exchanges = tuple(exchanges)
        self._batch_rows = batch_rows
        self._next: dict[tuple[str, int], int] = {}
        self._batch = 0
        self._after = 0
        self._unread = False
        self._known = False
        self._quiet = RateLimit(1.0)
        self.statistics = Statistics()

    def cycle(self) -> bool:
        """Do one look and, if there is something new, one batch.

        Returns:
            True if more is waiting already; False also after an error.
        """
        try:
            if not self._known:
                self._recover()
            more = self._step()
        except (InDoubtError, RefusedError) as error:
            self._known = False
            self.statistics.errors += 1
            self.statistics.last_error = str(error)
            if self._quiet():
                _log.warning("%s", error)
            return False
        self.statistics.last_success_ns = time.monotonic_ns()
        return more

    def _recover(self) -> None:
        """Read from silver and gold where they stand, and give gold what it lacks."""
        self.statistics.recoveries += 1
        # As a statement that writes it waits for one of ours that may still be running.
        gold_before = self._number(statements.GOLD_BATCH)
        self._client.run(statements.REPAIR_GOLD, WRITE)
        gold = self._number(statements.GOLD_BATCH)
        self._after = self._number(statements.SILVER_BATCH)
        if gold > gold_before:
            self.statistics.repairs += 1
            _log.info("the candles got batches up to %d that they lacked", gold)
        if gold > self._after:
            # Rows of silver outlive their candles' only by the retention: not an error by itself.
            _log.warning("the candles are at batch %d, silver is at %d", gold, self._after)
        self._batch = max(self._after, gold)
        rows = self._client.run(statements.CURSORS)
        self._next = {(exchange, int(partition)): int(offset) for exchange, partition, offset in rows}
        self._unread = False
        self._known = True
        _log.info("silver is at batch %d, next offsets %s", self._after, self._next)

    def _step(self) -> bool:
        newest = self._look()
        spans, full = [], False
        for (exchange, partition), end in newest.items():
            first = self._next.get((exchange, partition), 0)
            if end <= first:
                continue
            if end - first > self._batch_rows:
                full = True
                end = self._number(statements.bound(exchange, partition, first, self._batch_rows))  # noqa: PLW2901
            spans.append(Span(exchange, partition, first, end))
        self.statistics.behind = sum(
            max(0, end - self._next.get(position, 0)) for position, end in newest.items()
        )
        if spans:
            self._batch += 1
            self._unread = True
            self._write(spans)
        return full

    def _write(self, spans: Sequence[Span]) -> None:
        self._client.run(statements.insert(spans, self._batch, self._after), WRITE)

    def _look(self) -> dict[tuple[str, int], int]:
        """Return bronze's next offsets, and take over what the last batch has written."""
        newest: dict[tuple[str, int], int] = {}
        written = 0
        for kind, exchange, partition, offset, rows in self._client.run(
            statements.look(self._exchanges, self._batch)
        ):
            if kind == "bronze":
                newest[exchange, int(partition)] = int(offset)
            elif self._unread:
                self._next[exchange, int(partition)] = int(offset)
                written += int(rows)
        if self._unread:
            if not written:
                raise RefusedError(f"batch {self._batch} isn't there: another one came before it")
            self._unread = False
            self._after = self._batch
            self.statistics.rows += written
            self.statistics.batches += 1
        return newest

    def _number(self, sql: str) -> int:
        return int(self._client.run(sql)[0][0])
