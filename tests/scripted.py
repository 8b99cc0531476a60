"""A platform without a pipeline: a script writes ledger, topics and tables itself, and withholds a tier.

Broker, ClickHouse and recorder are real. For each write the script notes between which two moments its
messages became visible, so that what really happened is known to a few milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import Producer

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import LedgerWriter
from chaosp7.account.ledger_format import RECORD, LedgerHeader
from chaosp7.account.readers.topic import end_offsets
from chaosp7.embedded import topics
from chaosp7.platform.model import Platform, Tier, TierKind
from chaosp7.recorder.candle_baseline import CandleBaseline
from chaosp7.recorder.recorder import Recorder
from chaosp7.recorder.source import Source
from chaosp7.recovery.freshness import Look, replay
from chaosp7.recovery.recovery import TierRecovery, measure
from chaosp7.recovery.spans import Figure
from tests.clickhouse_process import ClickHouseProcess
from tests.truth import Arrival, Truth, truth
from tests.waiting import ANSWER_S

__all__ = ["FEEDS", "TABLES", "TOLERANCE_MS", "Measured", "Scripted"]

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
TABLES = ("raw", "bronze", "silver")
#: As small as each tier's writes and looks allow on a machine where an insert takes 0.1 s, and a look twice that.
TOLERANCE_MS = {"topic": 60, "raw": 600, "bronze": 600, "silver": 600, "gold": 600}
STABILITY_NS = 500_000_000
_TOPIC_EXTRA_NS = 20_000_000
_SEND_EVERY_S, _INSERT_EVERY_S = 0.01, 0.2
_MS = 1_000_000


@dataclass(frozen=True)
class Measured:
    """One outage of one tier: what was measured, and the truth at its earliest and at its latest."""

    tier: str
    found: TierRecovery
    early: Truth
    late: Truth

    def figures(self) -> list[tuple[str, Figure, int, int]]:
        """Return name, figure, and the bounds of the truth, of all that was measured."""
        found = [
            ("detection", self.found.detection, self.early.detection_ns, self.late.detection_ns),
            ("recovery", self.found.recovery, self.early.recovery_ns, self.late.recovery_ns),
            ("outage", self.found.outage, self.early.outage_ns, self.late.outage_ns),
            ("first new", self.found.first_new, self.early.first_new_ns, self.late.first_new_ns),
            ("backlog gone", self.found.backlog_gone, self.early.backlog_gone_ns, self.late.backlog_gone_ns),
        ]
        return [
            (name, figure, min(one, other), max(one, other))
            for name, figure, one, other in found
            if figure is not None and one is not None and other is not None
        ]

    def outside(self) -> list[str]:
        """Return what was stated and isn't true, in words."""
        wrong = [
            f"{self.tier} {name}: {figure.value_ns / 1e9:.4f} s ± {figure.uncertainty_ns / 1e9:.4f}, "
            f"truly {low / 1e9:.4f} to {high / 1e9:.4f} s"
            for name, figure, low, high in self.figures()
            if figure.value_ns - figure.uncertainty_ns > high or figure.value_ns + figure.uncertainty_ns < low
        ]
        if self.found.recovery is not None and self.late.recovery_ns is None:
            wrong.append(f"{self.tier} recovered, but truly it didn't")
        return wrong


class Scripted:
    """The platform, from `start` to `stop`.

    Args:
        bootstrap: a real broker.
        clickhouse: a real ClickHouse.
        folder: for the ledger.
        name: of topics and database.
    """

    def __init__(self, bootstrap: str, clickhouse: ClickHouseProcess, folder: Path, name: str) -> None:
        self._clickhouse, self._name = clickhouse, name
        topic_names = {feed.exchange: f"{name}.{feed.exchange}" for feed in FEEDS}
        topics.create(bootstrap, list(topic_names.values()), 1)
        tiers = {"topic": _tier(TierKind.TOPIC, "topic", {}, 10)}
        clickhouse.run(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
        for tier in TABLES:
            table = f"{name}.{tier}"
            clickhouse.run(
                f"CREATE TABLE {table} (exchange String, symbol String, sequence UInt64) ENGINE = MergeTree ORDER BY sequence"
            )
            tiers[tier] = _tier(TierKind.TABLE, tier, {table: f"SELECT * FROM {table}"}, 50)
        table = f"{name}.gold"
        clickhouse.run(
            f"CREATE TABLE {table} (window_s UInt32, exchange String, symbol String, window_start_s UInt32, trade_count UInt64) ENGINE = MergeTree ORDER BY window_start_s"
        )
        tiers["gold"] = _tier(TierKind.CANDLES, "gold", {table: f"SELECT * FROM {table}"}, 50)
        feeds = {feed.exchange: [feed.symbol] for feed in FEEDS}
        model = Platform(
            name=name,
            driver="process",
            feeds=feeds,
            services={},
            links={},
            topics=topic_names,
            partitions=1,
            tiers=tiers,
        )
        now_ns = time.monotonic_ns()
        header = LedgerHeader("scripted", 1, 200.0, FEEDS, (1, 1), now_ns, time.time_ns(), now_ns)
        path = folder / f"{name}.ledger"
        self._ledger = LedgerWriter(path, header)
        self._sent = 0
        self._over = threading.Event()
        self._withheld: dict[str, int] = {}
        self._replayed: dict[str, list[Look]] = {}
        self._arrivals: dict[str, list[tuple[int, int, int]]] = {tier: [] for tier in tiers}
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        self._topics = topic_names
        candles = CandleBaseline(since_s=0, candles={"gold": {60: {}}})
        starts = end_offsets(bootstrap, list(topic_names.values()))
        self.recorder = Recorder(
            model, Source(path), bootstrap, starts, ("127.0.0.1", clickhouse.port), candles
        )
        writers: list[tuple[str, Callable[[int, int], None]]] = [("topic", self._produce)]
        writers += [(tier, lambda a, b, tier=tier: self._insert(tier, a, b)) for tier in TABLES]  # type: ignore[misc]
        writers.append(("gold", self._candles))
        self._threads = [threading.Thread(target=self._send, daemon=True)]
        for place, (tier, write) in enumerate(writers):
            every_s = _SEND_EVERY_S if tier == "topic" else _INSERT_EVERY_S
            self._threads.append(
                threading.Thread(target=self._write, args=(tier, write, every_s, place * 0.02), daemon=True)
            )

    def start(self) -> None:
        self.recorder.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self.recorder.stop()
        self._ledger.close(time.monotonic_ns())
        self.recorder.source.poll()

    def withhold(self, tier: str, for_s: float) -> int:
        """Write nothing to a tier from now on for so long, then all at once; return when it began, ns."""
        now_ns = time.monotonic_ns()
        self._withheld[tier] = now_ns + round(for_s * 1e9)
        return now_ns

    def rest(self, for_s: float, at_most_s: float = 10.0) -> None:
        """Wait until no tier was late for so long: a busy machine may take a while over what was withheld.

        Args:
            for_s: how long all must have been in time, seconds.
            at_most_s: how long to wait for that: a machine may be too slow for it.
        """
        limit_s = time.monotonic() + at_most_s
        since_s = time.monotonic()
        while (now_s := time.monotonic()) < min(since_s + for_s, limit_s):
            if any(
                now_s - noted[-1][0] / 1e9 > TOLERANCE_MS[tier] / 1e3
                for tier, noted in self._arrivals.items()
                if noted
            ):
                since_s = now_s
            time.sleep(0.01)

    def measured(self, tier: str, fault_ns: int, end_ns: int) -> Measured:
        """Compare what the recorder saw of a tier with the truth; when all has stopped."""
        sends, start_ns = self.recorder.source.sends, self.recorder.source.start_ns
        tolerance_ns = TOLERANCE_MS[tier] * _MS
        looks = self._looks(tier)
        extra_ns = _TOPIC_EXTRA_NS if tier == "topic" else 0
        found = measure(looks, sends, fault_ns, end_ns, tolerance_ns, STABILITY_NS, extra_ns)

        def really(which: int) -> Truth:
            arrivals = [
                Arrival(noted[which], feed, noted[2]) for noted in self._arrivals[tier] for feed in (0, 1)
            ]
            return truth(arrivals, sends, start_ns, fault_ns, end_ns, tolerance_ns)

        return Measured(tier, found, really(0), really(1))

    def _looks(self, tier: str) -> list[Look]:
        # Of ten minutes this takes a second, and hundreds of outages are asked for.
        if tier not in self._replayed:
            source, timeline = self.recorder.source, self.recorder.timelines[tier]
            self._replayed[tier] = list(
                replay(timeline.samples, source.sends, {}, source.start_ns, TOLERANCE_MS[tier] * _MS)
            )
        return self._replayed[tier]

    def _send(self) -> None:
        due_s = time.monotonic()
        while not self._over.is_set():
            records = np.zeros(2, dtype=RECORD)
            records["feed"], records["sequence"], records["reached"] = (0, 1), self._sent + 1, 1
            records["sent_ns"] = records["intended_ns"] = time.monotonic_ns()
            self._ledger.append(records)
            self._sent += 1
            due_s += _SEND_EVERY_S
            time.sleep(max(0, due_s - time.monotonic()))

    def _write(self, tier: str, write: Callable[[int, int], None], every_s: float, after_s: float) -> None:
        done, due_s = 0, time.monotonic() + after_s
        while not self._over.is_set():
            due_s += every_s
            back_ns = self._withheld.get(tier, 0)
            time.sleep(
                max(
                    0,
                    due_s - time.monotonic(),
                    (back_ns - time.monotonic_ns()) / 1e9 if back_ns > time.monotonic_ns() else 0,
                )
            )
            if self._withheld.get(tier, 0) > time.monotonic_ns() or self._sent == done:
                continue
            last, before_ns = self._sent, time.monotonic_ns()
            write(done + 1, last)
            self._arrivals[tier].append((before_ns, time.monotonic_ns(), last))
            done = last

    def _produce(self, first: int, last: int) -> None:
        binance, kraken = self._topics["binance"], self._topics["kraken"]
        for n in range(first, last + 1):
            trade = {"s": "BTCUSDT", "t": n, "p": "1.0", "q": "1.0", "T": 1, "m": True}
            self._producer.produce(binance, msgspec.json.encode(trade))
            trade = {
                "pair": "XBT/USD",
                "price": "1.0",
                "volume": "1.0",
                "timestamp": "1.0",
                "side": "b",
                "misc": str(n),
            }
            self._producer.produce(kraken, msgspec.json.encode(trade))
        self._producer.flush(ANSWER_S)

    def _insert(self, tier: str, first: int, last: int) -> None:
        pairs = ", ".join(f"('{feed.exchange}', '{feed.symbol}')" for feed in FEEDS)
        self._clickhouse.run(
            f"INSERT INTO {self._name}.{tier} SELECT f.1, f.2, number FROM numbers({first}, {last - first + 1}) "
            f"ARRAY JOIN [{pairs}] AS f"
        )

    def _candles(self, first: int, last: int) -> None:
        rows = ", ".join(f"(60, '{f.exchange}', '{f.symbol}', 60, {last - first + 1})" for f in FEEDS)
        self._clickhouse.run(f"INSERT INTO {self._name}.gold VALUES {rows}")


def _tier(kind: TierKind, name: str, rows: dict[str, str], sample_every_ms: int) -> Tier:
    windows = [60] if kind is TierKind.CANDLES else []
    return Tier(
        kind=kind,
        service="none",
        fresh_within_ms=TOLERANCE_MS[name],
        sample_every_ms=sample_every_ms,
        rows=rows,
        windows_s=windows,
    )
