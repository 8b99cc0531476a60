"""``python -m chaosp7.stress``: take CPU time or memory, answer for a server, or run a command, for a while.

It ends with the thread that started it, at the latest when its own time is over, and by any signal.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import signal
import sys
import time

from chaosp7.stress import cgroup, refusal

_PR_SET_PDEATHSIG = 1
_PAGE_BYTES = mmap.PAGESIZE


def _die_with_parent(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it died before that


def _spin(workers: int) -> None:
    """Keep as many cores busy; the children are worth nothing without this process."""
    parent = os.getpid()
    for _ in range(workers):
        if os.fork() == 0:
            _die_with_parent(parent)
            while True:
                pass


def _run(command: list[str]) -> None:
    """Run a command that ends with this process."""
    parent = os.getpid()
    if os.fork() == 0:
        _die_with_parent(parent)
        silence = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(silence, fd)
        os.execvp(command[0], command)  # noqa: S606 - the list comes from the platform's own plan


def _take(size_bytes: int) -> mmap.mmap:
    """Take memory that is really there: every page is written to."""
    memory = mmap.mmap(-1, size_bytes)
    for offset in range(0, size_bytes, _PAGE_BYTES):
        memory[offset] = 1
    return memory


def main() -> int:
    """Do what the arguments say.

    Returns:
        The process's exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m chaosp7.stress", description=__doc__)
    parser.add_argument("--token", required=True, help="by which it is found again; not looked at here")
    parser.add_argument("--parent", type=int, required=True, help="PID of who started it")
    parser.add_argument("--seconds", type=float, required=True, help="end at the latest after so many")
    parser.add_argument("--workers", type=int, default=0, help="cores to keep busy")
    parser.add_argument("--bytes", type=int, default=0, help="memory to take")
    parser.add_argument("--run", nargs=argparse.REMAINDER, help="a command to run meanwhile; comes last")
    parser.add_argument("--http-port", type=int, default=0, help="answer HTTP requests there ...")
    parser.add_argument("--http-status", type=int, default=503, help="... with this status (%(default)s)")
    parser.add_argument("--beside", type=int, help="PID of a process whose cgroups it is to work in")
    arguments = parser.parse_args()
    end_s = time.monotonic() + arguments.seconds
    # A session of its own, so that a Ctrl-C is the runner's to handle: it heals, and so ends this.
    os.setsid()
    _die_with_parent(arguments.parent)
    if arguments.beside:
        cgroup.join(arguments.beside)
    _spin(arguments.workers)
    memory = _take(arguments.bytes) if arguments.bytes else None
    if arguments.run:
        _run(arguments.run)
    if arguments.http_port:
        refusal.serve(arguments.http_port, arguments.http_status)
    sys.stdout.write("r")
    sys.stdout.flush()
    time.sleep(max(0.0, end_s - time.monotonic()))
    del memory
    return 0


if __name__ == "__main__":
    sys.exit(main())
