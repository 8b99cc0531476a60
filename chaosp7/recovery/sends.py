"""When each message was sent: 8 bytes per message, by feed and sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from chaosp7.account.feeds import Feed
from chaosp7.account.ledger_format import Records
from chaosp7.errors import LedgerError

__all__ = ["SendTimes"]

_ROOM: Final = 1024


class SendTimes:
    """Send times of a run's messages; grows with a live ledger.

    Args:
        feeds: by index, as in the ledger's header.
        first: first sequence of each feed.
        expect: how many messages of each feed will come, to take the memory for them at once;
            None: unknown.
    """

    __slots__ = ("_sizes", "_times", "feeds", "first")

    def __init__(
        self, feeds: Sequence[Feed], first: Sequence[int], expect: Sequence[int] | None = None
    ) -> None:
        self.feeds = tuple(feeds)
        self.first = tuple(first)
        rooms = [_ROOM] * len(self.feeds) if expect is None else expect
        self._times = [np.empty(room, dtype=np.int64) for room in rooms]
        self._sizes = [0] * len(self.feeds)

    @classmethod
    def of(cls, feeds: Sequence[Feed], first: Sequence[int], blocks: Iterable[Records]) -> Self:
        """Take all records of a ledger.

        Args:
            feeds: the header's feeds.
            first: the header's first sequences.
            blocks: the records in sending order.

        Raises:
            LedgerError: as `extend`.
        """
        times = cls(feeds, first)
        for block in blocks:
            times.extend(block)
        return times

    def extend(self, records: Records) -> None:
        """Take the records that follow.

        Raises:
            LedgerError: a feed's sequence has a hole, or its send times run backwards.
        """
        for index in np.unique(records["feed"]).tolist():
            if index >= len(self.feeds):
                raise LedgerError(f"a record of feed {index} of {len(self.feeds)}")
            mine = records[records["feed"] == index]
            start = self.first[index] + self._sizes[index]
            if not np.array_equal(mine["sequence"], np.arange(start, start + len(mine), dtype=np.uint64)):
                raise LedgerError(f"hole in the sequence of {self.feeds[index]} at {start} or after it")
            self._append(index, mine["sent_ns"])

    def _append(self, index: int, sent_ns: npt.NDArray[np.int64]) -> None:
        times, size = self._times[index], self._sizes[index]
        last_ns = int(times[size - 1]) if size else int(sent_ns[0])
        if int(sent_ns[0]) < last_ns or np.any(sent_ns[1:] < sent_ns[:-1]):
            raise LedgerError(f"the send times of {self.feeds[index]} run backwards")
        if size + len(sent_ns) > len(times):
            grown = np.empty(max(2 * len(times), size + len(sent_ns)), dtype=np.int64)
            grown[:size] = times[:size]
            self._times[index] = times = grown
        times[size : size + len(sent_ns)] = sent_ns
        self._sizes[index] = size + len(sent_ns)

    def last(self, index: int) -> int:
        """Return the last sequence of a feed; ``first - 1`` if it has none."""
        return self.first[index] + self._sizes[index] - 1

    def sent_ns(self, index: int, sequence: int) -> int:
        """Return when a message was sent, monotonic nanoseconds.

        Raises:
            KeyError: it wasn't sent.
        """
        position = sequence - self.first[index]
        if not 0 <= position < self._sizes[index]:
            raise KeyError(f"{self.feeds[index]} {sequence} wasn't sent")
        return int(self._times[index][position])

    def first_from(self, index: int, time_ns: int) -> int:
        """Return the first sequence of a feed sent at or after a time; ``last + 1`` if there is none."""
        times = self._times[index][: self._sizes[index]]
        return self.first[index] + int(np.searchsorted(times, time_ns, side="left"))
