"""Whether the tiers are looked at closely, or only as often as needed to miss nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Attention"]


class Attention:
    """Shared by all samplers: what one of them sees coming, the others look at closely, too.

    It is full while somebody holds it (a fault is under way), and for a while after any tier was late.

    Args:
        linger_s: for how long, seconds.
        now_ns: the monotonic clock.
    """

    def __init__(self, linger_s: float, now_ns: Callable[[], int]) -> None:
        self._linger_ns = round(linger_s * 1e9)
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._holders = 0
        self._until_ns = 0
        self._listeners: list[threading.Event] = []

    @property
    def full(self) -> bool:
        """Whether every look counts now."""
        return self._holders > 0 or self._now_ns() < self._until_ns

    def listen(self) -> threading.Event:
        """Return an event that is set whenever attention becomes full."""
        event = threading.Event()
        with self._lock:
            self._listeners.append(event)
        return event

    def call(self) -> None:
        """Make it full for a while, beginning now."""
        with self._lock:
            was_full = self.full
            self._until_ns = self._now_ns() + self._linger_ns
            if not was_full:
                self._wake()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep it full in a block, and for a while after it."""
        with self._lock:
            self._holders += 1
            self._wake()
        try:
            yield
        finally:
            with self._lock:
                self._until_ns = self._now_ns() + self._linger_ns
                self._holders -= 1

    def _wake(self) -> None:
        for event in self._listeners:
            event.set()
