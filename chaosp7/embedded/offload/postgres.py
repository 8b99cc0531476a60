"""Watermarks in PostgreSQL's table ``offload_watermarks``, as K2 keeps them. Needs the extra `postgres`."""

from __future__ import annotations

from typing import Final

from chaosp7.errors import ConfigError

try:
    import psycopg
except ImportError as error:
    raise ConfigError("watermarks in PostgreSQL need the extra: pip install 'chaosp7[postgres]'") from error

__all__ = ["PostgresWatermarks"]

CONNECT_TIMEOUT_S: Final = 3
STATEMENT_TIMEOUT_MS: Final = 5000

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS offload_watermarks (table_name TEXT PRIMARY KEY, "
    "watermark BIGINT NOT NULL, updated_at TIMESTAMPTZ NOT NULL DEFAULT now())"
)
_ADVANCE: Final = (
    "INSERT INTO offload_watermarks (table_name, watermark) VALUES (%s, %s) "
    "ON CONFLICT (table_name) DO UPDATE SET watermark = excluded.watermark, updated_at = now() "
    "WHERE excluded.watermark > offload_watermarks.watermark"
)


class PostgresWatermarks:
    """Watermarks in PostgreSQL; a connection for each call, so that none can have died meanwhile.

    Args:
        url: ``postgresql://user@host:port/database``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._there = False

    def get(self, table: str) -> int:
        """Return a table's watermark, 0 if it has none."""
        with self._connect() as connection:
            sql = "SELECT watermark FROM offload_watermarks WHERE table_name = %s"
            row = connection.execute(sql, (table,)).fetchone()
        return int(row[0]) if row else 0

    def advance(self, table: str, watermark: int) -> None:
        """Raise a table's watermark; a lower one than the present one changes nothing."""
        with self._connect() as connection:
            connection.execute(_ADVANCE, (table, watermark))

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _connect(self) -> psycopg.Connection[tuple[int, ...]]:
        connection = psycopg.connect(
            self._url,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
            tcp_user_timeout=STATEMENT_TIMEOUT_MS,
        )
        if not self._there:
            connection.execute(_TABLE)
            connection.commit()
            self._there = True
        return connection
