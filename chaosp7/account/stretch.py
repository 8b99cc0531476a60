"""The one gap, or the one doubled stretch, that a chunk's digest spells by itself.

Where *k* consecutive messages are missing and all else is right, the digest lacks *k* rows, the sum of
their checksums and the XOR of them. There are few places where *k* messages could be missing, and both
numbers are right in one of them: by chance less than once in 2^115 chunks. So the commonest damage is
told without asking the tier again. What is wrong in any other way has none.
"""

from __future__ import annotations

import numpy as np

from chaosp7.account.checksum import U64Array
from chaosp7.account.digest import Digest

__all__ = ["one_stretch"]


def one_stretch(checksums: U64Array, digest: Digest) -> U64Array | None:
    """Return how often each message is there, if one stretch explains the digest.

    Args:
        checksums: of the chunk's messages, in the order of their sequences, shape ``(n,)``.
        digest: of what is there.

    Returns:
        Shape ``(n,)``: 1, and 0 or 2 in the stretch; None if there is no such stretch, or more than one.
    """
    count = len(checksums)
    length = abs(digest.count - count)
    if not 0 < length <= count:
        return None
    nothing = np.zeros(1, dtype=np.uint64)
    sums = np.concatenate((nothing, np.cumsum(checksums)))
    xors = np.concatenate((nothing, np.bitwise_xor.accumulate(checksums)))
    sum_, xor = np.uint64(digest.sum) - sums[-1:], np.uint64(digest.xor) ^ xors[-1:]
    lost = digest.count < count
    of_stretch = sums[length:] - sums[:-length] == (nothing - sum_ if lost else sum_)
    found = np.flatnonzero(of_stretch & (xors[length:] ^ xors[:-length] == xor))
    if len(found) != 1:
        return None
    copies = np.ones(count, dtype=np.uint64)
    copies[found[0] : found[0] + length] = 0 if lost else 2
    return copies
