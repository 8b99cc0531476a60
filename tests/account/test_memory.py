"""The account's memory doesn't grow with the run, though in every chunk something is wrong."""

import tracemalloc
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pytest

from chaosp7.account import account as account_module
from chaosp7.account.account import account_tier
from chaosp7.account.digest import CHUNK, ChunkKey
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.order import OrderTracker
from chaosp7.account.readers.topic import consumer_config
from chaosp7.account.rows import Rows
from chaosp7.account.sent import RunRecords, expected, record_checksums

FEEDS = tuple(Feed("binance", f"{symbol}/USDT") for symbol in ("BTC", "ETH", "SOL"))
BLOCK = 15_000
#: Of each feed, every so many messages one is lost: fewer than a chunk has, so that none is whole.
EVERY = CHUNK - 7


def blocks(count: int) -> Iterator[Records]:
    for begin in range(0, count, BLOCK):
        records = np.zeros(BLOCK, dtype=RECORD)
        number = np.arange(begin, begin + BLOCK)
        records["feed"] = number % len(FEEDS)
        records["sequence"] = number // len(FEEDS)
        records["price_e8"] = number + 7
        records["sent_ns"] = number
        records["reached"] = 1
        yield records


def held(count: int) -> Iterator[Rows]:
    for records in blocks(count):
        kept = records[records["sequence"] % EVERY != EVERY - 1]
        feeds = kept["feed"].astype(np.intp)
        yield Rows(feeds, np.ascontiguousarray(kept["sequence"]), record_checksums(kept))


def account_all(count: int) -> tuple[int, int, float]:
    """Make the account as a topic's is made; return what is lost, the passes, and the peak in MB."""
    passes = 0

    def rows(_keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        nonlocal passes
        passes += 1
        return held(count)

    tracemalloc.start()
    try:
        run = RunRecords(FEEDS, (0,) * len(FEEDS), lambda: blocks(count))
        sent = expected(run)
        table, tracker = sent.table(), OrderTracker(FEEDS, (0,) * len(FEEDS))
        for batch in held(count):
            table.add(batch.feeds, batch.sequences, batch.checksums)
            tracker.add(batch.feeds, batch.sequences)
        reordered = tracker.reordered()
        account = account_tier("topic", run, sent, table, rows, reordered=reordered, keys_at_once=None)
        return account.counts.lost, passes, tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_the_memory_of_an_account_is_not_that_of_its_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    # The same bound as a long run has, at a size that a test can afford.
    monkeypatch.setattr(account_module, "KEYS_PER_PASS", 30)
    small, large = 15 * BLOCK, 75 * BLOCK
    lost, passes, small_mb = account_all(small)
    assert (lost, passes) == (len(FEEDS) * (small // len(FEEDS) // EVERY), 2)
    lost, passes, large_mb = account_all(large)
    assert (lost, passes) == (len(FEEDS) * (large // len(FEEDS) // EVERY), 10)
    # All chunks at once would be 11 bytes for each of the 900,000 messages more.
    assert large_mb - small_mb < 3, (small_mb, large_mb)


def test_what_one_pass_holds_and_what_is_fetched_ahead_is_bounded() -> None:
    assert account_module.KEYS_PER_PASS * CHUNK * 11 < 64 * 2**20
    config = consumer_config("localhost:1", fetch_wait_ms=50)
    # A message of 250 bytes takes librdkafka 600; the embedded platform has nine partitions.
    assert 9 * config["queued.min.messages"] * 600 < 64 * 2**20
    assert 9 * config["queued.max.messages.kbytes"] * 1024 < 64 * 2**20
