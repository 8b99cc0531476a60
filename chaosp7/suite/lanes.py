"""Platforms in parallel share nothing: each lane has a state folder of its own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from chaosp7.embedded.state import STATE_ENV, state_root

__all__ = ["lanes"]

#: No platform can be called so: a name begins with a letter or a digit.
_LANES = ".lanes"


@contextmanager
def lanes(count: int) -> Iterator[list[dict[str, str]]]:
    """Give each lane its environment; a lane is nobody else's for as long.

    One lane is the usual state folder: a platform that is up there is used.

    Args:
        count: how many.

    Raises:
        OSError: if a folder can't be made.
    """
    if count == 1:
        yield [{}]
        return
    with ExitStack() as stack:
        found: list[dict[str, str]] = []
        number = 0
        while len(found) < count:
            number += 1
            folder = state_root() / _LANES / str(number)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _locked(folder, stack):
                found.append({STATE_ENV: str(folder)})
        yield found


def _locked(folder: Path, stack: ExitStack) -> bool:
    """Lock a lane until the stack is closed; False if another suite has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    stack.callback(os.close, descriptor)
    return True
