"""Ctrl-C counted: the first ends the runs in an orderly way, the second kills them."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Counts what asks this process to end, while it is open; only in the main thread.

    That these signals are handled here has a run start with the default ones, whatever this
    process was started with.

    Attributes:
        count: how often.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _signum: int, _frame: FrameType | None) -> None:
        self.count += 1
