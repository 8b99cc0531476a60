"""Feeds as small integers, for arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from chaosp7.account.feeds import Feed
from chaosp7.errors import ReaderError

__all__ = ["FeedIndex"]


class FeedIndex:
    """Numbers feeds: the ledger's own in their order from 0, those it doesn't know after them.

    Args:
        feeds: the feeds of the ledger, in the order of its header.
    """

    __slots__ = ("_feeds", "_indices", "known")

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds = [Feed(*feed) for feed in feeds]
        self._indices = {feed: i for i, feed in enumerate(self._feeds)}
        self.known = len(self._feeds)
        """How many feeds the ledger knows: a lower index is one of them."""
        if len(self._indices) != self.known:
            raise ValueError("a feed is named twice")

    def __len__(self) -> int:
        return len(self._feeds)

    def __getitem__(self, index: int) -> Feed:
        return self._feeds[index]

    def index(self, feed: Feed) -> int:
        """Return a feed's index; a feed that was never seen gets the next one."""
        index = self._indices.get(feed)
        if index is None:
            index = self._indices[feed] = len(self._feeds)
            self._feeds.append(feed)
        return index

    def indices(self, exchanges: Sequence[str], symbols: Sequence[str]) -> npt.NDArray[np.intp]:
        """Return the feed index of each row of a result.

        Args:
            exchanges: the rows' exchanges.
            symbols: the rows' canonical symbols, as many.

        Raises:
            ReaderError: the columns differ in length or hold something that isn't text.
        """
        if len(exchanges) != len(symbols):
            raise ReaderError(f"{len(exchanges)} exchanges, but {len(symbols)} symbols")
        found: dict[tuple[str, str], int] = {}
        result = np.empty(len(exchanges), dtype=np.intp)
        for row, key in enumerate(zip(exchanges, symbols, strict=True)):
            index = found.get(key)
            if index is None:
                if not all(isinstance(part, str) for part in key):
                    raise ReaderError(f"exchange and symbol must be text, not {key!r}")
                # str(): numpy's own strings would not print like the ledger's.
                index = found[key] = self.index(Feed(str(key[0]), str(key[1])))
            result[row] = index
        return result
