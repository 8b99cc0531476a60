"""The tracker's tables: their rows, as they stand before anything is measured."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["FAILURES", "LATENCY", "PENDING", "RESOURCES", "FailureRow"]

PENDING: Final = "⬜ Pending"


class FailureRow(NamedTuple):
    """A row of the failure modes.

    Attributes:
        experiment: whose runs fill it in.
    """

    failure: str
    expected: str
    experiment: str


FAILURES: Final = (
    FailureRow("Redpanda restart", "10s", "redpanda-restart"),
    FailureRow("ClickHouse restart", "15s", "clickhouse-restart"),
    FailureRow("Feed Handler crash", "5s", "feed-handler-crash"),
    FailureRow("Silver Processor crash", "10s", "silver-processor-crash"),
    FailureRow("MinIO unavailable", "N/A (retry)", "minio-unavailable"),
    FailureRow("Network partition", "30s", "network-partition"),
)

LATENCY: Final = (
    ("Exchange → Handler", "< 1ms"),
    ("Handler → Redpanda", "< 2ms"),
    ("Redpanda → CH Raw", "< 3ms"),
    ("Raw → Bronze (MV)", "< 1ms"),
    ("Silver Processor", "< 3ms"),
    ("Silver → Gold (MV)", "< 1ms"),
    ("**Total**", "**< 11ms**"),
)

RESOURCES: Final = (
    ("`feed-handler-binance`", "0.5", "256MB"),
    ("`feed-handler-kraken`", "0.5", "256MB"),
    ("`feed-handler-coinbase`", "0.5", "256MB"),
    ("`redpanda`", "2.0", "4GB"),
    ("`clickhouse`", "4.0", "8GB"),
    ("`spark-iceberg`", "2.0", "4GB"),
    ("`prefect-server`", "0.5", "512MB"),
    ("`prefect-worker`", "0.5", "512MB"),
    ("`prefect-db`", "0.5", "512MB"),
    ("`minio`", "0.5", "1GB"),
    ("`iceberg-rest`", "0.5", "512MB"),
    ("`prometheus`", "0.5", "512MB"),
    ("`grafana`", "0.5", "256MB"),
    ("**Total**", "**~15.5**", "**~21.75GB**"),
)
