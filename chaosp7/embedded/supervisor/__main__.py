"""``python -m chaosp7.embedded.supervisor STATE_DIR``: become the platform's daemon.

The command returns at once, 0 if the daemon was made; that holds the platform's lock for as
long as it lives, so that there is never a second one.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import os
import sys
from pathlib import Path

from chaosp7.embedded import log
from chaosp7.embedded.plan_model import Plan, read
from chaosp7.embedded.state import StateDir
from chaosp7.embedded.supervisor.daemon import Daemon
from chaosp7.errors import ChaosP7Error, PlatformError

__all__ = ["main"]


def main() -> int:
    """Read the plan, take the lock, leave a daemon behind."""
    parser = argparse.ArgumentParser(prog="python -m chaosp7.embedded.supervisor", description=__doc__)
    parser.add_argument("state_dir", type=Path)
    state = StateDir(parser.parse_args().state_dir.absolute())
    try:
        plan = read(state)
        lock = _lock(state)
    except ChaosP7Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if os.fork():
        return 0
    os.setsid()
    return _daemon(plan, state, lock)


def _lock(state: StateDir) -> int:
    descriptor = os.open(state.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PlatformError(f"the platform at {state.path} is running already") from None
    return descriptor


def _daemon(plan: Plan, state: StateDir, lock: int) -> int:
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(state.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.chdir(state.path)
    state.supervisor_pid.write_text(f"{os.getpid()}\n", encoding="ascii")
    logger = log.configure("supervisor")
    logger.info("supervisor of %s, PID %d", plan.name, os.getpid())
    gc.freeze()
    try:
        return asyncio.run(Daemon(plan).run())
    finally:
        state.supervisor_pid.unlink(missing_ok=True)
        os.close(lock)


if __name__ == "__main__":
    sys.exit(main())
