"""ClickHouse's planted bugs in the schema's text; see `chaosp7.embedded.planted`.

A view is wrapped: ``SELECT * REPLACE (...) FROM (<honest view>) WHERE ...``, for the messages of one feed.
Another view beside it writes down what the first one has damaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaosp7.embedded.clickhouse.engine import Engine
from chaosp7.embedded.planted import DAMAGED_SQL, HITS_TABLE, Planted, refuse_unknown

__all__ = ["BUGS", "altered", "on_start"]

_HITS: Final = (
    f"CREATE TABLE IF NOT EXISTS {HITS_TABLE} (bug String, exchange String, symbol String, sequence UInt64) "
    "ENGINE = MergeTree ORDER BY (bug, exchange, symbol, sequence)"
)
_SEGMENT: Final = 50
_BAD_SEQUENCE: Final = 77


@dataclass(frozen=True, slots=True)
class _View:
    """What is wrong with a view into bronze.

    Attributes:
        column: which column gets another value; empty: rows are left out.
        value: the wrong value.
        rows: of which rows.
    """

    column: str
    value: str
    rows: str = DAMAGED_SQL


_VIEWS: Final = {
    "cuts-times": _View(
        "exchange_timestamp", "toDateTime64(toDateTime(exchange_timestamp, 'UTC'), 3, 'UTC')"
    ),
    "prices-as-float": _View("price", "toDecimal64(toFloat32(price), 8)"),
    "swaps-sides": _View("side", "if(side = 'SELL', 'BUY', 'SELL')"),
    "cuts-quantities": _View("quantity", "toDecimal64(toDecimal64(quantity, 4), 8)"),
    "drops-empty-fields": _View("", "", "JSONExtractString(raw_message, 'order_type') = ''"),
    "drops-block-of-bad-row": _View("", "", "bad_in_block > 0"),
}

_WINDOW_START: Final = "intDiv(toUnixTimestamp(timestamp), window_s) * window_s"
_CLOSE: Final = "argMaxState(price, (timestamp, source_sequence))"
_BACKWARDS: Final = "fromUnixTimestamp64Micro(4000000000000000 - toUnixTimestamp64Micro(timestamp), 'UTC')"


def _feed(one: Planted) -> str:
    return f"exchange = '{one.exchange}' AND canonical_symbol = '{one.feed.symbol}'"


#: Text of the candles -> the wrong one, for one feed.
_CANDLES: Final[dict[str, Callable[[str, Planted], str]]] = {
    "labels-by-end": lambda sql, one: sql.replace(
        _WINDOW_START, f"{_WINDOW_START} + if({_feed(one)}, window_s, 0)"
    ),
    "swaps-high-and-low": lambda sql, one: sql.replace(
        "max(price) AS high", f"if({_feed(one)}, min(price), max(price)) AS high"
    ).replace("min(price) AS low", f"if({_feed(one)}, max(price), min(price)) AS low"),
    "closes-with-first": lambda sql, one: sql.replace(
        _CLOSE, f"argMaxState(price, (if({_feed(one)}, {_BACKWARDS}, timestamp), source_sequence))"
    ),
}


def altered(honest: Iterable[str], planted: Sequence[Planted]) -> Iterator[str]:
    """Yield the schema's statements with the bugs in them.

    Args:
        honest: the statements.
        planted: the bugs.

    Raises:
        ConfigError: if there is no such bug.
    """
    refuse_unknown(planted, BUGS)
    for statement in honest:
        yield from _altered(statement, planted)
        if planted and statement == "CREATE DATABASE IF NOT EXISTS k2":
            yield _HITS


def _altered(statement: str, planted: Sequence[Planted]) -> Iterator[str]:
    beside: list[str] = []
    for one in planted:
        if one.name in _CANDLES and "k2.ohlcv_mv TO" in statement:
            statement = _CANDLES[one.name](statement, one)
        if one.name == "collapses-twins" and "TABLE IF NOT EXISTS k2.bronze_trades_kraken" in statement:
            key = (
                f"canonical_symbol, if(canonical_symbol = '{one.feed.symbol}', 0, sequence), timestamp, price"
            )
            statement = statement.replace("= MergeTree", "= ReplacingMergeTree").replace(
                "ORDER BY (canonical_symbol, sequence)", f"ORDER BY ({key})"
            )
    wrong = [one for one in planted if one.name in _VIEWS and _is_bronze_view(statement, one.exchange)]
    if wrong:
        head, select = statement.split(" AS\nWITH", 1)
        select = "WITH" + select.replace("\nSELECT\n", "\nSELECT message AS raw_message,\n", 1)
        statement = f"{head} AS {_wrapped(select, wrong)}"
        everything = select.replace("offset >= stored[partition]", "1")
        for one in wrong:
            view = _VIEWS[one.name]
            changed = f" AND {view.column} != {view.value}" if view.column else ""
            beside.append(
                f"CREATE MATERIALIZED VIEW IF NOT EXISTS k2.`planted {one.name}` TO {HITS_TABLE} AS "
                f"SELECT '{one.name}' AS bug, '{one.exchange}' AS exchange, canonical_symbol AS symbol, sequence "
                f"FROM ({_by_block(everything)}) WHERE {_rows(one)}{changed}"
            )
    yield statement
    yield from beside


def _is_bronze_view(statement: str, exchange: str) -> bool:
    return f"k2.bronze_trades_{exchange}_mv TO" in statement


def _rows(one: Planted) -> str:
    return f"canonical_symbol = '{one.feed.symbol}' AND {_VIEWS[one.name].rows}"


def _by_block(select: str) -> str:
    bad = f"countIf(sequence = {_BAD_SEQUENCE}) OVER (PARTITION BY canonical_symbol)"
    return f"SELECT *, {bad} AS bad_in_block FROM ({select})"


def _wrapped(select: str, wrong: Sequence[Planted]) -> str:
    values = [
        f"if({_rows(one)}, {view.value}, {view.column}) AS {view.column}"
        for one in wrong
        if (view := _VIEWS[one.name]).column
    ]
    dropped = [f"({_rows(one)})" for one in wrong if not _VIEWS[one.name].column]
    replace = f" REPLACE ({', '.join(values)})" if values else ""
    keep = f" WHERE NOT ({' OR '.join(dropped)})" if dropped else ""
    return f"SELECT * EXCEPT (raw_message, bad_in_block){replace} FROM ({_by_block(select)}){keep}"


def _skip_batch(one: Planted) -> Iterator[str]:
    """After its restart the consumer goes on behind the next batch of messages."""
    raw, stream = f"k2.raw_trades_{one.exchange}", f"k2.trades_{one.exchange}_stream"
    skipped = (
        f"(SELECT groupArray((partition, n)) FROM (SELECT partition, max(offset) + 1 AS n FROM {raw} "
        "GROUP BY partition))"
    )
    yield (
        "CREATE TABLE IF NOT EXISTS k2.planted_skipped (exchange String, partition UInt16, first UInt64) "
        "ENGINE = MergeTree ORDER BY exchange"
    )
    yield (
        f"INSERT INTO k2.planted_skipped SELECT '{one.exchange}', t.1, t.2 FROM (SELECT arrayJoin({skipped}) AS t)"
    )
    gone = (
        f"arrayExists(t -> t.1 = partition AND offset >= t.2 AND offset < t.2 + {_SEGMENT}, "
        "(SELECT groupArray((partition, first)) FROM k2.planted_skipped "
        f"WHERE exchange = '{one.exchange}'))"
    )
    for table in (raw, f"k2.bronze_trades_{one.exchange}"):
        view = f"{table}_mv"
        yield f"ALTERED {view} {gone}"
    yield (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS k2.`planted {one.name}` TO {HITS_TABLE} AS SELECT "
        f"'{one.name}' AS bug, '{one.exchange}' AS exchange, symbol, sequence FROM (SELECT "
        f"replaceOne(JSONExtractString(message, 'product_id'), '-', '/') AS symbol, "
        f"toUInt64OrZero(JSONExtractString(message, 'trade_id')) AS sequence FROM {stream} WHERE {gone})"
    )


def _replay(one: Planted) -> Iterator[str]:
    """After its restart the server takes its newest segment once more."""
    raw = f"k2.raw_trades_{one.exchange}"
    rows = f"FROM {raw} WHERE offset + {_SEGMENT} > (SELECT max(offset) FROM {raw})"
    yield f"INSERT INTO {HITS_TABLE} SELECT '{one.name}', '{one.exchange}', symbol, sequence {rows}"
    yield f"INSERT INTO {raw} SELECT * {rows}"


def _hole(one: Planted) -> Iterator[str]:
    """The server comes back from a backup that lacks a part of silver."""
    rows = (
        f"{_feed(one)} AND source_sequence BETWEEN 40 AND 60 "
        "AND source_sequence + 30 < (SELECT max(source_sequence) FROM k2.silver_trades)"
    )
    yield (
        f"INSERT INTO {HITS_TABLE} SELECT '{one.name}', exchange, canonical_symbol, source_sequence "
        f"FROM k2.silver_trades WHERE {rows}"
    )
    yield f"DELETE FROM k2.silver_trades WHERE {rows}"


_RESTARTS: Final = {
    "skips-batch": _skip_batch,
    "replays-segment": _replay,
    "restores-with-hole": _hole,
}

#: Of the answers: see `planted_reads`.
_READS: Final = ("answers-stale", "hangs")

BUGS: Final = (*_VIEWS, *_CANDLES, *_RESTARTS, *_READS, "collapses-twins")


def on_start(engine: Engine, planted: Iterable[Planted], *, again: bool) -> None:
    """Do what a bug does when the server is started, before anything is read.

    Args:
        engine: the schema is applied.
        planted: the bugs.
        again: whether this isn't the first start.
    """
    for one in planted:
        if not again or one.name not in _RESTARTS:
            continue
        for statement in _RESTARTS[one.name](one):
            if statement.startswith("ALTERED "):
                _, view, gone = statement.split(" ", 2)
                select = engine.execute(
                    f"SELECT as_select FROM system.tables WHERE concat(database, '.', name) = '{view}'".encode(),
                    "RawBLOB",
                ).data.decode()
                target = view.removesuffix("_mv")
                engine.execute(f"DROP TABLE {view} SYNC".encode())
                engine.execute(
                    f"CREATE MATERIALIZED VIEW {view} TO {target} AS {select} AND NOT {gone}".encode()
                )
            else:
                engine.execute(statement.encode())
