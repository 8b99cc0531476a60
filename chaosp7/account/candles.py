"""OHLCV candles recomputed from the ledger, and their algebra. All amounts are integers in 1e-8 units.

The open is the price of the trade with the least (trade time, sequence) in the window, the close
that of the greatest. `Candle.merged` is associative and, since those pairs differ for different
trades, commutative: candles may be computed from any pieces of the ledger in any order.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import Records
from chaosp7.account.sent import Expected, RunRecords
from chaosp7.account.sets import Sets, mask
from chaosp7.errors import ReaderError

__all__ = [
    "Candle",
    "CandleKey",
    "Candles",
    "accounted",
    "candles_of_columns",
    "candles_of_run",
    "merged",
    "present",
    "rolled",
]

_LOW_32: Final = np.int64(0xFFFFFFFF)
#: Before every trade of a run: where a candle stands that doesn't say when it was opened and closed.
_BEFORE: Final = (-(1 << 63), 0)


class CandleKey(NamedTuple):
    """One window of one feed; ``start_s`` is its beginning, Unix seconds."""

    feed: Feed
    start_s: int


@dataclass(frozen=True, slots=True)
class Candle:
    """The trades of one feed in one window.

    Attributes:
        open_e8, high_e8, low_e8, close_e8: prices.
        volume_e8: sum of the quantities.
        quote_volume_e8: sum of price times quantity; may need more than 64 bits.
        trade_count: number of trades, at least one.
        opened: (trade time in Unix milliseconds, sequence) of the open.
        closed: the same of the close.
    """

    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    volume_e8: int
    quote_volume_e8: int
    trade_count: int
    opened: tuple[int, int] = _BEFORE
    closed: tuple[int, int] = _BEFORE

    @property
    def values(self) -> tuple[int, int, int, int, int, int, int]:
        """What a tier shows of it: open, high, low, close, volume, quote volume, count."""
        return (
            self.open_e8,
            self.high_e8,
            self.low_e8,
            self.close_e8,
            self.volume_e8,
            self.quote_volume_e8,
            self.trade_count,
        )

    def merged(self, other: Candle) -> Candle:
        """Return the candle of both candles' trades.

        A candle without `opened` and `closed`, as a tier shows it, counts as earlier than every trade
        of a run.
        """
        first = self if self.opened <= other.opened else other
        last = self if self.closed > other.closed else other
        return Candle(
            open_e8=first.open_e8,
            high_e8=max(self.high_e8, other.high_e8),
            low_e8=min(self.low_e8, other.low_e8),
            close_e8=last.close_e8,
            volume_e8=self.volume_e8 + other.volume_e8,
            quote_volume_e8=self.quote_volume_e8 + other.quote_volume_e8,
            trade_count=self.trade_count + other.trade_count,
            opened=first.opened,
            closed=last.closed,
        )


Candles: TypeAlias = Mapping[CandleKey, Candle]


def merged(one: Candles, other: Candles) -> dict[CandleKey, Candle]:
    """Return the candles of both sides' trades."""
    result = dict(one)
    for key, candle in other.items():
        known = result.get(key)
        result[key] = candle if known is None else known.merged(candle)
    return result


def rolled(candles: Candles, window_s: int) -> dict[CandleKey, Candle]:
    """Return candles of larger windows, made of those of smaller ones.

    Args:
        candles: of windows that divide `window_s`.
        window_s: length of the larger windows, seconds.
    """
    result: dict[CandleKey, Candle] = {}
    for (feed, start_s), candle in candles.items():
        key = CandleKey(feed, start_s // window_s * window_s)
        known = result.get(key)
        result[key] = candle if known is None else known.merged(candle)
    return result


def candles_of_run(
    run: RunRecords, sent: Expected, window_s: int, without: Sets | None = None
) -> dict[CandleKey, Candle]:
    """Compute the candles of the messages that are accounted for.

    Args:
        run: the ledger's records.
        sent: `expected` of the same records.
        window_s: length of a window, seconds; windows begin at multiples of it.
        without: messages to leave out.
    """
    result: dict[CandleKey, Candle] = {}
    for feed, records in accounted(run, sent):
        left_out = (without or {}).get(feed)
        if left_out:
            records = records[~present(left_out, records)]  # noqa: PLW2901 - narrowed
        for start_s, candle in _candles_of_records(records, window_s):
            key = CandleKey(feed, start_s)
            known = result.get(key)
            result[key] = candle if known is None else known.merged(candle)
    return result


def accounted(run: RunRecords, sent: Expected) -> Iterator[tuple[Feed, Records]]:
    """Go through the records that are accounted for, feed by feed within each block."""
    for index, records in run.by_feed():
        feed = run.feeds[index]
        room = sent.bounds[feed].last + 1 - int(records["sequence"][0])
        if room > 0:
            yield feed, records[:room]


def present(sequences: BitMap64, records: Records) -> npt.NDArray[np.bool_]:
    """Return for each of some records of one feed (without a hole) whether it is in a set."""
    return mask(sequences, int(records["sequence"][0]), len(records))


def _candles_of_records(records: Records, window_s: int) -> Iterator[tuple[int, Candle]]:
    """Yield window start (seconds) and candle of some records of one feed."""
    if not len(records):
        return
    ordered = records[np.lexsort((records["sequence"], records["trade_time_ms"]))]
    windows = ordered["trade_time_ms"] // (window_s * 1000)
    starts = np.flatnonzero(np.diff(windows, prepend=windows[0] - 1))
    ends = np.append(starts[1:], len(ordered))
    price, time, sequence = ordered["price_e8"], ordered["trade_time_ms"], ordered["sequence"]
    columns = zip(
        (windows[starts] * window_s).tolist(),
        price[starts].tolist(),
        np.maximum.reduceat(price, starts).tolist(),
        np.minimum.reduceat(price, starts).tolist(),
        price[ends - 1].tolist(),
        _sums(ordered["quantity_e8"], starts),
        _sums(ordered["quote_e8"], starts),
        (ends - starts).tolist(),
        zip(time[starts].tolist(), sequence[starts].tolist(), strict=True),
        zip(time[ends - 1].tolist(), sequence[ends - 1].tolist(), strict=True),
        strict=True,
    )
    for start_s, *values in columns:
        yield start_s, Candle(*values)


def _sums(values: npt.NDArray[np.int64], starts: npt.NDArray[np.intp]) -> list[int]:
    """Return exact sums of groups, which may need more than 64 bits."""
    high = np.add.reduceat(values >> np.int64(32), starts).tolist()
    low = np.add.reduceat(values & _LOW_32, starts).tolist()
    return [(h << 32) + lo for h, lo in zip(high, low, strict=True)]


def candles_of_columns(
    exchanges: Sequence[str], symbols: Sequence[str], starts_s: Sequence[int], *columns: Sequence[int]
) -> dict[CandleKey, Candle]:
    """Take the columns of a candle tier's result.

    Args:
        exchanges: of each candle.
        symbols: canonical symbol of each candle.
        starts_s: beginning of each window, Unix seconds.
        columns: open, high, low, close, volume, quote volume (1e-8 units) and trade count.

    Raises:
        ReaderError: a column is missing or shorter than another, holds something that isn't a
            whole number (a name: text), or a candle comes twice.
    """
    if len(columns) != 7 or any(len(c) != len(exchanges) for c in (symbols, starts_s, *columns)):
        raise ReaderError("candles need ten columns of one length")
    result: dict[CandleKey, Candle] = {}
    try:
        for exchange, symbol, start_s, *values in zip(exchanges, symbols, starts_s, *columns, strict=True):
            if not (isinstance(exchange, str) and isinstance(symbol, str)):
                raise ReaderError(f"exchange and symbol must be text, not {(exchange, symbol)!r}")
            key = CandleKey(Feed(exchange, symbol), operator.index(start_s))
            op, high, low, close, volume, quote, count = map(operator.index, values)
            candle = Candle(op, high, low, close, volume, quote, count)
            if key in result:
                raise ReaderError(f"the candle of {key.feed} at {key.start_s} comes twice")
            if candle.trade_count < 0:
                raise ReaderError(
                    f"the candle of {key.feed} at {key.start_s} counts {candle.trade_count} trades"
                )
            if candle.trade_count:
                result[key] = candle
    except TypeError as error:
        raise ReaderError(f"candles must hold whole numbers: {error}") from error
    return result
