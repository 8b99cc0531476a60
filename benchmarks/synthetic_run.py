"""A synthetic run: a real ledger, a feed handlers' journal, and what a topic and a table hold of it.

What is wrong with a tier is a pure function of the sequence, so that the right counts follow from
the bounds alone. Every chunk of sequences has something wrong: the account's worst case, in which
digests alone tell nothing and every message is looked at.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import TopicPartition

from chaosp7.account.acks import ACK_RECORD, ACKNOWLEDGED, RECEIVED, AckWriter
from chaosp7.account.digest import DigestTable
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger import Ledger, LedgerWriter
from chaosp7.account.ledger_format import BLOCK_RECORDS_MAX, RECORD, LedgerHeader, Records
from chaosp7.account.readers.topic import TopicBatch
from chaosp7.account.readers.topic_account import TopicReader
from chaosp7.account.sent import record_checksums
from chaosp7.platform.loader import load

__all__ = ["STREAMS", "SyntheticTable", "SyntheticTopic", "count_of", "feeds", "write_ledger", "write_run"]

#: Of each feed, sequences that are so much more than a multiple of this have something wrong.
EVERY = 3001
LOST, DUPLICATED, CORRUPTED, SWAPPED, LOST_IN_TABLE = 7, 11, 13, 17, 23
STREAMS = 9
_BETWEEN = re.compile(r"exchange = '(.*?)' AND symbol = '(.*?)' AND sequence BETWEEN (\d+) AND (\d+)")
_MESSAGES_PER_BATCH = 20_000

Progress = Callable[[int], None]


def feeds() -> tuple[Feed, ...]:
    """Return the embedded platform's feeds."""
    return tuple(
        Feed(exchange, symbol) for exchange, symbols in load("embedded").feeds.items() for symbol in symbols
    )


def count_of(first: int, last: int, remainder: int) -> int:
    """Return how many of the sequences from first to last are so much more than a multiple of `EVERY`."""
    return (last - remainder) // EVERY - (first - 1 - remainder) // EVERY


def write_run(folder: Path, messages: int, progress: Progress) -> None:
    """Write ``ledger.bin``, ``handler.acks``, and the table as ``digests.npy`` and a file per feed.

    Args:
        folder: where to.
        messages: how many, over all feeds.
        progress: is told how many are written.
    """
    names = feeds()
    first = tuple(1000 + 777 * i for i in range(len(names)))  # a run begins in mid-chunk
    header = LedgerHeader("benchmark", 7, 500.0, names, first, 0, 0, 0)
    rng = np.random.default_rng(7)
    ledger = LedgerWriter(folder / "ledger.bin", header)
    acks = AckWriter(folder / "handler.acks", names)
    table = DigestTable(names, dict(zip(names, first, strict=True)))
    following = np.array(first, dtype=np.int64)
    written = 0
    while written < messages:
        records = _records(rng, min(BLOCK_RECORDS_MAX, messages - written), following, written)
        ledger.append(records)
        _acknowledge(acks, records)
        kept, checksums = _in_the_table(records)
        table.add(kept["feed"], np.ascontiguousarray(kept["sequence"]), checksums)
        rows = np.stack([kept["sequence"], checksums], axis=1)
        for feed in range(len(names)):
            with _rows_file(folder, feed).open("ab") as file:
                file.write(rows[kept["feed"] == feed].tobytes())
        written += len(records)
        progress(written)
    ledger.close(written)
    acks.close()
    digests = [(table.feeds.index(key.feed), key.chunk, d.count, d.sum, d.xor) for key, d in table.items()]
    np.save(folder / "digests.npy", np.array(digests, dtype=np.uint64).T)


def write_ledger(path: Path, names: Sequence[Feed], messages: int, progress: Progress) -> None:
    """Write a ledger alone.

    Args:
        path: the file to create.
        names: its feeds.
        messages: how many, over all feeds.
        progress: is told how many are written.
    """
    first = tuple(1000 + 777 * i for i in range(len(names)))
    rng = np.random.default_rng(7)
    ledger = LedgerWriter(path, LedgerHeader("benchmark", 7, 500.0, tuple(names), first, 0, 0, 0))
    following = np.array(first, dtype=np.int64)
    while ledger.messages < messages:
        count = min(BLOCK_RECORDS_MAX, messages - ledger.messages)
        ledger.append(_records(rng, count, following, ledger.messages))
        progress(ledger.messages)
    ledger.close(messages)


def _rows_file(folder: Path, feed: int) -> Path:
    return folder / f"table-{feed}.rows"


def _records(rng: np.random.Generator, count: int, following: npt.NDArray[np.int64], written: int) -> Records:
    records = np.zeros(count, dtype=RECORD)
    records["feed"] = rng.integers(0, len(following), count)
    for feed in range(len(following)):
        mine = np.flatnonzero(records["feed"] == feed)
        records["sequence"][mine] = np.arange(following[feed], following[feed] + len(mine))
        following[feed] += len(mine)
    records["side"] = rng.integers(0, 2, count)
    records["reached"] = 1
    records["sent_ns"] = np.arange(written, written + count)
    records["price_e8"] = rng.integers(10**6, 10**13, count)
    records["quantity_e8"] = rng.integers(1, 10**9, count)
    records["trade_time_ms"] = 1_790_000_000_000 + 2 * records["sent_ns"]  # 500 messages/s
    return records


def _acknowledge(acks: AckWriter, records: Records) -> None:
    """Everything was received; what isn't in the topic was never confirmed."""
    noted = np.zeros(len(records), dtype=ACK_RECORD)
    noted["sequence"], noted["feed"], noted["kind"] = records["sequence"], records["feed"], RECEIVED
    acks.append(noted.tobytes())
    noted["kind"] = ACKNOWLEDGED
    acks.append(noted[noted["sequence"] % EVERY != LOST].tobytes())


def _in_the_table(records: Records) -> tuple[Records, npt.NDArray[np.uint64]]:
    """Return the rows that the table holds, and their checksums."""
    checksums = record_checksums(records)
    remainders = records["sequence"] % EVERY
    checksums[remainders == CORRUPTED] ^= np.uint64(1)
    copies = np.where(remainders == DUPLICATED, 2, ~np.isin(remainders, (LOST, LOST_IN_TABLE)))
    places = np.repeat(np.arange(len(records)), copies)
    return records[places], checksums[places]


class SyntheticTable:
    """Answers the queries of a `TableReader` as clickhouse-connect does: lists of Python objects.

    Args:
        folder: as `write_run` left it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._feeds = feeds()

    def query(self, sql: str, count: int) -> Sequence[Any]:
        """Answer the query for the columns, that for all digests, or one for some chunks' rows."""
        if "toTypeName" in sql:
            return [["String"], ["String"], *([["Int64"]] * (count - 2))]
        if "GROUP BY" in sql:
            return self._digests()
        parts = []
        for exchange, symbol, first, last in _BETWEEN.findall(sql):
            feed = self._feeds.index(Feed(exchange, symbol))
            held = np.memmap(_rows_file(self._folder, feed), np.uint64, "r").reshape(-1, 2)
            begin, end = np.searchsorted(held[:, 0], [int(first), int(last) + 1])
            parts.append(np.insert(held[begin:end], 0, feed, axis=1))
        indices, *columns = np.concatenate(parts).T.tolist()
        return [*self._names(indices), *columns]

    def _digests(self) -> list[list[Any]]:
        exchanges, symbols = (list(dict.fromkeys(feed[i] for feed in self._feeds)) for i in (0, 1))
        parts: dict[tuple[int, int], list[tuple[int, ...]]] = {}
        for index, chunk, *digest in np.load(self._folder / "digests.npy").T.tolist():
            exchange, symbol = self._feeds[index]
            # The pair's number, as `FeedNumbers` makes it.
            pair = (exchanges.index(exchange) + 1) * (len(symbols) + 1) + symbols.index(symbol) + 1
            parts.setdefault((pair, chunk // 256), []).append((chunk % 256, *digest))
        return [*([key[i] for key in parts] for i in range(2)), list(parts.values())]

    def _names(self, indices: Sequence[int]) -> list[list[str]]:
        # Each row has strings of its own, as it does when they come over the wire.
        return [[f"{self._feeds[i][part]} "[:-1] for i in indices] for part in (0, 1)]


@dataclass(slots=True)
class _Scan:
    """Gives what a topic would: see `chaosp7.account.readers.topic.TopicScan`."""

    topic: SyntheticTopic
    undecodable: int = 0

    def batches(self, now_s: Callable[[], float]) -> Iterator[TopicBatch]:
        del now_s
        yield from self.topic.batches()


class SyntheticTopic(TopicReader):
    """A topic reader whose broker is the ledger.

    Args:
        ledger: what was sent; the topic holds it but for what is wrong.
        progress: is told how many messages were read in this pass.
    """

    unknown = True

    def __init__(self, ledger: Ledger, progress: Progress) -> None:
        super().__init__("", {}, [TopicPartition("synthetic", i) for i in range(STREAMS)])
        self.swapped = 0
        """Messages that stood behind a higher one, in the last pass."""
        self.seconds: list[float] = []
        """How long each pass took, seconds."""
        self._ledger = ledger
        self._progress = progress

    def _scan(self, table: DigestTable) -> Any:
        del table
        return _Scan(self)

    def batches(self) -> Iterator[TopicBatch]:
        """Make one pass."""
        begun_s, read, self.swapped = time.monotonic(), 0, 0
        for block in self._ledger.blocks():
            for begin in range(0, len(block), _MESSAGES_PER_BATCH):
                records = block[begin : begin + _MESSAGES_PER_BATCH]
                yield _batch(self._rows(records))
                read += len(records)
                self._progress(read)
        if self.unknown:
            # A message that was never sent, in each feed.
            yield self._strangers()
        self.seconds.append(time.monotonic() - begun_s)

    def _strangers(self) -> TopicBatch:
        last = np.array(list(self._ledger.last.values()), dtype=np.int64)
        ones = np.ones_like(last)
        return _batch(np.stack([0 * ones, np.arange(len(last)), last + 5, ones, ones, 0 * ones, ones]))

    def _rows(self, records: Records) -> npt.NDArray[np.int64]:
        fields = ("feed", "sequence", "price_e8", "quantity_e8", "side", "trade_time_ms")
        columns = [records[name].astype(np.int64) for name in fields]
        remainders = columns[1] % EVERY
        columns[2][remainders == CORRUPTED] += 1
        order = np.arange(len(records))
        for place in np.flatnonzero(remainders == SWAPPED).tolist():
            behind = np.flatnonzero((columns[0] == columns[0][place]) & (columns[1] == columns[1][place] + 1))
            if len(behind):
                other = int(behind[0])
                order[place], order[other] = other, place
                self.swapped += 1
        order = np.concatenate((order[remainders[order] != LOST], np.flatnonzero(remainders == DUPLICATED)))
        streams = columns[0] % STREAMS
        return np.stack([column[order] for column in (streams, *columns)])


def _batch(rows: npt.NDArray[np.int64]) -> TopicBatch:
    return TopicBatch.of(rows[0].astype(np.intp), rows[1:])
