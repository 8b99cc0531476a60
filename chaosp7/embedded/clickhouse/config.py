"""The server's configuration: what a ClickHouse needs to be back quickly after a fault."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["write_config"]

#: librdkafka's properties, ``_`` for ``.``, for all Kafka tables.
_KAFKA: Final = {
    # Longer than a broker takes to come back, so that its restart costs no rebalance; shorter than
    # librdkafka's 45 s, for so long a killed server's consumers hold their partitions. Static
    # membership would spare that wait, but after a session time-out librdkafka then sends a
    # heartbeat without its member id, is fenced, and the consumer is dead for good.
    "session_timeout_ms": 10000,
    "heartbeat_interval_ms": 1000,
    "auto_offset_reset": "earliest",
    "allow_auto_create_topics": "false",
    # A broker that is back is found within a quarter of a second.
    "reconnect_backoff_ms": 50,
    "reconnect_backoff_max_ms": 250,
    "retry_backoff_ms": 50,
    "retry_backoff_max_ms": 250,
    "coordinator_query_interval_ms": 1000,
    "fetch_error_backoff_ms": 50,
    # Few large fetches: at one per message and exchange they cost more than all the rest.
    "fetch_wait_max_ms": 100,
    "fetch_min_bytes": 100000,
    # A topic that comes later is seen within two seconds.
    "topic_metadata_refresh_interval_ms": 2000,
    "socket_connection_setup_timeout_ms": 2000,
    "log_connection_close": "false",
}

_SERVER: Final = {
    # A consumer that always has something to read never gives its thread back: with as many
    # threads as a small machine has cores, the third topic would starve.
    "background_message_broker_schedule_pool_size": 6,
    "background_schedule_pool_size": 8,
}


def write_config(path: Path) -> None:
    """Write the configuration file.

    Args:
        path: where; what is there is replaced.
    """
    kafka = "".join(f"    <{name}>{value}</{name}>\n" for name, value in _KAFKA.items())
    server = "".join(f"  <{name}>{value}</{name}>\n" for name, value in _SERVER.items())
    path.write_text(f"<clickhouse>\n{server}  <kafka>\n{kafka}  </kafka>\n</clickhouse>\n", "utf-8")
