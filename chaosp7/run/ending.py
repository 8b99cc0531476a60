"""How a run is ended before its time: faults are cut short first, then whatever else goes on.

A fault waits in `over.wait` and not in ``time.sleep``: set, it lets every fault heal at once, also one
that Chaos Toolkit runs in the background. Only when none is under way any more is the main thread
interrupted, by Chaos Toolkit's own signal: an exception out of nowhere must not hit a fault that is
being undone.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from chaosp7.errors import HealError

__all__ = ["EXIT_GRACEFULLY", "Ending"]

logger = logging.getLogger("chaostoolkit")

#: What Chaos Toolkit's own signal to end a run raises (`chaoslib.exit`): rollbacks are still played.
EXIT_GRACEFULLY = 20

_LOOK_EVERY_S = 0.05

#: After this time the main thread is interrupted whatever it does; what it leaves is healed after.
_FAULTS_END_WITHIN_S = 120.0


class Ending:
    """The early end of one run; it comes once or never.

    Attributes:
        over: set when everything has to end.
        reason: why, in words; None as long as it hasn't come.
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self.reason: str | None = None
        self._too_late = threading.Event()
        self._deaf = False
        self._linked: list[threading.Event] = []

    def linked(self) -> threading.Event:
        """Return an event that is set with `over`, and that its owner may set before."""
        event = threading.Event()
        self._linked.append(event)
        if self.over.is_set():
            event.set()
        return event

    def end(self, reason: str, under_way: Callable[[], bool]) -> None:
        """End the run. Returns when the faults have ended and the main thread was told.

        Args:
            reason: why, in words.
            under_way: whether a fault is.
        """
        self.reason = reason
        logger.error("%s: the run is ended", reason)
        self.cut_short()
        deadline = time.monotonic() + _FAULTS_END_WITHIN_S
        while _true(under_way) and time.monotonic() < deadline and not self._too_late.is_set():
            time.sleep(_LOOK_EVERY_S)
        main = threading.main_thread().ident
        chaos_toolkit_listens = callable(signal.getsignal(signal.SIGUSR1))
        if main is not None and chaos_toolkit_listens and not self._too_late.is_set():
            signal.pthread_kill(main, signal.SIGUSR1)

    def cut_short(self) -> None:
        """Have everything that waits in `over` go on at once."""
        self.over.set()
        for event in list(self._linked):
            event.set()

    def hear_signals(self) -> None:
        """Have Ctrl-C and SIGTERM end the faults' waiting as well; only in the main thread.

        Chaos Toolkit waits for what it runs in the background before it lets an interrupted method go.
        On a SIGTERM it raises an `Exception`: one that comes while a line is logged `logging` swallows, and
        one in an activity is taken for the activity's failure. This leaves by `SystemExit`, once.
        """
        signal.signal(signal.SIGTERM, self._terminate)
        before = signal.getsignal(signal.SIGINT)
        if not callable(before):
            return  # whoever has started this wants none

        def interrupt(signum: int, frame: FrameType | None) -> None:
            self.cut_short()
            before(signum, frame)

        signal.signal(signal.SIGINT, interrupt)

    def _terminate(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        if not self._deaf:
            self._deaf = True
            self.cut_short()
            raise SystemExit(EXIT_GRACEFULLY)

    def conclude(self) -> None:
        """From now on let no SIGTERM in: what is left is short, and Chaos Toolkit would lose its journal."""
        self._deaf = True

    def let_finish(self) -> None:
        """From now on leave the main thread alone: it is past what could be interrupted."""
        self._too_late.set()


def _true(under_way: Callable[[], bool]) -> bool:
    try:
        return under_way()
    except HealError:
        return False  # who can't tell isn't waited for; what is left is healed at the run's release
