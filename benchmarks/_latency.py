"""How long messages took from the source to silver."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Records
from chaosp7.errors import MeasurementError
from chaosp7.platform.clickhouse import ClickHouse, literal

__all__ = ["ARRIVAL_S", "latencies_ms"]

#: How long a message may take.
ARRIVAL_S = 30.0


def latencies_ms(clickhouse: ClickHouse, feeds: Sequence[Feed], sent: Records, offset_ns: int) -> list[float]:
    """Return how long each message took from its send time to silver's ``processed_at``, milliseconds.

    Args:
        clickhouse: of the embedded platform.
        feeds: of the ledger, by index.
        sent: its records.
        offset_ns: the wall clock less the monotonic one, nanoseconds.

    Raises:
        MeasurementError: if not all of them come to silver.
    """
    conditions = []
    for index in np.unique(sent["feed"]).tolist():
        feed, sequences = feeds[index], sent["sequence"][sent["feed"] == index]
        conditions.append(
            f"(lower(exchange) = {literal(feed.exchange)} AND canonical_symbol = {literal(feed.symbol)} "
            f"AND source_sequence BETWEEN {sequences.min()} AND {sequences.max()})"
        )
    sql = (
        "SELECT lower(exchange), canonical_symbol, source_sequence, "
        "min(toUnixTimestamp64Micro(processed_at)) FROM k2.silver_trades "
        f"WHERE {' OR '.join(conditions)} GROUP BY 1, 2, 3"
    )
    deadline_s = time.monotonic() + ARRIVAL_S
    while len((columns := clickhouse.columns(sql, 4))[0]) < len(sent):
        if time.monotonic() > deadline_s:
            raise MeasurementError(f"of {len(sent)} messages {len(columns[0])} came to silver")
        time.sleep(1.0)
    written_us = {key: us for *key_, us in zip(*columns, strict=True) if (key := tuple(key_))}
    result = []
    for index, sequence, sent_ns in zip(
        sent["feed"].tolist(), sent["sequence"].tolist(), sent["sent_ns"].tolist(), strict=True
    ):
        feed = feeds[index]
        written_ns = written_us[feed.exchange, feed.symbol, sequence] * 1000
        result.append((written_ns - sent_ns - offset_ns) / 1e6)
    return result
