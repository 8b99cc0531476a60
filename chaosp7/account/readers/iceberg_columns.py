"""Columns of an Iceberg table's rows as the account's arrays. Pure.

An amount is read exactly or not at all, as everywhere: a trade's that doesn't fit into 64 bits of 1e-8 units
is -1, which no trade has, so that the message counts as corrupted. Sums may be larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chaosp7.account.checksum import checksum
from chaosp7.account.feeds import Feed
from chaosp7.account.index import FeedIndex
from chaosp7.account.rows import Rows
from chaosp7.errors import ReaderError

__all__ = ["NAMES", "coded", "decoded", "identified", "integers", "sums_e8", "times_ms"]

#: What is read of each message, by our names.
NAMES: Final = ("exchange", "symbol", "sequence", "price", "quantity", "side", "trade_time")

_DIGITS: Final = 8
_NEVER: Final = -1
#: A side that is neither: the ledger's are 0 and 1.
_NO_SIDE: Final = 255


@dataclass(frozen=True, slots=True)
class Identified:
    """Which messages rows are.

    Attributes:
        feeds: feed index of each, shape ``(n,)``.
        sequences: sequence of each, shape ``(n,)``.
        nameless: rows without an exchange, symbol or sequence; they are left out of the others.
        kept: the rows without those.
    """

    feeds: npt.NDArray[np.intp]
    sequences: npt.NDArray[np.uint64]
    nameless: int
    kept: pa.RecordBatch


def identified(batch: pa.RecordBatch, index: FeedIndex) -> Identified:
    """Tell the messages of some rows.

    Args:
        batch: columns by our names, ``exchange``, ``symbol`` and ``sequence`` at least.
        index: numbering of the feeds; one that it doesn't know gets a number of its own.

    Raises:
        ReaderError: if a column isn't of a type that it can be.
    """
    named = [pc.is_valid(batch.column(name)) for name in NAMES[:3]]
    whole = pc.and_(pc.and_(named[0], named[1]), named[2])
    nameless = batch.num_rows - (pc.sum(whole).as_py() or 0)
    kept = batch.filter(whole) if nameless else batch
    exchanges, exchange_names = coded(kept.column("exchange"))
    symbols, symbol_names = coded(kept.column("symbol"))
    pairs = exchanges * len(symbol_names) + symbols
    feeds = np.zeros(len(exchange_names) * len(symbol_names), dtype=np.intp)
    for pair in np.flatnonzero(np.bincount(pairs, minlength=len(feeds))).tolist():
        exchange, symbol = divmod(pair, len(symbol_names))
        feeds[pair] = index.index(Feed(exchange_names[exchange].lower(), symbol_names[symbol]))
    sequences = integers(kept.column("sequence"), "sequence").view(np.uint64)
    return Identified(feeds[pairs], sequences, nameless, kept)


def decoded(batch: pa.RecordBatch, index: FeedIndex, sides: tuple[str, str]) -> tuple[Rows, int]:
    """Return the account's rows.

    Args:
        batch: columns by our names, all of `NAMES`.
        index: numbering of the feeds.
        sides: how the side of a purchase is written, and that of a sale.

    Returns:
        The rows, and how many others have no exchange, symbol or sequence.

    Raises:
        ReaderError: if a column isn't of a type that it can be.
    """
    which = identified(batch, index)
    kept = which.kept
    written, names = coded(kept.column("side").fill_null(""))
    checksums = checksum(
        which.sequences,
        _amounts(kept.column("price"), "price"),
        _amounts(kept.column("quantity"), "quantity"),
        times_ms(kept.column("trade_time"), "trade_time"),
        np.array([_side(name, sides) for name in names], dtype=np.uint8)[written],
    )
    return Rows(which.feeds, which.sequences, checksums), which.nameless


def _side(name: str, sides: tuple[str, str]) -> int:
    return sides.index(name) if name in sides else _NO_SIDE


def coded(column: pa.Array) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return texts as numbers into a list of the different ones.

    Raises:
        ReaderError: if it isn't a column of texts.
    """
    found = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    if not (pa.types.is_string(found.dictionary.type) or pa.types.is_large_string(found.dictionary.type)):
        raise ReaderError(f"exchange, symbol and side must be text, not {column.type}")
    return found.indices.to_numpy(zero_copy_only=False).astype(np.int64), found.dictionary.to_pylist()


def integers(column: pa.Array, name: str) -> npt.NDArray[np.int64]:
    """Return whole numbers; -1 where there is none.

    Raises:
        ReaderError: if it isn't a column of whole numbers.
    """
    if not pa.types.is_integer(column.type):
        raise ReaderError(f"column {name!r} must hold whole numbers, not {column.type}")
    # Above 2^63 there is only an unsigned type, which Iceberg hasn't.
    numbers: npt.NDArray[np.int64] = pc.fill_null(column.cast(pa.int64()), _NEVER).to_numpy(
        zero_copy_only=False
    )
    return numbers


def _halves(column: pa.Array, name: str) -> npt.NDArray[np.int64]:
    """Return decimals in 1e-8 units as the lower and upper 64 bits of each, shape ``(2, n)``."""
    if not pa.types.is_decimal(column.type) or column.type.scale > _DIGITS:
        raise ReaderError(f"column {name!r} must be a decimal of at most {_DIGITS} digits, not {column.type}")
    wide = column.cast(pa.decimal128(38, _DIGITS))
    halves = np.frombuffer(wide.buffers()[1], dtype=np.int64).reshape(-1, 2)
    return halves[wide.offset : wide.offset + len(wide)].T


def _amounts(column: pa.Array, name: str) -> npt.NDArray[np.int64]:
    """Return decimals as integers in 1e-8 units."""
    # The lower half is the amount, if it has the value of both.
    low, high = _halves(column, name)
    fits = high == low >> 63
    if column.null_count:
        fits &= column.is_valid().to_numpy(zero_copy_only=False)
    return np.where(fits, low, _NEVER)


def sums_e8(column: pa.Array, name: str) -> list[int]:
    """Return decimals without a null as integers in 1e-8 units, of whatever size.

    Raises:
        ReaderError: if it isn't a column of decimals of at most 8 digits.
    """
    low, high = _halves(column, name)
    return [(h << 64) + lo for h, lo in zip(high.tolist(), low.view(np.uint64).tolist(), strict=True)]


def times_ms(column: pa.Array, name: str) -> npt.NDArray[np.int64]:
    """Return times in Unix milliseconds, rounded down; -1 where there is none.

    Raises:
        ReaderError: if it is a column neither of timestamps nor of whole milliseconds.
    """
    if pa.types.is_timestamp(column.type):
        # Rounded down, as ClickHouse does it: a time below a millisecond is none of the exchange's.
        micros = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
        return integers(micros, name) // 1000
    return integers(column, name)
