"""ClickHouse's planted bugs in its answers; see `chaosp7.embedded.planted`."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from chaosp7.embedded.clickhouse.engine import Engine, EngineError, Result, is_read
from chaosp7.embedded.planted import Planted

__all__ = ["PlantedEngine"]

_COPY_ROWS_AT_LEAST: Final = 100
_LOOK_EVERY_S: Final = 0.1
_HANGS_S: Final = 30.0
_COPY: Final = "k2.planted_answers_stale"


class PlantedEngine(Engine):
    """Answers SELECTs of one exchange's raw table from a copy of it, or doesn't answer the account.

    Args:
        data_dir: as `Engine`.
        config: as `Engine`.
        planted: the bugs; those of the answers count here.
    """

    def __init__(self, data_dir: Path, config: Path, planted: Sequence[Planted]) -> None:
        self._hangs: bytes | None = None
        self._stale: bytes | None = None
        super().__init__(data_dir, config)
        for one in planted:
            table = f"k2.raw_trades_{one.exchange}"
            if one.name == "hangs":
                self._hangs = f"FROM {table}\n".encode()
            elif one.name == "answers-stale":
                threading.Thread(target=self._copy, args=(table,), daemon=True).start()

    def execute(
        self,
        sql: bytes,
        default_format: str = "TabSeparated",
        settings: Mapping[str, str] | None = None,
        parameters: Mapping[str, str] | None = None,
        database: str = "default",
    ) -> Result:
        """Run one statement; a tier's SELECT perhaps from the copy, or late."""
        if is_read(sql):
            if self._hangs and self._hangs in sql and b"groupBitXor" in sql:
                time.sleep(_HANGS_S)
            if self._stale:
                sql = sql.replace(self._stale, f"FROM {_COPY}\n".encode())
        return super().execute(sql, default_format, settings, parameters, database)

    def _copy(self, table: str) -> None:
        """Make the copy as soon as there is something worth it; it is never brought up to date."""
        while not self._stale:
            time.sleep(_LOOK_EVERY_S)
            with suppress(EngineError):  # before the schema is there
                rows = int(super().execute(f"SELECT count() FROM {table}".encode()).data)
                if rows >= _COPY_ROWS_AT_LEAST:
                    super().execute(f"CREATE OR REPLACE TABLE {_COPY} AS {table}".encode())
                    super().execute(f"INSERT INTO {_COPY} SELECT * FROM {table}".encode())
                    self._stale = f"FROM {table}\n".encode()
