"""Messages of one Binance feed, as its raw topic holds them."""

from __future__ import annotations

import json

__all__ = ["trade"]


def trade(sequence: int, price: int = 1) -> bytes:
    """Return a trade of BTC/USDT."""
    fields = {
        "e": "trade",
        "E": 1,
        "s": "BTCUSDT",
        "t": sequence,
        "p": str(price),
        "q": "2",
        "T": 3,
        "m": True,
    }
    return json.dumps(fields).encode()
