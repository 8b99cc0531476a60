"""Which message a raw one is, and nothing more: for whoever only asks whether it is there.

To read all of a message takes many times as long. What is read here is read as strictly as by
`chaosp7.account.readers.raw_formats`, which see for the shapes. A message with a damaged price is still
that message, as a row with one is in a table.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chaosp7.account.readers.raw_formats import INT64_MAX, UndecodableError, natural

__all__ = ["identifier"]


class _Binance(msgspec.Struct, rename={"native": "s", "sequence": "t"}):
    native: str
    sequence: int


class _Kraken(msgspec.Struct, rename={"native": "pair", "sequence": "misc"}):
    native: str
    sequence: str


class _Coinbase(msgspec.Struct, rename={"native": "product_id", "sequence": "trade_id"}):
    native: str
    sequence: str


_SHAPES: dict[str, type[_Binance | _Kraken | _Coinbase]] = {
    "binance": _Binance,
    "kraken": _Kraken,
    "coinbase": _Coinbase,
}


def identifier(exchange: str) -> Callable[[bytes], tuple[str, int]]:
    """Return the function that tells which message of an exchange's raw topic one is.

    Args:
        exchange: ``binance``, ``kraken`` or ``coinbase``.

    Returns:
        A function from a message's payload to (native symbol, sequence); it raises `UndecodableError`.

    Raises:
        KeyError: if the exchange's shape isn't known.
    """
    decode = msgspec.json.Decoder(_SHAPES[exchange]).decode

    def identify(payload: bytes) -> tuple[str, int]:
        try:
            message = decode(payload)
            sequence = message.sequence
            number = natural(sequence) if isinstance(sequence, str) else sequence
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise UndecodableError(f"{error}: {payload[:200]!r}") from error
        if not 0 <= number <= INT64_MAX:
            raise UndecodableError(f"a sequence beyond any ledger's: {payload[:200]!r}")
        return message.native, number

    return identify
