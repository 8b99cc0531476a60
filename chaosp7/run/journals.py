"""The feed handlers' journals over one run: what they say, and whether that can be all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chaosp7.account.acks import AckSets, read_acks
from chaosp7.account.attribution import unjournaled
from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.ranges import ranges
from chaosp7.account.sent import Expected
from chaosp7.account.sets import total
from chaosp7.errors import MeasurementError

__all__ = ["Journals"]


@dataclass(frozen=True, slots=True)
class Journals:
    """The journals of some feed handlers.

    Attributes:
        starts_bytes: journal -> its size when the run began: what is of earlier runs.
    """

    starts_bytes: Mapping[Path, int]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Self:
        """Take the journals as they are before the load; one that isn't there yet has no bytes."""
        return cls({path: path.stat().st_size if path.exists() else 0 for path in paths})

    def read(self, sent: Expected, accounts: Sequence[TierAccount]) -> dict[Feed, AckSets]:
        """Return what the journals say of the run's messages.

        Args:
            sent: what was sent.
            accounts: of the tiers, made before: what they show must have been received by then.

        Raises:
            MeasurementError: a journal is missing, damaged or shorter than it was, or lacks what a
                tier shows. Taken at its word, it would excuse losses that nobody may accept.
        """
        bounds = {feed: (b.first, b.last) for feed, b in sent.bounds.items()}
        journals: dict[Feed, AckSets] = {}
        for path, start_bytes in self.starts_bytes.items():
            for feed, sets in read_acks(path, bounds, offset_bytes=start_bytes).items():
                # Two handlers may share a feed: what either of them got was received.
                journals[feed] = sets if feed not in journals else journals[feed].union(sets)
        lacking = unjournaled(accounts, journals)
        if lacking:
            feed, sequences = next(iter(lacking.items()))
            raise MeasurementError(
                f"the feed handlers' journals lack {total(lacking):,} messages that a tier shows, "
                f"{feed} {next(ranges(sequences))} first: they aren't whole, so losses can't be told apart"
            )
        return journals
