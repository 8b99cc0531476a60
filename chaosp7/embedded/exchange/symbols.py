"""Symbols: the canonical ``BTC/USD`` and what each exchange calls it."""

from __future__ import annotations

from typing import Final

from chaosp7.account.feeds import Feed
from chaosp7.errors import ConfigError

__all__ = ["EXCHANGES", "native_symbol", "parse_symbols"]

EXCHANGES: Final = ("binance", "kraken", "coinbase")


def native_symbol(feed: Feed) -> str:
    """Return a feed's symbol as its exchange writes it.

    Raises:
        ConfigError: the exchange is unknown or the symbol isn't of the form ``BASE/QUOTE``.
    """
    base, separator, quote = feed.symbol.partition("/")
    if not (separator and base.isalnum() and quote.isalnum() and feed.symbol.isascii()):
        raise ConfigError(f"symbol {feed.symbol!r} is not of the form BASE/QUOTE")
    match feed.exchange:
        case "binance":
            return f"{base}{quote}"
        case "kraken":
            return f"{'XBT' if base == 'BTC' else base}/{quote}"
        case "coinbase":
            return f"{base}-{quote}"
    raise ConfigError(f"unknown exchange {feed.exchange!r}: there are {', '.join(EXCHANGES)}")


def parse_symbols(exchange: str, symbols: str) -> list[Feed]:
    """Return the feeds of one exchange from ``BTC/USD,ETH/USD``.

    Raises:
        ConfigError: none, a wrong or a repeated symbol.
    """
    feeds = [Feed(exchange, symbol.strip()) for symbol in symbols.split(",")]
    for feed in feeds:
        native_symbol(feed)
    if len(set(feeds)) != len(feeds):
        raise ConfigError(f"a symbol of {exchange} is named twice: {symbols}")
    return feeds
