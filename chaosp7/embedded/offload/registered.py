"""Which runs at Prefect are left over: begun by a process that is gone, or ended unheard.

Prefect's server never finds out by itself that a process was killed: its runs stay Running for ever. So each
run has a tag that names its process, and the next offload on the same machine looks who is still there.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.states import Crashed

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["TAG", "own_tag", "settle"]

#: What all runs of the offload as a service have.
TAG: Final = "chaosp7-offload"

_PROCESS: Final = "process:"
_MOST: Final = 200


def own_tag() -> str:
    """Return the tag that names this process: its machine, its PID there, and when it began."""
    return _tag(os.getpid(), _begun(os.getpid()) or 0)


def settle(outcomes: Mapping[UUID, Any]) -> list[str]:
    """Tell Prefect how runs ended of which it doesn't know; none of them may be under way.

    Args:
        outcomes: of runs of this process: run -> the state that Prefect hasn't been told.

    Returns:
        What was told, in words.

    Raises:
        Exception: whatever Prefect's client does when it can't reach the server.
    """
    told = []
    unfinished = FlowRunFilter(
        tags={"all_": [TAG]}, state={"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}
    )
    own = own_tag()
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=unfinished, limit=_MOST):
            owner = next((tag for tag in run.tags if tag.startswith(_PROCESS)), "")
            if owner == own:
                state = outcomes.get(run.id) or Crashed(
                    message="Prefect's answer never came: it didn't begin"
                )
            elif _gone(owner):
                pid = owner.split(":")[-2]
                state = Crashed(message=f"process {pid}, which ran it, is gone; told by the one after it")
            else:
                continue
            client.set_flow_run_state(run.id, state, force=True)
            told.append(f"run {run.name} is {state.name}: {state.message or 'it could not be told earlier'}")
    return told


def _tag(pid: int, begun: int) -> str:
    return f"{_machine()}{pid}:{begun}"


def _machine() -> str:
    # Containers may share a name, and each counts its own PIDs.
    return f"{_PROCESS}{socket.gethostname()}:{Path('/proc/self/ns/pid').stat().st_ino}:"


def _gone(owner: str) -> bool:
    """Return whether a process of this machine has ended; of another one's nobody here can tell."""
    if not owner.startswith(_machine()):
        return False
    pid, begun = owner.removeprefix(_machine()).split(":")
    return _begun(int(pid)) != int(begun)


def _begun(pid: int) -> int | None:
    """Return when a process began, in the kernel's ticks; None if it has ended.

    A PID comes again; with its beginning it doesn't.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Its name, in brackets, may hold blanks and brackets itself.
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])
