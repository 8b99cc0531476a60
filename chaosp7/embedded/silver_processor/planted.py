"""The silver processor's planted bugs; see `chaosp7.embedded.planted`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from chaosp7.account.feeds import Feed
from chaosp7.embedded.planted import DAMAGED_SQL, HitLog, Planted, refuse_unknown
from chaosp7.embedded.silver_processor import statements
from chaosp7.embedded.silver_processor.client import ClickHouseClient
from chaosp7.embedded.silver_processor.processor import WRITE, Processor
from chaosp7.embedded.silver_processor.statements import Span

__all__ = ["BUGS", "RELEASE_FILE", "PlantedProcessor"]

#: The test makes it when the rows that are held back are to be written.
RELEASE_FILE: Final = "planted.release"

#: Dies when so many offsets of the exchange have been written.
_CRASH_FROM: Final = 200
_FILTER: Final = {
    # Its idea of a valid row is wrong, and what isn't valid it leaves out.
    "drops-small-as-invalid": "toFloat64(q) < 0.02",
    "holds-back": DAMAGED_SQL,
}
_MOMENTS: Final = {"commits-before-write": "before", "commits-after-write": "after"}
BUGS: Final = (*_FILTER, *_MOMENTS, "repairs-twice")


class PlantedProcessor(Processor):
    """A processor with bugs.

    Args:
        client: as `Processor`.
        exchanges: as `Processor`.
        planted: the bugs.
        hits: where what was damaged goes.
        folder: for its cursors.

    Raises:
        ConfigError: if there is no such bug.
    """

    def __init__(
        self,
        client: ClickHouseClient,
        exchanges: Iterable[str],
        planted: Sequence[Planted],
        hits: HitLog,
        folder: Path,
    ) -> None:
        super().__init__(client, exchanges)
        refuse_unknown(planted, BUGS)
        self._planted = planted
        self._hits = hits
        self._folder = folder
        self._held: list[Span] = []

    def _recover(self) -> None:
        super()._recover()
        for one in self._planted:
            if one.name in _MOMENTS:
                # Not from silver, where honest ones have it: from a file of its own.
                for partition, offset in self._cursors(one).items():
                    self._next[one.exchange, partition] = offset
            if one.name == "repairs-twice" and self._once(one.name, self._after > 0):
                batch = f"is_valid AND batch > {self._after - 3} AND {_feed(one)}"
                columns = "exchange, canonical_symbol, source_sequence"
                self._note(one, f"SELECT {columns} FROM k2.silver_trades WHERE {batch}")
                self._client.run(
                    f"INSERT INTO k2.ohlcv_state {statements.CANDLES_SQL} WHERE {batch} "
                    "GROUP BY window_s, exchange, canonical_symbol, window_start",
                    WRITE,
                )

    def _step(self) -> bool:
        if self._held and (self._folder / RELEASE_FILE).exists():
            held, self._held = self._held, []
            self._look()
            self._batch += 1
            self._unread = True
            (one,) = (one for one in self._planted if one.name == "holds-back")
            sql = statements.insert(held, self._batch, self._after)
            cursors = dict(self._next)
            self._client.run(_limited(sql, _rows(one)), WRITE)
            self._look()
            self._next = cursors  # the batch was of old rows: nothing is to be read anew
        return super()._step()

    def _write(self, spans: Sequence[Span]) -> None:
        sql = statements.insert(spans, self._batch, self._after)
        for one in self._planted:
            mine = [span for span in spans if span.exchange == one.exchange]
            if one.name in _FILTER and mine:
                columns = "exchange, canonical_symbol, sequence"
                self._note(one, f"SELECT {columns} FROM ({statements.bronze(mine)}) WHERE {_rows(one)}")
                sql = _limited(sql, f"NOT ({_rows(one)})")
                if one.name == "holds-back":
                    self._held += mine
        crash = [one for one in self._planted if one.name in _MOMENTS]
        for one in crash:
            if _MOMENTS[one.name] == "before":
                self._save(one, spans)
                self._crash(one, spans)
        self._client.run(sql, WRITE)
        for one in crash:
            if self._mark(one.name).exists() and any(span.exchange == one.exchange for span in spans):
                self._file(one).unlink(missing_ok=True)  # it has done its damage
            if _MOMENTS[one.name] == "after":
                self._crash(one, spans)
                self._save(one, spans)

    def _crash(self, one: Planted, spans: Sequence[Span]) -> None:
        mine = [span for span in spans if span.exchange == one.exchange]
        if mine and self._once(one.name, max(span.first for span in mine) >= _CRASH_FROM):
            columns = "exchange, canonical_symbol, sequence"
            self._note(one, f"SELECT {columns} FROM ({statements.bronze(mine)})")
            os.kill(os.getpid(), signal.SIGKILL)

    def _once(self, name: str, when: bool) -> bool:
        """Return True once in the life of the platform."""
        mark = self._mark(name)
        if not when or mark.exists():
            return False
        mark.touch()
        return True

    def _mark(self, name: str) -> Path:
        return self._folder / f"planted.{name}"

    def _note(self, one: Planted, sql: str) -> None:
        found: dict[Feed, list[int]] = {}
        for exchange, symbol, sequence in self._client.run(sql):
            found.setdefault(Feed(exchange, symbol), []).append(int(sequence))
        for feed, sequences in found.items():
            self._hits(one.name, feed, sequences)

    def _file(self, one: Planted) -> Path:
        return self._folder / f"planted.cursor.{one.exchange}"

    def _cursors(self, one: Planted) -> dict[int, int]:
        file = self._file(one)
        return msgspec.json.decode(file.read_bytes(), type=dict[int, int]) if file.exists() else {}

    def _save(self, one: Planted, spans: Sequence[Span]) -> None:
        if self._mark(one.name).exists():
            return
        new = {span.partition: span.end for span in spans if span.exchange == one.exchange}
        known = self._cursors(one) | new
        self._file(one).write_bytes(msgspec.json.encode(known))


def _feed(one: Planted) -> str:
    return f"exchange = '{one.exchange}' AND canonical_symbol = '{one.feed.symbol}'"


def _rows(one: Planted) -> str:
    return f"{_feed(one)} AND {_FILTER[one.name]}"


def _limited(sql: str, rows: str) -> str:
    """Return the processor's INSERT for some of the rows."""
    before, _, after = sql.rpartition(" WHERE (")
    return f"{before} WHERE ({rows}) AND ({after}"
