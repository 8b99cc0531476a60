"""The account of a candle tier: its candles against those recomputed from the ledger.

A candle doesn't show single messages, so they are counted per candle:

* it shows what was sent: all of its messages are delivered;
* too few trades: the difference is lost;
* too many: the difference is duplicated;
* the right number, but a value is wrong: all of its messages are corrupted. So are the others
  where trades are missing or too many and the values can't come from that alone (a high above the
  right one, say).

What the tier before it (silver) has lost can't be in the candles: it is left out of what they
are compared with, and counts as lost, but inherited. Of a copy of the candles elsewhere, what is wrong
in the original already is inherited, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from chaosp7.account.candles import (
    Candle,
    CandleKey,
    Candles,
    accounted,
    candles_of_run,
    merged,
    present,
    rolled,
)
from chaosp7.account.classes import Counts, TierAccount
from chaosp7.account.feeds import Feed
from chaosp7.account.sent import Expected, RunRecords
from chaosp7.account.sets import Sets
from chaosp7.errors import MeasurementError, ReaderError

__all__ = ["CandleFinding", "GoldAccount", "GoldExpectation", "WindowAccount", "account_gold", "expect_gold"]

#: Wrong candles that are kept by name, per window length.
FINDINGS_MAX = 100


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


@dataclass(frozen=True, slots=True)
class CandleFinding:
    """A candle that isn't what it should be."""

    key: CandleKey
    expected: Candle | None
    actual: Candle | None


@dataclass(frozen=True, slots=True)
class WindowAccount:
    """The account of all candles of one window length, in messages.

    ``sent = delivered + lost + duplicated + corrupted + unchecked``.

    Attributes:
        window_s: length of the windows, seconds.
        lost_inherited: of `lost`, what the tier before has lost already, or can have with a wrong time.
        duplicated_inherited: of `duplicated`, what can come from the tier before; a message that is there
            twice, but once with wrong fields, is corrupted there.
        corrupted_inherited: of `corrupted`, what can come from the tier before.
        unchecked: messages in candles that may hold messages beyond the account's cut.
        unexpected: trades in candles that nothing was sent for.
        surplus: trades too many in candles that something was sent for.
        earlier_missing: trades of earlier runs that are gone from the candles.
        earlier_changed: candles of earlier runs that show other values than before the run.
        wrong_candles: candles that aren't what was sent, those of inherited losses included.
        findings: the first of them.
    """

    window_s: int
    sent: int
    delivered: int
    lost: int
    lost_inherited: int
    duplicated: int
    duplicated_inherited: int
    corrupted: int
    corrupted_inherited: int
    unchecked: int
    unexpected: int
    surplus: int
    earlier_missing: int
    earlier_changed: int
    wrong_candles: int
    findings: tuple[CandleFinding, ...]

    @property
    def lost_here(self) -> int:
        """Messages that the tier before has, and these candles don't."""
        return self.lost - self.lost_inherited


@dataclass(frozen=True, slots=True)
class GoldAccount:
    """The account of a candle tier.

    Attributes:
        tier: its name.
        windows: an account per window length, in the order asked for.
    """

    tier: str
    windows: tuple[WindowAccount, ...]

    @property
    def worst(self) -> WindowAccount:
        """The window length that misses most: the one by which the tier is judged."""
        return max(
            self.windows,
            key=lambda w: (w.lost, w.lost_here, w.corrupted, w.duplicated, w.unexpected, w.unchecked),
        )

    @property
    def counts(self) -> Counts:
        """The worst window length's account, in the classes of the other tiers.

        ``sent`` leaves out what is `unchecked` because of a cut.
        """
        worst = self.worst
        return Counts(
            sent=worst.sent - worst.unchecked,
            delivered=worst.delivered,
            lost=worst.lost,
            late=0,
            corrupted=worst.corrupted,
            duplicated=worst.duplicated,
            reordered=0,
            unexpected=worst.unexpected,
            surplus=worst.surplus,
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


def account_gold(
    tier: str,
    expectation: GoldExpectation,
    actual: Mapping[int, Candles],
    baseline: Mapping[int, Candles] | None = None,
    original: Mapping[int, Candles] | None = None,
) -> GoldAccount:
    """Account for a candle tier.

    Args:
        tier: its name.
        expectation: what should be there.
        actual: window length in seconds -> the tier's candles now. An empty one is an empty
            tier; one that is missing was not read.
        baseline: window length in seconds -> the tier's candles before the run, in the same
            range of windows, with earlier runs drained. None: the tier was empty.
        original: window length in seconds -> the candles of the tier whose copy this one is. None: it
            isn't a copy.

    Raises:
        ReaderError: the candles of a window length were not read.
    """
    windows = []
    for size_s in expectation.sizes_s:
        for read in (actual, baseline, original):
            if read is not None and size_s not in read:
                raise ReaderError(f"{tier}: the candles of {size_s} s were not read")
        before: Candles = {} if baseline is None else baseline[size_s]
        copied = None if original is None else original[size_s]
        windows.append(_account_size(expectation, size_s, actual[size_s], before, copied))
    return GoldAccount(tier, tuple(windows))


@dataclass(slots=True)
class _Tally:
    lost: int = 0
    lost_inherited: int = 0
    duplicated: int = 0
    duplicated_inherited: int = 0
    corrupted: int = 0
    corrupted_inherited: int = 0
    unchecked: int = 0
    unexpected: int = 0
    surplus: int = 0
    earlier_missing: int = 0
    earlier_changed: int = 0
    wrong_candles: int = 0
    findings: list[CandleFinding] = field(default_factory=list)

    def add(self, judged: _Tally) -> None:
        """Add one candle's classes."""
        self.lost += judged.lost
        self.lost_inherited += judged.lost_inherited
        self.duplicated += judged.duplicated
        self.duplicated_inherited += judged.duplicated_inherited
        self.corrupted += judged.corrupted
        self.corrupted_inherited += judged.corrupted_inherited
        self.unexpected += judged.unexpected
        self.surplus += judged.surplus
        self.earlier_missing += judged.earlier_missing
        self.earlier_changed += judged.earlier_changed

    def inherit(self, original: _Tally) -> None:
        """Take what is wrong with the candle that this one is a copy of for inherited."""
        self.lost_inherited = max(self.lost_inherited, min(self.lost, original.lost))
        self.duplicated_inherited = max(self.duplicated_inherited, min(self.duplicated, original.duplicated))
        self.corrupted_inherited = max(self.corrupted_inherited, min(self.corrupted, original.corrupted))


def _account_size(
    expectation: GoldExpectation,
    size_s: int,
    actual: Candles,
    baseline: Candles,
    original: Candles | None,
) -> WindowAccount:
    sent = rolled(expectation.sent_candles, size_s)
    given = rolled(expectation.given_candles, size_s)
    corrupted, duplicated = (
        _rolled_counts(c, size_s) for c in (expectation.corrupted, expectation.duplicated)
    )
    full, possible = merged(baseline, sent), merged(baseline, given)
    tally = _Tally()
    for key in sorted({*full, *actual}):
        sent_count = sent[key].trade_count if key in sent else 0
        open_from_ms = expectation.open_from_ms.get(key.feed)
        if open_from_ms is not None and (key.start_s + size_s) * 1000 > open_from_ms:
            tally.unchecked += sent_count
            continue
        there, whole = actual.get(key), full.get(key)
        if there is not None and whole is not None and there.values == whole.values:
            continue
        tally.wrong_candles += 1
        if len(tally.findings) < FINDINGS_MAX:
            tally.findings.append(CandleFinding(key, whole, there))
        given_count = given[key].trade_count if key in given else 0
        tally.lost += sent_count - given_count
        tally.lost_inherited += sent_count - given_count
        judge = partial(
            _judged,
            possible=possible.get(key),
            given=given_count,
            corrupted_before=corrupted.get(key, 0),
            duplicated_before=duplicated.get(key, 0),
        )
        judged = judge(there)
        if original is not None:
            judged.inherit(judge(original.get(key)))
        tally.add(judged)
    amiss = tally.lost + tally.duplicated + tally.corrupted + tally.unchecked
    return WindowAccount(
        window_s=size_s,
        sent=expectation.sent,
        delivered=expectation.sent - amiss,
        lost=tally.lost,
        lost_inherited=tally.lost_inherited,
        duplicated=tally.duplicated,
        duplicated_inherited=tally.duplicated_inherited,
        corrupted=tally.corrupted,
        corrupted_inherited=tally.corrupted_inherited,
        unchecked=tally.unchecked,
        unexpected=tally.unexpected,
        surplus=tally.surplus,
        earlier_missing=tally.earlier_missing,
        earlier_changed=tally.earlier_changed,
        wrong_candles=tally.wrong_candles,
        findings=tuple(tally.findings),
    )


def _rolled_counts(counts: Mapping[CandleKey, int], size_s: int) -> dict[CandleKey, int]:
    result: dict[CandleKey, int] = {}
    for (feed, start_s), count in counts.items():
        key = CandleKey(feed, start_s // size_s * size_s)
        result[key] = result.get(key, 0) + count
    return result


def _judged(
    actual: Candle | None,
    possible: Candle | None,
    given: int,
    corrupted_before: int,
    duplicated_before: int,
) -> _Tally:
    """Class the messages of one candle that the tier before has.

    Args:
        actual: the candle that is there.
        possible: the candle that could be there at best.
        given: messages of the run in `possible`; the others are of earlier runs.
        corrupted_before: messages of this window corrupted at the tier before.
        duplicated_before: messages of this window duplicated at the tier before.
    """
    tally = _Tally()
    there = 0 if actual is None else actual.trade_count
    surplus = there - (0 if possible is None else possible.trade_count)
    explained = actual is None or possible is None or _explained(actual, possible)
    wrong = 0
    if surplus < 0:
        lost = min(-surplus, given)
        tally.lost += lost
        tally.lost_inherited += min(lost, corrupted_before)
        tally.earlier_missing += -surplus - lost
        wrong = given - lost
    elif surplus > 0 and not given:
        tally.unexpected += surplus
    elif surplus > 0:
        twice = min(surplus, given)
        tally.duplicated += twice
        tally.duplicated_inherited += min(twice, duplicated_before + corrupted_before)
        tally.surplus += surplus
        wrong = given - twice
    elif not explained:
        wrong = given
        tally.earlier_changed += not given
    if not explained:
        tally.corrupted += wrong
        tally.corrupted_inherited += wrong if corrupted_before else 0
    return tally


def _explained(actual: Candle, possible: Candle) -> bool:
    """Return whether a candle differs by nothing but trades that are missing or counted again."""
    if actual.trade_count < possible.trade_count:
        return _could_be_part(actual, possible)
    if actual.trade_count > possible.trade_count:
        return _could_be_more(actual, possible)
    return actual.values == possible.values


def _could_be_part(actual: Candle, whole: Candle) -> bool:
    """Return whether a candle can be that of some of the trades of another."""
    return (
        actual.high_e8 <= whole.high_e8
        and actual.low_e8 >= whole.low_e8
        and actual.volume_e8 <= whole.volume_e8
        and actual.quote_volume_e8 <= whole.quote_volume_e8
    )


def _could_be_more(actual: Candle, whole: Candle) -> bool:
    """Return whether a candle can be another with some of its trades counted again."""
    return (
        actual.values[:4] == whole.values[:4]
        and actual.volume_e8 >= whole.volume_e8
        and actual.quote_volume_e8 >= whole.quote_volume_e8
    )
