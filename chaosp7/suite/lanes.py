"""Platforms in parallel share nothing: each lane has a state folder of its own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from chaosp7.embedded.state import STATE_ENV, state_root

__all__ = ["lanes", "own_lane"]

#: No platform can be called so: a name begins with a letter or a digit.
_LANES = ".lanes"


@contextmanager
def lanes(number: int) -> Iterator[list[dict[str, str]]]:
    """Give each lane its environment; a lane is nobody else's for as long.

    One lane is the usual state folder: a platform that is up there is used.

    Args:
        number: how many.

    Raises:
        OSError: if a folder can't be made.
    """
    if number == 1:
        yield [{}]
        return
    with ExitStack() as stack:
        yield [_lane(stack) for _ in range(number)]


@contextmanager
def own_lane() -> Iterator[dict[str, str]]:
    """Give one lane its environment, apart from the usual state folder and every other lane.

    Raises:
        OSError: if its folder can't be made.
    """
    with ExitStack() as stack:
        yield _lane(stack)


def _lane(stack: ExitStack) -> dict[str, str]:
    """Lock the first free lane until the stack is closed, and return its environment."""
    for place in count(1):
        folder = state_root() / _LANES / str(place)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _locked(folder, stack):
            return {STATE_ENV: str(folder)}
    raise AssertionError("numbers don't end")


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
