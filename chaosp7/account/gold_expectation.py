"""What the candles of a run should be: recomputed from the ledger, less what the tier before lacks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chaosp7.account.candles import CandleKey, Candles, accounted, candles_of_run, present
from chaosp7.account.classes import TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.sent import Expected, RunRecords
from chaosp7.account.sets import Sets
from chaosp7.errors import MeasurementError

__all__ = ["GoldExpectation", "expect_gold"]


@dataclass(frozen=True, slots=True)
class GoldExpectation:
    """What the candles of a run should be.

    Attributes:
        sent: messages accounted for.
        sizes_s: lengths of the windows, seconds.
        base_s: greatest common divisor of the lengths: the candles below are of this length.
        sent_candles: of all that was sent.
        given_candles: of what the tier before has.
        corrupted: base window -> messages that are corrupted at the tier before.
        duplicated: base window -> messages that are duplicated at the tier before.
        open_from_ms: feed -> trade time from whose window on candles can't be checked, since
            messages beyond the account's cut may be in them; minus infinity where none can.
            Empty without a cut.
    """

    sent: int
    sizes_s: tuple[int, ...]
    base_s: int
    sent_candles: Candles
    given_candles: Candles
    corrupted: Mapping[CandleKey, int]
    duplicated: Mapping[CandleKey, int]
    open_from_ms: Mapping[Feed, float]

    def check_read_from(self, since_s: int) -> None:
        """Make sure that all of the run's candles are among those that are read.

        Args:
            since_s: of windows that end at this Unix second or before it nobody reads the candles.

        Raises:
            MeasurementError: a trade lies before it.
        """
        starts = (key.start_s for key in self.sent_candles if key.start_s + self.base_s <= since_s)
        if (first := min(starts, default=None)) is not None:
            raise MeasurementError(
                f"the run has trades of {since_s - first} s and less before the time at which it began: "
                "the clock was set back. What their candles held before the run nobody has read"
            )


def expect_gold(
    run: RunRecords, sent: Expected, sizes_s: Sequence[int], upstream: TierAccount | None = None
) -> GoldExpectation:
    """Recompute a run's candles from the ledger.

    Args:
        run: the ledger's records.
        sent: `expected` of the same records.
        sizes_s: lengths of the windows, seconds.
        upstream: account of the tier that the candles are made from.

    Raises:
        MeasurementError: no window length is given, or `upstream` accounts for other messages.
    """
    if not sizes_s or min(sizes_s) < 1:
        raise MeasurementError(f"no window lengths to check: {list(sizes_s)}")
    if upstream is not None and upstream.bounds != sent.bounds:
        raise MeasurementError(f"{upstream.tier} was accounted for other messages than the candles")
    base_s = math.gcd(*sizes_s)
    of_sent = candles_of_run(run, sent, base_s)
    lost = {} if upstream is None else upstream.lost
    open_from_ms: dict[Feed, float] = {}
    for feed, bounds in sent.bounds.items():
        if sent.growing or bounds.end > bounds.last:
            closed_ms = [c.closed[0] for key, c in of_sent.items() if key.feed == feed]
            open_from_ms[feed] = max(closed_ms, default=-math.inf)
    return GoldExpectation(
        sent=sent.sent,
        sizes_s=tuple(sizes_s),
        base_s=base_s,
        sent_candles=of_sent,
        given_candles=candles_of_run(run, sent, base_s, lost) if lost else of_sent,
        corrupted={} if upstream is None else _per_window(run, sent, upstream.corrupted, base_s),
        duplicated={} if upstream is None else _per_window(run, sent, upstream.duplicated, base_s),
        open_from_ms=open_from_ms,
    )


def _per_window(run: RunRecords, sent: Expected, sets: Sets, window_s: int) -> dict[CandleKey, int]:
    """Return how many messages of some sets fall into each window."""
    result: dict[CandleKey, int] = {}
    if sets:
        for feed, records in accounted(run, sent):
            if feed in sets:
                times = records["trade_time_ms"][present(sets[feed], records)]
                windows, counts = np.unique(times // (window_s * 1000), return_counts=True)
                for window, count in zip(windows.tolist(), counts.tolist(), strict=True):
                    key = CandleKey(feed, window * window_s)
                    result[key] = result.get(key, 0) + count
    return result
