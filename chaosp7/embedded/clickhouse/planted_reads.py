"""ClickHouse's planted bugs in its answers; see `chaosp7.embedded.planted`."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from chaosp7.embedded.clickhouse.engine import Engine, EngineError, Result, is_read
from chaosp7.embedded.clickhouse.planted import READS
from chaosp7.embedded.planted import Planted

__all__ = ["PlantedEngine"]

_COPY_ROWS_AT_LEAST: Final = 100
_COPY_EVERY_S: Final = 1.0
_HANGS_S: Final = 30.0


def _copy_of(name: str) -> str:
    return f"k2.planted_{name.replace('-', '_')}"


class PlantedEngine(Engine):
    """Answers SELECTs of one exchange's raw table from a copy of it, or never.

    Args:
        data_dir: as `Engine`.
        config: as `Engine`.
        planted: the bugs; those of the answers count here.
    """

    def __init__(self, data_dir: Path, config: Path, planted: Sequence[Planted]) -> None:
        self._bugs: dict[str, str] = {}
        self._copied: set[str] = set()
        super().__init__(data_dir, config)
        self._bugs = {one.name: f"k2.raw_trades_{one.exchange}" for one in planted if one.name in READS}
        for name, every_s in (("answers-stale", None), ("answers-late-copy", _COPY_EVERY_S)):
            if name in self._bugs:
                arguments = (self._bugs[name], _copy_of(name), every_s)
                threading.Thread(target=self._copy, args=arguments, daemon=True).start()

    def execute(
        self,
        sql: bytes,
        default_format: str = "TabSeparated",
        settings: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        database: str = "default",
    ) -> Result:
        """Run one statement; a SELECT perhaps from the copy."""
        if self._bugs and is_read(sql) and b"exchange" in sql:
            for name, table in self._bugs.items():
                if name == "hangs" and b"groupBitXor" in sql and f"FROM {table}".encode() in sql:
                    time.sleep(_HANGS_S)
                copy = _copy_of(name)
                if copy in self._copied:
                    sql = sql.replace(f"FROM {table}\n".encode(), f"FROM {copy}\n".encode())
        return super().execute(sql, default_format, settings, parameters, database)

    def _copy(self, table: str, copy: str, every_s: float | None) -> None:
        while True:
            time.sleep(0.1 if copy not in self._copied else every_s or 1.0)
            try:
                rows = int(super().execute(f"SELECT count() FROM {table}".encode()).data)
                if rows < _COPY_ROWS_AT_LEAST:
                    continue
                new = f"{copy}_new"
                for statement in (
                    f"CREATE TABLE IF NOT EXISTS {copy} AS {table}",
                    f"DROP TABLE IF EXISTS {new} SYNC",
                    f"CREATE TABLE {new} AS {table}",
                    f"INSERT INTO {new} SELECT * FROM {table}",
                    f"EXCHANGE TABLES {copy} AND {new}",
                ):
                    super().execute(statement.encode())
                self._copied.add(copy)
            except EngineError:
                continue
            if every_s is None:
                return
