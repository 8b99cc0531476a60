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

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial

from chaosp7.account.candles import Candle, CandleKey, Candles, merged, rolled
from chaosp7.account.classes import Counts
from chaosp7.account.gold_candle import CandleTally, judged
from chaosp7.account.gold_expectation import GoldExpectation
from chaosp7.errors import ReaderError

__all__ = ["CandleFinding", "GoldAccount", "WindowAccount", "account_gold", "gold_with_late"]

#: Wrong candles that are kept by name, per window length.
FINDINGS_MAX = 100


@dataclass(frozen=True, slots=True)
class CandleFinding:
    """A candle that isn't what it should be."""

    key: CandleKey
    expected: Candle | None
    actual: Candle | None


@dataclass(frozen=True, slots=True)
class WindowAccount:
    """The account of all candles of one window length, in messages.

    ``sent = delivered + lost + late + duplicated + corrupted + unchecked``.

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
        late: messages that weren't there when the drain was over, but are now; see `gold_with_late`.
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
    late: int = 0

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
    def lost_here(self) -> int:
        """Messages that the tier before has, and the candles of some length don't."""
        return max(window.lost_here for window in self.windows)

    @property
    def counts(self) -> Counts:
        """The account in the classes of the other tiers.

        Of each class the window length counts that shows most of it: what one length shows hides nothing
        that another one does. Candles don't name messages: one that two lengths put into two classes counts
        in both of them, as long as no more are amiss than were sent, so that ``delivered`` is never too
        high. ``sent`` leaves out what no length could check.
        """
        sent = left = max(window.sent - window.unchecked for window in self.windows)
        lost = self._most("lost")
        most = {
            "lost": lost,
            # What one length lacks still can be what another one got late.
            "late": max(window.lost + window.late for window in self.windows) - lost,
            "corrupted": self._most("corrupted"),
            "duplicated": self._most("duplicated"),
        }
        counted = {}
        for kind, count in most.items():
            counted[kind] = min(count, left)
            left -= counted[kind]
        return Counts(
            sent=sent,
            delivered=left,
            reordered=0,
            unexpected=self._most("unexpected"),
            surplus=self._most("surplus"),
            **counted,
        )

    def _most(self, kind: str) -> int:
        counts: list[int] = [getattr(window, kind) for window in self.windows]
        return max(counts)


def gold_with_late(account: GoldAccount, at_deadline: GoldAccount) -> GoldAccount:
    """Move what came too late into its class.

    Args:
        account: of the tier as it is now, after the drain's deadline.
        at_deadline: its account at the deadline, of the same messages.

    Returns:
        The account in which as many messages are late as were lost then and aren't now.
    """
    pairs = zip(account.windows, at_deadline.windows, strict=True)
    return replace(account, windows=tuple(_with_late(*pair) for pair in pairs))


def _with_late(window: WindowAccount, at_deadline: WindowAccount) -> WindowAccount:
    late = max(0, at_deadline.lost - window.lost)
    # Candles don't say which they are: they are taken for right ones as long as there are any.
    right = min(late, window.delivered)
    twice = min(late - right, window.duplicated)
    return replace(
        window,
        late=late,
        delivered=window.delivered - right,
        duplicated=window.duplicated - twice,
        corrupted=window.corrupted - (late - right - twice),
    )


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
    tally, unchecked = CandleTally(), 0
    wrong: list[CandleFinding] = []
    for key in sorted({*full, *actual}):
        sent_count = sent[key].trade_count if key in sent else 0
        open_from_ms = expectation.open_from_ms.get(key.feed)
        if open_from_ms is not None and (key.start_s + size_s) * 1000 > open_from_ms:
            unchecked += sent_count
            continue
        there, whole = actual.get(key), full.get(key)
        if there is not None and whole is not None and there.values == whole.values:
            continue
        wrong.append(CandleFinding(key, whole, there))
        given_count = given[key].trade_count if key in given else 0
        tally.lost += sent_count - given_count
        tally.lost_inherited += sent_count - given_count
        judge = partial(
            judged,
            possible=possible.get(key),
            given=given_count,
            corrupted_before=corrupted.get(key, 0),
            duplicated_before=duplicated.get(key, 0),
        )
        of_candle = judge(there)
        if original is not None:
            of_candle.inherit(judge(original.get(key)))
        tally.add(of_candle)
    amiss = tally.lost + tally.duplicated + tally.corrupted + unchecked
    return WindowAccount(
        window_s=size_s,
        sent=expectation.sent,
        delivered=expectation.sent - amiss,
        unchecked=unchecked,
        wrong_candles=len(wrong),
        findings=tuple(wrong[:FINDINGS_MAX]),
        **asdict(tally),
    )


def _rolled_counts(counts: Mapping[CandleKey, int], size_s: int) -> dict[CandleKey, int]:
    result: dict[CandleKey, int] = {}
    for (feed, start_s), count in counts.items():
        key = CandleKey(feed, start_s // size_s * size_s)
        result[key] = result.get(key, 0) + count
    return result
