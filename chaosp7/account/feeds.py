"""Feeds: the numbered streams that everything is accounted by."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Feed"]


class Feed(NamedTuple):
    """One numbered stream: an exchange and a canonical symbol such as ``BTC/USDT``.

    Its sequence has no holes at the source and goes on over the life of a platform: a run
    accounts for the range of sequences that its own ledger names.
    """

    exchange: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol}"
