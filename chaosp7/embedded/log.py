"""Log lines of the embedded platform's services: one format, on stderr, never held back."""

from __future__ import annotations

import logging
import sys
import threading
import time
from datetime import UTC, datetime
from types import TracebackType

__all__ = ["RateLimit", "configure"]


class _Formatter(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802, ARG002
        moment = datetime.fromtimestamp(record.created, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


class RateLimit:
    """Lets one log line through per interval, so that a flood of one error can't fill the disk.

    Args:
        interval_s: at least so long between two lines, seconds.
    """

    def __init__(self, interval_s: float = 1.0) -> None:
        self._interval_s = interval_s
        self._next = 0.0

    def __call__(self) -> bool:
        """Return True if a line may be written now."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval_s
        return True


def configure(service_name: str, level: int = logging.INFO) -> logging.Logger:
    """Send the process's log to stderr as ``2026-01-01T00:00:00.123Z LEVEL message``.

    Uncaught exceptions, also those of threads, go there too.

    Args:
        service_name: the service, name of the logger that is returned.
        level: lowest level that is written.

    Returns:
        The service's logger.
    """
    handler = logging.StreamHandler(sys.stderr)  # flushes after each line
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Each connection would be told at INFO, each failed handshake with a traceback.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    # A supervisor that died has closed the pipe: its services must not die of their log.
    logging.raiseExceptions = False
    logger = logging.getLogger(service_name)

    def uncaught(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        logger.critical("uncaught %s", kind.__name__, exc_info=(kind, value, trace))

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    return logger
