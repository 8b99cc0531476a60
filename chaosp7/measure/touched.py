"""What is wrong with a tier, or with the messages of some exchanges, and what nobody can tell. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from chaosp7.account.classes import Counts, TierAccount
from chaosp7.account.gold import GoldAccount
from chaosp7.run.accounting import Accounts

__all__ = ["WRONG", "nameless", "wrong_at", "wrong_of"]

#: What may be wrong with messages, by the names of `Counts`.
WRONG: Final = ("lost", "late", "corrupted", "duplicated", "reordered", "unexpected")


def wrong_at(accounts: Accounts, tier: str) -> list[str]:
    """Return what is wrong with a tier, in words; nothing if all is well.

    What a tier before it lost is missing here as well. Of a tier of candles those of earlier runs count too.

    Args:
        accounts: the final ones.
        tier: its name.
    """
    account = accounts.tiers[tier]
    found = [f"{words} at {tier}" for words in _counted(account.counts)]
    if isinstance(account, GoldAccount):
        wrong = max(window.wrong_candles for window in account.windows)
        found += [f"wrong candles at {tier}: {wrong:,}"] if wrong else []
    return found


def wrong_of(accounts: Accounts, exchanges: Collection[str]) -> list[str]:
    """Return what is wrong with some exchanges' messages and candles at any tier, in words.

    A candle that is wrong counts whatever made it so: a tier before it too. See `nameless`.

    Args:
        accounts: the final ones.
        exchanges: their names.
    """
    found: list[str] = []
    for name, account in accounts.tiers.items():
        if isinstance(account, TierAccount):
            for feed in dict.fromkeys((*account.bounds, *account.unexpected)):
                if feed.exchange in exchanges:
                    found += (f"{words} of {feed} at {name}" for words in _counted(account.counts_of(feed)))
            continue
        for window in account.windows:
            wrong = [finding for finding in window.findings if finding.key.feed.exchange in exchanges]
            found += [f"wrong candles of {window.window_s} s at {name}: {len(wrong)}"] if wrong else []
    return found


def nameless(accounts: Accounts) -> list[str]:
    """Return in words what is wrong with messages and candles of nobody knows which exchange.

    That is what can't be decoded or has no name. Of candles only the first wrong ones are kept by name, and
    of those that came late only the number is known.

    Args:
        accounts: the final ones.
    """
    found = []
    for name, account in accounts.tiers.items():
        if isinstance(account, TierAccount):
            without_name = (len(rows) for feed, rows in account.unexpected.items() if not feed.exchange)
            if rows := account.unidentified_rows + sum(without_name):
                found.append(f"{rows:,} unexpected at {name} of nobody knows which exchange")
            continue
        for window in account.windows:
            if rest := window.wrong_candles - len(window.findings):
                found.append(f"more wrong candles of {window.window_s} s at {name} than have names: {rest:,}")
            if window.late:
                found.append(f"{window.late:,} late in the candles of {window.window_s} s at {name}")
    return found


def _counted(counts: Counts) -> Iterator[str]:
    return (f"{count:,} {kind}" for kind in WRONG if (count := getattr(counts, kind)))
