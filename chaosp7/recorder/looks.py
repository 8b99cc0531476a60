"""The loop of a sampler that looks, waits, and looks again."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from chaosp7.errors import ReaderError
from chaosp7.recorder.attention import Attention
from chaosp7.recorder.share import Share

__all__ = ["Looks"]

_log = logging.getLogger("chaostoolkit")

#: Share of the time that looks may take at most, and how much they may be ahead of it, seconds: slow looks.
_SHARE_MAX: Final = 0.5
_BURST_S: Final = 3.0


class Looks(threading.Thread, ABC):
    """Looks again and again: closely at full attention, else as rarely as misses nothing.

    A look that fails, whatever the reason, is an error of what was looked at, and the next one follows.

    Args:
        name: the thread's.
        full_s: at full attention, from one look's start to the next one's, seconds; more where a look
            takes so long that it would keep the server busy: measuring must not slow what is measured.
        attention: when it is full.
        now_ns: the monotonic clock.
    """

    def __init__(self, name: str, full_s: float, attention: Attention, now_ns: Callable[[], int]) -> None:
        super().__init__(name=name, daemon=True)
        self._full_s = full_s
        self._attention = attention
        self._now_ns = now_ns
        self._ended = threading.Event()
        self._wake = attention.listen()
        self.at_full = threading.Event()
        """Set while it looks at full attention."""
        self._unforeseen = ""
        """The newest error that isn't of a reader: its traceback is logged once."""

    @abstractmethod
    def _look(self, look_ns: int, *, full: bool) -> float | None:
        """Look once.

        Args:
            look_ns: when the look began.
            full: whether at full attention.

        Returns:
            Until when nothing need be looked at, seconds from the look's beginning; None: at once.

        Raises:
            ReaderError: it couldn't be read.
        """

    @abstractmethod
    def _failed(self, before_ns: int, after_ns: int, error: str) -> None:
        """Note that nobody could have read it in an interval."""

    def _close(self) -> None:
        """Give back what was held, when it is over."""

    def run(self) -> None:
        """Sample until `stop`."""
        share = Share(_SHARE_MAX, _BURST_S, self._now_ns())
        while not self._ended.is_set():
            self._wake.clear()
            full = self._attention.full
            look_ns = self._now_ns()
            due_s = 0.0
            try:
                away_s = self._look(look_ns, full=full)
            except Exception as error:  # noqa: BLE001  # a thread that is gone would tell nobody
                self._failed(look_ns, self._now_ns(), self._told(error))
                away_s = None  # it kept no server busy, and how long it took is no reason to look away
            else:
                due_s = share.spend(look_ns, self._now_ns())
            if away_s is None:
                self._attention.call()
            (self.at_full.set if full else self.at_full.clear)()
            spent_s = (self._now_ns() - look_ns) / 1e9
            wanted_s = self._full_s if away_s is None or self._attention.full else away_s
            self._wake.wait(max(wanted_s - spent_s, due_s))
        self._close()

    def _told(self, error: Exception) -> str:
        if isinstance(error, ReaderError):
            return str(error)
        text = f"{type(error).__name__}: {error}"
        if text != self._unforeseen:
            _log.error("A look of the %s failed in a way nobody foresaw", self.name, exc_info=error)
        self._unforeseen = text
        return text

    def stop(self) -> None:
        """End sampling and wait until the thread has ended."""
        self._ended.set()
        self._wake.set()
        self.join()
