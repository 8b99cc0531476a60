"""Where the offload can be told to die, so that a test can have it die exactly there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Final

from chaosp7.errors import ConfigError

__all__ = ["STEPS", "CrashPoints"]

STEPS: Final = (
    "after-read",
    "mid-write",
    "after-write",
    "after-commit",
    "before-watermark",
    "after-watermark",
)


class CrashPoints:
    """The steps that were named; without a name nothing happens.

    Args:
        die: what is done at a named step.
    """

    def __init__(self, die: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGKILL)) -> None:
        self._die = die
        self._armed = ""

    def arm(self, step: str) -> None:
        """Die when this step is passed next.

        Raises:
            ConfigError: there is no such step.
        """
        if step not in STEPS:
            raise ConfigError(f"there is no step {step!r}; there are: {', '.join(STEPS)}")
        self._armed = step

    def passes(self, step: str) -> None:
        """Tell that a step has been reached."""
        if step == self._armed:
            self._die()
