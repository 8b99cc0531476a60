"""A tier as two lists, of a run of one feed."""

from collections.abc import Iterable, Sequence

import numpy as np

from chaosp7.account.account import account_tier
from chaosp7.account.classes import TierAccount
from chaosp7.account.digest import CHUNK, ChunkKey
from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records
from chaosp7.account.rows import Rows
from chaosp7.account.sent import Expected, RunRecords

__all__ = ["FEED", "STRANGER", "Tier", "run_of", "sent_records"]

FEED, STRANGER = Feed("binance", "BTC/USDT"), Feed("binance", "DOGE/USDT")


def sent_records(first: int, count: int) -> Records:
    result = np.zeros(count, dtype=RECORD)
    result["sequence"] = np.arange(first, first + count)
    result["price_e8"] = np.arange(count) + 7
    result["sent_ns"] = np.arange(count)
    result["reached"] = 1
    return result


class Tier:
    """A tier as two lists: sequences and checksums, as a reader would give them."""

    def __init__(self, run: RunRecords, rows: Sequence[tuple[int, int]]) -> None:
        self.run = run
        self.sequences = np.array([row[0] for row in rows], dtype=np.uint64)
        self.checksums = np.array([row[1] for row in rows], dtype=np.uint64)

    def rows(self, keys: Sequence[ChunkKey]) -> Iterable[Rows]:
        chunks = {key.chunk for key in keys}
        mine = np.array([int(s) // CHUNK in chunks for s in self.sequences], dtype=np.bool_)
        yield Rows(np.zeros(int(mine.sum()), dtype=np.intp), self.sequences[mine], self.checksums[mine])

    def account(self, sent: Expected) -> TierAccount:
        table = sent.table()
        table.add(np.zeros(len(self.sequences), dtype=np.intp), self.sequences, self.checksums)
        return account_tier("tier", self.run, sent, table, self.rows)


def run_of(records: Records) -> RunRecords:
    return RunRecords((FEED,), (int(records["sequence"][0]),), lambda: [records])
