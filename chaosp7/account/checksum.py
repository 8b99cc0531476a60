"""The checksum of a message's business fields, the same in numpy and in SQL.

``checksum = m(m(m(m(m(sequence) ^ price_e8) ^ quantity_e8) ^ trade_time_ms) ^ side)`` with
``m`` = ClickHouse's ``intHash64``: the 64-bit finaliser of MurmurHash3 (Austin Appleby, public
domain) over the argument XOR a constant. It is plain arithmetic on unsigned 64-bit integers,
so a ClickHouse tier computes it where its rows are and nothing has to be fetched.

``side`` is 0 for a buy and 1 for a sell; prices and quantities are integers in 1e-8 units.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["SQL", "checksum", "mix"]

U64Array = npt.NDArray[np.uint64]

_SEED = np.uint64(0x4CF2D2BAAE6DA887)
_MUL_1 = np.uint64(0xFF51AFD7ED558CCD)
_MUL_2 = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)

#: The checksum as a ClickHouse expression over the canonical columns of a tier's rows.
SQL = (
    "intHash64(bitXor(intHash64(bitXor(intHash64(bitXor(intHash64(bitXor(intHash64("
    "toUInt64(sequence)), reinterpretAsUInt64(toInt64(price_e8)))), "
    "reinterpretAsUInt64(toInt64(quantity_e8)))), "
    "reinterpretAsUInt64(toInt64(trade_time_ms)))), toUInt64(side)))"
)


def mix(values: U64Array) -> U64Array:
    """Return ``intHash64`` of each value, as ClickHouse computes it.

    Args:
        values: unsigned 64-bit integers, any shape.

    Returns:
        An array of the same shape.
    """
    x = values ^ _SEED
    x ^= x >> _SHIFT
    x *= _MUL_1
    x ^= x >> _SHIFT
    x *= _MUL_2
    x ^= x >> _SHIFT
    return x


def checksum(
    sequence: npt.NDArray[np.unsignedinteger],
    price_e8: npt.NDArray[np.signedinteger],
    quantity_e8: npt.NDArray[np.signedinteger],
    trade_time_ms: npt.NDArray[np.signedinteger],
    side: npt.NDArray[np.integer],
) -> U64Array:
    """Return the checksums of many messages at once.

    Args:
        sequence: sequence of each message in its feed, shape ``(n,)`` like all others.
        price_e8: price in 1e-8 units of the quote currency.
        quantity_e8: quantity in 1e-8 units of the base currency.
        trade_time_ms: the exchange's own time stamp, Unix milliseconds.
        side: 0 for a buy, 1 for a sell.

    Returns:
        Unsigned 64-bit checksums, shape ``(n,)``.
    """
    h = mix(sequence.astype(np.uint64))
    for field in (price_e8, quantity_e8, trade_time_ms):
        h = mix(h ^ field.astype(np.int64).view(np.uint64))
    return mix(h ^ side.astype(np.uint64))
