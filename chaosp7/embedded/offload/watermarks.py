"""Where each table is known to be at least: the offload's own memory.

It is a lower bound, and nothing that correctness rests on: what the table itself says counts.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol

__all__ = ["SqliteWatermarks", "Watermarks", "open_watermarks"]


class Watermarks(Protocol):
    """A watermark per table; it only ever rises."""

    def get(self, table: str) -> int:
        """Return a table's watermark, 0 if it has none."""

    def advance(self, table: str, watermark: int) -> None:
        """Raise a table's watermark; a lower one than the present one changes nothing."""

    def close(self) -> None:
        """Let go of the store."""


class SqliteWatermarks:
    """Watermarks in a file of SQLite.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._connect()) as connection, connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS offload_watermarks "
                "(table_name TEXT PRIMARY KEY, watermark INTEGER NOT NULL, updated_at TEXT NOT NULL)"
            )

    def get(self, table: str) -> int:
        """Return a table's watermark, 0 if it has none."""
        sql = "SELECT watermark FROM offload_watermarks WHERE table_name = ?"
        with closing(self._connect()) as connection:
            row = connection.execute(sql, (table,)).fetchone()
        return int(row[0]) if row else 0

    def advance(self, table: str, watermark: int) -> None:
        """Raise a table's watermark; a lower one than the present one changes nothing."""
        sql = (
            "INSERT INTO offload_watermarks VALUES (?, ?, datetime('now')) "
            "ON CONFLICT (table_name) DO UPDATE SET watermark = excluded.watermark, "
            "updated_at = excluded.updated_at WHERE excluded.watermark > offload_watermarks.watermark"
        )
        with closing(self._connect()) as connection, connection:
            connection.execute(sql, (table, watermark))

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _connect(self) -> sqlite3.Connection:
        # Another offload may be at it: two at once are wrong, but must do no harm.
        return sqlite3.connect(self._path, timeout=5.0)


def open_watermarks(url: str, folder: Path) -> Watermarks:
    """Return the store that a URL names.

    Args:
        url: ``postgresql://...``, or empty for a file in the folder.
        folder: the offload's own.

    Raises:
        ConfigError: there is no driver for it.
    """
    if not url:
        return SqliteWatermarks(folder / "watermarks.db")
    from chaosp7.embedded.offload.postgres import PostgresWatermarks  # noqa: PLC0415  # an extra

    return PostgresWatermarks(url)
