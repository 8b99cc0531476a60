"""What a run's figures depend on: versions, and the machine it took place on."""

from __future__ import annotations

import platform as machine

import psutil
from chaoslib import __version__ as chaoslib_version

import chaosp7
from chaosp7.run import evidence as ev

__all__ = ["this_machine"]


def this_machine() -> ev.Environment:
    """Return where this process runs."""
    return ev.Environment(
        chaosp7=chaosp7.__version__,
        chaoslib=chaoslib_version,
        python=machine.python_version(),
        kernel=machine.release(),
        cpu=machine.processor() or machine.machine(),
        cores=psutil.cpu_count() or 0,
        memory_bytes=psutil.virtual_memory().total,
    )
