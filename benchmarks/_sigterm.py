"""What a benchmark that has brought a platform up does when it is told to end."""

import signal
import sys

__all__ = ["end_tidily_on_sigterm"]

_EXIT_CODE = 128 + signal.SIGTERM


def end_tidily_on_sigterm() -> None:
    """End by SIGTERM as by an error: the platform is taken down on the way out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_EXIT_CODE))
