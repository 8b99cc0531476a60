"""Follows the live ledger, so that freshness can be told while messages flow."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from chaosp7.account.ledger import LedgerTail

__all__ = ["Source"]


class Source:
    """What the source has sent so far: per feed the send times, by sequence.

    Args:
        ledger: the live ledger's path.

    Raises:
        LedgerError: the ledger can't be read.
    """

    def __init__(self, ledger: Path) -> None:
        self._tail = LedgerTail(ledger)
        self.feeds = self._tail.header.feeds
        """The feeds, in the order that everything of the run indexes."""
        self.first = list(self._tail.header.first)
        """The run's first sequence of each feed."""
        self._sent_ns: list[array[int]] = [array("q") for _ in self.feeds]

    def poll(self) -> None:
        """Take in what was sent since the last call.

        Raises:
            LedgerError: what was written is damaged.
        """
        while (records := self._tail.poll()) is not None:
            for index in np.unique(records["feed"]):
                mine = records[records["feed"] == index]
                self._sent_ns[int(index)].frombytes(mine["sent_ns"].tobytes())

    def last(self) -> list[int]:
        """Return the last sequence sent so far of each feed; ``first - 1`` before any."""
        return [first + len(sent) - 1 for first, sent in zip(self.first, self._sent_ns, strict=True)]

    def last_before(self, cut_ns: int) -> list[int]:
        """Return the last sequence of each feed that was sent at or before a moment."""
        return [
            first + int(np.searchsorted(np.frombuffer(sent, dtype=np.int64), cut_ns, side="right")) - 1
            if sent
            else first - 1
            for first, sent in zip(self.first, self._sent_ns, strict=True)
        ]

    def sent_ns(self, feed: int, sequence: int) -> int:
        """Return when a sequence was sent, monotonic nanoseconds.

        Raises:
            IndexError: if it hasn't been.
        """
        return self._sent_ns[feed][sequence - self.first[feed]]

    def close(self) -> None:
        """Let go of the ledger."""
        self._tail.close()
