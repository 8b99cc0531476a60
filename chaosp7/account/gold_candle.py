"""One candle against the one that could be there: what became of its messages."""

from __future__ import annotations

from dataclasses import dataclass

from chaosp7.account.candles import Candle

__all__ = ["CandleTally", "judged"]


@dataclass(slots=True)
class CandleTally:
    """Messages of one candle, or of several, by what became of them; as in `WindowAccount`."""

    lost: int = 0
    lost_inherited: int = 0
    duplicated: int = 0
    duplicated_inherited: int = 0
    corrupted: int = 0
    corrupted_inherited: int = 0
    unexpected: int = 0
    surplus: int = 0
    earlier_missing: int = 0
    earlier_changed: int = 0

    def add(self, judged: CandleTally) -> None:
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

    def inherit(self, original: CandleTally) -> None:
        """Take what is wrong with the candle that this one is a copy of for inherited."""
        self.lost_inherited = max(self.lost_inherited, min(self.lost, original.lost))
        self.duplicated_inherited = max(self.duplicated_inherited, min(self.duplicated, original.duplicated))
        self.corrupted_inherited = max(self.corrupted_inherited, min(self.corrupted, original.corrupted))


def judged(
    actual: Candle | None,
    possible: Candle | None,
    given: int,
    corrupted_before: int,
    duplicated_before: int,
) -> CandleTally:
    """Class the messages of one candle that the tier before has.

    Args:
        actual: the candle that is there.
        possible: the candle that could be there at best.
        given: messages of the run in `possible`; the others are of earlier runs.
        corrupted_before: messages of this window corrupted at the tier before.
        duplicated_before: messages of this window duplicated at the tier before.
    """
    tally = CandleTally()
    there = 0 if actual is None else actual.trade_count
    surplus = there - (0 if possible is None else possible.trade_count)
    explained = actual is None or possible is None or _explained(actual, possible)
    wrong = 0
    if surplus < 0:
        lost = min(-surplus, given)
        tally.lost = lost
        tally.lost_inherited = min(lost, corrupted_before)
        tally.earlier_missing = -surplus - lost
        wrong = given - lost
    elif surplus > 0 and not given:
        tally.unexpected = surplus
    elif surplus > 0:
        twice = min(surplus, given)
        tally.duplicated = twice
        tally.duplicated_inherited = min(twice, duplicated_before + corrupted_before)
        tally.surplus = surplus
        wrong = given - twice
    elif not explained:
        wrong = given
        tally.earlier_changed = int(not given)
    if not explained:
        tally.corrupted = wrong
        tally.corrupted_inherited = wrong if corrupted_before else 0
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
