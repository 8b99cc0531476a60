"""Rows of a tier: the seam between a tier's reader and the account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from chaosp7.account.digest import ChunkKey
from chaosp7.account.index import FeedIndex
from chaosp7.errors import ReaderError

__all__ = ["RowSource", "Rows", "RowsLike"]


class RowsLike(Protocol):
    """Some rows of a tier, as parallel columns; a reader's own batch type fits as it is."""

    @property
    def feeds(self) -> npt.NDArray[np.intp]:
        """Index of each row's feed, shape ``(n,)``; see `FeedIndex`."""

    @property
    def sequences(self) -> npt.NDArray[np.uint64]:
        """Sequence of each row, shape ``(n,)``."""

    @property
    def checksums(self) -> npt.NDArray[np.uint64]:
        """Checksum of each row's business fields, shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a tier. Attributes as in `RowsLike`."""

    feeds: npt.NDArray[np.intp]
    sequences: npt.NDArray[np.uint64]
    checksums: npt.NDArray[np.uint64]

    @classmethod
    def from_columns(
        cls,
        index: FeedIndex,
        exchanges: Sequence[str],
        symbols: Sequence[str],
        sequences: Sequence[int] | npt.NDArray[Any],
        checksums: Sequence[int] | npt.NDArray[Any],
    ) -> Self:
        """Take the columns of a result.

        Args:
            index: the numbering that the digests were gathered with, ``digests.feeds``.
            exchanges: of each row.
            symbols: canonical symbol of each row.
            sequences: unsigned.
            checksums: unsigned, as ``checksum.SQL`` computes them.

        Raises:
            ReaderError: exchanges and symbols differ in number or aren't text, or a column isn't of
                unsigned integers. Whether all are as long is seen when the rows are accounted for.
        """
        return cls(
            index.indices(exchanges, symbols),
            _unsigned(sequences, "sequence"),
            _unsigned(checksums, "checksum"),
        )


#: Gives the rows of the chunks asked for, in any number of batches and any order. It must give
#: all their rows or raise; rows of other chunks may be among them and are passed over. Called
#: with some chunks at a time, as often as it takes (``account_tier(..., keys_at_once=...)``).
RowSource: TypeAlias = Callable[[Sequence[ChunkKey]], Iterable[RowsLike]]


def _unsigned(column: Sequence[int] | npt.NDArray[Any], name: str) -> npt.NDArray[np.uint64]:
    # A list of Python integers above 2^63 would become floats without a dtype.
    try:
        given = column if isinstance(column, np.ndarray) else np.array(list(column), dtype=object)
        if given.dtype == object:
            if not all(isinstance(value, int | np.integer) for value in given):
                raise ReaderError(f"column {name!r} must hold whole numbers")
            if any(value < 0 for value in given):  # of numpy's own, -1 would become 2^64 - 1
                raise ReaderError(f"column {name!r} must hold unsigned integers")
            return given.astype(np.uint64)
    except OverflowError as error:
        raise ReaderError(f"column {name!r}: {error}") from error
    if given.dtype.kind not in "ui" or (len(given) and int(given.min()) < 0):
        raise ReaderError(f"column {name!r} must hold unsigned integers, not {given.dtype}")
    return given.astype(np.uint64, copy=False)
