"""The sampler sees what is committed to a real Iceberg table, and says when it can't read it."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Records
from chaosp7.account.ledger_format import RECORD
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.iceberg_news import RowNews
from chaosp7.recorder.iceberg_sampler import IcebergSampler
from chaosp7.recorder.pace import Pace
from chaosp7.recorder.timeline import Timeline
from tests.iceberg_table import IcebergTable
from tests.waiting import until

FEEDS = (Feed("binance", "BTC/USDT"), Feed("kraken", "BTC/USD"))
FIRST = [101, 1]


def messages(feed: int, first: int, last: int) -> Records:
    records = np.zeros(last - first + 1, dtype=RECORD)
    records["feed"], records["sequence"] = feed, np.arange(first, last + 1)
    return records


class SlowNews(RowNews):
    """One whose data take a while to come, as from an object store that hangs."""

    takes_s = 0.0

    def read(self, table: Table, files: Sequence[DataFile]) -> None:
        time.sleep(self.takes_s)
        super().read(table, files)


class Watched:
    """A sampler at work on one table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = IcebergTable(folder)
        self.table.append(messages(0, 1, 100), FEEDS)  # an earlier run's
        self.timeline = Timeline("cold", FIRST, time.monotonic_ns())
        start = self.table.start()
        self.news = SlowNews(start, FEEDS)
        self.sampler = IcebergSampler(
            start.source,
            self.news,
            self.timeline,
            Pace(0.02, 1.0, 0.1),
            Attention(0.5, time.monotonic_ns),
            lambda: 0.0,
            time.monotonic_ns,
        )
        self.sampler.start()

    def append(self, feed: int, first: int, last: int) -> None:
        self.table.append(messages(feed, first, last), FEEDS)

    def until(self, what: Callable[[], bool]) -> None:
        until(what, said=lambda: f"{self.timeline.heads()} {self.timeline.last_error()}")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.sampler.stop()


def test_what_a_commit_brings_is_seen_between_the_looks_around_it(watched: Watched) -> None:
    watched.until(lambda: len(watched.timeline.samples) > 2)
    assert watched.timeline.heads() == [100, 0]
    before_ns = time.monotonic_ns()
    watched.append(0, 101, 110)
    after_ns = time.monotonic_ns()
    watched.until(lambda: watched.timeline.heads() == [110, 0])
    (new,) = (sample for sample in watched.timeline.samples if sample.new)
    assert new.new == ((0, 101, 110),)
    assert new.after_ns > before_ns
    assert new.before_ns - 1e9 < after_ns  # it looks many times a second; the machine may be slow
    watched.append(1, 1, 3)
    watched.append(1, 5, 6)
    watched.until(lambda: watched.timeline.known()[1].top == 6)
    assert watched.timeline.heads() == [110, 3]


def test_a_store_that_is_gone_is_an_error_until_it_is_back(watched: Watched) -> None:
    store, away = watched.folder / "warehouse", watched.folder / "away"
    watched.until(lambda: watched.timeline.last_error() is None)
    store.rename(away)
    watched.until(lambda: watched.timeline.last_error() is not None)
    away.rename(store)
    watched.until(lambda: watched.timeline.last_error() is None)
    watched.append(0, 101, 101)
    watched.until(lambda: watched.timeline.heads() == [101, 0])


def test_it_can_be_read_again_when_its_data_were_read_and_not_when_the_catalog_answered(
    watched: Watched,
) -> None:
    store, away = watched.folder / "warehouse", watched.folder / "away"
    watched.until(lambda: len(watched.timeline.samples) > 2)
    store.rename(away)
    watched.until(lambda: watched.timeline.last_error() is not None)
    watched.news.takes_s = 0.3
    away.rename(store)
    watched.until(lambda: watched.timeline.last_error() is None)
    samples = list(watched.timeline.samples)
    failed = max(index for index, sample in enumerate(samples) if sample.error is not None)
    again = samples[failed + 1]
    assert again.after_ns - again.before_ns >= 0.3e9


def test_of_a_table_that_was_made_anew_commits_with_the_old_numbers_are_seen(watched: Watched) -> None:
    watched.append(0, 101, 105)
    watched.until(lambda: watched.timeline.heads() == [105, 0])
    watched.table.make_anew()
    for sequence in range(106, 112):  # more commits than the old one had
        watched.append(0, sequence, sequence)
    watched.until(lambda: watched.timeline.heads() == [111, 0])


def test_a_table_that_was_made_anew_is_read_from_its_beginning(watched: Watched) -> None:
    watched.append(0, 101, 105)
    watched.append(0, 106, 107)
    watched.until(lambda: watched.timeline.heads() == [107, 0])
    watched.sampler._number += 10  # as if the one before had had many more commits
    watched.append(0, 108, 108)
    watched.until(lambda: watched.timeline.heads() == [108, 0])


def test_a_commit_of_what_is_there_already_is_movement(watched: Watched) -> None:
    watched.append(0, 101, 105)
    watched.until(lambda: watched.timeline.heads() == [105, 0])
    moved_ns = watched.timeline.last_moved_ns
    watched.append(0, 103, 103)
    watched.until(lambda: watched.timeline.last_moved_ns > moved_ns)
    assert watched.timeline.heads() == [105, 0]
