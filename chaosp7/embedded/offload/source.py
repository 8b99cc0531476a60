"""What is new in ClickHouse: whole batches of silver, and candles that these have changed.

An answer that breaks off must never pass for a short one: Arrow's stream may end anywhere between
two blocks. So each answer says in a column of its own how many rows it has.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import requests

from chaosp7.platform.clickhouse import PASSWORD_ENV, USER_ENV

__all__ = ["Increment", "Source", "SourceError"]

#: Batches that one look goes through at most.
_BATCHES: Final = 10_000
_ROWS: Final = "_rows"

_SETTINGS: Final = {"output_format_arrow_string_as_string": "1", "wait_end_of_query": "1"}

_SILVER: Final = (
    "SELECT lower(toString(s.exchange)) AS exchange, toString(s.canonical_symbol) AS symbol, "
    "toInt64(s.source_sequence) AS source_sequence, s.price AS price, s.quantity AS quantity, "
    "toString(s.side) AS side, s.timestamp AS trade_time, toInt64(s.batch) AS batch, "
    f"s.processed_at AS processed_at, count() OVER () AS {_ROWS} "
    "FROM k2.silver_trades AS s WHERE s.batch > {after} AND s.batch <= {to} "
    "ORDER BY exchange, symbol, source_sequence FORMAT ArrowStream"
)

#: Candles changed since, each as it is at the moment of the query: one look at the table's parts.
_GOLD: Final = (
    "SELECT toInt64(s.window_s) AS window_s, lower(toString(s.exchange)) AS exchange, "
    "toString(s.canonical_symbol) AS symbol, toDateTime64(s.window_start, 6, 'UTC') AS window_start, "
    "argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close, "
    "CAST(sum(s.volume) AS Decimal(38, 8)) AS volume, "
    "CAST(sum(s.quote_volume) AS Decimal(38, 8)) AS quote_volume, "
    "toInt64(sum(s.trade_count)) AS trade_count, toInt64(max(s.last_batch)) AS last_batch, "
    f"count() OVER () AS {_ROWS} "
    "FROM k2.ohlcv_state AS s GROUP BY s.window_s, s.exchange, s.canonical_symbol, s.window_start "
    "HAVING last_batch > {after} "
    "ORDER BY exchange, symbol, window_s, window_start FORMAT ArrowStream"
)


class SourceError(Exception):
    """ClickHouse answered with an error, or not with all that it should."""


@dataclass(frozen=True, slots=True)
class Increment:
    """Rows of the batches ``after + 1`` to ``to``.

    Attributes:
        after: the batch before the first.
        to: the last batch.
        rows: the rows, sorted.
        more: whether more is waiting.
    """

    after: int
    to: int
    rows: pa.Table
    more: bool = False


class Source:
    """ClickHouse with time limits and without retries.

    Args:
        address: its HTTP port, ``host:port``.
        rows_max: most rows of an increment, if more than one batch.
        connect_timeout_s: limit for a connection, seconds.
        read_timeout_s: limit for each wait for an answer, seconds.
    """

    def __init__(
        self,
        address: str,
        rows_max: int = 100_000,
        connect_timeout_s: float = 1.0,
        read_timeout_s: float = 5.0,
    ) -> None:
        self._url = f"http://{address}/"
        self._rows_max = rows_max
        self._timeout_s = (connect_timeout_s, read_timeout_s)
        self._headers = {}
        if user := os.environ.get(USER_ENV):
            self._headers = {
                "X-ClickHouse-User": user,
                "X-ClickHouse-Key": os.environ.get(PASSWORD_ENV, ""),
            }

    def newest(self) -> int:
        """Return the number of silver's newest batch, 0 if there is none."""
        return int(self._ask("SELECT max(batch) FROM k2.silver_trades").decode())

    def silver(self, after: int) -> Increment | None:
        """Return the next whole batches of silver; None if there is nothing new."""
        sql = (
            f"SELECT batch, count() FROM k2.silver_trades WHERE batch > {after} "
            f"GROUP BY batch ORDER BY batch LIMIT {_BATCHES}"
        )
        waiting = [tuple(map(int, line.split("\t"))) for line in self._ask(sql).decode().splitlines()]
        if not waiting:
            return None
        to, wanted, taken = after, 0, 0
        for batch, rows in waiting:
            if taken and wanted + rows > self._rows_max:
                break
            to, wanted, taken = batch, wanted + rows, taken + 1
        rows = self._rows(_SILVER.format(after=after, to=to))
        # Silver gets nothing more below its newest batch: what was counted is what has to come.
        if rows.num_rows != wanted:
            raise SourceError(f"{rows.num_rows} rows of silver came instead of {wanted}")
        return Increment(after, to, rows, more=taken < len(waiting) or len(waiting) == _BATCHES)

    def gold(self, after: int) -> Increment | None:
        """Return all candles that later batches have changed; None if there are none."""
        rows = self._rows(_GOLD.format(after=after))
        if not rows.num_rows:
            return None
        to: int = max(rows.column("last_batch").to_pylist())
        return Increment(after, to, rows)

    def _rows(self, sql: str) -> pa.Table:
        body = self._ask(sql)
        try:
            table = pa.ipc.open_stream(body).read_all()
        except pa.ArrowInvalid as error:
            raise SourceError(f"not a whole answer: {error}") from error
        said = table.column(_ROWS)[0].as_py() if table.num_rows else 0
        if said != table.num_rows:
            raise SourceError(f"{table.num_rows} rows came instead of {said}")
        return table.drop_columns([_ROWS])

    def _ask(self, sql: str) -> bytes:
        answer = requests.post(
            self._url, sql.encode(), params=_SETTINGS, headers=self._headers, timeout=self._timeout_s
        )
        if not answer.ok or answer.headers.get("X-ClickHouse-Exception-Code"):
            raise SourceError(answer.text.strip()[:500])
        return answer.content
