"""Follows the live ledger, so that freshness can be told while messages flow."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from chaosp7.account.ledger import LedgerTail
from chaosp7.errors import LedgerError
from chaosp7.recovery.sends import SendTimes

__all__ = ["Source"]


class Source:
    """What the source has sent so far: per feed the send times, by sequence. Any thread may ask.

    Args:
        ledger: the live ledger's path.

    Raises:
        LedgerError: the ledger can't be read.
    """

    def __init__(self, ledger: Path) -> None:
        self._tail = LedgerTail(ledger)
        self._lock = threading.Lock()
        self._failed: LedgerError | None = None
        self.start_ns = self._tail.header.load_start_ns
        """When the first message was due."""
        self.feeds = self._tail.header.feeds
        """The feeds, in the order that everything of the run indexes."""
        self.first = list(self._tail.header.first)
        """The run's first sequence of each feed."""
        self.sends = SendTimes(self.feeds, self.first)
        """When each message was sent, as of the last `poll`."""

    @property
    def closed(self) -> bool:
        """Whether the load has ended and all of it was taken in."""
        return self._tail.closed

    def poll(self) -> None:
        """Take in what was sent since the last call.

        Raises:
            LedgerError: what was written is damaged; it is raised each time.
        """
        with self._lock:
            if self._failed is not None:
                raise self._failed
            try:
                while (records := self._tail.poll()) is not None:
                    self.sends.extend(records)
            except LedgerError as error:
                self._failed = error
                raise

    def last(self) -> list[int]:
        """Return the last sequence sent so far of each feed; ``first - 1`` before any."""
        return [self.sends.last(i) for i in range(len(self.feeds))]

    def sent_ns(self, feed: int, sequence: int) -> int:
        """Return when a sequence was sent; for one below the run's first, when the load began."""
        if sequence < self.first[feed]:
            return self.start_ns
        return self.sends.sent_ns(feed, sequence)

    def age_ns(self, heads: Sequence[int], now_ns: int) -> int:
        """Return how long ago the message was sent that is the head of the stalest feed.

        Args:
            heads: contiguous head of each feed at a tier.
            now_ns: the monotonic clock.

        Returns:
            Nanoseconds; 0 if the load has ended and all of it is visible.
        """
        last = self.last()
        waited = (
            self.sent_ns(i, min(head, last[i]))
            for i, head in enumerate(heads)
            if not (self.closed and head >= last[i])
        )
        return now_ns - min(waited, default=now_ns)

    def close(self) -> None:
        """Let go of the ledger."""
        self._tail.close()
