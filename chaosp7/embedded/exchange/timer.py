"""A timer of the kernel's for an event loop: asyncio's own are a millisecond coarse."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from typing import Final

__all__ = ["Timer"]

_CLOCK_MONOTONIC: Final = 1
_TFD_TIMER_ABSTIME: Final = 1
_TFD_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """Calls back on the loop at a time of CLOCK_MONOTONIC (Linux timerfd).

    Args:
        loop: the loop.
        callback: called once per `arm`; it may arm again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._spec = _Itimerspec()
        self._reference = ctypes.byref(self._spec)
        self._armed = False
        self._fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        loop.add_reader(self._fd, self._expired)

    def arm(self, at_ns: int) -> None:
        """Call back at `at_ns`, or at once if that is over; replaces an earlier time."""
        self._armed = True
        self._set(max(1, at_ns))

    def close(self) -> None:
        """Call back no more. Does nothing the second time."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _expired(self) -> None:
        self._armed = False
        self._callback()
        if not self._armed and self._fd >= 0:
            self._set(0)  # setting it also takes the expiry away, so the descriptor needn't be read

    def _set(self, at_ns: int) -> None:
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(at_ns, 1_000_000_000)
        if _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, self._reference, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
