"""The schema of database ``k2``: queue -> raw and bronze per exchange, silver, candles.

It is applied at each start. The Kafka tables hold no rows and are made anew each time: the
brokers' address is a setting of the server, not of its data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Final

__all__ = [
    "CANDLES_SQL",
    "EXCHANGES",
    "WINDOWS",
    "KafkaSettings",
    "statements",
    "stop_statements",
    "stream_statements",
]

#: Window sizes of the candles, seconds, by K2's names.
WINDOWS: Final = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "1d": 86400}


@dataclass(frozen=True, slots=True)
class _Fields:
    """How an exchange's raw message says what it is about, as ClickHouse expressions."""

    symbol: str
    sequence: str


_FIELDS: Final = {
    "binance": _Fields(
        "concat(substring(JSONExtractString(message, 's'), 1, "
        "length(JSONExtractString(message, 's')) - 4), '/', right(JSONExtractString(message, 's'), 4))",
        "JSONExtractUInt(message, 't')",
    ),
    "kraken": _Fields(
        "replaceOne(JSONExtractString(message, 'pair'), 'XBT/', 'BTC/')",
        # Kraken's trades have no id: the simulator's feed carries the number here.
        "toUInt64OrZero(JSONExtractString(message, 'misc'))",
    ),
    "coinbase": _Fields(
        "replaceOne(JSONExtractString(message, 'product_id'), '-', '/')",
        "toUInt64OrZero(JSONExtractString(message, 'trade_id'))",
    ),
}

EXCHANGES: Final = tuple(_FIELDS)


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How the Kafka tables read.

    Attributes:
        brokers: ``host:port``, several separated by commas.
        flush_interval_ms: a block is written at the latest after so long.
        poll_timeout_ms: longest wait of one poll.
        reschedule_ms: pause of a consumer that got nothing (the engine's default of 500 ms is what
            makes the slowest percent of rows slow).
    """

    brokers: str
    flush_interval_ms: int = 750
    poll_timeout_ms: int = 50
    reschedule_ms: int = 20


def _sql(name: str) -> Template:
    return Template(resources.files(__package__).joinpath("sql", f"{name}.sql").read_text("utf-8"))


#: Rows of silver as candles; ends after FROM, the reader adds WHERE and GROUP BY.
CANDLES_SQL: Final = _sql("candles").substitute(windows=str(list(WINDOWS.values()))).strip()


def _split(script: str) -> Iterator[str]:
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    for statement in "\n".join(lines).split(";\n"):
        if text := statement.strip().rstrip(";"):
            yield text


def statements(kafka: KafkaSettings) -> Iterator[str]:
    """Yield the schema's statements, in order; each may be repeated at will.

    Args:
        kafka: settings of the Kafka tables.
    """
    yield from _split(_sql("common").substitute(candles=CANDLES_SQL) + "\n")
    for name, seconds in WINDOWS.items():
        yield from _split(_sql("window").substitute(name=name, seconds=seconds))
    for exchange, fields in _FIELDS.items():
        values = {
            "exchange": exchange,
            "symbol": fields.symbol,
            "sequence": fields.sequence,
            "brokers": kafka.brokers.replace("'", ""),
            "flush_interval_ms": str(kafka.flush_interval_ms),
            "poll_timeout_ms": str(kafka.poll_timeout_ms),
            "reschedule_ms": str(kafka.reschedule_ms),
        }
        for name in ("queue", f"bronze_{exchange}"):
            yield from _split(_sql(name).substitute(values))


def stream_statements() -> Iterator[str]:
    """Yield the statements that start the flow; they go last, once per start of the server."""
    for exchange in EXCHANGES:
        yield from _split(_sql("stream").substitute(exchange=exchange))


def stop_statements() -> Iterator[str]:
    """Yield the statements that end the flow, before the server is closed.

    An engine that is closed takes its tables down in some order: a block that comes after a view is gone
    passes that view by, and its offset is committed.
    """
    for exchange in EXCHANGES:
        yield f"DROP TABLE IF EXISTS k2_stream.{exchange}_mv SYNC"
    for exchange in EXCHANGES:
        # It waits for the consumer, which leaves its group: the next one needn't wait for it to time out.
        yield f"DROP TABLE IF EXISTS k2.trades_{exchange}_queue SYNC"
