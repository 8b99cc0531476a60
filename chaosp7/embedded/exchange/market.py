"""The trades: seeded, vectorised, exact.

The same seed gives the same feeds, prices, quantities and sides in the same order at any rate;
only times and sequences follow the load. Prices have two decimals and quantities at most six, so
that quote = price x quantity is a whole number of 1e-8 units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import RECORD, Records

__all__ = ["Chunk", "Market", "Schedule"]

#: Messages generated at once: about 0.4 ms of work, which must not delay a tick by much.
CHUNK_MESSAGES: Final = 1024
#: Share of trades that repeat price and time of the one before, as when one order takes several.
TWIN_SHARE: Final = 0.03
#: No twin has an older time than this: at a few messages per second it would look like a delay.
TWIN_GAP_MAX_MS: Final = 500
QUANTITY_MAX_MICRO: Final = 5_000_000

_BASE_PRICE_CENTS: Final = {"BTC": 9_700_000, "ETH": 340_000, "SOL": 19_000, "BNB": 68_000}
_OTHER_BASE_PRICE_CENTS: Final = 10_000

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """When each message is due: open loop, whatever happens before.

    Attributes:
        start_ns: CLOCK_MONOTONIC of message 0.
        rate_per_s: messages per second.
        wall_offset_ns: Unix time minus CLOCK_MONOTONIC, fixed at the start: a clock that is
            stepped during the load doesn't move it.
    """

    start_ns: int
    rate_per_s: float
    wall_offset_ns: int

    def due_ns(self, begin: int, end: int) -> I64:
        """Return when messages ``begin`` to ``end - 1`` are due."""
        numbers = np.arange(begin, end, dtype=np.float64)
        # Exact to the nanosecond for months: far below 2**53.
        return self.start_ns + (numbers * (1e9 / self.rate_per_s)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive messages, as ledger records and as plain lists that are cheap to format.

    Attributes:
        records: all fields but ``sent_ns`` and ``reached``, which are the sender's.
        feed: index of the feed, per message.
        sequence: sequence in the feed.
        price_cents: price in 0.01.
        quantity_micro: quantity in 0.000001.
        side: 0 buy, 1 sell.
        trade_time_ms: Unix milliseconds.
        due_ns: when to send it, CLOCK_MONOTONIC.
    """

    records: Records
    feed: list[int]
    sequence: list[int]
    price_cents: list[int]
    quantity_micro: list[int]
    side: list[int]
    trade_time_ms: list[int]
    due_ns: list[int]

    def __len__(self) -> int:
        return len(self.feed)


class Market:
    """Generates the trades of one load, chunk after chunk.

    Args:
        feeds: the feeds; every round sends one message of each, in an order of its own.
        first: sequence of each feed's first message.
        seed: any non-negative integer.
        schedule: when messages are due.
    """

    def __init__(self, feeds: Sequence[Feed], first: Sequence[int], seed: int, schedule: Schedule) -> None:
        self._count = len(feeds)
        self._rounds = max(1, CHUNK_MESSAGES // self._count)
        self._schedule = schedule
        self._random = np.random.default_rng(seed)
        self._begin = 0
        self._next = np.array(first, dtype=np.int64)
        self._base = np.array(
            [_BASE_PRICE_CENTS.get(feed.symbol.partition("/")[0], _OTHER_BASE_PRICE_CENTS) for feed in feeds],
            dtype=np.int64,
        )
        self._walk = self._base.copy()

    def next_chunk(self) -> Chunk:
        """Generate the messages that follow the last chunk's."""
        rounds, count, random = self._rounds, self._count, self._random
        total = rounds * count
        # Column f of these tables is feed f, row r its trade of round r; then each round is shuffled.
        order = random.permuted(np.tile(np.arange(count), (rounds, 1)), axis=1)
        price = self._prices(rounds)
        quantity = np.clip(
            random.lognormal(10.5, 1.4, (rounds, count)).astype(np.int64), 1, QUANTITY_MAX_MICRO
        )
        side = random.integers(0, 2, (rounds, count))
        twin = random.random((rounds, count)) < TWIN_SHARE
        twin[0] = False
        due = self._schedule.due_ns(self._begin, self._begin + total)
        time = np.empty((rounds, count), dtype=np.int64)
        np.put_along_axis(
            time, order, ((due + self._schedule.wall_offset_ns) // 1_000_000).reshape(rounds, count), axis=1
        )
        source = np.maximum.accumulate(np.where(twin, 0, np.arange(rounds)[:, None]), axis=0)
        price, side = (np.take_along_axis(table, source, axis=0) for table in (price, side))
        older = np.take_along_axis(time, source, axis=0)
        time = np.where(time - older <= TWIN_GAP_MAX_MS, older, time)

        def flat(table: npt.NDArray[np.integer]) -> I64:
            return np.take_along_axis(table, order, axis=1).reshape(-1).astype(np.int64)

        cents, micro, sides, times = flat(price), flat(quantity), flat(side), flat(time)
        sequences = flat(self._next + np.arange(rounds)[:, None])
        feeds = order.reshape(-1)
        self._next += rounds
        self._begin += total
        records = np.zeros(total, dtype=RECORD)
        records["feed"] = feeds
        records["side"] = sides
        records["sequence"] = sequences
        records["intended_ns"] = due
        records["price_e8"] = cents * 1_000_000
        records["quantity_e8"] = micro * 100
        records["quote_e8"] = cents * micro
        records["trade_time_ms"] = times
        return Chunk(
            records=records,
            feed=feeds.tolist(),
            sequence=sequences.tolist(),
            price_cents=cents.tolist(),
            quantity_micro=micro.tolist(),
            side=sides.tolist(),
            trade_time_ms=times.tolist(),
            due_ns=due.tolist(),
        )

    def _prices(self, rounds: int) -> I64:
        """Random walk per feed, reflected between half and twice its base price."""
        step = np.maximum(1, self._base // 5_000)
        walk = self._walk + np.cumsum(self._random.integers(-step, step + 1, (rounds, self._count)), axis=0)
        self._walk = walk[-1]
        low, span = self._base // 2, self._base * 3 // 2
        folded: I64 = low + np.abs((walk - low + span) % (2 * span) - span)
        return folded
